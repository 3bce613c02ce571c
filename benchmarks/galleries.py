"""Sample sheets for the documentation, from data that may be passed on: the built-in simulators.

    python benchmarks/galleries.py docs/_static

One sheet for each simulator, ``gallery_NAME.png``: real (that is, simulated) images above, new masks in the middle, and
below what analogy, which does not train, paints onto them at full quality.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_organoid_synth.core.analogy.painter import AnalogyPainter, Source
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.arranged import Arranger
from napari_organoid_synth.core.simulators.moved import Mover
from napari_organoid_synth.core.simulators.simulate import SIMULATORS

SHEETS = ("organoid_brightfield", "tissue", "em")
SOURCES, SHOWN, SIDE, GAP = 5, 4, 192, 6
GREYS, WIDTH = 16, 700
"""Of a sheet: few, so that the file is small."""
CLASS_GREYS = np.linspace(0, 255, 3)


def new_masks(pairs: list[SamplePair], rng: np.random.Generator) -> Iterator[NDArray[np.int32]]:
    """Yield masks that no source has, as ``generate`` makes them by default."""
    if pairs[0].mask_kind == "classes":
        mover = Mover(pairs)
        while True:
            yield mover.move(SIDE, rng).labels
    arranger = Arranger(pairs)
    while True:
        yield arranger.arrange(SIDE, rng).labels


def grey(image: NDArray[np.generic], low: float, high: float) -> NDArray[np.uint8]:
    """Return a channel between two values as grey levels."""
    return (255 * np.clip((image.astype(float) - low) / (high - low), 0, 1)).astype(np.uint8)


def as_picture(labels: NDArray[np.int32], kind: str) -> NDArray[np.uint8]:
    """Return a mask as grey levels: classes each one of its own, objects bright ones."""
    if kind == "classes":
        return CLASS_GREYS[np.clip(labels, 0, 2)].astype(np.uint8)
    return np.where(labels > 0, 120 + 45 * (labels % 4), 0).astype(np.uint8)


def sheet(name: str, seed: int = 0) -> Image.Image:
    """Paint a sheet."""
    pairs = [SIMULATORS[name](seed + number, size=SIDE).replace(name=f"{name} {number}") for number in range(SOURCES)]
    kind, classes = pairs[0].mask_kind, pairs[0].class_names if pairs[0].mask_kind == "classes" else ()
    painter = AnalogyPainter([Source(pair.name, pair.image, pair.labels) for pair in pairs], kind, classes)
    masks = new_masks(pairs, np.random.default_rng(seed))
    chosen = [next(masks) for _ in range(SHOWN)]
    painted = [painter.paint(mask, seed + number).image for number, mask in enumerate(chosen)]
    low, high = np.percentile([pair.image for pair in pairs], (0.5, 99.5))  # one contrast for all
    rows = (
        [grey(pair.image[0], low, high) for pair in pairs[:SHOWN]],
        [as_picture(mask, kind) for mask in chosen],
        [grey(image[0], low, high) for image in painted],
    )
    picture = np.full((3 * SIDE + 2 * GAP, SHOWN * SIDE + (SHOWN - 1) * GAP), 255, np.uint8)
    for row, tiles in enumerate(rows):
        for column, tile in enumerate(tiles):
            top, left = row * (SIDE + GAP), column * (SIDE + GAP)
            picture[top : top + SIDE, left : left + SIDE] = tile
    return Image.fromarray(picture).resize(
        (WIDTH, round(WIDTH * picture.shape[0] / picture.shape[1])), Image.Resampling.LANCZOS
    )


def main() -> None:
    """Write all sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    for name in SHEETS:
        path = out / f"gallery_{name}.png"
        sheet(name).quantize(GREYS).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
