"""Fitting recovers the settings of masks that were drawn with known ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import terminal
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.population import PopulationSettings, draw_labels, place, population
from napari_organoid_synth.core.simulators.population_fit import fit, fit_each, read_masks

KNOWN = PopulationSettings(
    field=512, count=(50, 80), radius=(4, 7), elongation=(1.2, 1.8), clusters=4, clustering=0.6, spread=20
)


def drawn(settings: PopulationSettings, number: int = 12, size: int = 512) -> list[SamplePair]:
    masks = [draw_labels(settings, np.random.default_rng(seed), size) for seed in range(number)]
    return [SamplePair(str(seed), mask[None], mask, settings.mask_kind) for seed, mask in enumerate(masks)]


def test_known_settings_are_recovered() -> None:
    """Counts within 15 %, radius 5 %, elongation 10 %, one cluster more or less, a tenth of the objects clustered."""
    found = fit(drawn(KNOWN))
    assert found.field == 512
    assert found.count == pytest.approx(KNOWN.count, rel=0.15)
    assert found.radius == pytest.approx(KNOWN.radius, rel=0.05)
    assert found.elongation == pytest.approx(KNOWN.elongation, rel=0.1)
    assert abs(found.clusters - KNOWN.clusters) <= 1
    assert found.clustering == pytest.approx(KNOWN.clustering, abs=0.1)
    assert found.spread == pytest.approx(KNOWN.spread, rel=0.2)
    assert found.shapes == ()


def test_even_objects_have_no_clusters() -> None:
    found = fit(drawn(KNOWN.replace(clusters=0, clustering=0)))
    assert (found.clusters, found.clustering) == (0, 0)


def test_images_of_other_sizes_count_by_their_area() -> None:
    dense = PopulationSettings(field=256, count=(40, 40), radius=(3, 4), clusters=0)
    found = fit([*drawn(dense, 5, 256), *drawn(dense, 3, 512)])
    assert found.field == 256
    assert found.count == pytest.approx((40, 40), rel=0.08)


def test_pieces_of_binary_masks_are_objects() -> None:
    apart = KNOWN.replace(overlap=0.0, clusters=0)
    labels = fit(drawn(apart, 4))
    binary = fit(drawn(apart.replace(mask_kind="binary"), 4))
    assert binary.mask_kind == "binary"
    assert binary.radius == pytest.approx(labels.radius, rel=0.25)  # some touch
    assert set(np.unique(draw_labels(binary, np.random.default_rng(0), 512))) == {0, 1}


def test_shapes_are_kept_and_copied() -> None:
    settings = KNOWN.replace(clusters=0, radius=(10, 10), elongation=(2, 2), overlap=0.0, count=(30, 30))
    found = fit(drawn(settings, 3), shapes=20)
    assert len(found.shapes) == 20
    areas, elongations = np.array(found.shapes)[:, :2].T
    assert areas.mean() == pytest.approx(np.pi * 100, rel=0.05)
    assert elongations.mean() == pytest.approx(2, rel=0.1)
    assert found == fit(drawn(settings, 3), shapes=20)
    labels, left_out = place(found, np.random.default_rng(0), 512)
    assert left_out == 0
    sizes = np.bincount(labels.ravel())[1:]
    assert np.median(sizes) == pytest.approx(np.pi * 100, rel=0.12)


def test_objects_at_the_border_do_not_count_for_the_size() -> None:
    labels = np.zeros((100, 100), np.int32)
    labels[:40, :40] = 1
    labels[50:60, 50:60] = 2
    found = fit([SamplePair("a", labels[None], labels, "instances")])
    assert found.radius == pytest.approx((np.sqrt(100 / np.pi),) * 2, abs=1e-3)
    assert found.count == (2, 2)
    half = np.zeros((64, 64), np.int32)
    half[:, :36] = 1
    assert fit([SamplePair("a", half[None], half, "instances")]).radius[0] == pytest.approx(48 / np.pi**0.5, abs=1e-3)


def test_what_a_population_cannot_draw_is_refused() -> None:
    todo = "Paint on real masks, moved, or train a mask generator (draws=masks) and paint on what it draws."
    tissue = np.arange(1, 65, dtype=np.int32).reshape(8, 8).repeat(8, 0).repeat(8, 1)
    with pytest.raises(UserError) as caught:
        fit([SamplePair("tissue", tissue[None], tissue, "instances")])
    assert str(caught.value) == (
        "Objects cover 100 % of the masks. A population places separate objects, which cover at most 90 %. " + todo
    )
    rows, columns = np.mgrid[:64, :64]
    ring = ((np.hypot(rows - 32, columns - 32) < 20) & (np.hypot(rows - 32, columns - 32) > 14)).astype(np.int32)
    disc = (np.hypot(rows - 32, columns - 32) < 20).astype(np.int32)
    for kind in ("binary", "instances"):
        with pytest.raises(UserError) as caught:
            fit([SamplePair("ring", ring[None], ring, kind), SamplePair("disc", disc[None], disc, kind)])
        assert str(caught.value) == f"1 of 2 objects has a hole. A population draws objects without holes. {todo}"


def test_empty_fields_are_left_out() -> None:
    rows, columns = np.mgrid[:64, :64]
    disc = (np.hypot(rows - 32, columns - 32) < 20).astype(np.int32)
    pairs = [SamplePair(name, mask[None], mask, "binary") for name, mask in (("a", disc), ("b", 0 * disc))]
    assert fit(pairs) == fit(pairs[:1])
    with pytest.raises(UserError, match="contain no object"):
        fit(pairs[1:])


def test_pixel_size_is_kept_when_it_is_one() -> None:
    pairs = drawn(KNOWN, 3)
    assert fit(pairs).pixel_size is None
    assert fit([pair.replace(pixel_size=(0.3, 0.3)) for pair in pairs]).pixel_size == 0.3
    assert fit([pairs[0].replace(pixel_size=(0.3, 0.4)), *pairs[1:]]).pixel_size is None


def test_what_cannot_be_fitted() -> None:
    labels = np.eye(64, dtype=np.int32)
    with pytest.raises(UserError, match=r"The masks have named classes \(wall, lumen\)\. .* Paint on real masks"):
        fit([SamplePair("a", labels[None], labels, "classes", ("wall", "lumen"))])
    with pytest.raises(UserError, match="no object"):
        fit([SamplePair("a", labels[None], 0 * labels, "binary")])
    with pytest.raises(UserError, match="no object"):
        fit([])


def test_a_folder_of_masks_or_of_pairs(tmp_path: Path) -> None:
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair

    pairs = drawn(KNOWN, 3)
    for pair in pairs:
        write_pair(tmp_path, pair.replace(image=(pair.image > 0).astype(np.uint8)))
    assert fit(read_masks(tmp_path)) == fit(pairs)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image file"):
        read_masks(tmp_path / "empty")
    with pytest.raises(UserError, match="no folder"):
        read_masks(tmp_path / "nothing")


def test_outlines_and_masks_of_single_objects_beside_their_images(tmp_path: Path) -> None:
    from imageio.v3 import imwrite

    pairs = drawn(KNOWN.replace(overlap=0.0), 2)
    for kind in ("flat", "coco", "folders"):
        for number, pair in enumerate(pairs):
            place = tmp_path / kind / f"id{number}/images" if kind == "folders" else tmp_path / kind
            place.mkdir(parents=True, exist_ok=True)
            imwrite(place / f"img{number}.png", ((pair.labels > 0) * 99).astype(np.uint8))
            for k in range(1, pair.labels.max() + 1) if kind != "coco" else ():
                masks = place.parent / "masks" if kind == "folders" else place
                masks.mkdir(exist_ok=True)
                imwrite(masks / f"img{number}_mask_{k}.png", ((pair.labels == k) * 255).astype(np.uint8))
    runs = [
        {"id": 100 * i + k, "image_id": i, "category_id": 1, "segmentation": _runs(pair.labels == k)}
        for i, pair in enumerate(pairs)
        for k in range(1, pair.labels.max() + 1)
    ]
    images = [{"id": i, "file_name": f"img{i}.png", "height": 512, "width": 512} for i in range(2)]
    document = {"images": images, "annotations": runs, "categories": [{"id": 1, "name": "cell"}]}
    (tmp_path / "coco/annotations.json").write_text(json.dumps(document))
    expected = fit(pairs, 40)
    for kind in ("flat", "coco", "folders"):
        assert fit(read_masks(tmp_path / kind), 40) == expected


def _runs(mask: np.ndarray) -> dict[str, object]:
    flat = mask.ravel(order="F").astype(int)
    places = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    return {"size": list(mask.shape), "counts": np.diff(np.concatenate([[0], places, [mask.size]])).tolist()}


def test_objects_drawn_as_equal_circles_are_simulated() -> None:
    from skimage.draw import disk

    labels = np.zeros((128, 128), np.int32)
    for number, centre in enumerate([(30, 30), (30, 80), (80, 40), (90, 95)], start=1):
        labels[disk(centre, 8)] = number
    [settings] = fit_each([SamplePair("a", labels[None], labels, "instances")])
    drawn_labels = population(3, 128, settings).labels
    areas = np.bincount(drawn_labels.ravel())[1:]
    assert len(areas[areas > 0]) >= 2
    assert 0.7 * np.pi * 64 < np.median(areas[areas > 0]) < 1.3 * np.pi * 64


def test_a_mask_that_cannot_be_read_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    for pair in drawn(KNOWN, 2):
        write_pair(tmp_path / "masks", pair.replace(image=pair.image.astype(np.uint8)))
    (tmp_path / "masks" / "9_labels.ome.tif").write_bytes(b"II*\0")
    done = terminal.run(
        *("simulate", "population", tmp_path / "out", "--masks", tmp_path / "masks", "--json"),
        *("--number", 1, "--size", 256),
    )
    said = terminal.result(done.out)
    assert (done.code, list(said["failed"]), len(said["files"])) == (1, ["9_labels.ome.tif"], 2)
    assert all(Path(file).exists() for file in said["files"])


def test_a_folder_of_black_and_white_masks_of_classes_and_of_empty_ones(tmp_path: Path) -> None:
    from imageio.v3 import imwrite

    masks = [pair.labels for pair in drawn(KNOWN.replace(mask_kind="binary", overlap=0.0), 2)]
    for number, mask in enumerate([*masks, np.zeros((512, 512))]):
        imwrite(tmp_path / f"{number}.png", (255 * mask).astype(np.uint8))
    found = fit(read_masks(tmp_path), 40)
    assert found.mask_kind == "binary"
    assert found == fit([SamplePair("", m[None], m, "binary") for m in masks], 40)
    codes = tmp_path / "codes"
    codes.mkdir()
    halves = np.where(np.arange(512) < 256, 1, 2)
    for number, mask in enumerate(masks):
        imwrite(codes / f"{number}.png", (100 * halves * mask).astype(np.uint8))
    with pytest.raises(UserError, match=r"look like classes: 2 widely spaced values \(100, 200\)"):
        read_masks(codes)


def test_each_mask_keeps_its_count_and_its_sizes() -> None:
    few, many = KNOWN.replace(count=(20, 20), radius=(12, 14)), KNOWN.replace(count=(90, 90), radius=(4, 5))
    found = fit_each([*drawn(few, 6), *drawn(many, 6)])
    assert len(found) == 12
    assert [one.count for one in found] == [(20, 20)] * 6 + [(90, 90)] * 6
    assert {(one.clusters, one.clustering, one.spread) for one in found} == {
        (found[0].clusters, found[0].clustering, found[0].spread)
    }
    for one, radius in zip(found, [13.0] * 6 + [4.5] * 6, strict=True):
        assert np.mean(one.radius) == pytest.approx(radius, rel=0.07)
        assert np.sqrt(np.array(one.shapes)[:, 0] / np.pi).mean() == pytest.approx(radius, rel=0.07)
    small = fit_each([*drawn(KNOWN, 3, 512), *drawn(KNOWN, 4, 1024)])
    assert [one.field for one in small] == [512] * 3 + [1024] * 4
    assert small[0].clusters == pytest.approx(small[3].clusters / 4, abs=0.5)


@pytest.mark.parametrize(
    ("name", "number", "small", "large"),
    [("miniature/nuclei", 12, (6, 9), (12, 17)), ("nuclei_dsb2018", 50, (2, 5), (15, 40))],
)
def test_nuclei(
    image_set: Callable[[str], Path], name: str, number: int, small: tuple[int, int], large: tuple[int, int]
) -> None:
    masks = read_masks(image_set(name) / "masks")
    fitted = fit(masks)
    assert len(masks) == number
    assert fitted.mask_kind == "instances"
    assert small[0] < fitted.radius[0] < small[1]
    assert large[0] < fitted.radius[1] < large[1]
    one = fit_each(masks[:1])[0]
    labels, left_out = place(one, np.random.default_rng(0), one.field)
    assert labels.max() + left_out == pytest.approx(masks[0].n_objects, abs=1)
