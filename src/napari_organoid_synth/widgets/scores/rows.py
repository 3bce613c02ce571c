"""The scores of a run as rows: title, value, the range of the originals as a bar, the value as a dot, a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_organoid_synth.core.metrics.score_texts import SET_TEXTS, ScoreText
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.shared.text_label import Drawn
from napari_organoid_synth.widgets.shared.theme import theme_colour

if TYPE_CHECKING:
    from napari_organoid_synth.core.metrics.sets import SetScore

GROUPS = {
    "Features": ("kid", "fid", "precision", "recall", "density", "coverage", "c2st"),
    "Pixels": ("ssim", "uqi", "nmi", "psnr", "mse"),
    "Sharpness": ("hf_energy", "blur"),
    "Masks": (
        *("flow_kid", "flow_fid"),
        *("ks_count", "ks_area", "ks_eccentricity", "ks_touching", "ks_decode_error"),
        *("w_count", "w_area", "w_eccentricity", "w_touching", "w_decode_error"),
    ),
}
MARGIN = 4  # px
BAR, DOT = 0.85, 0.32  # height of the bar and radius of the dot, as parts of the height of a line


def number(value: float) -> str:
    """Format three digits, as a power of ten only where necessary."""
    return f"{value:,.0f}" if abs(value) >= 1000 else "0" if value == 0 else f"{value:.3g}"


def verdict(score: SetScore) -> tuple[str, str]:
    """Return sign and word: within the originals, how it leaves them, or that there is no verdict."""
    word = score.verdict
    return {"within": "●", "nearer": "◆", "none": "○"}.get(word, "▲"), "no verdict" if word == "none" else word


class ScoreRow(Drawn):
    """One score, painted.

    Parameters
    ----------
    score : SetScore
    """

    def __init__(self, score: SetScore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.score = score
        self.text = SET_TEXTS.get(score.name) or ScoreText(score.title, "", score.better)
        sign, word = verdict(score)
        unit = f" {score.unit}" if score.unit else ""
        self.value = f"{number(score.matched_value)}{unit}"
        tip = [
            score.title,
            self.text.sentence,
            f"Like with like: {self.value}. Originals with each other: "
            f"{number(score.originals.low)} to {number(score.originals.high)}.",
            f"All {score.n_synthetic} synthetic with all {score.n_real} real tiles: {score.value:.5g}{unit}, "
            f"95 % interval {score.interval.low:.5g} to {score.interval.high:.5g} (its width is the thin line).",
            f"In words: {score.message}.",
            f"Features: {score.extractor}." if score.extractor else "",
        ]
        self.setToolTip("<p>" + "</p><p>".join(line for line in tip if line) + "</p>")
        self.setAccessibleName(f"{score.title}: {self.value}, {word}")
        self.setAccessibleDescription(" ".join(line for line in tip[1:] if line))
        self._sign, self._word = sign, word

    def sizeHint(self) -> QSize:
        """Return room for two lines of text."""
        return QSize(200, 2 * self.fontMetrics().height() + 3 * MARGIN)

    def paintEvent(self, event: Any) -> None:
        """Paint title and value above, bar and word below."""
        painter, metrics = QPainter(self), self.fontMetrics()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text, strong = QColor(theme_colour("text")), QColor(theme_colour("current"))
        line, width = metrics.height(), self.width()
        painter.setPen(text)
        room = metrics.horizontalAdvance(self.value) + 2 * MARGIN
        title = metrics.elidedText(self.text.title, Qt.TextElideMode.ElideRight, width - room)
        flags = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(0, MARGIN, width, line), flags | Qt.AlignmentFlag.AlignLeft, title)
        painter.drawText(QRectF(0, MARGIN, width, line), flags | Qt.AlignmentFlag.AlignRight, self.value)
        top = line + 2 * MARGIN
        judgement = f"{self._sign} {self._word}"
        column = metrics.horizontalAdvance("○ no verdict ") + MARGIN
        painter.drawText(QRectF(width - column, top, column, line), flags | Qt.AlignmentFlag.AlignRight, judgement)
        self._paint_bar(painter, QRectF(MARGIN, top, width - column - 3 * MARGIN, line), text, strong)

    def _paint_bar(self, painter: QPainter, place: QRectF, text: QColor, strong: QColor) -> None:
        score = self.score
        dot, low, high = score.matched_value, score.originals.low, score.originals.high
        left, right = dot + score.interval.low - score.value, dot + score.interval.high - score.value
        least, most = min(low, dot, left), max(high, dot, right)
        span = (most - least) or 1.0

        def x(value: float) -> float:
            return float(place.left() + (value - least) / span * place.width())

        middle, bar, dot_radius = place.center().y(), BAR * place.height(), DOT * place.height()
        faint = QColor(text)
        faint.setAlpha(60)
        painter.setPen(QPen(faint, 1))
        painter.drawLine(QPointF(place.left(), middle), QPointF(place.right(), middle))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(strong)
        painter.drawRoundedRect(QRectF(x(low), middle - bar / 2, max(x(high) - x(low), 3), bar), 2, 2)
        painter.setPen(QPen(text, 1.5))
        painter.drawLine(QPointF(x(left), middle), QPointF(x(right), middle))
        painter.setPen(QPen(QColor(theme_colour("background")), 1))
        painter.setBrush(text)
        painter.drawEllipse(QPointF(x(dot), middle), dot_radius, dot_radius)


class ScoreRows(QWidget):
    """All scores of a run: those of features in view, the others folded under a summary."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.rows: list[ScoreRow] = []
        self.folds: dict[str, Fold] = {}

    def show_scores(self, scores: Sequence[SetScore]) -> None:
        """Show scores; unfolded groups stay unfolded."""
        opened = {name for name, fold in self.folds.items() if fold.isExpanded()}
        while (item := self._column.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.rows, self.folds = [], {}
        for place, (title, names) in enumerate(GROUPS.items()):
            rows = [ScoreRow(score) for score in scores if score.name in names]
            if not rows:
                continue
            self.rows += rows
            if place == 0:
                for row in rows:
                    self._column.addWidget(row)
                continue
            words = [row.score.verdict for row in rows]
            judged = len(words) - words.count("none")
            fold = self.folds[title] = Fold(f"{title}: {words.count('within')} of {judged} within")
            fold.toggleButton().setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            for row in rows:
                fold.addWidget(row)
            self._column.addWidget(fold)
            if title in opened:
                fold.expand(animate=False)
