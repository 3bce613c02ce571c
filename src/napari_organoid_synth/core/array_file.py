"""Read arrays from NumPy's own files; what a file declares is compared with what is there before memory is taken."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as numpy_format
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import regular_file

MAX_UNPACKED = 1 << 29
"""Bytes of a compressed array; one that is not compressed is as large as its file."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError, OverflowError)


def read_npz(path: Path, *names: str) -> tuple[NDArray[Any], ...]:
    """Read named arrays of an ``.npz`` file.

    Raises
    ------
    OSError
        If there is no such file, or it may not be read.
    ValueError
        If it is damaged, lacks one of them, or declares more than it holds.
    """
    try:
        with zipfile.ZipFile(regular_file(Path(path))) as archive:
            arrays = []
            for name in names:
                info = archive.getinfo(f"{name}.npy")
                packed = info.compress_type != zipfile.ZIP_STORED
                if info.file_size > (MAX_UNPACKED if packed else info.compress_size):
                    raise ValueError(f"'{name}' claims {info.file_size:,} bytes")
                with archive.open(info) as stream:
                    arrays.append(_read(stream, info.file_size, name))
            return tuple(arrays)
    except _BROKEN as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def read_npy(path: Path) -> NDArray[Any]:
    """Read the array of an ``.npy`` file; errors as from `read_npz`."""
    with regular_file(Path(path)).open("rb") as stream:
        try:
            return _read(stream, Path(path).stat().st_size, Path(path).name)
        except _BROKEN as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None


def _read(stream: IO[bytes], size: int, name: str) -> NDArray[Any]:
    """Read an array from the ``size`` bytes of a stream."""
    npy: Any = numpy_format  # some versions of numpy have no types for it
    version: tuple[int, int] = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"'{name}' has an unknown version")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(stream)
    count = 1
    for side in shape:
        count *= int(side)
    data = stream.read(size)
    if dtype.hasobject or min(shape, default=0) < 0 or count * dtype.itemsize != len(data):
        raise ValueError(f"'{name}' declares {shape} {dtype}, which is not what the file holds")
    array = np.frombuffer(data, dtype).copy()
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
