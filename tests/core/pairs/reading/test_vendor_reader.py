"""Files of microscopes through bioio; CZI files are made here, where its library can write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.ome_tiff import read_image, read_info
from napari_organoid_synth.core.pairs.pair import RGB

czi = pytest.importorskip("pylibCZIrw.czi")
pytest.importorskip("bioio_czi")
STACK = np.random.default_rng(0).integers(0, 60_000, (2, 3, 40, 50)).astype(np.uint16)  # C, Z, Y, X


def test_planes_channels_and_size_of_a_czi(tmp_path: Path) -> None:
    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as document:
        for c, z in np.ndindex(2, 3):
            document.write(data=STACK[c, z][..., None], plane={"C": c, "Z": z, "T": 0}, scene=0)
        names = {0: "DAPI", 1: "GFP"}
        document.write_metadata(document_name="a", channel_names=names, scale_x=2e-7, scale_y=2.5e-7, scale_z=1e-6)
    for z in range(3):
        image, info = read_image(path, z)
        np.testing.assert_array_equal(image, STACK[:, z])
    assert (info.pixel_size, info.channel_names, info.n_pages) == (pytest.approx((0.25, 0.2)), ("DAPI", "GFP"), 3)
    other = path.rename(tmp_path / "a.dat")
    assert read_info(other).n_pages == 3
    other.write_bytes(other.read_bytes()[:5_000])
    with pytest.raises(UserError, match=r"a.dat is a damaged or truncated CZI"):
        read_image(other, 0)


def test_colours_of_a_czi(tmp_path: Path) -> None:
    colours = (STACK[0] % 256).astype(np.uint8)
    with czi.create_czi(str(tmp_path / "a.czi")) as document:
        blue_first = np.moveaxis(colours[::-1], 0, -1)
        document.write(data=np.ascontiguousarray(blue_first), plane={"C": 0, "Z": 0, "T": 0}, scene=0)
    image, info = read_image(tmp_path / "a.czi")
    np.testing.assert_array_equal(image, colours)
    assert info.channel_names == RGB
