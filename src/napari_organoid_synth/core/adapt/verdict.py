"""What was measured, and in words: what painted and predicted pairs add, and what annotating would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.gain.bootstrap import mean_by_image, paired, per_test
from napari_organoid_synth.core.gain.headlines import interval, short_score
from napari_organoid_synth.core.gain.results import ArmRecord, PairedChange
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.quantities import capital, plural
from napari_organoid_synth.core.segmentation.arms import main_score

ANNOTATED, THRESHOLD = "annotated", "threshold"
TITLES = {
    "source": "your pairs as they are",
    "matched": "your pairs, matched",
    "predicted": "predicted squares alone",
    THRESHOLD: "threshold segmentation, without learning",
    "sketched": "painted sketches alone",
    "adapted": "your pairs, predicted squares and painted pairs",
    ANNOTATED: "annotated images of the target",
}
"""Kinds of pairs that a segmenter is trained on, in the order in which they are shown."""
RIVALS = ("source", "matched", THRESHOLD)
"""Those that need neither predictions nor painted pairs."""


class MeasuredRow(FrozenModel):
    """One kind of pairs.

    Parameters
    ----------
    kind : str
        Key of `TITLES`.
    title : str
    pairs : int
        That were trained on.
    mean : float
        Of the score, over images.
    trainings, rising : int
        Trainings, and those that had not reached their plateau, or in which nothing could be held back to see it.
    change : PairedChange, optional
        Against the best of `RIVALS`; None for these.
    """

    kind: str
    title: str
    pairs: int
    mean: float
    trainings: int = 1
    rising: int = 0
    change: PairedChange | None = None


class Measured(FrozenModel):
    """Result of measuring.

    Parameters
    ----------
    score : str
        ``"dice"`` or ``"ap"``.
    rows : tuple of MeasuredRow
    rival : str
        The better of `RIVALS`, which others are compared with.
    images : int
        That were tested.
    sentences : tuple of str
    """

    score: str
    rows: tuple[MeasuredRow, ...]
    rival: str
    images: int
    sentences: tuple[str, ...]


def judge(
    records: Mapping[str, Sequence[ArmRecord]], kind: MaskKind, groups: Mapping[str, str], annotated: int = 0
) -> Measured:
    """Compare kinds of pairs by the trainings on them.

    Parameters
    ----------
    records : mapping of str to sequence of ArmRecord
        Of each kind, one for each seed.
    kind : {"binary", "classes", "instances"}
        Of the masks; decides the score.
    groups : mapping of str to str
        Image to group, as they are drawn in the bootstrap.
    annotated : int
        Images that were annotated for the rival.
    """
    score = main_score(kind)
    belong = {f"test/{name}": group for name, group in groups.items()}
    tests = {name: per_test(each, score) for name, each in records.items()}
    means = {name: float(np.mean(list(mean_by_image(values).values()))) for name, values in tests.items()}
    rival = max((name for name in RIVALS if name in means), key=lambda name: means[name])
    others = [name for name in TITLES if name in means and name not in RIVALS]
    rows = []
    for name in (name for name in TITLES if name in means):
        each = records[name]
        rows.append(
            MeasuredRow(
                kind=name,
                title=_title(name, annotated),
                pairs=each[0].trained_on,
                mean=round(means[name], 4),
                trainings=len(each),
                rising=sum(one.curve is not None and not one.curve.at_plateau for one in each),
                change=paired(tests[rival], tests[name], belong, len(others)) if name in others else None,
            )
        )
    images = len({image for image, _, _ in tests[rival]})
    return Measured(
        score=score,
        rows=tuple(rows),
        rival=rival,
        images=images,
        sentences=tuple(_sentences(rows, rival, score, images)),
    )


def adapt_text(result: Mapping[str, Any]) -> str:
    """Return the result of `adapt` or `sketch` for a terminal: what was found, what was made, what it is worth."""
    lines = [*result.get("found", ()), f"{plural(result['pairs'], 'pair')} painted."]
    if "on_side" in result:
        lines.append(f"Objects are {result['objects']}, as in your images, in {result['on_side']:.0%} of them.")
    if result["measured"]:
        measured = Measured.parse(result["measured"])
        wide = max(len(row.title) for row in measured.rows)
        lines += ["", f"{short_score(measured.score)} on {plural(measured.images, 'test image')}:"]
        for row in measured.rows:
            change = f"  {interval(row.change)}" if row.change else ""
            rising = f"  ({row.rising} of {row.trainings} not at the plateau)" if row.rising else ""
            lines.append(f"{row.title:{wide}}  {row.mean:.3f}{change}{rising}")
        lines += ["", *measured.sentences]
    where = "project" if "project" in result else "folder"
    return "\n".join([*lines, "", f"{where}: {result[where]}"])


def _title(kind: str, annotated: int) -> str:
    return f"{annotated} {TITLES[kind]}" if kind == ANNOTATED else TITLES[kind]


def _sentences(rows: Sequence[MeasuredRow], rival: str, score: str, images: int) -> list[str]:
    """Say what each kind adds to the best of the rivals; no verdict where a training was still rising."""
    by_kind = {row.kind: row for row in rows}
    best, of = by_kind[rival], short_score(score)
    sentences = []
    for row in rows:
        if row.change is None:
            continue
        if late := row.rising + best.rising:
            which = row if row.rising else best
            sentences.append(
                f"{capital(which.title)}: {late} of {row.trainings + best.trainings} trainings had not reached their "
                "plateau, so there is no verdict; raise steps."
            )
        elif row.change.interval == "range":
            sentences.append(f"{capital(row.title)}: {of} {interval(row.change)} against {best.title}.")
        elif row.change.is_clear:
            verb = "added" if row.change.mean > 0 else "lost"
            size = interval(row.change, signed=False, flip=row.change.mean < 0)
            sentences.append(f"{capital(row.title)} {verb} {size} of {of} over {best.title}.")
        else:
            sentences.append(
                f"{capital(row.title)} made no clear difference to {best.title}: {of} {interval(row.change)}."
            )
    rest = [row for row in rows if row.kind != ANNOTATED]
    if ANNOTATED in by_kind and not any(row.rising for row in rows):
        made, drawn = max(rest, key=lambda row: row.mean), by_kind[ANNOTATED]
        word = "more" if drawn.mean > made.mean else "less"
        sentences.append(
            f"Annotating is worth {word}: {drawn.title} {drawn.mean:.3f}, the best without them {made.mean:.3f} "
            f"({made.title})."
        )
    if any(row.change is not None and row.change.interval == "range" for row in rows):
        sentences.append(f"Only {images} test images or groups: the brackets hold single changes, not an interval.")
    if all(row.trainings == 1 for row in rows):
        sentences.append("Each training was done once: a quick look. Repeat with other seeds before you rely on it.")
    return sentences
