"""Numbers in sentences."""

from __future__ import annotations

from napari_organoid_synth.core.quantities import pixels, plural


def test_one_is_singular_and_every_other_number_plural() -> None:
    assert [plural(number, "object") for number in (0, 1, 2)] == ["0 objects", "1 object", "2 objects"]
    assert plural(37406, "pair") == "37,406 pairs"
    assert (plural(1, "copy", "copies"), plural(3, "copy", "copies")) == ("1 copy", "3 copies")


def test_sizes_are_written_width_first() -> None:
    assert pixels((378, 512)) == "512 × 378 px"
