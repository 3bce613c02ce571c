"""The settings of a comparison as a form: segmenter, test images, arms, steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QSpinBox, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import find_fold_groups, folds_sentence, make_folds
from napari_organoid_synth.core.gain.sentences import OPTIMISTIC
from napari_organoid_synth.core.gain.settings import GainSettings, SegmentSettings
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.arms import data_of
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import Fold, rows, show_row
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.segment.arms import ArmBoxes
from napari_organoid_synth.widgets.segment.headings import ARM, HEADINGS, MEMBER, PRETRAIN
from napari_organoid_synth.widgets.shared.controls import add_row, bold, combo_box
from napari_organoid_synth.widgets.shared.first_painter import NOW
from napari_organoid_synth.widgets.shared.runs import RunInfo
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

TEST_BY = {
    "grouped": (
        "groups in turn",
        "Images of one volume, embryo or well are tested together, each group in turn. The generator is trained again "
        "each time, without them.",
    ),
    "k-fold": ("a part in turn", "Each image is tested once; the generator is trained again for each part."),
    "leave-one-out": ("each image in turn", "For fewer than ten images, if time allows."),
    "segment": (
        "the project's test images",
        "A first look: the synthetic pairs that are there, and the images that are marked as test in Pairs. Much "
        "faster.",
    ),
}
"""Design, or the quick comparison, to its text and tooltip."""
HIDDEN = {
    "segment": ("segmenter", "arms", "steps"),
    "gain": ("segmenter", "arms", "steps", "design", "repeats", "test_share"),
}
"""Settings that have a place of their own above the form."""
CLASSES: dict[str, type[SegmentSettings] | type[GainSettings]] = {"segment": SegmentSettings, "gain": GainSettings}
MAX_STEPS = 1_000_000
RUNS: dict[str, list[tuple[str, Any]]] = {
    "generator": [("automatic", ()), ("no training (analogy)", (NOW,))],
    "mask_generator": [("automatic", "")],
}
"""Choices of generators in a project without runs, by field."""


@dataclass(frozen=True)
class Counts:
    """Real pairs to train on and to test, and synthetic pairs of the project."""

    train: int = 0
    test: int = 0
    synthetic: int = 0
    accepted: int = 0


class ComparisonForm(QWidget):
    """Edits `GainSettings`, or the few of `SegmentSettings` where the test images of the project are tested.

    Parameters
    ----------
    parent : QWidget, optional

    Signals
    -------
    edited()
        A setting was changed.
    """

    edited = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.counts = Counts()
        self._tile: int | None = None  # offered, and shown unless a person chose another
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self._build_segmenter()
        self._build_testing()
        self._build_arms()
        self._build_more()
        self.segmenter.currentIndexChanged.connect(self._change_member)
        self.test_by.currentIndexChanged.connect(self._edited)
        for spin in (self.steps, self.repeats):
            spin.valueChanged.connect(self._edited)
        for form in (*self.forms.values(), self.member):
            form.changed.connect(self._edited)
        self.setValue(GainSettings())

    # --- build ---

    def _build_segmenter(self) -> None:
        self.segmenter = combo_box()
        for name in SEGMENTERS.names():
            config: Any = SEGMENTERS.config(name)
            self.segmenter.addItem(config.title, name)
            self.segmenter.setItemData(self.segmenter.count() - 1, config.when, Qt.ItemDataRole.ToolTipRole)
        form = rows()
        add_row(form, "Segmenter", self.segmenter, "The network that learns to mark the objects.")
        self.column.addLayout(form)
        self.when = WrapLabel()
        self.column.addWidget(self.when)

    def _build_testing(self) -> None:
        self.test_by, self.repeats, self.testing = combo_box(), QSpinBox(), rows()
        for key, (text, tip) in TEST_BY.items():
            self.test_by.addItem(text, key)
            self.test_by.setItemData(self.test_by.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        add_row(self.testing, "Test by", self.test_by, "Which images are tested.")
        self.repeats.setRange(1, 100)
        guard_wheel(self.repeats)
        tip = "How often everything is trained, each time with another seed; several show the variance between seeds."
        add_row(self.testing, "Repeats", self.repeats, tip)
        self.column.addLayout(self.testing)
        self.groups = WrapLabel()
        self.column.addWidget(self.groups)

    def _build_arms(self) -> None:
        self.column.addWidget(bold("Compare"))
        self.column.addWidget(WrapLabel(ARM))
        self.arms = ArmBoxes()
        self.arms.changed.connect(self._edited)
        self.column.addWidget(self.arms)
        self.steps, form = QSpinBox(), rows()
        self.steps.setRange(1, MAX_STEPS)
        self.steps.setSingleStep(100)
        guard_wheel(self.steps)
        tip = "Optimiser steps of every arm, the same for all so that the comparison is fair."
        add_row(form, "Steps", self.steps, tip)
        self.column.addLayout(form)

    def _build_more(self) -> None:
        self.optimistic = WrapLabel(f"! {OPTIMISTIC} The paper protocol is for repeating published studies.")
        self.column.addWidget(self.optimistic)
        self.fold = Fold("More settings")
        self.forms = {
            verb: settings_form(
                cls, hidden=HIDDEN[verb], headings=HEADINGS[verb], choices=RUNS if verb == "gain" else {}
            )
            for verb, cls in CLASSES.items()
        }
        self.member = settings_form(SEGMENTERS.config(SEGMENTERS.names()[0]), headings=MEMBER)
        for form in self.forms.values():
            self.fold.addWidget(form.native)
        self.fold.addWidget(self.member.native)
        self.column.addWidget(self.fold)

    def _edited(self, *_: object) -> None:
        self.show_fitting()
        self.edited.emit()

    def _change_member(self, *_: object) -> None:
        """Show the settings of the chosen segmenter."""
        config: Any = SEGMENTERS.config(self.segmenter.currentData())
        self.when.setText(config.when)
        if self.member.cls is not config:
            self.fold.removeWidget(self.member.native)
            self.member.native.deleteLater()
            self.member = settings_form(config, headings=MEMBER)
            self.member.changed.connect(self._edited)
            self.fold.addWidget(self.member.native)
        self._fit_tile()
        self._edited()

    def offer_runs(self, runs: Sequence[RunInfo]) -> None:
        """Offer the runs of a project as generators; a choice that is not among them stays."""
        usable = [run for run in runs if not run.problem]
        offers: dict[str, list[tuple[str, Any]]] = {
            "generator": [(run.title, (run.name,)) for run in usable if run.shape != "mask"],
            "mask_generator": [(run.title, run.name) for run in usable if run.shape == "mask"],
        }
        for field, offer in offers.items():
            editor, choices = self.forms["gain"][field], [*RUNS[field], *offer]
            if editor.value not in [value for _, value in choices]:
                shown = editor.value if isinstance(editor.value, str) else ", ".join(editor.value)
                choices.append((shown, editor.value))
            editor.offer(choices)

    def offer_tile(self, size: int | None) -> None:
        """Use crops of the side, px, that the generator learned from, unless a person chose another."""
        if size != self._tile:
            before, self._tile = self._tile, size
            self._fit_tile(before)

    def forget_tile(self) -> None:
        """Let the next offer count, as in another project."""
        self._tile = None

    def _fit_tile(self, before: int | None = None) -> None:
        """Show the offered tile where the default, or the one offered before, is shown."""
        default = type(self.member.value)().tile if "tile" in self.member.cls.model_fields else None
        if default is None or self._tile is None or self.member["tile"].value not in (default, before):
            return
        before_it = self.member.value
        self.member["tile"].value = self._tile
        if self.member.problem:  # this segmenter does not take it
            self.member.show_value(before_it)

    # --- value ---

    @property
    def verb(self) -> str:
        """``"gain"`` or ``"segment"``, depending on the choice of test images."""
        return "segment" if self.test_by.currentData() == "segment" else "gain"

    @property
    def problem(self) -> str:
        """The sentence about invalid settings; empty if they are valid."""
        return str(self.forms[self.verb].problem or self.member.problem)

    def value(self) -> SegmentSettings | GainSettings:
        """Return the settings as shown; arms without pairs are left out."""
        values = self.forms[self.verb].value.model_dump() | {
            "segmenter": self.member.value.model_dump(),
            "arms": self.arms.value(),
            "steps": self.steps.value(),
        }
        if self.verb == "segment":
            return SegmentSettings.parse(values)
        return GainSettings.parse(values | {"design": self.test_by.currentData(), "repeats": self.repeats.value()})

    def as_gain(self) -> GainSettings:
        """Return the same as settings of the one engine."""
        value = self.value()
        return value.as_gain() if isinstance(value, SegmentSettings) else value

    def setValue(self, settings: SegmentSettings | GainSettings) -> None:
        """Show settings."""
        verb = "gain" if isinstance(settings, GainSettings) else "segment"
        name = settings.segmenter.name
        design = settings.design if isinstance(settings, GainSettings) else "segment"
        with QSignalBlocker(self.test_by):
            if self.test_by.findData(design) < 0:
                self.test_by.addItem("images put aside", design)
            self.test_by.setCurrentIndex(self.test_by.findData(design))
        self.segmenter.setCurrentIndex(self.segmenter.findData(name))
        self._change_member()
        self.member.show_value(settings.segmenter)
        self.forms[verb].show_value(settings)
        self.steps.setValue(settings.steps)
        if isinstance(settings, GainSettings):
            self.repeats.setValue(settings.repeats)
        self.arms.setValue(settings.arms)
        self._edited()

    # --- what is possible ---

    def show_counts(self, counts: Counts) -> None:
        """Say on how many pairs each arm trains."""
        self.counts = counts
        self.show_fitting()

    def show_fitting(self) -> None:
        """Show the fields of the chosen way of testing, and the arms that it allows."""
        quick, counts = self.verb == "segment", self.counts
        for verb, form in self.forms.items():
            form.visible = verb == self.verb
        show_row(self.testing, self.repeats, not quick)
        self.groups.setVisible(not quick)
        form = self.forms["gain"]
        self.optimistic.setVisible(not quick and bool(form["paper_protocol"].value or form["masks_on_all"].value))
        pairs = plural(counts.train, "pair")
        notes = {
            "": pairs,
            "pasted": "+ pasted",
            "simulated": "+ simulated",
            "synthetic": f"+ {counts.synthetic:,} synthetic" if counts.synthetic else "none made yet",
            "curated": f"+ {counts.accepted:,} accepted" if counts.accepted else "none accepted yet",
        }
        missing = {"synthetic": counts.synthetic, "curated": counts.accepted}
        for arm in self.arms.boxes:
            data = data_of(arm)
            note = notes[data] if quick else PRETRAIN if arm == "pretrain" else ""
            self.arms.allow(arm, not quick or missing.get(data, 1) > 0, note)

    def plan(self, table: PairTable | None) -> tuple[int, int, str]:
        """Return the number of folds and of groups, and why there are none; show which images belong together."""
        if table is None or self.verb == "segment":
            return int(self.verb == "segment"), 0, ""
        entries = [entry for entry in table.matched if entry.masks]
        try:
            settings = self.as_gain()
            grouping = find_fold_groups(entries, settings.group_pattern, table.groups)
            about = [f"{grouping.description}.", *([f"! {grouping.warning}"] if grouping.warning else [])]
            self.groups.setText("\n".join(about))
            held = [entry.name for entry in entries if entry.split == "test"]
            folds = make_folds(
                grouping.groups,
                settings.design,
                settings.folds,
                settings.test_share,
                held,
                settings.seed,
                grouping.series,
                grouping.strata,
            )
        except UserError as error:
            return 0, 0, str(error)
        about[0] = f"{about[0]} {folds_sentence(folds)}"
        self.groups.setText("\n".join(about))
        return len(folds), len(set(grouping.groups.values())), ""
