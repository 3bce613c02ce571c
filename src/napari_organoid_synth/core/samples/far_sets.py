"""Whether the samples of a run, as a set, are far from the originals: then the best of them are not good either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.runs.titles import name_of
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore

MIN_SAMPLES = 8
"""Samples of a run from which on they are judged as a set."""
UNREAL = 0.05
"""Realism that 5 of 100 real tiles do not reach."""
MAX_UNREAL_SHARE = 0.5
"""More than half of the samples below this realism: far."""
FAR_DISTANCE, FAR_PRECISION = 3.0, 0.5
"""Multiples of the largest distance and of the least precision of the originals among each other, beyond which: far."""
TODO = (
    "Look at some at full size, for a regular grid and for blur. Paint by analogy, or train longer, with "
    "gan.upsample=resize where there is a grid, and generate again. By hand any pair can be accepted."
)


class FarFromOriginals(UserError):
    """The samples that could be accepted come from sets that are far from the originals."""


def far_runs(store: SampleStore) -> dict[str, str]:
    """Find the runs whose samples are far from the originals as a set.

    Parameters
    ----------
    store : SampleStore
        With scores; those of its sets are read from ``scores.json`` beside it.

    Returns
    -------
    dict of str to str
        Name of each such run to what was found. By the scores of its set where they describe as many samples as there
        are: the kernel distance is more than 3 times the largest, and the precision less than half of the least, that
        halves of the originals have. Otherwise, and where the set itself has no verdict on one of them, by realism:
        more than half of the samples are below 0.05. Runs with fewer than 8 scored samples are not judged.
    """
    runs: dict[str, list[SampleRow]] = {}
    for row in store.rows():
        runs.setdefault(row.run, []).append(row)
    sets = _read_sets(store)
    found = {run: _finding(rows, sets.get((run, len(rows)))) for run, rows in runs.items()}
    return {run: text for run, text in found.items() if text}


def _finding(rows: Sequence[SampleRow], scores: Mapping[str, Mapping[str, Any]] | None) -> str:
    """Return what is far in a set; empty if nothing is."""
    if len(rows) < MIN_SAMPLES:
        return ""
    if scores and all(map(_says_something, (scores["kid"], scores["precision"]), ("high", "low"))):
        return _by_set(scores)
    values = [row.scores["realism"] for row in rows if "realism" in row.scores]
    unreal = sum(value < UNREAL for value in values)
    if len(values) < MIN_SAMPLES or unreal <= MAX_UNREAL_SHARE * len(values):
        return ""
    return f"{unreal} of {len(values)} pairs have a realism below {UNREAL}, as 5 of 100 real tiles have"


def _says_something(score: Mapping[str, Any], worst: str) -> bool:
    """Return whether a score has a verdict: it lies beyond the worst end of the originals, or nothing casts doubt."""
    value, end = score["matched_value"], score["originals"][worst]
    return not score.get("doubt") or bool(value > end if worst == "high" else value < end)


def _by_set(scores: Mapping[str, Mapping[str, Any]]) -> str:
    distance, precision = scores["kid"], scores["precision"]
    far = distance["matched_value"] > FAR_DISTANCE * max(distance["originals"]["high"], 0)
    alien = precision["matched_value"] < FAR_PRECISION * precision["originals"]["low"]
    if not (far and alien):
        return ""
    return (
        f"KID is {distance['matched_value']:.4g} (originals among each other at most "
        f"{distance['originals']['high']:.3g}), precision {precision['matched_value']:.2g} (originals at least "
        f"{precision['originals']['low']:.2g})"
    )


def _read_sets(store: SampleStore) -> dict[tuple[str, int], dict[str, Mapping[str, Any]]]:
    """Read the scores of whole runs that have both distances, by run and number of samples; damaged files have none."""
    try:
        entries = read_object(store.folder.parent / "scores.json")["sets"]
        sets = {}
        for entry in entries:
            by_name = {score["name"]: score for score in entry["scores"]}
            needed = [by_name[name] for name in ("kid", "precision") if name in by_name]
            of_run = entry.get("by", ["run"]) == ["run"]
            if of_run and entry["samples"] != "accepted" and len(needed) == 2:
                for score in needed:
                    float(score["matched_value"]), float(score["originals"]["high"]), float(score["originals"]["low"])
                sets[entry["run"], int(entry["number"])] = by_name
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, damaged, or of an earlier format
        return {}
    return sets


def run_of(store: SampleStore, run: str) -> str:
    """Return the name of the run of some samples in sentences, by its folder; samples may be of none."""
    return name_of(store.path.parent / "runs" / run) if run else "no run"


def refusal(far: Mapping[str, str], store: SampleStore) -> FarFromOriginals:
    """Return the error that says why the best pairs of these runs are not accepted.

    Parameters
    ----------
    far : mapping
        From `far_runs`, at least one.
    store : SampleStore
        Their database.
    """
    run, finding = next(iter(far.items()))
    which = run_of(store, run)
    more = f" {plural(len(far) - 1, 'other run')} likewise." if len(far) > 1 else ""
    return FarFromOriginals(
        f"As a set, the pairs of {which} are far from the originals: {finding}.{more}",
        "The best of such a set are not good pairs either, so none was accepted.",
        TODO,
    )
