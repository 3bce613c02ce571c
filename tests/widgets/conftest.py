"""A child that plays a job in place of the command line, and folders that leave the person's own alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("napari")
pytest.importorskip("pytestqt")

FAKE_JOB = '''
"""organoid-synth stand-in: PROJECT ... --job FOLDER; FAKE_JOB in the environment says how to behave."""
import json, os, sys, time
from pathlib import Path

import numpy as np

if "--dry-run" in sys.argv:
    if os.environ.get("FAKE_JOB") == "refuse":
        print("organoid-synth: The tile is 96 px. pix2pix takes 64, 128, 256, 512 px.", file=sys.stderr)
        sys.exit(1)
    recipe = Path(sys.argv[sys.argv.index("--recipe") + 1]).read_text()
    steps = next(int(line.split()[1]) for line in recipe.splitlines() if line.startswith("  steps:"))
    found = {"needed_gb": 1.93, "free_gb": 24.0, "seconds_per_step": 0.57, "minutes": 38.0, "steps": steps}
    print(json.dumps(found))
    sys.exit(0)

folder = Path(sys.argv[sys.argv.index("--job") + 1])
mode = os.environ.get("FAKE_JOB", "normal")
total = int(os.environ.get("FAKE_STEPS", "40"))
nap = float(os.environ.get("FAKE_NAP", "0.01"))
events = (folder / "events.jsonl").open("a")

def say(kind, **fields):
    events.write(json.dumps({"event": kind, "time": time.time(), **fields}) + "\\n")
    events.flush()

def asked():
    try:
        return (folder / "control").read_text()
    except OSError:
        return "run"

def preview(step):
    (folder / "previews").mkdir(exist_ok=True)
    path = folder / "previews" / f"step_{step:08d}.npz"
    rng = np.random.default_rng(step)
    labels = np.zeros((4, 64, 64), np.int32)
    labels[:, 20:40, 20:40] = 1
    image = rng.integers(0, 60, (4, 1, 64, 64)).astype(np.uint8)
    image[:, 0][labels > 0] += 120
    with path.with_suffix(".part").open("wb") as stream:
        np.savez(stream, image=image, labels=labels)
    path.with_suffix(".part").rename(path)
    say("Previewed", step=step, path=str(path))

if (folder / "settings.yaml").exists():
    (folder / "recipe.yaml").write_text((folder / "settings.yaml").read_text())
(folder / "checkpoints").mkdir(exist_ok=True)
for name in ("step_00000001.json", "step_00000001.safetensors"):
    (folder / "checkpoints" / name).write_text("{}")
say("Started", step=0, info={"total": total, "arguments": sys.argv[1:]})
if mode == "crash":
    print("Traceback: the dog ate the memory", file=sys.stderr)
    sys.stderr.flush()
    os._exit(3)
if mode == "fail":
    say("Failed", step=3, found="All 14 tiles are empty.", expected="Expected tiles with objects.",
        todo="Lower the fewest objects.", report="Traceback ...")
    sys.exit(1)
for step in range(1, total + 1):
    while asked() == "pause":
        say("Heartbeat", step=step)
        time.sleep(0.05)
    if asked() == "cancel":
        say("Saved", step=step, path="x")
        say("Finished", step=step, reason="canceled", result={"step": step})
        sys.exit(0)
    time.sleep(nap)
    say("Progress", step=step, total=total, rate=7.0, seconds_left=(total - step) * nap,
        stats={"generator": 3 / step + 1, "discriminator": 1 - 0.5 / step})
    if step % 10 == 0:
        preview(step)
say("Finished", step=total, reason="completed", result={"step": total})
'''


@pytest.fixture(scope="session", autouse=True)
def no_worker_outlives_the_session() -> Iterator[None]:
    """A worker thread that speaks while Python ends would end it with an abort."""
    yield
    from qtpy.QtCore import QCoreApplication, QThreadPool

    from napari_organoid_synth.widgets.shared.background import thread_pool

    pool = QThreadPool.globalInstance()
    if pool is not None:
        pool.waitForDone(30_000)
    if QCoreApplication.instance() is not None:
        thread_pool().waitForDone(30_000)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recent projects and new projects go to the test's folder."""
    from napari_organoid_synth.widgets.shared import project_folders

    monkeypatch.setattr(project_folders, "config_folder", lambda: tmp_path / "config")
    monkeypatch.setattr(project_folders, "projects_folder", lambda: tmp_path / "documents")


@pytest.fixture
def fake_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Every runner starts the stand-in; ``fake_job.setenv("FAKE_JOB", ...)`` chooses how it behaves."""
    from napari_organoid_synth.widgets.shared import job_process
    from napari_organoid_synth.widgets.shared import jobs as _jobs

    script = tmp_path / "fake_job.py"
    script.write_text(FAKE_JOB)
    monkeypatch.setattr(_jobs.JobRunner, "COMMAND", (sys.executable, str(script)))
    yield monkeypatch
    for child in job_process.children:
        if child.poll() is None:
            child.terminate()
        child.wait(5)


@pytest.fixture
def project(tmp_path: Path) -> Any:
    """An empty project."""
    from napari_organoid_synth.core.project import Project

    return Project(tmp_path / "a project")


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Iterator[Any]:
    """A viewer whose docks are taken out, and so closed, at the end."""
    from qtpy.QtWidgets import QApplication

    from napari_organoid_synth.widgets.shared.workspace import Workspace

    viewer = make_napari_viewer()
    yield viewer
    for dock in list(viewer.window._wrapped_dock_widgets.values()):
        viewer.window.remove_dock_widget(dock)
    QApplication.processEvents()  # docks close once they are taken out
    Workspace.of(viewer).close()
