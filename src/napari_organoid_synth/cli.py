"""The command line: every verb of the window, without it.

Results go to standard output (``--json``: as one JSON object), everything else to standard error. Exit codes: 0 done,
1 something a person can mend (one sentence says what), 2 wrong use of the command, 130 stopped by Ctrl-C after saving.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_organoid_synth.core.errors import DiskFull, UserError, is_disk_full

if TYPE_CHECKING:
    from napari_organoid_synth.core.curation import SampleStore
    from napari_organoid_synth.core.job import Control, Event, JobFolder
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.settings import Settings


class Verbs(typer.core.TyperGroup):
    """The commands. A short verb gets an option for each of its settings only when it is called.

    Reading the settings takes longer than the list of commands may.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words of the command line name, and the words that are left."""
        name, command, left = super().resolve_command(ctx, args)
        if name in _SHORT:
            alone = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
            alone.command(name)(_with_options(_SHORT[name], name))
            command = typer.main.get_command(alone)
        return name, command, left


app = typer.Typer(
    name="organoid-synth",
    cls=Verbs,
    help="Make, curate and prove synthetic image-mask pairs for microscopy.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ProjectArgument = Annotated[Path, typer.Argument(help="Project folder.")]
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

    opened, folder = Project(project, make=False), JobFolder(job) if job else None
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
def pipeline(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this pipeline; its settings are kept.")] = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Learn masks, check them, learn to paint, make pairs: touching objects keep their structure."""
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.pipeline import find_pipeline
    from napari_organoid_synth.core.project import Project

    opened = Project(project, make=False)
    folder = find_pipeline(opened, resume) if resume is not None else JobFolder(job) if job else None
    settings = _settings("pipeline", recipe, overrides)
    _run("pipeline", opened, settings, folder, job is not None, as_json, resume=resume is not None)


@app.command()
def gain(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    paper_protocol: Annotated[
        bool, typer.Option("--paper-protocol", help="Let generators see the test images; the result is optimistic.")
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler; default: workers on this computer.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(help="Go on with this comparison; default: one with the same settings, if any.")
    ] = None,
    as_json: JsonOption = False,
    job: JobOption = None,
) -> None:
    """Measure in folds what synthetic pairs gain, the generator trained anew in each."""
    from napari_organoid_synth.core.job import JobFolder
    from napari_organoid_synth.core.project import Project

    opened = Project(project, make=False)
    options = [*(["paper_protocol=true"] if paper_protocol else []), *([f"scheduler={scheduler}"] if scheduler else [])]
    if resume is not None and recipe is None:  # also how many at once, and where
        kept = opened.path / "segment" / resume / "gain.yaml"
        recipe = kept if kept.is_file() else None
    settings = _settings("gain", recipe, [*(overrides or ()), *options])
    folder = JobFolder(job) if job else None
    if folder is None:
        from napari_organoid_synth.core.gain_folder import earlier

        folder = earlier(opened, settings, resume)
    _run("gain", opened, settings, folder, job is not None, as_json, resume=resume is not None)


def _add_long(verb: str, summary: str) -> None:
    """A verb that takes settings alone."""

    def command(
        project: ProjectArgument,
        recipe: RecipeOption = None,
        overrides: SetOption = None,
        as_json: JsonOption = False,
        job: JobOption = None,
    ) -> None:
        from napari_organoid_synth.core.job import JobFolder
        from napari_organoid_synth.core.project import Project

        settings = _settings(verb, recipe, overrides)
        _run(verb, Project(project, make=False), settings, JobFolder(job) if job else None, job is not None, as_json)

    app.command(verb, help=summary)(command)


_add_long("generate", "Make synthetic pairs with a trained generator.")
_add_long("score", "Score the synthetic pairs against the real ones.")
_add_long("map", "Map real tiles and synthetic pairs: alike ones lie near each other.")
_add_long("fill", "Make synthetic pairs near real tiles that no pair comes near; needs a map.")
_add_long("export", "Write the accepted pairs as OME-TIFF and in the layouts of other tools.")
_add_long("segment", "Train a segmenter with and without synthetic pairs and compare.")
_add_long("predict", "Mark the objects of images with a trained segmenter; writes label images.")
_add_long("annotate", "Add a class that the masks lack, learned from another project that has it.")


# --- short verbs: every field of their settings is also an option --------------------------------------------------

_SHORT: dict[str, Callable[..., None]] = {}
MEASURED = {"mask_kind", "field", "count", "clusters", "clustering", "spread", "radius", "elongation"}


def _short_verb(function: Callable[..., None]) -> Callable[..., None]:
    """Add a verb to the list of commands; `Verbs` gives it its options."""

    def listed() -> None: ...

    app.command(function.__name__, help=function.__doc__)(listed)
    _SHORT[function.__name__] = function
    return function


def _with_options(function: Callable[..., None], verb: str) -> Callable[..., None]:
    """The function with an option in place of ``fields`` for each field of the settings of the verb."""
    import inspect
    from functools import wraps

    from napari_organoid_synth.core.recipe import SHORT_VERBS

    own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != "fields"]
    options = []
    for name, field in SHORT_VERBS[verb].model_fields.items():
        shown: Any = {"help": field.description, "show_default": str(field.default) if field.default else False}
        kind: Any = str | None
        option: Any = typer.Option(None, **shown)
        if field.annotation is bool:
            kind, option = bool, typer.Option(False, f"--{name.replace('_', '-')}", **shown)
        elif field.annotation is int:
            ends = {end: getattr(bound, end) for bound in field.metadata for end in ("ge", "le") if hasattr(bound, end)}
            kind, option = int | None, typer.Option(None, min=ends.get("ge"), max=ends.get("le"), **shown)
        elif str(field.annotation).startswith("tuple"):
            kind = list[str] | None
        options.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind))

    @wraps(function)
    def command(**arguments: Any) -> None:
        function(**arguments)

    command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*own, *options)}
    return command


@_short_verb
def pair(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """Match images with masks and check them; without --images show the table."""
    from napari_organoid_synth.core.pairing import PairTable, check_pairs, find_pairs, split_table
    from napari_organoid_synth.core.project import Project

    settings = _settings("pair", recipe, overrides, fields)
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


@_short_verb
def curate(
    project: ProjectArgument,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """Accept and reject samples; without options show the counts."""
    from napari_organoid_synth.core.curation import SampleStore, Verdict
    from napari_organoid_synth.core.project import Project

    settings = _settings("curate", recipe, overrides, fields)
    opened = Project(project, make=False)
    if settings.rebuild:
        store, words = SampleStore.rebuild(opened.samples_path)
        print(words, file=sys.stderr)
    else:
        store = SampleStore(opened.samples_path)
    with store:
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
        _print(dict(store.counts()), as_json)


def _chosen(store: SampleStore, name: str) -> list[str]:
    """Samples that an option names: ``best:N``, ``diverse:N`` or one by its name."""
    way, _, number = name.partition(":")
    if way == "best" and number.isdigit():
        from napari_organoid_synth.core.score import best

        return best(store, int(number))
    if way == "diverse" and number.isdigit():
        from napari_organoid_synth.core.diversity import diverse

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
    _print({"request": request, "job": jobs[-1].path.name}, as_json)


@_short_verb
def simulate(
    name: Annotated[str, typer.Argument(help="organoid_brightfield, em, tissue or population.")],
    folder: Annotated[Path, typer.Argument(help="Where the OME-TIFF pairs go.")],
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    **fields: Any,
) -> None:
    """Write simulated pairs."""
    from napari_organoid_synth.core.ome_tiff import write_pair
    from napari_organoid_synth.core.simulate import SIMULATORS

    settings = _settings("simulate", recipe, overrides, fields)
    if name not in SIMULATORS:
        raise UserError(f"There is no simulator '{name}'.", f"Expected one of: {', '.join(SIMULATORS)}.")
    made: dict[str, Any] = {"folder": str(folder), "pairs": settings.number}
    how: list[dict[str, Any]] = [{}]
    if settings.masks:
        from napari_organoid_synth.core.population_fit import fit, fit_each, read_masks

        if name != "population":
            raise UserError(f"'{name}' has sizes of its own.", "Only population is fitted to masks.", "Drop --masks.")
        masks = read_masks(Path(settings.masks))
        how = [{"settings": fitted} for fitted in fit_each(masks)]
        made["fitted"] = fit(masks).model_dump(mode="json", include=MEASURED)
    for seed in range(settings.seed, settings.seed + settings.number):
        write_pair(folder, SIMULATORS[name](seed, size=settings.size, **how[seed % len(how)]))
    _print(made, as_json)


@app.command(name="list")
def list_(
    family: Annotated[str, typer.Argument(help="generators, metrics, extractors or segmenters.")],
    as_json: JsonOption = False,
) -> None:
    """List what there is, with the settings of each."""
    from napari_organoid_synth.core import registry

    families = {
        "generators": registry.GANS,
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


@_short_verb
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
    from napari_organoid_synth.core.run import Run
    from napari_organoid_synth.core.share import write_bundle

    settings, opened = _settings("share", recipe, overrides, fields), Project(project, make=False)

    def write() -> dict[str, Any]:
        card = write_bundle(Run(opened.run_path(settings.run)), file, settings).card
        keys = ("name", "generator", "steps", "images", "pairs", "licence", "metrics")
        return {"file": str(file), "bytes": file.stat().st_size, **{key: getattr(card, key) for key in keys}}

    _print(_at_once("share", opened, write, job), as_json)


@_short_verb
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
    from napari_organoid_synth.core.share import add_bundle

    settings, opened = _settings("adopt", recipe, overrides, fields), Project(project)

    def take() -> dict[str, Any]:
        run = add_bundle(opened, file, settings.name)
        card = run.note()["card"]
        shown = ("name", "generator", "steps", "images", "pairs", "licence", "authors", "note", "created", "metrics")
        return {"run": run.name, **{key: card[key] for key in shown}}

    result = _at_once("adopt", opened, take, job)
    print("It came without optimisers: training it further starts them anew.", file=sys.stderr)
    _print(result, as_json)


@app.command()
def blind(
    project: ProjectArgument,
    csv: Annotated[Path | None, typer.Option(help="Write every answer to this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the blind tests of a project gave; they are answered in the window."""
    from napari_organoid_synth.core.blind_test import overview, read_sessions, to_csv
    from napari_organoid_synth.core.job import write_text
    from napari_organoid_synth.core.project import Project

    opened = Project(project, make=False)
    if csv is not None:
        write_text(csv, to_csv(read_sessions(opened)))
    found = overview(opened)
    if as_json:
        _print(found, as_json)
        return
    for test in found["tests"]:
        print(f"{test['id']}: {test['answers']} of {test['questions']} questions answered")
        print(*(f"  {line}" for line in test["words"]), sep="\n")
    print(
        *found["words"] or ["No blind test counts yet." if found["tests"] else "There is no blind test yet."], sep="\n"
    )


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
    result = _follow(run_demo(opened, steering, settings), steering, "demo", opened)
    if as_json or result["reason"] == "canceled":
        _finish(result, as_json)
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
        _print({"project": str(opened.path)}, as_json)


@_short_verb
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

    settings, opened = _settings("report", recipe, overrides, fields), Project(project, make=False)
    folder = JobFolder(job) if job else None
    steering = folder.control if folder else Control()
    output = Path(settings.output or opened.path / "report.html")
    _finish(_follow(write(opened, output, steering), steering, "report", opened, folder), as_json)


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


def _mask_sources(texts: Sequence[str]) -> Any:
    """What `find_pairs` takes as masks."""
    named = dict(text.split("=", 1) for text in texts if "=" in text)
    if named and len(named) != len(texts):
        raise UserError("Some --masks have a class name and some have none.", "Expected NAME=FOLDER for each.")
    return named or list(texts) or None


def _settings(verb: str, recipe: Path | None, overrides: list[str] | None, fields: dict[str, Any] | None = None) -> Any:
    """The settings of a verb: from the file, then ``--set``, then the options of its own."""
    from napari_organoid_synth.core.recipe import SHORT_VERBS, VERBS

    cls = (VERBS | SHORT_VERBS)[verb]
    settings = (cls.from_file(recipe) if recipe else cls()).override(*(overrides or ()))
    given = {name: value for name, value in (fields or {}).items() if value not in (None, []) and value is not False}
    return settings.replace(**given) if given else settings


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
    if verb in {"train", "segment", "gain", "annotate", "pipeline"}:
        extra["folder"] = job.path
    _finish(_follow(function(project, settings, steering, **extra), steering, verb, project, job), as_json)


def _at_once(verb: str, project: Project, work: Callable[[], dict[str, Any]], job: Path | None) -> dict[str, Any]:
    """The result of a short verb; how it ended is noted in the job folder of the window that waits for it."""
    from napari_organoid_synth.core.job import Control, Finished, JobFolder

    def events() -> Iterator[Event]:
        yield Finished(0, result=work())

    result = _follow(events(), Control(), verb, project, JobFolder(job)) if job else work()
    return {key: value for key, value in result.items() if key != "reason"}


def _finish(result: dict[str, Any], as_json: bool) -> None:
    """Print the result of a long verb; exit code 130 when it was stopped."""
    canceled = result["reason"] == "canceled"
    if as_json or not canceled:
        _print(result, as_json)
    if canceled:
        raise typer.Exit(130)


def _follow(
    events: Iterator[Event], steering: Control, verb: str, project: Project, job: JobFolder | None = None
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
        except Exception as caught:
            report = traceback.format_exc()
            error: Exception = caught
            if isinstance(caught, OSError) and not isinstance(caught, UserError) and is_disk_full(caught):
                error = DiskFull(project.pairs_path)
            if isinstance(error, UserError):
                yield Failed(0, error.found, error.expected, error.todo, report)
            else:
                tqdm.write(report, file=sys.stderr)
                yield Failed(0, f"{type(error).__name__}: {error}", "", "Copy the report and ask.", report)

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
                    raise UserError(event.found, event.expected, event.todo)
                case Finished():
                    finished = event
    if finished.reason == "canceled":
        print("Stopped; everything so far is saved.", file=sys.stderr)
    return {"reason": finished.reason, **finished.result}


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=1, default=str))
        return
    if "table" in result:
        from napari_organoid_synth.core.gain_table import gain_text

        print(gain_text(result))
        return
    for key, value in result.items():
        if key == "sets":
            from napari_organoid_synth.core.score_table import table

            print(table(value))
            continue
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
    except OSError as error:  # no permission, no such folder
        if is_disk_full(error):
            print(f"organoid-synth: {DiskFull(Path(error.filename or '.').absolute())}", file=sys.stderr)
            sys.exit(1)
        print(f"organoid-synth: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        sys.exit(1)
