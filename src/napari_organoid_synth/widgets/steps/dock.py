"""The one dock with all steps: the bar above, the page of a step below, the next step always in view."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QStackedWidget, QTabBar, QVBoxLayout, QWidget

from napari_organoid_synth.widgets.shared.buttons import PrimaryButton
from napari_organoid_synth.widgets.shared.dock import ColumnDock, SettledDock
from napari_organoid_synth.widgets.shared.menus import DOCKS, open_dock, open_wide
from napari_organoid_synth.widgets.steps.bar import StepBar
from napari_organoid_synth.widgets.steps.states import CURATE, StepStates
from napari_organoid_synth.widgets.steps.step_table import PAGE_NAMES, STEPS, step_of

if TYPE_CHECKING:
    import napari


class StepsWidget(SettledDock):
    """All steps in one dock; a page is made when it is first shown.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.setMinimumWidth(320)
        self._pages: dict[str, QWidget] = {}
        self._last = [step.pages[0] for step in STEPS]  # the page of each step that was shown last
        self.title = ""
        self.bar, self.tabs, self.stack = StepBar(), QTabBar(), QStackedWidget()
        self.tabs.setAccessibleName("Pages of this step")
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        self.next_button = PrimaryButton("")
        self.next_button.setAccessibleDescription("The next step.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(4)
        column.addWidget(self.bar)
        column.addWidget(self.tabs)
        column.addWidget(self.stack, 1)
        foot = QVBoxLayout()
        foot.setContentsMargins(6, 0, 6, 0)
        foot.addWidget(self.error)
        foot.addWidget(self.next_button)
        column.addLayout(foot)
        self.states = StepStates(self.workspace, self)
        self.states.changed.connect(self._show_states)
        self.bar.chosen.connect(self._choose_step)
        self.tabs.tabBarClicked.connect(self._choose_tab)
        self.next_button.clicked.connect(lambda: self.guard(self._go_on))
        self.go("Pairs")

    def page(self, title: str) -> QWidget:
        """Return a page by its title in `DOCKS`, made if it is not there."""
        if title not in self._pages:
            module, _, cls = DOCKS[title].partition(":")
            page = getattr(import_module(f"napari_organoid_synth.widgets.{module}"), cls)(self.viewer)
            self._pages[title] = page
            self.stack.addWidget(page)
        return self._pages[title]

    def go(self, title: str) -> QWidget:
        """Show a page, and mark its step; the page."""
        place = step_of(title)
        titles = STEPS[place].pages
        page = self.page(title)
        self.title = self._last[place] = title
        self.stack.setCurrentWidget(page)
        self.bar.select(place)
        while self.tabs.count():
            self.tabs.removeTab(0)
        for one in titles:
            self.tabs.addTab(PAGE_NAMES.get(one, one))
        self.tabs.setCurrentIndex(titles.index(title))
        self.tabs.setVisible(len(titles) > 1)
        self._show_states()
        return page

    def reset_choices(self, event: object = None) -> None:
        """Offer the layers that there are; napari calls this when they change."""
        for page in self._pages.values():
            if (reset := getattr(page, "reset_choices", None)) is not None:
                reset(event)

    def _choose_step(self, place: int) -> None:
        project = self.workspace.project
        if place == CURATE and project is not None and project.samples_path.exists():
            self.guard(lambda: open_wide(self.viewer, "Curate"))  # the page of this step stays the one shown last
        self.guard(lambda: self.go(self._last[place]))

    def _choose_tab(self, index: int) -> None:
        if index >= 0:
            self.guard(lambda: self.go(STEPS[step_of(self.title)].pages[index]))

    def _go_on(self) -> None:
        if (following := self.states.next_of(step_of(self.title))) is not None:
            open_dock(self.viewer, following.page)

    def _show_states(self) -> None:
        """Show the states on the bar, and the next step as the one prominent button."""
        self.bar.show_states(self.states.states)
        following = self.states.next_of(step_of(self.title))
        self.next_button.setVisible(following is not None)
        if following is not None and self.next_button.text() != following.text:
            self.next_button.setText(following.text)
            self.next_button.setAccessibleName(following.text)
        page = self._pages[self.title]
        if isinstance(page, ColumnDock):
            page.button.set_prominent(following is None)

    def closeEvent(self, a0: Any) -> None:
        """Read nothing more."""
        self.states.close()
        super().closeEvent(a0)
