"""The command line: every verb of the window, without it.

Results go to standard output (``--json``: as one JSON object), everything else to standard error. Exit codes: 0 done,
1 something a person can mend (one sentence says what), 2 wrong use of the command, 130 stopped by Ctrl-C after saving.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_organoid_synth.core.errors import UserError

if TYPE_CHECKING:
    from napari_organoid_synth.core.job import Control, Event, JobFolder
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.settings import Settings

app = typer.Typer(
    name="organoid-synth",
    help="Make, curate and prove synthetic image-mask pairs for microscopy.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ProjectArgument = Annotated[Path, typer.Argument(help="Project folder; made when missing.")]
RecipeOption = Annotated[Path | None, typer.Option(help="YAML file of settings.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a setting: key=value. Repeatable.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
JobOption = Annotated[Path | None, typer.Option("--job", hidden=True, help="Folder of events and control.")]


# --- long verbs ----------------------------------------------------------------------------------------------------


@app.command()
def train(
    project: ProjectArgument,
    gan: Annotated[str | None, typer.Option(help="Generator; see 'list generators'.")] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this run instead of starting one.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only measure memory and time.")] = False,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Train a generator on the real pairs."""
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.recipe import Recipe

    opened, folder = Project(project), JobFolder(job) if job else None
    if resume is not None:
        folder = JobFolder(opened.run_path(resume))
        settings = Recipe.from_file(folder.path / "recipe.yaml").override(*(overrides or ()))
    else:
        settings = _settings("train", recipe, [*([f"gan={gan}"] if gan else []), *(overrides or ())])
    if dry_run:
        from napari_organoid_synth.core.train import estimate

        _print(estimate(opened, settings), as_json)
        return
    _run("train", opened, settings, folder, job is not None, as_json, resume=resume is not None)


@app.command()
def generate(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Make synthetic pairs with a trained generator."""
    _simple("generate", project, recipe, overrides, as_json, job)


@app.command()
def score(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Score the synthetic pairs against the real ones."""
    _simple("score", project, recipe, overrides, as_json, job)


@app.command()
def export(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Write the accepted pairs as OME-TIFF and in the layouts of other tools."""
    _simple("export", project, recipe, overrides, as_json, job)


@app.command()
def segment(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Train a segmenter with and without synthetic pairs and compare."""
    _simple("segment", project, recipe, overrides, as_json, job)


# --- short verbs ---------------------------------------------------------------------------------------------------


@app.command()
def pair(
    project: ProjectArgument,
    images: Annotated[list[Path] | None, typer.Option(help="Folder of images, or single files. Repeatable.")] = None,
    masks: Annotated[
        list[str] | None, typer.Option(help="Folder of masks; several named classes as NAME=FOLDER. Repeatable.")
    ] = None,
    image_pattern: Annotated[str, typer.Option(help="Name of an image, such as '{name}_img.tif'.")] = "",
    mask_pattern: Annotated[str, typer.Option(help="Name of a mask, such as '{name}_masks.tif'.")] = "",
    kind: Annotated[str | None, typer.Option(help="binary, classes or instances; default: detected.")] = None,
    test: Annotated[str, typer.Option(help="Test images: names separated by commas, or a share such as 0.2.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Match images with masks and check them; without --images show the table."""
    from napari_organoid_synth.core.pairing import PairTable, check_pairs, find_pairs, split_table
    from napari_organoid_synth.core.project import Project

    opened = Project(project)
    if images:
        named = dict(text.split("=", 1) for text in masks or () if "=" in text)
        if named and len(named) != len(masks or ()):
            raise UserError("Some --masks have a class name and some have none.", "Expected NAME=FOLDER for each.")
        sources: Any = {name: Path(path) for name, path in named.items()} or [Path(text) for text in masks or ()]
        table = find_pairs(
            images if len(images) > 1 else images[0],
            (sources[0] if len(sources) == 1 else sources or None) if isinstance(sources, list) else sources,
            image_pattern=image_pattern,
            mask_pattern=mask_pattern,
        )
        table = check_pairs(table, kind=kind)  # type: ignore[arg-type]
        if test:
            table = split_table(table, test=_share(test) or test.split(","))
        table.to_file(opened.pairs_path)
    else:
        table = PairTable.from_file(opened.pairs_path)
    if as_json:
        print(table.model_dump_json(indent=1))
        return
    for entry in table.entries:
        print(f"{entry.status:10} {entry.split:5} {entry.name:30} {entry.reason}")
    print(table.summary())


@app.command()
def curate(
    project: ProjectArgument,
    accept: Annotated[list[str] | None, typer.Option(help="Sample to accept, or best:N. Repeatable.")] = None,
    reject: Annotated[list[str] | None, typer.Option(help="Sample to reject. Repeatable.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last decision back.")] = False,
    redo: Annotated[bool, typer.Option("--redo", help="Decide again what was taken back.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Accept and reject samples; without options show the counts."""
    from napari_organoid_synth.core.curation import SampleStore, Verdict
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.score import best

    store = SampleStore(Project(project).samples_path)
    try:
        verdict: Verdict
        for names, verdict in ((accept or [], "accepted"), (reject or [], "rejected")):
            ids: list[str] = []
            for name in names:
                ids += best(store, int(name[5:])) if name.startswith("best:") and name[5:].isdigit() else [name]
            if ids:
                store.decide(ids, verdict)
        if undo:
            store.undo()
        if redo:
            store.redo()
        _print(dict(store.counts()), as_json)
    finally:
        store.close()


@app.command()
def control(
    project: ProjectArgument,
    request: Annotated[str, typer.Argument(help="pause, resume or cancel.")],
    name: Annotated[str, typer.Option(help="Folder name of the job; default: the newest that runs.")] = "",
) -> None:
    """Pause, resume or cancel a running job of the project, also one started by the window."""
    from napari_organoid_synth.core.project import Project

    jobs = [job for job in Project(project).jobs() if job.alive and (not name or job.path.name == name)]
    if not jobs:
        raise UserError("No such job is running.", todo="Look into the folders runs, segment and jobs of the project.")
    if request not in {"pause", "resume", "cancel"}:
        raise UserError(f"'{request}' is no request.", "Expected pause, resume or cancel.")
    getattr(jobs[-1].control, request)()
    print(f"{request}: {jobs[-1].path.name}")


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help="organoid_brightfield, em or tissue.")],
    folder: Annotated[Path, typer.Argument(help="Where the OME-TIFF pairs go.")],
    number: Annotated[int, typer.Option(min=1, help="How many pairs.")] = 10,
    size: Annotated[int, typer.Option(min=64, max=4096, help="Side of the images, px.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pairs.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write simulated pairs."""
    from napari_organoid_synth.core.ome_tiff import write_pair
    from napari_organoid_synth.core.simulate import SIMULATORS

    if name not in SIMULATORS:
        raise UserError(f"There is no simulator '{name}'.", f"Expected one of: {', '.join(SIMULATORS)}.")
    written = [write_pair(folder, SIMULATORS[name](seed + i, size=size)) for i in range(number)]
    _print({"folder": str(folder), "pairs": len(written)}, as_json)


@app.command(name="list")
def list_(
    family: Annotated[str, typer.Argument(help="generators, metrics or segmenters.")],
    as_json: JsonOption = False,
) -> None:
    """List what there is, with the settings of each."""
    from napari_organoid_synth.core import registry

    families = {"generators": registry.GANS, "metrics": registry.METRICS, "segmenters": registry.SEGMENTERS}
    if family not in families:
        raise UserError(f"There is no list of '{family}'.", f"Expected one of: {', '.join(families)}.")
    members = families[family]
    described = {name: members.describe(name) for name in members.names()}
    if as_json:
        print(json.dumps(described, indent=1))
        return
    for name, member in described.items():
        print(f"{name:12} {member['summary']}")


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
    result = _follow(run_demo(opened, steering, settings), steering, as_json, "demo", None)
    if as_json:
        _print(result, as_json)
    else:
        print(f"{result['sentence']}\nReport: {result['report']}")
    if gui:
        _open_window(opened)
    elif not as_json:
        print(f"Open it in napari: organoid-synth window {opened.path}")


@app.command()
def window(project: ProjectArgument) -> None:
    """Open a project in napari with all docks."""
    from napari_organoid_synth.core.project import Project

    _open_window(Project(project))


@app.command()
def report(
    project: ProjectArgument,
    output: Annotated[Path | None, typer.Option(help="HTML file; default: report.html in the project.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a project: pictures, curves and tables in one HTML file."""
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.report import write_report

    opened = Project(project)
    _print({"report": str(write_report(opened, output or opened.path / "report.html"))}, as_json)


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context, show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False
) -> None:
    """Make, curate and prove synthetic image-mask pairs for microscopy."""
    if show:
        from napari_organoid_synth import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(2)


# --- what they share -----------------------------------------------------------------------------------------------


def _new_folder(stem: str) -> Path:
    """``stem``, or the first of ``stem-2``, ``stem-3``, ... that does not exist."""
    path, number = Path(stem), 1
    while path.exists():
        number += 1
        path = Path(f"{stem}-{number}")
    return path


def _share(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _settings(verb: str, recipe: Path | None, overrides: list[str] | None) -> Any:
    from napari_organoid_synth.core.recipe import VERBS

    cls = VERBS[verb]
    return (cls.from_file(recipe) if recipe else cls()).override(*(overrides or ()))


def _simple(
    verb: str, path: Path, recipe: Path | None, overrides: list[str] | None, as_json: bool, job: Path | None
) -> None:
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project

    settings = _settings(verb, recipe, overrides)
    _run(verb, Project(path), settings, JobFolder(job) if job else None, job is not None, as_json)


def _run(
    verb: str, project: Project, settings: Settings, job: JobFolder | None, launched: bool, as_json: bool, **extra: Any
) -> None:
    """Run a long verb in a job folder, so that a window can follow and steer it, and print its result."""
    from importlib import import_module

    job = job or project.job(verb)
    steering = job.control
    job.begin(verb, sys.argv[1:])
    if not launched:  # a window clears earlier requests itself, before it starts the process: its later ones count
        steering.resume()
    function = getattr(import_module(f"napari_organoid_synth.core.{verb}"), verb)
    if verb in {"train", "segment"}:
        extra["folder"] = job.path
    _print(_follow(function(project, settings, steering, **extra), steering, as_json, verb, job), as_json)


def _follow(
    events: Iterator[Event], steering: Control, as_json: bool, verb: str, job: JobFolder | None
) -> dict[str, Any]:
    """Loop over a verb with a progress bar; Ctrl-C asks it to save and end; return the result."""
    import traceback

    from tqdm import tqdm

    from napari_organoid_synth.core.job import Failed, Finished, Progress, Warned

    signal.signal(signal.SIGINT, lambda *_: steering.cancel())
    signal.signal(signal.SIGTERM, lambda *_: steering.cancel())
    finished = Finished(0, "canceled")

    def guarded() -> Iterator[Event]:
        try:
            yield from events
        except UserError as error:
            yield Failed(0, error.found, error.expected, error.todo, traceback.format_exc())
        except Exception as error:
            yield Failed(0, f"{type(error).__name__}: {error}", "", "Copy the report and ask.", traceback.format_exc())

    with tqdm(desc=verb, file=sys.stderr, disable=None, leave=False) as bar:
        for event in job.record(guarded()) if job else guarded():
            match event:
                case Progress():
                    bar.total, bar.n = event.total, event.step
                    bar.set_postfix_str(" ".join(f"{k}={v:.3g}" for k, v in event.stats.items()), refresh=False)
                    bar.set_description_str(event.note or verb)
                case Warned():
                    tqdm.write(event.text, file=sys.stderr)
                case Failed():
                    if "UserError" not in event.report.splitlines()[-1]:
                        tqdm.write(event.report, file=sys.stderr)
                    raise UserError(event.found, event.expected, event.todo)
                case Finished():
                    finished = event
    if finished.reason == "canceled":
        print("Stopped; everything so far is saved.", file=sys.stderr)
        if not as_json:
            raise typer.Exit(130)
    return {"reason": finished.reason, **finished.result}


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=1, default=str))
        return
    for key, value in result.items():
        print(f"{key}: {json.dumps(value, default=str) if isinstance(value, dict | list) else value}")


def _open_window(project: Project) -> None:
    try:
        import napari
    except ImportError:
        raise UserError("napari is not installed.", todo="pip install 'napari-organoid-synth[all]'") from None
    from napari_organoid_synth.widgets._workspace import open_project_window

    open_project_window(napari.Viewer(title=f"{project.path.name} – Organoid Synth"), project.path)
    napari.run()


def main() -> None:
    """Entry point: one sentence on standard error instead of a traceback for what a person can mend."""
    try:
        app()
    except UserError as error:
        print(f"organoid-synth: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # no space, no permission, no such folder
        print(f"organoid-synth: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        sys.exit(1)
