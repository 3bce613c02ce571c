"""Commands of napari's menus: open a dock where it belongs, and hand the active layer to it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from napari.layers import Image, Labels
from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabBar, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.widgets.forms.plain_text import plain

DISPLAY_NAME = "Organoid Synth"
DOCKS = {
    "Pairs": "pairs.dock:PairsWidget",
    "Train": "train.dock:TrainWidget",
    "Generate": "generate.dock:GenerateWidget",
    "Adapt": "adapt.dock:AdaptWidget",
    "Curate": "curate.dock:CurateWidget",
    "Map": "map.dock:MapWidget",
    "Scores": "scores.dock:ScoresWidget",
    "Blind test": "blind.dock:BlindWidget",
    "Segment": "segment.dock:SegmentWidget",
    "Export": "export.dock:ExportWidget",
}
AREAS = {"Curate": "bottom", "Map": "bottom"}  # these want width; the others are columns
LOW, WIDE = 950, 1500
"""A window that is lower is a laptop's; one that is narrower has no room for two galleries beside each other (px)."""
BELOW = "organoid_synth_below"
SETTLED = "organoid_synth_settled"


def open_dock(viewer: Any, title: str) -> Any:
    """Show a dock of this plugin, made if it is not there, under the name by which napari's menu toggles it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose window gets the dock.
    title : str
        A key of `DOCKS`.

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
        module, _, cls = DOCKS[title].partition(":")
        widget = getattr(import_module(f"napari_organoid_synth.widgets.{module}"), cls)(viewer)
        # as a tab at first: beside another it could need more room than the screen has; `move_down` finds out
        name, area = f"{title} ({DISPLAY_NAME})", AREAS.get(title, "right")
        viewer.window.add_dock_widget(widget, name=name, area=area, tabify=True)
    dock = _dock_of(widget)
    if dock is not None:
        dock.show()
        dock.raise_()
    return widget


def _dock_of(widget: QWidget) -> Any:
    """Return the dock around a widget: the nearest ancestor that can be raised as a tab."""
    parent = widget.parent()
    while parent is not None and not hasattr(parent, "toggleViewAction"):
        parent = parent.parent()
    return parent


def move_down(widget: QWidget) -> QMainWindow | None:
    """Move a dock that wants width to the bottom area; the window, or None where it floats or stands alone."""
    dock = _dock_of(widget)
    window = dock.parent() if dock is not None else None
    if not isinstance(window, QMainWindow) or dock.isFloating():
        return None
    window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)  # columns stay tall
    if window.height() < LOW:  # napari's own columns cannot get lower: beside them is more height than below
        window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
    others = [one for one in window.findChildren(QDockWidget) if one.property(BELOW) and one is not dock]
    beside = [one for one in others if one.isVisible() and not one.isFloating()]
    dock.setProperty(BELOW, True)
    if beside and window.width() < WIDE:  # one tab each; otherwise the window would outgrow the screen
        window.tabifyDockWidget(beside[0], dock)
        dock.raise_()
    else:
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
    window.resizeDocks([dock], [max(300, int(0.45 * window.height()))], Qt.Orientation.Vertical)
    return window


def settle(widget: QWidget) -> None:
    """Move a column dock, once shown, to a tab beside the others of this plugin, under its short title.

    napari's menu puts docks below each other, which leaves each a fraction of the height.
    """
    dock = _dock_of(widget)
    if not isinstance(dock, QDockWidget) or dock.property(SETTLED):
        return
    dock.setProperty(SETTLED, "coming")
    title = dock.windowTitle()
    dock.setWindowTitle(title.partition(" (")[0])  # tabs are narrow; the title bar keeps the whole name
    dock.toggleViewAction().setText(title)
    _later(dock, lambda: _tabify(dock))  # napari places the dock after it is shown


def _later(owner: QWidget, call: Callable[[], object]) -> None:
    """Call once the present event is dealt with, unless the owner is gone by then."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(call)
    timer.timeout.connect(timer.deleteLater)
    timer.start(0)


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
            break
    _later(dock, lambda: _whole_words(dock))  # the tabs are not made yet


def _whole_words(dock: QDockWidget) -> None:
    """Tabs of docks have whole words and, where there are too many, arrows, rather than "P…"."""
    window = dock.parent()
    if not isinstance(window, QMainWindow):
        return
    for bar in window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        bar.setUsesScrollButtons(True)


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
        name = "labels layer" if kind is Labels else "image layer"
        article = "a" if kind is Labels else "an"
        found = f"'{layer.name}' is not {article} {name}." if layer else "No single layer is selected."
        raise UserError(plain(found), f"Expected one {name}.", "Click it in the list of layers.")
    return layer
