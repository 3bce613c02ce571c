"""What ``import napari_organoid_synth`` offers: all of it, at no cost before it is used, and explained."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import napari_organoid_synth as synth
from napari_organoid_synth.core.job import Event, Failed, Finished, Progress, Warned
from napari_organoid_synth.core.verbs import VERBS

ROOT = Path(__file__).parents[1]
NAMES = [name for name in synth.__all__ if name != "__version__"]
PLACES: dict[str, str] = synth._PLACES
WINDOW = {"settings_form"}
"""Names that need the window's packages."""
OTHERWISE = {"map": "make_map", "try": "quick_try"}
"""Commands that have another name here: `map` would hide the function of Python."""


# ---------------------------------------------------------------------------------------------------------- loading


def test_importing_the_package_loads_nothing_heavy_and_is_fast() -> None:
    code = (
        "import sys, time\n"
        "began = time.process_time()\n"
        "import napari_organoid_synth as synth\n"
        "taken = time.process_time() - began\n"
        "dir(synth)\n"
        "heavy = {'torch', 'napari', 'qtpy', 'numpy', 'pydantic', 'scipy', 'skimage', 'PyQt6', 'PySide6'}\n"
        "print(taken, *heavy & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    taken, *loaded = done.stdout.split()
    assert float(taken) < 0.1
    assert loaded == []


def test_settings_pairs_and_simulators_need_no_torch_and_no_window() -> None:
    code = (
        "import sys\n"
        "import napari_organoid_synth as synth\n"
        "synth.Recipe(), synth.GenerateSettings(), synth.GainSettings(), synth.Control()\n"
        "synth.simulate_tissue(0, size=64), synth.find_pairs, synth.run_to_end, synth.Run\n"
        "print(*{'torch', 'napari', 'qtpy', 'magicgui'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_what_its_place_says(name: str) -> None:
    if name in WINDOW:
        pytest.importorskip("magicgui")
    module, attribute = PLACES[name].split(":")
    assert getattr(synth, name) is getattr(import_module(f"napari_organoid_synth.{module}"), attribute)


def test_an_unknown_name_is_an_attribute_error_of_this_package() -> None:
    with pytest.raises(AttributeError, match="module 'napari_organoid_synth' has no attribute 'trian'"):
        synth.trian  # noqa: B018
    assert {"train", "make_pairs", "__version__"} <= set(dir(synth))


def test_type_checkers_are_told_the_same_names_of_the_same_places() -> None:
    tree = ast.parse((ROOT / "src/napari_organoid_synth/__init__.pyi").read_text())
    told = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == PLACES
    exported = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert sorted(exported) == sorted(synth.__all__)
    assert (ROOT / "src/napari_organoid_synth/py.typed").exists()


def test_every_command_that_takes_a_while_is_a_function_with_its_settings() -> None:
    for command, verb in VERBS.items():
        assert getattr(synth, OTHERWISE.get(command, command)) is verb.load()
        assert getattr(synth, verb.settings_class().__name__) is verb.settings_class()


# ----------------------------------------------------------------------------------------------------- explanations


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_explained(name: str) -> None:
    thing = getattr(synth, name)
    text = inspect.getdoc(thing) or ""
    assert re.match(r"[A-Z].*\.", text), f"{name} has no sentence"
    if inspect.isfunction(thing):
        assert "Parameters\n---" in text, f"{name} does not say what it takes"
        assert re.search(r"^(Returns|Yields)\n---", text, re.MULTILINE), f"{name} does not say what it gives"
        parameters = text.split("Parameters\n")[1].split("\n\n")[0] + text
        for parameter in inspect.signature(thing).parameters:
            assert re.search(rf"^\W*[\w, ]*\b{parameter}\b", parameters, re.MULTILINE), f"{name}: {parameter}?"


def test_the_reference_page_lists_each_name_once() -> None:
    page = (ROOT / "docs/api.md").read_text()
    listed = re.findall(r"^\.\. auto(?:class|function|exception):: napari_organoid_synth\.(\w+)$", page, re.MULTILINE)
    assert sorted(listed) == sorted(NAMES)


# ------------------------------------------------------------------------------------------------------- run_to_end


def events(*last: Event) -> Iterator[Event]:
    yield Progress(1, 4, {"loss": 0.5})
    yield Warned(1, "There is only 1 tile.")
    yield Progress(4, 4)
    yield from last


def test_run_to_end_gives_the_result_and_shows_the_progress(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Progress] = []
    assert synth.run_to_end(events(Finished(4, "completed", {"added": 3})), seen.append) == {"added": 3}
    assert [(event.step, event.total) for event in seen] == [(1, 4), (4, 4)]
    assert caplog.messages == ["There is only 1 tile."]


def test_run_to_end_raises_what_a_job_failed_of() -> None:
    with pytest.raises(synth.UserError) as caught:
        synth.run_to_end(events(Failed(4, "Memory is full.", "Expected room.", "Lower the batch.")))
    assert (caught.value.found, caught.value.expected, caught.value.todo) == (
        "Memory is full.", "Expected room.", "Lower the batch.",
    )  # fmt: skip


def test_events_can_be_followed_only_once() -> None:
    once = events(Finished(4))
    assert synth.run_to_end(once) == {}
    with pytest.raises(synth.UserError, match=r"no result.*only once"):
        synth.run_to_end(once)
