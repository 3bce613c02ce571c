"""Only regular files are opened; texts are written whole, whatever names they contain."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from napari_organoid_synth.core.atomic import regular_file, write_text
from napari_organoid_synth.core.errors import UserError


def test_a_file_and_a_link_to_it_are_regular(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    link = tmp_path / "b.txt"
    link.symlink_to(path)
    assert regular_file(path) == path
    assert regular_file(link) == link


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        regular_file(tmp_path / "none.txt")


def test_a_link_to_itself_is_an_os_error(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="loop"):
        regular_file(loop)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_pipes_sockets_devices_and_folders_are_refused(tmp_path: Path) -> None:
    pipe, place = tmp_path / "pipe.tif", tmp_path / "s"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(place))  # the name of a socket may have at most 108 characters
        for path, word in (
            (pipe, "a pipe"),
            (place, "a socket"),
            (Path("/dev/zero"), "a device"),
            (tmp_path, "folder"),
        ):
            with pytest.raises(UserError, match=word):
                regular_file(path)


def test_a_null_character_is_not_a_name() -> None:
    with pytest.raises(UserError, match="null"):
        regular_file(Path("a\0b"))


def test_json_with_a_name_that_is_not_utf8_comes_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.tif")
    write_text(tmp_path / "a.json", json.dumps([name], ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [name]


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.json" / "inside").mkdir(parents=True)
    with pytest.raises(UserError, match=r"a\.json is a folder") as caught:
        write_text(tmp_path / "a.json", "text")
    assert "Rename or delete" in caught.value.todo
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
