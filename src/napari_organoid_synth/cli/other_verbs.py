"""Commands without settings of their own: look, steer, open the window, try everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_organoid_synth.cli.options import JsonOption, ProjectArgument, SetOption, app
from napari_organoid_synth.cli.output import show
from napari_organoid_synth.cli.running import finish, follow, tell_damage
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.spelling import did_you_mean

if TYPE_CHECKING:
    from napari_organoid_synth.core.project import Project


@app.command(name="list")
def list_(
    family: Annotated[str, typer.Argument(help="generators, metrics, extractors or segmenters.")],
    as_json: JsonOption = False,
) -> None:
    """List generators, metrics, extractors or segmenters, with the settings of each."""
    from napari_organoid_synth.core import registry

    families = {
        "generators": registry.GENERATORS,
        "metrics": registry.METRICS,
        "extractors": registry.EXTRACTORS,
        "segmenters": registry.SEGMENTERS,
    }
    if family not in families:
        near = did_you_mean(family, families)
        raise UserError(f"There is no list of '{family}'.", f"Expected one of: {', '.join(families)}.", near)
    members = families[family]
    described = {name: members.describe(name) for name in members.names()}
    if as_json:
        show("list", {"members": described}, as_json)
        return
    for name, member in described.items():
        print(f"{name:12} {member['summary']}")


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
        near = did_you_mean(request, ("pause", "resume", "cancel"))
        raise UserError(f"'{request}' is not a request.", "Expected pause, resume or cancel.", near)
    opened = Project(project, make=False)
    tell_damage(opened)
    jobs = [job for job in opened.jobs() if job.alive and (not name or job.path.name == name)]
    if not jobs:
        raise UserError("No such job is running.", todo="See the folders runs, segment and jobs of the project.")
    getattr(jobs[-1].control, request)()
    show("control", {"request": request, "job": jobs[-1].path.name}, as_json)


@app.command()
def blind(
    project: ProjectArgument,
    csv: Annotated[Path | None, typer.Option(help="Write every answer to this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the results of the blind tests of a project; they are answered in the window."""
    from napari_organoid_synth.core.atomic import write_text
    from napari_organoid_synth.core.blind.overview import overview
    from napari_organoid_synth.core.blind.results import to_csv
    from napari_organoid_synth.core.blind.session import read_sessions
    from napari_organoid_synth.core.project import Project

    opened = Project(project, make=False)
    tell_damage(opened)
    if csv is not None:
        write_text(csv, to_csv(read_sessions(opened)))
    results = overview(opened)
    if as_json:
        show("blind", results.model_dump(mode="json"), as_json)
        return
    for test in results.tests:
        print(f"{test.id}: {test.answers} of {test.questions} questions answered")
        print(*(f"  {line}" for line in test.words), sep="\n")
    print(*results.words or ["No blind test counts yet." if results.tests else "There is no blind test yet."], sep="\n")


@app.command()
def demo(
    project: Annotated[
        Path | None, typer.Option(help="Folder of the new project; default: organoid-synth-demo, numbered.")
    ] = None,
    gui: Annotated[bool, typer.Option("--gui", help="Open the project in napari afterwards.")] = False,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run all steps once on simulated data, in under five minutes, and write a report."""
    from napari_organoid_synth.core.demo import DemoSettings
    from napari_organoid_synth.core.demo import demo as run_demo
    from napari_organoid_synth.core.job import Control
    from napari_organoid_synth.core.project import Project

    settings = DemoSettings().override(*(overrides or ()))
    opened, steering = Project(project or _new_folder("organoid-synth-demo")), Control()
    result = follow(run_demo(opened, steering, settings), steering, "demo", opened)
    if as_json or result["reason"] == "canceled":
        finish("demo", result, as_json)
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
        show("window", {"project": str(opened.path)}, as_json)


def _new_folder(stem: str) -> Path:
    """Return ``stem``, or the first of ``stem-2``, ``stem-3``, ... that does not exist."""
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
    from napari_organoid_synth.widgets.shared.window import open_project_window

    open_project_window(napari.Viewer(title=f"{project.path.name} – Organoid Synth"), project.path)
    napari.run()
