"""The sample sheet: what was drawn, at random, beside real tiles; then what was accepted, rejected and flagged."""

from __future__ import annotations

from html import escape

import numpy as np

from napari_organoid_synth.core.metrics.memorisation import SAMPLE_SCORES
from napari_organoid_synth.core.registry import METRICS
from napari_organoid_synth.core.report.contents import SEED, Contents
from napari_organoid_synth.core.report.page import Section, count, number, paragraph, table
from napari_organoid_synth.core.samples.store import SampleRow

LARGE, MANY, FEW = 128, 12, 8  # from tiles of this side on there are fewer in a line
MOST_RUNS = 6
CHOSEN = 8  # accepted, rejected, flagged
OF_MASKS = {"objects", "fits"}  # scores that mean nothing without masks


def sheet(contents: Contents) -> Section | None:
    """Tiles at their own pixels, a line for the real ones and one for each run."""
    if not contents.rows or contents.store is None:
        return None
    rng = np.random.default_rng(SEED)
    most = MANY if contents.side <= LARGE else FEW
    real = [contents.tiles[place] for place in sorted(rng.permutation(len(contents.tiles))[:most])]
    tiles = "".join(contents.album.tile(tile) for tile in real)
    text = paragraph(
        "Drawn at random, not chosen. All tiles are shown at their own pixels with the same contrast, so brightness "
        "can be compared; of tiles above 256 px the middle."
    )
    if tiles:
        text += f"<h3>Real tiles</h3>\n<div class='tiles real'>{tiles}</div>\n"
    runs = contents.of_runs()
    for name in list(runs)[-MOST_RUNS:]:
        rows = [runs[name][place] for place in sorted(rng.permutation(len(runs[name]))[:most])]
        run = contents.run(name)
        title = f"{name or 'Without a run'}{f' ({run.generator})' if run else ''}"
        figures = "".join(contents.album.tile(pair) for _, pair in contents.pairs(rows))
        of = f"{len(rows)} of {count(len(runs[name]), 'pair')}"
        text += f"<h3>{escape(title)}</h3>\n{paragraph(of, 'faint')}<div class=tiles>{figures}</div>\n"
    if len(runs) > MOST_RUNS:
        text += paragraph(f"Of {len(runs)} runs the newest {MOST_RUNS}.", "faint")
    return Section("Sample sheet", "samples", text + _chosen(contents) + _scores(contents))


def _chosen(contents: Contents) -> str:
    """The most realistic accepted, the least realistic rejected, some of the flagged."""
    rows = sorted(contents.rows, key=lambda row: row.scores.get("realism", -1), reverse=True)
    groups = {
        "Accepted, most realistic first": [row for row in rows if row.verdict == "accepted"][:CHOSEN],
        "Rejected, least realistic last": [row for row in rows if row.verdict == "rejected"][-CHOSEN:],
        "Flagged": [row for row in rows if row.flagged and (contents.masks or row.flagged != "mask")][:CHOSEN],
    }
    text = ""
    for title, found in groups.items():
        figures = "".join(_thumbnail(contents, row, flags=title == "Flagged") for row in found)
        text += f"<h3>{title}</h3>\n<div class=row>{figures}</div>\n" if figures else ""
    return text


def _thumbnail(contents: Contents, row: SampleRow, flags: bool) -> str:
    assert contents.store is not None
    image, labels = contents.store.thumbnail(row.id)
    words = row.note or count(row.n_objects, "object")
    return contents.album.figure(image, labels, f"{row.flagged}: {words}" if flags else words, row.name)


def _scores(contents: Contents) -> str:
    """Each score of single pairs by verdict."""
    families = [name for name in METRICS.names() if contents.masks or name not in OF_MASKS]
    known = [*(score for name in families for score in METRICS.load(name).scores), *SAMPLE_SCORES]
    titles = {"realism": "Realism (1 like the median real tile, below 0.5 unlike any)"} | {
        score.name: score.title + (f", {score.unit}" if score.unit else "") for score in known
    }
    verdicts = [verdict for verdict, tally in contents.counts.items() if tally]
    lines = []
    for name, title in titles.items():
        cells = [title]
        for verdict in verdicts:
            found = [row.scores[name] for row in contents.rows if row.verdict == verdict and name in row.scores]
            cells.append(f"{number(np.mean(found))} ± {number(np.std(found))}" if found else "–")
        if cells[1:] != ["–"] * len(verdicts):
            lines.append(cells)
    if not lines:
        return ""
    return "<h3>Scores of single pairs</h3>\n" + table(["Score, mean ± sd", *verdicts], lines)
