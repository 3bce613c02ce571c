"""Pictures of generators as data: what they say in words, also of one half of a pair."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.generators.config import Draws, generator_config
from napari_organoid_synth.core.generators.picture import PIPELINE, in_words


@pytest.mark.parametrize(
    ("name", "draws", "words"),
    [
        ("pix2pix", "pairs", "mask → image"),
        ("cyclegan", "pairs", "any masks ↔ any images"),
        ("aae", "pairs", "pair → short code → copy"),
        ("dcgan", "pairs", "noise → image + mask"),
        ("dcgan", "masks", "noise → mask"),
        ("dcgan", "images", "noise → image"),
        ("progan", "masks", "noise → 4 px → 16 px → tile"),
    ],
)
def test_pictures_in_words(name: str, draws: Draws, words: str) -> None:
    assert in_words(generator_config(name).picture_of(draws)) == words


def test_the_pipeline_in_words() -> None:
    assert in_words(PIPELINE) == "noise → new mask → check → new image"
