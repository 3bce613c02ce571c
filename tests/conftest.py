"""What all tests share: where the real images are, and a small simulated project."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real microscopy images, or skip."""
    path = Path(os.environ.get("ORGANOID_SYNTH_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real images at {path}; set ORGANOID_SYNTH_DATA")
    return path


@pytest.fixture(scope="module", autouse=True)
def frozen_heap() -> None:
    """Keep what is imported out of garbage collection: napari collects at each closed viewer and removed layer."""
    gc.collect()
    gc.freeze()
