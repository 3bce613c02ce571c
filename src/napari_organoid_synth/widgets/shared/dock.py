"""The frames of docks: the common base, the column with its one prominent button, the wide dock at the bottom."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QBoxLayout,
    QDockWidget,
    QFrame,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared import rebuild as _rebuild
from napari_organoid_synth.widgets.shared.buttons import CopyButton, PrimaryButton
from napari_organoid_synth.widgets.shared.canvas_drop import watch_canvas
from napari_organoid_synth.widgets.shared.cards import EmptyCard, ErrorCard
from napari_organoid_synth.widgets.shared.command_text import command_text
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.menus import DOCKS, move_down, open_dock, settle
from napari_organoid_synth.widgets.shared.project_choice import add_recent_buttons
from napari_organoid_synth.widgets.shared.shortcuts import stays, take_key
from napari_organoid_synth.widgets.shared.tab_order import order_tabs
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.workspace import Workspace

ACROSS, DOWN = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom


class Dock(QWidget):
    """The base of all docks.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.viewer, self.workspace, self.error = viewer, Workspace.of(viewer), ErrorCard()
        watch_canvas(viewer)

    def event(self, a0: QEvent | None) -> bool:
        """Claim keys that napari would use on its canvas while this page has the focus."""
        if a0 is not None and a0.type() == QEvent.Type.ShortcutOverride and stays(a0):
            a0.accept()
            return True
        return bool(super().event(a0))

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        """Use a key that nothing inside has used, or end it here: napari gets those that its dock passes on."""
        take_key(self, a0)

    def changeEvent(self, a0: QEvent | None) -> None:
        """Close and go where napari takes the widget out of its window: it sends no other word of that.

        What a dock listens to lives longer than the dock (the workspace, its runners, the layers): connect methods to
        it, which do not keep the dock alive, rather than lambdas, which do.
        """
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.ParentChange and self.parentWidget() is None:
            QTimer.singleShot(0, self._leave)

    def closeEvent(self, a0: Any) -> None:
        """Close the docks inside this one, too: a page is told nothing when the dock around it goes."""
        for page in self.findChildren(Dock):
            page.close()
        super().closeEvent(a0)

    def _leave(self) -> None:
        if isalive(self) and self.parentWidget() is None:  # not put elsewhere meanwhile
            self.close()
            self.deleteLater()

    def guard(self, action: Callable[[], Any]) -> Any:
        """Call ``action``; an error is shown in the dock, which stays usable."""
        try:
            return action()
        except (UserError, OSError, ValueError) as error:
            self.show_error(error)
            return None

    def show_error(self, error: Failed | BaseException) -> None:
        """Show an error, with a button where it can be corrected here."""
        _rebuild.show_error(self.error, self.workspace, error)

    def command_button(self, shown: Callable[[], tuple[str, Settings]]) -> CopyButton:
        """Create a button that copies the command which does the same; ``shown`` returns verb and settings."""

        def command() -> str:
            if self.workspace.project is None:
                return ""
            verb, settings = shown()
            return command_text(verb, self.workspace.project, settings)

        tip = "The same on the command line, also on another computer."
        button = CopyButton("Copy as command", tip, lambda: self.guard(command))
        button.setFlat(True)
        return button


class WideDock(Dock):
    """A dock that wants width: when it is first shown it moves to the bottom area.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self._placed = False
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(0)
        self._settling.timeout.connect(self.settle)

    def showEvent(self, event: Any) -> None:
        """Move down, once napari has placed the dock."""
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            self._settling.start()

    @property
    def is_own_dock(self) -> bool:
        """Whether this is the content of a dock, and not a page inside another widget."""
        return isinstance(self.parentWidget(), QDockWidget)

    def settle(self) -> None:
        """Move to the bottom area, unless another widget decides where this page is."""
        if self.is_own_dock:
            move_down(self)


class SettledDock(Dock):
    """A dock of one column, which becomes a tab beside the others; parameters as for `Dock`."""

    def sizeHint(self) -> QSize:
        """Return a width of 320 px, as for all columns."""
        return QSize(320, 640)

    def showEvent(self, event: Any) -> None:
        """Become a tab beside the other docks."""
        super().showEvent(event)
        settle(self)

    def focusNextPrevChild(self, next: bool) -> bool:
        """Tab goes from top to bottom, whenever and in whatever order the widgets were made."""
        order_tabs(self)
        return bool(super().focusNextPrevChild(next))


class ColumnDock(SettledDock):
    """A scrolling column above, the one prominent button always in view below.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    key : str
        Under which its choices are remembered.
    purpose : str
        Purpose of the dock, shown while there is nothing to work on.
    ways_out : dict of str to callable, optional
        Buttons below that sentence, above those that open a project.
    """

    def __init__(
        self, viewer: Any, key: str, purpose: str, ways_out: Mapping[str, Callable[[], Any]] | None = None
    ) -> None:
        super().__init__(viewer)
        self.key, self.purpose = key, purpose
        self._restoring = True  # until a project's own choices are shown, nothing is remembered
        self.setMinimumWidth(320)
        self.empty = EmptyCard(purpose, ways_out)
        self._offer_projects = add_recent_buttons(self.empty, self.workspace, self.show_error)
        self.workspace.projectChanged.connect(self._project_changed)
        self.body = QWidget()
        self.column = QVBoxLayout(self.body)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(6)
        self.outcome = WrapLabel()  # of the job; each dock puts it where it fits
        self.outcome.hide()
        self.reason = WrapLabel()
        self.reason.setAccessibleName("Why the button cannot be pressed yet")
        self.way = QPushButton()
        self.way.hide()
        self._elsewhere = ""  # the page that helps
        self.way.clicked.connect(lambda: open_dock(self.viewer, self._elsewhere))
        self.button = PrimaryButton("")
        self.button.clicked.connect(lambda: self.guard(self.run))

        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(6, 6, 6, 6)
        inner.addWidget(self.empty)
        inner.addWidget(self.body)
        inner.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.addWidget(scrolling(content), 1)
        self._foot = QVBoxLayout()
        self._foot.setContentsMargins(6, 0, 6, 0)
        for widget in (self.error, self.reason, self.way, self.button):
            self._foot.addWidget(widget)
        layout.addLayout(self._foot)

    def _project_changed(self, _: object) -> None:
        self._offer_projects()

    def put_above_button(self, *widgets: QWidget) -> None:
        """Add widgets that, like the prominent button, never scroll out of view."""
        for widget in widgets:
            self._foot.insertWidget(self._foot.indexOf(self.reason), widget)

    def run(self) -> None:
        """Run the command of the main button."""
        raise NotImplementedError

    def show_outcome(self, text: str) -> None:
        """Show the outcome of the job; an empty text hides it."""
        self.outcome.setText(text)
        self.outcome.setVisible(bool(text))

    def restore(self, cls: type[Settings], show: Callable[[Any], None], without: Sequence[str] = ()) -> None:
        """Show the settings that were chosen in this project before, or the defaults.

        Parameters
        ----------
        cls : type of Settings
            The settings that the dock edits.
        show : callable
            The dock's ``setValue``.
        without : sequence of str
            Fields that always start from their default.
        """
        stored = self.workspace.remembered(self.key)
        known = {key: value for key, value in stored.items() if key in cls.model_fields and key not in without}
        try:
            settings = cls.parse(known)
        except UserError:  # stored by another version
            settings = cls()
        self._restoring = True
        show(settings)
        self._restoring = False

    def remember(self, settings: Settings, without: Sequence[str] = (), **changes: Any) -> None:
        """Keep the chosen settings in the project."""
        if not self._restoring:
            values = settings.model_dump(mode="json") | changes
            self.workspace.remember(self.key, {key: value for key, value in values.items() if key not in without})

    def allow(self, reason: str) -> None:
        """Enable the button, or show the reason why not, with a way to the page that it names ("in Pairs")."""
        self.button.setEnabled(not reason)
        self.reason.setText(reason)
        self._elsewhere = next((page for page in DOCKS if self._names(reason, page)), "")
        named(self.way, f"Go to {self._elsewhere}", "Opens the page on which that is done.")
        self.way.setText(self.way.accessibleName())
        self.show_reason(bool(reason) and not self.body.isHidden())
        self.button.setToolTip(plain(reason or self.button.accessibleDescription()))

    def _names(self, reason: str, page: str) -> bool:
        return DOCKS[page].partition(".")[0] != self.key and bool(re.search(rf"\bin {page}\b", reason))

    def show_reason(self, there: bool) -> None:
        """Show why the button cannot be pressed, with the way to the page that helps."""
        self.reason.setVisible(there)
        self.way.setVisible(there and bool(self._elsewhere))

    def show_body(self, sentence: str = "") -> None:
        """Show the controls; with a sentence, only the empty state."""
        self.empty.set_sentence(sentence or self.purpose)
        self.empty.setVisible(bool(sentence))
        self.body.setVisible(not sentence)
        self.button.setVisible(not sentence)
        if sentence:
            self.show_reason(False)


def scrolling(content: QWidget) -> QScrollArea:
    """Create a column that scrolls vertically where it needs to; Tab skips it and it follows the focus."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return area
