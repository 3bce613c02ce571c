"""Scores of whole sets in the form of the organoid study: table 1 for generators, table 2 for losses, one for masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.metrics.set_measures import FLOW_SCORES, MASK_SCORES
from napari_organoid_synth.core.metrics.sets import Interval, SetScore
from napari_organoid_synth.core.report.contents import Contents, TrainedRun
from napari_organoid_synth.core.report.rendering import Section, Table, digits
from napari_organoid_synth.core.scores.sample_sets import set_title
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
    for score in (*FLOW_SCORES, *MASK_SCORES)
}
ARROWS = {"low": "\u00a0↓", "high": "\u00a0↑", "range": ""}
KINDS = {"all": "all pairs", "kept": "new and accepted", "accepted": "accepted"}


@dataclass(frozen=True, eq=False)
class Line:
    """One scored set: its label, details and run, and its scores by name."""

    label: str
    details: str
    run: str
    scores: dict[str, SetScore]


@dataclass(frozen=True)
class Cell:
    """One score of a set, as text.

    Parameters
    ----------
    matched_value, value, interval : str
        As in `SetScore`.
    is_best, is_within : bool
        Whether it is the best of its column, and whether it lies in the range of the originals.
    """

    matched_value: str
    value: str
    interval: str
    is_best: bool
    is_within: bool


@dataclass(frozen=True)
class Group:
    """Sets that are compared with the same originals; a cell is None where there is no such score."""

    tiles: int
    originals: tuple[str, ...]
    rows: tuple[tuple[Line, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True)
class Matrix:
    """A table of sets by scores."""

    caption: str
    titles: tuple[str, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class SetTables:
    """Content of the section."""

    matrices: tuple[Matrix, ...]
    origin: str
    details: Table


def set_tables(contents: Contents) -> Section | None:
    """Show tables 1 and 2, and every score in words."""
    lines = [_line(scores, contents.run(scores.run)) for scores in contents.set_scores if scores.scores]
    if not lines:
        return None
    matrices = [_matrix("Table 1. Generators", STUDY, lines)]
    of_runs = [_line(one, contents.run(one.run)) for one in contents.set_scores if one.scores and one.by == ("run",)]
    for name, runs in _by_loss(contents, of_runs).items():
        matrices.append(_matrix(f"Table 2. Losses of {name}", STUDY, runs))
    content = SetTables(tuple(matrices), _origin(lines), _details(lines))
    return Section("Generators against the originals", "tables", content)


def mask_table(contents: Contents) -> Matrix | None:
    """Return distances between the distributions of real and synthetic masks; None when no set has them."""
    lines = [_line(scores, contents.run(scores.run)) for scores in contents.set_scores]
    lines = [line for line in lines if any(name in line.scores for name in MASKS)]
    return _matrix("Scores of masks", MASKS, lines) if lines else None


def label(scores: SetScores, run: TrainedRun | None) -> str:
    """Return the name of a scored set in a sentence: its generator and its run."""
    return f"{_generator(run)}, {scores.title}" if run else scores.title


def _generator(run: TrainedRun) -> str:
    return run.generator.partition(" – ")[0]


def _line(scores: SetScores, run: TrainedRun | None) -> Line:
    parts = set_title("", [], scores.parts) if scores.parts else ""
    details = ", ".join(filter(None, (parts, f"{scores.number} tiles", KINDS[scores.samples])))
    if run is None:
        title = "Without a run" if not scores.run and scores.by == ("run",) else scores.title
        return Line(title, details, scores.run, scores.by_name)
    loss = f", {run.recipe.gan.loss}" if hasattr(run.recipe.gan, "loss") else ""
    return Line(f"{_generator(run)}{loss}".replace("_", " "), f"{run.name}: {details}", run.name, scores.by_name)


def _by_loss(contents: Contents, lines: Sequence[Line]) -> dict[str, list[Line]]:
    """Return sets of runs of one generator with at least two losses, by the name of the generator."""
    sets: dict[str, list[Line]] = {}
    for line in lines:
        run = contents.run(line.run)
        loss = getattr(run.recipe.gan, "loss", None) if run else None
        if run is not None and loss is not None:
            own = Line(str(loss).replace("_", " "), line.details, line.run, line.scores)
            sets.setdefault(_generator(run), []).append(own)
    return {name: runs for name, runs in sets.items() if len({line.label for line in runs}) > 1}


def _matrix(caption: str, names: dict[str, str], lines: Sequence[Line]) -> Matrix:
    """Place sets below the row of their originals; sets with other originals stand apart."""
    names = {name: title for name, title in names.items() if any(name in line.scores for line in lines)}
    directions = {name: line.scores[name].better for line in lines for name in names if name in line.scores}
    titles = tuple(title + ARROWS[directions[name]] for name, title in names.items())
    return Matrix(caption, titles, tuple(_group(names, group) for group in _same_originals(names, lines)))


def _same_originals(names: dict[str, str], lines: Sequence[Line]) -> list[list[Line]]:
    groups: dict[tuple[Any, ...], list[Line]] = {}
    for line in lines:
        ranges = [
            (name, score.originals.low, score.originals.high, score.extractor) for name, score in line.scores.items()
        ]
        groups.setdefault(tuple(sorted(one for one in ranges if one[0] in names)), []).append(line)
    return list(groups.values())


def _group(names: dict[str, str], lines: Sequence[Line]) -> Group:
    scores = lines[0].scores
    originals = tuple(_span(scores[name].originals) if name in scores else "–" for name in names)
    rows = tuple((line, tuple(_cell(line, name, lines) for name in names)) for line in lines)
    return Group(max(score.n_real for score in scores.values()), originals, rows)


def _cell(line: Line, name: str, lines: Sequence[Line]) -> Cell | None:
    if name not in line.scores:
        return None
    score = line.scores[name]
    values = [one.scores[name].matched_value for one in lines if name in one.scores]
    best = {"low": min, "high": max}.get(score.better)
    return Cell(
        matched_value=digits(score.matched_value),
        value=digits(score.value),
        interval=_span(score.interval),
        is_best=best is not None and len(values) > 1 and score.matched_value == best(values),
        is_within=score.within,
    )


def _span(interval: Interval) -> str:
    return f"{digits(interval.low)} to {digits(interval.high)}"


def _origin(lines: Sequence[Line]) -> str:
    """Name the extractors with the hash of their weights, and the numbers of tiles."""
    scores = [score for line in lines for score in line.scores.values()]
    extractors = dict.fromkeys(score.extractor for score in scores if score.extractor)
    tiles = {(score.n_real, score.n_synthetic) for score in scores}
    numbers = ", ".join(f"{real} real with {synthetic} synthetic" for real, synthetic in sorted(tiles, reverse=True))
    return (
        f"Tiles: {numbers}. Feature extractor: {', '.join(extractors) or 'none'} (name, hash of its weights). Scores "
        "of different extractors or numbers of tiles are not comparable."
    )


def _details(lines: Sequence[Line]) -> Table:
    rows = [
        [
            f"{line.label}, {line.details}",
            score.title + (f", {score.unit}" if score.unit else ""),
            score.message,
            f"{score.n_synthetic} with {score.n_real}",
            score.extractor or "–",
        ]
        for line in lines
        for score in line.scores.values()
    ]
    return Table(["Set", "Score", "In words", "Tiles", "Extractor"], rows, left=True)
