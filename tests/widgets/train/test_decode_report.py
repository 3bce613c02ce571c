"""The decode report in words, checked against what the check itself gives."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.codec.heatflow import encode
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.decode_report import DecodeReport
from napari_organoid_synth.core.synthesis.mask_check import MaskChecker, object_sizes, summarize
from napari_organoid_synth.widgets.train.decode_report import REFUSED, ReportCard, report_sentences

REPORT = {
    "masks": 40,
    "passed": 0.875,
    "error": 0.0123,
    "fragments": 0.02,
    "merged": 0.034,
    "holes": 0.0,
    "at_border": 0.31,
    "objects": [8.0, 11.0, 14.0],
    "real_objects": [12.0, 12.0, 12.0],
    "area_px": [300.0, 412.4, 1560.0],
    "real_area_px": [310.0, 400.0, 520.0],
    "reasons": {"of objects are in pieces": 2, "the arrows fit only of the object pixels": 3},
    "run": "r",
    "checkpoint": 4,
}


def test_every_number_is_in_a_sentence():
    assert report_sentences(DecodeReport.parse(REPORT)) == [
        "35 of 40 drawn masks are usable (88%). The others are drawn again.",
        "Objects in a mask: 11 (8 to 14); in your masks 12.",
        "Size of an object: 412 (300 to 1,560) px; in your masks 400 (310 to 520) px.",
        "Of the objects: 2% in pieces, 3% run together, 0% with a hole, 31% cut by the border.",
        "Reconstruction error 0.012: the difference between what was drawn and what its objects would give. 0 is "
        "perfect; above 0.4 an object is doubtful.",
        "Why masks were refused: what was drawn does not fit the objects found in it (3); objects are in pieces (2).",
    ]


@pytest.mark.parametrize(
    ("passed", "words"),
    [(1.0, "They can be painted on."), (0.5, "The others are drawn again."), (0.1, "Train the mask generator longer")],
)
def test_the_verdict_comes_first(passed, words):
    assert words in report_sentences(DecodeReport.parse({**REPORT, "passed": passed}))[0]


def test_without_any_object_nothing_is_said_of_objects():
    nothing = {"passed": 0.0, "objects": [0, 0, 0], "area_px": [0, 0, 0], "error": 0.0, "reasons": {"no object": 40}}
    assert report_sentences(DecodeReport.parse(REPORT | nothing)) == [
        "0 of 40 drawn masks are usable (0%). Train the mask generator longer, or on more tiles.",
        "No object was found in any of them; in your masks 12.",
    ]


def test_the_report_of_a_real_check_is_put_in_sentences():
    pairs = [tissue(seed, 96) for seed in range(3)]
    codec = Codec.fit(pairs)
    checker = MaskChecker(codec, pairs)
    fields = [encode(pairs[0].labels), np.zeros((3, 96, 96), np.float32) - 1]
    labels = [codec.decode_mask(field) for field in fields]
    checks = [checker(field, label) for field, label in zip(fields, labels, strict=True)]
    report = summarize(checks, [size for label in labels for size in object_sizes(label, codec)], checker)
    lines = report_sentences(report)
    assert lines[0].startswith("1 of 2 drawn masks are usable (50%).")
    assert lines[-1] == "Why masks were refused: nothing was found in them (1)."
    median = int(np.median([len(np.unique(pair.labels)) - 1 for pair in pairs]))
    assert f"in your masks {median}" in lines[1]


def test_the_card_shows_the_refused_masks_as_one_layer(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    card = ReportCard(viewer)
    assert card.isHidden()
    card.show_folder(tmp_path)
    assert card.isHidden()
    (tmp_path / "decode_report.json").write_text(json.dumps(REPORT))
    card.show_folder(tmp_path)
    assert not card.isHidden()
    assert card.words.text().startswith("35 of 40 drawn masks")
    assert card.look_button.isHidden()  # none is there
    (tmp_path / "failed_masks").mkdir()
    for number in range(3):
        tifffile.imwrite(tmp_path / "failed_masks" / f"mask_{number:04d}.tif", np.full((8, 9), number, np.int32))
    card.show_folder(tmp_path)
    for _ in range(2):  # the second time in place of the first
        card.look_button.click()
        assert [layer.name for layer in viewer.layers] == [REFUSED]
        np.testing.assert_array_equal(viewer.layers[0].data[:, 0, 0], [0, 1, 2])
    for broken in ("{", "{}", '{"masks": 3}', "[]"):
        (tmp_path / "decode_report.json").write_text(broken)
        card.show_folder(tmp_path)
        assert card.isHidden()
    card.deleteLater()
