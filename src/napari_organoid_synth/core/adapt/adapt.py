"""Pairs for images that nobody has annotated, from annotated ones of another microscope or stain.

Match, predict, keep what is sure, learn to paint in the look of the target, paint outlines that a person drew. Domain
adaptation by pseudo-labels: Lee 2013; by translated images: Hoffman et al. 2018 (CyCADA).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari_organoid_synth.core.adapt.place import Place
from napari_organoid_synth.core.adapt.settings import AdaptSettings
from napari_organoid_synth.core.adapt.steps import Steps
from napari_organoid_synth.core.device import use_threads
from napari_organoid_synth.core.job import Control, Event, Finished, Started
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.synthesis.stages import TOTAL, Stage, run_stages


def adapt(project: Project, settings: AdaptSettings, control: Control) -> Iterator[Event]:
    """Make pairs in the look of the target, in a project of its own.

    Parameters
    ----------
    project : Project
        With annotated images; those put aside for testing are not used.
    settings : AdaptSettings
        The target, and how.
    control : Control
        Pause and cancel are honoured after the step or image in progress. The same settings then go on where it was,
        also after a kill.

    Yields
    ------
    Event
        One Started; Warned with what was found; Progress on one bar; Added with the names of kept squares and painted
        pairs; Finished with ``project`` (the new one), ``tones``, ``size_ratio``, ``kept``, ``squares``, ``dropped``,
        ``pairs``, ``samples``, ``found`` (sentences), ``measured`` (where test images were given), ``stages``,
        ``seconds``.

    Raises
    ------
    UserError
        If there is no annotated image or no target, their channels or classes do not fit, or nothing is sure.
    """
    use_threads(settings.threads)
    place = Place.of(project, settings)
    steps = Steps(project, place, settings, control)
    measured = 0.45 if settings.test else 0.0
    rest = 1 - measured
    stages = [
        Stage("match tones and sizes", 0.04 * rest, steps.match),
        Stage("learn to mark", 0.40 * rest, steps.learn),
        Stage("mark the target", 0.06 * rest, steps.predict),
        Stage("keep what is sure", 0.02 * rest, steps.keep),
        Stage("learn to paint", 0.40 * rest, steps.learn_to_paint),
        Stage("paint pairs", 0.08 * rest, steps.paint),
    ]
    if settings.test:
        from napari_organoid_synth.core.adapt.measure import measure

        stages.append(Stage("measure", measured, lambda: measure(place, settings, control)))
    yield Started(0, {"project": str(place.path), "total": TOTAL, "stages": [stage.title for stage in stages]})
    outcome = yield from run_stages(stages, control)
    result: dict[str, Any] = {"project": str(place.path), "stages": list(outcome.results), "seconds": outcome.seconds}
    if not outcome.canceled:
        match, kept, painted = (outcome.results[name] for name in (_MATCH, _KEEP, _PAINT))
        result |= {
            "tones": "inverted" if match["inverted"] else "same",
            "size_ratio": match["size_ratio"],
            "kept": len(kept["pairs"]),
            "squares": kept["of"],
            "dropped": kept["dropped"],
            "pairs": painted["added"],
            "samples": painted["samples"],
            "found": [*match["sentences"], *kept["sentences"]],
            "measured": outcome.results.get("measure"),
        }
    yield Finished(outcome.step, "canceled" if outcome.canceled else "completed", result)


_MATCH, _KEEP, _PAINT = "match tones and sizes", "keep what is sure", "paint pairs"
