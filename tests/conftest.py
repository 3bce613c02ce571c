"""What all tests share: where the real images are, and a public data set on a server of this machine."""

from __future__ import annotations

import gc
import hashlib
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from napari_organoid_synth.sample_data import PublicSet

REAL_IMAGES = Path(os.environ.get("ORGANOID_SYNTH_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real microscopy images, or skip."""
    if not REAL_IMAGES.is_dir():
        pytest.skip(f"no real images at {REAL_IMAGES}; set ORGANOID_SYNTH_DATA")
    return REAL_IMAGES


@pytest.fixture(scope="session")
def image_set() -> Callable[[str], Path]:
    """The folder of a set of images: ``miniature/em`` of the repository, or a real one, without which it skips."""

    def folder(name: str) -> Path:
        if name.startswith("miniature/"):
            return Path(__file__).parent / "data" / name
        path = REAL_IMAGES / name
        if not path.is_dir():
            pytest.skip(f"no real images at {path}; set ORGANOID_SYNTH_DATA")
        return path

    return folder


@pytest.fixture(scope="module", autouse=True)
def frozen_heap() -> None:
    """Keep what is imported out of garbage collection: napari collects at each closed viewer and removed layer."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def live_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small run of a generator, trained when it is first asked for."""
    from live_models import train_model

    made: dict[str, Path] = {}

    def model(name: str) -> Path:
        if name not in made:
            made[name] = train_model(tmp_path_factory.mktemp(name), name)
        return made[name]

    return model


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PublicSet]:
    """A zip with two pairs on a server of this machine, as a public set that is cached below ``tmp_path``."""
    import numpy as np
    import tifffile

    from napari_organoid_synth import sample_data

    monkeypatch.setattr(sample_data, "cache_folder", lambda: tmp_path / "cache")
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield sample_data.PublicSet(
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
