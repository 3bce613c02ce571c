"""The table of commands: the function and the settings of each, imported when they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.registry import load


@dataclass(frozen=True)
class Verb:
    """A command of the window and of the command line.

    Parameters
    ----------
    settings : str
        ``"module:Class"`` below ``core``.
    function : str
        ``"module:function"`` below ``core``, called with ``(project, settings, control)``; it yields events. Empty for
        a command that ends at once.
    all_or_nothing : bool
        Whether nothing is kept when it is stopped; other commands keep what they have done so far.
    """

    settings: str
    function: str = ""
    all_or_nothing: bool = False

    def settings_class(self) -> type[Settings]:
        """Return the class of its settings; imports no torch."""
        cls: type[Settings] = load(self.settings)
        return cls

    def load(self) -> Callable[..., Iterator[Any]]:
        """Return the function."""
        function: Callable[..., Iterator[Any]] = load(self.function)
        return function


VERBS = {
    "train": Verb("recipe:Recipe", "training.train:train"),
    "generate": Verb("synthesis.settings:GenerateSettings", "synthesis.generate:generate"),
    "pipeline": Verb("synthesis.settings:PipelineSettings", "synthesis.pipeline:pipeline"),
    "score": Verb("metrics.settings:ScoreSettings", "scores.score:score"),
    "map": Verb("map.settings:MapSettings", "map.build:map"),
    "fill": Verb("synthesis.settings:FillSettings", "synthesis.fill_gaps:fill"),
    "export": Verb("export.settings:ExportSettings", "export.export:export", all_or_nothing=True),
    "segment": Verb("gain.settings:SegmentSettings", "gain.gain:segment"),
    "gain": Verb("gain.settings:GainSettings", "gain.gain:gain"),
    "predict": Verb("segmentation.settings:PredictSettings", "segmentation.predict:predict"),
    "adapt": Verb("adapt.settings:AdaptSettings", "adapt.adapt:adapt"),
    "sketch": Verb("adapt.sketch_settings:SketchSettings", "adapt.sketch:sketch"),
    "try": Verb("try_settings:TrySettings", "quick_try:quick_try"),
    "annotate": Verb("segmentation.settings:AnnotateSettings", "segmentation.annotate:annotate"),
    "study": Verb("studies.settings:StudySettings", "studies.study:study"),
}
"""Long commands: generators of events, which run in a separate process."""

SHORT_VERBS = {
    "pair": Verb("pairs.settings:PairSettings"),
    "samples": Verb("samples.settings:SamplesSettings"),
    "simulate": Verb("simulators.settings:SimulateSettings"),
    "runs": Verb("runs.settings:RunsSettings"),
    "share": Verb("runs.settings:ShareSettings"),
    "import-model": Verb("runs.settings:ImportModelSettings"),
    "report": Verb("report.settings:ReportSettings", all_or_nothing=True),
}
"""Short commands; each of their settings is also an option of the command line."""

OTHER_VERBS = {"demo": Verb("demo:DemoSettings"), "blind": Verb("blind.settings:BlindSettings")}
"""Commands that are run in no job; only their settings are in this table."""


def settings_class(verb: str) -> type[Settings]:
    """Return the class of the settings of a command; imports no torch."""
    return (VERBS | SHORT_VERBS | OTHER_VERBS)[verb].settings_class()
