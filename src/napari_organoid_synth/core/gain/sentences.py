"""The result of a comparison in plain sentences, and as text for a terminal.

The first sentences are about the arms that need a generator: what they add to the best arm without one. An arm whose
trainings, or whose rival's trainings, had not reached their plateau gets no verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from napari_organoid_synth.core.gain.headlines import (
    false_object_sentences,
    images,
    interval,
    over_best_sentences,
    put_aside_sentences,
    row_title,
    still_rising,
    use_none,
    worth_sentence,
)
from napari_organoid_synth.core.gain.results import (
    Design,
    GainResult,
    PairedChange,
    TableRow,
    Worth,
    arm_key,
    main_rows,
    rival_of,
    varied,
)
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.quantities import capital, plural
from napari_organoid_synth.core.segmentation.arms import RAW, SCORES, needs_generator, title_of

MIN_FOR_VERDICT = 3
"""Comparisons from which a verdict stands in for a sentence each."""
MOST_HEADLINES = 2
"""Arms with a generator up to which a verdict describes each."""
NO_SEED_VARIANCE = (
    "Each training was done once: variance between seeds is not included in these intervals. Repeat with other seeds "
    "before you rely on a difference."
)
OPTIMISTIC = "Optimistic: the generator saw the test images."
OPTIMISTIC_MASKS = "Optimistic: the generator of the masks saw the masks of the test images."


def optimistic(design: Design | GainSettings) -> str:
    """Say why scores are too high; empty where no generator saw a test image."""
    return OPTIMISTIC if design.paper_protocol else OPTIMISTIC_MASKS if design.masks_on_all else ""


def gain_sentences(
    rows: Sequence[TableRow],
    score: str,
    warned: str = "",
    classes: Sequence[str] = (),
    worth: Sequence[Worth] = (),
) -> list[str]:
    """Describe a comparison, in sentences that promise no more than the numbers do.

    Parameters
    ----------
    rows : sequence of TableRow
        Of `gain_table`.
    score : str
        The score that is compared.
    warned : str
        Why scores are too high, from `optimistic`.
    classes : sequence of str
        Classes that were scored; empty: all, or masks without classes.
    worth : sequence of Worth
        Of `worth_in_images`.

    Returns
    -------
    list of str
        Arms with a generator first, each against the best arm without one, with its share; then the others against the
        real pairs alone; then what holds for all of them.

    Examples
    --------
    >>> from napari_organoid_synth.core.gain.bootstrap import paired
    >>> from napari_organoid_synth.core.gain.results import Spread
    >>> tests = [(f"image{k}", 0, seed) for k in range(12) for seed in range(3)]
    >>> change = paired({test: 0.5 for test in tests}, {test: 0.5 + 0.01 * int(test[0][5:]) for test in tests}, {})
    >>> rows = [
    ...     TableRow(arm="classical", scores={"dice": Spread(mean=0.5)}),
    ...     TableRow(arm="classical+synthetic", scores={}, over_best={"dice": change}, chosen=(0.25,), ratio=None),
    ... ]
    >>> for sentence in gain_sentences(rows, "dice"):
    ...     print(sentence)
    Synthetic pairs added 0.055 [0.036, 0.074] of Dice over classical augmentation, the best without a generator.
    Share chosen on the held-back parts: one synthetic crop for four real ones.
    """
    main = main_rows(rows)
    names, changes, sentences = varied(main), list[PairedChange](), list[str]()
    for row in sorted(main, key=lambda row: score not in row.over_best):
        change = row.over_best.get(score) or row.gain.get(score)
        if change is None:
            continue
        changes.append(change)
        if score in row.over_best:
            sentences += over_best_sentences(row, score, rival_of(rows, score, row.subset), names)
        else:
            before = next((one for one in main if one.arm == RAW and one.subset == row.subset), None)
            text = still_rising(row, before, names) or use_none(row, names)
            sentences.append(text or _sentence(row, score, len(main) - 1, names))
    if not changes:
        return [*false_object_sentences(main), *_class_sentences(classes)]
    sentences += [text for text in map(worth_sentence, worth) if text]
    sentences += put_aside_sentences(main, score)
    if warned:
        sentences.append(f"{warned} Measure again without the paper protocol before you rely on it.")
    if changes[0].interval == "range":
        few = plural(changes[0].images, "image")
        if changes[0].groups < changes[0].images:
            few += f" of {plural(changes[0].groups, 'group')}"
        sentences.append(
            f"Only {few}: the brackets hold single changes, not an interval. That is too few for a conclusion."
        )
    elif len(changes) > 1:
        sentences.append(
            f"{len(changes)} comparisons were made; about one in twenty such intervals excludes zero by chance."
        )
    if any(change.lacks_seed_variance for change in changes):
        sentences.append(NO_SEED_VARIANCE)
    return [*sentences, *false_object_sentences(main), *_class_sentences(classes)]


def _class_sentences(classes: Sequence[str]) -> list[str]:
    """Say which classes were scored."""
    return [f"Scored: {', '.join(classes)}."] if classes else []


def _sentence(row: TableRow, score: str, comparisons: int, names: Collection[str]) -> str:
    """Say what an arm changes against the real pairs alone."""
    change, title = row.gain[score], row_title(row, names)
    numbers = f"{SCORES.get(score, score)} {interval(change)}"
    on = images(change)
    if change.interval == "range":
        text = f"{title}: better on {on}, {numbers}."
    elif change.is_clear and change.mean > 0:
        text = f"{title} helped on {on}, {numbers}."
    elif change.is_clear:
        text = f"{title} did not help: better on {on}, {numbers}."
    else:
        text = f"{title} made no clear difference: better on {on}, {numbers}; the interval includes zero."
    if change.is_clear and change.low_all <= 0 <= change.high_all:
        text += f" With {comparisons} comparisons, this may be chance."
    return capital(text)


def gain_verdict(result: GainResult) -> str:
    """Summarise a comparison in a few sentences: arms with a generator against the best without one, at most two.

    Where there are none, or the file is of an earlier version, the tally against the real pairs alone; where fewer than
    three arms were compared, the sentences of the result, one a line.
    """
    score, main = result.score, main_rows(result.table)
    compared = [row for row in main if score in row.gain or score in row.over_best]
    if len(compared) < MIN_FOR_VERDICT:
        return "\n".join(result.sentences)
    largest = max(row.subset for row in compared)
    generated = [row for row in compared if score in row.over_best and row.subset == largest]
    changes = [row.over_best[score] if generated else row.gain[score] for row in generated or compared]
    if generated:
        parts = _headlines(generated, main, result)
    else:
        parts = [_tally(changes, "real pairs alone", "helped", "did not help"), _highest(compared, score)]
    parts += [text for text in map(worth_sentence, result.worth) if text][:1]
    if any(change.lacks_seed_variance for change in changes):
        parts.append("Each training was done once; variance between seeds is not included.")
    if warned := optimistic(result.design):
        parts.insert(0, warned)
    parts += false_object_sentences(main)
    return " ".join(parts)


def _headlines(generated: Sequence[TableRow], main: Sequence[TableRow], result: GainResult) -> list[str]:
    """Return the sentences of at most two arms with a generator; of more, how many did better, and the highest."""
    names, rival = varied(generated), rival_of(main, result.score)

    def sentences(row: TableRow) -> list[str]:
        return over_best_sentences(row, result.score, rival, names)

    if len(generated) <= MOST_HEADLINES:
        return [text for row in generated for text in sentences(row)]
    judged = [row for row in generated if not still_rising(row, rival)]
    if not judged:
        return sentences(generated[0])
    changes = [row.over_best[result.score] for row in judged]
    best = max(judged, key=lambda row: row.over_best[result.score].mean)
    tally = _tally(changes, f"{title_of(result.rival)}, the best without a generator,", "scored higher", "lower")
    late = len(generated) - len(judged)
    parts = [tally, *sentences(best)]
    return [*parts, f"{late} of {plural(len(generated), 'arm')} had not reached the plateau."] if late else parts


def _tally(changes: Sequence[PairedChange], rival: str, better: str, worse: str) -> str:
    """Count the arms that helped, in a sentence."""
    n = len(changes)
    if any(change.interval == "range" for change in changes):
        higher = sum(change.mean > 0 for change in changes)
        return f"Against {rival} {higher} of {n} scored higher on average; too few images for a conclusion."
    helped = sum(change.low > 0 for change in changes)
    harmed = sum(change.high < 0 for change in changes)
    unclear = n - helped - harmed
    parts = [f"{helped or 'none'} of {n} {better}"]
    parts += [f"{unclear} made no clear difference"] * bool(unclear)
    parts += [f"{harmed} {worse}"] * bool(harmed)
    return f"Against {rival} {', '.join(parts)}."


def _highest(compared: Sequence[TableRow], score: str) -> str:
    """Describe the highest mean change, and that of the arms with generated pairs."""
    names = varied(compared)

    def change(row: TableRow) -> str:
        return f"{row_title(row, names)}, {row.gain[score].mean:+.3f}"

    def highest(rows: Sequence[TableRow]) -> TableRow:
        return max(rows, key=lambda row: row.gain[score].mean)

    best, generated = highest(compared), [row for row in compared if needs_generator(row.arm)]
    text = f"Highest mean change of {SCORES.get(score, score)}: {change(best)}"
    if generated and best not in generated:
        text += f"; of the arms with generated pairs: {change(highest(generated))}"
    return f"{text}."


def table_lines(rows: Sequence[TableRow]) -> list[str]:
    """Return the table as lines of text: mean ± deviation of every score, and the change of the main one."""
    if not rows:
        return []
    scores = list(rows[0].scores)
    main = "ap" if "ap" in scores else "dice"
    head = f"{'arm':26} {'part':>6} {'ratio':>6} {'tests':>5} " + " ".join(f"{score:>15}" for score in scores)
    lines = [f"{head}  steps  gain ({main}) [95 %]; over the best without a generator"]
    for row in rows:
        cells = " ".join(f"{spread.mean:7.3f} ± {spread.sd:5.3f}" for spread in row.scores.values())
        ratio = "chosen" if row.ratio is None else f"{row.ratio:.3g}"
        line = f"{arm_key(row.arm, row.generator):26} {row.subset:6.3g} {ratio:>6} {row.images:5} {cells}"
        line += f"  {row.steps:,}" + f" ({row.rising} of {row.trainings} rising)" * (row.rising > 0)
        if change := row.gain.get(main):
            line += f"  {interval(change)}, better on {images(change)}"
        if change := row.over_best.get(main):
            line += f"; {interval(change)}"
        if row.empty_fields:
            line += f"  {row.false_objects:.3g} false objects per empty field"
        lines.append(line)
    return lines


def gain_text(result: GainResult) -> str:
    """Return a result for a terminal: test, table, sentences, warnings, folder.

    Parameters
    ----------
    result : GainResult
        Its ``folder`` is left out where there is none.

    Returns
    -------
    str
        Several lines.
    """
    design, tasks = result.design, result.tasks
    folds = len(design.folds)
    lines = [
        *([f"{design.groups[:1].upper()}{design.groups[1:]}."] if design.groups else []),
        f"Design {design.name}, {folds} fold{'s' * (folds > 1)}; {tasks.done} of {tasks.total} tasks done.",
        "",
        *table_lines(result.table),
        "",
        *result.sentences,
        *(f"! {warning}" for warning in result.warnings),
        *(["", f"folder: {result.folder}"] if result.folder else []),
    ]
    return "\n".join(lines)
