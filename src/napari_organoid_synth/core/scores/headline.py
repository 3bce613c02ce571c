"""The scores of a set in one line of words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from napari_organoid_synth.core.metrics.sets import MIN_TILES, SetScore
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.scores.storage import SetScores

FAR, MUCH = 3.0, 3.0
"""Widths of the range of the originals beyond it: a distance is far, another trait is much more."""
FEW = 0.5
"""Part of the effective number of the real tiles below which a set repeats few pictures."""
ODD_MASKS = 2.0
"""Times the share of real pairs whose masks seem not to fit, from which on it is said."""
MIN_ODD_MASKS = 0.1


@dataclass(frozen=True)
class Headline:
    """What scores mean.

    Parameters
    ----------
    text : str
        One sentence without a full stop: ``"Close to your images; a little too smooth; 3 copies"``.
    advice : tuple of str
        What to do, the most important first.
    """

    text: str
    advice: tuple[str, ...]


Finding = tuple[str, str]
"""What was found, and what to do about it."""


def headline(scores: SetScores, copies: int | None = None) -> Headline:
    """Say in words what the scores of a set mean.

    Parameters
    ----------
    scores : SetScores
        Of one run, or a part of it.
    copies : int, optional
        Samples that are flagged as copies; default: from the shares in the scores.
    """
    number = copies_of(scores) if copies is None else copies
    found = [_closeness(scores), *_traits(scores), *_variety(scores), *_masks(scores), *_copies(number)]
    text = "; ".join(words for words, _ in found)
    advice = tuple(dict.fromkeys(todo for _, todo in found if todo))
    return Headline(text[:1].upper() + text[1:], advice or ("Accept the best ones, then measure what they are worth.",))


def copies_of(scores: SetScores) -> int:
    """Return about how many samples of a set are copies of real tiles."""
    return round(max(scores.memorisation.copies, scores.memorisation.ssim_copies or 0.0) * scores.number)


def excess(score: SetScore) -> float:
    """Return how far the matched value lies beyond the range of the originals, in widths of it; 0 inside.

    Negative below the range, positive above.
    """
    low, high, value = score.originals.low, score.originals.high, score.matched_value
    width = (high - low) or max(abs(high), 1e-9)
    return (value - high) / width if value > high else (value - low) / width if value < low else 0.0


def _closeness(scores: SetScores) -> Finding:
    by_name = scores.by_name
    if not scores.scores or "kid" not in by_name:
        return f"too few pairs to judge as a set ({scores.number})", f"Make at least {MIN_TILES} pairs of a run."
    distance = by_name["kid"]
    beyond = excess(distance)
    fakes = by_name.get("precision")
    is_alien = fakes is not None and fakes.matched_value < FEW * fakes.originals.low
    if beyond > FAR and (is_alien or beyond > FAR**2):
        todo = "Do not use these pairs yet: train longer, with more pairs, or paint with another generator."
        return "far from your images", todo
    if beyond > 0:
        return "not quite like your images", "Compare some with the nearest real image, at full size."
    if distance.verdict == "none":
        return f"cannot be told apart by these features ({distance.doubt})", "Score with features that were trained."
    return "close to your images", ""


def _traits(scores: SetScores) -> Iterator[Finding]:
    """Say whether the images are too smooth or too rough, by whichever of the two scores lies farther outside."""
    by_name = scores.by_name
    smooth = [excess(by_name["blur"])] if "blur" in by_name else []
    smooth += [-excess(by_name["hf_energy"])] if "hf_energy" in by_name else []
    most = max(smooth, key=abs, default=0.0)
    if most:
        what = "too smooth" if most > 0 else "too rough or noisy"
        todo = (
            "Train longer, or paint with a generator that keeps fine texture, such as flow or analogy."
            if most > 0
            else "Look for noise or a grid at full size; train longer."
        )
        yield f"{'much' if abs(most) > MUCH else 'a little'} {what}", todo


def _variety(scores: SetScores) -> Iterator[Finding]:
    found, recall = scores.variety, scores.by_name.get("recall")
    if found is not None and found.effective is not None and found.effective < FEW * (found.real_effective or 0):
        yield "few different pictures", "The generator repeats itself: raise its variety, or train with more pairs."
    elif recall is not None and recall.verdict == "worse":
        yield "less varied than your images", "Use several seeds, and masks that are arranged or moved."


def _masks(scores: SetScores) -> Iterator[Finding]:
    by_name, fit = scores.by_name, scores.mask_fit
    odd = [what for name, what in (("ks_count", "number"), ("ks_area", "size")) if _is_worse(by_name.get(name))]
    if odd:
        yield f"objects of another {' and '.join(odd)}", "Choose masks that are arranged like the real ones."
    if fit is not None and fit.useful and fit.low > max(MIN_ODD_MASKS, ODD_MASKS * fit.real):
        yield f"{fit.low:.0%} of the masks may not fit", "Sort by how well the mask fits, and reject the worst."


def _is_worse(score: SetScore | None) -> bool:
    return score is not None and score.verdict == "worse"


def _copies(number: int) -> Iterator[Finding]:
    if number:
        yield plural(number, "copy", "copies"), "Look at the copies beside their real images, and reject them."
