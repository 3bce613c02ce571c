"""The history of curation: what was decided in which order, for which runs, at which scores."""

from __future__ import annotations

from collections import Counter

import numpy as np

from napari_organoid_synth.core.report.charts import curves
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.exports import manifests
from napari_organoid_synth.core.report.page import Section, count, paragraph, table

QUARTILES = {"realism": "Realism", "nearest": "Similarity to the nearest real image", "objects": "Number of objects",
             "hf_energy": "Fine structure"}  # fmt: skip


def decisions(contents: Contents) -> Section | None:
    """Decisions, shares accepted, and copies that were exported all the same."""
    if not contents.rows or not (contents.history or any(row.verdict != "new" for row in contents.rows)):
        return None
    text = paragraph(" ".join(_sentences(contents))) + _curve(contents) + _by_run(contents) + _by_quartile(contents)
    return Section("Curation", "curation", text)


def _sentences(contents: Contents) -> list[str]:
    done = [change for change in contents.history if not change.undone]
    undone = {change.decision for change in contents.history if change.undone}
    numbers = {change.decision for change in done}
    accepted = sum(change.after == "accepted" for change in done if change.field == "verdict")
    rejected = sum(change.after == "rejected" for change in done if change.field == "verdict")
    words = [
        f"{count(len(numbers), 'decision')} in force: {accepted:,} times a pair was accepted, {rejected:,} times one "
        "was rejected; by whom is not recorded."
    ]
    if undone:
        words.append(f"{count(len(undone), 'decision')} undone.")
    if edited := sum(row.edited for row in contents.rows):
        words.append(f"{count(edited, 'mask')} edited by hand.")
    if tags := Counter(tag for row in contents.rows for tag in row.tags):
        words.append(f"Tags: {', '.join(f'{tag} ({number:,})' for tag, number in tags.most_common(20))}.")
    if remarks := sum(bool(row.remark) for row in contents.rows):
        words.append(f"{count(remarks, 'pair')} with a note.")
    for name, manifest in manifests(contents.project):
        if flagged := [one for one in manifest["samples"] if "copy" in str(one.get("flagged", "")).split(", ")]:
            words.append(f"Export {name} holds {count(len(flagged), 'pair')} flagged as copies, against the rule.")
        if skipped := manifest.get("skipped_copies"):
            words.append(f"Export {name} left out {count(len(skipped), 'accepted copy', 'accepted copies')}.")
    return words


def _curve(contents: Contents) -> str:
    """Numbers of accepted and rejected pairs after each decision in force."""
    tally = {"accepted": 0, "rejected": 0, "new": 0}
    points: dict[int, tuple[int, int]] = {0: (0, 0)}
    for change in contents.history:
        if change.undone or change.field != "verdict" or {change.before, change.after} - tally.keys():
            continue
        tally[change.before] -= 1
        tally[change.after] += 1
        points[change.decision] = tally["accepted"], tally["rejected"]
    if len(points) < 3:
        return ""
    x = list(range(len(points)))
    accepted, rejected = zip(*points.values(), strict=True)
    lines = [("accepted", x, accepted), ("rejected", x, rejected)]
    return f"<div class='row wide'>{curves('Pairs after each decision', lines, 'decisions')}</div>\n"


def _by_run(contents: Contents) -> str:
    rows = []
    for name, own in contents.of_runs().items():
        tally = Counter(row.verdict for row in own)
        judged = tally["accepted"] + tally["rejected"]
        share = f"{tally['accepted'] / judged:.0%}" if judged else "–"
        numbers = [f"{tally[verdict]:,}" for verdict in ("accepted", "rejected", "new")]
        rows.append([name or "without a run", *numbers, share])
    return table(["Run", "Accepted", "Rejected", "New", "Accepted of the judged"], rows)


def _by_quartile(contents: Contents) -> str:
    """Share accepted in each quarter of the pairs, by each score: whether a person went by it."""
    judged = [row for row in contents.rows if row.verdict != "new"] or []
    everything = len(judged) == 0 or all(row.verdict == "accepted" for row in judged)
    pool = contents.rows if everything else judged
    lines = []
    for name, title in QUARTILES.items():
        if name == "objects" and not contents.masks:
            continue
        found = [(row.scores[name], row.verdict == "accepted") for row in pool if name in row.scores]
        if len(found) < 8:
            continue
        ordered = np.array([accepted for _, accepted in sorted(found, key=lambda one: one[0])], np.float64)
        lines.append([title, *(f"{part.mean():.0%}" for part in np.array_split(ordered, 4))])
    if not lines:
        return ""
    what = "all pairs" if everything else "the judged pairs"
    head = ["Score", "Lowest quarter", "Second", "Third", "Highest quarter"]
    return table(head, lines, caption=f"Share accepted of {what}, by quarters of a score")
