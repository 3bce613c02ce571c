"""Measurements of marked objects: values worked out by hand, units, classes, the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.measurements import FILE, channel_titles, measure, read_rows, write_rows


def pair_of(labels: np.ndarray, channels: int = 1, **more: object) -> SamplePair:
    image = np.stack([(channel + 1) * np.arange(labels.size).reshape(labels.shape) for channel in range(channels)])
    return SamplePair("a", image.astype(np.uint16), labels.astype(np.int32), **more)  # type: ignore[arg-type]


def test_a_square_and_a_line_in_pixels_and_micrometres() -> None:
    labels = np.zeros((20, 30), int)
    labels[2:12, 3:13] = 7
    labels[15, 4:24] = 9
    square, line = measure(pair_of(labels, mask_kind="instances", class_names=("cell",), pixel_size=(0.5, 0.5)))
    assert (square["image"], square["object"], square["class"]) == ("a", "7", "cell")
    assert (square["area_px"], square["perimeter_px"], square["eccentricity"]) == ("100", "36.00", "0.0000")
    assert (square["area_um2"], square["perimeter_um"]) == ("25", "18")
    assert float(square["mean_intensity"]) == 6.5 * 30 + 7.5  # row 6.5, column 7.5
    assert (line["area_px"], line["eccentricity"]) == ("20", "1.0000")


def test_pieces_of_each_class_and_each_channel() -> None:
    labels = np.zeros((12, 12), int)
    labels[0:2, 0:2] = labels[5:8, 5:8] = 2
    labels[0:2, 8:12] = 1
    pair = pair_of(labels, 2, mask_kind="classes", class_names=("core", "rim"), channel_names=("DAPI", "GFP"))
    rows = measure(pair)
    assert [(row["object"], row["class"], row["area_px"]) for row in rows] == [
        ("1", "core", "8"), ("2", "rim", "4"), ("3", "rim", "9"),
    ]  # fmt: skip
    assert [float(row["mean_GFP"]) for row in rows] == [2 * float(row["mean_DAPI"]) for row in rows]
    assert "area_um2" not in rows[0]  # the size of a pixel is not known
    assert measure(pair.replace(labels=np.zeros((12, 12), np.int32))) == []
    (wide, *_) = measure(pair.replace(pixel_size=(1.0, 0.5)))
    assert (wide["area_um2"], wide["perimeter_um"]) == ("4", "")
    assert channel_titles(2, ("DAPI", "DAPI")) == ["mean_channel_1", "mean_channel_2"]


def test_the_table_keeps_other_images_and_all_columns(tmp_path: Path) -> None:
    assert read_rows(tmp_path) == {}
    labels = np.ones((4, 4), int)
    rows = {"a": measure(pair_of(labels)), "b": measure(pair_of(labels, pixel_size=(2.0, 2.0)).replace(name="b"))}
    path = write_rows(tmp_path, rows)
    assert path == tmp_path / FILE
    assert path.read_text().splitlines() == [
        "image,object,class,area_px,perimeter_px,eccentricity,mean_intensity,area_um2,perimeter_um",
        "a,1,object,16,12.00,0.0000,7.5,,",
        "b,1,object,16,12.00,0.0000,7.5,64,24",
    ]
    again = read_rows(tmp_path)
    assert again["b"] == rows["b"]
    assert write_rows(tmp_path, again).read_text() == path.read_text()


@pytest.mark.parametrize("text", ["", "image\n", "\x00"])
def test_a_damaged_table_is_made_again(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_rows(tmp_path) == {}
