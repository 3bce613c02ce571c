"""The sample sheet: samples drawn at random beside real tiles; then those accepted, rejected and flagged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_organoid_synth.core.metrics.memorisation import SAMPLE_SCORES
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.registry import METRICS
from napari_organoid_synth.core.report.contents import SEED, Contents
from napari_organoid_synth.core.report.pictures import Picture
from napari_organoid_synth.core.report.rendering import Section, Table, number
from napari_organoid_synth.core.samples.store import SampleRow

SMALL_TILE = 128  # px; of larger tiles there are fewer in a line
SMALL_TILES, LARGE_TILES = 12, 8  # in a line
MAX_RUNS = 6
MAX_CHOSEN = 8  # accepted, rejected, flagged
MASK_METRICS = {"objects", "network", "fits"}  # mean nothing without masks


@dataclass(frozen=True)
class Line:
    """Pictures under a title."""

    title: str
    pictures: tuple[Picture, ...]
    number: str = ""


@dataclass(frozen=True)
class Sheet:
    """Content of the section."""

    real: tuple[Picture, ...]
    runs: tuple[Line, ...]
    omitted: str
    chosen: tuple[Line, ...]
    scores: Table | None


def sheet(contents: Contents) -> Section | None:
    """Show tiles at their own pixels, a line for the real ones and one for each run."""
    if not contents.rows or contents.store is None:
        return None
    rng = np.random.default_rng(SEED)
    length = SMALL_TILES if contents.side <= SMALL_TILE else LARGE_TILES
    tiles = [contents.tiles[place] for place in sorted(rng.permutation(len(contents.tiles))[:length])]
    real = tuple(contents.album.tile(tile) for tile in tiles)
    runs, lines = contents.by_run(), []
    for name in list(runs)[-MAX_RUNS:]:
        rows = [runs[name][place] for place in sorted(rng.permutation(len(runs[name]))[:length])]
        run = contents.run(name)
        title = f"{name or 'Without a run'}{f' ({run.generator})' if run else ''}"
        pictures = tuple(contents.album.tile(pair) for _, pair in contents.pairs(rows))
        lines.append(Line(title, pictures, f"{len(rows)} of {plural(len(runs[name]), 'pair')}"))
    omitted = f"The newest {MAX_RUNS} of {len(runs)} runs." if len(runs) > MAX_RUNS else ""
    return Section(
        "Sample sheet", "samples", Sheet(real, tuple(lines), omitted, _chosen_samples(contents), _score_table(contents))
    )


def _chosen_samples(contents: Contents) -> tuple[Line, ...]:
    """Return the most realistic accepted, the least realistic rejected, and some of the flagged samples."""
    rows = sorted(contents.rows, key=lambda row: row.scores.get("realism", -1), reverse=True)
    groups = {
        "Accepted, most realistic first": [row for row in rows if row.verdict == "accepted"][:MAX_CHOSEN],
        "Rejected, least realistic last": [row for row in rows if row.verdict == "rejected"][-MAX_CHOSEN:],
        "Flagged": [row for row in rows if row.flagged and (contents.has_masks or row.flagged != "mask")][:MAX_CHOSEN],
    }
    return tuple(
        Line(title, tuple(_thumbnail(contents, row, with_flag=title == "Flagged") for row in group))
        for title, group in groups.items()
        if group
    )


def _thumbnail(contents: Contents, row: SampleRow, with_flag: bool) -> Picture:
    assert contents.store is not None
    image, labels = contents.store.thumbnail(row.id, contents.contrast)
    caption = row.note or plural(row.n_objects, "object")
    return contents.album.figure(image, labels, f"{row.flagged}: {caption}" if with_flag else caption, row.name)


def _score_table(contents: Contents) -> Table | None:
    """Return the mean of each score of single pairs, by verdict."""
    families = [name for name in METRICS.names() if contents.has_masks or name not in MASK_METRICS]
    scores = [*(score for name in families for score in METRICS.load(name).scores), *SAMPLE_SCORES]
    titles = {"realism": "Realism (share of real tiles that are less ordinary; below 0.05: as 5 of 100)"} | {
        score.name: score.title + (f", {score.unit}" if score.unit else "") for score in scores
    }
    verdicts = [verdict for verdict, tally in contents.counts.items() if tally]
    rows = []
    for name, title in titles.items():
        cells = [title]
        for verdict in verdicts:
            values = [row.scores[name] for row in contents.rows if row.verdict == verdict and name in row.scores]
            cells.append(f"{number(np.mean(values))} ± {number(np.std(values))}" if values else "–")
        if cells[1:] != ["–"] * len(verdicts):
            rows.append(cells)
    return Table(["Score, mean ± SD", *verdicts], rows) if rows else None
