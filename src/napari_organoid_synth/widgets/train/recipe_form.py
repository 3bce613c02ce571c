"""The form of a recipe: the generator with a picture and a sentence, its start, and its settings."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_organoid_synth.core.generators.config import Kind, generator_config
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import ONLY_TRAINED, Recipe, StartSettings, TrainSettings
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.shared.controls import combo_box, named
from napari_organoid_synth.widgets.shared.runs import RunInfo
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.train.generator_list import furnish, group_of
from napari_organoid_synth.widgets.train.generator_picture import GeneratorPicture
from napari_organoid_synth.widgets.train.headings import GENERATOR
from napari_organoid_synth.widgets.train.start_form import StartForm

SHOWN = ("tiles.size", "train.steps", "train.epochs", "tiles.turn", "tiles.flip")
TITLES = {
    "gan": "Generator",
    "tiles.size": "Tile, px",
    "tiles.turn": "Also turned tiles",
    "tiles.flip": "Also mirrored tiles",
}


class RecipeForm(QWidget):
    """A form for a `Recipe`; an untouched form returns the recipe it was made with.

    Parameters
    ----------
    first : Recipe, optional
        What is shown first; the defaults when not given.
    kinds : sequence of {"joint", "mask", "painter"}
        Offer only generators of these kinds, and keep the ``draws`` of ``first``; empty: all generators.

    Signals
    -------
    valueChanged()
        After an edit that gives a valid recipe.
    problemChanged()
        `problem` says something else.
    fileChosen(Path)
        A model file to start from is to be imported into the project.
    """

    valueChanged = Signal()
    problemChanged = Signal()
    fileChosen = Signal(object)

    def __init__(self, first: Recipe | None = None, kinds: Sequence[Kind] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: Sequence[RunInfo] = ()
        self._data: tuple[int, int, float] | None = None
        self._suggested: dict[str, float] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.generator = combo_box()
        named(
            self.generator,
            "Generator",
            "A painter that is ready at once, or a network that learns from your pairs.",
        )
        for name in sorted(GENERATORS.names(), key=lambda name: group_of(generator_config(name))):
            config = generator_config(name)
            if not kinds or config.kind in kinds:
                self.generator.addItem(config.title, name)
                self.generator.setItemData(self.generator.count() - 1, config.when, Qt.ItemDataRole.ToolTipRole)
        self.list = furnish(self.generator)
        column.addWidget(self.generator)
        self.picture = GeneratorPicture()
        column.addWidget(self.picture)
        self.when = WrapLabel()
        column.addWidget(self.when)
        self.rest_fold, self.rest = Fold("Requirements and limits"), WrapLabel()
        self.rest_fold.addWidget(self.rest)
        column.addWidget(self.rest_fold)
        self.start = StartForm()
        column.addWidget(self.start)
        offered = generator_config(self.generator.itemData(0))
        hidden = ("start", "draws") if kinds else ("start",)
        self.form = settings_form(
            Recipe,
            shown=SHOWN,
            hidden=hidden,
            titles=TITLES,
            choices={"tiles.size": offered.tiles},
            member_headings=GENERATOR,
            fixed=("gan",),
        )
        column.addWidget(self.form.native)
        if first is not None:
            self.setValue(first)
        self.generator.currentIndexChanged.connect(self._show_generator)
        self.form.changed.connect(self._edited)
        self.start.problemChanged.connect(self.problemChanged)
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
        recipe: Recipe = self.form.value.replace(start=self.start.value().model_dump())
        return recipe

    def setValue(self, recipe: Recipe) -> None:
        """Show a recipe."""
        self.generator.setCurrentIndex(self.generator.findData(recipe.gan.name))
        self.form.show_value(recipe)
        self.start.setValue(recipe.start)
        self._show_picture()
        self.problemChanged.emit()

    def offer_data(self, images: int, side: int, object_side: float = 0.0) -> None:
        """Choose tile and steps for a set of images, now and for generators that are chosen later.

        Parameters
        ----------
        images : int
            Number to learn from.
        side : int
            Longest tile, px: the shorter side of the smallest image, or the tile that was chosen for the objects.
        object_side : float
            Side that most objects do not exceed, px; 0: not known.
        """
        self._data = (images, side, object_side)
        self.list.images, self.list.side = images, side
        self._suggest()

    def _suggest(self) -> None:
        """Show what the chosen generator suggests, but where a person chose otherwise."""
        if self._data is None:
            return
        suggested = generator_config(self.generator.currentData()).suggest(*self._data)
        wanted = {"tiles.size": TileSettings().size, "train.steps": TrainSettings().steps} | suggested
        for name in ("tiles.size", "train.steps"):
            editor = self.form[name]
            if self._suggested.get(name, editor.value) == editor.value:
                editor.value = wanted[name]
                self._suggested[name] = editor.value

    @property
    def problem(self) -> str:
        """The sentence about invalid settings; empty if they are valid."""
        return self.form.problem or self.start.problem

    @property
    def summary(self) -> str:
        """Generator, tile size and steps: ``"pix2pix, 256 px, 4,000 steps"``."""
        title = self.generator.currentText().partition(" – ")[0]
        if not self.trains:
            return f"{title}, {self.form['tiles.size'].value} px, no training"
        epochs = self.form["train.epochs"].value
        length = plural(epochs, "epoch") if epochs else f"{self.form['train.steps'].value:,} steps"
        return f"{title}, {self.form['tiles.size'].value} px, {length}"

    @property
    def trains(self) -> bool:
        """Whether the chosen generator is trained."""
        return generator_config(self.generator.currentData()).trains

    def offer_runs(self, runs: Sequence[RunInfo]) -> None:
        """Offer the runs of a project to start from."""
        self._runs = runs
        self.start.offer(runs, self.generator.currentData())

    def start_from(self, name: str) -> bool:
        """Choose a run to start from, and its generator; return whether it is offered here."""
        info = next((run for run in self._runs if run.name == name), None)
        index = self.generator.findData(info.generator) if info is not None else -1
        if index < 0:
            return False
        self.generator.setCurrentIndex(index)
        return self.start.choose(name)

    def _show_generator(self) -> None:
        name = self.generator.currentData()
        config = generator_config(name)
        first, _, rest = config.when.partition(". ")
        self.when.setText(f"{first.removesuffix('.')}.")
        self.rest.setText(rest)
        self.rest_fold.setVisible(bool(rest))
        self.start.offer(self._runs, name)
        tile = self.form["tiles.size"]
        follows = tile.value == self._suggested.get("tiles.size")
        tile.offer(config.tiles)
        if follows:
            self._suggested["tiles.size"] = tile.value
        self.form.choose("gan", name)
        self._suggest()
        self.form.hide_fields(() if config.trains else ONLY_TRAINED)
        self.start.setVisible(config.trains)
        if not config.trains:
            self.start.setValue(StartSettings())
        self._show_picture()

    def _show_picture(self) -> None:
        config = generator_config(self.generator.currentData())
        self.picture.show_picture(config.picture_of(self.form.get("draws")))

    def _edited(self, _: object = None) -> None:
        self._show_picture()
        self.problemChanged.emit()
        if not self.problem:
            self.valueChanged.emit()
