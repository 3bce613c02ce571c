"""Each training: its generator, settings other than the defaults, its curves, its live samples over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.report.charts import Curves, thin
from napari_organoid_synth.core.report.contents import Contents, TrainedRun
from napari_organoid_synth.core.report.pictures import Picture
from napari_organoid_synth.core.report.rendering import Section
from napari_organoid_synth.core.runs.files import previews, read_preview

MAX_OPEN = 3  # trainings that made samples, else the newest; the others are folded
MAX_RUNS = 30
MAX_WITH_PICTURES = 6
STRIP = 6  # live samples


@dataclass(frozen=True)
class Setting:
    """A setting that is not the default."""

    key: str
    value: str
    default: str


@dataclass(frozen=True)
class Training:
    """One training; ``settings`` is None where its defaults are not known."""

    name: str
    facts: str
    settings: tuple[Setting, ...] | None
    curves: tuple[Curves, ...]
    live_samples: tuple[Picture, ...]
    recipe: str


@dataclass(frozen=True)
class Trainings:
    """Content of the section."""

    open: tuple[Training, ...]
    folded: tuple[Training, ...]
    omitted: str


def trainings(contents: Contents) -> Section | None:
    """Show all trainings: those that made the samples, then the others, the newest first."""
    if not contents.runs:
        return None
    newest = contents.runs[::-1][:MAX_RUNS]
    used = contents.by_run().keys()
    first = [run for run in newest if run.name in used][:MAX_OPEN] or newest[:1]
    ordered = [*first, *(run for run in newest if run not in first)]
    entries = tuple(_training(contents, run, place < MAX_WITH_PICTURES) for place, run in enumerate(ordered))
    total = len(contents.runs)
    omitted = f"The newest {MAX_RUNS} of {total} trainings." if total > MAX_RUNS else ""
    return Section("Trainings", "trainings", Trainings(entries[: len(first)], entries[len(first) :], omitted))


def _training(contents: Contents, run: TrainedRun, with_pictures: bool) -> Training:
    return Training(
        name=run.name,
        facts=" · ".join(_facts(run)),
        settings=_changed_settings(run.recipe),
        curves=_curves(run),
        live_samples=_live_samples(contents, run) if with_pictures else (),
        recipe=_recipe_text(run),
    )


def _facts(run: TrainedRun) -> Iterator[str]:
    yield run.generator
    if run.recipe.draws != "pairs":
        yield f"draws {run.recipe.draws} alone"
    yield f"tiles of {run.recipe.tiles.size} px"
    if not run.recipe.gan.trains:
        yield f"no training, pieces of {plural(len(run.metadata.data), 'real image')}"
        return
    train = run.recipe.train
    epochs = f" ({plural(train.epochs, 'epoch')})" * bool(train.epochs)
    yield f"{run.steps:,} of {train.steps:,} steps{epochs} of {plural(train.batch, 'tile')}"
    metadata = run.metadata
    if metadata.device:
        yield f"{metadata.device}, {metadata.precision}".rstrip(", ")
    if metadata.images_per_second:
        yield f"{metadata.images_per_second:.1f} images/s"
    if metadata.seconds:
        yield f"{metadata.seconds / 60:,.0f} min" if metadata.seconds >= 90 else f"{metadata.seconds:.0f} s"


def _changed_settings(recipe: Recipe) -> tuple[Setting, ...] | None:
    """Return the settings that are not the defaults of this generator; None if its default tile is not allowed."""
    name = recipe.gan.name
    try:
        usual = dict(_flat(Recipe.model_validate({"gan": name, "draws": recipe.draws}).model_dump(mode="json")))
    except (UserError, ValueError):
        return None
    own = dict(_flat(recipe.model_dump(mode="json")))
    return tuple(
        Setting(key, _text(value), _text(usual[key]))
        for key, value in own.items()
        if key in usual and value != usual[key]
    )


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _text(value: Any) -> str:
    return "none" if value is None or value == "" else str(value)


def _recipe_text(run: TrainedRun) -> str:
    try:
        return (run.path / "recipe.yaml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return run.recipe.to_yaml()


def _curves(run: TrainedRun) -> tuple[Curves, ...]:
    keys = dict.fromkeys(key for event in run.progress for key in event.stats)
    charts = []
    for place, key in enumerate(keys):
        events = [event for event in run.progress if key in event.stats]
        line = (key, [event.step for event in events], [event.stats[key] for event in events])
        charts.append(Curves.of(key, [line], "steps", first=place))
    return tuple(chart for chart in charts if chart is not None)


def _live_samples(contents: Contents, run: TrainedRun) -> tuple[Picture, ...]:
    """Return the same live sample from the first step to the last."""
    files = [file for _, file in previews(run.path)]
    pictures = []
    for place in thin(len(files), STRIP) if files else ():
        try:
            image, labels = read_preview(files[place])
        except UserError:
            continue
        pictures.append(contents.album.pixels(image[0], labels[0], _step(files[place]), f"live sample, {run.name}"))
    return tuple(pictures)


def _step(file: Path) -> str:
    digits = file.stem.removeprefix("step_")
    return f"step {int(digits):,}" if digits.isdigit() else digits
