"""Make ``miniature``: three small sets of simulated images in the layout of the real ones, 4 to 12 images each.

Run it with the package installed: ``python tests/data/make_miniature.py``. Intensities are rounded to 32 steps, so that
all files together are below 200 kB.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.simulate import em, organoid_brightfield, tissue

FOLDER = Path(__file__).parent / "miniature"


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, optimize=True)


def grey(pair: SamplePair) -> np.ndarray:
    """The image (Y, X) uint8 in 32 steps."""
    image = pair.image[0].astype(float)
    return (np.round(31 * image / image.max()) * 8).astype(np.uint8)


def main() -> None:
    for number in range(12):
        pair = tissue(number, 96)
        image = grey(pair)
        rgb = number % 3 == 2
        save(FOLDER / f"nuclei/images/n{number:02d}.png", np.stack([image, image // 2, image], -1) if rgb else image)
        save(FOLDER / f"nuclei/masks/n{number:02d}.png", pair.labels.astype(np.uint16))
    for number in range(4):
        pair = em(number, 128)
        save(FOLDER / f"em/images/e{number}.png", grey(pair))
        mitochondria, membranes = pair.labels == 1, pair.labels == 2
        mitochondria = binary_dilation(mitochondria, iterations=5)  # the classes share some pixels
        save(FOLDER / f"em/masks/mitochondria/e{number}.png", (255 * mitochondria).astype(np.uint8))
        save(FOLDER / f"em/masks/membranes/e{number}.png", (255 * membranes).astype(np.uint8))
        save(FOLDER / f"em/masks/classes/e{number}.png", (32 * pair.labels).astype(np.uint8))
    for number in range(6):
        pair = next(
            filter(is_single, (organoid_brightfield(seed, 96) for seed in range(50 * number, 50 * number + 50)))
        )
        image = grey(pair)
        save(FOLDER / f"organoids/images/o{number}.png", np.stack([image] * 3, -1))
        save(FOLDER / f"organoids/masks/o{number}.png", (255 * pair.labels).astype(np.uint8))


def is_single(pair: SamplePair) -> bool:
    """Whether there is one organoid in one piece."""
    from skimage.measure import label

    return int(label(pair.labels, connectivity=2).max()) == 1


if __name__ == "__main__":
    main()
