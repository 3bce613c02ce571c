"""Memory and time of trainings: the model of an answer, and the measurements that a project keeps.

A training is measured once, by what asks first: the estimate before it starts, or the training itself. The result
lies in ``runs/timings.json`` of the project. Torch-free; `timing` measures.
"""

from __future__ import annotations

import json

from pydantic import Field

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.project import Project

FORMAT = 1
MAX_KEPT = 50  # measurements


class StepTiming(FrozenModel):
    """Speed and memory of the steps of a training."""

    precision: str = Field(description="float32 or bf16, the faster where both were tried.")
    seconds_per_step: float = Field(ge=0, description="Mean over the kinds of step that the generator takes.")
    gflop_per_image: float = Field(ge=0, description="Torch's own count, two per multiply-add, 1e9.")
    needed_gb: float = Field(ge=0, description="Peak memory of the process, or of the graphics card, GiB.")


class Estimate(FrozenModel):
    """Memory and time of a training."""

    needed_gb: float = Field(ge=0, description="Peak memory of the process, or of the graphics card, GiB.")
    free_gb: float = Field(ge=0, description="Free memory before, GiB.")
    seconds_per_step: float = Field(ge=0, description="Mean over the kinds of step.")
    minutes: float = Field(ge=0, description="Of the whole training.")
    steps: int = Field(0, ge=0, description="Of the whole training, also where it counts in epochs.")

    @property
    def fits(self) -> bool:
        """Whether the free memory suffices."""
        return self.needed_gb <= self.free_gb


class _Timings(FrozenModel):
    format: int = Field(FORMAT, ge=1, le=FORMAT)
    timings: dict[str, StepTiming] = Field({})


def read_timing(project: Project, key: str) -> StepTiming | None:
    """Return an earlier measurement; None where there is none that can be read."""
    return _read(project).timings.get(key)


def newest_timing(project: Project) -> StepTiming | None:
    """Return the measurement that was made last; None without any."""
    return next(reversed(_read(project).timings.values()), None)


def write_timing(project: Project, key: str, timing: StepTiming) -> None:
    """Keep a measurement; the oldest is dropped where there are too many."""
    timings = {name: one for name, one in _read(project).timings.items() if name != key}
    newest = [*timings.items(), (key, timing)][-MAX_KEPT:]
    values = _Timings(timings=dict(newest)).model_dump(mode="json")
    write_text(project.path / "runs" / "timings.json", json.dumps(values, indent=1))


def _read(project: Project) -> _Timings:
    try:
        return _Timings.parse(read_object(project.path / "runs" / "timings.json"))
    except (OSError, ValueError, RecursionError, UserError):
        return _Timings()
