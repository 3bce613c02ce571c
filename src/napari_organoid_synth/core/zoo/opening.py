"""Model packages of the zoo in a project: generators as runs, U-Nets and other segmentation models to predict with."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.atomic import write_bytes, write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.runs.sharing import import_model
from napari_organoid_synth.core.segmentation.catalog import SEGMENTERS_DIR, TrainedSegmenter
from napari_organoid_synth.core.segmentation.segmenters.base import load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.config import DESCRIPTION, WEIGHTS
from napari_organoid_synth.core.segmentation.segmenters.zoo_model_config import PACKAGE
from napari_organoid_synth.core.zoo.package import ZooPackage, read_package

ARM = "imported"
EXPECTED = "Expected one image with channels, y and x, and one output of the same size."


def open_package(project: Project, path: Path, name: str = "") -> Run | TrainedSegmenter:
    """Bring a model package into a project.

    Parameters
    ----------
    project : Project
        Gets the run or segmenter.
    path : Path
        A zip archive of the zoo.
    name : str
        What it is called; as the package says when empty.

    Returns
    -------
    Run or TrainedSegmenter
        A run where the package holds a generator of this package; else a segmenter, which `predict` can use.

    Raises
    ------
    UserError
        If the package is damaged, or its model segments no images.
    """
    package = read_package(path)
    if attached := package.attached(".synth"):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{path.stem}.synth"
            file.write_bytes(package.read(attached))
            return import_model(project, file, name)
    title = name or str(package.rdf.get("name") or path.stem)
    comparison = project.next_name("segment", file_stem(title)[:60])
    target = project.path / "segment" / comparison
    part = project.path / f".{comparison}.part"
    folder_path = part / SEGMENTERS_DIR / ARM
    try:
        if {DESCRIPTION, WEIGHTS} <= set(package.names):
            for file_name in (DESCRIPTION, WEIGHTS):
                write_bytes(folder_path / file_name, package.read(file_name))
        else:
            write_text(folder_path / DESCRIPTION, json.dumps(_described(package), indent=1))
            write_bytes(folder_path / PACKAGE, path.read_bytes())
        load_segmenter(folder_path, "cpu")  # so that a damaged one is refused now
        target.parent.mkdir(parents=True, exist_ok=True)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return TrainedSegmenter(target / SEGMENTERS_DIR / ARM, comparison, ARM)


def _described(package: ZooPackage) -> dict[str, Any]:
    """Return the description of a foreign model: channels of its image, and what its output means.

    Raises
    ------
    UserError
        If its weights are not in the package, or it takes or gives something else than one image.
    """
    weights = package.rdf.get("weights")
    sources = [str(one.get("source")) for one in weights.values()] if isinstance(weights, dict) else []
    if outside := [source for source in sources if Path(source).as_posix() not in package.names]:
        raise UserError(
            f"{package.path.name} does not hold its weights, but names {outside[0][:100]}.",
            "Expected them in the package: nothing is downloaded.",
            "Download the whole package, or choose another model.",
        )
    try:
        (image,), (output,) = package.rdf["inputs"], package.rdf["outputs"]
        channels, maps = _channels(package, image), _channels(package, output)
    except (KeyError, TypeError, ValueError, OSError):
        raise UserError(f"{package.path.name} takes or gives something else than one image.", EXPECTED) from None
    names = _names(output, maps)
    classes: tuple[str, ...]
    if maps == 1:
        kind, classes = "binary", ("object",)
    elif maps == 2 and any(one in names[1] for one in ("bound", "edge", "border", "outline", "membrane")):
        kind, classes = "instances", ("object",)
    else:
        kind = "classes"
        classes = tuple(names[1:] if "back" in names[0] else names)
    spec = {"channels": channels, "mask_kind": kind, "class_names": classes}
    return {"config": {"name": "zoo", "maps": names}, "spec": spec, "facts": {"zoo": str(package.rdf.get("name", ""))}}


def _names(tensor: dict[str, Any], number: int) -> list[str]:
    """Return the names of the channels of a tensor, numbered where it gives none."""
    axes = tensor["axes"]
    given = next((one.get("channel_names", ()) for one in axes if isinstance(one, dict) and _is_channel(one)), ())
    return [str(one).lower() for one in given] if len(given) == number else [f"map {n + 1}" for n in range(number)]


def _channels(package: ZooPackage, tensor: dict[str, Any]) -> int:
    """Return the number of channels of a tensor by its axes and its test."""
    axes = tensor["axes"]
    letters = list(axes) if isinstance(axes, str) else ["c" if _is_channel(one) else _letter(one) for one in axes]
    if not {"y", "x"} <= set(letters) or set(letters) - set("bcyx"):
        raise ValueError
    if "c" not in letters:
        return 1
    source = tensor["test_tensor"]["source"] if "test_tensor" in tensor else _old_test(package, tensor)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "test.npy"
        file.write_bytes(package.read(Path(str(source)).name))
        return int(np.load(file, mmap_mode="r", allow_pickle=False).shape[letters.index("c")])


def _old_test(package: ZooPackage, tensor: dict[str, Any]) -> str:
    """Return the test of a tensor in specifications before 0.5."""
    side = "inputs" if tensor in package.rdf["inputs"] else "outputs"
    return str(package.rdf[f"test_{side}"][package.rdf[side].index(tensor)])


def _is_channel(axis: dict[str, Any]) -> bool:
    return axis.get("type") == "channel"


def _letter(axis: dict[str, Any]) -> str:
    """Return b, y, x or the name of another axis."""
    return "b" if axis.get("type") == "batch" else str(axis.get("id", axis.get("type")))
