"""Our files become layers, everybody else's are declined."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair
from napari_organoid_synth.widgets.shared import reader as _reader


def make_pair(name: str, seed: int = 0, channels: int = 1, size: tuple[int, int] = (20, 24)) -> SamplePair:
    rng = np.random.default_rng(seed)
    labels = np.zeros(size, np.int32)
    labels[3:9, 4:12], labels[12:18, 2:20] = 1, 2
    return SamplePair(
        name=name,
        image=rng.integers(0, 60_000, (channels, *size)).astype(np.uint16 if channels != 3 else np.uint8),
        labels=labels,
        mask_kind="instances",
        pixel_size=(0.5, 0.25),
        channel_names=RGB if channels == 3 else (),
    )


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_either_file_of_a_pair_gives_both_layers(tmp_path, which, channels):
    pair = make_pair("cell 1", channels=channels)
    path = write_pair(tmp_path, pair)[which]
    reader = _reader.get_reader(str(path))
    assert reader is not None
    (image, options, kind), (labels, mask, mask_kind) = reader(str(path))
    assert (kind, mask_kind) == ("image", "labels")
    expected = {1: pair.image[0], 2: pair.image, 3: np.moveaxis(pair.image, 0, -1)}[channels]
    np.testing.assert_array_equal(image, expected)
    assert image.dtype == pair.image.dtype
    np.testing.assert_array_equal(labels, pair.labels)
    assert tuple(mask["scale"]) == (0.5, 0.25)
    assert tuple(options["scale"])[-2:] == (0.5, 0.25)
    assert (options["name"], mask["name"]) == ("cell 1", "cell 1 mask")


def test_both_files_give_the_pair_once(tmp_path):
    paths = [str(path) for path in write_pair(tmp_path, make_pair("a"))]
    assert len(_reader.get_reader(paths)(paths)) == 2


def test_foreign_and_damaged_files_are_declined(tmp_path):
    foreign = tmp_path / "x_labels.ome.tif"
    tifffile.imwrite(foreign, np.zeros((4, 4), np.uint8))
    damaged = tmp_path / "y.ome.tif"
    damaged.write_bytes(b"II*\0 no more")
    other = tmp_path / "manifest.json"
    other.write_text('{"name": "a web app"}')
    for path in (foreign, damaged, other, tmp_path / "missing.ome.tif", tmp_path / "z.tif"):
        assert _reader.get_reader(str(path)) is None
    assert _reader.get_reader([]) is None


def make_set(folder, pairs):
    records = []
    for pair in pairs:
        paths = write_pair(folder / "ome-tiff", pair)
        files = [
            {"path": path.relative_to(folder).as_posix(), "layout": "ome-tiff", "role": role}
            for path, role in zip(paths, ("image", "labels"), strict=True)
        ]
        records.append({"name": pair.name, "files": files})
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"software": "napari-organoid-synth 0.1.0", "samples": records}))
    return manifest


def test_an_export_of_one_size_is_two_stacks_in_the_order_of_its_manifest(tmp_path):
    pairs = [make_pair(f"p{number}", number) for number in (2, 0, 1)]
    manifest = make_set(tmp_path / "set", pairs)
    (images, options, _), (labels, mask, _) = _reader.get_reader(str(manifest))(str(manifest))
    np.testing.assert_array_equal(images, np.stack([pair.image[0] for pair in pairs]))
    np.testing.assert_array_equal(labels, np.stack([pair.labels for pair in pairs]))
    assert options["metadata"]["names"] == ["p2", "p0", "p1"]
    assert options["scale"] == mask["scale"] == (1.0, 0.5, 0.25)


def test_a_folder_is_opened_when_it_is_an_exported_set_and_left_alone_otherwise(tmp_path):
    manifest = make_set(tmp_path / "set", [make_pair("a")])
    folder = str(manifest.parent)
    assert [layer[1]["name"] for layer in _reader.get_reader(folder)(folder)] == ["a", "a mask"]
    assert _reader.get_reader(str(tmp_path)) is None


def test_files_and_sets_dropped_on_the_canvas_open_as_layers(tmp_path, make_napari_viewer, qtbot):
    from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
    from qtpy.QtGui import QDropEvent

    from napari_organoid_synth.widgets.shared.canvas_drop import watch_canvas

    viewer = make_napari_viewer()
    watching = watch_canvas(viewer)
    assert watch_canvas(viewer) is watching
    manifest = make_set(tmp_path / "set", [make_pair("a"), make_pair("b", size=(30, 22))])
    image, labels = write_pair(tmp_path, make_pair("c"))
    canvas = viewer.window._qt_viewer

    def drop(*paths):
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        action, button, key = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        event = QDropEvent(QPointF(50, 50), action, mime, button, key)
        # Qt delivers a drop only after a real drag has entered the widget; the filter is what such a drop meets first
        assert watching.eventFilter(canvas, event)
        assert event.isAccepted()

    drop(manifest.parent)
    qtbot.waitUntil(lambda: [layer.name for layer in viewer.layers] == ["a", "a mask", "b", "b mask"], timeout=20_000)
    viewer.layers.clear()
    drop(labels, image)
    qtbot.waitUntil(lambda: [layer.name for layer in viewer.layers] == ["c", "c mask"], timeout=20_000)


def test_an_export_of_several_sizes_is_separate_layers(tmp_path):
    manifest = make_set(tmp_path / "set", [make_pair("a"), make_pair("b", size=(30, 22))])
    assert [layer[1]["name"] for layer in _reader.read(str(manifest))] == ["a", "a mask", "b", "b mask"]


def test_an_export_without_ome_tiff_says_so(tmp_path):
    manifest = make_set(tmp_path, [])
    with pytest.raises(UserError, match="no OME-TIFF pairs"):
        _reader.read(str(manifest))


@pytest.mark.parametrize(
    "path", ["../secret.ome.tif", "ome-tiff/../../secret.ome.tif", "{tmp}/secret.ome.tif", "link", "..\\\\x"]
)
def test_a_manifest_does_not_reach_out_of_its_folder(tmp_path, path):
    secret, _ = write_pair(tmp_path, make_pair("secret"))
    manifest = make_set(tmp_path / "set", [make_pair("a")])
    (tmp_path / "set" / "link").symlink_to(secret)
    record = {"path": path.replace("{tmp}", str(tmp_path)), "layout": "ome-tiff", "role": "image"}
    manifest.write_text(json.dumps({"software": "napari-organoid-synth", "samples": [{"files": [record]}]}))
    with pytest.raises(UserError, match="which is not in its folder"):
        _reader.read(str(manifest))


@pytest.mark.parametrize("text", ["[]", "{}", '{"samples": [{}]}', '{"samples": [{"files": [{"path": "a"}]}]}', "{"])
def test_a_manifest_without_samples_says_so(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UserError, match="lists no samples"):
        _reader.set_images(tmp_path / "manifest.json")
