"""The controls beside the map: the meaning of its colours, and the method that makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QVBoxLayout, QWidget

from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.metrics.score_texts import sample_text
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import rows
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.map.groups import BY_RUN, BY_VERDICT, groups_of, score_range
from napari_organoid_synth.widgets.map.legend import ColourBar, Legend
from napari_organoid_synth.widgets.map.points import Points
from napari_organoid_synth.widgets.map.view import Group
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named

METHODS = {
    "tsne": ("t-SNE: neighbours", "Keeps neighbours together; distances and sizes of clouds mean little."),
    "pca": ("PCA: distances", "The two directions in which the tiles differ most; distances mean something."),
    "umap": ("UMAP: neighbours", "Like t-SNE; needs the package umap-learn."),
}


class ColourControls(QWidget):
    """The meaning of the points' colours, with the legend.

    Attributes
    ----------
    chosen : Signal()
        The colours were chosen to show another property.
    filtered : Signal()
        Pairs of another run, or of all, were chosen to be shown.
    """

    chosen, filtered = Signal(), Signal()

    def __init__(self) -> None:
        super().__init__()
        self.colour, self.runs, self.legend, self.bar = combo_box(), combo_box(), Legend(), ColourBar()
        self.offer(())
        self.offer_runs({})
        self.runs.activated.connect(lambda _: self.filtered.emit())
        self.colour.activated.connect(lambda _: self.chosen.emit())
        form = rows()
        add_row(form, "Colour", self.colour, "What the colours show.")
        named(self.colour, "Colour", "What the colours of the points show: verdict, run, or any score.")
        add_row(form, "Pairs", self.runs, "Whose pairs are shown beside the real tiles.")
        named(self.runs, "Pairs of run", "Shows the pairs of one run alone, beside the real tiles.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(form)
        column.addWidget(self.legend)
        column.addWidget(self.bar)

    @property
    def key(self) -> str:
        """The property that the colours show: verdict, run, or the name of a score."""
        return str(self.colour.currentData() or BY_VERDICT)

    @property
    def score(self) -> str:
        """The score that the colours show; empty for verdict and run."""
        return "" if self.key in (BY_VERDICT, BY_RUN) else self.key

    def set_key(self, key: str) -> None:
        """Show this, also a score that no pair has yet."""
        self.offer([key])
        self.colour.setCurrentIndex(self.colour.findData(key))

    def offer(self, metrics: Sequence[str]) -> None:
        """Offer verdict, run and these scores."""
        for name, key in (("verdict", BY_VERDICT), ("run", BY_RUN), *(("", metric) for metric in metrics)):
            if self.colour.findData(key) < 0:
                text = sample_text(key)
                self.colour.addItem(name or text.title, key)
                if not name:
                    self.colour.setItemData(self.colour.count() - 1, plain(text.sentence), Qt.ItemDataRole.ToolTipRole)

    @property
    def only(self) -> str | None:
        """The run whose pairs alone are shown; None: all."""
        return self.runs.currentData() if self.runs.currentIndex() > 0 else None

    def offer_runs(self, titles: Mapping[str, str]) -> None:
        """Offer all pairs, or those of one run; the choice stays where its run still has pairs."""
        chosen = self.only
        self.runs.clear()
        self.runs.addItem("of all runs", None)
        for run, title in titles.items():
            self.runs.addItem(title, run)
        self.runs.setCurrentIndex(0 if chosen is None else max(0, self.runs.findData(chosen)))
        self.runs.setEnabled(len(titles) > 1)

    def show_points(self, points: Points) -> list[Group]:
        """Show legend and range of the points; return their groups."""
        groups = groups_of(points, self.key, self.only)
        self.legend.show_groups(groups, len(points.regions))
        if self.score and len(points.ids):
            text = sample_text(self.score)
            self.bar.show_range(f"{text.title} ({text.direction})", *score_range(points))
        else:
            self.bar.hide()
        return groups


class MethodControls(QWidget):
    """The method that makes the map.

    Attributes
    ----------
    changed : Signal()
        Other settings, or another problem with them.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.method, self.perplexity = combo_box(), QDoubleSpinBox()
        for key, (text, tip) in METHODS.items():
            self.method.addItem(text, key)
            self.method.setItemData(self.method.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.perplexity.setRange(0, 1000)
        self.perplexity.setDecimals(1)
        self.perplexity.setSpecialValueText("automatic")
        guard_wheel(self.perplexity)
        self.form = settings_form(MapSettings, shown=(), hidden=("method", "perplexity"))
        self.method.currentIndexChanged.connect(self._edited)
        self.perplexity.valueChanged.connect(self._edited)
        self.form.changed.connect(self._edited)
        form = rows()
        add_row(form, "Method", self.method, "How the map is made.")
        tip = "About how many neighbours count in t-SNE. Automatic: 30, or a third of the points where these are few."
        add_row(form, "Perplexity", self.perplexity, tip)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(form)
        column.addWidget(self.form.native)

    def _edited(self, *_: object) -> None:
        self.perplexity.setEnabled(self.method.currentData() == "tsne")
        self.changed.emit()

    @property
    def problem(self) -> str:
        """The sentence about invalid settings; empty if they are valid."""
        return str(self.form.problem or "")

    def value(self) -> MapSettings:
        """Return the settings as shown."""
        chosen = {"method": self.method.currentData(), "perplexity": self.perplexity.value()}
        return MapSettings.parse(self.form.value.model_dump() | chosen)

    def setValue(self, settings: MapSettings) -> None:
        """Show settings."""
        self.form.show_value(settings)
        self.method.setCurrentIndex(max(0, self.method.findData(settings.method)))
        self.perplexity.setValue(settings.perplexity)
