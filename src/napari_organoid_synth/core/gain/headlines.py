"""Sentences about single arms: what they add, which share was chosen, what they are worth, why there is no verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from napari_organoid_synth.core.gain.results import (
    GainResult,
    PairedChange,
    TableRow,
    Worth,
    main_rows,
    rival_of,
    varied,
)
from napari_organoid_synth.core.quantities import capital, plural
from napari_organoid_synth.core.segmentation.arms import (
    CURATED_BY,
    DATA,
    RAW,
    SCORES,
    base_of,
    data_of,
    has_ratio,
    needs_generator,
    title_of,
)

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def over_best_sentences(row: TableRow, score: str, rival: TableRow | None, names: Collection[str] = ()) -> list[str]:
    """Say what the pairs of an arm add to the best arm without a generator, and which share of them was chosen.

    Parameters
    ----------
    row : TableRow
        Of an arm that needs a generator.
    score : str
        The score that is compared.
    rival : TableRow, optional
        Of the best arm without a generator (`rival_of`).
    names : collection of str
        What the title must name (`varied`).
    """
    if text := still_rising(row, rival, names):
        return [text]
    pairs = CURATED_BY.get(row.curation, DATA[data_of(row.arm)])
    if text := use_none(row, names):
        return [text]
    change, of = row.over_best[score], short_score(score)
    best = f"{title_of(rival.arm if rival is not None else RAW)}, the best without a generator"
    adds = rival is not None and rival.arm == base_of(row.arm) and has_ratio(row.arm)
    subject = _named(pairs, row, names) if adds else row_title(row, names)
    if change.interval == "range":
        text = f"{subject}: {of} {interval(change)} against {best}; better on {images(change)}."
    elif change.is_clear and change.mean > 0:
        text = f"{subject} added {interval(change, signed=False)} of {of} over {best}."
    elif change.is_clear:
        text = f"{subject} lowered {of} by {interval(change, signed=False, flip=True)} against {best}."
    else:
        text = f"{subject} made no clear difference to {best}: {of} {interval(change)}."
    if change.is_clear and change.low_all <= 0 <= change.high_all:
        text += " With so many comparisons, this may be chance."
    return [capital(text), *_share_sentence(row.chosen)]


def short_verdict(result: GainResult) -> str:
    """Return the verdict on the pairs in one or two words, where there is no room for a sentence.

    Returns
    -------
    str
        The change of the best arm with a generator against the best without one (``"+0.03"``); ``"use none"`` where no
        share of the pairs was chosen; ``"no verdict"`` where a training was still rising; empty where no arm had
        generated pairs.
    """
    rows, judged, used = _with_pairs(result)
    if used:
        change = round(max(row.over_best[result.score].mean for row in used), 2)
        return f"{change + 0.0:+.2f}"  # never -0.00
    return "use none" if judged else "no verdict" if rows else ""


def plain_verdict(result: GainResult) -> str:
    """Return the verdict on the pairs as a plain sentence without numbers; empty where no arm had generated pairs."""
    rows, judged, used = _with_pairs(result)
    if not rows:
        return ""
    if not judged:
        return "No verdict yet: trainings were still rising when they ended."
    if not used:
        return "The synthetic pairs are not worth using here: no share of them helped."
    change = max((row.over_best[result.score] for row in used), key=lambda one: one.mean)
    if change.interval == "range":
        return "Too few test images for a verdict on the synthetic pairs."
    if not change.is_clear:
        return "The synthetic pairs make no clear difference."
    return "The synthetic pairs help." if change.mean > 0 else "The synthetic pairs do harm: leave them out."


def _with_pairs(result: GainResult) -> tuple[list[TableRow], list[TableRow], list[TableRow]]:
    """Return arms with generated pairs, those of them at their plateau, and those that chose a share of the pairs."""
    rival = next((row for row in main_rows(result.table) if row.arm == result.rival), None)
    rows = [row for row in main_rows(result.table) if needs_generator(row.arm) and result.score in row.over_best]
    judged = [row for row in rows if not still_rising(row, rival)]
    return rows, judged, [row for row in judged if not use_none(row)]


def use_none(row: TableRow, names: Collection[str] = ()) -> str:
    """Say that none of the pairs of an arm were chosen; empty where some were."""
    if not row.chosen or any(row.chosen):
        return ""
    pairs = CURATED_BY.get(row.curation, DATA[data_of(row.arm)])
    return f"No share of {_named(pairs, row, names)} helped on the held-back parts: use none."


def _share_sentence(chosen: Sequence[float]) -> list[str]:
    """Say which share was chosen, in a sentence; none where nothing was.

    Examples
    --------
    >>> _share_sentence((0.25, 0.25, 0.0))
    ['Share chosen on the held-back parts: one synthetic crop for four real ones in 2 of 3 folds, none in 1.']
    """
    if not chosen:
        return []
    counted = Counter(chosen).most_common()
    if len(counted) == 1:
        return [f"Share chosen on the held-back parts: {share_in_words(counted[0][0])}."]
    parts = [f"{share_in_words(ratio)} in {number}" for ratio, number in counted]
    parts[0] += f" of {len(chosen)} folds"
    return [f"Share chosen on the held-back parts: {', '.join(parts)}."]


def share_in_words(ratio: float) -> str:
    """Return a ratio of synthetic to real crops in words.

    Examples
    --------
    >>> share_in_words(0.25), share_in_words(2), share_in_words(0.3), share_in_words(0)
    ('one synthetic crop for four real ones', 'two synthetic crops for each real one', \
'0.3 synthetic crops for each real one', 'none')
    """
    if ratio == 0:
        return "none"
    if ratio < 1 and abs((inverse := 1 / ratio) - round(inverse)) < 1e-6 and round(inverse) < len(NUMBERS):
        return f"one synthetic crop for {NUMBERS[round(inverse)]} real ones"
    if ratio == int(ratio) and ratio < len(NUMBERS):
        return f"{NUMBERS[int(ratio)]} synthetic crop{'s' * (ratio > 1)} for each real one"
    return f"{ratio:g} synthetic crops for each real one"


def still_rising(row: TableRow, against: TableRow | None, names: Collection[str] = ()) -> str:
    """Say why an arm gets no verdict: its trainings, or those of the arm it is compared with, had not stopped rising.

    Returns
    -------
    str
        Empty where both reached their plateau.

    Examples
    --------
    >>> row = TableRow(arm="classical", scores={}, trainings=6, plateau=4 / 6, taken=5000, wanted=8960, rise=0.013,
    ...     window=500)
    >>> still_rising(row, None).partition(": ")[2]
    '2 of 6 trainings were still rising at 5,000 steps (+0.013 in the last 500). Set steps to about 9,000.'
    >>> still_rising(row.model_copy(update={"rise": 0.0, "wanted": 0}), None).partition(": ")[2]
    '2 of 6 trainings ended at 5,000 steps, too early to tell whether the plateau was reached.'
    """
    late = [one for one in (row, against) if one is not None and one.rising]
    if not late:
        return ""
    worst, title = late[0], row_title(row, names)
    whose = "" if worst is row else f" of {title_of(worst.arm, worst.curation)}, with which it is compared,"
    if not worst.window:
        return (
            f"No verdict for {title}: nothing was held back in {worst.rising} of {plural(worst.trainings, 'training')}"
            f"{whose.rstrip(',')}, so nobody knows whether they had learned all they could."
        )
    verb = "was" if worst.rising == 1 else "were"
    who = f"No verdict for {title}: {worst.rising} of {plural(worst.trainings, 'training')}{whose}"
    rise = f"{worst.rise:.3f}"
    if float(rise) > 0:
        text = f"{who} {verb} still rising at {worst.taken:,} steps (+{rise} in the last {worst.window:,})."
    else:  # it ended before that could be seen
        text = f"{who} ended at {worst.taken:,} steps, too early to tell whether the plateau was reached."
    wanted = max(one.wanted for one in late)
    return f"{text} Set steps to about {_rounded(wanted):,}." if wanted else text


def _rounded(steps: int) -> int:
    """Return a number of steps as a person would set it: two digits, rounded up."""
    unit: int = 10 ** max(0, len(str(steps)) - 2)
    return -(-steps // unit) * unit


def worth_sentence(worth: Worth) -> str:
    """Say what the pairs are worth in annotated images, beside what annotating is worth; empty without a number.

    Examples
    --------
    >>> worth = Worth(arm="classical+synthetic", rival="classical", images=6, more=3.2, low=1.1, high=5.8, annotate=3,
    ...     rise=0.04, rise_low=0.01, rise_high=0.07)
    >>> worth_sentence(worth)
    'With 6 annotated images the synthetic pairs are worth 3.2 [1.1, 5.8] more annotated images; annotating 3 more \
raises classical augmentation by 0.040 [0.010, 0.070].'
    """
    if worth.reason:
        return ""
    more = f"{'at least ' * worth.beyond}{_plain(worth.more)}"
    ends = f"[{_plain(worth.low)}, {'beyond ' * worth.beyond_high}{_plain(worth.high)}]"
    pairs = DATA[data_of(worth.arm)] + (f" of {worth.generator}" if worth.generator else "")
    text = f"With {_plain(worth.images)} annotated images the {pairs} are worth {more} {ends} more annotated images"
    if worth.annotate:
        text += (
            f"; annotating {_plain(worth.annotate)} more raises {title_of(worth.rival)} by {worth.rise:.3f} "
            f"[{worth.rise_low:.3f}, {worth.rise_high:.3f}]"
        )
    return f"{text}."


def _plain(number: float) -> str:
    """Return a number of images with at most one digit after the point."""
    return f"{round(number, 1):g}"


def put_aside_sentences(rows: Sequence[TableRow], score: str) -> list[str]:
    """Tell the scores on the images that the project puts aside, in a sentence; none without such.

    Examples
    --------
    >>> from napari_organoid_synth.core.gain.results import Spread
    >>> rows = [TableRow(arm=arm, scores={}, put_aside={"dice": Spread(mean=mean)}, images_aside=4)
    ...     for arm, mean in (("raw", 0.7), ("classical", 0.75))]
    >>> put_aside_sentences(rows, "dice")
    ['On the 4 images put aside, Dice: real pairs 0.700, classical augmentation 0.750.']
    """
    tested, rival = [row for row in rows if score in row.put_aside], rival_of(rows, score)
    if not tested:
        return []
    names, parts = varied(tested), []
    for row in tested:
        part = f"{row_title(row, names)} {row.put_aside[score].mean:.3f}"
        if change := row.put_aside_over_best.get(score):
            part += f" ({interval(change)} against {title_of(rival.arm if rival else RAW)})"
        parts.append(part)
    number = plural(max(row.images_aside for row in tested), "image")
    return [f"On the {number} put aside, {short_score(score)}: {', '.join(parts)}."]


def false_object_sentences(rows: Sequence[TableRow]) -> list[str]:
    """Tell how many objects each arm predicted in test images without objects, in one sentence; none without such.

    Examples
    --------
    >>> false_object_sentences([TableRow(arm="raw", scores={}, empty_fields=2, false_objects=3.5)])
    ['False objects per empty field (2 test images without objects): real pairs 3.5.']
    """
    tested = [row for row in main_rows(rows) if row.empty_fields]
    if not tested:
        return []
    names, fields = varied(tested), max(row.empty_fields for row in tested)
    numbers = ", ".join(f"{row_title(row, names)} {row.false_objects:.3g}" for row in tested)
    return [f"False objects per empty field ({plural(fields, 'test image')} without objects): {numbers}."]


def row_title(row: TableRow, names: Collection[str]) -> str:
    """Return the title of an arm, with the choice of its pairs, and what else ``names`` has."""
    return _named(title_of(row.arm, row.curation), row, names)


def _named(title: str, row: TableRow, names: Collection[str]) -> str:
    """Add generator, share of the images and ratio to a title, as far as ``names`` has them."""
    parts = [row.generator] * ("generator" in names and bool(row.generator))
    parts += [f"with {100 * row.subset:.4g} % of the images"] * ("subset" in names)
    if "ratio" in names and row.ratio is not None and has_ratio(row.arm):
        parts.append(f"ratio {row.ratio:g}")
    return f"{title} ({', '.join(parts)})" if parts else title


def interval(change: PairedChange, signed: bool = True, flip: bool = False) -> str:
    """Return mean and interval of a change as text, with ``flip`` those of the opposite change."""
    mean, low, high = (-change.mean, -change.high, -change.low) if flip else (change.mean, change.low, change.high)
    return f"{mean:+.3f} [{low:.3f}, {high:.3f}]" if signed else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def images(change: PairedChange) -> str:
    """Return on how many images a score rose, as text."""
    return f"{change.better} of {change.images} image{'s' * (change.images > 1)}"


def short_score(score: str) -> str:
    """Return the title of a score without what stands in brackets."""
    return SCORES.get(score, score).partition(" (")[0]
