"""More pairs like one that is there: the same generator, settings and source of masks, noise near to its own."""

from __future__ import annotations

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.synthesis.settings import GenerateSettings


def more_like(project: Project, id: str, number: int, distance: float = 0.3) -> GenerateSettings:
    """Return the settings that make more pairs like a sample.

    Parameters
    ----------
    project : Project
        With the sample, and the run that made it.
    id : str
        Of the sample.
    number : int
        Pairs to make.
    distance : float
        How far from its noise, in (0, 1]: 1 has nothing of it left.

    Raises
    ------
    UserError
        If no generator of this project drew the sample.
    """
    with SampleStore(project.samples_path) as store:
        pair = store.pair(id)
    record = pair.source.provenance
    stored = record.get("settings")
    run = str(record.get("run", ""))
    is_drawn = isinstance(stored, dict) and "masks" in stored and "latent_seed" in record and "drawn" not in record
    if not is_drawn or run not in {path.name for path in project.runs()}:
        raise UserError(
            f"'{id}' was not drawn by a generator of this project.",
            "Expected a sample that a run of this project made.",
            "Choose another one, or make pairs from a run.",
        )
    assert isinstance(stored, dict)
    known = {name: value for name, value in stored.items() if name in GenerateSettings.model_fields}
    chosen = {
        "run": run,
        "checkpoint": str(record.get("checkpoint", "newest")),
        "number": number,
        "first": None,
        "near": id,
        "distance": distance,
        "image_class": pair.image_class or "",
    }
    return GenerateSettings.parse(known | chosen)
