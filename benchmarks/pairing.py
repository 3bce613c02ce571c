"""How long pairing takes: many images with label masks, found by name and checked by their pixels.

``python benchmarks/pairing.py [--number 1000] [--side 1024] [--folder FOLDER]``

Images are uint8 noise, uncompressed TIFF; masks are discs with ids, zlib-compressed TIFF. They are made first if FOLDER
does not have them; without FOLDER they lie in a temporary one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import tifffile
from scipy.ndimage import gaussian_filter
from skimage.draw import disk


def make(folder: Path, number: int, side: int) -> None:
    """Write the images and masks."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    noise = gaussian_filter(random.normal(0, 1, (2 * side, 2 * side)), 1)
    texture = np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)
    for index in range(number):
        y, x = random.integers(0, side, 2)
        tifffile.imwrite(folder / "images" / f"field_{index:04d}.tif", texture[y : y + side, x : x + side])
        labels = np.zeros((side, side), np.uint16)
        for label, (row, column) in enumerate(random.integers(0, side, (60, 2)), 1):
            labels[disk((row, column), side // 25, shape=labels.shape)] = label
        tifffile.imwrite(folder / "masks" / f"field_{index:04d}.tif", labels, compression="zlib")


def measure(folder: Path, number: int) -> None:
    """Print seconds and memory of finding and checking."""
    from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs

    began = time.perf_counter()
    table = find_pairs(folder / "images", folder / "masks")
    found = time.perf_counter()
    table = check_pairs(table)
    checked = time.perf_counter()
    if len(table.matched) != number:
        sys.exit(table.summary())
    memory = psutil.Process().memory_info()
    peak = getattr(memory, "peak_wset", 0) or _peak_of_linux() or memory.rss
    print(
        f"{number} pairs: found in {found - began:.2f} s, checked in {checked - found:.1f} s "
        f"({1e3 * (checked - found) / number:.1f} ms each), peak memory {peak / 2**20:.0f} MiB"
    )


def _peak_of_linux() -> int:
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        where = given.folder or Path(temporary)
        if not (where / "images").exists():
            make(where, given.number, given.side)
        measure(where, given.number)
