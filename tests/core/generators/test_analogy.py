"""Analogy as a generator: what it keeps, which images a mask may be painted from, and what a file of it tells."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.analogy.kept_pairs import ABOUT
from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.analogy import Analogy
from napari_organoid_synth.core.generators.analogy_config import AnalogyConfig
from napari_organoid_synth.core.generators.contract import CLASSES, pairs_of
from napari_organoid_synth.core.pairs.pair import SamplePair

CONFIG = AnalogyConfig(quality="fast")
SPEC = PairSpec(64, 2, 2, CLASSES)


def painter(pairs: list[SamplePair], config: AnalogyConfig = CONFIG) -> Analogy:
    made = Analogy(config, SPEC)
    made.keep(pairs)
    return made


def test_images_are_kept_in_their_own_type_and_without_those_of_empty_masks() -> None:
    first, second, third = pairs_of(CONFIG)
    made = Analogy(CONFIG, SPEC)
    assert made.keep([first, second, third.replace(labels=np.zeros_like(third.labels))]) == ["third"]
    tensors, numbers = made.state()
    assert {str(value.dtype) for key, value in tensors.items() if key.endswith("image")} == {"torch.uint16"}
    assert numbers["seen"] == 2
    np.testing.assert_array_equal(tensors["source/00001/image"].numpy(), second.image)


def test_of_many_images_each_class_keeps_its_share() -> None:
    first, second, _ = pairs_of(CONFIG)
    many = [first.replace(name=f"healthy {number}") for number in range(30)]
    many += [second.replace(name=f"ill {number}") for number in range(2)]
    made = Analogy(CONFIG.replace(sources=5), SPEC)
    left_out = made.keep(many)
    kept = [pair.image_class for pair in made.pairs]
    assert (kept.count("healthy"), kept.count("ill")) == (3, 2)
    assert len(left_out) == 27
    again = Analogy(CONFIG.replace(sources=5), SPEC)
    again.keep(many[::-1])
    assert {pair.name for pair in again.pairs} == {pair.name for pair in made.pairs}


def test_pixels_that_are_no_number_are_not_painted() -> None:
    (pair, *_) = pairs_of(CONFIG)
    image = pair.image.astype(np.float32)
    image[0, :20] = np.nan
    image[1, 30] = np.inf
    made = painter([pair.replace(image=image)])
    painted = made.paint_labels(pair.labels, 0)
    assert np.isfinite(painted.image).all()
    assert painted.image.max() <= np.nanmax(image[np.isfinite(image)])


def test_a_state_with_other_parts_is_refused() -> None:
    tensors, numbers = painter(pairs_of(CONFIG)).state()
    made = Analogy(CONFIG, SPEC)
    broken = {
        "no labels": {key: value for key, value in tensors.items() if key != "source/00002/labels"},
        "one more": tensors | {"source/00003/image": tensors["source/00000/image"]},
        "no names": {key: value for key, value in tensors.items() if key != ABOUT},
        "text": tensors | {ABOUT: tensors[ABOUT][:20].clone()},
        "labels of another size": tensors | {"source/00000/labels": tensors["source/00000/labels"][:50].contiguous()},
        "negative labels": tensors | {"source/00000/labels": -tensors["source/00000/labels"]},
    }
    for what, parts in broken.items():
        with pytest.raises(UserError, match="holds no real pairs"):
            made.load_state(parts, numbers)
        assert not made.pairs, what


def test_another_run_cannot_be_its_start() -> None:
    with pytest.raises(UserError, match="no weights"):
        painter(pairs_of(CONFIG)).load_matching_weights({})
