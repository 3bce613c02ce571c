"""The one contrast with which all pictures of a project are shown: that of its real images, or chosen by a person."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.pairs.thumbnail import Contrast
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread
from napari_organoid_synth.widgets.shared.workspace import Workspace

KEY = "contrast"
"""Under which the choice is remembered in the project."""


class ProjectContrast(QObject):
    """The contrast of the open project; get it with `ProjectContrast.of`.

    Parameters
    ----------
    workspace : Workspace
        Whose child it becomes.

    Attributes
    ----------
    automatic, chosen : tuple of (float, float)
        For each channel shown the pixel values that become black and white: those of the real images (of the samples
        where there are none), and those that a person chose; empty for none.
    is_colour : bool
        Whether the images are in 8-bit colours, which are shown as they are.
    changed : Signal()
    """

    changed = Signal()

    @classmethod
    def of(cls, viewer: Any) -> ProjectContrast:
        """Return that of a viewer, made when first asked for."""
        workspace = Workspace.of(viewer)
        found: ProjectContrast | None = workspace.findChild(cls)
        return found or cls(workspace)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._workspace, self._background = workspace, Background(self)
        self.automatic: Contrast = ()
        self.chosen: Contrast = ()
        self.is_colour = False
        workspace.projectChanged.connect(self._open)
        workspace.pairsChanged.connect(lambda _: self._measure())
        workspace.samplesChanged.connect(self._measure_samples)
        self._open(workspace.project)
        self._measure()

    @property
    def limits(self) -> Contrast:
        """What pictures are drawn with; empty while it is not known."""
        return self.chosen or self.automatic

    def bounds(self) -> tuple[float, float]:
        """Return the lowest and highest value that a person may choose."""
        table = self._workspace.pairs
        is_8_bit = table is not None and any(entry.dtype == "uint8" for entry in table.matched)
        if is_8_bit or not self.limits:
            return 0.0, 255.0
        lows, highs = zip(*(self.automatic or self.limits), strict=True)
        return min(0.0, *lows), 2 * max(highs) - min(lows)

    def choose(self, limits: Contrast) -> None:
        """Draw everything with these limits; empty: with those of the real images."""
        if limits != self.chosen:
            self.chosen = limits
            self._workspace.remember(KEY, {"limits": [list(one) for one in limits]})
            self.changed.emit()

    def attach(self, thread: StoreThread) -> None:
        """Let a thread draw its thumbnails with this contrast, now and after each change."""
        self.changed.connect(thread.contrast_changed)
        thread.follow_contrast(self)

    # --- of the project ---

    def _open(self, _: Project | None) -> None:
        kept = self._workspace.remembered(KEY).get("limits")
        self.chosen, self.automatic = _limits(kept), ()
        self.changed.emit()

    def _measure(self) -> None:
        """Take the contrast from the table of real pairs, reading images only where the table does not know it."""
        project, table = self._workspace.project, self._workspace.pairs
        entries = table.matched if table is not None else ()
        self.is_colour = any(entry.channel_names == RGB and entry.dtype == "uint8" for entry in entries)
        if project is None or table is None or not entries:
            self._take(())
            self._measure_samples()
            return
        from napari_organoid_synth.core.pairs.contrast import known_contrast, real_contrast

        known = known_contrast(table)
        if known:
            self._take(known)
        else:
            self._background.do(
                lambda: real_contrast(table),
                lambda found: self._take(found) if table is self._workspace.pairs else None,
                lambda _: None,
            )

    def _measure_samples(self) -> None:
        """Without real images all samples have the contrast of some of them."""
        project = self._workspace.project
        if self.automatic or project is None or not project.samples_path.exists():
            return
        if self._workspace.pairs is not None and self._workspace.pairs.matched:
            return  # the answer is on its way

        def measure() -> Contrast:
            from napari_organoid_synth.core.samples.store import SampleStore

            with SampleStore(project.samples_path) as store:
                return store.contrast()

        self._background.do(
            measure, lambda found: self._take(found) if project is self._workspace.project else None, lambda _: None
        )

    def _take(self, limits: Contrast) -> None:
        if limits != self.automatic:
            self.automatic = limits
            if len(self.chosen) != len(limits):  # chosen for other images
                self.chosen = ()
            self.changed.emit()


def _limits(kept: Any) -> Contrast:
    """Read limits as remembered; none where they are not such."""
    try:
        return tuple((float(low), float(high)) for low, high in kept or ())
    except (TypeError, ValueError):
        return ()
