"""The top of the page: title, and a summary in a few sentences."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass

from napari_organoid_synth import __version__
from napari_organoid_synth.core.gain.sentences import gain_verdict
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.rendering import number
from napari_organoid_synth.core.report.set_tables import label


@dataclass(frozen=True)
class Head:
    """Content of the top of the page."""

    project: str
    origin: str
    summary: str
    warnings: tuple[str, ...]
    has_outlines: bool


def head(contents: Contents) -> Head:
    """Collect title, date, version, the summary, the warnings of the comparison, and whether there are outlines."""
    date = time.strftime("%d %B %Y, %H:%M")
    return Head(
        project=contents.project.path.name,
        origin=f"{date} · napari-organoid-synth {__version__} · {machine()}",
        summary=" ".join(sentences(contents)) or "There is nothing in this project yet.",
        warnings=(*contents.damage, *(contents.result.warnings if contents.result else ())),
        has_outlines=contents.has_masks and bool(contents.rows or contents.table),
    )


def machine() -> str:
    """Name the computer that writes the report."""
    return f"{platform.system()} {platform.machine()}, {plural(os.cpu_count() or 1, 'processor core')}"


def sentences(contents: Contents) -> list[str]:
    """Return a sentence each on pairs, generators, range of the originals, copies and gain, as far as there are any."""
    lines = []
    if (table := contents.table) is not None and table.matched:
        real = plural(len(table.matched), "real pair" if contents.has_masks else "real image")
        lines.append(f"{real}, {len(table.train)} of them to train and {len(table.test)} to test.")
    if contents.rows:
        tally = ", ".join(f"{n:,} {verdict}" for verdict, n in contents.counts.items() if n)
        lines.append(
            f"{plural(len(contents.rows), 'synthetic pair' if contents.has_masks else 'synthetic image')}: {tally}."
        )
    lines += [*_generators(contents), *_range(contents), *_copies(contents)]
    if contents.result is not None and (verdict := gain_verdict(contents.result)):
        lines.append(verdict.replace("\n", " "))
    return lines


def _generators(contents: Contents) -> list[str]:
    used = {name for name in contents.by_run() if name}
    runs = [run for run in contents.runs if run.name in used] or contents.runs[-1:]
    kinds = dict.fromkeys(run.generator.partition(" – ")[0] for run in runs)
    if not runs:
        return []
    total = plural(len(contents.runs), "training") + " in the project"
    return [f"Made by {', '.join(kinds)} ({total})." if used else f"Generator: {', '.join(kinds)} ({total})."]


def _range(contents: Contents) -> list[str]:
    """Describe the set with the lowest KID: the number of scores in the range of the originals, and its KID."""
    sets = [one for one in contents.set_scores if "kid" in one.by_name]
    if not sets:
        return []
    best = min(sets, key=lambda one: one.by_name["kid"].matched_value)
    kid, verdicts = best.by_name["kid"], [score.verdict for score in best.scores]
    judged = len(verdicts) - verdicts.count("none")
    reached = {"worse": "was not reached", "none": "says nothing about KID"}.get(kid.verdict, "was reached")
    return [
        f"The range of the originals {reached}: KID of "
        f"{label(best, contents.run(best.run))} is {number(kid.matched_value)}, originals {number(kid.originals.low)} "
        f"to {number(kid.originals.high)}; {verdicts.count('within')} of {plural(judged, 'score')} within it."
    ]


def _copies(contents: Contents) -> list[str]:
    if not any("nearest" in row.scores or row.flagged for row in contents.rows):
        return []
    copies = sum("copy" in row.flagged.split(", ") for row in contents.rows)
    pairs = plural(copies, "pair" if contents.has_masks else "image")
    return [f"{pairs} flagged as {'a copy' if copies == 1 else 'copies'} of a real image."]
