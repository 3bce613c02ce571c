"""Commands of napari's menus: open a dock where it belongs, and hand the active layer to it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from napari.layers import Image, Labels
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QStackedWidget, QTabBar, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.widgets.forms.plain_text import plain

DISPLAY_NAME = "Organoid Synth"
DOCKS = {
    "Pairs": "pairs.dock:PairsWidget",
    "Train": "train.dock:TrainWidget",
    "Runs": "runs.dock:RunsWidget",
    "Generate": "generate.dock:GenerateWidget",
    "Adapt": "adapt.dock:AdaptWidget",
    "Curate": "curate.dock:CurateWidget",
    "Map": "map.dock:MapWidget",
    "Scores": "scores.dock:ScoresWidget",
    "Blind test": "blind.dock:BlindWidget",
    "Measure": "segment.dock:SegmentWidget",
    "Studies": "studies.dock:StudiesWidget",
    "Export": "export.dock:ExportWidget",
}
WIDE = ("Curate", "Map")
"""Pages of the wide dock at the bottom, the gallery and the map; both belong to the step Curate."""
ALL_STEPS, GALLERY_AND_MAP = "All steps", "Gallery and map"
WHOLE = {ALL_STEPS: "steps.dock:StepsWidget", GALLERY_AND_MAP: "steps.wide:WideTabs"}
"""Docks whose pages are those of `DOCKS`."""
AREAS = dict.fromkeys((*WIDE, GALLERY_AND_MAP), "bottom")  # these want width; the others are columns
LOW_PX, WIDE_PX = 950, 1500
"""A window that is lower is a laptop's; one that is narrower has no room for two galleries beside each other (px)."""
BELOW = "organoid_synth_below"
SETTLED = "organoid_synth_settled"


def open_dock(viewer: Any, title: str) -> Any:
    """Show a page of this plugin: in a dock of its own where that is open, else in the dock with all steps.

    The gallery and the map stand in the wide dock at the bottom; beside them the dock with all steps, where it is open,
    turns to their step. Docks are named as napari's menu knows them, which toggles them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose window gets the dock.
    title : str
        A key of `DOCKS`.

    Returns
    -------
    QWidget
        The page: the widget of a dock of its own, or the one on the page of the step.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)  # commands and docks get a proxy that hides the window
    if (widget := _find(viewer, title)) is not None or title in WHOLE:
        widget = widget or _add(viewer, title)
        _raise(widget)
        return widget
    if title not in WIDE:
        return _open(viewer, ALL_STEPS).go(title)
    page = open_wide(viewer, title)
    if (steps := _find(viewer, ALL_STEPS)) is not None:
        steps.go("Scores")
    return page


def open_wide(viewer: Any, title: str) -> Any:
    """Show the gallery or the map at the bottom, and leave the other docks as they are."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if (widget := _find(viewer, title)) is not None:
        _raise(widget)
        return widget
    return _open(viewer, GALLERY_AND_MAP).go(title)


def _open(viewer: Any, title: str) -> Any:
    """Show a dock, made if it is not there; its widget."""
    widget = _find(viewer, title) or _add(viewer, title)
    _raise(widget)
    return widget


def _find(viewer: Any, title: str) -> Any:
    """Return the widget of a dock of this plugin, None where it is not there."""
    docks = viewer.window.dock_widgets
    names = (f"{title} ({DISPLAY_NAME})", f"{title} (napari-organoid-synth)")
    return next((docks[name] for name in names if name in docks), None)


def _add(viewer: Any, title: str) -> Any:
    module, _, cls = (DOCKS | WHOLE)[title].partition(":")
    widget = getattr(import_module(f"napari_organoid_synth.widgets.{module}"), cls)(viewer)
    # as a tab at first: beside another it could need more room than the screen has; `move_down` finds out
    area = AREAS.get(title, "right")
    viewer.window.add_dock_widget(widget, name=f"{title} ({DISPLAY_NAME})", area=area, tabify=True)
    return widget


def _raise(widget: QWidget) -> None:
    if (dock := _dock_of(widget)) is not None:
        dock.show()
        dock.raise_()


def _dock_of(widget: QWidget) -> Any:
    """Return the dock around a widget: the nearest ancestor that can be raised as a tab."""
    parent = widget.parent()
    while parent is not None and not hasattr(parent, "toggleViewAction"):
        parent = parent.parent()
    return parent


def _own_dock(widget: QWidget) -> QDockWidget | None:
    """Return the dock around a widget that is its content; None for a page among several."""
    dock, parent = _dock_of(widget), widget.parent()
    while parent is not None and parent is not dock:
        if isinstance(parent, QStackedWidget):  # also that of tabs
            return None
        parent = parent.parent()
    return dock if isinstance(dock, QDockWidget) else None


class _RaisedByMenu(QObject):
    """Lets a second click on the menu of napari, which hides a dock, raise it instead.

    napari's menu calls ``setVisible``; a dock that a person closes is sent a close event before.
    """

    def __init__(self, dock: QDockWidget) -> None:
        super().__init__(dock)
        self._closed = False
        dock.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        if a1 is not None and isinstance(a0, QDockWidget):
            if a1.type() == QEvent.Type.Close:
                self._closed = True
            elif a1.type() == QEvent.Type.ShowToParent:
                self._closed = False
                _later(a0, a0.raise_)
            elif a1.type() == QEvent.Type.HideToParent and not self._closed:
                _later(a0, lambda: _show_again(a0))
        return False


def _show_again(dock: QDockWidget) -> None:
    if isinstance(dock.parent(), QMainWindow) and dock.widget() is not None and dock.window().isVisible():
        dock.show()
        dock.raise_()


def move_down(widget: QWidget) -> QMainWindow | None:
    """Move a dock that wants width to the bottom area; the window, or None where it floats or stands alone."""
    dock = _dock_of(widget)
    window = dock.parent() if dock is not None else None
    if not isinstance(window, QMainWindow) or dock.isFloating():
        return None
    if dock.property(BELOW):  # it was moved there before, or a person has put it elsewhere since
        return window
    _RaisedByMenu(dock)
    window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)  # columns stay tall
    if window.height() < LOW_PX:  # napari's own columns cannot get lower: beside them is more height than below
        window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
    others = [one for one in window.findChildren(QDockWidget) if one.property(BELOW) and one is not dock]
    beside = [one for one in others if one.isVisible() and not one.isFloating()]
    dock.setProperty(BELOW, True)
    if beside and window.width() < WIDE_PX:  # one tab each; otherwise the window would outgrow the screen
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
    dock = _own_dock(widget)
    if dock is None or dock.property(SETTLED):
        return
    dock.setProperty(SETTLED, "coming")
    _RaisedByMenu(dock)
    title = dock.windowTitle()
    short = title.partition(" (")[0]  # tabs are narrow; the title bar keeps the whole name
    dock.setWindowTitle(DISPLAY_NAME if short == ALL_STEPS else short)
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
    """Choose the active image layer as image in Pairs."""
    layer = _active(viewer, Image)
    open_dock(viewer, "Pairs").add_layers([layer])


def use_as_mask(viewer: Viewer) -> None:
    """Choose the active labels layer as mask in Pairs."""
    layer = _active(viewer, Labels)
    open_dock(viewer, "Pairs").add_layers([layer])


def generate_like_this(viewer: Viewer) -> None:
    """Choose the active labels layer as the mask that the Generate dock paints on."""
    layer = _active(viewer, Labels)
    open_dock(viewer, "Generate").use_layer(layer)


def paint_on_this(viewer: Viewer) -> None:
    """Paint on the active labels layer: the image follows the brush."""
    layer = _active(viewer, Labels)
    open_dock(viewer, "Generate").paint_on(layer)


def _active(viewer: Any, kind: type[Any]) -> Any:
    layer = getattr(viewer, "__wrapped__", viewer).layers.selection.active
    if not isinstance(layer, kind):
        name = "labels layer" if kind is Labels else "image layer"
        article = "a" if kind is Labels else "an"
        found = f"'{layer.name}' is not {article} {name}." if layer else "No single layer is selected."
        raise UserError(plain(found), f"Expected one {name}.", "Click it in the list of layers.")
    return layer
