"""Simulated samples, and downloading from a server on this machine."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace

import pytest

from napari_organoid_synth import sample_data
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.sample_data import SETS, download, download_size, layers_of, question


@pytest.mark.parametrize("name", ["organoid_brightfield", "em", "tissue"])
def test_simulated_samples_are_an_image_and_labels(name):
    (image, options, kind), (labels, _, mask_kind) = getattr(sample_data, name)()
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


def content(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_size_licence_and_source_are_said_before_a_byte_is_kept(served, tmp_path):
    size = download_size(served)
    assert size == (tmp_path / "served" / "set.zip").stat().st_size > 500
    text = question(served, size)
    for part in (f"{size / 1e6:.1f} MB", "127.0.0.1", "CC0", "this test", "Two squares", str(tmp_path / "cache")):
        assert part in text
    assert not (tmp_path / "cache").exists()


def test_a_download_is_verified_unpacked_and_becomes_pairs(served, tmp_path):
    counts = []
    assert not served.is_cached
    assert download(served, lambda count: counts.append(count) or True)
    assert served.is_cached
    assert counts[-1] == (tmp_path / "served" / "set.zip").stat().st_size
    assert content(served.folder) == [
        "set.zip", *(f"toy/train/{name}/{number}.tif" for name in ("images", "masks") for number in range(2))
    ]  # fmt: skip
    layers = layers_of(served)
    assert [layer[2] for layer in layers] == ["image", "labels"] * 2
    assert layers[3][0].max() == 2


def test_what_was_downloaded_is_not_downloaded_again(served):
    assert download(served)
    counts = []
    assert download(replace(served, url="http://127.0.0.1:9/set.zip"), counts.append)
    assert counts == []


def test_another_file_than_expected_is_not_kept(served):
    other = replace(served, sha256="0" * 64)
    with pytest.raises(UserError, match="SHA256 hash of downloaded file"):
        download(other)
    assert content(other.folder) == []


def test_stopping_keeps_nothing(served):
    assert not download(served, lambda _: False)
    assert content(served.folder) == []


def test_offline_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_data, "cache_folder", lambda: tmp_path / "cache")
    gone = replace(SETS["nuclei"], url="http://127.0.0.1:9/nothing.zip")
    for call in (download_size, download):
        with pytest.raises(UserError, match="cannot be reached") as caught:
            call(gone)
        assert "simulated" in caught.value.todo


def test_an_archive_that_leads_out_of_its_folder_is_not_unpacked(served, tmp_path):
    archive = tmp_path / "served" / "set.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("../../escaped.txt", "x")
    with pytest.raises(UserError, match=r"set\.zip holds '\.\./\.\./escaped\.txt'\. Expected names below its folder"):
        download(replace(served, sha256=hashlib.sha256(archive.read_bytes()).hexdigest()))
    assert content(served.folder) == ["set.zip"]
    assert list(tmp_path.rglob("escaped.txt")) == []


def test_a_folder_with_missing_files_says_so(served):
    download(served)
    next(served.folder.rglob("masks/0.tif")).unlink()
    with pytest.raises(UserError, match="contains 2 images and 1 masks"):
        layers_of(served)
