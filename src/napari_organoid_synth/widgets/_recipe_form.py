"""The form of a recipe: which generator, in a sentence and a picture, and its settings."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GANS
from napari_organoid_synth.widgets._cards import WrapLabel
from napari_organoid_synth.widgets._dock import combo_box, named
from napari_organoid_synth.widgets._form import Fold, SettingsForm

SHOWN = ("tiles.size", "train.steps", "tiles.turn", "tiles.flip")
LABELS = {"tiles.size": "Tile, px", "tiles.turn": "Also turned tiles", "tiles.flip": "Also mirrored tiles"}


class RecipeForm(QWidget):
    """Edits a `Recipe`; an untouched form gives the defaults back.

    Signals
    -------
    valueChanged()
        After an edit that gives a valid recipe.
    problemChanged()
        `problem` says something else.
    """

    valueChanged = Signal()
    problemChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._gan_forms: dict[str, SettingsForm] = {}
        self._gan_groups: dict[str, Fold] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.generator = combo_box()
        named(self.generator, "Generator", "What learns from your pairs.")
        for name in GANS.names():
            config: Any = GANS.config(name)
            self.generator.addItem(config.title, name)
            self.generator.setItemData(self.generator.count() - 1, config.__doc__, Qt.ItemDataRole.ToolTipRole)
        column.addWidget(self.generator)
        about = QHBoxLayout()
        self.picture, self.when = QLabel(), WrapLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.picture.setAccessibleName("What the generator makes of what")
        about.addWidget(self.picture)
        about.addWidget(self.when, 1)
        column.addLayout(about)
        first: Any = GANS.config(GANS.names()[0])
        self.form = SettingsForm(Recipe, SHOWN, hidden=("gan",), labels=LABELS, choices={"tiles.size": first.tiles})
        column.addWidget(self.form)
        self.generator.currentIndexChanged.connect(self._show_generator)
        self.form.valueChanged.connect(lambda _: self.valueChanged.emit())
        self.form.problemChanged.connect(lambda _: self.problemChanged.emit())
        self._show_generator()

    def value(self) -> Recipe:
        """The recipe as shown.

        Raises
        ------
        UserError
            If a value is out of bounds.
        """
        gan = self.gan_form().value()
        values = self.form.value().model_dump()
        recipe: Recipe = Recipe.parse({**values, "gan": gan.model_dump()})
        return recipe

    def setValue(self, recipe: Recipe) -> None:
        """Show a recipe."""
        name: str = recipe.gan.name  # type: ignore[attr-defined]
        self.generator.setCurrentIndex(self.generator.findData(name))
        self.gan_form().setValue(recipe.gan)
        self.form.setValue(recipe)

    @property
    def problem(self) -> str:
        """What is wrong with the values, in words; empty when nothing is."""
        return self.form.problem or self.gan_form().problem

    def gan_form(self) -> SettingsForm:
        """The form of the chosen generator, made when first chosen."""
        name = self.generator.currentData()
        if name not in self._gan_forms:
            form = self._gan_forms[name] = SettingsForm(GANS.config(name), inside="gan")
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
        self.when.setText(form.cls.when)
        self.picture.setPixmap(example_picture(form.cls.shape))
        self.form.editor("tiles.size").offer(form.cls.tiles)
        self._take_gan()

    def _take_gan(self, _: object = None) -> None:
        if not self.gan_form().problem:
            self.form.put(gan=self.gan_form().value())


_pictures: dict[str, QPixmap] = {}


def example_picture(shape: str, side: int = 56) -> QPixmap:
    """Mask and image (painter) or image with mask (joint), drawn by the tissue simulator."""
    if shape not in _pictures:
        from napari_organoid_synth.core.overlay import outline
        from napari_organoid_synth.core.simulate import SIMULATORS
        from napari_organoid_synth.core.thumbnail import picture

        pair = SIMULATORS["tissue"](3, size=128)
        image = picture(pair.image, pair.is_rgb)
        mask = np.where(pair.labels[..., None] > 0, 200, 30).astype(np.uint8).repeat(3, axis=-1)
        drawn = image.copy()
        drawn[outline(pair.labels)] = (255, 255, 255)
        sheet = np.ascontiguousarray(np.concatenate([mask, image] if shape == "painter" else [image, drawn], axis=0))
        shown = QImage(sheet.tobytes(), 128, 256, 3 * 128, QImage.Format.Format_RGB888)
        _pictures[shape] = QPixmap.fromImage(shown).scaledToWidth(side, Qt.TransformationMode.SmoothTransformation)
    return _pictures[shape]
