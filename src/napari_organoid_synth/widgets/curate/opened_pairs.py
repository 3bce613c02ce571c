"""Pairs of the gallery that are opened as layers: shown, compared with real tiles, their masks saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.synthesis.provenance import drawn_sentence, painted_sentence
from napari_organoid_synth.widgets.shared.sample_layers import MAX_OPENED, SampleLayers
from napari_organoid_synth.widgets.shared.store_tasks import read_with_nearest, save_masks
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread


class OpenedPairs(QObject):
    """Opens pairs as layers and saves their masks; pixels are read in the background.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QObject

    Attributes
    ----------
    layers : SampleLayers
        Those of the viewer.
    thread : StoreThread, optional
        Of the project that is open.
    message : Signal(str)
        What happened.
    failed : Signal(Exception)
    saved : Signal(list of str)
        Ids of the samples whose mask was saved.
    """

    message = Signal(str)
    failed = Signal(object)
    saved = Signal(list)

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self.layers = viewer, SampleLayers.of(viewer)
        self.thread: StoreThread | None = None

    def _ask(self, task: Callable[[SampleStore], Any], done: Callable[[Any], None]) -> None:
        if self.thread is not None:
            self.thread.submit(task, done, self.failed.emit)

    def open(self, ids: Sequence[str]) -> None:
        """Open pairs, image and labels each."""
        if len(ids) > MAX_OPENED:
            self.message.emit(f"Opened the first {MAX_OPENED} of {len(ids):,}.")
        chosen = list(ids[:MAX_OPENED])
        self._ask(lambda store: [(id, store.pair(id)) for id in chosen], self._show)

    def _show(self, pairs: list[tuple[str, SamplePair]]) -> None:
        from napari_organoid_synth.widgets.shared.layers import look_at

        if self.thread is None:
            return
        shown = [layer for id, pair in pairs for layer in self.layers.show(self.thread, id, pair)]
        if len(pairs) == 1:
            record = pairs[0][1].source.provenance
            if origin := " ".join(filter(None, (drawn_sentence(record), painted_sentence(record)))):
                self.message.emit(origin)
        if shown:
            look_at(self._viewer, shown)

    def update(self, ids: Sequence[str]) -> None:
        """Bring the mask layers of open pairs up to date."""
        open_now = [(id, layer) for id, layer in self.layers.masks(self.thread) if id in set(ids)]
        if open_now:
            self._ask(lambda store: [(layer, store.pair(id)) for id, layer in open_now], self.layers.update)

    def open_beside_real(self, id: str, project: Project) -> None:
        """Open a pair and, right of it, the real tile that it resembles most."""

        def show(pairs: tuple[SamplePair, SamplePair]) -> None:
            sample, real = pairs
            if self.thread is not None:
                self.layers.show_beside(self.thread, id, sample, real)
                self.message.emit(f"Right: {real.name}, the most similar real image.")

        if self.thread is not None:
            self.thread.submit(
                lambda store: read_with_nearest(store, id, project), show, lambda error: self.message.emit(str(error))
            )

    def save_masks(self) -> None:
        """Save the masks of open pairs that were changed in their layers."""
        drawn = self.layers.changed(self.thread)
        if not drawn:
            how = "Open a pair first (Enter), change its mask with napari's brush, then save."
            self.message.emit("No open mask was changed." if self.layers.masks(self.thread) else how)
            return

        def tell(changed: list[str]) -> None:
            if not changed:
                self.message.emit("No open mask was changed.")
                return
            number = plural(len(changed), "mask")
            self.message.emit(f"{number} saved. Score again to update the scores. Press U to undo.")
            self.update(changed)
            self.saved.emit(changed)

        self._ask(lambda store: save_masks(store, drawn), tell)
