"""Share what was trained, as a ``.synth`` file or as a model package of the zoo, and bring either into a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.runs.sharing import import_model, write_model_file
from napari_organoid_synth.core.zoo.package import SUFFIX

CARD = ("name", "generator", "steps", "images", "pairs", "real_images", "licence", "metrics")
SHOWN = {"name", "generator", "steps", "images", "pairs", "licence", "authors", "note", "created", "metrics"}


def share(project: Project, path: Path, settings: ShareSettings) -> dict[str, Any]:
    """Write a trained generator or U-Net as one file.

    Parameters
    ----------
    project : Project
        Holds the run or segmenter.
    path : Path
        Ends with ``.synth``, or with ``.zip`` as a package of the zoo.
    settings : ShareSettings
        Format, run or segmenter, and its card.

    Returns
    -------
    dict
        Facts of its card.

    Raises
    ------
    UserError
        If there is no such run or segmenter, or the format cannot hold it.
    """
    if settings.segmenter:
        from napari_organoid_synth.core.segmentation.catalog import find_segmenter
        from napari_organoid_synth.core.zoo.segmenters import write_segmenter_package

        if settings.format != "bioimage":
            raise UserError("A .synth file holds a generator.", "Expected format=bioimage for a segmenter.")
        trained = find_segmenter(project, settings.segmenter)
        write_segmenter_package(trained, path, settings)
        name = settings.name or trained.arm or trained.path.name
        return {"name": name, "generator": trained.description().name, "licence": settings.licence, "real_images": 0}
    run = Run(project.run_path(settings.run))
    if settings.format == "bioimage":
        from napari_organoid_synth.core.zoo.generators import write_generator_package

        card = write_generator_package(run, path, settings).card
    else:
        card = write_model_file(run, path, settings).card
    return {key: getattr(card, key) for key in CARD}


def import_file(project: Project, path: Path, name: str = "") -> dict[str, Any]:
    """Bring a ``.synth`` file or a model package of the zoo into a project.

    Returns
    -------
    dict
        ``run`` or ``segmenter``, the name under which it can be used; and facts of its card.

    Raises
    ------
    UserError
        If it is damaged or does not fit.
    """
    if Path(path).suffix.lower() != SUFFIX:
        return _card_of(import_model(project, path, name))
    from napari_organoid_synth.core.zoo.opening import open_package

    opened = open_package(project, path, name)
    if isinstance(opened, Run):
        return _card_of(opened)
    return {"run": "", "segmenter": opened.name, "name": opened.comparison, "generator": opened.description().name}


def _card_of(run: Run) -> dict[str, Any]:
    card = run.metadata.card
    return {"run": run.name, **(card.model_dump(mode="json", include=SHOWN) if card is not None else {})}
