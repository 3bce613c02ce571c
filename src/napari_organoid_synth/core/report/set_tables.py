"""Scores of whole sets in the form of the organoid study: table 1 for generators, table 2 for losses, one for masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from napari_organoid_synth.core.metrics.set_measures import MASK_SCORES
from napari_organoid_synth.core.metrics.sets import Interval, SetScore
from napari_organoid_synth.core.report.contents import Contents, TrainedRun
from napari_organoid_synth.core.report.page import Section, fold, paragraph, table
from napari_organoid_synth.core.scores.storage import SetScores

STUDY = {
    "kid": "KID",
    "fid": "FID",
    "ssim": "SSIM",
    "uqi": "UQI",
    "nmi": "Mutual information",
    "hf_energy": "Blur (fine structure)",
    "psnr": "PSNR, dB",
    "mse": "MSE",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "c2st": "Told apart (0.5: not)",
}
"""Columns of tables 1 and 2: KID, the seven scores of the study, then how far the sets overlap."""
MASKS = {
    score.name: score.title.replace(": distance of distributions", ", KS").replace(":", ",")
    + (f", {score.unit}" if score.unit else "")
    for score in MASK_SCORES
}
ARROWS = {"low": "\u00a0↓", "high": "\u00a0↑", "range": ""}
KINDS = {"all": "all pairs", "kept": "new and accepted", "accepted": "accepted"}


@dataclass(frozen=True, eq=False)
class Line:
    """One scored set: its label, what it was scored on, its scores by name."""

    label: str
    under: str
    run: str
    scores: dict[str, SetScore]


def set_tables(contents: Contents) -> Section | None:
    """Tables 1 and 2, and the values of all tiles."""
    lines = [_line(one, contents.run(one.run)) for one in contents.set_scores if one.scores]
    if not lines:
        return None
    text = paragraph(
        "KID first: FID is biased upwards with few tiles, and the more so the fewer. Large numbers compare as many "
        "generated tiles with one half of the real ones as the other half has: hold them against the row of the "
        "originals, which are halves of the real tiles against each other. ● and bold: within that range. Underlined: "
        "the best of its column, where a direction is better (↓ low, ↑ high). Small numbers: all tiles, with their "
        "95 % interval."
    )
    text += _matrix("Table 1. Generators", STUDY, lines)
    for name, runs in _by_loss(contents, lines).items():
        text += _matrix(f"Table 2. Losses of {name}", STUDY, runs)
    return Section("Generators against the originals", "tables", text + _notes(lines) + _details(lines))


def mask_table(contents: Contents) -> str:
    """Distances of distributions of what the masks hold; nothing when no set has them."""
    lines = [_line(one, contents.run(one.run)) for one in contents.set_scores]
    lines = [line for line in lines if any(name in line.scores for name in MASKS)]
    if not lines:
        return ""
    words = (
        "Distances between the distributions of real and generated masks. KS: 0 for equal ones, 1 for separate ones; "
        "Wasserstein: how far one has to be moved to become the other, in the unit of the quantity."
    )
    return f"<h3>Masks</h3>\n{paragraph(words)}{_matrix('Scores of masks', MASKS, lines)}"


def label(scores: SetScores, run: TrainedRun | None) -> str:
    """What a scored set is called in a sentence: its generator and its run."""
    name = scores.run or "without a run"
    return f"{_generator(run)}, {name}" if run else name


def _generator(run: TrainedRun) -> str:
    return run.generator.partition(" – ")[0]


def _line(scores: SetScores, run: TrainedRun | None) -> Line:
    under = f"{scores.number} tiles, {KINDS[scores.samples]}"
    if run is None:
        return Line(scores.run or "Without a run", under, scores.run, scores.by_name)
    loss = f", {run.recipe.gan.loss}" if hasattr(run.recipe.gan, "loss") else ""
    return Line(f"{_generator(run)}{loss}".replace("_", " "), f"{run.name}: {under}", run.name, scores.by_name)


def _by_loss(contents: Contents, lines: Sequence[Line]) -> dict[str, list[Line]]:
    """Sets of runs of one generator that differ in the loss, at least two losses, by the generator's name."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        run = contents.run(line.run)
        loss = getattr(run.recipe.gan, "loss", None) if run else None
        if run is not None and loss is not None:
            name = _generator(run)
            own = Line(str(loss).replace("_", " "), line.under, line.run, line.scores)
            found.setdefault(name, []).append(own)
    return {name: runs for name, runs in found.items() if len({line.label for line in runs}) > 1}


def _matrix(caption: str, names: dict[str, str], lines: Sequence[Line]) -> str:
    """Rows of sets under the row of their originals; sets whose originals differ stand apart."""
    names = {name: title for name, title in names.items() if any(name in line.scores for line in lines)}
    better = {name: line.scores[name].better for line in lines for name in names if name in line.scores}
    head = "".join(f'<th scope="col">{escape(title)}{ARROWS[better[name]]}</th>' for name, title in names.items())
    body = ""
    for group in _same_originals(names, lines):
        body += _originals(names, group)
        for line in group:
            cells = "".join(_cell(line, name, group) for name in names)
            body += f'<tr><th scope="row">{escape(line.label)}<small>{escape(line.under)}</small></th>{cells}</tr>'
    return (
        f'<div class="scroll across"><table class=matrix><caption>{escape(caption)}</caption><thead><tr>'
        f'<th scope="col">Set</th>{head}</tr></thead><tbody>{body}</tbody></table></div>\n'
    )


def _same_originals(names: dict[str, str], lines: Sequence[Line]) -> list[list[Line]]:
    groups: dict[tuple[Any, ...], list[Line]] = {}
    for line in lines:
        ranges = [
            (name, score.originals.low, score.originals.high, score.extractor) for name, score in line.scores.items()
        ]
        groups.setdefault(tuple(sorted(one for one in ranges if one[0] in names)), []).append(line)
    return list(groups.values())


def _originals(names: dict[str, str], group: Sequence[Line]) -> str:
    scores = group[0].scores
    ranges = {name: _span(score.originals) for name, score in scores.items()}
    cells = "".join(f"<td>{ranges.get(name, '–')}</td>" for name in names)
    tiles = max(score.n_real for score in scores.values())
    return f'<tr class=originals><th scope="row">Originals<small>{tiles} real tiles</small></th>{cells}</tr>'


def _cell(line: Line, name: str, group: Sequence[Line]) -> str:
    if name not in line.scores:
        return "<td>–</td>"
    score = line.scores[name]
    text = _digits(score.matched_value)
    values = [one.scores[name].matched_value for one in group if name in one.scores]
    best = {"low": min, "high": max}.get(score.better)
    if best is not None and len(values) > 1 and score.matched_value == best(values):
        text = f"<span class=best>{text}</span>"
    if score.within:
        text = f"<b>{text}&nbsp;●</b>"
    return f"<td>{text}<small>{_digits(score.value)}</small><small>{_span(score.interval)}</small></td>"


def _span(interval: Interval) -> str:
    return f"{_digits(interval.low)} to {_digits(interval.high)}"


def _digits(value: float) -> str:
    """Three digits, zeros at the end too."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def _notes(lines: Sequence[Line]) -> str:
    """Extractors with the hash of their weights, and numbers of tiles."""
    scores = [score for line in lines for score in line.scores.values()]
    extractors = dict.fromkeys(score.extractor for score in scores if score.extractor)
    tiles = {(score.n_real, score.n_synthetic) for score in scores}
    numbers = ", ".join(f"{real} real with {fake} generated" for real, fake in sorted(tiles, reverse=True))
    words = f"Tiles: {numbers}. Extractor of features: {', '.join(extractors) or 'none'} (name, hash of its weights)."
    words += " Scores of different extractors or numbers of tiles are not comparable."
    return paragraph(words, "faint")


def _details(lines: Sequence[Line]) -> str:
    rows = []
    for line in lines:
        for score in line.scores.values():
            title = score.title + (f", {score.unit}" if score.unit else "")
            tiles = f"{score.n_synthetic} with {score.n_real}"
            rows.append([f"{line.label}, {line.under}", title, score.message, tiles, score.extractor or "–"])
    head = ["Set", "Score", "In words", "Tiles", "Extractor"]
    return fold("Every score in words", table(head, rows, words=True))
