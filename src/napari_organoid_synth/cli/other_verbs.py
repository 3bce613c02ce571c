"""Commands without settings of their own: look, steer, open the window, try everything."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_organoid_synth.cli.options import JsonOption, ProjectArgument, RecipeOption, SetOption, app
from napari_organoid_synth.cli.output import show
from napari_organoid_synth.cli.running import finish, follow, settings_of, tell_damage
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.spelling import did_you_mean

if TYPE_CHECKING:
    from napari_organoid_synth.core.project import Project


@app.command(name="list")
def list_(
    family: Annotated[str, typer.Argument(help="generators, metrics, extractors, segmenters or studies.")],
    as_json: JsonOption = False,
) -> None:
    """List generators, metrics, extractors or segmenters with their settings, or studies with what each needs."""
    from napari_organoid_synth.core import registry

    families = {
        "generators": registry.GENERATORS,
        "metrics": registry.METRICS,
        "extractors": registry.EXTRACTORS,
        "segmenters": registry.SEGMENTERS,
    }
    if family not in families and family != "studies":
        lists = [*families, "studies"]
        near = did_you_mean(family, lists)
        raise UserError(f"There is no list of '{family}'.", f"Expected one of: {', '.join(lists)}.", near)
    if family == "studies":
        from napari_organoid_synth.core.studies.catalog import listed

        described = listed()
    else:
        described = {name: families[family].describe(name) for name in families[family].names()}
    if as_json:
        show("list", {"members": described}, as_json)
        return
    for name, member in described.items():
        print(f"{name:12} {member['summary']}")
        if family == "studies":
            print(f"{'':12} images: {member['data']}")
            for size, computer in member["needs"].items():
                print(f"{'':12} {size}: {member['takes'][size]}, on {computer}")


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
    running = opened.running_jobs()
    names = {path.name: job for path, job in running.items()}
    shown = list(dict.fromkeys(job.path.name for job in running.values()))
    if name and name not in names:
        expected = f"Expected one of: {', '.join(shown)}." if shown else "Nothing of the project is running."
        raise UserError("No such job is running.", expected, did_you_mean(name, names))
    if not running:
        raise UserError("No such job is running.", todo="See the folders runs, segment and jobs of the project.")
    job = names[name] if name else names[shown[-1]]
    if name and job.path.name != name:
        print(f"{name} is a part of the {job.info['verb']} {job.path.name}, which was asked.", file=sys.stderr)
    elif len(shown) > 1 and not name:
        others = ", ".join(one for one in shown if one != job.path.name)
        print(f"Asked the one that was begun last; also running: {others} (see --name).", file=sys.stderr)
    getattr(job.control, request)()
    show("control", {"request": request, "job": job.path.name, "verb": str(job.info["verb"])}, as_json)


@app.command()
def blind(
    project: ProjectArgument,
    start: Annotated[bool, typer.Option("--run", help="Take a test, in a browser page on this computer.")] = False,
    resume: Annotated[str | None, typer.Option(help="With --run: go on with this test.")] = None,
    like: Annotated[str | None, typer.Option(help="With --run: the pictures of this test, in another order.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the browser, or only print the address.")] = True,
    csv: Annotated[Path | None, typer.Option(help="Write every answer to this file.")] = None,
    recipe: RecipeOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the results of the blind tests of a project; with --run, take one."""
    from napari_organoid_synth.core.atomic import write_text
    from napari_organoid_synth.core.blind.overview import overview
    from napari_organoid_synth.core.blind.results import to_csv
    from napari_organoid_synth.core.blind.session import read_sessions
    from napari_organoid_synth.core.project import Project

    opened = Project(project, make=False)
    settings = settings_of("blind", recipe, overrides)
    if start:
        taken = _take_test(opened, settings, resume, like, browser)
    elif resume or like or recipe or overrides:
        raise UserError("These options are for a new test.", todo="Add --run, or leave them out.")
    tell_damage(opened)
    if csv is not None:
        write_text(csv, to_csv(read_sessions(opened)))
    file = {"file": str(csv)} if csv is not None else {}
    if start:
        if not as_json:
            print(*taken["words"], sep="\n")
        finish("blind", taken | file, as_json, quiet=True)
        return
    results = overview(opened)
    if as_json:
        show("blind", results.model_dump(mode="json") | file, as_json)
        return
    for test in results.tests:
        print(f"{test.id}: {test.answers} of {test.questions} questions answered")
        print(*(f"  {line}" for line in test.words), sep="\n")
    print(*results.words or ["No blind test counts yet." if results.tests else "There is no blind test yet."], sep="\n")


def _take_test(project: Project, settings: Any, resume: str | None, like: str | None, browser: bool) -> dict[str, Any]:
    """Ask the questions of a blind test in a browser page, and return the result."""
    from napari_organoid_synth.core.blind.browser import BlindServer
    from napari_organoid_synth.core.blind.session import find_session
    from napari_organoid_synth.core.blind.setup import make_session
    from napari_organoid_synth.core.job import Control

    if resume is not None:
        session = find_session(project, resume)
    else:
        session = make_session(project, settings, find_session(project, like) if like is not None else None)
    server, steering = BlindServer(project, session), Control()
    print(f"Blind test {session.id}: {server.address}\nCtrl-C stops it; the answers are kept.", file=sys.stderr)
    if browser and _has_screen():
        webbrowser.open(server.address)
    taken = follow(server.run(steering), steering, "blind", project)
    if taken["answers"] < taken["questions"] and taken["answers"]:
        again = f"organoid-synth blind {project.path} --run --resume {session.id}"
        print(f"Go on with it: {again}", file=sys.stderr)
    return taken


def _has_screen() -> bool:
    """Return whether a browser can open a window; one in the terminal would take its place."""
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


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
    from napari_organoid_synth.core.project import Project

    settings = DemoSettings().override(*(overrides or ()))
    opened = Project(project or _new_folder("organoid-synth-demo"))
    job = opened.job("demo")
    job.begin("demo", sys.argv[1:])
    steering = job.control
    result = follow(run_demo(opened, steering, settings), steering, "demo", opened, job)
    if as_json or result["reason"] == "canceled":
        finish("demo", result, as_json)
    else:
        print(f"{result['sentence']}\n{result['how']}\nReport: {result['report']}")
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
