"""Commands of napari's menus: open a dock where it belongs, and hand the active layer to it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from napari.layers import Image, Labels
from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_organoid_synth.core.errors import UserError

DISPLAY_NAME = "Organoid Synth"
AREAS = {"Curate": "bottom"}  # the gallery wants width; the others are columns
SETTLED = "organoid_synth_settled"


def open_dock(viewer: Any, title: str) -> Any:
    """Show a dock of this plugin, made if it is not there, under the name by which napari's menu toggles it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose window gets the dock.
    title : str
        "Pairs", "Train", "Generate", "Curate", "Scores", "Segment" or "Export".

    Returns
    -------
    QWidget
        The dock's own widget.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)  # commands and docks get a proxy that hides the window
    docks = viewer.window.dock_widgets
    for name in (f"{title} ({DISPLAY_NAME})", f"{title} (napari-organoid-synth)"):
        if name in docks:
            widget = docks[name]
            break
    else:
        module = import_module(f"napari_organoid_synth.widgets.{title.lower()}_widget")
        widget = getattr(module, f"{title}Widget")(viewer)
        viewer.window.add_dock_widget(
            widget, name=f"{title} ({DISPLAY_NAME})", area=AREAS.get(title, "right"), tabify=title not in AREAS
        )
    dock = _dock_of(widget)
    if dock is not None:
        dock.show()
        dock.raise_()
    return widget


def _dock_of(widget: QWidget) -> Any:
    """The dock around a widget: the nearest ancestor that can be raised as a tab."""
    parent = widget.parent()
    while parent is not None and not hasattr(parent, "toggleViewAction"):
        parent = parent.parent()
    return parent


def settle(widget: QWidget) -> None:
    """Once shown: a column dock becomes a tab beside the others of this plugin, under its short title.

    napari's menu puts docks below each other, which leaves each a fraction of the height.
    """
    dock = _dock_of(widget)
    if not isinstance(dock, QDockWidget) or dock.property(SETTLED):
        return
    dock.setProperty(SETTLED, "coming")
    title = dock.windowTitle()
    dock.setWindowTitle(title.partition(" (")[0])  # tabs are narrow; the title bar keeps the whole name
    dock.toggleViewAction().setText(title)
    later = QTimer(dock)  # napari places the dock after it is shown
    later.setSingleShot(True)
    later.timeout.connect(lambda: _tabify(dock))
    later.start(0)


def _tabify(dock: QDockWidget) -> None:
    dock.setProperty(SETTLED, "there")
    window = dock.parent()
    if not isinstance(window, QMainWindow) or dock.isFloating():
        return
    area = window.dockWidgetArea(dock)
    for other in window.findChildren(QDockWidget):
        beside = other is not dock and other.property(SETTLED) == "there" and window.dockWidgetArea(other) == area
        if beside and not other.isFloating() and other not in window.tabifiedDockWidgets(dock):
            raised = dock.isVisible()
            window.tabifyDockWidget(other, dock)
            if raised:
                dock.raise_()
            return


def use_as_image(viewer: Viewer) -> None:
    """Choose the active image layer as image in the Pairs dock."""
    layer = _active(viewer, Image)
    open_dock(viewer, "Pairs").add_layers([layer])


def use_as_mask(viewer: Viewer) -> None:
    """Choose the active labels layer as mask in the Pairs dock."""
    layer = _active(viewer, Labels)
    open_dock(viewer, "Pairs").add_layers([layer])


def generate_like_this(viewer: Viewer) -> None:
    """Choose the active labels layer as the mask that the Generate dock paints on."""
    layer = _active(viewer, Labels)
    open_dock(viewer, "Generate").use_layer(layer)


def _active(viewer: Any, kind: type[Any]) -> Any:
    layer = getattr(viewer, "__wrapped__", viewer).layers.selection.active
    if not isinstance(layer, kind):
        found = f"'{layer.name}' is no {kind.__name__.lower()} layer." if layer else "No single layer is selected."
        raise UserError(found, f"Expected one {kind.__name__.lower()} layer.", "Click it in the list of layers.")
    return layer
