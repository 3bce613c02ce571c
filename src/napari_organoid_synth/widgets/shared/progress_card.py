"""The card of a running job: progress, time left, pause and stop."""

from __future__ import annotations

from qtpy.QtWidgets import QProgressBar, QWidget

from napari_organoid_synth.core.job import Event, Progress, Started, Warned
from napari_organoid_synth.core.quantities import words_for_seconds
from napari_organoid_synth.widgets.shared.cards import Card
from napari_organoid_synth.widgets.shared.jobs import JobRunner

BUTTONS = {
    "running": ("Pause", "Waits after the current step; resume at any time."),
    "paused": ("Resume", "Goes on where it was."),
    "waiting": ("Start now anyway", "Starts beside the other job; the computer may become slow."),
}
"""Text and tip of the first button by state."""
FINE = 1000
"""Parts of the bar, whatever the number of steps: a training of a comparison takes minutes and moves it too."""


class ProgressCard(Card):
    """Bar, time left, pause and stop of a `JobRunner`; visible while it runs.

    Parameters
    ----------
    runner : JobRunner
    stop_text : str
        Text of the stop button, for example ``"Stop and keep"``.
    unit : str
        Name of a step: "step", "pair"; "%" where steps mean nothing to a person.
    """

    def __init__(
        self, runner: JobRunner, stop_text: str = "Stop and keep", unit: str = "step", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._runner, self._unit = runner, unit
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress")
        self.bar.setTextVisible(True)
        self.column.addWidget(self.bar)
        self.message = self.add_text()
        self.pause_button, self.stop_button = self.add_buttons({"Pause": self._toggle, stop_text: self._stop})
        self.stop_button.setToolTip("Ends after the current step and saves. Nothing is lost.")
        self._stop_text = stop_text
        runner.event.connect(self._show_event)
        runner.stateChanged.connect(self._show_state)
        self._show_state(runner.state)

    def _toggle(self) -> None:
        if self._runner.state == "waiting":
            self._runner.start_now()
        elif self._runner.state == "paused":
            self._runner.resume()
        else:
            self._runner.pause()

    def _stop(self) -> None:
        self._runner.cancel()
        self.stop_button.setEnabled(False)
        self.pause_button.setEnabled(False)
        self.message.setText("Saving…" if self._runner.state != "waiting" else "Stopping…")

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Started):
            self.message.setText("Getting ready…")
        elif isinstance(event, Warned):
            self.message.setText(event.text)
        elif isinstance(event, Progress):
            if self.bar.maximum() != (steps := FINE if event.total else 0):
                self.bar.setRange(0, steps)
            self.bar.setValue(round(FINE * event.share))
            if self.stop_button.isEnabled() and self._runner.state == "running":
                self.message.setText(self.describe(event))

    def describe(self, event: Progress) -> str:
        """Describe a progress in one line: step, or share, and time left."""
        parts = [event.note] if event.note else []
        if self._unit != "%":
            parts.append(f"{self._unit} {event.step:,}" + f" of {event.total:,}" * bool(event.total))
        elif event.total:
            parts.append(f"{event.share:.0%}")
        if event.seconds_left is not None:
            parts.append(words_for_seconds(event.seconds_left) + " left")
        return " · ".join(parts)

    def _show_state(self, state: str) -> None:
        if state == "idle" or not self.isVisibleTo(self.parentWidget()):
            self.bar.setRange(0, 0)
            self.message.setText("Starting…")
        self.setVisible(state != "idle")
        for button in (self.stop_button, self.pause_button):
            button.setEnabled(True)
        text, tip = BUTTONS.get(state, BUTTONS["running"])
        self.pause_button.setText(text)
        self.pause_button.setAccessibleName(text)
        self.pause_button.setToolTip(tip)
        if state == "waiting":
            self.message.setText(self._runner.waits)
        elif state == "running" and self.message.text().startswith("Waits for "):
            self.message.setText("Starting…")
        elif state == "paused":
            self.message.setText("Paused. The window may be closed; nothing is lost.")
