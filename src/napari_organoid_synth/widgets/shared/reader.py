"""Opens what this project wrote: a pair by its files, an export by its ``manifest.json``, a model by its ``.synth``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.ome_tiff import IMAGE_ENDING, LABELS_ENDING, read_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.widgets.shared.drop import are_models

SEPARATE = 12
"""Most pairs of an export that are shown as layers of their own; pairs of one size and dtype become one stack."""

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[Any], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """A reader for pairs of ours, or None so that another reader takes the file.

    Parameters
    ----------
    path : str or list of str
        ``NAME.ome.tif``, ``NAME_labels.ome.tif``, an export's folder or its ``manifest.json``; ``NAME.synth``.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if are_models([Path(one) for one in paths]):
        return take_models
    return read if paths and all(_is_ours(image_path(Path(one))) for one in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Image and labels layers of one or more paths, scaled in µm; each pair once though both files are given.

    Raises
    ------
    UserError
        If a file of the pair is missing or damaged.
    """
    paths = [Path(one) for one in ([path] if isinstance(path, str) else path)]
    layers: list[LayerData] = []
    for one in dict.fromkeys(image_path(one) for one in paths):
        layers += read_set(one) if one.name == "manifest.json" else pair_layers(read_pair(one))
    return layers


def take_models(path: str | Sequence[str]) -> list[LayerData]:
    """Take model files into the project of the current viewer; they hold no layers.

    The Generate dock opens, says what becomes of them, and draws with them.

    Raises
    ------
    UserError
        If there is no viewer, or no project can be made.
    """
    import napari

    from napari_organoid_synth.widgets.shared.menus import open_dock
    from napari_organoid_synth.widgets.shared.workspace import Workspace

    paths = [Path(one) for one in ([path] if isinstance(path, str) else path)]
    viewer = napari.current_viewer()
    if viewer is None:
        raise UserError(
            f"{paths[0].name} holds a generator and no layers.",
            "Expected an open napari window to take it into.",
            "Use 'organoid-synth adopt PROJECT FILE' without a window.",
        )
    dock = open_dock(viewer, "Generate")
    dock.error.dismiss()
    dock.guard(lambda: Workspace.of(viewer).adopt(paths))
    nothing: Any = (None,)  # napari's sign for "read, and there are no layers"
    return [nothing]


def read_set(manifest: Path) -> list[LayerData]:
    """An export as layers: a stack of images and a stack of labels, or separate layers when sizes differ."""
    images = set_images(manifest)
    pairs = [read_pair(path) for path in images]
    if len(pairs) > 1 and len({(p.image.shape, p.image.dtype, p.channel_names) for p in pairs}) == 1:
        return stack_layers(pairs, manifest.parent.name)
    return [layer for pair in pairs[:SEPARATE] for layer in pair_layers(pair)]


def set_images(manifest: Path) -> list[Path]:
    """The OME-TIFF images that the manifest of an export lists, in its order.

    Raises
    ------
    UserError
        If the manifest is none of an export, names a file outside its folder, or lists no image, as in an export
        without the OME-TIFF layout.
    """
    try:
        samples = json.loads(manifest.read_text(encoding="utf-8"))["samples"]
        files = [(f["layout"], f["role"], str(f["path"])) for sample in samples for f in sample["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{manifest} lists no samples ({type(error).__name__}: {error}).",
            "Expected the manifest of an export.",
            "Export again, or open the images one by one.",
        ) from None
    images = [inside(manifest, path) for layout, role, path in files if (layout, role) == ("ome-tiff", "image")]
    if not images:
        raise UserError(
            f"{manifest.parent} holds no OME-TIFF pairs.",
            "Expected an export with the format OME-TIFF.",
            "Export again with OME-TIFF checked.",
        )
    return images


def inside(manifest: Path, path: str) -> Path:
    """The file that a manifest names; also by a link it must not lie outside the manifest's folder.

    Raises
    ------
    UserError
        If it does.
    """
    folder = manifest.parent.resolve()
    file = manifest.parent / path
    if "\\" in path or not file.resolve().is_relative_to(folder):
        raise UserError(
            f"{manifest.name} names '{path}', which is not in its folder {folder}.",
            "Expected files of the export alone.",
            "Do not trust this manifest; export again.",
        )
    return file


def pair_layers(pair: SamplePair) -> list[LayerData]:
    """A pair as layer data: exactly the layers that `show_pair` adds."""
    from napari.components import ViewerModel

    from napari_organoid_synth.widgets.shared.layers import show_pair

    return [layer.as_layer_data_tuple() for layer in show_pair(ViewerModel(), pair)]


def stack_layers(pairs: Sequence[SamplePair], name: str) -> list[LayerData]:
    """Pairs of one shape as two layers with a slider: images (N, [C,] Y, X[, RGB]) and labels (N, Y, X)."""
    first = pairs[0]
    images = np.stack([pair.image for pair in pairs])  # (N, C, Y, X)
    labels = np.stack([pair.labels for pair in pairs])
    scale = first.pixel_size or (1.0, 1.0)
    if first.is_rgb:
        images = np.moveaxis(images, 1, -1)
    elif images.shape[1] == 1:
        images = images[:, 0]
    spatial = ("um", "um") if first.pixel_size else ("pixel", "pixel")
    axes = images.ndim - 2 - first.is_rgb
    image: dict[str, Any] = {"name": name, "rgb": first.is_rgb, "metadata": {"names": [p.name for p in pairs]}}
    image |= {"scale": (1.0,) * axes + scale, "units": ("pixel",) * axes + spatial}
    mask = {"name": f"{name} mask", "scale": (1.0, *scale), "units": ("pixel", *spatial)}
    return [(images, image, "image"), (labels, mask, "labels")]


def image_path(path: Path) -> Path:
    """The image file of the pair to which a file belongs, the manifest of a folder; all else stays what it is."""
    if path.is_dir():
        return path / "manifest.json"
    if path.name.endswith(LABELS_ENDING):
        return path.with_name(path.name.removesuffix(LABELS_ENDING) + IMAGE_ENDING)
    return path


def _is_ours(path: Path) -> bool:
    """Whether this project wrote the file; reads no pixels and never raises."""
    if path.name == "manifest.json":
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(manifest, dict) and "organoid-synth" in str(manifest.get("software", ""))
    if not path.name.endswith(IMAGE_ENDING):
        return False
    import tifffile

    from napari_organoid_synth.core.pairs.ome_xml import parse_record

    try:
        with tifffile.TiffFile(image_path(path)) as file:
            text = file.ome_metadata
        return bool(text) and parse_record(str(text)) is not None
    except Exception:  # a damaged or foreign file is somebody else's to explain
        return False
