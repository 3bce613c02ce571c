"""The form of the whole pipeline: learn masks, check them, learn to paint, make pairs."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.picture import PIPELINE
from napari_organoid_synth.core.synthesis.settings import PipelineSettings
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.shared.runs import RunInfo
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.train.generator_picture import GeneratorPicture
from napari_organoid_synth.widgets.train.recipe_form import RecipeForm

ABOUT = (
    "For tissue whose objects touch: one generator learns new masks, each is checked against yours, a second one "
    "learns to paint them, and pairs are made. Both trainings take their time."
)
TITLES = {"number": "Pairs to make", "checked": "Masks to check", "seed": "Seed"}


class PipelineForm(QWidget):
    """A form for `PipelineSettings`; an untouched form returns the defaults.

    Signals
    -------
    valueChanged()
        After an edit that gives valid settings.
    problemChanged()
        `problem` says something else.
    """

    valueChanged = Signal()
    problemChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(GeneratorPicture(PIPELINE))
        column.addWidget(WrapLabel(ABOUT))
        defaults = PipelineSettings()
        self.masks = RecipeForm(defaults.masks, ("joint", "mask"))
        self.painter = RecipeForm(defaults.painter, ("painter",))
        self.form = settings_form(PipelineSettings, hidden=("masks", "painter"), titles=TITLES)
        self.folds: list[Fold] = []
        self.summaries: list[tuple[WrapLabel, RecipeForm]] = []
        for heading, form in (("1 Learn masks", self.masks), ("2 Learn to paint", self.painter)):
            fold, summary = Fold(heading), WrapLabel()
            fold.addWidget(form)
            fold.toggled.connect(lambda expanded, summary=summary: summary.setVisible(not expanded))
            column.addWidget(fold)
            column.addWidget(summary)
            self.folds.append(fold)
            self.summaries.append((summary, form))
            form.valueChanged.connect(self._edited)
            form.problemChanged.connect(self._judge)
        column.addWidget(self.form.native)
        self.form.changed.connect(self._edited)
        self._summarize()

    def value(self) -> PipelineSettings:
        """The settings as shown.

        Raises
        ------
        UserError
            If a value is out of bounds.
        """
        values = self.form.value.model_dump()
        parts = {"masks": self.masks.value().model_dump(), "painter": self.painter.value().model_dump()}
        return PipelineSettings.parse(values | parts)

    def setValue(self, settings: PipelineSettings) -> None:
        """Show settings."""
        self.masks.setValue(settings.masks)
        self.painter.setValue(settings.painter)
        self.form.show_value(settings)
        self._summarize()

    @property
    def problem(self) -> str:
        """The sentence about invalid settings; empty if they are valid."""
        for name, form in (("Learn masks", self.masks), ("Learn to paint", self.painter)):
            if form.problem:
                return f"{name}: {form.problem}"
        if self.form.problem:
            return self.form.problem
        try:
            self.value()
        except UserError as error:
            return str(error)
        return ""

    def offer_runs(self, runs: Sequence[RunInfo]) -> None:
        """Offer the runs of a project to start from."""
        self.masks.offer_runs([run for run in runs if run.shape == "mask"])
        self.painter.offer_runs([run for run in runs if run.shape == "painter"])

    def _edited(self, _: object = None) -> None:
        self._judge()
        if not self.problem:
            self.valueChanged.emit()

    def _judge(self, _: object = None) -> None:
        self._summarize()
        self.problemChanged.emit()

    def _summarize(self) -> None:
        for summary, form in self.summaries:
            summary.setText(f"    {form.summary}")
