"""Shares worked out by hand; real tiles put aside get every value equally often, one fault is enough for a low one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.base import Score
from napari_organoid_synth.core.metrics.realism import Realism, Trait

SIZE = Score("size", "Size")


def test_share_of_real_tiles_that_are_worse() -> None:
    trait = Trait([0.0, 1.0, 2.0, 3.0, 4.0], SIZE)
    assert trait.share(2) == 1  # 2 · (2 + ½ + ½) / 6
    assert [trait.share(1), trait.share(3)] == pytest.approx([4 / 6, 4 / 6])  # 2 · (1 + ½ + ½) / 6
    assert trait.share(3.5) == pytest.approx(2 * (1 - 4.5 / 6))
    assert trait.share(4) == pytest.approx(2 / 6)
    assert trait.share(4 + 2) == pytest.approx(
        1 / 6 / 4
    )  # as far again as from the median to 4: a quarter of 2 · ½ / 6
    assert trait.share(-6) == pytest.approx(1 / 6 / 16)
    assert np.isnan(trait.share(np.nan))


def test_one_side_may_be_harmless() -> None:
    values = [0.0, 1.0, 2.0, 3.0, 4.0]
    high, low = (
        Trait(values, Score("grid", "Grid", unusual="high")),
        Trait(values, Score("fits", "Fits", unusual="low")),
    )
    assert high.share(-9) == pytest.approx(5.5 / 6)
    assert high.share(6) == pytest.approx(0.5 / 6 / 4)
    assert low.share(9) == pytest.approx(5.5 / 6)
    assert low.share(0) == pytest.approx(1 / 6)


def test_factors_count_as_logarithms() -> None:
    trait = Trait([1.0, 10.0, 100.0], Score("energy", "Energy", is_log=True))
    step = np.log(100.1 / 10.1)
    assert trait.share(1000) == pytest.approx(1 / 4 / (1 + np.log(1000.1 / 100.1) / step) ** 2)
    assert 0 < trait.share(0) < trait.share(0.5) < trait.share(1)


@pytest.mark.parametrize("values", [[7.0], [7.0] * 9, [0.0, 0.0]])
def test_equal_or_few_values_are_never_degenerate(values: list[float]) -> None:
    trait = Trait(values, SIZE)
    assert trait.share(values[0]) == 1
    shares = trait.shares(values[0] + np.array([0.1, 1.0, 10.0, 1e6]))
    assert (shares > 0).all()
    assert (np.diff(shares) < 0).all()
    assert Realism({"size": np.array(values)}, {"size": SIZE}, range(len(values)))({"size": 1e6}) < 0.05
    with pytest.raises(ValueError, match="no finite value"):
        Trait([np.nan], SIZE)


def tiles(rng: np.random.Generator, images: int, each: int, traits: int = 8) -> tuple[NDArray, NDArray]:
    """Traits of tiles that depend on each other and on their image; and the images."""
    mixing = np.random.default_rng(99).normal(size=(traits, traits))
    image = np.repeat(rng.normal(size=(images, traits)), each, 0)
    return (image + rng.normal(size=image.shape)) @ mixing, np.repeat(np.arange(images), each)


def realism(values: NDArray, groups: NDArray) -> Realism:
    names = [f"t{k}" for k in range(values.shape[1])]
    return Realism({name: values[:, k] for k, name in enumerate(names)}, dict.fromkeys(names, SIZE), groups)


@pytest.mark.parametrize("images", [10, 30])
def test_real_tiles_put_aside_have_every_value_equally_often(images: int) -> None:
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        known = realism(*tiles(rng, images, 4))
        fresh, _ = tiles(rng, 60, 1)
        found += [known({f"t{k}": value for k, value in enumerate(row)}) for row in fresh]
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)  # 0.478 and 0.487, a deviation of 0.09 and 0.06 a seed
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.015)  # 0.061 and 0.054
    np.testing.assert_allclose(np.quantile(found, [0.1, 0.25, 0.75, 0.9]), [0.1, 0.25, 0.75, 0.9], atol=0.05)


def test_one_terrible_trait_does_not_drown_among_good_ones() -> None:
    known = realism(*tiles(np.random.default_rng(0), 30, 4))
    good = {f"t{k}": float(np.median(trait._values)) for k, trait in enumerate(known._traits.values())}
    assert known(good) > 0.95
    assert known(good | {"t3": good["t3"] + 100}) < 0.01
    assert next(iter(known.shares(good | {"t3": 1e3}))) == "t3"
    assert known.unlike(good) == []
    assert known.unlike(good | {"t3": 1e3}) == ["Size"]
    assert known(good | {"t3": good["t3"] + 100}) > known(good | {"t3": good["t3"] + 200}) > 0


def test_tiles_of_one_group_are_held_back_together() -> None:
    values, images = tiles(np.random.default_rng(1), 6, 20)
    together, alone = realism(values, images), realism(values, np.arange(len(values)))
    assert np.median(together.held) < np.median(alone.held)  # other images are less alike than other tiles
    one = realism(values, np.zeros(len(values)))
    np.testing.assert_array_equal(one.held, alone.held)  # one group: its tiles stand for groups


def test_what_is_unknown_counts_nowhere() -> None:
    known = Realism({"a": np.array([1.0, np.nan, 2.0]), "b": np.full(3, np.nan)}, {"a": SIZE, "b": SIZE}, range(3))
    assert known({"a": 1.5, "b": 9.0}) == known({"a": 1.5})
    assert known({"c": 1.0}) is None
    assert Realism({}, {}, [])({"a": 1.0}) is None
