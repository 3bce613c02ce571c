"""The record of a pair that a person painted: sentence, real images, and that it is no copy of the pair itself."""

from __future__ import annotations

from napari_organoid_synth.core.pairs.mask_origin import real_masks
from napari_organoid_synth.core.synthesis.provenance import DrawnRecord, drawn_sentence


def test_it_names_the_pair_that_it_started_from_and_those_of_the_stamps():
    record = DrawnRecord(start="pair", name="a", strokes=2, stamps=1, shapes=("b", "a", "b"), synthetic=0.031)
    assert record.real == ("a", "b")
    assert DrawnRecord(start="layer", name="my layer", strokes=1).real == ()
    sentence = drawn_sentence({"drawn": record.model_dump(mode="json")})
    assert (
        sentence
        == "Painted by hand on the real pair a: 2 strokes, 1 stamp. 3.1% of the pixels are synthetic, the others real."
    )
    empty = DrawnRecord(start="empty", strokes=1)
    assert drawn_sentence({"drawn": empty.model_dump()}) == "Painted by hand: 1 stroke, 0 stamps."
    assert drawn_sentence({}) == ""


def test_the_real_masks_of_a_drawn_one():
    assert real_masks({"mask": {"kind": "drawn", "names": ["a", "b"]}}) == {"a", "b"}
    assert real_masks({"mask": {"kind": "drawn", "names": []}}) == frozenset()
