"""The form of a recipe: which generator, in a picture and a sentence, where it starts from, and its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_organoid_synth.core.generators.config import Kind, generator_config
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.widgets.forms.form import Fold, SettingsForm
from napari_organoid_synth.widgets.shared.cards import WrapLabel
from napari_organoid_synth.widgets.shared.dock import combo_box, named
from napari_organoid_synth.widgets.shared.runs import RunInfo
from napari_organoid_synth.widgets.train.generator_picture import GeneratorPicture
from napari_organoid_synth.widgets.train.start_form import StartForm

SHOWN = ("tiles.size", "train.steps", "tiles.turn", "tiles.flip")
LABELS = {"tiles.size": "Tile, px", "tiles.turn": "Also turned tiles", "tiles.flip": "Also mirrored tiles"}


class RecipeForm(QWidget):
    """Edits a `Recipe`; an untouched form gives back what it was made with.

    Parameters
    ----------
    first : Recipe, optional
        What is shown first; the defaults when not given.
    kinds : sequence of {"joint", "mask", "painter"}
        Offer only generators of these kinds, and let them draw what ``first`` says; empty: all generators.

    Signals
    -------
    valueChanged()
        After an edit that gives a valid recipe.
    problemChanged()
        `problem` says something else.
    fileChosen(Path)
        A model file to start from is to be taken into the project.
    """

    valueChanged = Signal()
    problemChanged = Signal()
    fileChosen = Signal(object)

    def __init__(self, first: Recipe | None = None, kinds: Sequence[Kind] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._gan_forms: dict[str, SettingsForm] = {}
        self._gan_groups: dict[str, Fold] = {}
        self._runs: Sequence[RunInfo] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.generator = combo_box()
        named(self.generator, "Generator", "What learns from your pairs.")
        for name in GENERATORS.names():
            config = generator_config(name)
            if not kinds or config.kind in kinds:
                self.generator.addItem(config.title, name)
                self.generator.setItemData(self.generator.count() - 1, config.when, Qt.ItemDataRole.ToolTipRole)
        column.addWidget(self.generator)
        self.picture = GeneratorPicture()
        column.addWidget(self.picture)
        self.when = WrapLabel()
        column.addWidget(self.when)
        self.rest_fold, self.rest = Fold("What it needs, and its limits"), WrapLabel()
        self.rest_fold.addWidget(self.rest)
        column.addWidget(self.rest_fold)
        self.start = StartForm()
        column.addWidget(self.start)
        offered = generator_config(self.generator.itemData(0))
        hidden = ("gan", "start", "draws") if kinds else ("gan", "start")
        self.form = SettingsForm(Recipe, SHOWN, hidden=hidden, labels=LABELS, choices={"tiles.size": offered.tiles})
        column.addWidget(self.form)
        if first is not None:
            self.setValue(first)
        self.generator.currentIndexChanged.connect(self._show_generator)
        self.form.valueChanged.connect(self._edited)
        for part in (self.form, self.start):
            part.problemChanged.connect(lambda *_: self.problemChanged.emit())
        self.start.valueChanged.connect(self.valueChanged)
        self.start.fileChosen.connect(self.fileChosen)
        self._show_generator()

    def value(self) -> Recipe:
        """The recipe as shown.

        Raises
        ------
        UserError
            If a value is out of bounds.
        """
        gan, start = self.gan_form().value(), self.start.value()
        values = self.form.value().model_dump()
        recipe: Recipe = Recipe.parse({**values, "gan": gan.model_dump(), "start": start.model_dump()})
        return recipe

    def setValue(self, recipe: Recipe) -> None:
        """Show a recipe."""
        self.generator.setCurrentIndex(self.generator.findData(recipe.gan.name))
        self.gan_form().setValue(recipe.gan)
        self.form.setValue(recipe)
        self.start.setValue(recipe.start)
        self._show_picture()

    def offer_tile(self, side: int) -> None:
        """Choose the largest tile that is neither above ``side`` px nor above the default; the smallest if all are."""
        editor, most = self.form.editor("tiles.size"), min(side, TileSettings().size)
        offered: list[int] = [editor.itemData(index) for index in range(editor.count())]
        editor.put(max((size for size in offered if size <= most), default=min(offered)))

    @property
    def problem(self) -> str:
        """What is wrong with the values, in words; empty when nothing is."""
        return self.form.problem or self.gan_form().problem or self.start.problem

    @property
    def summary(self) -> str:
        """Generator, tile and steps in a few words: ``"pix2pix, 256 px, 4,000 steps"``."""
        title = self.generator.currentText().partition(" – ")[0]
        return f"{title}, {self.form.editor('tiles.size').get()} px, {self.form.editor('train.steps').get():,} steps"

    def offer_runs(self, runs: Sequence[RunInfo]) -> None:
        """Offer the runs of a project to start from."""
        self._runs = runs
        self.start.offer(runs, self.generator.currentData())

    def start_from(self, name: str) -> bool:
        """Choose a run to start from, and its generator; whether that is possible here."""
        info = next((run for run in self._runs if run.name == name), None)
        index = self.generator.findData(info.generator) if info is not None else -1
        if index < 0:
            return False
        self.generator.setCurrentIndex(index)
        return self.start.choose(name)

    def gan_form(self) -> SettingsForm:
        """The form of the chosen generator, made when first chosen."""
        name = self.generator.currentData()
        if name not in self._gan_forms:
            form = self._gan_forms[name] = SettingsForm(GENERATORS.config(name), inside="gan")
            form.valueChanged.connect(self._take_gan)
            form.problemChanged.connect(lambda _: self.problemChanged.emit())
            group = self._gan_groups[name] = Fold("Generator")
            group.addWidget(form)
            self.form.fold.addWidget(group)
        return self._gan_forms[name]

    def _show_generator(self) -> None:
        form: Any = self.gan_form()
        for name, group in self._gan_groups.items():
            group.setVisible(self._gan_forms[name] is form)
        first, _, rest = form.cls.when.partition(". ")
        self.when.setText(f"{first.removesuffix('.')}.")
        self.rest.setText(rest)
        self.rest_fold.setVisible(bool(rest))
        self._show_picture()
        self.form.editor("tiles.size").offer(form.cls.tiles)
        self.start.offer(self._runs, self.generator.currentData())
        self._take_gan()

    def _show_picture(self) -> None:
        draws = self.form.editor("draws").get() if self.form.has("draws") else self.form.base.draws
        self.picture.show_picture(generator_config(self.generator.currentData()).picture_of(draws))

    def _edited(self, _: object = None) -> None:
        self._show_picture()
        self.valueChanged.emit()

    def _take_gan(self, _: object = None) -> None:
        if not self.gan_form().problem:
            self.form.put(gan=self.gan_form().value())
