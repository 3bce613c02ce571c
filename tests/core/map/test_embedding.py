"""The map: its perplexity, the best of its runs, its alternatives."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.map.embedding import default_perplexity, embed

KINDS = np.repeat([0, 1], 12)


def groups() -> np.ndarray:
    """Two groups of twelve."""
    return np.random.default_rng(0).normal(size=(24, 60)) + 8 * np.repeat(np.eye(2, 60), 12, 0)


def test_perplexity_stays_below_the_number_of_tiles() -> None:
    assert default_perplexity(80) == pytest.approx(79 / 3)
    assert default_perplexity(400) == 30
    assert default_perplexity(7) == 2
    with pytest.raises(UserError, match="Perplexity is 80"):
        next(embed(np.zeros((80, 3)), perplexity=80))
    with pytest.raises(UserError, match="There are 4 tiles"):
        next(embed(np.zeros((4, 3))))


def test_the_best_of_several_runs_wins_and_a_seed_repeats_it() -> None:
    features = groups()
    found = list(embed(features, restarts=3))
    assert [one.kl for one in found] == sorted((one.kl for one in found), reverse=True)
    best = found[-1]
    assert best.coordinates.shape == (24, 2)
    assert best.perplexity == pytest.approx(23 / 3)
    near = np.linalg.norm(best.coordinates[:, None] - best.coordinates, axis=2) + 1e9 * np.eye(24)
    assert np.mean(KINDS[near.argmin(1)] == KINDS) > 0.9
    again = list(embed(features, restarts=3))[-1]
    np.testing.assert_array_equal(again.coordinates, best.coordinates)


def test_principal_components_are_those_of_the_singular_vectors() -> None:
    features = groups()
    (found,) = embed(features, method="pca")
    centred = features - features.mean(0)
    expected = np.linalg.svd(centred, full_matrices=False)[1][:2]
    np.testing.assert_allclose(np.linalg.norm(found.coordinates, axis=0), expected, rtol=1e-6)
    assert found.kl is None


def test_umap_is_offered_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_organoid_synth.core.map.embedding.find_spec", lambda name: None)
    with pytest.raises(UserError, match="UMAP is not installed"):
        next(embed(groups(), method="umap"))


@pytest.mark.filterwarnings("ignore")  # what the package and its compiler say of themselves
@pytest.mark.timeout(600)
def test_umap_keeps_groups_apart() -> None:
    pytest.importorskip("umap", reason="umap-learn is no dependency, and compiles for a minute when first used")
    (found,) = embed(groups(), method="umap")
    near = np.linalg.norm(found.coordinates[:, None] - found.coordinates, axis=2) + 1e9 * np.eye(24)
    assert np.mean(KINDS[near.argmin(1)] == KINDS) > 0.9
    assert found.kl is None
