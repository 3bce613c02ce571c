"""The expected time of a comparison here, and a shorter comparison where it exceeds a night."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.gain.cost_estimate import (
    NIGHT_SECONDS,
    Estimate,
    Shorter,
    seconds,
    trainings,
    workers_at_once,
)
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.quantities import plural, words_for_seconds
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


class TimeOffer(QWidget):
    """Number of trainings, their time, and a button for a shorter comparison that can be undone.

    Signals
    -------
    chosen(GainSettings)
        Settings to show in place of the present ones.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.estimate, self.offer, self.use_button = WrapLabel(), WrapLabel(), QPushButton("Use")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.estimate, self.offer, self.use_button):
            column.addWidget(widget)
        self.use_button.clicked.connect(self._use)
        self._now: Estimate | None = None
        self._shorter: Shorter | None = None
        self._before: GainSettings | None = None
        self._used: GainSettings | None = None

    def show_quick(self, trainings: int, steps: int, tests: int, arm_seconds: float | None) -> None:
        """Show the most time of trainings tested on some images; ``arm_seconds`` per step, None if not known."""
        text = f"Tested on {tests} image{'s' * (tests != 1)}."
        if arm_seconds is None or not trainings:
            text += " The time is known after the first training."
        else:
            text += f" At most {words_for_seconds(arm_seconds * steps * trainings)} here, if as fast as last time."
        self._now = None
        self.estimate.setText(text)
        self._offer()

    def show_estimate(self, estimate: Estimate | None) -> None:
        """Show the expected time of a comparison in folds, and offer a shorter one; empty without a plan."""
        self._now = estimate
        self.estimate.setText(_text(estimate) if estimate is not None else "")
        self._offer()

    def _offer(self) -> None:
        now, self._shorter = self._now, None
        if self._before is not None and (now is None or now.settings != self._used):
            self._before = None
        if now is not None and self._before is None:
            self._shorter = now.shorter()
        if self._shorter is not None:
            shorter = self._shorter
            when = "Overnight" if shorter.seconds <= NIGHT_SECONDS else "Shorter"
            self.offer.setText(f"{when}: {shorter.changes} → {words_for_seconds(shorter.seconds)}. {shorter.costs}")
            self.use_button.setText("Use the shorter comparison")
            named(self.use_button, self.use_button.text(), f"Sets {shorter.changes}. Can be undone.")
        elif self._before is not None:
            self.offer.setText("The shorter comparison is set.")
            self.use_button.setText("Undo")
            named(self.use_button, "Undo", "Sets everything as it was.")
        for widget in (self.offer, self.use_button):
            widget.setVisible(self._shorter is not None or self._before is not None)

    def _use(self) -> None:
        """Apply the offer, or undo it."""
        before, shorter, self._before = self._before, self._shorter, None
        if shorter is not None and self._now is not None:
            kept = self._now.settings
            self.chosen.emit(shorter.settings)
            self._before, self._used = kept, self._now.settings
        elif before is not None:
            self.chosen.emit(before)
        self._offer()


def _text(now: Estimate) -> str:
    """Describe number and expected time of the trainings, and what is kept of earlier ones."""
    text = _duration(now)
    if now.kept and trainings(now.settings, now.folds)["generator"]:
        kept = f"{plural(now.kept, 'generator')} {'is' if now.kept == 1 else 'are'} kept"
        text += f" Of earlier comparisons {kept}: with the same recipe and images no time is needed."
    return text


def _duration(now: Estimate) -> str:
    """Describe the number of trainings and their expected time, from the speed of earlier ones."""
    settings, folds, speed = now.settings, now.folds, now.speed
    count = trainings(settings, folds)
    parts = [f"{count['arm']} of the segmenter"]
    parts += [f"{count['generator']} of the generator"] * bool(count["generator"])
    number = count["arm"] + count["generator"]
    text = f"{folds} fold{'s' * (folds != 1)}, {number} trainings ({', '.join(parts)})"
    taken = seconds(settings, folds, speed, now.generator_steps)
    if taken is not None:
        most = "at most " * now.at_most
        return (
            f"{text}, {most}{words_for_seconds(taken)} here, {workers_at_once(settings)} at once, if as fast as before."
        )
    if count["generator"] and "generator" in speed:
        made = words_for_seconds(now.seconds())
        return f"{text}, {made} for the generators alone, if as fast as before. The rest is known later."
    return f"{text}. The time is known after the first ones."
