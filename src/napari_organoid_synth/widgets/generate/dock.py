"""The Generate dock: choose run, masks and number; the pairs appear as tiles."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QPushButton,
    QSlider,
    QSpinBox,
    QToolButton,
)

from napari_organoid_synth.core.job import Event, Failed, Finished, Started
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import rows, show_row
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel, plain
from napari_organoid_synth.widgets.generate.drawn_mask import mask_path, save_mask
from napari_organoid_synth.widgets.generate.layout_list import LayoutList
from napari_organoid_synth.widgets.generate.layout_panel import LayoutPanel
from napari_organoid_synth.widgets.generate.mask_source import (
    FROM_REAL,
    MASKS,
    cannot_draw,
    fitting_drawers,
    layer_need,
    mask_choice,
    need_of,
)
from napari_organoid_synth.widgets.generate.strip import SampleStrip
from napari_organoid_synth.widgets.live.sections import LiveSections
from napari_organoid_synth.widgets.paint.section import PaintSection
from napari_organoid_synth.widgets.shared.advice_label import AdviceLabel
from napari_organoid_synth.widgets.shared.contrast import ProjectContrast
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named, row_of
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.drop import are_models, dropped_files
from napari_organoid_synth.widgets.shared.first_painter import NOW, painter_now
from napari_organoid_synth.widgets.shared.layers import look_at, show_pair, shows_pair
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.model_files import ModelIntake
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.runs import RunInfo, describe_card, import_run, list_runs, saved_states
from napari_organoid_synth.widgets.shared.sample_layers import SampleLayers
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

PURPOSE = (
    "Makes synthetic pairs: an image and the mask that belongs to it. A painter without training uses pieces of your "
    "own images and is ready now; a trained generator invents. Keep the good ones in Curate and export them."
)
EVERY_CLASS = "each in turn"
NOT_REMEMBERED = ("run", "checkpoint", "mask_run", "mask_file", "mask_tiles", "first", "near", "distance")
"""Not remembered: a project starts with its newest run, and a drawn mask must be chosen again."""
SHOWN_ABOVE = (*NOT_REMEMBERED, "masks", "cover", "contact", "image_class", "number", "seed", "variety")


class GenerateWidget(ColumnDock):
    """Make synthetic pairs from a trained run.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        ways_out = {"Train a generator": lambda: open_dock(self.viewer, "Train")}
        super().__init__(viewer, "generate", PURPOSE, ways_out)
        self.setAcceptDrops(True)
        self.runner = self.workspace.runner("generate")
        self.scorer = self.workspace.runner("score")
        self._runs: list[RunInfo] = []
        self._newest = ""  # the run that is chosen while a person has chosen none
        self._build()
        self.runner.event.connect(self._show_event)
        self.runner.finished.connect(self._finished)
        self.runner.failed.connect(self._failed)
        self.runner.stateChanged.connect(self._judge)
        self.scorer.event.connect(self._show_scoring)
        self.workspace.projectChanged.connect(self._open)
        self.workspace.runsChanged.connect(self._list_runs)
        self.workspace.pairsChanged.connect(self._list_runs)
        self.workspace.samplesChanged.connect(self._show_newest)
        self._open(self.workspace.project)

    # --- build ---

    def _build(self) -> None:
        self._build_choices()
        self._build_rows()
        self._build_results()
        self._connect()
        self.setValue(GenerateSettings())

    def _build_choices(self) -> None:
        """Build the editors."""
        self.run_combo, self.mask_choice = combo_box(), mask_choice()
        self.layout_list = LayoutList(self.mask_choice.native, {key: text for key, (_, text) in MASKS.items()})
        self.state_combo, self.drawer_combo, self.class_combo = combo_box(), combo_box(), combo_box()
        self.open_button = QToolButton()
        self.open_button.setText("…")
        tip = "Use a model file (.synth) or a run of another project; it can also be dropped here."
        named(self.open_button, "Open a model file or a run", tip)
        self.open_button.clicked.connect(lambda: self.guard(self._choose_run))
        self.number, self.seed = QSpinBox(), QSpinBox()
        self.number.setRange(1, 100_000)
        self.seed.setRange(0, 2**31 - 1)
        self.dice = QToolButton()
        self.dice.setText("⟳")
        named(self.dice, "Another seed", "Choose a random seed: other pairs from the same run.")
        self.dice.clicked.connect(lambda: self.seed.setValue(random.randrange(100_000)))
        self.variety = QSlider(Qt.Orientation.Horizontal)
        self.variety.setRange(0, 200)
        self.variety.setPageStep(25)
        self.variety_label = PlainLabel()
        self.variety_label.setMinimumWidth(28)
        for editor in (self.number, self.seed, self.variety):
            guard_wheel(editor)

    def _build_rows(self) -> None:
        """Lay the editors out, each with its name and tooltip."""
        form = self.rows = rows()
        add_row(form, "From", row_of(self.run_combo, self.open_button), "The trained run that draws.")
        named(self.run_combo, "From", "The trained run that draws; the newest comes first.")
        add_row(form, "Checkpoint", self.state_combo, "The checkpoint that draws: the newest, the best, or a step.")
        add_row(form, "Masks", self.mask_choice.native, "What the generator paints on.")
        add_row(form, "Drawn by", self.drawer_combo, "The run that draws the masks; the newest comes first.")
        self.need = WrapLabel()
        self.need.setAccessibleName("What these masks need")
        form.addRow(self.need)
        self.layouts = LayoutPanel()
        form.addRow(self.layouts)
        tip = "Class of the images that are drawn (healthy, a grade)."
        add_row(form, "Class", self.class_combo, tip)
        add_row(form, "Number", self.number, "Pairs to make, 1 to 100,000.")
        tip = "The same seed goes on with other noise; in another project it gives the same pairs."
        add_row(form, "Seed", row_of(self.seed, self.dice), tip)
        named(self.seed, "Seed", tip)
        tip = "How much images differ: spread of the noise that they are made from. 0 to 2, usually 1."
        add_row(form, "Variety", row_of(self.variety, self.variety_label), tip)
        named(self.variety, "Variety", tip)
        self.column.addWidget(AdviceLabel(self.workspace))
        self.column.addLayout(form)
        self.form = settings_form(GenerateSettings, shown=(), hidden=SHOWN_ABOVE)
        self.column.addWidget(self.form.native)
        self.painting = PaintSection(self.viewer)
        self.live = LiveSections(self.viewer, self.painting.panel)
        for section in (self.painting, self.live):
            self.column.addWidget(section)

    def _build_results(self) -> None:
        """Build progress, outcome and the newest samples."""
        self.intake = ModelIntake(self)
        self.intake.arrived.connect(self.use_run)
        self.progress = ProgressCard(self.runner, "Stop and keep", "pair")
        self.put_above_button(self.intake, self.progress, self.outcome)
        self.look = QPushButton("Look at samples")
        named(self.look, "Look at samples", "Opens the gallery of Curate.")
        self.look.clicked.connect(lambda: open_dock(self.viewer, "Curate"))
        self.column.addWidget(self.look)
        self.strip = SampleStrip(contrast=ProjectContrast.of(self.viewer))
        self.strip.opened.connect(self._show_layers)
        self.strip.failed.connect(self.show_error)
        self.column.addWidget(self.strip)
        self.copy_button = self.command_button(lambda: ("generate", self.value()))
        self.column.addWidget(self.copy_button)

    def _connect(self) -> None:
        self.run_combo.currentIndexChanged.connect(self._run_chosen)
        for combo in (self.state_combo, self.drawer_combo, self.class_combo):
            combo.currentIndexChanged.connect(self._edited)
        self.mask_choice.changed.connect(self._edited)
        self.layouts.changed.connect(self._edited)
        self.layouts.found.connect(self.layout_list.show_found)
        for editor in (self.number, self.seed, self.variety):
            editor.valueChanged.connect(self._edited)
        self.form.changed.connect(self._edited)

    # --- value ---

    def value(self) -> GenerateSettings:
        """Return the settings as shown; a chosen layer appears as the file it will be saved to."""
        layer = self._layer()
        settings = self.form.value
        masks = "file" if layer is not None else self.mask_choice.value
        return GenerateSettings.parse(
            settings.model_dump()
            | {
                "run": self.run_combo.currentData() or "",
                "checkpoint": self.state_combo.currentData() or "newest",
                "masks": masks,
                **self.layouts.value(),
                "mask_run": (self.drawer_combo.currentData() or "") if masks == "generated" else "",
                "image_class": self.class_combo.currentData() or "",
                "mask_file": str(mask_path(self.workspace.project, layer)) if layer is not None else "",
                "number": self.number.value(),
                "seed": self.seed.value(),
                "variety": self.variety.value() / 100,
            }
        )

    def setValue(self, settings: GenerateSettings) -> None:
        """Show settings; a run or mask that does not exist leaves the choice as it is."""
        self.form.show_value(settings)
        self.number.setValue(settings.number)
        self.seed.setValue(settings.seed)
        self.variety.setValue(round(settings.variety * 100))
        self.layouts.setValue(settings)
        for combo, wanted in (
            (self.run_combo, settings.run),
            (self.state_combo, settings.checkpoint),
            (self.drawer_combo, settings.mask_run),
            (self.class_combo, settings.image_class),
        ):
            if (index := combo.findData(wanted)) >= 0:
                combo.setCurrentIndex(index)
        if settings.masks in MASKS:
            self.mask_choice.value = settings.masks

    def use_layer(self, layer: Any) -> None:
        """Paint on this labels layer."""
        self.reset_choices()
        if layer in self.mask_choice.choices:
            self.mask_choice.value = layer

    def paint_on(self, layer: Any) -> None:
        """Open the section that paints, on this labels layer."""
        self.painting.start_on_layer(layer)

    def change_sample(self, id: str) -> None:
        """Paint on a sample of the gallery."""
        self.painting.start_on_sample(id)

    def _layer(self) -> Any | None:
        chosen = self.mask_choice.value
        return None if chosen in MASKS else chosen

    # --- what there is ---

    def _open(self, project: Project | None) -> None:
        self.show_outcome("")
        self.error.hide()
        self._restoring = True
        self.reset_choices()
        self._list_runs()
        before = self.workspace.remembered(self.key)  # warped masks were the default before there was a warp
        forgotten = ("masks",) if "warp" not in before and before.get("masks") == "warped" else ()
        self.restore(GenerateSettings, self.setValue, without=(*NOT_REMEMBERED, *forgotten))
        self._show_newest()

    def _list_runs(self) -> None:
        project = self.workspace.project
        self._runs = list_runs(project) if project is not None else []
        if (now := painter_now(self.workspace.pairs)) is not None and project is not None:
            self._runs.append(now)
        chosen = self.run_combo.currentData()
        usable = [run for run in self._runs if not cannot_draw(run)] or self._runs
        kept = [run for run in self._runs if run.name == chosen != self._newest]
        self._newest = usable[0].name if usable else ""
        with QSignalBlocker(self.run_combo):
            self.run_combo.clear()
            for info in self._runs:
                self.run_combo.addItem(info.title, info.name)
                self.run_combo.setItemData(self.run_combo.count() - 1, info.name, Qt.ItemDataRole.ToolTipRole)
            self.run_combo.setCurrentIndex(self.run_combo.findData(kept[0].name if kept else self._newest))
        if project is None:
            self.show_body(PURPOSE + " Open a project first.")
        elif not self._runs:
            sentence = (
                " This project has neither pairs to paint with nor a trained generator. Drop images and masks in "
                "Pairs, or a model file (.synth) here."
            )
            self.show_body(PURPOSE + sentence)
        else:
            self.show_body()
        self._run_chosen()

    def use_run(self, name: str) -> None:
        """Choose the run that draws."""
        self.run_combo.setCurrentIndex(max(self.run_combo.findData(name), 0))

    def _run_chosen(self, *_: object) -> None:
        """Offer the checkpoints and classes of the chosen run, and the masks that fit it."""
        info = self._info()
        classes = info.image_classes if info is not None else ()
        drawers = fitting_drawers(self._runs, info)
        for combo, items in (
            (self.state_combo, [(label, value) for value, label in saved_states(info)]),
            (self.drawer_combo, [(run.title, run.name) for run in drawers]),
            (self.class_combo, [(EVERY_CLASS, ""), *((name, name) for name in classes)]),
        ):
            chosen = combo.currentData()
            with QSignalBlocker(combo):
                combo.clear()
                for label, value in items:
                    combo.addItem(label, value)
                combo.setCurrentIndex(max(combo.findData(chosen), 0) if items else -1)
        self._edited()

    def reset_choices(self, _: object = None) -> None:
        """Offer the layers that there are; napari calls this when they change."""
        self.mask_choice.reset_choices()
        self.layout_list.refresh()
        self.painting.panel.reset_choices()
        self._judge()

    def _show_newest(self) -> None:
        project = self.workspace.project
        self.strip.show_store(project.samples_path if project is not None else None)
        made = 0
        if project is not None and project.samples_path.exists():
            made = sum((self.guard(lambda: self.workspace.store.counts()) or {}).values())  # type: ignore[union-attr]
        self.look.setVisible(made > 0)

    def _info(self) -> RunInfo | None:
        return next((run for run in self._runs if run.name == self.run_combo.currentData()), None)

    # --- edits ---

    def _edited(self, *_: object) -> None:
        info = self._info()
        card = f"\n{describe_card(info.card)}" if info is not None and info.card else ""
        tip = f"{self.run_combo.currentText()}\nThe trained run that draws; the newest comes first.{card}"
        self.run_combo.setToolTip(plain(tip))
        self.variety_label.setText(f"{self.variety.value() / 100:.2f}")
        self._judge()
        for section in (self.painting, self.live):
            section.show_choices(info, self.value())
        if self.workspace.project is not None and self._runs and not self.form.problem:
            self.remember(self.value(), without=NOT_REMEMBERED)

    def _judge(self, *_: object) -> None:
        info = self._info()
        count = self.number.value()
        pairs = f"{count:,} pair{'s' if count != 1 else ''}"
        now = info is not None and info.name == NOW
        self.button.setText(f"Paint {pairs} now, no training" if now else f"Make {pairs}")
        self.button.setAccessibleDescription("Draws the pairs in a separate process; the window stays responsive.")
        paints = info is None or info.shape in ("", "painter")
        source = "file" if self._layer() is not None else self.mask_choice.value
        need, missing = self._need(source) if paints else ("", "")
        show_row(self.rows, self.state_combo, info is not None and len(info.steps) > 1)
        show_row(self.rows, self.mask_choice.native, paints)
        show_row(self.rows, self.drawer_combo, paints and source == "generated" and self.drawer_combo.count() > 0)
        show_row(self.rows, self.class_combo, self.class_combo.count() > 1)
        self.layouts.setVisible(paints and source in FROM_REAL)
        if paints and not self.form.problem:
            self.layouts.show_layout(self.workspace.pairs, source, self.value())
        self.need.setText(need)
        self.need.setVisible(bool(need))
        if self.runner.running:
            self.allow("Pairs are being made. Stop the job to change settings.")
        elif info is None:
            self.allow("Choose a run.")
        else:
            self.allow(cannot_draw(info) or self.form.problem or missing)

    def _need(self, source: str) -> tuple[str, str]:
        """Return what the chosen masks use, and what is missing."""
        layer, info = self._layer(), self._info()
        if layer is not None:
            return layer_need(layer, info)
        drawers = {run.name: run for run in self._runs}
        return need_of(source, info, self.workspace.pairs, drawers.get(self.drawer_combo.currentData() or ""))

    # --- run ---

    def run(self) -> None:
        """Start the job, after saving a drawn mask."""
        project = self.workspace.project
        if project is None or self.runner.running:
            return
        self.error.dismiss()
        settings, layer = self.value(), self._layer()
        if layer is not None:
            save_mask(Path(settings.mask_file), layer)
        self.show_outcome("")
        self.runner.start("generate", project, settings)

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Finished):
            added, refused = event.result.get("added", event.step), event.result.get("refused", 0.0)
            sentence = f"{added:,} new pair{'s' if added != 1 else ''}."
            if event.reason == "canceled":
                sentence = f"Stopped. {added:,} pair{'s were' if added != 1 else ' was'} kept."
            if refused and refused > 0.05:
                sentence += (
                    f" {refused:.0%} of the masks were empty, too full or had too few objects and were replaced."
                )
            if known := event.result.get("known", 0):
                sentence += f" {plural(known, 'pair')} not added: the same pixels and mask are there already."
            self.show_outcome(sentence)

    def _finished(self, _: str) -> None:
        self._show_newest()
        if self.workspace.project is not None and self.run_combo.currentData() == NOW:
            self.workspace.runsChanged.emit()
            self.use_run(str(self.runner.result.get("run", "")))

    def _failed(self, failed: Failed) -> None:
        self.show_error(failed)
        self._show_newest()

    def _show_scoring(self, event: Event) -> None:
        sentence = self.outcome.text().partition(" Scor")[0]
        if isinstance(event, Started):
            self.show_outcome(f"{sentence} Scoring them…".strip())
        elif isinstance(event, Finished) and event.reason == "completed":
            self.show_outcome(f"{sentence} Scored: sort by any score in Curate.".strip())
        elif isinstance(event, Failed):
            self.show_outcome(f"{sentence} Scores are missing: {event.found}".strip())

    def _show_layers(self, pair: SamplePair) -> None:
        for layer in [layer for layer in self.viewer.layers if shows_pair(layer, pair.name)]:
            self.viewer.layers.remove(layer)
        shown = show_pair(self.viewer, pair)
        SampleLayers.of(self.viewer).adopt(*shown)
        look_at(self.viewer, shown)

    # --- runs from elsewhere ---

    def _choose_run(self) -> None:
        kinds = "Model files and runs (*.synth *.safetensors recipe.yaml)"
        path, _ = QFileDialog.getOpenFileName(self, "Open a model file or a run", "", kinds)
        if path:
            self.take_run(Path(path))

    def take_run(self, path: Path) -> None:
        """Use a model file, a run folder or a checkpoint; it is copied into the project when it lies elsewhere.

        Raises
        ------
        UserError
            If it is not a run, or there is no project.
        """
        if are_models([path]):
            self.intake.take([path])
            return
        project = self.workspace.project or self.workspace.ensure_project()
        name = import_run(project, path)
        self.workspace.runsChanged.emit()
        self.use_run(name)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Accept drags of files and folders."""
        if a0 is not None and dropped_files(a0):
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Choose the model file, run folder or checkpoint that is dropped."""
        if a0 is not None and (paths := dropped_files(a0)):
            self.guard(lambda: self.take_run(paths[0]))

    def closeEvent(self, a0: Any) -> None:
        """Close the database."""
        self.strip.close_store()
        self.layouts.close_thread()
        self.live.close_live()
        self.painting.panel.close_painting()
        super().closeEvent(a0)
