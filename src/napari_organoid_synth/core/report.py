"""A project on one page: a single HTML file with everything inside, for a colleague, a lab book or a supplement."""

from __future__ import annotations

import base64
import json
import time
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth import __version__
from napari_organoid_synth.core.curation import SampleStore
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import JobFolder, Progress, write_text
from napari_organoid_synth.core.metrics.memorisation import SAMPLE_SCORES
from napari_organoid_synth.core.overlay import outline
from napari_organoid_synth.core.pair import SamplePair
from napari_organoid_synth.core.pair_table import PairTable
from napari_organoid_synth.core.pairing import read_entry
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import METRICS
from napari_organoid_synth.core.score_table import read_columns, words_of
from napari_organoid_synth.core.thumbnail import decode_png, encode_png, make_thumbnail

SHOWN = 6  # pairs of each sort
ARMS = {
    "real": "Real pairs",
    "classical": "Real pairs, classically augmented",
    "synthetic": "Real and all synthetic pairs",
    "curated": "Real and accepted synthetic pairs",
}
# Okabe and Ito's colours, which people with any colour vision can tell apart
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --faint: #5d6873; --line: #d9dee3; --paper: #fff; --tint: #eef4f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --faint: #9aa6b2; --line: #39424b; --paper: #14181c; --tint: #1d2831; } }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper);
  max-width: 64rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
p { max-width: 44rem; margin: .4rem 0 .9rem; } .faint, figcaption { color: var(--faint); font-size: .875rem; }
.lead { font-size: 1.15rem; background: var(--tint); border-left: 4px solid #0072b2; padding: .8rem 1rem; }
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .75rem;
  margin: .5rem 0 1.25rem; }
.wide { grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); }
figure { margin: 0; } figcaption { overflow-wrap: anywhere; line-height: 1.35; margin-top: .25rem; }
img { width: 100%; display: block; image-rendering: pixelated; border-radius: 3px; background: #000; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
th, td { padding: .35rem .9rem .35rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--faint); font-size: .875rem; } th:first-child, td:first-child { text-align: left; }
tr.best td { font-weight: 650; } svg { width: 100%; height: auto; display: block; } svg text { fill: var(--faint); }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin: 0 .3em 0 .8em;
  outline: 1px solid #8888; }
@media print { body { max-width: none; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""


def write_report(
    project: Project,
    path: Path,
    results: dict[str, Any] | None = None,
    seconds: dict[str, float] | None = None,
) -> Path:
    """Write the report of a project.

    Parameters
    ----------
    project : Project
        Parts that are not there yet are left out.
    path : Path
        The HTML file.
    results : dict, optional
        Result of a segmentation; default: the newest of the project.
    seconds : dict of str to float, optional
        How long each stage took.

    Returns
    -------
    Path
        The same path.
    """
    results = results or newest_results(project)
    parts = [
        _head(project, results),
        _dice(results),
        _real(project),
        _synthetic(project),
        _sets(project),
        _training(project),
        _exports(project),
        _times(seconds),
    ]
    title = escape(f"{project.path.name} – report")
    write_text(
        Path(path),
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>\n'
        f"<body>\n{''.join(part for part in parts if part)}</body></html>\n",
    )
    return Path(path)


def newest_results(project: Project) -> dict[str, Any]:
    """What the newest segmentation of a project wrote, with its folder; empty when there is none."""
    for path in sorted(
        project.path.glob("segment/*/results.json"), key=lambda path: path.stat().st_mtime, reverse=True
    ):
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return found | {"folder": str(path.parent)}
    return {}


def _head(project: Project, results: dict[str, Any]) -> str:
    made = time.strftime("%d %B %Y, %H:%M")
    text = f"<h1>{escape(project.path.name)}</h1>\n<p class=faint>{made} · napari-organoid-synth {__version__}</p>\n"
    if results.get("sentence"):
        text += f"<p class=lead>{escape(results['sentence'])}</p>\n"
    return text + "".join(f"<p><b>Note.</b> {escape(warning)}</p>\n" for warning in results.get("warnings", ()))


# --- did it help? ----------------------------------------------------------------------------------------------------


def _dice(results: dict[str, Any]) -> str:
    arms = results.get("arms")
    if not arms:
        return ""
    scores = [key for key in ("dice", "precision", "recall", "ap") if all(key in arm for arm in arms.values())]
    names = {"dice": "Dice", "precision": "Precision", "recall": "Recall", "ap": "AP, objects"}
    classes = list(next(iter(arms.values()))["per_class"])
    best = max(arms, key=lambda name: arms[name]["dice"])
    head = ["Trained on", *(names[key] for key in scores)]
    if len(classes) > 1:
        head += [f"Dice, {name}" for name in classes]
    rows = []
    for name, arm in arms.items():
        cells = [ARMS.get(name, name), *(f"{arm[key]:.3f}" for key in scores)]
        if len(classes) > 1:
            cells += [f"{arm['per_class'][one]['dice']:.3f}" for one in classes]
        rows.append((cells, name == best))
    steps = next(iter(arms.values()))["steps"]
    n = len(results.get("test", ()))
    text = (
        "<h2>Segmentation with and without synthetic pairs</h2>\n"
        f"<p>Means over {n} test image{'s' * (n != 1)} that neither generator nor segmenter was trained on; "
        f"{steps} optimiser steps for each row, the same first weights. One training each: another seed gives other "
        "numbers.</p>\n" + _table(head, rows)
    )
    if n > 1:
        text += "<p>Each test image, Dice:</p>\n" + _dots(arms)
    return text + _errors(results)


def _dots(arms: dict[str, Any]) -> str:
    """A strip of dots per arm, one per test image; lines join the same image."""
    values = {name: [image["dice"] for image in arm["per_image"].values()] for name, arm in arms.items()}
    low = min(0.95, min(min(row) for row in values.values()))
    low = int(low * 20) / 20
    width, left, height = 640, 220, 34 * len(arms) + 30

    def x(value: float) -> float:
        return left + (value - low) / (1 - low) * (width - left - 20)

    marks = [
        f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="4" y2="{height - 24}" stroke="currentColor" opacity=".15"/>'
        f'<text x="{x(tick):.1f}" y="{height - 8}" font-size="12" text-anchor="middle">{tick:.2f}</text>'
        for tick in np.linspace(low, 1, 5)
    ]
    rows = list(values.values())
    for index, (name, row) in enumerate(values.items()):
        y = 20 + 34 * index
        marks.append(f'<text x="0" y="{y + 4}" font-size="13">{escape(ARMS.get(name, name))}</text>')
        if index:
            marks += [
                f'<line x1="{x(a):.1f}" y1="{y - 34}" x2="{x(b):.1f}" y2="{y}" stroke="currentColor" opacity=".2"/>'
                for a, b in zip(rows[index - 1], row, strict=True)
            ]
    for index, row in enumerate(rows):
        y, colour = 20 + 34 * index, COLOURS[index]
        marks += [f'<circle cx="{x(value):.1f}" cy="{y}" r="5" fill="{colour}" opacity=".75"/>' for value in row]
        mean = x(float(np.mean(row)))
        marks.append(f'<path d="M{mean:.1f} {y - 11}V{y + 11}" stroke="{colour}" stroke-width="3"/>')
    return (
        f'<div style="max-width:44rem"><svg viewBox="0 0 {width} {height}" role="img" '
        'aria-label="Dice of each test image">'
        f"{''.join(marks)}</svg></div>\n<p class=faint>Upright bars are means; lines join the same image.</p>\n"
    )


def _errors(results: dict[str, Any]) -> str:
    """Error pictures of the test image that differs most between arms."""
    arms, folder = results["arms"], Path(results.get("folder", ""))
    images = list(next(iter(arms.values()))["per_image"])
    spread = {image: np.ptp([arm["per_image"][image]["dice"] for arm in arms.values()]) for image in images}
    image = max(images, key=lambda name: spread[name])
    figures = []
    for name, arm in arms.items():
        path = folder / "predictions" / name / f"{file_stem(image)}_errors.png"
        if path.is_file():
            caption = f"{ARMS.get(name, name)}: Dice {arm['per_image'][image]['dice']:.3f}"
            figures.append(_figure(path.read_bytes(), caption))
    if not figures:
        return ""
    key = "".join(
        f'<span class=key style="background:{colour}"></span>{word}'
        for colour, word in (("#f0f", "marked, but nothing there"), ("#0ff", "missed"), ("#ff0", "wrong class"))
        if word != "wrong class" or results.get("mask_kind") == "classes"
    )
    which = f"‘{escape(image)}’" + (", the test image on which they differ most" if len(images) > 1 else "")
    return f"<p>Errors on {which}:{key}</p>\n<div class='row wide'>{''.join(figures)}</div>\n"


# --- pairs -----------------------------------------------------------------------------------------------------------


def _real(project: Project) -> str:
    try:
        table = PairTable.from_file(project.pairs_path)
    except UserError:
        return ""
    figures = []
    for entry in table.matched[:SHOWN]:
        try:
            pair = read_entry(entry, table.mask_kind, table.class_names)
        except UserError:
            continue
        figures.append(_pair_figure(*_small(pair), f"{entry.name} ({entry.split})"))
    return f"<h2>Real pairs</h2>\n<p>{escape(table.summary())}</p>\n<div class=row>{''.join(figures)}</div>\n"


def _synthetic(project: Project) -> str:
    if not project.samples_path.exists():
        return ""
    with SampleStore(project.samples_path) as store:
        rows = store.rows(sort="realism", descending=True)
        counts = store.counts()
        if not rows:
            return ""
        accepted = [row for row in rows if row.verdict == "accepted"] or rows
        figures = [
            _pair_figure(*store.thumbnail(row.id), row.note or f"{row.n_objects} objects") for row in accepted[:SHOWN]
        ]
        refused = [row for row in rows if row.verdict == "rejected"][-SHOWN:]
        more = [_pair_figure(*store.thumbnail(row.id), row.note or f"{row.n_objects} objects") for row in refused]
    tally = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    copies = sum("copy" in row.flagged for row in rows)
    text = f"<h2>Synthetic pairs</h2>\n<p>{len(rows)} made: {tally}."
    text += f" {copies} flagged as copies of a real image.</p>\n" if copies else "</p>\n"
    text += f"<p>Accepted, most realistic first:</p><div class=row>{''.join(figures)}</div>\n"
    if more:
        text += f"<p>Rejected:</p><div class=row>{''.join(more)}</div>\n"
    known = [*(score for name in METRICS.names() for score in METRICS.load(name).scores), *SAMPLE_SCORES]
    titles = {score.name: score.title + (f", {score.unit}" if score.unit else "") for score in known}
    titles["realism"] = "Realism (1 like the median real tile, below 0.5 unlike any)"
    verdicts = [verdict for verdict, number in counts.items() if number]
    table = []
    for name in dict.fromkeys(["realism", *titles]):
        cells = [titles[name]]
        for verdict in verdicts:
            found = [row.scores[name] for row in rows if row.verdict == verdict and name in row.scores]
            cells.append(f"{_number(np.mean(found))} ± {_number(np.std(found))}" if found else "–")
        if cells[1:] != ["–"] * len(verdicts):
            table.append((cells, False))
    return text + (_table(["Score, mean ± sd", *verdicts], table) if table else "")


def _sets(project: Project) -> str:
    """Scores of the sets: runs by scores beside the range of the originals, and what was found about copies."""
    columns = [column for column in read_columns(project) if column["scores"]]
    if not columns:
        return ""
    text = (
        "<h2>Each generator against the real images</h2>\n"
        "<p>Every value compares as many generated tiles with one half of the real ones as the other half of the real "
        "ones has; ● lies within what halves of the real images reach among each other. Few tiles: KID first, FID is "
        "biased. The extractor of features stands in the second table.</p>\n"
    )
    scores = {score["name"]: score for column in columns for score in column["scores"]}
    runs = [f"{column['run'] or 'no run'} ({column['number']} {column['samples']})" for column in columns]
    found = [{score["name"]: score for score in column["scores"]} for column in columns]
    rows, details = [], []
    for name, first in scores.items():
        title = first["title"] + (f", {first['unit']}" if first["unit"] else "")
        cells = [title, f"{_number(first['real_low'])} to {_number(first['real_high'])}"]
        for run, own in zip(runs, found, strict=True):
            if name not in own:
                cells.append("–")
                continue
            score = own[name]
            within = score["real_low"] <= score["alike"] <= score["real_high"]
            cells.append(_number(score["alike"]) + " ●" * within)
            interval = f"{_number(score['value'])} ({_number(score['low'])} to {_number(score['high'])})"
            tiles = f"{score['n_fake']} with {score['n_real']}"
            details.append(([title, run, interval, tiles, score["extractor"] or "–", score["words"]], False))
        rows.append((cells, False))
    text += _table(["Score", "Originals", *runs], rows)
    head = ["Score", "Run", "All tiles (95 % interval)", "Tiles", "Extractor", "In words"]
    text += f"<details><summary>Values of all tiles, with intervals</summary>{_table(head, details)}</details>\n"
    for run, column in zip(runs, columns, strict=True):
        words = " ".join(words_of(column))
        text += f"<p><b>{escape(run)}.</b> {escape(words)}</p>\n"
    return text


def _small(pair: SamplePair) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    image, labels = make_thumbnail(pair)
    return decode_png(image), decode_png(labels)


def _pair_figure(image: NDArray[np.uint8], labels: NDArray[np.uint16], caption: str) -> str:
    """The image above, and below it the same with the outlines of the mask."""
    marked = image.copy()
    edge = outline(labels)
    colours = np.array([tuple(bytes.fromhex(colour[1:])) for colour in COLOURS[3:] + COLOURS[:3]], dtype=np.uint8)
    marked[edge] = colours[labels[edge].astype(int) % len(colours)]
    gap = np.full((3, image.shape[1], 3), 255, np.uint8)
    return _figure(encode_png(np.concatenate([image, gap, marked])), caption)


# --- training, export, time ------------------------------------------------------------------------------------------


def _training(project: Project) -> str:
    runs = project.runs()
    if not runs:
        return ""
    run = runs[-1]
    try:
        recipe = Recipe.from_file(run / "recipe.yaml")
    except UserError:
        return ""
    events, _ = JobFolder(run).read_events()
    progress = [event for event in events if isinstance(event, Progress) and event.stats]
    keys = list(dict.fromkeys(key for event in progress for key in event.stats))
    charts = [
        _chart(key, [(event.step, event.stats[key]) for event in progress if key in event.stats], COLOURS[index % 7])
        for index, key in enumerate(keys)
    ]
    try:
        note = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        note = {}
    words = [f"{recipe.gan.title}", f"tiles of {recipe.tiles.size} px"]  # type: ignore[attr-defined]
    words.append(f"{note.get('steps', progress[-1].step if progress else 0)} of {recipe.train.steps} steps")
    if "device" in note:
        words.append(f"{note['device']}, {note.get('precision', '')}")
    if note.get("images_per_second"):
        words.append(f"{note['images_per_second']:.1f} images/s")
    text = f"<h2>Training of the generator</h2>\n<p>{escape(' · '.join(words))}</p>\n"
    if charts:
        text += f"<div class='row wide'>{''.join(charts)}</div>\n"
    recipe_text = escape((run / "recipe.yaml").read_text(encoding="utf-8"))
    return text + f"<details><summary>All settings ({escape(run.name)})</summary><pre>{recipe_text}</pre></details>\n"


def _chart(title: str, points: list[tuple[int, float]], colour: str) -> str:
    """A small line chart as SVG; the axis ends are labelled."""
    steps, values = (np.array(axis, dtype=float) for axis in zip(*points, strict=True))
    good = np.isfinite(values)
    steps, values = steps[good], values[good]
    if not values.size:
        return ""
    low, high = float(values.min()), float(values.max())
    x = 44 + (steps - steps[0]) / max(np.ptp(steps), 1) * 262
    y = 96 - (values - low) / ((high - low) or 1) * 84
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f"<figure><figcaption><b>{escape(title)}</b>, last {values[-1]:.3g}</figcaption>"
        f'<svg viewBox="0 0 310 122" role="img" aria-label="{escape(title)} over steps">'
        '<path d="M44 8V96H306" fill="none" stroke="currentColor" opacity=".3"/>'
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>'
        f'<g font-size="11"><text x="40" y="16" text-anchor="end">{high:.3g}</text>'
        f'<text x="40" y="96" text-anchor="end">{low:.3g}</text><text x="44" y="112">{steps[0]:.0f}</text>'
        f'<text x="306" y="112" text-anchor="end">{steps[-1]:.0f} steps</text></g></svg></figure>'
    )


def _exports(project: Project) -> str:
    rows = []
    for path in sorted(project.path.glob("exports/*/manifest.json")):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            formats = ", ".join(manifest["settings"]["formats"])
            rows.append(([path.parent.name, str(len(manifest["samples"])), formats, manifest["created"]], False))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    if not rows:
        return ""
    return "<h2>Exports</h2>\n<p>Every file was read back and compared.</p>\n" + _table(
        ["Folder", "Pairs", "Layouts", "Written"], rows
    )


def _times(seconds: dict[str, float] | None) -> str:
    if not seconds:
        return ""
    rows = [([name, f"{value:.1f} s"], False) for name, value in seconds.items()]
    rows.append((["together", f"{sum(seconds.values()):.1f} s"], True))
    return "<h2>How long it took</h2>\n" + _table(["Stage", "Time"], rows)


def _number(value: Any) -> str:
    """Three digits, never as a power of ten where it can be helped."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _table(head: list[str], rows: list[tuple[list[str], bool]]) -> str:
    cells = "".join(f"<th>{escape(text)}</th>" for text in head)
    lines = [
        f"<tr{' class=best' if bold else ''}>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>"
        for row, bold in rows
    ]
    return f"<div class=scroll><table><thead><tr>{cells}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>\n"


def _figure(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
