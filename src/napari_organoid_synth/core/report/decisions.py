"""The history of curation: decisions in their order, by run, and the scores at which they were made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.charts import Curves
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.exports import manifests
from napari_organoid_synth.core.report.rendering import Section, Table

QUARTILES = {"realism": "Realism", "nearest": "Similarity to the nearest real image", "objects": "Number of objects",
             "hf_energy": "Fine structure"}  # fmt: skip
MIN_PAIRS = 8  # two in each quarter


@dataclass(frozen=True)
class Curation:
    """Content of the section."""

    summary: str
    curves: Curves | None
    runs: Table
    quartiles: Table | None


def decisions(contents: Contents) -> Section | None:
    """Show decisions, shares accepted, and copies that were exported all the same."""
    if not contents.rows or not (contents.history or any(row.verdict != "new" for row in contents.rows)):
        return None
    summary = " ".join(_sentences(contents))
    content = Curation(summary, _curves(contents), _by_run(contents), _by_quartile(contents))
    return Section("Curation", "curation", content)


def _sentences(contents: Contents) -> list[str]:
    done = [change for change in contents.history if not change.undone]
    undone = {change.decision for change in contents.history if change.undone}
    numbers = {change.decision for change in done}
    accepted = sum(change.after == "accepted" for change in done if change.field == "verdict")
    rejected = sum(change.after == "rejected" for change in done if change.field == "verdict")
    sentences = [
        f"{plural(len(numbers), 'decision')} in force, among them {plural(accepted, 'acceptance')} and "
        f"{plural(rejected, 'rejection')} of a pair. Who decided is not recorded."
    ]
    if undone:
        sentences.append(f"{plural(len(undone), 'decision')} undone.")
    if edited := sum(row.edited for row in contents.rows):
        sentences.append(f"{plural(edited, 'mask')} edited by hand.")
    if tags := Counter(tag for row in contents.rows for tag in row.tags):
        sentences.append(f"Tags: {', '.join(f'{tag} ({number:,})' for tag, number in tags.most_common(20))}.")
    if remarks := sum(bool(row.remark) for row in contents.rows):
        sentences.append(f"{plural(remarks, 'pair')} with a note.")
    for name, manifest in manifests(contents.project):
        if flagged := [one for one in manifest["samples"] if "copy" in str(one.get("flagged", "")).split(", ")]:
            sentences.append(
                f"Export {name} contains {plural(len(flagged), 'pair')} flagged as a copy, against the rule."
            )
        if skipped := manifest.get("skipped_copies"):
            sentences.append(f"Export {name} left out {plural(len(skipped), 'accepted copy', 'accepted copies')}.")
    return sentences


def _curves(contents: Contents) -> Curves | None:
    """Draw the numbers of accepted and rejected pairs after each decision in force."""
    tally = {"accepted": 0, "rejected": 0, "new": 0}
    points: dict[int, tuple[int, int]] = {0: (0, 0)}
    for change in contents.history:
        if change.undone or change.field != "verdict" or {change.before, change.after} - tally.keys():
            continue
        tally[change.before] -= 1
        tally[change.after] += 1
        points[change.decision] = tally["accepted"], tally["rejected"]
    if len(points) < 3:
        return None
    x = list(range(len(points)))
    accepted, rejected = zip(*points.values(), strict=True)
    return Curves.of("Pairs after each decision", [("accepted", x, accepted), ("rejected", x, rejected)], "decisions")


def _by_run(contents: Contents) -> Table:
    rows = []
    for name, own in contents.by_run().items():
        tally = Counter(row.verdict for row in own)
        judged = tally["accepted"] + tally["rejected"]
        share = f"{tally['accepted'] / judged:.0%}" if judged else "–"
        numbers = [f"{tally[verdict]:,}" for verdict in ("accepted", "rejected", "new")]
        rows.append([name or "without a run", *numbers, share])
    return Table(["Run", "Accepted", "Rejected", "New", "Accepted of the judged"], rows)


def _by_quartile(contents: Contents) -> Table | None:
    """Return the share accepted in each quarter of the pairs, by each score: whether a person went by it."""
    judged = [row for row in contents.rows if row.verdict != "new"]
    is_accepted_only = all(row.verdict == "accepted" for row in judged)
    pool = contents.rows if is_accepted_only else judged
    rows = []
    for name, title in QUARTILES.items():
        if name == "objects" and not contents.has_masks:
            continue
        pairs = [(row.scores[name], row.verdict == "accepted") for row in pool if name in row.scores]
        if len(pairs) < MIN_PAIRS:
            continue
        ordered = np.array([accepted for _, accepted in sorted(pairs, key=lambda one: one[0])], np.float64)
        rows.append([title, *(f"{part.mean():.0%}" for part in np.array_split(ordered, 4))])
    if not rows:
        return None
    head = ["Score", "Lowest quarter", "Second", "Third", "Highest quarter"]
    of = "all pairs" if is_accepted_only else "the judged pairs"
    return Table(head, rows, caption=f"Share accepted of {of}, by quarters of a score")
