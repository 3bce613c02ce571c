"""The model that the live renderer paints with: opened by its path, and opened again on the processor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.generators.analogy_config import AnalogyConfig
from napari_organoid_synth.core.live.frames import plain
from napari_organoid_synth.core.live.live_generator import LiveGenerator, LiveSource
from napari_organoid_synth.core.live.pairs_generator import PairsGenerator
from napari_organoid_synth.core.runs.model_file import SUFFIX
from napari_organoid_synth.core.runs.run import Run

PAIRS = "pairs.json"
"""File by which a project is known."""
FULL_CARD = "The memory of the graphics card is full: the processor paints, more slowly."


class OpenSettings(Settings):
    """The model to paint with."""

    model: str = Field(min_length=1, description="Folder of a run, a .synth file, or a project: its pairs, at once.")
    checkpoint: str = Field("newest", description="Of a run: newest, best, or a step.")
    device: str = Field("auto", description="auto, cpu, cuda, …")


def open_generator(source: LiveSource, checkpoint: str = "newest", device: str = "auto") -> LiveGenerator:
    """Open a generator for painting live; torch is loaded for networks alone, which takes some seconds.

    Parameters
    ----------
    source, checkpoint, device
        As of `TrainedGenerator.open`.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        source = path if path.suffix.lower() == SUFFIX else Run(path)
    if isinstance(source, Run) and isinstance(source.recipe.gan, AnalogyConfig):
        return PairsGenerator.of_run(source, checkpoint)
    from napari_organoid_synth.core.live.network_generator import NetworkGenerator

    return NetworkGenerator.open(source, checkpoint, device)


@dataclass(frozen=True, eq=False)
class OpenModel:
    """A generator, and how it was asked for.

    Parameters
    ----------
    settings : OpenSettings
    generator : LiveGenerator
    remark : str
        What a person should know, such as that another device computes.
    stamp : int
        Changes when the files of the model do.
    """

    settings: OpenSettings
    generator: LiveGenerator
    remark: str
    stamp: int

    @classmethod
    def open(cls, settings: OpenSettings) -> Self:
        """Load a model; where it does not fit on the graphics card, on the processor.

        Raises
        ------
        UserError
            If it cannot be read.
        """
        path = Path(settings.model).expanduser()
        stamp, path = _stamp(path), _run_of(path)
        try:
            return cls(settings, open_generator(path, settings.checkpoint, settings.device), "", stamp)
        except RuntimeError as error:
            from napari_organoid_synth.core.device import is_out_of_memory

            if settings.device == "cpu" or not is_out_of_memory(error):
                raise
        return cls(settings, open_generator(path, settings.checkpoint, "cpu"), FULL_CARD, stamp)

    def is_of(self, settings: OpenSettings) -> bool:
        """Return whether it is what `open` would load; what fell back to the processor may try again."""
        return not self.remark and settings == self.settings and self.stamp == _stamp(Path(settings.model).expanduser())

    @property
    def on_processor(self) -> bool:
        """Whether the processor computes."""
        return self.generator.on_processor

    def on_cpu(self) -> Self:
        """Load it again, on the processor."""
        path = _run_of(Path(self.settings.model).expanduser())
        return type(self)(self.settings, open_generator(path, self.settings.checkpoint, "cpu"), FULL_CARD, self.stamp)

    def facts(self) -> dict[str, Any]:
        """Return what the window shows, and what it asks by."""
        generator, codec = self.generator, self.generator.codec
        facts: dict[str, Any] = plain(
            {
                "name": generator.name,
                "generator": generator.generator,
                "shape": generator.shape,
                "side": generator.side,
                "checkpoint": generator.step,
                "sha256": generator.sha256,
                "mask_kind": codec.mask_kind,
                "class_names": codec.class_names,
                "image_channels": len(codec.low),
                "channel_names": codec.channel_names,
                "dtype": codec.dtype,
                "pixel_size": codec.pixel_size,
                "image_classes": codec.image_classes,
                "class_conditional": generator.class_conditional,
                "walks": generator.walks,
                "style_layers": generator.style_layers,
                "device": generator.device,
                "remark": self.remark,
            }
        )
        return facts


def _run_of(path: Path) -> Path:
    """Return the folder of a run; of a project that of the painter that needs no training, made if it is not there."""
    if not (path / PAIRS).is_file():
        return path
    from napari_organoid_synth.core.generators.config import untrained
    from napari_organoid_synth.core.job import Control
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.synthesis.paint_now import run_to_use

    making = run_to_use(Project(path, make=False), untrained()[0], Control())
    try:
        while True:
            next(making)
    except StopIteration as done:
        return Path(done.value.path)


def _stamp(path: Path) -> int:
    """Return when a model file, the newest checkpoint of a run, or a table of pairs was written; 0 for none."""
    table = path / PAIRS
    files = [table] if table.is_file() else [path, *(path / "checkpoints").glob("*.json")]
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)
