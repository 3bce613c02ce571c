"""Scores of sets as they are kept, in ``scores.json`` of the project, and as they are read: table and sentences."""

from __future__ import annotations

import json
from typing import Any

from napari_organoid_synth.core.metrics.nearest import TWIN
from napari_organoid_synth.core.project import Project

VERSION = 1
REPEATED = 0.05  # share of samples from which on a sentence says so
Columns = list[dict[str, Any]]
"""One for each run, kind of set and extractor: ``run``, ``samples``, ``extractor``, ``number``, ``made``, ``scores``
(as `metrics.sets.SetScore`), ``memorisation``, ``collapse``, ``fits``."""


def read_columns(project: Project) -> Columns:
    """What was found so far, one column per run, kind of set and extractor; nothing when the file is not readable."""
    try:
        found = json.loads(project.scores_path.read_text(encoding="utf-8"))
        columns: Columns = found["columns"] if found["version"] == VERSION else []
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return columns


def table(columns: Columns) -> str:
    """The columns as text, run by run: value, interval, range of the originals, same number of tiles, words."""
    lines = []
    for column in columns:
        lines += ["", f"{column['run'] or 'samples without a run'}: {column['number']} samples ({column['samples']})"]
        if column["scores"]:
            lines.append(f"  {'':52} {'value':>9}  {'95 % interval':>21}  {'originals':>21}  {'like with like':>14}")
        for score in column["scores"]:
            title = score["title"] + (f" [{score['extractor'].split(':')[0]}]" if score["extractor"] else "")
            interval, originals = (
                f"{score[low]:.4g} to {score[high]:.4g}" for low, high in (("low", "high"), ("real_low", "real_high"))
            )
            lines.append(
                f"  {title:52} {score['value']:>9.4g}  {interval:>21}  {originals:>21}  {score['alike']:>14.4g}  "
                f"{score['words']}"
            )
        lines += [f"  {line}" for line in words_of(column)]
    return "\n".join(lines).lstrip("\n")


def memorisation_words(found: dict[str, Any]) -> list[str]:
    """What was found about copies, in sentences."""
    lines = []
    if found["ssim_copies"] is not None:
        lines.append(f"{found['ssim_copies']:.0%} reach SSIM {TWIN:.2f} with a real tile.")
    if found["borrowed_masks"]:
        share = f"{found['borrowed_masks']:.0%} are painted on masks made from real ones"
        lines.append(f"{share}, whose layout is meant: copies are judged by SSIM alone.")
    if found["one_image"]:
        lines.append("All real tiles come from one image: copies are judged by SSIM alone.")
    elif found["borrowed_masks"] < 1:
        lines.append(f"{found['copies']:.0%} lie nearer to a real tile than real tiles of different images do: copies.")
    if found.get("masks_copies"):
        lines.append(f"{found['masks_copies']:.0%} of the masks are copies of real masks.")
    if test := found["test"]:
        lines.append(
            f"{test['nearer']:.0%} chance of lying nearer than unseen tiles (p = {test['p']:.2g}): {test['words']}."
        )
    elif not found["borrowed_masks"]:
        lines.append("No test images: whether the training is repeated was not tested.")
    return lines


def collapse_words(found: dict[str, Any], number: int) -> list[str]:
    """Whether the generator repeats itself, in sentences; ``number`` samples."""
    if not found:
        return []
    lines = [
        f"{found['distinct']} of {number} samples are distinct: {found['ssim']:.0%} reach SSIM {TWIN:.2f} with another "
        f"one (real tiles {found['real_ssim']:.0%})."
    ]
    near = max(found.get("pixels", 0.0), found.get("features", 0.0))
    if near > REPEATED:
        lines.append(f"{near:.0%} lie nearer to another sample than real images do to each other: little variety.")
    if found.get("masks", 0.0) > REPEATED:
        lines.append(f"{found['masks']:.0%} repeat the mask layout of another sample.")
    return lines


def fits_words(found: dict[str, Any]) -> list[str]:
    """Whether masks belong to their images, in a sentence."""
    if not found:
        return []
    if not found["useful"]:
        return ["Whether masks fit their images cannot be told: real pairs differ too little from strange ones."]
    return [
        f"{found['low']:.0%} of the masks may not fit their image (real pairs {found['real']:.0%}, real images under "
        f"strange masks {found['strange']:.0%})."
    ]


def words_of(column: dict[str, Any]) -> list[str]:
    """All sentences about a column: copies, variety, masks."""
    copies = memorisation_words(column["memorisation"])
    return [*copies, *collapse_words(column.get("collapse", {}), column["number"]), *fits_words(column.get("fits", {}))]


def as_tsv(columns: Columns) -> str:
    """The columns as tab-separated values, for a spreadsheet: a line of names, then one for each run and score."""
    names = ("title", "unit", "value", "low", "high", "alike", "real_low", "real_high", "n_fake", "n_real", "extractor")
    head = ("run", "samples", *names, "words")
    lines = ["\t".join(head)]
    for column in columns:
        for score in column["scores"]:
            cells = [column["run"], column["samples"], *(score[name] for name in names), score["words"]]
            lines.append("\t".join(f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in cells))
    return "\n".join(lines) + "\n"
