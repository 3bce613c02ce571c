"""Real outlines at other places: sizes, shapes, cover and contact as in the real masks, or as asked for."""

from __future__ import annotations

import time

import numpy as np
import pytest
from skimage.measure import regionprops

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.mask_kind import pieces_of
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.arranged import Arranger
from napari_organoid_synth.core.simulators.pieces import contact_share, numbered
from napari_organoid_synth.core.simulators.population import PopulationSettings, population
from napari_organoid_synth.core.simulators.real_outlines import Outline, measure_layout, smooth_distance
from napari_organoid_synth.core.simulators.simulate import SIMULATORS

NUCLEI = PopulationSettings(field=256, count=(50, 60), clusters=0, radius=(7.0, 12.0), elongation=(1.1, 1.6))


def nuclei(seed: int, **changes: object) -> SamplePair:
    return population(seed, 256, NUCLEI.replace(**changes)).replace(name=f"nuclei_{seed}")


REAL = [nuclei(seed) for seed in range(6)]
PLANE = np.hypot(*np.mgrid[-64:64, -64:64])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one(labels: np.ndarray, kind: str = "instances", name: str = "one") -> SamplePair:
    return SamplePair(name, np.zeros((1, *labels.shape), np.uint8), labels.astype(np.int32), kind)  # type: ignore[arg-type]


def measured(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Areas and solidities of the objects that no border cuts, and distances of their centres to the nearest one."""
    size = np.array(labels.shape)
    inside = [one for one in regionprops(labels) if min(one.bbox[:2]) > 0 and (np.array(one.bbox[2:]) < size).all()]
    centres = np.array([one.centroid for one in inside])
    far = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1e9 * np.eye(len(centres))
    return {
        "area": np.array([one.area for one in inside], float),
        "solidity": np.array([one.solidity for one in inside]),
        "distance": far.min(axis=1),
    }


def test_arranged_nuclei_are_like_the_real_ones() -> None:
    arranger = Arranger(REAL)
    made = [arranger.arrange(256, rng(seed)).labels for seed in range(24)]
    real = [pair.labels for pair in REAL]
    assert np.mean([m.max() for m in made]) == pytest.approx(np.mean([len(np.unique(r)) - 1 for r in real]), rel=0.1)
    assert np.mean([(m > 0).mean() for m in made]) == pytest.approx(np.mean([(r > 0).mean() for r in real]), abs=0.02)
    ours, theirs = ([measured(labels) for labels in masks] for masks in (made, real))
    for name, tolerance in (("area", 0.05), ("solidity", 0.005), ("distance", 0.15)):
        mean, expected = (float(np.mean(np.concatenate([each[name] for each in them]))) for them in (ours, theirs))
        assert mean == pytest.approx(expected, rel=tolerance), name
    spread, usual = (float(np.std(np.concatenate([each["area"] for each in them]))) for them in (ours, theirs))
    assert spread == pytest.approx(usual, rel=0.2)


def test_cover_and_contact_are_reached() -> None:
    arranger = Arranger(REAL)
    for cover in (0.1, 0.3, 0.5):
        made = [arranger.arrange(256, rng(seed), cover=cover) for seed in range(4)]
        assert np.mean([(one.labels > 0).mean() for one in made]) == pytest.approx(cover, abs=0.03)
        assert [one.cover[1] for one in made] == pytest.approx([(one.labels > 0).mean() for one in made])
    for contact in (0.0, 0.4, 0.8):
        made = [arranger.arrange(256, rng(seed), contact=contact) for seed in range(6)]
        assert np.mean([contact_share(one.labels) for one in made]) == pytest.approx(contact, abs=0.08), contact
        assert made[0].contact == (contact, pytest.approx(contact_share(made[0].labels)))


def test_contact_is_as_measured_without_a_wish() -> None:
    touching = [nuclei(seed, clusters=4, clustering=0.9, spread=14.0, overlap=0.02) for seed in range(4)]
    arranger = Arranger(touching)
    reached = np.mean([arranger.arrange(256, rng(seed)).contact[1] for seed in range(8)])
    assert arranger.contact > 0.3
    assert reached == pytest.approx(np.mean([contact_share(pair.labels) for pair in touching]), abs=0.1)


def test_the_seed_fixes_a_mask_and_another_gives_another() -> None:
    first, again, other = (Arranger(REAL).arrange(128, rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.labels, again.labels)
    assert first.as_dict() == again.as_dict()
    assert not np.array_equal(first.labels, other.labels)
    assert first.labels.shape == (128, 128)
    assert first.labels.dtype == np.int32


def test_outlines_keep_their_solidity_and_area() -> None:
    outlines = [one for pair in REAL for one in measure_layout(pair).whole]  # type: ignore[union-attr]

    def solidity(mask: np.ndarray) -> float:
        return float(regionprops(mask.astype(np.uint8))[0].solidity)

    stream = rng()
    before = np.mean([measured(pair.labels)["solidity"].mean() for pair in REAL])
    turned = [one.turned(stream, 0.3) > 0 for one in outlines]
    assert np.mean([solidity(mask) for mask in turned]) == pytest.approx(before, abs=0.005)
    assert np.mean([mask.sum() / one.area for mask, one in zip(turned, outlines, strict=True)]) == pytest.approx(
        1.0, abs=0.02
    )


def test_warped_outlines_differ_from_the_original() -> None:
    disc = Outline(smooth_distance((PLANE < 20)[40:89, 40:89]), int((PLANE < 20).sum()))
    shapes = {warp: [regionprops((disc.turned(rng(s), warp) > 0).astype(int))[0] for s in range(10)] for warp in (0, 1)}
    longer = {
        warp: np.mean([one.axis_major_length / one.axis_minor_length for one in each]) for warp, each in shapes.items()
    }
    assert longer[0] < 1.03
    assert longer[1] > 1.1


def test_provenance_names_the_images_that_lent_objects() -> None:
    made = Arranger(REAL).arrange(256, rng(3))
    assert made.like in made.names
    assert set(made.names) <= {pair.name for pair in REAL}
    assert {"names", "like", "cover", "cover_reached", "contact", "contact_reached", "left_out"} == set(made.as_dict())


def test_sizes_that_occur_together_stay_together() -> None:
    small = [nuclei(seed, radius=(5.0, 6.0)) for seed in range(2)]
    large = [nuclei(seed + 10, radius=(20.0, 24.0), count=(8, 10)) for seed in range(2)]
    arranger = Arranger([*small, *large])
    for seed in range(8):
        made = arranger.arrange(256, rng(seed))
        areas = measured(made.labels)["area"]
        assert np.ptp(2 * np.sqrt(areas / np.pi)) < 15, "small and large ones are mixed"


def test_elongated_objects_that_point_in_one_direction_still_do() -> None:
    y, x = np.mgrid[:256, :256]
    labels = np.zeros((256, 256), np.int32)
    for number, (cy, cx) in enumerate([(r, c) for r in range(24, 250, 36) for c in range(30, 250, 60)], 1):
        labels[((y - cy) / 6) ** 2 + ((x - cx) / 20) ** 2 < 1] = number

    def order(labels: np.ndarray) -> float:
        return float(abs(np.mean([np.exp(2j * one.orientation) for one in regionprops(labels) if one.area > 150])))

    arranger = Arranger([one(labels)])
    made = [arranger.arrange(256, rng(seed)).labels for seed in range(4)]
    assert np.mean([order(mask) for mask in made]) > 0.8
    directions = [np.angle(np.mean([np.exp(2j * o.orientation) for o in regionprops(mask)])) for mask in made]
    assert np.std(directions) > 0.3


def test_one_organoid_in_each_image_gives_one_inside_and_no_other_number() -> None:
    organoids = [
        one((np.hypot(*(np.mgrid[:128, :128] - np.array(centre)[:, None, None])) < radius), "binary", f"o{radius}")
        for centre, radius in (((60, 66), 30), ((70, 60), 34), ((64, 64), 27))
    ]
    arranger = Arranger(organoids)
    assert arranger.framed
    for seed in range(8):
        made = arranger.arrange(128, rng(seed))
        assert pieces_of(made.labels).max() == 1
        assert set(np.unique(made.labels)) == {0, 1}
        assert not np.concatenate([made.labels[0], made.labels[-1], made.labels[:, 0], made.labels[:, -1]]).any()
        middle = np.argwhere(made.labels).mean(axis=0)
        assert np.abs(middle - 64).max() < 30  # where real ones lie


def test_what_the_border_cuts_stays_at_the_border() -> None:
    half = np.zeros((96, 96), bool)
    half[:40, 20:76] = np.hypot(*np.mgrid[0:40, -28:28]) < 28
    arranger = Arranger([one(half, "binary")])
    for seed in range(6):
        labels = arranger.arrange(96, rng(seed)).labels
        sides = [side.sum() for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1])]
        assert max(sides) >= 50  # the straight cut lies at a border
        assert labels.sum() == half.sum()


def test_holes_are_kept() -> None:
    rings = np.zeros((128, 128), int)
    for number, (y, x) in enumerate([(25, 25), (25, 75), (75, 25), (75, 75)], 1):
        far = np.hypot(*(np.mgrid[:128, :128] - np.array([y, x])[:, None, None]))
        rings[(far < 14) & (far > 7)] = number
    labels = Arranger([one(rings)]).arrange(128, rng()).labels
    whole = [each for each in regionprops(labels) if each.bbox[0] > 0 and each.bbox[2] < 128 and each.area > 300]
    assert whole
    assert all(each.euler_number == 0 for each in whole)


def test_pieces_of_a_binary_mask_stay_apart() -> None:
    binary = [pair.replace(labels=(pair.labels > 0).astype(np.int32), mask_kind="binary") for pair in REAL]
    made = [Arranger(binary).arrange(256, rng(seed)).labels for seed in range(3)]
    assert all(set(np.unique(labels)) == {0, 1} for labels in made)
    real = np.mean([pieces_of(pair.labels).max() for pair in binary])
    assert np.mean([pieces_of(labels).max() for labels in made]) == pytest.approx(real, rel=0.2)
    assert all(contact_share(numbered(labels, "binary")) == 0 for labels in made)


def test_sixty_nuclei_take_less_than_50_ms() -> None:
    arranger = Arranger(REAL)
    arranger.arrange(256, rng())
    seconds, numbers = [], []
    for seed in range(7):
        began = time.thread_time()
        numbers.append(int(arranger.arrange(256, rng(seed), cover=0.26).labels.max()))
        seconds.append(time.thread_time() - began)
    assert max(numbers) >= 60
    assert min(seconds) < 0.05


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([SIMULATORS["em"](0, 96)], "named classes"),
        ([one(np.ones((64, 64)))], "cover 100%"),
        ([one(np.arange(128) % 32 * np.ones((128, 1)) < 1, "binary")], "thin nets"),
        ([one(np.zeros((64, 64)))], "no object"),
    ],
)
def test_masks_without_single_objects_are_refused(pairs: list[SamplePair], found: str) -> None:
    with pytest.raises(UserError, match=found):
        Arranger(pairs)
