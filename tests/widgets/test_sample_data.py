"""Simulated samples, and downloading from a server on this machine."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tifffile

from napari_organoid_synth import sample_data as _sample_data
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.sample_data import SETS, Download, PublicSet


@pytest.mark.parametrize("name", ["organoid_brightfield", "em", "tissue"])
def test_simulated_samples_are_an_image_and_labels(name):
    (image, options, kind), (labels, _, mask_kind) = getattr(_sample_data, name)()
    assert (kind, mask_kind) == ("image", "labels")
    assert labels.shape == (512, 512)
    assert image.shape[:2] == (512, 512) or image.shape[-2:] == (512, 512)
    assert labels.max() >= 1
    assert options["name"]


def test_every_public_set_has_what_a_person_must_know():
    for key, one in SETS.items():
        assert key == one.key
        assert len(one.sha256) == 64
        assert int(one.sha256, 16)
        assert one.url.startswith("https://")
        assert one.licence
        assert one.source


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path):
    """A zip with two pairs behind http://127.0.0.1, described as a public set."""
    folder = tmp_path / "served"
    folder.mkdir()
    archive = folder / "set.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        for number in range(2):
            labels = np.zeros((16, 20), np.uint16)
            labels[2:8, 3:9] = number + 1
            for name, data in (("images", labels * 30), ("masks", labels)):
                path = tmp_path / "x.tif"
                tifffile.imwrite(path, data)
                stream.write(path, f"toy/train/{name}/{number}.tif")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield PublicSet(
        key="toy",
        title="Two squares",
        url=f"http://127.0.0.1:{server.server_port}/set.zip",
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        licence="CC0",
        source="this test",
        images="train/images/*.tif",
        masks="train/masks/*.tif",
    )
    server.shutdown()
    thread.join()
    server.server_close()


def test_size_licence_and_source_are_said_before_a_byte_is_kept(served, tmp_path):
    download = Download(served)
    text = download.question()
    download.close()
    assert download.size > 500
    for words in (f"{download.size / 1e6:.1f} MB", "127.0.0.1", "CC0", "this test", "Two squares"):
        assert words in text
    assert not (tmp_path / "cache").exists()


def test_a_download_is_checked_unpacked_and_becomes_pairs(served, tmp_path):
    folder, counts = tmp_path / "cache", []
    assert Download(served).to_folder(folder, lambda count: counts.append(count) or True)
    assert counts[-1] > 500
    assert (folder / "complete").read_text().splitlines()[1] == served.sha256
    layers = _sample_data.layers_of(served, folder)
    assert [layer[2] for layer in layers] == ["image", "labels"] * 2
    assert layers[3][0].max() == 2
    assert not list(folder.glob("*.part"))


def test_another_file_than_expected_is_not_kept(served, tmp_path):
    folder = tmp_path / "cache"
    with pytest.raises(UserError, match="SHA-256"):
        Download(replace(served, sha256="0" * 64)).to_folder(folder, lambda _: True)
    assert list(folder.iterdir()) == []


def test_stopping_keeps_nothing(served, tmp_path):
    folder = tmp_path / "cache"
    assert not Download(served).to_folder(folder, lambda _: False)
    assert list(folder.iterdir()) == []


def test_offline_is_a_sentence():
    gone = replace(SETS["nuclei"], url="http://127.0.0.1:9/nothing.zip")
    with pytest.raises(UserError, match="cannot be reached") as caught:
        Download(gone)
    assert "simulated" in caught.value.todo


def test_entries_outside_the_folder_are_refused(tmp_path):
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as stream:
        stream.writestr("../escaped.txt", "x")
    with pytest.raises(UserError, match="escaped"):
        _sample_data._unpack(bad, tmp_path / "inner" / "bad.zip")
    assert not (tmp_path / "escaped.txt").exists()


@pytest.mark.parametrize("agree", [True, False])
def test_the_menu_asks_first_and_the_second_time_reads_the_cache(served, tmp_path, monkeypatch, qtbot, agree):
    from qtpy.QtWidgets import QMessageBox

    asked = []
    answer = QMessageBox.StandardButton.Yes if agree else QMessageBox.StandardButton.No
    monkeypatch.setattr(QMessageBox, "question", lambda *arguments: asked.append(arguments[2]) or answer)
    monkeypatch.setattr(_sample_data, "cache_folder", lambda: tmp_path / "cache")
    if not agree:
        with pytest.raises(UserError, match="Nothing was downloaded"):
            _sample_data._downloaded(served)
        assert not (tmp_path / "cache").exists()
        return
    assert len(_sample_data._downloaded(served)) == 4
    assert len(_sample_data._downloaded(served)) == 4
    assert len(asked) == 1
    assert "CC0" in asked[0]
