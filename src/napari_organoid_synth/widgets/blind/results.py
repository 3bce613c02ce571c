"""Results of a blind test: sentences, error rates around 50 %, times, and the pictures that fooled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QToolButton, QVBoxLayout, QWidget
from superqt.utils import QFlowLayout

from napari_organoid_synth.core.blind.session import Session, read_sessions
from napari_organoid_synth.core.blind.statistics import Rate, Result
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.blind.page import to_qimage
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.controls import flow_layout
from napari_organoid_synth.widgets.shared.curves import still_plot
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.theme import theme_colour

if TYPE_CHECKING:
    from napari_organoid_synth.core.blind.results import Judgement

TOGETHER = "together"
"""In place of the id of a test: all that count."""
SIDE, MAX_EXAMPLES = 88, 6
Group = Literal["convincing", "unconvincing", "doubted"]
GROUPS: dict[Group, str] = {
    "convincing": "Most convincing synthetic pairs",
    "unconvincing": "Least convincing synthetic pairs",
    "doubted": "Real images taken for synthetic",
}


@dataclass(frozen=True)
class Example:
    """A picture of a test: how it was judged, and its pixels as they were shown."""

    session: Session
    judgement: Judgement
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """The content of the result panel.

    Parameters
    ----------
    sessions : list of Session
        All tests of the project, newest first.
    chosen : str
        Id of the test whose result it is, or `TOGETHER`; empty if there is none.
    verdict : str
        The result in one sentence.
    lines : list of str
        The result in sentences, with its statistics.
    results : list of Result
        Its statistics, one for each way of asking.
    times : dict of str to list of float
        Seconds of the right and of the wrong answers.
    examples : dict of str to list of Example
        Pictures worth a look.
    """

    sessions: list[Session]
    chosen: str = ""
    verdict: str = ""
    lines: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=dict)
    examples: dict[Group, list[Example]] = field(default_factory=dict)


def look(project: Project, chosen: str = "") -> Shown:
    """Read all tests and prepare the result of one of them, of the newest unless chosen; for a worker thread."""
    from napari_organoid_synth.core.blind.results import counted, pooled
    from napari_organoid_synth.core.blind.sentences import pooled_sentences, session_sentences, verdict_sentence
    from napari_organoid_synth.core.blind.statistics import SIGNAL

    sessions = read_sessions(project)
    answered = [session for session in sessions if session.answers]
    if not answered:
        return Shown(sessions)
    if chosen == TOGETHER and counted(answered):
        of = counted(answered)
        results = [result for way in SIGNAL if (result := pooled(of, way)) is not None]
        lines, who = pooled_sentences(of), "The observers"
    else:
        of = [next((session for session in answered if session.id == chosen), answered[0])]
        chosen, results, lines = of[0].id, [of[0].result()], session_sentences(of[0], "You")
        who = of[0].settings.observer or "You"
    times: dict[str, list[float]] = {"right": [], "wrong": []}
    for session in of:
        for one in session.judged():
            times["right" if one.right else "wrong"].append(one.seconds)
    most = max(results, key=lambda one: one.wrong.total, default=None)  # of two ways that with most answers
    verdict = verdict_sentence(most, who) if most is not None else ""
    return Shown(sessions, chosen, verdict, lines, results, times, _examples(project, of))


def _examples(project: Project, sessions: Sequence[Session]) -> dict[Group, list[Example]]:
    """Draw at most six pictures of each group; those whose files are gone are left out."""
    from napari_organoid_synth.core.blind.pictures import Pictures
    from napari_organoid_synth.core.blind.results import judgements
    from napari_organoid_synth.core.errors import UserError

    alone = [session for session in sessions if session.settings.way == "one by one"]
    synthetic, real = judgements(sessions, "synthetic"), judgements(alone, "real")
    groups: dict[Group, list[Judgement]] = {
        "convincing": [one for one in synthetic if one.taken_for_real.share >= 0.5],
        "unconvincing": [one for one in reversed(synthetic) if one.taken_for_real.share < 0.5],
        "doubted": [one for one in reversed(real) if one.taken_for_real.share < 0.5],
    }
    readers: dict[str, Pictures] = {}
    drawn: dict[Group, list[Example]] = {group: [] for group in groups}
    for group, listed in groups.items():
        for judgement in listed[:MAX_EXAMPLES]:
            picture = judgement.picture
            session = next(one for one in sessions if any(picture in question for question in one.questions))
            try:
                if session.id not in readers:
                    readers[session.id] = Pictures(project, session)
                pixels = readers[session.id].draw(picture)
            except UserError:
                continue
            drawn[group].append(Example(session, judgement, pixels))
    return drawn


class _ThemedPlot(QWidget):
    """A plot to look at, in the colours of the theme."""

    def __init__(self, height: int, about: str) -> None:
        super().__init__()
        self.setAccessibleName(about.partition(":")[0])
        self.setToolTip(plain(about))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.plot = still_plot()
        self.plot.setMinimumWidth(60)
        layout.addWidget(self.plot)
        self.setFixedHeight(height)
        self._style()

    def _style(self) -> None:
        self.plot.setBackground(theme_colour("background"))
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen(theme_colour("text"))
            axis.setTextPen(theme_colour("text"))

    def _draw(self) -> None:
        raise NotImplementedError

    def changeEvent(self, a0: QEvent | None) -> None:
        """Apply the colours of the new theme."""
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.StyleChange:
            self._style()
            self._draw()


class RatePlot(_ThemedPlot):
    """Shares with their 95 % interval, and a line at guessing."""

    def __init__(self) -> None:
        self.rates: dict[str, Rate] = {}
        super().__init__(110, "Error rates: a tick for the share, a bar for its 95 % interval; dashed: guessing, 50 %.")
        self.plot.setLabel("bottom", "wrong answers, %")
        self.plot.setXRange(0, 100, padding=0.03)

    def show_rates(self, rates: Mapping[str, Rate]) -> None:
        """Show some rates, the first on top."""
        self.rates = {name: rate for name, rate in rates.items() if rate.total}
        self.setFixedHeight(66 + 24 * max(1, len(self.rates)))
        self._draw()

    def _draw(self) -> None:
        self.plot.clear()
        text, strong = theme_colour("text"), theme_colour("current")
        dashed = pg.mkPen(text, width=1, style=Qt.PenStyle.DashLine)
        self.plot.addItem(pg.InfiniteLine(50, angle=90, pen=dashed))
        for row, rate in enumerate(self.rates.values()):
            low, high = (100 * end for end in rate.interval)
            self.plot.plot([low, high], [-row, -row], pen=pg.mkPen(strong, width=5))
            share = 100 * rate.share
            self.plot.plot([share, share], [-row - 0.3, -row + 0.3], pen=pg.mkPen(text, width=2))
        self.plot.getAxis("left").setTicks([[(-row, name) for row, name in enumerate(self.rates)]])
        self.plot.setYRange(0.5 - max(1, len(self.rates)), 0.5, padding=0.05)


class TimePlot(_ThemedPlot):
    """A dot for the time of each answer, right ones above wrong ones; the tick is the median."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}
        super().__init__(120, "Time of each answer: a dot for each, a tick for the median; the axis is logarithmic.")
        self.plot.setLabel("bottom", "seconds")
        self.plot.setLogMode(x=True)

    def show_times(self, times: Mapping[str, Sequence[float]]) -> None:
        """Show the seconds of right and of wrong answers."""
        self.times = {name: [max(0.05, value) for value in values] for name, values in times.items()}
        self._draw()

    def _draw(self) -> None:
        self.plot.clear()
        text, strong = theme_colour("text"), theme_colour("current")
        rng = np.random.default_rng(0)
        for row, (symbol, values) in enumerate(zip("ox", self.times.values(), strict=False)):
            if values:
                height = rng.uniform(-0.22, 0.22, len(values)) - row
                self.plot.plot(values, height, pen=None, symbol=symbol, symbolSize=6, symbolPen=text, symbolBrush=None)
                middle = float(np.median(values))
                self.plot.plot([middle, middle], [-row - 0.4, -row + 0.4], pen=pg.mkPen(strong, width=3))
        self.plot.getAxis("left").setTicks([[(-row, name) for row, name in enumerate(self.times)]])
        every = [value for values in self.times.values() for value in values] or [1.0]
        marks = [
            value for value in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300) if min(every) / 3 < value < 3 * max(every)
        ]
        self.plot.getAxis("bottom").setTicks([[(np.log10(value), f"{value:g}") for value in marks]])
        self.plot.setXRange(np.log10(min(every) / 1.5), np.log10(max(every) * 1.5), padding=0)
        self.plot.setYRange(-1.5, 0.5, padding=0.02)


class ResultPanel(QWidget):
    """A result from top to bottom.

    Signals
    -------
    wanted(Example)
        A picture was clicked.
    """

    wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.headline, self.words = WrapLabel(), WrapLabel()
        font = self.headline.font()
        font.setBold(True)
        self.headline.setFont(font)
        self.rates, self.times = RatePlot(), TimePlot()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.numbers = Fold("Statistics")
        for widget in (self.words, self.times):
            self.numbers.addWidget(widget)
        for widget in (self.headline, self.rates, self.numbers):
            layout.addWidget(widget)
        self.titles: dict[Group, WrapLabel] = {}
        self.tiles: dict[Group, QFlowLayout] = {}
        for group, title in GROUPS.items():
            self.titles[group], holder = WrapLabel(title), QWidget()
            self.tiles[group] = flow_layout(holder, 3)
            layout.addWidget(self.titles[group])
            layout.addWidget(holder)

    def show_result(self, shown: Shown) -> None:
        """Show a result."""
        self.headline.setText(shown.verdict)
        self.words.setText("\n".join(shown.lines))
        rates: dict[str, Rate] = {}
        for result in shown.results:
            more = f" {result.way}" if len(shown.results) > 1 else ""
            rates[f"all{more}"] = result.wrong
            if result.doubted is not None:
                rates |= {"synthetic": result.fooled, "real": result.doubted}
        self.rates.show_rates(rates)
        self.times.show_times(shown.times)
        for group, tiles in self.tiles.items():
            while (item := tiles.takeAt(0)) is not None:
                item.widget().deleteLater()
            for example in shown.examples.get(group, []):
                tiles.addWidget(tile(example, partial(self.wanted.emit, example)))
            self.titles[group].setVisible(bool(shown.examples.get(group)))
            tiles.parentWidget().setVisible(bool(shown.examples.get(group)))


def tile(example: Example, click: Callable[[], Any]) -> QToolButton:
    """Make a button with a small picture, which opens it as layers."""
    button = QToolButton()
    button.setAutoRaise(True)
    pixels = QPixmap.fromImage(to_qimage(example.pixels))
    smooth = Qt.TransformationMode.SmoothTransformation
    button.setIcon(QIcon(pixels.scaled(SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio, smooth)))
    button.setIconSize(QSize(SIDE, SIDE))
    name, rate = example.judgement.picture.name, example.judgement.taken_for_real
    seconds = example.judgement.seconds
    tip = f"{name}\nTaken for real in {rate.count} of {rate.total} answers, after {seconds:.1f} s. Click to open."
    button.setToolTip(plain(tip))
    button.setAccessibleName(f"Open {name}")
    button.setAccessibleDescription(tip)
    button.clicked.connect(lambda _=False: click())
    return button
