"""Each training: its generator, what differs from the defaults, its curves, its live samples over time."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.report.charts import curves, thin
from napari_organoid_synth.core.report.contents import Contents, TrainedRun
from napari_organoid_synth.core.report.page import Section, count, fold, paragraph

UNFOLDED = 3  # trainings that are open: those that made samples, else the newest
MOST_RUNS = 30
WITH_PICTURES = 6
STRIP = 6  # live samples


def trainings(contents: Contents) -> Section | None:
    """All trainings: those that made the samples, then the others, the newest first."""
    if not contents.runs:
        return None
    newest = contents.runs[::-1][:MOST_RUNS]
    used = contents.of_runs().keys()
    first = [run for run in newest if run.name in used][:UNFOLDED] or newest[:1]
    text = ""
    for place, run in enumerate([*first, *(run for run in newest if run not in first)]):
        facts = " · ".join(_facts(run))
        inner = _differences(run.recipe) + _curves(run)
        inner += _strip(contents, run) if place < WITH_PICTURES else ""
        inner += fold(f"All settings of {run.name}", f"<pre>{escape(_recipe_text(run))}</pre>")
        if place == len(first):
            text += "<h3>Other trainings</h3>\n"
        text += (
            f"<h3>{escape(run.name)}</h3>\n{paragraph(facts)}{inner}"
            if run in first
            else fold(f"{run.name}: {facts}", inner)
        )
    if len(contents.runs) > MOST_RUNS:
        text += paragraph(f"The newest {MOST_RUNS} of {len(contents.runs)} trainings.", "faint")
    return Section("Trainings", "trainings", text)


def _facts(run: TrainedRun) -> Iterator[str]:
    yield run.generator
    if run.recipe.draws != "pairs":
        yield f"draws {run.recipe.draws} alone"
    yield f"tiles of {run.recipe.tiles.size} px"
    yield f"{run.steps:,} of {run.recipe.train.steps:,} steps of {count(run.recipe.train.batch, 'tile')}"
    metadata = run.metadata
    if metadata.device:
        yield f"{metadata.device}, {metadata.precision}".rstrip(", ")
    if metadata.images_per_second:
        yield f"{metadata.images_per_second:.1f} images/s"
    if metadata.seconds:
        yield f"{metadata.seconds / 60:,.0f} min" if metadata.seconds >= 90 else f"{metadata.seconds:.0f} s"


def _differences(recipe: Recipe) -> str:
    """The settings that are not the defaults, as ``key = value (default)``."""
    name = recipe.gan.name
    try:
        usual = dict(_flat(Recipe.model_validate({"gan": name, "draws": recipe.draws}).model_dump(mode="json")))
    except (UserError, ValueError):  # the default tile does not suit this generator
        return ""
    own = dict(_flat(recipe.model_dump(mode="json")))
    lines = [
        f"<li><code>{escape(key)}</code> = {escape(_word(value))} "
        f"<span class=faint>({escape(_word(usual[key]))})</span></li>"
        for key, value in own.items()
        if key in usual and value != usual[key]
    ]
    if not lines:
        return paragraph("All settings are the defaults.")
    return f"<p>Other than the defaults, which stand in brackets:</p>\n<ul>{''.join(lines)}</ul>\n"


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _word(value: Any) -> str:
    return "none" if value is None or value == "" else str(value)


def _recipe_text(run: TrainedRun) -> str:
    try:
        return (run.path / "recipe.yaml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return run.recipe.to_yaml()


def _curves(run: TrainedRun) -> str:
    keys = dict.fromkeys(key for event in run.progress for key in event.stats)
    charts = []
    for place, key in enumerate(keys):
        events = [event for event in run.progress if key in event.stats]
        line = (key, [event.step for event in events], [event.stats[key] for event in events])
        charts.append(curves(key, [line], "steps", first=place))
    drawn = "".join(charts)
    return f"<div class='row wide'>{drawn}</div>\n" if drawn else ""


def _strip(contents: Contents, run: TrainedRun) -> str:
    """The same live sample from the first step to the last."""
    files = sorted((run.path / "previews").glob("step_*.npz"))
    figures = []
    for place in thin(len(files), STRIP) if files else ():
        try:
            with np.load(files[place], allow_pickle=False) as file:
                image, labels = file["image"][0], file["labels"][0]
            figures.append(contents.album.pixels(image, labels, _step(files[place]), f"live sample, {run.name}"))
        except (OSError, EOFError, ValueError, KeyError, IndexError):
            continue
    return f"<div class=row>{''.join(figures)}</div>\n" if figures else ""


def _step(file: Path) -> str:
    digits = file.stem.removeprefix("step_")
    return f"step {int(digits):,}" if digits.isdigit() else digits
