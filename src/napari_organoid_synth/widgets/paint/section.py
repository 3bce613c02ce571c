"""The folded section "Paint" of the Generate dock: paints with the run, seed and class that are chosen above."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QWidget

from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.paint.panel import PaintPanel
from napari_organoid_synth.widgets.paint.session import PaintOptions
from napari_organoid_synth.widgets.shared.first_painter import NOW
from napari_organoid_synth.widgets.shared.runs import RunInfo
from napari_organoid_synth.widgets.shared.workspace import Workspace


class PaintSection(Fold):
    """`PaintPanel` below its title.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Gets the layers of a painting.
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__("Paint", parent)
        self._workspace = Workspace.of(viewer)
        self.panel = PaintPanel(viewer)
        self.addWidget(self.panel)
        self.toggled.connect(self._prepare)

    def _prepare(self, is_open: bool) -> None:
        if is_open and self._workspace.project is not None:
            self.panel.launcher.prepare()

    def show_choices(self, info: RunInfo | None, settings: GenerateSettings) -> None:
        """Paint with this run and these settings.

        Parameters
        ----------
        info : RunInfo, optional
            The run that is chosen.
        settings : GenerateSettings
            Seed, class, variety and checkpoint.
        """
        problem = info.problem if info is not None else "Choose a run."
        self.panel.set_model(self._model(info), settings.checkpoint, problem)
        classes = info.image_classes if info is not None else ()
        image_class = classes.index(settings.image_class) if settings.image_class in classes else 0
        self.panel.set_options(PaintOptions(settings.seed, image_class, settings.variety))

    def _model(self, info: RunInfo | None) -> Path | None:
        """Return what the renderer opens: the folder of a run, or of the project to paint with its pairs at once."""
        project = self._workspace.project
        if project is None or info is None or info.problem or info.shape not in ("", "painter"):
            return None
        return Path(project.path) if info.name == NOW else Path(project.path) / "runs" / info.name

    def start_on_layer(self, layer: Any) -> None:
        """Unfold, and begin to paint on a labels layer."""
        self.expand(animate=False)
        self.panel.start_on_layer(layer)

    def start_on_sample(self, id: str) -> None:
        """Unfold, and begin to change a sample of the gallery."""
        self.expand(animate=False)
        self.panel.start_on_sample(id)
