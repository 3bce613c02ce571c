"""The population: sizes, counts, overlap and clusters are those that its settings say."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.simulators import population as module
from napari_organoid_synth.core.simulators.outlines import contour, describe
from napari_organoid_synth.core.simulators.population import PopulationSettings, draw, draw_labels, place, population

ROUND = PopulationSettings(field=512, count=(50, 60), radius=(6, 9), clusters=0, roughness=0, jitter=0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def centres(labels: np.ndarray) -> np.ndarray:
    return np.array([np.argwhere(labels == number).mean(axis=0) for number in range(1, labels.max() + 1)])


def test_a_seed_repeats_its_pixels() -> None:
    one, same, other = (population(seed, 128) for seed in (3, 3, 4))
    assert content_hash(one.image, one.labels) == content_hash(same.image, same.labels)
    assert content_hash(one.labels) != content_hash(other.labels)
    assert (one.name, one.source.kind) == ("population_00003", "simulated")
    again = PopulationSettings.parse(json.loads(json.dumps(one.source.provenance["settings"])))
    assert content_hash(population(3, 128, again).image) == content_hash(one.image)
    np.testing.assert_array_equal(draw_labels(ROUND, rng(5), 512), draw_labels(ROUND, rng(5), 512))


def test_count_and_radius_stay_within_the_settings() -> None:
    counts, radii = [], []
    for seed in range(8):
        labels, left_out = place(ROUND.replace(overlap=0.0), rng(seed), 512)
        assert labels.dtype == np.int32
        assert (labels.max(), left_out) == (len(np.unique(labels)) - 1, 0)
        counts.append(labels.max())
        for number in range(1, labels.max() + 1):
            y, x = np.nonzero(labels == number)
            if y.min() > 0 and x.min() > 0 and max(y.max(), x.max()) < 511:
                radii.append(np.sqrt(len(y) / np.pi))
    assert min(counts) >= 50
    assert max(counts) <= 60
    assert min(radii) > 5.9
    assert max(radii) < 9.1
    assert np.mean(radii) == pytest.approx(7.5, abs=0.2)  # evenly between the ends


def test_elongation_stretches_and_keeps_the_area() -> None:
    labels = draw_labels(ROUND.replace(elongation=(2, 2), radius=(9, 9), overlap=0.0), rng(), 512)
    found = [describe(contour(np.pad(labels == number, 1))) for number in range(1, labels.max() + 1)]
    whole = [shape for shape in found if shape[0] > 240]  # not cut by the border
    assert np.mean([shape[1] for shape in whole]) == pytest.approx(2, rel=0.03)
    assert np.mean([shape[0] for shape in whole]) == pytest.approx(np.pi * 81, rel=0.03)


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.3])
def test_the_overlap_rule_is_never_broken(overlap: float) -> None:
    crowded = PopulationSettings(field=200, count=(120, 120), radius=(4, 14), overlap=overlap, clusters=2)
    seen: list[module._Field] = []

    class Spy(module._Field):
        def __init__(self, shape: np.ndarray, share: float) -> None:
            super().__init__(shape, share)
            seen.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_Field", Spy)
        labels, left_out = place(crowded, rng(1), 200)
    (field,) = seen
    assert field.count == 120 - left_out
    canvas = np.zeros((field.count, 300, 300), bool)  # every object whole, also beyond the border
    for layer, thing in zip(canvas, field.objects, strict=True):
        (y, x), (h, w) = thing.corner + 50, thing.mask.shape
        layer[y : y + h, x : x + w] = thing.mask
    areas = canvas.sum(axis=(1, 2))
    flat = canvas.reshape(field.count, -1).astype(np.float32)
    shared = flat @ flat.T
    np.fill_diagonal(shared, 0)
    assert (shared <= overlap * np.minimum(areas[:, None], areas) + 0.5).all()
    if overlap:
        assert shared.max() > 0  # they do touch
    first = canvas.argmax(axis=0)[50:250, 50:250] + 1  # the earlier one is on top
    np.testing.assert_array_equal(labels > 0, canvas.any(axis=0)[50:250, 50:250])
    np.testing.assert_array_equal(labels[labels > 0], first[labels > 0])


def test_a_cell_that_finds_no_place_in_500_tries_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    full = PopulationSettings(field=64, count=(40, 40), radius=(12, 12), clusters=0, overlap=0.05)
    tried: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        add = module._Field.add

        def count(field: module._Field, outline: np.ndarray, places: np.ndarray) -> bool:
            found = add(field, outline, places)
            tried.append(0 if found else len(places))
            return found

        patch.setattr(module._Field, "add", count)
        labels, left_out = place(full, rng(), 64)
    assert left_out >= 20
    assert labels.max() == 40 - left_out
    runs = "".join("x" if n else "." for n in tried).split(".")
    assert sum(len(run) // 10 for run in runs) == left_out
    assert set(tried) <= {0, 50}  # ten times fifty places before an object is given up
    with caplog.at_level(logging.WARNING):
        population(1, 64, full)
    (said,) = caplog.messages
    number = population(1, 64, full).source.provenance["left_out"]
    assert said == (
        f"population_00001: {number} objects left out: no free place, or no outline like a real one, in 500 tries."
    )


def test_clustered_neighbours_are_nearer() -> None:
    nearest = []
    for clustering in (0.0, 0.9):
        settings = PopulationSettings(
            field=512, count=(60, 60), radius=(3, 4), clusters=4, clustering=clustering, spread=20
        )
        found = [cKDTree(points).query(points, 2)[0][:, 1] for points in
                 (centres(draw_labels(settings, rng(seed), 512)) for seed in range(5))]  # fmt: skip
        nearest.append(np.concatenate(found))
    even, clustered = nearest
    expected = 0.5 / np.sqrt(60 / 512**2)  # mean distance of even points (Clark and Evans 1954)
    assert even.mean() == pytest.approx(expected, rel=0.15)
    assert np.median(clustered) < 0.5 * np.median(even)
    quantiles = np.linspace(0.05, 0.75, 15)
    assert (np.quantile(clustered, quantiles) < np.quantile(even, quantiles)).all()


def test_a_small_mask_is_cut_out_of_a_field_and_a_large_one_holds_more() -> None:
    settings = ROUND.replace(field=256, count=(40, 40), radius=(3, 4))
    small = np.mean([draw_labels(settings, rng(seed), 128).max() for seed in range(20)])
    assert small == pytest.approx(40 / 4, rel=0.25)
    assert draw_labels(settings, rng(), 512).max() == pytest.approx(160, abs=5)


@pytest.mark.parametrize("clustering", [0.0, 0.8])
def test_a_window_is_as_dense_as_the_field_also_when_crowded(clustering: float) -> None:
    settings = PopulationSettings(
        field=400, count=(150, 150), radius=(8, 8), roughness=0, jitter=0, clusters=6, clustering=clustering, spread=40
    )
    whole = [(draw_labels(settings, rng(seed), 400) > 0).mean() for seed in range(10)]
    window = [(draw_labels(settings, rng(seed), 100) > 0).mean() for seed in range(100)]
    error = np.hypot(np.std(whole) / 10**0.5, np.std(window) / 10)
    assert abs(np.mean(window) - np.mean(whole)) < 3 * error
    assert error < 0.03


def test_binary_masks_hold_0_and_1() -> None:
    labels = draw_labels(ROUND.replace(mask_kind="binary"), rng(), 512)
    np.testing.assert_array_equal(labels, draw_labels(ROUND, rng(), 512) > 0)
    assert draw(ROUND.replace(mask_kind="binary"), rng(), 256).mask_kind == "binary"


def test_objects_resemble_one_of_the_shapes() -> None:
    shapes = ((300.0, 1.8, 0.85, 0.8, 0.99), (600.0, 1.3, 0.94, 0.62, 0.99))
    settings = PopulationSettings(field=256, count=(15, 15), clusters=0, overlap=0.0, shapes=shapes)
    outlines = module.draw_outlines(settings, rng(), 15)
    assert len(outlines) == 15
    for outline in outlines:
        off = np.abs(np.array(describe(outline)) / np.array(shapes) - 1).max(axis=1)
        assert off.min() < 0.105  # a tenth, and what describing every eighth point of the outline changes
    impossible = settings.replace(shapes=((300.0, 1.8, 0.1, 0.8, 0.2),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHAPE_ROUNDS", 2)
        assert place(impossible, rng(), 256)[1] == 15


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_image(bits: int, dtype: type) -> None:
    pair = draw(PopulationSettings(bits=bits), rng(), 200)
    assert isinstance(pair, SamplePair)
    assert (pair.image.shape, pair.image.dtype) == ((1, 200, 200), dtype)
    inside, outside = pair.image[0][pair.labels > 0], pair.image[0][pair.labels == 0]
    assert inside.mean() > 1.5 * outside.mean()
    assert outside.mean() > 0.04 * np.iinfo(dtype).max
    assert pair.image.max() > (255 if bits == 16 else 100)


def test_energy_of_the_light_and_variance_of_the_sensor() -> None:
    still = PopulationSettings(noise=0, illumination=0, background=0, blur=(0.01, 0.01), bits=16)
    dark = draw(still, rng(1)).image.astype(float)
    assert (dark[0][draw_labels(still, rng(1)) == 0] == 0).all()
    lit = draw(still.replace(illumination=0.5), rng(1)).image.astype(float)
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    terms = np.stack([np.ones_like(y), y, x, y * y, x * x, x * y], -1)
    outside = dark[0] == 0
    weights = np.linalg.lstsq(terms[outside], lit[0][outside], rcond=None)[0]
    light = terms @ weights  # a second-degree surface, also behind the objects
    np.testing.assert_allclose(lit[0][outside], light[outside], atol=2)
    dimmed = (lit[0] - light)[~outside].sum() / dark[0].sum()  # light above the largest count is scaled down
    assert (light**2).sum() / (dimmed**2 * (dark**2).sum()) == pytest.approx(0.5, rel=0.01)
    empty = PopulationSettings(count=(0, 0), background=0.5, noise=1e-3)
    assert draw(empty, rng(), 256).image.std() / 255 == pytest.approx(1e-3**0.5, rel=0.03)
    shot = draw(empty.replace(noise=0.0, photons=200.0), rng(), 256).image
    assert shot.std() / 255 == pytest.approx((0.5 / 200) ** 0.5, rel=0.03)


def test_blur_follows_its_setting() -> None:
    sharp, soft = (
        draw(PopulationSettings(blur=(s, s), noise=0, illumination=0), rng(2)).image[0].astype(float)
        for s in (0.3, 4.0)
    )
    edges = [np.abs(np.diff(image, axis=0)).mean() for image in (sharp, soft)]
    assert edges[1] < 0.5 * edges[0]


@pytest.mark.parametrize(
    "changes", [{"radius": (5, 3)}, {"count": (-1, 3)}, {"radius": (0, 3)}, {"elongation": (0.5, 1)}, {"bits": 12}]
)
def test_impossible_settings_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UserError):
        PopulationSettings().replace(**changes)


def test_nothing_to_draw_is_said_and_an_empty_window_drawn_again() -> None:
    with pytest.raises(UserError, match=r"50 places of 64 px contain no object: there are 0 to 0 in 256 px\."):
        population(0, 64, PopulationSettings(count=(0, 0)))
    sparse = PopulationSettings(count=(2, 2), radius=(4, 5))
    assert min(draw_labels(sparse, rng(seed), 64).max() for seed in range(9)) == 0
    assert all(population(seed, 64, sparse).n_objects for seed in range(9))
