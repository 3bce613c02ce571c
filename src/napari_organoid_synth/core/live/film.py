"""Films of walks as files: GIF, MP4 or a stack of TIFF; knows no torch."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pictures import limits, picture

SUFFIXES = (".gif", ".mp4", ".tif", ".tiff")
MAX_FRAMES = 2000


def pictures_of(images: Sequence[NDArray[Any]], rgb: bool = False) -> NDArray[np.uint8]:
    """Convert images to pictures that can be compared: all have the contrast of all together.

    Parameters
    ----------
    images : sequence of NDArray (C, Y, X)
        Of one shape and dtype.
    rgb : bool
        Whether the channels are colours.

    Returns
    -------
    NDArray (T, Y, X, 3) uint8
    """
    shown = np.stack([image[:3] for image in images]).astype(np.float32)
    step = max(1, max(shown.shape[2:]) // 128)
    probe = shown[:, :, ::step, ::step]
    ranges = [limits(probe.ravel() if rgb else probe[:, channel].ravel()) for channel in range(shown.shape[1])]
    return np.stack([picture(image, rgb, ranges) for image in shown])


def there_and_back(frames: NDArray[Any]) -> NDArray[Any]:
    """Return frames (T, ...) and the way back, so that a film which repeats does not jump."""
    return np.concatenate([frames, frames[-2:0:-1]])


# --- files -----------------------------------------------------------------------------------------------------------


def write_film(path: Path, frames: NDArray[np.uint8], per_second: float = 12.0) -> None:
    """Write pictures as a film, complete or not at all; the suffix of the name says how.

    Parameters
    ----------
    path : Path
        ``.gif`` repeats for ever and has up to 256 colours; ``.mp4`` needs the package imageio-ffmpeg; ``.tif`` is a
        stack for other programs.
    frames : NDArray (T, Y, X, 3) or (T, Y, X) uint8
        From `pictures_of`, at least 1 and at most 2000.
    per_second : float
        Frames per second, above 0.

    Raises
    ------
    UserError
        If there are no frames or too many, the suffix is unknown, or films cannot be written here.
    DiskFull
        If there is no space; an older file stays.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{path.name} ends with '{path.suffix}'.", f"Expected one of {', '.join(SUFFIXES)}.", "Choose another name."
        )
    if not 0 < len(frames) <= MAX_FRAMES:
        raise UserError(f"The film has {len(frames)} frames.", f"Expected 1 to {MAX_FRAMES}.", "Take another number.")
    if frames.ndim == 4 and (frames == frames[..., :1]).all():
        frames = frames[..., 0]  # grey: 256 colours hold every tone
    encode = {".gif": _as_gif, ".mp4": _as_mp4}.get(suffix, _as_tiff)
    write_bytes(path, encode(frames, per_second))


def _as_gif(frames: NDArray[np.uint8], per_second: float) -> bytes:
    import imageio.v3 as imageio

    data: bytes = imageio.imwrite("<bytes>", frames, extension=".gif", duration=1000 / per_second, loop=0)
    return data


def _as_mp4(frames: NDArray[np.uint8], per_second: float) -> bytes:
    if find_spec("imageio_ffmpeg") is None:
        raise UserError(
            "Films in MP4 need the package imageio-ffmpeg, which is not installed.",
            "Expected it, or a name that ends with .gif or .tif.",
            "Choose .gif, or install it: pip install imageio-ffmpeg.",
        )
    import imageio.v2 as imageio

    height, width = frames.shape[1:3]
    sides = [(0, 0), (0, height % 2), (0, width % 2), (0, 0)][: frames.ndim]  # those of a film are even
    even = list(np.pad(frames, sides, "edge"))
    stream = BytesIO()
    imageio.mimwrite(stream, even, format="mp4", fps=per_second, macro_block_size=2, quality=9)
    return stream.getvalue()


def _as_tiff(frames: NDArray[np.uint8], per_second: float) -> bytes:
    import tifffile

    stream = BytesIO()
    axes = "TYX" if frames.ndim == 3 else "TYXS"
    metadata = {"axes": axes, "fps": per_second}
    tifffile.imwrite(stream, frames, imagej=True, compression="zlib", metadata=metadata)
    return stream.getvalue()
