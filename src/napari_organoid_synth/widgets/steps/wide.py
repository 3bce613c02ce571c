"""The wide dock at the bottom: the gallery and the map on tabs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_organoid_synth.widgets.shared.dock import WideDock
from napari_organoid_synth.widgets.shared.menus import DOCKS, WIDE

if TYPE_CHECKING:
    import napari

TAB_NAMES = {"Curate": "Gallery", "Map": "Map"}


class WideTabs(WideDock):
    """Gallery and map; each is made when it is first shown.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName("Gallery and map")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.error)
        column.addWidget(self.tabs)
        self._made: dict[str, QWidget] = {}
        for title in WIDE:
            holder = QWidget()
            QVBoxLayout(holder).setContentsMargins(0, 0, 0, 0)
            self.tabs.addTab(holder, TAB_NAMES[title])
        self.tabs.currentChanged.connect(lambda place: self.guard(lambda: self.page(WIDE[place])))

    def page(self, title: str) -> QWidget:
        """Return a page, made if it is not there."""
        if title not in self._made:
            module, _, cls = DOCKS[title].partition(":")
            page = getattr(import_module(f"napari_organoid_synth.widgets.{module}"), cls)(self.viewer)
            self._made[title] = page
            holder = self.tabs.widget(WIDE.index(title))
            holder.layout().addWidget(page)
        return self._made[title]

    def go(self, title: str) -> QWidget:
        """Show a page; the page."""
        page = self.page(title)
        self.tabs.setCurrentIndex(WIDE.index(title))
        return page
