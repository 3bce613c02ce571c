"""Advice follows the table and what was measured; where nothing was, it says so."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.advice import MEASURED, advise, closest
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable


def table(number: int, kind: str = "instances", objects: int = 30) -> PairTable:
    rows = [PairEntry(name=f"i{k}", image=f"i{k}", masks={"object": f"m{k}"}, n_objects=objects) for k in range(number)]
    return PairTable(entries=tuple(rows), mask_kind=kind)


@pytest.mark.parametrize(
    ("number", "kind", "side", "touching", "begin"),
    [
        (3, "instances", 30, 0.0, "With 3 images of separate objects: Analogy on arranged masks, without training."),
        (3, "instances", 30, 0.6, "With 3 images of touching objects: Analogy on arranged masks, without training."),
        (1, "binary", 0, None, "With 1 image of objects: Analogy on arranged masks, without training."),
        (5, "classes", 30, None, "With 5 images of several classes: Analogy on moved masks, without training."),
        (20, "instances", 30, None, "With 20 images of objects: Flow on arranged masks, after a training."),
        (20, "instances", 6, None, "With 20 images of objects: Analogy on arranged masks, without training."),
    ],
)
def test_painter_and_masks_follow_the_pairs(number, kind, side, touching, begin) -> None:
    advice = advise(table(number, kind), side, touching)
    assert advice is not None
    assert advice.sentence == begin


def test_there_is_no_advice_without_objects_to_learn_from() -> None:
    assert advise(PairTable()) is None
    assert advise(table(3, objects=0)) is None


def test_expectations_are_those_of_the_nearest_set_that_is_alike_and_honest() -> None:
    nuclei, mitochondria, spheroids, organoids, tissue = MEASURED
    assert closest("instances", 4, 60, False) == nuclei
    assert closest("instances", 4, 60, True) == tissue  # stained tissue is another thing
    assert closest("instances", 30, 60, False) is None
    assert closest("binary", 2, 30, False) == mitochondria
    assert closest("binary", 4, 1, True) == spheroids  # one organoid in an image is another thing
    assert closest("binary", 2, 1, True) == organoids
    assert closest("binary", 2, 1, False) == organoids  # also in grey
    assert closest("binary", 30, 1, True) is None
    assert (nuclei.outcome, mitochondria.outcome) == ("no clear difference", "no verdict")
    assert nuclei.replace(low=0.002).outcome == "a gain"
    assert nuclei.replace(change=-0.02, low=-0.03, high=-0.01).outcome == "a loss"
    few, many = advise(table(2, "binary")), advise(table(40))
    assert few is not None
    assert few.expectation == "Nobody knows yet: on 2 images of mitochondria in EM there was no verdict."
    assert few.figures == (
        "Pairs of analogy on arranged masks changed Dice by -0.012 [-0.031, 0.007] against the best training without "
        "them."
    )
    assert many is not None
    assert many.expectation == "What such pairs are worth was not measured on a set like this: measure it on yours."
    assert many.figures == ""


def test_every_measured_row_names_generators_and_layouts_that_exist() -> None:
    from typing import get_args

    from napari_organoid_synth.core.fields import Layout
    from napari_organoid_synth.core.registry import GENERATORS

    for one in MEASURED:
        assert one.painter in GENERATORS.names()
        assert one.masks in get_args(Layout)
        assert one.low <= one.change <= one.high
