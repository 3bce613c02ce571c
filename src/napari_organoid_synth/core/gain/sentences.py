"""The result of a comparison in plain sentences, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from napari_organoid_synth.core.gain.results import GainResult, PairedChange, TableRow, varied
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.segmentation.arms import SCORES, needs_generator, title_of

MIN_FOR_VERDICT = 3
"""Comparisons from which a verdict stands in for a sentence each."""
NO_SEED_VARIANCE = (
    "Each training was done once: variance between seeds is not included in these intervals. Repeat with other seeds "
    "before you rely on a difference."
)
OPTIMISTIC = "Optimistic: the generator saw the test images."


def gain_sentences(rows: Sequence[TableRow], score: str, paper_protocol: bool = False) -> list[str]:
    """Describe the change by each arm, in sentences that promise no more than the numbers do.

    Parameters
    ----------
    rows : sequence of TableRow
        Of `gain_table`.
    score : str
        The score that is compared.
    paper_protocol : bool
        Whether generators saw the test images.

    Returns
    -------
    list of str
        One for each row with a gain; then what holds for all of them.

    Examples
    --------
    >>> from napari_organoid_synth.core.gain.table import paired
    >>> tests = [(f"image{k}", 0, seed) for k in range(12) for seed in range(3)]
    >>> change = paired({test: 0.5 for test in tests}, {test: 0.5 + 0.01 * int(test[0][5:]) for test in tests}, {})
    >>> gain_sentences([TableRow(arm="classical+synthetic", scores={}, gain={"dice": change})], "dice")
    ['Classical augmentation and synthetic pairs helped on 11 of 12 images, Dice +0.055 [0.036, 0.074].']
    """
    compared = [row for row in rows if score in row.gain]
    if not compared:
        return false_object_sentences(rows)
    names = varied(compared)
    sentences = [_sentence(row, score, len(compared), names) for row in compared]
    if paper_protocol:
        sentences.append(f"{OPTIMISTIC} Measure again without the paper protocol before you rely on it.")
    first = compared[0].gain[score]
    if first.interval == "range":
        images = plural(first.images, "image")
        if first.groups < first.images:
            images += f" of {plural(first.groups, 'group')}"
        sentences.append(
            f"Only {images}: the brackets hold single changes, not an interval. That is too few for a conclusion."
        )
    elif len(compared) > 1:
        sentences.append(
            f"{len(compared)} comparisons with the real pairs alone were made; about one in twenty such intervals "
            "excludes zero by chance."
        )
    if any(row.gain[score].lacks_seed_variance for row in compared):
        sentences.append(NO_SEED_VARIANCE)
    return [*sentences, *false_object_sentences(rows)]


def false_object_sentences(rows: Sequence[TableRow]) -> list[str]:
    """Tell how many objects each arm predicted in test images without objects, in one sentence; none without such.

    Examples
    --------
    >>> false_object_sentences([TableRow(arm="raw", scores={}, empty_fields=2, false_objects=3.5)])
    ['False objects per empty field (2 test images without objects): real pairs 3.5.']
    """
    tested = [row for row in rows if row.empty_fields]
    if not tested:
        return []
    names, fields = varied(tested), max(row.empty_fields for row in tested)
    numbers = ", ".join(f"{row_title(row, names)} {row.false_objects:.3g}" for row in tested)
    return [f"False objects per empty field ({plural(fields, 'test image')} without objects): {numbers}."]


def gain_verdict(result: GainResult) -> str:
    """Summarise a comparison in at most four sentences, and one about test images without objects.

    Where fewer than three arms were compared, these are the sentences of the result, one a line.
    """
    score = result.score
    compared = [row for row in result.table if score in row.gain]
    if len(compared) < MIN_FOR_VERDICT:
        return "\n".join(result.sentences)
    changes = [row.gain[score] for row in compared]
    parts = [_tally(changes), _highest(compared, score)]
    if any(change.lacks_seed_variance for change in changes):
        parts.append("Each training was done once; variance between seeds is not included.")
    if result.design.paper_protocol:
        parts.insert(0, OPTIMISTIC)
    parts += false_object_sentences(result.table)
    return " ".join(parts)


def _tally(changes: Sequence[PairedChange]) -> str:
    """Count the arms that helped, in a sentence."""
    n = len(changes)
    if any(change.interval == "range" for change in changes):
        better = sum(change.mean > 0 for change in changes)
        return f"Against real pairs alone {better} of {n} scored higher on average; too few images for a conclusion."
    helped = sum(change.low > 0 for change in changes)
    harmed = sum(change.high < 0 for change in changes)
    unclear = n - helped - harmed
    parts = [f"{helped or 'none'} of {n} helped"]
    parts += [f"{unclear} made no clear difference"] * bool(unclear)
    parts += [f"{harmed} did not help"] * bool(harmed)
    return f"Against real pairs alone {', '.join(parts)}."


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


def row_title(row: TableRow, names: Collection[str]) -> str:
    """Return the title of an arm, with the choice of its pairs, and the share and ratio where ``names`` has them."""
    title = title_of(row.arm, row.curation)
    parts = [f"with {100 * row.subset:.4g} % of the images"] * ("subset" in names)
    parts += [f"ratio {row.ratio:g}"] * ("ratio" in names)
    return f"{title} ({', '.join(parts)})" if parts else title


def _sentence(row: TableRow, score: str, comparisons: int, names: Collection[str]) -> str:
    change, title = row.gain[score], row_title(row, names)
    numbers = f"{SCORES.get(score, score)} {change.mean:+.3f} [{change.low:.3f}, {change.high:.3f}]"
    images = f"{change.better} of {change.images} image{'s' * (change.images > 1)}"
    if change.interval == "range":
        text = f"{title}: better on {images}, {numbers}."
    elif change.is_clear and change.mean > 0:
        text = f"{title} helped on {images}, {numbers}."
    elif change.is_clear:
        text = f"{title} did not help: better on {images}, {numbers}."
    else:
        text = f"{title} made no clear difference: better on {images}, {numbers}; the interval includes zero."
    if change.is_clear and change.low_all <= 0 <= change.high_all:
        text += f" With {comparisons} comparisons, this may be chance."
    return text[:1].upper() + text[1:]


def table_lines(rows: Sequence[TableRow]) -> list[str]:
    """Return the table as lines of text: mean ± deviation of every score, and the change of the main one."""
    if not rows:
        return []
    scores = list(rows[0].scores)
    main = "ap" if "ap" in scores else "dice"
    head = f"{'arm':26} {'part':>6} {'ratio':>6} {'tests':>5} " + " ".join(f"{score:>15}" for score in scores)
    lines = [f"{head}  gain ({main}) [95 %]"]
    for row in rows:
        cells = " ".join(f"{spread.mean:7.3f} ± {spread.sd:5.3f}" for spread in row.scores.values())
        line = f"{row.arm:26} {row.subset:6.3g} {row.ratio:6.3g} {row.images:5} {cells}"
        if change := row.gain.get(main):
            line += f"  {change.mean:+.3f} [{change.low:.3f}, {change.high:.3f}]"
            line += f", better on {change.better} of {change.images}"
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
