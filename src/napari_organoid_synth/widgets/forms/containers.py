"""Layout of forms: rows with aligned labels, and titled groups that fold; as Qt and as magicgui containers."""

from __future__ import annotations

from typing import Any

from magicgui.backends._qtpy.widgets import Container as QtContainer
from magicgui.backends._qtpy.widgets import QBaseWidget
from magicgui.widgets.bases import ButtonWidget, ContainerWidget
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QFormLayout, QSizePolicy, QWidget
from superqt import QCollapsible

from napari_organoid_synth.widgets.forms.plain_text import PlainLabel

MAX_HEIGHT = 16777215
SPACING = 4
"""Between rows, px."""


def rows(parent: QWidget | None = None) -> QFormLayout:
    """Create labelled rows that grow with the dock."""
    layout = QFormLayout(parent) if parent is not None else QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(SPACING)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return layout


def show_row(layout: QFormLayout, editor: QWidget, visible: bool) -> None:
    """Show or hide an editor together with its label."""
    editor.setVisible(visible)
    if (label := layout.labelForField(editor)) is not None:
        label.setVisible(visible)


class _QtRows(QtContainer):
    """A form layout behind magicgui's container protocol."""

    def __init__(self, layout: str = "vertical", scrollable: bool = False, **kwargs: Any) -> None:
        QBaseWidget.__init__(self, QWidget, **kwargs)
        self._layout = rows(self._qwidget)

    def _mgui_insert_widget(self, position: int, widget: Any) -> None:
        if isinstance(widget, ButtonWidget | ContainerWidget):  # has a title of its own
            self._layout.insertRow(position, widget.native)
            return
        label = PlainLabel(widget.label)
        label.setToolTip(widget.tooltip or "")
        label.setBuddy(widget.native)
        self._layout.insertRow(position, label, widget.native)

    def _mgui_remove_widget(self, widget: Any) -> None:
        row = self._layout.takeRow(widget.native)
        if row.labelItem is not None:
            row.labelItem.widget().deleteLater()
        widget.native.setParent(None)


class Rows(ContainerWidget):
    """A magicgui container of labelled rows.

    Its labels are aligned by Qt's form layout: magicgui measures them with the application's font, napari shows them
    with another, and long ones would be cut.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(labels=False, widget_type=_QtRows, **kwargs)


class Fold(QCollapsible):
    """A titled group that folds; its folded fields cannot take the keyboard focus."""

    _expanded_icon = _collapsed_icon = QIcon()  # an empty icon is false for PySide6, and then superqt sets none

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__("", parent, QIcon(), QIcon())
        self.setDuration(0)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)  # texts inside may wrap
        self.layout().setAlignment(Qt.AlignmentFlag(0))  # an aligned layout gets no more height than without wrapping
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(2)
        self.content().layout().setContentsMargins(8, 0, 0, 0)
        self.content().hide()
        self.toggled.connect(self._settle)
        self.toggleButton().setStyleSheet("text-align: left; background: transparent; padding: 4px 0px;")
        self.set_title(title)

    def set_title(self, title: str) -> None:
        """Change the title."""
        self.title = title
        self.setText(f"{'▾' if self.isExpanded() else '▸'} {title}")
        self.toggleButton().setAccessibleName(title)

    def _settle(self, expanded: bool) -> None:
        self.content().setMaximumHeight(MAX_HEIGHT if expanded else 0)  # grows with what is folded inside
        self.content().setVisible(expanded)
        self.set_title(self.title)

    def eventFilter(self, a0: QObject, a1: QEvent) -> bool:
        """Ignore resized children: the height is not pinned (see `_settle`)."""
        return False


class _QtFold(QtContainer):
    """`Fold` behind magicgui's container protocol."""

    def __init__(self, layout: str = "vertical", scrollable: bool = False, title: str = "", **kwargs: Any) -> None:
        QBaseWidget.__init__(self, Fold, **kwargs)
        self._qwidget.set_title(title)
        self._layout = self._qwidget.content().layout()


class FoldContainer(ContainerWidget):
    """A magicgui container that folds.

    Parameters
    ----------
    title : str
        Shown whether folded or not.
    """

    def __init__(self, title: str, **kwargs: Any) -> None:
        super().__init__(labels=False, widget_type=_QtFold, backend_kwargs={"title": title}, **kwargs)


def tighten(container: ContainerWidget) -> None:
    """Let the parts of a container stand as close as rows."""
    container.margins = (0, 0, 0, 0)
    container.native.layout().setSpacing(SPACING)
