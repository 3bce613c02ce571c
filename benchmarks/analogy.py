"""Processor seconds and memory of the painter analogy.

``python benchmarks/analogy.py DATA [--repeats 3]``

DATA holds ``nuclei_dsb2018``, ``drosophila_vnc_em`` and, for three channels, histology among the nuclei. Masks of one
image are painted from the others. Time is processor time of one thread (set ``OMP_NUM_THREADS=1``); the first painting
of all, which compiles the inner loops or reads their machine code, is given apart.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_organoid_synth.core.analogy.painter import AnalogyPainter, Painting, Quality, Source

QUALITIES: tuple[Quality, ...] = ("full", "fast")


def planes(path: Path) -> NDArray[np.uint8]:
    image = np.array(Image.open(path))
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


def nuclei(data: Path, kind: str, number: int) -> list[Source]:
    folder, found = data / "nuclei_dsb2018", []
    for path in sorted((folder / "images").glob(f"{kind}*")):
        image, labels = planes(path), np.array(Image.open(folder / "masks" / path.name)).astype(np.int32)
        if min(labels.shape) >= 256 and len(found) < number:
            found.append(Source(path.stem, image[:, :256, :256], labels[:256, :256]))
    return found


def membranes(data: Path, number: int) -> list[Source]:
    """Sections at half size, mitochondria and membranes as classes 1 and 2."""
    folder, found = data / "drosophila_vnc_em", []
    for path in sorted((folder / "images").glob("*.png"))[: 4 * number : 4]:
        mitochondria, walls = (
            np.array(Image.open(folder / "masks" / name / path.name).resize((512, 512), Image.Resampling.NEAREST)) > 0
            for name in ("mitochondria", "membranes")
        )
        image = np.array(Image.open(path).resize((512, 512), Image.Resampling.BOX))[None]
        found.append(Source(path.stem, image, np.where(walls, 2, mitochondria).astype(np.int32)))
    return found


def seconds(work: Callable[[], Painting], repeats: int) -> tuple[float, Painting]:
    """Least processor seconds of some repeats, and what came out."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        painting = work()
        found.append(time.process_time() - start)
    return min(found), painting


def measure(name: str, sources: list[Source], kind: str, sizes: tuple[int, ...], repeats: int) -> None:
    start = time.process_time()
    painter = AnalogyPainter(sources, kind)  # type: ignore[arg-type]
    print(f"{name}: prepared in {time.process_time() - start:.2f} s, {len(sources)} images")
    whole = np.tile(sources[0].labels, (4, 4))
    own = [sources[0].name]
    start = time.process_time()
    painter.paint(whole[:64, :64], 1, own)
    print(f"  first painting, pages of the sources included: {time.process_time() - start:.2f} s")
    for size in sizes:
        mask = whole[:size, :size]
        painter.paint(mask, 1, own)
        for quality in QUALITIES:
            took, painting = seconds(lambda mask=mask, q=quality: painter.paint(mask, 1, own, q), repeats)  # type: ignore[misc]
            middle = size // 2 - 32
            window = (middle, middle, middle + 64, middle + 64)
            changed = mask.copy()
            changed[size // 2 - 6 : size // 2 + 6, size // 2 - 6 : size // 2 + 6] = 1
            again, _ = seconds(
                lambda p=painting, c=changed, w=window, q=quality: painter.repaint(p, c, w, q),  # type: ignore[misc]
                repeats,
            )
            print(f"  {size} px, {quality}: {took:.2f} s; 64 px again {again:.3f} s", flush=True)
    print(f"  memory so far {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    fluorescence = nuclei(asked.data, "fluorescence", 5)
    start = time.process_time()
    AnalogyPainter(fluorescence[:1], "instances").paint(fluorescence[1].labels[:64, :64], 0)
    print(f"first painting of the process: {time.process_time() - start:.1f} s")
    measure("nuclei", fluorescence, "instances", (128, 256, 512), asked.repeats)
    measure("histology, RGB", nuclei(asked.data, "histology_purple", 4), "instances", (256,), asked.repeats)
    measure("EM, two classes", membranes(asked.data, 3), "classes", (256, 512), asked.repeats)


if __name__ == "__main__":
    main()
