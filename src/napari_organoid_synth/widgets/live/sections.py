"""The folded sections "Light and noise" and "Walk" of the Generate dock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.live.controls import LiveControls
from napari_organoid_synth.widgets.live.keep_drawn import drawn_pair, keep_drawn
from napari_organoid_synth.widgets.live.light_panel import LightPanel
from napari_organoid_synth.widgets.live.noise import NoiseDrawing
from napari_organoid_synth.widgets.live.target import LiveTarget
from napari_organoid_synth.widgets.live.walk_panel import WalkPanel
from napari_organoid_synth.widgets.paint.keep import learned_from
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.cards import ErrorCard
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.first_painter import NOW
from napari_organoid_synth.widgets.shared.runs import RunInfo
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.workspace import Workspace

PAINT_FIRST = "Start painting above: the image of that painting follows these controls."
DRAW_FIRST = "Draws image and mask as two layers, which follow these controls."
KEEP_TIP = "Saves image and mask as a sample, with the record of how they were made."
NOTHING = "Choose a generator above."
FILES = "GIF (*.gif);;MP4 (*.mp4);;Stack of TIFF (*.tif)"


class LiveSections(QWidget):
    """Both sections; they act on the painting that is open, or on what a joint generator draws.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    paint : PaintPanel
        Tells when a painting begins and ends.
    """

    def __init__(self, viewer: Any, paint: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace, self.paint = Workspace.of(viewer), paint
        self._info: RunInfo | None = None
        self._model: tuple[Path, str] | None = None
        self.light_panel, self.walk_panel, self.error = LightPanel(), WalkPanel(), ErrorCard()
        self.controls = LiveControls(viewer, paint.renderer, self.light_panel, self.walk_panel, self)
        self.drawing = NoiseDrawing(viewer, paint.renderer, self)
        self._background = Background(self)
        self._build()
        paint.sessionChanged.connect(self._follow_painting)
        paint.launcher.changed.connect(self._see_model)
        self.drawing.began.connect(self._follow)
        self.drawing.drawn.connect(self._judge_keep)
        self.controls.told.connect(self._tell)
        self.controls.failed.connect(self.error.show_error)
        self.walk_panel.filmAsked.connect(self._ask_file)
        self.light_panel.valueChanged.connect(self._record_light)
        self.light_panel.lookChanged.connect(self._record_light)
        self.workspace.pairsChanged.connect(self._show_pairs)
        self._follow(None)

    def _build(self) -> None:
        self.light_fold, self.walk_fold = Fold("Light and noise"), Fold("Walk")
        self.hints = (WrapLabel(), WrapLabel())
        self.outcome = WrapLabel()
        self.outcome.setAccessibleName("State of variations and animation")
        self.draw_button = QPushButton("Draw image and mask")
        named(self.draw_button, "Draw image and mask", DRAW_FIRST)
        self.draw_button.clicked.connect(self._draw)
        self.keep_button = QPushButton("Keep this pair")
        named(self.keep_button, "Keep this pair", KEEP_TIP)
        self.keep_button.clicked.connect(self._keep)
        for fold, hint, panel in zip(
            (self.light_fold, self.walk_fold), self.hints, (self.light_panel, self.walk_panel), strict=True
        ):
            hint.setAccessibleName(f"What {fold.title} acts on")
            fold.addWidget(hint)
            fold.addWidget(panel)
        self.walk_fold.content().layout().insertWidget(1, self.draw_button)
        self.walk_fold.addWidget(self.keep_button)
        self.walk_fold.addWidget(self.outcome)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for widget in (self.light_fold, self.walk_fold, self.error):
            column.addWidget(widget)

    def show_choices(self, info: RunInfo | None, settings: GenerateSettings) -> None:
        """Walk from what is chosen above.

        Parameters
        ----------
        info : RunInfo, optional
            The run that is chosen.
        settings : GenerateSettings
            Seed, class, variety and checkpoint.
        """
        project, usable = self.workspace.project, info is not None and not info.problem and info.name != NOW
        model = Path(project.path) / "runs" / info.name if project is not None and info is not None and usable else None
        chosen = None if model is None else (model, settings.checkpoint)
        if chosen != self._model and self.drawing.is_open:
            self.drawing.end()
            self._follow(None)
        self._info, self._model = info, chosen
        classes = info.image_classes if info is not None else ()
        image_class = classes.index(settings.image_class) if settings.image_class in classes else 0
        self.controls.set_base(
            WalkSettings(seed=settings.seed, variety=settings.variety, class_from=image_class, class_to=image_class)
        )
        self._judge()

    # --- what is acted on ---

    def _follow_painting(self, session: Any) -> None:
        if session is None:
            if not self.drawing.is_open:
                self._follow(None)
            return
        self.drawing.end()
        exclude = tuple(session.options.exclude)
        mask, size = (lambda: session.follower.sent), session.layers.pair.pixel_size
        self._follow(LiveTarget(session.canvas, session.model, self._walk_painting, mask, exclude, size))

    def _walk_painting(self, place: WalkSettings) -> bool:
        """Paint at another place; where the choices above say the same, as without a walk."""
        return bool(self.paint.launcher.set_walk(None if self.controls.is_base(place) else place))

    def _see_model(self) -> None:
        """Offer what another model offers that the painting goes on with."""
        session, target = self.paint.session, self.controls.target
        if session is None or target is None or target.canvas != session.canvas:
            return
        if target.model is not session.model:
            self._follow_painting(session)

    def _follow(self, target: LiveTarget | None) -> None:
        self.error.dismiss()
        self._tell("")
        self.controls.follow(target)
        self._show_pairs()
        self._judge()

    def _draw(self) -> None:
        if self._model is not None:
            self.drawing.start(*self._model)

    def _judge(self) -> None:
        """Show the panels where there is something to act on, else what to do."""
        acts = self.controls.target is not None
        joint = self._info is not None and self._info.shape not in ("", "painter") and not self._info.problem
        hint = NOTHING if self._info is None else DRAW_FIRST if joint else PAINT_FIRST
        for label in self.hints:
            label.setText(hint)
            label.setVisible(not acts)
        self.light_panel.setVisible(acts)
        self.walk_panel.setVisible(acts)
        self.draw_button.setVisible(joint and not acts and self._model is not None)
        self._judge_keep()

    def _judge_keep(self) -> None:
        drawing = self.drawing.newest
        self.keep_button.setVisible(drawing is not None and drawing.is_pair)

    def _keep(self) -> None:
        """Save image and mask as they are now, in the background."""
        drawing, light = self.drawing.newest, dict(self.paint.keeper.light)
        if drawing is None:
            return
        self.error.dismiss()
        samples = self.workspace.ensure_project("drawn").samples_path
        self.keep_button.setEnabled(False)

        def keep() -> str:
            return keep_drawn(drawn_pair(drawing, light, learned_from(drawing.path)), samples)

        self._background.do(keep, self._kept, self._not_kept)

    def _kept(self, id: str) -> None:
        self.keep_button.setEnabled(True)
        self._tell(f"Kept as '{id}'. It is new in Curate.")
        self.workspace.samplesChanged.emit()

    def _not_kept(self, error: BaseException) -> None:
        self.keep_button.setEnabled(True)
        self.error.show_error(error)

    def _record_light(self, _: object = None) -> None:
        """Tell what a kept painting records of its light."""
        look = self.light_panel.look_name
        changes = self.light_panel.value().model_dump(exclude_defaults=True)
        self.paint.keeper.light = changes | ({"look": look} if look else {})

    def _show_pairs(self, _: object = None) -> None:
        target = self.controls.target
        channels = None if target is None else int(target.model.get("image_channels") or 0) or None
        self.light_panel.show_pairs(self.workspace.pairs, channels)

    # --- films ---

    def _ask_file(self, places: Sequence[WalkSettings], back: bool) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save as animation", "walk.gif", FILES)
        if path:
            self.error.dismiss()
            self.controls.save_film(Path(path), places, back)

    def _tell(self, sentence: str) -> None:
        self.outcome.setText(sentence)
        self.outcome.setVisible(bool(sentence))

    def close_live(self) -> None:
        """Stop, and end the threads; called when the dock closes."""
        self.drawing.end()
        self._background.close()
        self.controls.close()
        self.light_panel.close_thread()
