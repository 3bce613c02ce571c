"""Read CZI, ND2 and LIF, the files of microscopes, through the optional package bioio."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.pairs.reading.formats import short
from napari_organoid_synth.core.pairs.reading.limits import NotSupported, refuse_memory
from napari_organoid_synth.core.pairs.reading.ome_xml import PixelMetadata, to_micrometres
from napari_organoid_synth.core.quantities import plural

_PLUGINS = {"CZI": "bioio_czi", "ND2": "bioio_nd2", "LIF": "bioio_lif"}
INSTALL = 'pip install "napari-organoid-synth[bioio]"'


class VendorReader:
    """A file that bioio reads; times, focal planes and scenes of the size of the largest scene count as planes."""

    def __init__(self, path: Path, kind: str) -> None:
        self.kind, self._path = kind, path
        module = _PLUGINS[kind]
        if find_spec(module) is None:
            needed = module.replace("_", "-")
            raise NotSupported(f"is a {kind} file; reading it needs the package {needed}", "", f"Run '{INSTALL}'.")
        self._image: Any = import_module(module).Reader(path)
        shapes = {scene: self._scene_shape(scene) for scene in self._image.scenes}
        best = max(shapes.values(), key=lambda shape: shape[3] * shape[4])
        self._left_out = sum(shape[1::2] != best[1::2] or shape[4] != best[4] for shape in shapes.values())
        self._planes = [
            (scene, t, z)
            for scene, (times, channels, depth, height, width) in shapes.items()
            if (channels, height, width) == (best[1], best[3], best[4])
            for t in range(times)
            for z in range(depth)
        ]
        self.n_pages = len(self._planes)

    def _scene_shape(self, scene: str) -> tuple[int, int, int, int, int]:
        """Return the lengths of T, C, Z, Y and X."""
        self._image.set_scene(scene)
        dims = self._image.dims
        times, channels, depth, height, width = (int(getattr(dims, axis, 1)) for axis in "TCZYX")
        return times, channels * self._samples, depth, height, width

    @property
    def _samples(self) -> int:
        """Return the colours of a pixel of the current scene, 1 without."""
        return int(getattr(self._image.dims, "S", 1))

    def close(self) -> None:
        """Do nothing: bioio opens the file for each reading."""

    def describe(self, page: int) -> tuple[tuple[int, int, int], np.dtype[Any], PixelMetadata]:
        """Return shape, dtype and metadata of a plane."""
        scene, _, _ = self._planes[page]
        _, channels, _, height, width = self._scene_shape(scene)
        sizes = self._image.physical_pixel_sizes
        size = [to_micrometres(float(length or 0), "µm") for length in (sizes.Y, sizes.X)]
        names = RGB if self._samples == 3 == channels else tuple(str(name) for name in self._image.channel_names or ())
        remarks = (f"{plural(self._left_out, 'smaller scene')} in the file left out",) if self._left_out else ()
        return (
            (channels, height, width),
            np.dtype(self._image.dtype).newbyteorder("="),
            PixelMetadata(
                None if size[0] is None or size[1] is None else (size[0], size[1]),
                names if len(names) == channels and all(names) else (),
                remarks,
            ),
        )

    def read(self, page: int, palette: bool) -> NDArray[Any]:
        """Read one plane."""
        shape, dtype, _ = self.describe(page)
        refuse_memory(int(np.prod(shape)) * dtype.itemsize, short(self._path))
        scene, t, z = self._planes[page]
        self._image.set_scene(scene)
        if self.kind == "CZI" and self._samples == 3:  # read lazily, all samples would be the first
            plane = np.asarray(self._image.get_image_data("CSYX", T=t, Z=z))[:, ::-1]  # blue, green, red in the file
        else:
            order = "CSYX" if self._samples > 1 else "CYX"
            plane = np.asarray(self._image.get_image_dask_data(order, T=t, Z=z).compute(scheduler="synchronous"))
        return np.ascontiguousarray(plane.reshape(-1, *plane.shape[-2:]), dtype=dtype)
