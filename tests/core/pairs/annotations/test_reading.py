"""Outlines of ImageJ, COCO, labelme and QuPath come in as instance masks; what is wrong is said with the file."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from roifile import ROI_TYPE, ImagejRoi

from annotation_files import (
    HOLE,
    SIZE,
    SQUARE,
    TRIANGLE,
    closed,
    coco,
    feature,
    labelme,
    polygon,
    shape,
    square_mask,
    write_json,
    write_rois,
)
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations import rle
from napari_organoid_synth.core.pairs.annotations.outlines import Window
from napari_organoid_synth.core.pairs.annotations.reading import read_annotation
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs
from pair_files import picture, rows, save

IMAGE = Path("a.png")


def read(path: Path, image: Path = IMAGE) -> np.ndarray:
    return read_annotation(path, image, SIZE).labels


def runs_with_hole() -> str:
    return rle.encode(Window(0, 0, square_mask(hole=True) > 0), SIZE)


DOCUMENTS: dict[str, Any] = {
    "coco": coco(("a.png", [polygon(SQUARE), polygon(TRIANGLE)])),
    "labelme": labelme(shape("polygon", SQUARE), shape("polygon", TRIANGLE)),
    "qupath": {
        "type": "FeatureCollection",
        "features": [feature("Polygon", [closed(SQUARE)]), feature("Polygon", [closed(TRIANGLE)])],
    },
    "list of features": [feature("MultiPolygon", [[closed(SQUARE)]]), feature("Polygon", [closed(TRIANGLE)])],
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_two_outlines_are_two_objects(tmp_path: Path, name: str) -> None:
    found = read(write_json(tmp_path / "a.json", DOCUMENTS[name]))
    np.testing.assert_array_equal(found, square_mask(triangle=True))


def test_holes_are_holes(tmp_path: Path) -> None:
    expected = square_mask(hole=True)
    ringed = [closed(SQUARE), closed(HOLE)]
    for number, document in enumerate(
        (
            coco(("a.png", [{"segmentation": {"size": list(SIZE), "counts": runs_with_hole()}}])),
            coco(("a.png", [{"segmentation": {"size": list(SIZE), "counts": plain_runs(expected)}}])),
            feature("Polygon", ringed),
            feature("MultiPolygon", [ringed]),
        )
    ):
        np.testing.assert_array_equal(read(write_json(tmp_path / f"{number}.json", document)), expected)
    path = [0.0, 2, 3, 1, 10, 3, 1, 10, 7, 1, 2, 7, 4, 0, 4, 4, 1, 6, 4, 1, 6, 6, 1, 4, 6, 4]
    roi = ImagejRoi()
    roi.roitype, roi.multi_coordinates, roi.shape_roi_size = ROI_TYPE.RECT, np.array(path, np.float32), len(path)
    roi.left, roi.top, roi.right, roi.bottom, roi.n_coordinates = 2, 3, 10, 7, 0
    np.testing.assert_array_equal(read(write_rois(tmp_path / "c.roi", roi)), expected)


def plain_runs(mask: np.ndarray) -> list[int]:
    """Return run lengths, column by column, counted one by one."""
    counts, before = [0], 0
    for value in mask.T.ravel():
        if value != before:
            counts.append(0)
        counts[-1], before = counts[-1] + 1, value
    return counts


def test_rois_of_every_kind_with_an_area(tmp_path: Path) -> None:
    drawn = ImagejRoi.frompoints(np.array(SQUARE))
    kinds = []
    for kind in (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
        roi = ImagejRoi.frompoints(np.array(SQUARE))
        roi.roitype = kind
        kinds.append(roi)
    box = ImagejRoi()
    box.roitype, box.left, box.top, box.right, box.bottom = ROI_TYPE.RECT, 2, 3, 10, 7
    for number, roi in enumerate([drawn, *kinds, box]):
        np.testing.assert_array_equal(read(write_rois(tmp_path / f"{number}.roi", roi)), square_mask())
    subpixel = ImagejRoi.frompoints(np.array(SQUARE) + 0.25)
    np.testing.assert_array_equal(read(write_rois(tmp_path / "s.roi", subpixel)), square_mask())
    oval = ImagejRoi()
    oval.roitype, oval.left, oval.top, oval.right, oval.bottom = ROI_TYPE.OVAL, 4, 4, 16, 12
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    expected = (((x - 10) / 6) ** 2 + ((y - 8) / 4) ** 2 < 1).astype(np.int32)
    np.testing.assert_array_equal(read(write_rois(tmp_path / "o.roi", oval)), expected)
    both = write_rois(tmp_path / "z.zip", box, ImagejRoi.frompoints(np.array(TRIANGLE)))
    np.testing.assert_array_equal(read(both), square_mask(triangle=True))


def test_points_and_lines_are_refused_in_words_or_left_out(tmp_path: Path) -> None:
    points = ImagejRoi.frompoints(np.array([(1, 1), (2, 2)]))
    points.roitype = ROI_TYPE.POINT
    line = ImagejRoi()
    line.roitype, line.x1, line.y1, line.x2, line.y2 = ROI_TYPE.LINE, 0, 0, 5, 5
    with pytest.raises(UserError, match=r"a\.zip contains 1 line and 1 point and no outline of an object"):
        read(write_rois(tmp_path / "a.zip", points, line))
    drawn = read_annotation(write_rois(tmp_path / "b.zip", points, ImagejRoi.frompoints(np.array(SQUARE))), IMAGE, SIZE)
    assert drawn.remarks == ("1 point left out",)
    np.testing.assert_array_equal(drawn.labels, square_mask())
    with pytest.raises(UserError, match=r"l\.json contains 1 linestrip and no outline"):
        read(write_json(tmp_path / "l.json", labelme(shape("linestrip", SQUARE))))
    with pytest.raises(UserError, match=r"p\.json contains 1 Point and no outline"):
        read(write_json(tmp_path / "p.json", feature("Point", [3, 4])))
    with pytest.raises(UserError, match=r"b\.json contains 1 box and no outline"):
        read(write_json(tmp_path / "b.json", coco(("a.png", [{"bbox": [1, 2, 3, 4], "segmentation": []}]))))
    crowd = coco(("a.png", [polygon(SQUARE), {"iscrowd": 1, "segmentation": {"size": list(SIZE), "counts": [768]}}]))
    assert read_annotation(write_json(tmp_path / "c.json", crowd), IMAGE, SIZE).remarks == ("1 crowd region left out",)


def test_shapes_of_labelme(tmp_path: Path) -> None:
    box = labelme(shape("rectangle", [(10, 7), (2, 3)]))
    np.testing.assert_array_equal(read(write_json(tmp_path / "r.json", box)), square_mask())
    circle = labelme(shape("circle", [(10, 10), (16, 10)]))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    expected = ((x - 10) ** 2 + (y - 10) ** 2 < 36).astype(np.int32)
    np.testing.assert_array_equal(read(write_json(tmp_path / "c.json", circle)), expected)
    stream = io.BytesIO()
    Image.fromarray(255 * square_mask(hole=True)[3:7, 2:10].astype(np.uint8)).save(stream, "PNG")
    text = base64.b64encode(stream.getvalue()).decode()
    painted = labelme(shape("mask", [(2, 3), (9, 6)], mask=text))
    np.testing.assert_array_equal(read(write_json(tmp_path / "m.json", painted)), square_mask(hole=True))
    grouped = labelme(shape("polygon", SQUARE, group=1), shape("polygon", TRIANGLE, group=1))
    np.testing.assert_array_equal(
        read(write_json(tmp_path / "g.json", grouped)), square_mask(triangle=True).astype(bool)
    )


def test_a_slip_of_the_hand_is_an_object_without_area(tmp_path: Path) -> None:
    for name, document in {
        "c.json": coco(("a.png", [polygon(SQUARE), polygon([(1, 1), (9, 9)]), polygon([(1, 1)])])),
        "q.json": [feature("Polygon", [closed(SQUARE)]), feature("Polygon", [[[1, 1], [9, 9]], []])],
    }.items():
        drawn = read_annotation(write_json(tmp_path / name, document), IMAGE, SIZE)
        np.testing.assert_array_equal(drawn.labels, square_mask())
        assert drawn.remarks[-1].endswith("smaller than a pixel left out")


def test_class_names_are_said(tmp_path: Path) -> None:
    shapes = [
        feature("Polygon", [closed(SQUARE)], name="Tumour"),
        feature("Polygon", [closed(TRIANGLE)], name="Stroma"),
    ]
    drawn = read_annotation(write_json(tmp_path / "q.geojson", shapes), IMAGE, SIZE)
    assert drawn.remarks == ("the classes Tumour (1), Stroma (1) are not kept, only the single objects",)
    cells = [
        feature("Polygon", [closed([(0, 0), (32, 0), (32, 24), (0, 24)])]),
        feature("Polygon", [closed(SQUARE)], "cell", "Tumour"),
    ]
    drawn = read_annotation(write_json(tmp_path / "c.geojson", cells), IMAGE, SIZE)
    assert drawn.remarks == ("1 region left out",)  # it is drawn around the cells
    np.testing.assert_array_equal(drawn.labels, square_mask())


def test_another_size_is_refused(tmp_path: Path) -> None:
    for name, document in {
        "c.json": coco(("a.png", [polygon(SQUARE)]), size=(48, 64)),
        "l.json": labelme(shape("polygon", SQUARE), size=(48, 64)),
        "r.json": coco(("a.png", [{"segmentation": {"size": [48, 64], "counts": [48 * 64]}}])),
    }.items():
        with pytest.raises(UserError, match=rf"{name} was made for an image of 64 × 48 px, this one has 32 × 24 px"):
            read(write_json(tmp_path / name, document))


GIGANTIC = 10**9
BROKEN: dict[str, Any] = {
    "cut.json": b'{"images": [',
    "bytes.json": b"\xff\xfe\x00",
    "deep.geojson": b"[" * 200_000,
    "nested.geojson": b'{"type":"Feature","geometry":' + b'{"a":' * 200_000,
    "other.json": {"a": 1},
    "image_id.json": {"images": [], "annotations": [{}]},
    "none.json": {
        "images": [None, {"file_name": "a.png", "id": 1}],
        "annotations": [{"image_id": 1, "segmentation": 3}],
    },
    "odd.json": coco(("a.png", [{"segmentation": [[1, 2, 3, 4, 5]]}])),
    "text.json": coco(("a.png", [{"segmentation": [["a", "b", "c", "d", "e", "f"]]}])),
    "huge_rle.json": coco(("a.png", [{"segmentation": {"size": [GIGANTIC, GIGANTIC], "counts": [GIGANTIC**2]}}])),
    "long_rle.json": coco(("a.png", [{"segmentation": {"size": list(SIZE), "counts": [0, GIGANTIC]}}])),
    "wrong_rle.json": coco(("a.png", [{"segmentation": {"size": list(SIZE), "counts": "\u2603"}}])),
    "far.json": coco(("a.png", [polygon([(0, 0), (1e300, 0), (0, 1e300)])])),
    "nan.json": b'{"shapes": [{"points": [[0, 0], [NaN, 1], [1, 1]], "label": "x"}]}',
    "shapes.json": {"shapes": [3]},
    "circle.json": labelme(shape("circle", [(1, 1)])),
    "mask.json": labelme(shape("mask", [(1, 1), (2, 2)], mask="!!!")),
    "features.json": {"type": "FeatureCollection", "features": 7},
    "geometry.json": {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": {"a": 1}}},
    "flat.json": feature("Polygon", [[0, 0], [1, 1]]),
    "a.roi": b"Iout",
    "b.roi": b"Iout" + b"\xff" * 200,
    "c.zip": b"PK\x03\x04broken",
}


@pytest.mark.parametrize("name", BROKEN)
def test_malformed_files_say_their_name(tmp_path: Path, name: str) -> None:
    path, content = tmp_path / name, BROKEN[name]
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(UserError) as caught:
        read(path)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_of_outlines_for_each_image(tmp_path: Path) -> None:
    for index, name in enumerate("abcde"):
        save(tmp_path / "images" / f"{name}.tif", picture(index, SIZE))
    write_rois(tmp_path / "rois/a.zip", ImagejRoi.frompoints(np.array(SQUARE)))
    write_rois(tmp_path / "rois/b_RoiSet.zip", ImagejRoi.frompoints(np.array(SQUARE)))
    write_rois(tmp_path / "rois/c.roi", ImagejRoi.frompoints(np.array(SQUARE)))
    write_json(tmp_path / "rois/d.tif.geojson", feature("Polygon", [closed(SQUARE)]))
    write_json(tmp_path / "rois/zzz.json", labelme(shape("polygon", SQUARE), image="..\\images\\e.tif"))
    write_json(tmp_path / "rois/settings.json", {"not": "outlines"})
    table = check_pairs(find_pairs(tmp_path / "images", tmp_path / "rois"))
    assert rows(table) == [(name, "matched") for name in "abcde"]
    assert (table.mask_kind, table.kind_reason) == ("instances", "each object is drawn or stored by itself")
    for pair in load_pairs(table):
        np.testing.assert_array_equal(pair.labels, square_mask())
        assert pair.mask_kind == "instances"


def test_one_coco_file_for_many_images(tmp_path: Path) -> None:
    for index, name in enumerate(("a", "b", "c")):
        save(tmp_path / "images" / f"{name}.png", picture(index, SIZE))
    document = coco(
        ("a.png", [polygon(SQUARE), polygon(TRIANGLE)]),
        ("train/b.jpg", [polygon(TRIANGLE)]),
        ("z.png", [polygon(SQUARE)]),
    )
    path = write_json(tmp_path / "annotations.json", document)
    for table in (
        find_pairs(tmp_path),
        find_pairs(tmp_path / "images", path),
        find_pairs(tmp_path / "images", {"x": path}),
    ):
        assert rows(table) == [("a", "matched"), ("b", "matched"), ("c", "orphan")]
        a, b = load_pairs(check_pairs(table))
        np.testing.assert_array_equal(a.labels, square_mask(triangle=True))
        np.testing.assert_array_equal(b.labels > 0, square_mask(triangle=True) == 2)


def test_labelme_files_lie_beside_their_images(tmp_path: Path) -> None:
    for index, name in enumerate(("a", "b")):
        save(tmp_path / f"{name}.png", picture(index, SIZE))
        write_json(tmp_path / f"{name}.json", labelme(shape("polygon", SQUARE), image=f"{name}.png"))
    write_json(tmp_path / "pairs.json", {"entries": []})
    table = check_pairs(find_pairs(tmp_path))
    assert rows(table) == [("a", "matched"), ("b", "matched")]
    save(tmp_path / "a_mask.png", 2 * square_mask().astype(np.uint8))  # a mask goes before outlines
    assert find_pairs(tmp_path).entry("a").masks == {"object": str(tmp_path / "a_mask.png")}


def test_a_broken_file_is_one_broken_row(tmp_path: Path) -> None:
    for index, name in enumerate(("a", "b")):
        save(tmp_path / "images" / f"{name}.png", picture(index, SIZE))
    write_rois(tmp_path / "masks/a.zip", ImagejRoi.frompoints(np.array(SQUARE)))
    (tmp_path / "masks/b.zip").write_bytes(b"PK\x03\x04")
    table = check_pairs(find_pairs(tmp_path))
    assert rows(table) == [("a", "matched"), ("b", "broken")]
    assert "b.zip is damaged" in table.entry("b").reason


def test_remarks_stand_in_the_row(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture(0, SIZE))
    save(tmp_path / "images/b.png", picture(1, SIZE))
    write_json(tmp_path / "all.json", coco(
        ("a.png", [polygon(SQUARE), polygon(SQUARE, category_id=2)]), ("b.png", [polygon(SQUARE)])
    ))  # fmt: skip
    table = check_pairs(find_pairs(tmp_path / "images", tmp_path / "all.json"))
    assert table.entry("a").reason == (
        "the classes nucleus (1), cell (1) are not kept, only the single objects; "
        "32 px are in several objects, the later one wins; 1 object hidden by later ones"
    )


def test_two_classes_of_outlines_stay_classes(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture(0, SIZE))
    one = write_rois(tmp_path / "cells/a.zip", ImagejRoi.frompoints(np.array(SQUARE)))
    two = write_rois(tmp_path / "nuclei/a.zip", ImagejRoi.frompoints(np.array(TRIANGLE)))
    table = check_pairs(find_pairs(tmp_path / "images", {"cells": one, "nuclei": two}))
    assert (table.mask_kind, table.class_names) == ("classes", ("cells", "nuclei"))
    np.testing.assert_array_equal(load_pairs(table)[0].labels, square_mask(triangle=True))


def test_many_overlapping_objects_are_not_taken_for_a_picture(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture(0, (96, 128)))
    save(tmp_path / "images/b.png", picture(1, (96, 128)))
    scales = [polygon([(2 + 2 * k, 4), (12 + 2 * k, 4), (12 + 2 * k, 90), (2 + 2 * k, 90)]) for k in range(50)]
    write_json(tmp_path / "all.json", coco(("a.png", scales), ("b.png", []), size=(96, 128)))
    table = check_pairs(find_pairs(tmp_path / "images", tmp_path / "all.json"))
    assert [(entry.status, entry.n_objects) for entry in table.entries] == [("matched", 50), ("matched", 0)]
    assert (table.mask_kind, table.kind_reason) == ("instances", "each object is drawn or stored by itself")


@pytest.mark.parametrize("name", ["A.PNG", "C:\\\\data\\\\a.PNG", "x/a.jpg", "a.ome.tif", "%61.png"])
def test_names_of_images_as_other_programs_write_them(tmp_path: Path, name: str) -> None:
    for kind, document in (("coco", coco((name, [polygon(SQUARE)]))), ("labelme", labelme(shape("polygon", SQUARE)))):
        folder = tmp_path / kind
        save(folder / "images/a.png", picture(1, SIZE))
        if kind == "labelme":
            document["imagePath"] = name
        write_json(folder / "masks/annotations.json", document)
        assert rows(find_pairs(folder / "images", folder / "masks")) == [("a", "matched")]


def test_notes_of_macos_in_an_archive_are_no_rois(tmp_path: Path) -> None:
    roi = ImagejRoi.frompoints(np.array(SQUARE, np.float64))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("sub/\u00fc \u00f6.ROI", roi.tobytes())
        archive.writestr("__MACOSX/sub/._1.roi", b"\0\5\x16\7")
    np.testing.assert_array_equal(read(tmp_path / "a.zip"), square_mask())


def test_an_empty_list_of_features_is_an_empty_field(tmp_path: Path) -> None:
    save(tmp_path / "images/a.png", picture(1, SIZE))
    save(tmp_path / "images/b.png", picture(2, SIZE))
    write_json(tmp_path / "masks/a.geojson", [])
    write_json(tmp_path / "masks/b.geojson", [feature("Polygon", [closed(SQUARE)])])
    table = check_pairs(find_pairs(tmp_path / "images", tmp_path / "masks"))
    assert [(entry.status, entry.n_objects) for entry in table.entries] == [("matched", 0), ("matched", 1)]
