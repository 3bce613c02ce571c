"""Model files through the window: real small ones, taken in by the command line's own child; and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.widgets.shared import reader as _reader
from napari_organoid_synth.widgets.shared.canvas_drop import watch_canvas
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.runs import describe_run
from napari_organoid_synth.widgets.shared.workspace import Workspace
from napari_organoid_synth.widgets.train.share_dialog import ShareDialog

SMALL = ("gan=pix2pix", "gan.generator_channels=8", "gan.discriminator_channels=8", "tiles.size=64", "train.device=cpu")
WAIT = 280_000  # ms; a child that loads torch on a busy machine


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of pix2pix with two checkpoints, and a model file of it."""
    import numpy as np

    from napari_organoid_synth.core.codec.codec import Codec
    from napari_organoid_synth.core.runs.run import Run, new_generator
    from napari_organoid_synth.core.runs.sharing import write_model_file

    folder = tmp_path_factory.mktemp("theirs")
    recipe = Recipe().override(*SMALL)
    run = Run.create(folder / "runs" / "20260101-000000-train", recipe, Codec.fit([em(0, 64)]))
    gan = new_generator(recipe, run.spec)
    for step, distance in ((10, 0.25), (20, 0.5)):
        gan.images_seen, gan.steps_taken = 4 * step, step
        run.save(gan, step, kernel_distance=distance)
    pair = em(1, 64)
    run.write_preview(10, pair.image[None], np.asarray(pair.labels)[None])
    terms = ShareSettings(licence="CC-BY-4.0", authors="Ada L.", note="Fixed in ice.", name="EM small")
    write_model_file(run, folder / "em.synth", terms)
    return folder


def drop_event(*paths):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    button, key = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    event = QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, mime, button, key)
    event.kept = mime  # Qt does not own it
    return event


def test_a_model_file_dropped_on_generate_is_taken_in_and_chosen(viewer, qtbot, made, project):
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    dock = open_dock(viewer, "Generate")
    assert "or a model file (.synth) here" in dock.empty.sentence.text()
    with qtbot.waitSignal(workspace.runner("import-model").finished, timeout=WAIT):
        dock.dropEvent(drop_event(made / "em.synth"))
        assert dock.intake.text() == "Importing em.synth: every part of it is checked…"
        assert not dock.intake.isHidden()
    assert dock.intake.isHidden()
    assert dock.error.isHidden()
    (run,) = project.runs()
    assert dock.run_combo.currentData() == run.name
    assert dock.run_combo.currentText() == "run 1 · EM small (model file) · pix2pix · 40 img"
    tip = dock.run_combo.toolTip()
    assert "Model file 'EM small' by Ada L., " in tip
    assert ": learned from 0 pairs in 10 steps." in tip
    assert tip.endswith("Licence CC-BY-4.0.\nFixed in ice.")
    assert dock.value().run == run.name
    assert "this project has none" in dock.reason.text()  # masks to warp
    dock.mask_choice.value = "simulated"
    assert dock.button.isEnabled()
    with qtbot.waitSignal(workspace.runner("import-model").finished, timeout=WAIT):  # once more: it is there already
        dock.take_run(made / "em.synth")
    assert project.runs() == [run]


def test_dropped_on_train_it_is_what_the_next_training_starts_from(viewer, qtbot, made, project):
    from napari_organoid_synth.core.pairs.table import PairEntry, PairTable

    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    workspace.setPairs(PairTable(entries=(PairEntry(name="a", image="a.tif", status="matched"),)))
    dock = open_dock(viewer, "Train")
    dock.recipe.generator.setCurrentIndex(dock.recipe.generator.findData("dcgan"))
    enter = drop_event(made / "em.synth")
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    hover = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, enter.mimeData(), buttons, keys)
    hover.setAccepted(False)
    dock.dragEnterEvent(hover)
    assert hover.isAccepted()
    foreign = drop_event(made / "cells.tif")
    hover = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, foreign.mimeData(), buttons, keys)
    hover.setAccepted(False)
    dock.dragEnterEvent(hover)
    assert not hover.isAccepted()
    with qtbot.waitSignal(workspace.runner("import-model").finished, timeout=WAIT):
        dock.dropEvent(enter)
    (run,) = project.runs()
    assert dock.value().gan.name == "pix2pix"
    assert dock.value().start.run == run.name
    assert dock.recipe.start.run.currentText() == "run 1 · EM small (model file) · pix2pix · 40 img"
    assert dock.past.about.text().startswith("Model file 'EM small' by Ada L.")
    qtbot.waitUntil(lambda: not dock.past._loading, timeout=10_000)


def spoil(file: Path, how: str) -> None:
    data = file.read_bytes()
    if how == "torn":
        file.write_bytes(data[: len(data) // 2])
        return
    if how == "foreign":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("evil.py", b"print(1)")
        return
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if how == "changed":
        parts["model.safetensors"] = parts["model.safetensors"][:-1] + b"\1"
    else:  # of another network: found only when it is built
        import hashlib

        from safetensors.torch import load, save

        tensors = load(parts["model.safetensors"])
        first = sorted(tensors)[0]
        parts["model.safetensors"] = save({key: value for key, value in tensors.items() if key != first})
        card = json.loads(parts["card.json"])
        card["sha256"]["model.safetensors"] = hashlib.sha256(parts["model.safetensors"]).hexdigest()
        parts["card.json"] = json.dumps(card).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


REFUSED = {
    "torn": ("bad.synth is not a whole zip archive.", "Expected a .synth file", "Copy it again"),
    "foreign": ("bad.synth contains 'evil.py'.", "Expected card.json, recipe.yaml", "Do not use this file"),
    "changed": ("model.safetensors in bad.synth has SHA-256", "as its card says.", "copy it again from where"),
    "misfit": ("model.safetensors in bad.synth has no 'network/", "Expected (", "Do not use this file"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_a_spoilt_file_is_an_error_card_and_leaves_nothing(viewer, qtbot, made, project, tmp_path, how):
    bad = tmp_path / "bad.synth"
    bad.write_bytes((made / "em.synth").read_bytes())
    spoil(bad, how)
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    train, generate = open_dock(viewer, "Train"), open_dock(viewer, "Generate")
    with qtbot.waitSignal(workspace.runner("import-model").failed, timeout=WAIT):
        generate.dropEvent(drop_event(bad))
    found, expected, todo = REFUSED[how]
    assert generate.error.found.text().startswith(f"✕ {found}")
    assert expected in generate.error.expected.text()
    assert todo in generate.error.todo.text()
    assert not generate.error.isHidden()
    assert generate.intake.isHidden()
    assert train.error.isHidden()  # it was not given to this dock
    assert project.runs() == []
    assert not list(project.path.glob(".*"))


def test_opened_like_any_file_it_is_taken_in_without_a_layer(viewer, qtbot, made):
    assert _reader.get_reader(str(made / "em.synth")) is not None
    viewer.open(str(made / "em.synth"), plugin="napari-organoid-synth")
    workspace = Workspace.of(viewer)
    with qtbot.waitSignal(workspace.runner("import-model").finished, timeout=WAIT):
        pass
    assert len(viewer.layers) == 0
    assert workspace.project.path.name == "em"  # none was open: a new one, called after the file
    dock = viewer.window.dock_widgets["All steps (Organoid Synth)"].page("Generate")
    assert dock.run_combo.currentText().startswith("run 1 · EM small (model file)")


def test_dropped_on_the_canvas_it_is_taken_in_without_a_question(viewer, qtbot, made, project):
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    with qtbot.waitSignal(workspace.runner("import-model").finished, timeout=WAIT):
        assert watch_canvas(viewer).eventFilter(
            viewer.window._qt_viewer, drop_event(made / "em.synth", made / "em.synth")
        )
    qtbot.waitUntil(lambda: not workspace._models and not workspace.runner("import-model").running, timeout=WAIT)
    assert len(project.runs()) == 1
    assert len(viewer.layers) == 0


def test_without_a_viewer_it_says_what_to_do(made, monkeypatch):
    import napari

    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    with pytest.raises(UserError, match="holds a generator, not layers"):
        _reader.get_reader(str(made / "em.synth"))(str(made / "em.synth"))


def test_a_run_is_shared_as_a_file_that_can_be_read(viewer, qtbot, made, tmp_path, monkeypatch):
    from napari_organoid_synth.core.runs.model_file import read_model_file

    workspace = Workspace.of(viewer)
    workspace.setProject(made)
    dock = open_dock(viewer, "Train")
    qtbot.waitUntil(lambda: dock.past.info is not None, timeout=10_000)
    assert dock.past.share.isEnabled()
    file = tmp_path / "mine"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(file), ""))
    dialog = ShareDialog(dock.past.info, dock)
    assert not dialog.save.isEnabled()  # no licence yet
    assert "Choose the licence" in dialog.reason.text()
    assert dialog.value().licence == ""
    dialog.licence.setCurrentText("MIT")
    dialog.name.setText("My EM")
    dialog.note.setPlainText("Two\nlines.")
    assert dialog.state.currentText() == "best · step 10"
    dialog.save.click()
    wanted = ShareSettings(
        run="20260101-000000-train", licence="MIT", name="My EM", note="Two\nlines.", checkpoint="best"
    )
    assert dialog.value() == wanted
    assert dialog.path == tmp_path / "mine.synth"
    with qtbot.waitSignal(workspace.runner("share").finished, timeout=WAIT):
        dock.share_run(dialog.value(), dialog.path)
        assert dock.outcome.text() == "Writing the model file…"
    card = read_model_file(dialog.path).card
    assert (card.name, card.licence, card.note, card.steps) == ("My EM", "MIT", "Two\nlines.", 10)
    size = dialog.path.stat().st_size / 1e6
    assert dock.outcome.text() == (
        f"Written: {dialog.path}, {size:,.1f} MB, licence MIT. Drop it on a window to use it."
    )
    qtbot.waitUntil(lambda: not dock.past._loading, timeout=10_000)


def test_sharing_that_fails_is_an_error_card(viewer, qtbot, made, tmp_path):
    workspace = Workspace.of(viewer)
    workspace.setProject(made)
    dock = open_dock(viewer, "Train")
    # the process of the test before may not have ended yet: then a window that opens its project follows it
    qtbot.waitUntil(lambda: not workspace.runner("share").running, timeout=30_000)
    with qtbot.waitSignal(workspace.runner("share").failed, timeout=WAIT):
        dock.share_run(ShareSettings(licence="all mine"), tmp_path / "x.synth")
        dock.share_run(ShareSettings(licence="MIT"), tmp_path / "y.synth")
        assert dock.outcome.text() == "Another model file is being written. Share this run when it is done."
    assert dock.error.found.text() == "✕ Setting 'licence' is 'all mine'."
    assert "SPDX" in dock.error.expected.text()
    assert not list(tmp_path.glob("*.synth"))
    assert dock.outcome.isHidden()


def test_a_run_of_a_model_file_in_words(made, project):
    from napari_organoid_synth.core.runs.sharing import import_model

    run = import_model(project, made / "em.synth")
    info = describe_run(run.path, "run 3")
    assert info.title == "run 3 · EM small (model file) · pix2pix · 40 img"
    assert (info.shape, info.generator, info.steps, info.best) == ("painter", "pix2pix", (10,), 10)
    assert (info.mask_kind, info.class_names) == ("classes", ("mitochondria", "membranes"))
