"""The verbs that answer at once, and those that only look."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_organoid_synth.cli.options import (
    JobOption,
    JsonOption,
    ProjectArgument,
    RecipeOption,
    SetOption,
    app,
    short_verb,
)
from napari_organoid_synth.cli.running import at_once, finish, follow, settings_of, show
from napari_organoid_synth.core.errors import UserError

if TYPE_CHECKING:
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.samples.store import SampleStore

MEASURED = {"mask_kind", "field", "count", "clusters", "clustering", "spread", "radius", "elongation"}


@short_verb
def pair(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """Match images with masks and check them; without --images show the table."""
    from napari_organoid_synth.core.pairs.loading import PairTable, check_pairs, find_pairs, split_table
    from napari_organoid_synth.core.project import Project

    settings = settings_of("pair", recipe, overrides, fields)
    opened = Project(project)
    if settings.images:
        table = find_pairs(
            settings.images,
            _mask_sources(settings.masks),
            settings.image_pattern,
            settings.mask_pattern,
            settings.no_masks,
        )
        table = check_pairs(table, settings.kind).scaled(settings.scale or 1)
        if settings.test:
            table = split_table(table, test=_share(settings.test) or settings.test.split(","))
        table.to_file(opened.pairs_path)
    else:
        table = PairTable.from_file(opened.pairs_path)
        if settings.scale:
            table = table.scaled(settings.scale)
            table.to_file(opened.pairs_path)
    if as_json:
        print(table.model_dump_json(indent=1))
        return
    for entry in table.entries:
        print(f"{entry.status:10} {entry.split:5} {entry.name:30} {entry.reason}")
    print(table.summary())


@short_verb
def curate(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """Accept and reject samples; without options show the counts."""
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.samples.store import SampleStore, Verdict

    settings = settings_of("curate", recipe, overrides, fields)
    opened = Project(project, make=False)
    if settings.rebuild:
        from napari_organoid_synth.core.samples.recovery import rebuild

        print(rebuild(opened.samples_path).message, file=sys.stderr)
    with SampleStore(opened.samples_path) as store:
        verdict: Verdict
        for names, verdict in ((settings.accept, "accepted"), (settings.reject, "rejected")):
            ids: list[str] = []
            for name in names:
                ids += _chosen(store, name)
            if ids:
                store.decide(ids, verdict)
        if settings.undo:
            store.undo()
        if settings.redo:
            store.redo()
        show(dict(store.counts()), as_json)


def _chosen(store: SampleStore, name: str) -> list[str]:
    """Samples that an option names: ``best:N``, ``diverse:N`` or one by its name."""
    way, _, number = name.partition(":")
    if way == "best" and number.isdigit():
        from napari_organoid_synth.core.samples.selection import best

        return best(store, int(number))
    if way == "diverse" and number.isdigit():
        from napari_organoid_synth.core.samples.selection import diverse

        return diverse(store, int(number))
    return [name]


@app.command()
def control(
    project: ProjectArgument,
    request: Annotated[str, typer.Argument(help="pause, resume or cancel.")],
    name: Annotated[str, typer.Option(help="Folder name of the job; default: the newest that runs.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Pause, resume or cancel a running job of the project, also one started by the window."""
    from napari_organoid_synth.core.project import Project

    if request not in {"pause", "resume", "cancel"}:
        raise UserError(f"'{request}' is no request.", "Expected pause, resume or cancel.")
    jobs = [job for job in Project(project, make=False).jobs() if job.alive and (not name or job.path.name == name)]
    if not jobs:
        raise UserError("No such job is running.", todo="Look into the folders runs, segment and jobs of the project.")
    getattr(jobs[-1].control, request)()
    show({"request": request, "job": jobs[-1].path.name}, as_json)


@short_verb
def simulate(
    name: Annotated[str, typer.Argument(help="organoid_brightfield, em, tissue or population.")],
    folder: Annotated[Path, typer.Argument(help="Where the OME-TIFF pairs go.")],
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """Write simulated pairs."""
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    settings = settings_of("simulate", recipe, overrides, fields)
    if name not in SIMULATORS:
        raise UserError(f"There is no simulator '{name}'.", f"Expected one of: {', '.join(SIMULATORS)}.")
    made: dict[str, Any] = {"folder": str(folder), "pairs": settings.number}
    how: list[dict[str, Any]] = [{}]
    if settings.masks:
        from napari_organoid_synth.core.simulators.population_fit import fit, fit_each, read_masks

        if name != "population":
            raise UserError(f"'{name}' has sizes of its own.", "Only population is fitted to masks.", "Drop --masks.")
        masks = read_masks(Path(settings.masks))
        how = [{"settings": fitted} for fitted in fit_each(masks)]
        made["fitted"] = fit(masks).model_dump(mode="json", include=MEASURED)
    for seed in range(settings.seed, settings.seed + settings.number):
        write_pair(folder, SIMULATORS[name](seed, size=settings.size, **how[seed % len(how)]))
    show(made, as_json)


@app.command(name="list")
def list_(
    family: Annotated[str, typer.Argument(help="generators, metrics, extractors or segmenters.")],
    as_json: JsonOption = False,
) -> None:
    """List what there is, with the settings of each."""
    from napari_organoid_synth.core import registry

    families = {
        "generators": registry.GENERATORS,
        "metrics": registry.METRICS,
        "extractors": registry.EXTRACTORS,
        "segmenters": registry.SEGMENTERS,
    }
    if family not in families:
        raise UserError(f"There is no list of '{family}'.", f"Expected one of: {', '.join(families)}.")
    members = families[family]
    described = {name: members.describe(name) for name in members.names()}
    if as_json:
        print(json.dumps(described, indent=1))
        return
    for name, member in described.items():
        print(f"{name:12} {member['summary']}")


@short_verb
def share(
    project: ProjectArgument,
    file: Annotated[Path, typer.Argument(help="The model file to write; ends with .synth.")],
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
    **fields: Any,
) -> None:
    """Write a trained generator as one file for others; a licence must be chosen."""
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.runs.run import Run
    from napari_organoid_synth.core.runs.sharing import write_bundle

    settings, opened = settings_of("share", recipe, overrides, fields), Project(project, make=False)

    def write() -> dict[str, Any]:
        card = write_bundle(Run(opened.run_path(settings.run)), file, settings).card
        keys = ("name", "generator", "steps", "images", "pairs", "licence", "metrics")
        return {"file": str(file), "bytes": file.stat().st_size, **{key: getattr(card, key) for key in keys}}

    show(at_once("share", opened, write, job), as_json)


@short_verb
def adopt(
    project: ProjectArgument,
    file: Annotated[Path, typer.Argument(help="A .synth file, made with 'share'.")],
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
    **fields: Any,
) -> None:
    """Take a model file into the project as a run to generate with, or to start from."""
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.runs.sharing import add_bundle

    settings, opened = settings_of("adopt", recipe, overrides, fields), Project(project)

    def take() -> dict[str, Any]:
        run = add_bundle(opened, file, settings.name)
        card = run.note()["card"]
        shown = ("name", "generator", "steps", "images", "pairs", "licence", "authors", "note", "created", "metrics")
        return {"run": run.name, **{key: card[key] for key in shown}}

    result = at_once("adopt", opened, take, job)
    print("It came without optimisers: training it further starts them anew.", file=sys.stderr)
    show(result, as_json)


@app.command()
def blind(
    project: ProjectArgument,
    csv: Annotated[Path | None, typer.Option(help="Write every answer to this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the blind tests of a project gave; they are answered in the window."""
    from napari_organoid_synth.core.atomic import write_text
    from napari_organoid_synth.core.blind.overview import overview
    from napari_organoid_synth.core.blind.results import to_csv
    from napari_organoid_synth.core.blind.session import read_sessions
    from napari_organoid_synth.core.project import Project

    opened = Project(project, make=False)
    if csv is not None:
        write_text(csv, to_csv(read_sessions(opened)))
    found = overview(opened)
    if as_json:
        show(found.model_dump(mode="json"), as_json)
        return
    for test in found.tests:
        print(f"{test.id}: {test.answers} of {test.questions} questions answered")
        print(*(f"  {line}" for line in test.words), sep="\n")
    print(*found.words or ["No blind test counts yet." if found.tests else "There is no blind test yet."], sep="\n")


@app.command()
def demo(
    project: Annotated[
        Path | None, typer.Option(help="Folder of the new project; default: organoid-synth-demo, numbered.")
    ] = None,
    gui: Annotated[bool, typer.Option("--gui", help="Open the project in napari afterwards.")] = False,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk the whole way once on simulated data, in under five minutes, and write a report."""
    from napari_organoid_synth.core.demo import DemoSettings
    from napari_organoid_synth.core.demo import demo as run_demo
    from napari_organoid_synth.core.job import Control
    from napari_organoid_synth.core.project import Project

    settings = DemoSettings().override(*(overrides or ()))
    opened, steering = Project(project or _new_folder("organoid-synth-demo")), Control()
    result = follow(run_demo(opened, steering, settings), steering, "demo", opened)
    if as_json or result["reason"] == "canceled":
        finish(result, as_json)
    else:
        print(f"{result['sentence']}\nReport: {result['report']}")
    if gui:
        _open_window(opened)
    elif not as_json:
        print(f"Open it in napari: organoid-synth window {opened.path}")


@app.command()
def window(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """Open a project in napari with all docks; ends when the window is closed."""
    from napari_organoid_synth.core.project import Project

    opened = Project(project)
    _open_window(opened)
    if as_json:
        show({"project": str(opened.path)}, as_json)


@short_verb
def report(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
    **fields: Any,
) -> None:
    """Write the report of a project: pictures, curves and tables in one HTML file."""
    from napari_organoid_synth.core.job import Control, JobFolder
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.report import report as write

    settings, opened = settings_of("report", recipe, overrides, fields), Project(project, make=False)
    folder = JobFolder(job) if job else None
    steering = folder.control if folder else Control()
    output = Path(settings.output or opened.path / "report.html")
    finish(follow(write(opened, output, steering), steering, "report", opened, folder), as_json)


def _share(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _mask_sources(texts: Sequence[str]) -> Any:
    """What `find_pairs` takes as masks."""
    named = dict(text.split("=", 1) for text in texts if "=" in text)
    if named and len(named) != len(texts):
        raise UserError("Some --masks have a class name and some have none.", "Expected NAME=FOLDER for each.")
    return named or list(texts) or None


def _new_folder(stem: str) -> Path:
    """``stem``, or the first of ``stem-2``, ``stem-3``, ... that does not exist."""
    path, number = Path(stem), 1
    while path.exists():
        number += 1
        path = Path(f"{stem}-{number}")
    return path


def _open_window(project: Project) -> None:
    try:
        import napari
    except ImportError:
        raise UserError("napari is not installed.", todo="pip install 'napari-organoid-synth[all]'") from None
    from napari_organoid_synth.widgets.shared.workspace import open_project_window

    open_project_window(napari.Viewer(title=f"{project.path.name} – Organoid Synth"), project.path)
    napari.run()
