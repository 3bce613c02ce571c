"""The headline of true scores: of fresh images, blurred ones, noise and copies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_organoid_synth.core.metrics import real_features
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.scores import comparison
from napari_organoid_synth.core.scores.arrays import score_sets
from napari_organoid_synth.core.scores.headline import Headline, headline
from napari_organoid_synth.core.scores.storage import Memorisation, SetScores
from simulated import scene

SIDE = 64
Images = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def of() -> Callable[[Images], Headline]:
    """Score tiles against eight real images, and return the headline."""
    real = [scene(seed, 2 * SIDE, 16) for seed in range(8)]

    def scored(made: Images) -> Headline:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("napari_organoid_synth.core.metrics.sets.ROUNDS", 20)
            for module in (real_features, comparison):  # comparing all pixels says nothing here, and takes long
                patch.setattr(module, "MAX_PAIRED", 16)
            return headline(score_sets(real, made, ScoreSettings(extractor="random", device="cpu")))

    return scored


@pytest.fixture(scope="module")
def fresh() -> Images:
    return [scene(100 + seed, SIDE) for seed in range(16)]


def test_images_like_the_real_ones_are_close(of: Callable[[Images], Headline], fresh: Images) -> None:
    assert of(fresh) == Headline("Close to your images", ("Accept the best ones, then measure what they are worth.",))


@pytest.mark.parametrize(
    ("sigma", "text"), [(0.4, "a little too smooth"), (2, "Far from your images; much too smooth")]
)
def test_blurred_images_are_too_smooth(
    of: Callable[[Images], Headline], fresh: Images, sigma: float, text: str
) -> None:
    blurred = [(gaussian_filter(image.astype(float), (0, sigma, sigma)).astype(image.dtype), m) for image, m in fresh]
    found = of(blurred)
    assert text in found.text
    assert any("keeps fine texture" in todo for todo in found.advice)


def test_noise_is_far(of: Callable[[Images], Headline], fresh: Images) -> None:
    rng = np.random.default_rng(0)
    noise = [(rng.integers(0, image.max(), image.shape).astype(image.dtype), labels) for image, labels in fresh]
    found = of(noise)
    assert found.text.startswith("Far from your images; much too rough or noisy")
    assert found.advice[0].startswith("Do not use these pairs yet")


def test_copies_are_said(of: Callable[[Images], Headline], fresh: Images) -> None:
    real = [scene(seed, 2 * SIDE, 16) for seed in range(3)]
    copies = [(image[:, :SIDE, :SIDE].copy(), labels[:SIDE, :SIDE].copy()) for image, labels in real]
    found = of([*fresh[:13], *copies])
    assert found.text == "Close to your images; 3 copies"
    assert found.advice == ("Look at the copies beside their real images, and reject them.",)


def test_a_set_without_scores_says_so() -> None:
    few = SetScores(
        run="a", samples="all", extractor="random", fingerprint="", number=3, made=0.0,
        memorisation=Memorisation(ssim_copies=None, copies=0.0, one_image=False, borrowed_masks=0.0),
    )  # fmt: skip
    assert headline(few, copies=1).text == "Too few pairs to judge as a set (3); 1 copy"
