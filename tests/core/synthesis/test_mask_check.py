"""What the check of drawn masks finds."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.codec import heatflow
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.simulate import organoid_brightfield, tissue
from napari_organoid_synth.core.synthesis.mask_check import MaskCheck, MaskChecker, object_sizes, summarize


@pytest.fixture(scope="module")
def real() -> list[SamplePair]:
    return [tissue(seed, 128) for seed in range(6)]


@pytest.fixture(scope="module")
def checker(real: list[SamplePair]) -> MaskChecker:
    return MaskChecker(Codec.fit(real), real)


def discs(*places: tuple[int, int, int], size: int = 96) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    for number, (cy, cx, radius) in enumerate(places, start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return labels


def test_masks_that_were_encoded_pass(real: list[SamplePair], checker: MaskChecker) -> None:
    for pair in real:
        field = heatflow.encode(pair.labels)
        check = checker(field, heatflow.decode(field))
        assert check.passed, check.reasons
        assert check.objects == pair.n_objects
        assert check.error < 0.02
        assert check.good == 1
        assert check.fragments == 0


def test_arrows_of_other_objects_fail(real: list[SamplePair], checker: MaskChecker) -> None:
    labels = discs((30, 30, 12), (60, 60, 14))
    field = heatflow.encode(labels)
    field[1:, 45:] *= -1  # the second disc points outwards
    check = checker(field, labels)
    share = (labels == 1).sum() / (labels > 0).sum()
    assert check.good == pytest.approx(share, abs=1e-6)
    assert check.error == pytest.approx(4 * (1 - share), rel=0.02)
    assert check.reasons == (f"the arrows fit only {share:.0%} of the object pixels",)


def test_pieces_holes_and_several_in_one_are_counted(checker: MaskChecker) -> None:
    labels = discs((20, 20, 8), (20, 60, 8), (70, 20, 8), (70, 70, 16))
    labels[labels == 2] = 1  # two pieces, and therefore a hull mostly empty
    labels[65:75, 68:72] = 0  # a hole in the last
    check = checker(heatflow.encode(labels), labels)
    assert (check.objects, check.fragments, check.merged, check.holes, check.at_border) == (3, 1, 1, 1, 0)
    assert check.reasons == ("1 of 3 objects are in pieces",)
    touching = checker(heatflow.encode(discs((0, 40, 10))), discs((0, 40, 10)))
    assert touching.at_border == 1


def test_noise_and_nothing_fail(checker: MaskChecker) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (3, 96, 96)).astype(np.float32)
    assert not checker(noise, heatflow.decode(noise)).passed
    empty = np.full((3, 96, 96), -1, np.float32)
    assert checker(empty, heatflow.decode(empty)).reasons == ("no object",)


def test_binary_masks_are_judged_by_their_values() -> None:
    real = [organoid_brightfield(seed, 96) for seed in range(3)]
    codec = Codec.fit(real)
    field = codec.encode_mask(real[0].labels)
    checker = MaskChecker(codec, real)
    assert checker(field, codec.decode_mask(field)).error == 0
    assert checker(field * 0.5, codec.decode_mask(field * 0.5)).error == pytest.approx(0.25)


def test_the_report_stands_beside_the_real_masks(real: list[SamplePair], checker: MaskChecker) -> None:
    fields = [heatflow.encode(pair.labels) for pair in real]
    checks = [checker(field, pair.labels) for field, pair in zip(fields, real, strict=True)]
    sizes = [size for pair in real for size in object_sizes(pair.labels, checker.codec)]
    report = summarize(checks, sizes, checker)
    assert report.masks == len(real)
    assert report.passed == 1.0
    assert report.objects == report.real_objects == tuple(np.percentile([p.n_objects for p in real], (25, 50, 75)))
    assert report.area_px == report.real_area_px
    assert report.reasons == {}
    empty = np.full((3, 128, 128), -1, np.float32)
    assert summarize([*checks, checker(empty, heatflow.decode(empty))], sizes, checker).reasons == {"no object": 1}


def test_networks_are_judged_by_their_lines_not_as_objects() -> None:
    y, x = np.indices((96, 96))
    masks = [((y + k) % 24 < 3) | ((x + 2 * k) % 24 < 3) for k in range(8)]
    real = [SamplePair(f"m{k}", np.zeros((1, 96, 96)), mask.astype(np.int32), "binary") for k, mask in enumerate(masks)]
    checker = MaskChecker(Codec.fit(real), real)
    assert checker.thin == (1,)

    def check(labels: np.ndarray) -> MaskCheck:
        return checker(np.where(labels > 0, 1.0, -1.0)[None], labels.astype(np.int32))

    good = check(masks[3])
    assert good.passed
    assert 600 < good.length < 800  # four lines each way
    assert good.junctions == 16
    torn = masks[3] & (y % 12 > 3) & (x % 12 > 3)
    assert check(torn).reasons[0] == "the network is shorter than real ones"
    walls = (y + 3) % 24 < 3  # only those across
    assert "the network has fewer junctions than real ones" in check(walls).reasons
    dense = (y % 12 < 3) | (x % 12 < 3)
    assert "the network has more junctions than real ones" in check(dense).reasons
    blobs = [discs((20, 20, 12), (60, 60, 14)) > 0 for _ in range(4)]
    others = [SamplePair(f"b{k}", np.zeros((1, 96, 96)), b.astype(np.int32), "binary") for k, b in enumerate(blobs)]
    plain = MaskChecker(Codec.fit(others), others)
    assert plain.thin == ()
    assert plain(np.where(blobs[0], 1.0, -1.0)[None], blobs[0].astype(np.int32)).length == 0
