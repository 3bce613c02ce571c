"""What the tasks of a comparison found, as a table, and in plain sentences.

Every number is a mean over images; an image that was tested several times (other seeds) counts once, with the mean of
its scores. Differences are paired: the same image, the same share of training images, the same seed, with and without.
The bootstrap draws images, or whole groups where images belong together, and where there are several seeds the
trainings of each fold, for one training is luck, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RAW = "raw"
DRAWS = 10_000
MANY = 3  # comparisons from which a verdict stands in for a sentence each
GENERATED = ("synthetic", "curated", "pretrain")  # arms that need a trained generator
LEAST = 4  # images or groups below which the range stands in for the interval
ARMS = {
    "raw": "real pairs",
    "classical-tissue": "classical augmentation (tissue)",
    "classical-organoid": "classical augmentation (organoid)",
    "synthetic": "synthetic pairs",
    "curated": "curated synthetic pairs",
    "simulator": "simulated pairs",
    "pretrain": "pretraining on synthetic pairs",
}
SCORES = {
    "dice": "Dice",
    "precision": "precision",
    "recall": "recall",
    "f": "F",
    "ap": "accuracy of objects (IoU 0.5 to 0.9)",
    "ap95": "accuracy of objects (IoU 0.5 to 0.95)",
}
ONCE = (
    "Each training was done once, so the brackets leave out its luck: repeat with other seeds before you rely on a "
    "difference."
)
OPTIMISTIC = "Optimistic: the generator saw the test images."


def main_score(mask_kind: str) -> str:
    """The score that the sentences are about: of objects where they were told apart, else Dice."""
    return "ap" if mask_kind == "instances" else "dice"


Test = tuple[str, int, int]
"""Image, fold and seed: where a score comes from."""


def per_test(records: Sequence[Mapping[str, Any]], score: str) -> dict[Test, float]:
    """Every score of every image."""
    return {
        (name, record["fold"], record["seed"]): scores[score]
        for record in records
        for name, scores in record["per_image"].items()
    }


def per_image(records: Sequence[Mapping[str, Any]], score: str) -> dict[str, float]:
    """Score of each image, mean over its tests, in the order of the names."""
    found: dict[str, list[float]] = {}
    for record in records:
        for name, scores in record["per_image"].items():
            found.setdefault(name, []).append(scores[score])
    return {name: float(np.mean(found[name])) for name in sorted(found)}


def gain_table(records: Sequence[Mapping[str, Any]], groups: Mapping[str, str], seed: int = 0) -> list[dict[str, Any]]:
    """One row for each arm, share of the training images and ratio.

    Parameters
    ----------
    records : sequence of mapping
        Results of tasks: ``arm``, ``subset``, ``ratio``, ``fold``, ``seed``, ``per_image``, ``steps``, ``seconds``,
        ``synthetic``.
    groups : mapping of str to str
        Image to group.
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of dict
        ``arm``, ``subset``, ``ratio``, ``images``, ``trainings``, ``steps`` (of each), ``seconds`` (of each, mean),
        ``synthetic`` (pairs, mean), ``curation``; ``scores``: for each score ``mean``, ``sd`` over images, ``sd_folds``
        and ``sd_seeds`` of their means; and of all arms but raw ``gain``: for each score what `paired` returns.
    """
    cells: dict[tuple[str, float, float], list[Mapping[str, Any]]] = {}
    for record in records:
        cells.setdefault((record["arm"], record["subset"], record["ratio"]), []).append(record)
    order = {arm: index for index, arm in enumerate(ARMS)}
    keys = sorted(cells, key=lambda key: (-key[1], order.get(key[0], len(order)), key[2]))
    raw = {subset: found for (arm, subset, _), found in cells.items() if arm == RAW}
    comparisons = sum(arm != RAW and subset in raw for arm, subset, _ in keys)
    rows = []
    for arm, subset, ratio in keys:
        found = cells[arm, subset, ratio]
        scores = list(next(iter(found[0]["per_image"].values())))
        row: dict[str, Any] = {
            "arm": arm,
            "subset": subset,
            "ratio": ratio,
            "images": len(per_image(found, scores[0])),
            "trainings": len(found),
            "steps": found[0]["steps"],
            "seconds": round(float(np.mean([one["seconds"] for one in found])), 1),
            "synthetic": round(float(np.mean([one["synthetic"] for one in found])), 1),
            "scores": {score: _spread(found, score) for score in scores},
        }
        if curation := sorted({one["curation"] for one in found if one.get("curation")}):
            row["curation"] = " and ".join(curation)
        if arm != RAW and subset in raw:
            row["gain"] = {
                score: paired(per_test(raw[subset], score), per_test(found, score), groups, comparisons, seed)
                for score in scores
            }
        rows.append(row)
    return rows


def _spread(records: Sequence[Mapping[str, Any]], score: str) -> dict[str, float]:
    values = list(per_image(records, score).values())

    def over(key: str) -> float:
        means = [
            float(np.mean(list(per_image([one for one in records if one[key] == level], score).values())))
            for level in sorted({one[key] for one in records})
        ]
        return float(np.std(means, ddof=1)) if len(means) > 1 else 0.0

    return {
        "mean": float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        "sd_folds": over("fold"),
        "sd_seeds": over("seed"),
    }


def paired(
    before: Mapping[Test, float],
    after: Mapping[Test, float],
    groups: Mapping[str, str],
    comparisons: int = 1,
    seed: int = 0,
) -> dict[str, Any]:
    """The paired difference of a score with its bootstrap interval (percentile; Efron 1979).

    Parameters
    ----------
    before, after : mapping of Test to float
        Scores; tests that only one of them has are left out, so that a table of half the tasks is paired too.
    groups : mapping of str to str
        Image to group. Where groups have several images, groups are drawn (cluster bootstrap), and the mean is that of
        all images in the groups drawn.
    comparisons : int
        How many were made: ``low_all`` and ``high_all`` hold for all of them at once (Bonferroni).
    seed : int
        Of the draws.

    Returns
    -------
    dict
        ``images``, ``groups``, ``seeds`` (the fewest of a fold), ``better``, ``worse`` (images), ``mean``, ``low``,
        ``high`` (95 %), ``low_all``, ``high_all``, ``interval``: ``"bootstrap"``, or ``"range"`` of single images (or
        groups) where there are fewer than four; empty without tests.
    """
    tests = sorted(before.keys() & after.keys())
    if not tests:
        return {}
    names, image = np.unique([name for name, _, _ in tests], return_inverse=True)
    kinds, member = np.unique([groups.get(name, name) for name in names], return_inverse=True)
    trainings = {place: row for row, place in enumerate(sorted({(fold, seed) for _, fold, seed in tests}))}
    share = np.array([after[test] - before[test] for test in tests]) / np.bincount(image)[image]
    change = np.bincount(image, share)
    by_training = np.zeros((len(trainings), len(kinds)))  # what each training adds to the sum of each group
    np.add.at(by_training, ([trainings[fold, seed] for _, fold, seed in tests], member[image]), share)
    folds, counts = np.array([fold for fold, _ in trainings]), np.bincount(member)
    found = {
        "images": len(names),
        "groups": len(kinds),
        "seeds": int(np.unique(folds, return_counts=True)[1].min()),
        "better": int((change > 1e-9).sum()),
        "worse": int((change < -1e-9).sum()),
        "mean": float(change.mean()),
    }
    if len(kinds) < LEAST:
        each = by_training.sum(axis=0) / counts
        ends = [float(each.min()), float(each.max())]
        return found | dict(zip(("low", "high", "low_all", "high_all"), ends * 2, strict=True)) | {"interval": "range"}
    means = _bootstrap(by_training, folds, counts, seed)
    low, high = (float(end) for end in np.percentile(means, [2.5, 97.5]))
    tail = 2.5 / max(comparisons, 1)
    low_all, high_all = (float(end) for end in np.percentile(means, [tail, 100 - tail]))
    return found | {"low": low, "high": high, "low_all": low_all, "high_all": high_all, "interval": "bootstrap"}


def _bootstrap(
    by_training: NDArray[np.float64], folds: NDArray[np.intp], counts: NDArray[np.intp], seed: int
) -> NDArray[np.float64]:
    """Means of all images in groups drawn with replacement, learned from in trainings drawn so within each fold.

    Trainings are few; so that their variance does not come out too small, what a draw changes is multiplied by
    √(n / (n − 1)) (Rao and Wu 1988, doi 10.1080/01621459.1988.10478591). A fold with one training keeps it.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(counts), (DRAWS, len(counts)))
    weights = np.ones((DRAWS, len(by_training)))
    for fold in np.unique(folds):
        n = int((folds == fold).sum())
        if n > 1:
            times = rng.multinomial(n, np.full(n, 1 / n), DRAWS)
            weights[:, folds == fold] = 1 + np.sqrt(n / (n - 1)) * (times - 1)
    sums = np.take_along_axis(weights @ by_training, drawn, axis=1)
    means: NDArray[np.float64] = sums.sum(axis=1) / counts[drawn].sum(axis=1)
    return means


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table as lines of text: mean and spread of every score, and the gain of the main one with its interval."""
    if not rows:
        return []
    scores = list(rows[0]["scores"])
    main = "ap" if "ap" in scores else "dice"
    head = f"{'arm':20} {'part':>6} {'ratio':>6} {'tests':>5} " + " ".join(f"{score:>15}" for score in scores)
    found = [f"{head}  gain ({main}) [95 %]"]
    for row in rows:
        cells = " ".join(f"{one['mean']:7.3f} ± {one['sd']:5.3f}" for one in row["scores"].values())
        line = f"{row['arm']:20} {row['subset']:6.3g} {row['ratio']:6.3g} {row['images']:5} {cells}"
        if change := row.get("gain", {}).get(main):
            line += f"  {change['mean']:+.3f} [{change['low']:.3f}, {change['high']:.3f}]"
            line += f", better on {change['better']} of {change['images']}"
        found.append(line)
    return found


def gain_text(results: Mapping[str, Any]) -> str:
    """What a comparison found, for a terminal: how it was tested, table, sentences, warnings, folder."""
    design, tasks = results["design"], results["tasks"]
    folds = len(design["folds"])
    found = [
        f"{design['groups'][:1].upper()}{design['groups'][1:]}.",
        f"Design {design['name']}, {folds} fold{'s' * (folds > 1)}; {tasks['done']} of {tasks['total']} tasks done.",
        "",
        *lines(results["table"]),
        "",
        *results["sentences"],
        *(f"! {words}" for words in results["warnings"]),
        "",
        f"folder: {results.get('folder', '')}",
    ]
    return "\n".join(found)


def gain_sentences(rows: Sequence[Mapping[str, Any]], score: str, paper_protocol: bool = False) -> list[str]:
    """What each arm changed, in words that promise no more than the numbers hold.

    Parameters
    ----------
    rows : sequence of mapping
        Of `gain_table`.
    score : str
        Which score the words are about.
    paper_protocol : bool
        Whether generators saw the test images.

    Returns
    -------
    list of str
        One for each row with a gain; then what holds for all of them.

    Examples
    --------
    >>> tests = [(f"image{k}", 0, seed) for k in range(12) for seed in range(3)]
    >>> change = paired({test: 0.5 for test in tests}, {test: 0.5 + 0.01 * int(test[0][5:]) for test in tests}, {})
    >>> row = {"arm": "synthetic", "subset": 1.0, "ratio": 1.0, "gain": {"dice": change}}
    >>> gain_sentences([row], "dice")
    ['Synthetic pairs helped on 11 of 12 images, Dice +0.055 [0.036, 0.074].']
    """
    compared = [row for row in rows if row.get("gain", {}).get(score)]
    several = {key: len({row[key] for row in compared}) > 1 for key in ("subset", "ratio")}
    sentences = [_sentence(row, score, len(compared), several) for row in compared]
    if not sentences:
        return []
    if paper_protocol:
        sentences.append(f"{OPTIMISTIC} Measure again without the paper protocol before you believe it.")
    images, few = compared[0]["gain"][score]["images"], compared[0]["gain"][score]["interval"] == "range"
    if few:
        groups = compared[0]["gain"][score]["groups"]
        what = f"{images} image{'s' * (images > 1)}"
        if groups < images:
            what += f" of {groups} group{'s' * (groups > 1)}"
        sentences.append(f"Only {what}: the brackets are single values, no interval. So few tell little.")
    elif len(compared) > 1:
        sentences.append(
            f"{len(compared)} comparisons with the real pairs alone were made; of every twenty, about one such "
            "interval leaves out zero by chance alone."
        )
    if not few and any(row["gain"][score].get("seeds", 1) == 1 for row in compared):
        sentences.append(ONCE)
    return sentences


def gain_verdict(results: Mapping[str, Any]) -> str:
    """What a comparison found in at most four sentences; where fewer were compared, these themselves.

    Parameters
    ----------
    results : mapping
        What `gain` writes: ``table``, ``score``, ``sentences``, ``design``.

    Examples
    --------
    >>> rows = [{"arm": arm, "subset": 1.0, "ratio": 1.0, "gain": {"dice": {"mean": mean, "low": mean - 0.02,
    ...     "high": mean + 0.02, "interval": "bootstrap"}}} for arm, mean in
    ...     (("classical-tissue", 0.04), ("synthetic", 0.03), ("simulator", 0.01), ("pretrain", -0.03))]
    >>> words = gain_verdict({"table": rows, "score": "dice", "sentences": [""] * 5}).split(". ")
    >>> words[0]
    'Against real pairs alone 2 of 4 helped, 1 made no clear difference, 1 did not help'
    >>> words[1].split("; ")[1]
    'of the arms with generated pairs: synthetic pairs, +0.030'
    >>> words[2]
    'Each was trained once, so luck is in it.'
    """
    rows, score = results.get("table", ()), results.get("score", "dice")
    said = results.get("sentences") or [results.get("sentence", "")]
    compared = [row for row in rows if row.get("gain", {}).get(score)]
    if len(compared) < MANY:
        return "\n".join(said)
    several = {key: len({row[key] for row in compared}) > 1 for key in ("subset", "ratio")}
    changes = [row["gain"][score] for row in compared]
    n = len(compared)
    if any(change["interval"] == "range" for change in changes):
        better = sum(change["mean"] > 0 for change in changes)
        words = f"Against real pairs alone {better} of {n} scored higher on average; so few images tell little."
    else:
        helped = sum(change["low"] > 0 for change in changes)
        harmed = sum(change["high"] < 0 for change in changes)
        unclear = n - helped - harmed
        parts = [f"{helped or 'none'} of {n} helped"]
        parts += [f"{unclear} made no clear difference"] * bool(unclear)
        parts += [f"{harmed} did not help"] * bool(harmed)
        words = f"Against real pairs alone {', '.join(parts)}."
    best = max(compared, key=lambda row: row["gain"][score]["mean"])
    made = [row for row in compared if row["arm"] in GENERATED]
    words += f" Highest mean change of {SCORES.get(score, score)}: {_with_change(best, score, several)}"
    if made and best not in made:
        top = max(made, key=lambda row: row["gain"][score]["mean"])
        words += f"; of the arms with generated pairs: {_with_change(top, score, several)}"
    words += "."
    if any(change["interval"] == "bootstrap" and change.get("seeds", 1) == 1 for change in changes):
        words += " Each was trained once, so luck is in it."
    return f"{OPTIMISTIC} {words}" if results.get("design", {}).get("paper_protocol") else words


def _with_change(row: Mapping[str, Any], score: str, several: Mapping[str, bool]) -> str:
    return f"{_what(row, several)}, {row['gain'][score]['mean']:+.3f}"


def _what(row: Mapping[str, Any], several: Mapping[str, bool]) -> str:
    """An arm in words, with how its pairs were chosen, the share and the ratio."""
    what = ARMS.get(row["arm"], row["arm"])
    if row.get("curation"):
        what = {"automatic": "automatically curated synthetic pairs", "by hand": "synthetic pairs curated by hand"}.get(
            row["curation"], "synthetic pairs curated by hand in some folds, automatically in others"
        )
    where = [
        f"with {100 * row['subset']:.4g} % of the images" * several["subset"],
        f"ratio {row['ratio']:g}" * several["ratio"],
    ]
    return f"{what} ({', '.join(where)})" if (where := [part for part in where if part]) else what


def _sentence(row: Mapping[str, Any], score: str, comparisons: int, several: Mapping[str, bool]) -> str:
    change, what = row["gain"][score], _what(row, several)
    n, better, mean = change["images"], change["better"], change["mean"]
    clear = change["interval"] == "bootstrap" and not change["low"] <= 0 <= change["high"]
    numbers = f"{SCORES.get(score, score)} {mean:+.3f} [{change['low']:.3f}, {change['high']:.3f}]"
    of = f"{better} of {n} image{'s' * (n > 1)}"
    if change["interval"] == "range":
        text = f"{what}: better on {of}, {numbers}."
    elif clear and mean > 0:
        text = f"{what} helped on {of}, {numbers}."
    elif clear:
        text = f"{what} did not help: better on {of}, {numbers}."
    else:
        text = f"{what} made no clear difference: better on {of}, {numbers}; the interval includes zero."
    if clear and change["low_all"] <= 0 <= change["high_all"]:
        text += f" With {comparisons} comparisons made, that may be chance."
    return text[:1].upper() + text[1:]
