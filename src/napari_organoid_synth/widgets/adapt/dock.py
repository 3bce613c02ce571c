"""The Adapt dock: pairs for images without masks, from pairs of another sort or from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLineEdit, QPushButton

from napari_organoid_synth.core.adapt.settings import AdaptSettings
from napari_organoid_synth.core.adapt.sketch_settings import ObjectSettings, SketchSettings
from napari_organoid_synth.core.job import Event, Finished, Warned
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.adapt.objects_view import first_image, show_objects
from napari_organoid_synth.widgets.forms.containers import rows
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, folder_row, named
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

PURPOSE = "Here images without masks become worth something: as the look of new pairs."
PAIRS, NOTHING = "adapt", "sketch"
FROM = {PAIRS: "my annotated pairs", NOTHING: "objects drawn by rule"}
WHAT = {
    PAIRS: "Your pairs get the tones and sizes of these images. A segmenter learns from them and marks these images; "
    "the squares in which it is surest are kept. From these a painter takes the look and paints your outlines. All "
    "lies in a project of its own.",
    NOTHING: "Objects are drawn by rule and painted in the look of these images. Compare the objects with yours first. "
    "Three annotated images may well be worth more: with test images both are measured.",
}
REDRAW = 300
"""Milliseconds after an edit until the objects are drawn again."""
KINDS = 4
"""Kinds of pairs that are measured, with annotated test images."""


class AdaptWidget(ColumnDock):
    """Make pairs for images without masks.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "adapt", PURPOSE)
        self.runners = {verb: self.workspace.runner(verb) for verb in FROM}
        self.forms = {
            PAIRS: settings_form(AdaptSettings, shown=("number", "keep"), hidden=("target", "test", "test_masks")),
            NOTHING: settings_form(
                SketchSettings, shown=("number", "tones"), hidden=("images", "test", "test_masks", "objects")
            ),
        }
        self.objects = settings_form(
            ObjectSettings,
            shown=("count", "radius", "elongation", "clustering"),
            titles={"count": "Objects per 256 px"},
        )
        self._mine, self._made, self._said = "", "", list[str]()
        self._build()
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.setInterval(REDRAW)
        self._redraw.timeout.connect(lambda: self.guard(self.show_objects))
        self._shown = False
        for runner in self.runners.values():
            runner.event.connect(self._follow)
            runner.failed.connect(self._failed)
            runner.stateChanged.connect(self._judge)
        self.workspace.projectChanged.connect(self._open)
        self.workspace.pairsChanged.connect(self._judge)
        self._open(self.workspace.project)

    # --- build ---

    def _build(self) -> None:
        form = rows()
        self.start, self.images, self.test = combo_box(), QLineEdit(), QLineEdit()
        for key, text in FROM.items():
            self.start.addItem(text, key)
        add_row(form, "From", self.start, "What the new pairs are made from, beside the images.")
        tip = "Folder of images without masks. They give the look."
        add_row(form, "Images", folder_row(self.images, "images without masks", tip), tip)
        tip = (
            "Folder of some annotated images of the same sort, with images and masks inside. They are only measured on."
        )
        add_row(form, "Test", folder_row(self.test, "annotated images, if you have some", tip), tip)
        self.column.addLayout(form)
        self.what, self.cost = WrapLabel(), WrapLabel()
        self.column.addWidget(self.what)
        self.show_button = QPushButton("Show objects over an image")
        named(
            self.show_button,
            self.show_button.text(),
            "Draws such objects over the first image; move the numbers until they match.",
        )
        self.show_button.clicked.connect(lambda: self.guard(self.show_objects))
        for widget in (self.objects.native, self.show_button, *(form.native for form in self.forms.values())):
            self.column.addWidget(widget)
        self.column.addWidget(self.cost)
        self.cards = {verb: ProgressCard(runner, "Stop", "%") for verb, runner in self.runners.items()}
        for card in self.cards.values():
            self.column.addWidget(card)
        self.column.addWidget(self.outcome)
        self.look = QPushButton("Look at the pairs")
        named(self.look, self.look.text(), "Opens the project with the new pairs in Curate.")
        self.look.clicked.connect(lambda: self.guard(self.look_at_pairs))
        self.look.hide()
        self.column.addWidget(self.look)
        self.column.addWidget(self.command_button(lambda: (self.verb, self.value())))
        self.start.currentIndexChanged.connect(self._edited)
        for edit in (self.images, self.test):
            edit.textChanged.connect(self._edited)
        for one in (*self.forms.values(), self.objects):
            one.changed.connect(self._edited)
        self.objects.changed.connect(self._objects_edited)

    # --- value ---

    @property
    def verb(self) -> str:
        """The command that is chosen: adapt or sketch."""
        return str(self.start.currentData())

    def value(self) -> AdaptSettings | SketchSettings:
        """Return the settings as shown."""
        images = tuple(filter(None, [self.images.text().strip()]))
        values = self.forms[self.verb].value.model_dump() | {"test": self.test.text().strip()}
        if self.verb == PAIRS:
            return AdaptSettings.parse(values | {"target": images})
        return SketchSettings.parse(values | {"images": images, "objects": self.objects.value.model_dump()})

    def setValue(self, settings: AdaptSettings | SketchSettings) -> None:
        """Show settings."""
        verb = PAIRS if isinstance(settings, AdaptSettings) else NOTHING
        self.start.setCurrentIndex(self.start.findData(verb))
        self.forms[verb].show_value(settings)
        if isinstance(settings, AdaptSettings):
            self.images.setText(settings.target[0] if settings.target else "")
        else:
            self.images.setText(settings.images[0] if settings.images else "")
            self.objects.show_value(settings.objects)
        self.test.setText(settings.test)
        self._judge()

    # --- what there is ---

    def _open(self, _: Project | None) -> None:
        self.error.hide()
        self.show_outcome("")
        self.look.hide()
        self._restoring = True
        stored = self.workspace.remembered(self.key)
        for edit, name in ((self.images, "images"), (self.test, "test")):
            edit.setText(str(stored.get(name, "")))
        table = self.workspace.pairs
        drawn = table is not None and any(entry.masks for entry in table.train)
        verb = str(stored.get("from") or (PAIRS if drawn or self.workspace.project is None else NOTHING))
        self.start.setCurrentIndex(max(0, self.start.findData(verb)))
        self._restoring = False
        self._judge()

    def _edited(self, *_: object) -> None:
        if not self._restoring and self.workspace.project is not None:
            chosen = {"from": self.verb, "images": self.images.text().strip(), "test": self.test.text().strip()}
            self.workspace.remember(self.key, chosen)
        self._judge()

    def _judge(self, *_: object) -> None:
        verb, form = self.verb, self.forms[self.verb]
        self.show_body("Open a project, or a new folder." if self.workspace.project is None else "")
        for key, one in self.forms.items():
            one.native.setVisible(key == verb)
        for widget in (self.objects.native, self.show_button):
            widget.setVisible(verb == NOTHING)
        self.what.setText(WHAT[verb])
        self.button.setText("Adapt" if verb == PAIRS else "Sketch and paint")
        self.button.setAccessibleDescription("Runs in a separate process; you can keep working in the window.")
        problem = str(form.problem or (self.objects.problem if verb == NOTHING else ""))
        if not problem:
            self.cost.setText(self._cost())
        table, folder = self.workspace.pairs, self.images.text().strip()
        own = table is not None and bool(table.train)
        if any(runner.running for runner in self.runners.values()):
            self.allow("Pairs are being made.")
        elif verb == PAIRS and not (table is not None and any(entry.masks for entry in table.train)):
            self.allow("This project has no annotated images. Add them in Pairs, or start from nothing.")
        elif not folder and (verb == PAIRS or not own):
            self.allow("Choose the folder of images without masks.")
        elif folder and not Path(folder).expanduser().exists():
            self.allow("There is no such folder of images.")
        elif (test := self.test.text().strip()) and not Path(test).expanduser().is_dir():
            self.allow("There is no such folder of annotated images.")
        else:
            self.allow(problem)

    def _cost(self) -> str:
        """Say how much will be trained."""
        settings = self.forms[self.verb].value
        measured = bool(self.test.text().strip())
        trainings = (self.verb == PAIRS) + measured * settings.repeats * (KINDS if self.verb == PAIRS else 1)
        parts = [f"{plural(trainings, 'training')} of a segmenter of at most {settings.steps:,} steps"] * bool(
            trainings
        )
        if settings.painter.trains:
            parts.append("a painter")
        time = "minutes on a graphics card, an hour or more without" if parts else "seconds"
        return f"Trained: {' and '.join(parts) or 'nothing'}; {time}. It can be stopped and goes on later."

    # --- objects over an image ---

    def show_objects(self) -> None:
        """Draw objects over the first image."""
        folder = self.images.text().strip()
        table = self.workspace.pairs
        files = [folder] if folder else [entry.image for entry in table.train[:1]] if table else []
        settings = self.forms[NOTHING].value
        image = first_image(files, settings.scale)
        show_objects(self.viewer, image, self.objects.value, settings.seed)
        self._shown = True

    def _objects_edited(self, *_: object) -> None:
        if self._shown and not self.objects.problem:
            self._redraw.start()

    # --- run ---

    def run(self) -> None:
        """Start the command that is chosen."""
        if self.workspace.project is None or any(runner.running for runner in self.runners.values()):
            return
        self.error.dismiss()
        self.show_outcome("")
        self.look.hide()
        self._mine, self._said = self.verb, []
        self.runners[self.verb].start(self.verb, self.workspace.project, self.value())

    def _of_mine(self) -> bool:
        """Return whether the signal that is answered comes from the job that was started here."""
        return bool(self._mine) and self.sender() is self.runners[self._mine]

    def _follow(self, event: Event) -> None:
        if not self._of_mine():
            return
        if isinstance(event, Warned):
            self._said.append(event.text)
            self.show_outcome("\n".join(self._said))
        if not isinstance(event, Finished):
            return
        self._mine = ""
        if event.reason != "completed":
            self.show_outcome("Stopped. The same settings go on where it was.")
            return
        result = event.result
        project = self.workspace.project
        self._made = str(result.get("project") or (project.path if project is not None else ""))
        measured = (result.get("measured") or {}).get("sentences", ())
        self.show_outcome("\n".join([f"{plural(result['pairs'], 'pair')} painted.", *self._said, *measured]))
        self.look.show()

    def look_at_pairs(self) -> None:
        """Open the project with the new pairs in Curate."""
        project = self.workspace.project
        if project is None or str(project.path) != self._made:
            self.workspace.setProject(Path(self._made))
        open_dock(self.viewer, "Curate")

    def _failed(self, failed: Any) -> None:
        if self._of_mine():
            self._mine = ""
        self.show_error(failed)
