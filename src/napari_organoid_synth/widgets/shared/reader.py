"""A reader of files of this plugin: pairs by their files, exports by ``manifest.json``, models by ``.synth``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import regular_file
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.ome_tiff import IMAGE_ENDING, LABELS_ENDING, read_pair
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.layer_data import LayerData, pair_layers, stack_layers
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.drop import are_models

SEPARATE = 12
"""Most pairs of an export that are shown as layers of their own; pairs of one size and dtype become one stack."""

Reader = Callable[[Any], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for pairs of this program, or None so that another reader opens the file.

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
    try:
        for one in dict.fromkeys(image_path(one) for one in paths):
            layers += read_set(one) if one.name == "manifest.json" else pair_layers(read_pair(one))
    except UserError as error:  # napari shows it, and would take a name in it for HTML
        raise UserError(*map(plain, (error.found, error.expected, error.todo))) from None
    return layers


def take_models(path: str | Sequence[str]) -> list[LayerData]:
    """Import model files into the project of the current viewer; they contain no layers.

    The Generate dock opens, shows the progress, and draws with them.

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
            f"{paths[0].name} holds a generator, not layers.",
            "Expected an open napari window to import it.",
            "Use 'organoid-synth import-model PROJECT FILE' without a window.",
        )
    dock = open_dock(viewer, "Generate")
    dock.error.dismiss()
    dock.guard(lambda: Workspace.of(viewer).import_models(paths))
    nothing: Any = (None,)  # napari's sign for "read, and there are no layers"
    return [nothing]


def read_set(manifest: Path) -> list[LayerData]:
    """Read an export as layers: a stack of images and a stack of labels, or separate layers when sizes differ."""
    images = set_images(manifest)
    pairs = [read_pair(path) for path in images]
    if len(pairs) > 1 and len({(p.image.shape, p.image.dtype, p.channel_names) for p in pairs}) == 1:
        return stack_layers(pairs, manifest.parent.name)
    return [layer for pair in pairs[:SEPARATE] for layer in pair_layers(pair)]


def set_images(manifest: Path) -> list[Path]:
    """Return the OME-TIFF images that the manifest of an export lists, in its order.

    Raises
    ------
    UserError
        If the manifest is not that of an export, names a file outside its folder, or lists no image, as in an export
        without the OME-TIFF layout.
    """
    from napari_organoid_synth.core.export.manifest import Manifest

    files = [file for pair in Manifest.from_file(manifest).samples for file in pair.files]
    images = [inside(manifest, file.path) for file in files if (file.layout, file.role) == ("ome-tiff", "image")]
    if not images:
        raise UserError(
            f"{manifest.parent} holds no OME-TIFF pairs.",
            "Expected an export with the format OME-TIFF.",
            "Export again with OME-TIFF checked.",
        )
    return images


def inside(manifest: Path, path: str) -> Path:
    """Return the file that a manifest names; it must not lie outside the manifest's folder, not even through a link.

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
            "Expected only files of this export.",
            "Do not trust this manifest; export again.",
        )
    return file


def image_path(path: Path) -> Path:
    """Return the image of the pair to which a file belongs, or the manifest of a folder; other paths unchanged."""
    if path.is_dir():
        return path / "manifest.json"
    if path.name.endswith(LABELS_ENDING):
        return path.with_name(path.name.removesuffix(LABELS_ENDING) + IMAGE_ENDING)
    return path


def _is_ours(path: Path) -> bool:
    """Return whether this program wrote the file; reads no pixels and never raises."""
    if path.name == "manifest.json":
        try:
            manifest = read_object(path)
        except (OSError, ValueError):
            return False
        return "organoid-synth" in str(manifest.get("software", ""))
    if not path.name.endswith(IMAGE_ENDING):
        return False
    import tifffile

    from napari_organoid_synth.core.pairs.reading.ome_xml import parse_record

    try:
        with tifffile.TiffFile(regular_file(image_path(path))) as file:
            text = file.ome_metadata
        return bool(text) and parse_record(str(text)) is not None
    except Exception:  # another reader explains a damaged or foreign file
        return False
