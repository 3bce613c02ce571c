"""Scores of sets for a person: as a text table, as sentences, as tab-separated values."""

from __future__ import annotations

from collections.abc import Sequence

from napari_organoid_synth.core.metrics.nearest import COPY_SSIM
from napari_organoid_synth.core.metrics.sets import Interval
from napari_organoid_synth.core.scores.storage import MaskFit, Memorisation, SetScores, Variety

NOTABLE_SHARE = 0.05
"""Share of samples from which on a sentence reports repetition."""
FEW = 0.5
"""Part of the effective number of the real tiles below which a sentence reports collapse."""


def table(sets: Sequence[SetScores]) -> str:
    """Format sets as text, one after the other: value, interval, range of the originals, matched value, message."""
    lines = []
    for one in sets:
        lines += ["", f"{one.title}: {one.number} samples ({one.samples})"]
        if one.scores:
            lines.append(f"  {'':52} {'value':>9}  {'95 % interval':>21}  {'originals':>21}  {'like with like':>14}")
        for score in one.scores:
            title = score.title + (f" [{score.extractor.split(':')[0]}]" if score.extractor else "")
            lines.append(
                f"  {title:52} {score.value:>9.4g}  {_span(score.interval):>21}  {_span(score.originals):>21}  "
                f"{score.matched_value:>14.4g}  {score.message}"
            )
        lines += [f"  {line}" for line in sentences(one)]
    return "\n".join(lines).lstrip("\n")


def _span(interval: Interval) -> str:
    return f"{interval.low:.4g} to {interval.high:.4g}"


def sentences(scores: SetScores) -> list[str]:
    """Describe the findings about copies, variety and masks."""
    lines = _memorisation(scores.memorisation)
    if scores.variety is not None:
        lines += _variety(scores.variety, scores.number)
    if scores.mask_fit is not None:
        lines.append(_mask_fit(scores.mask_fit))
    return lines


def _memorisation(found: Memorisation) -> list[str]:
    lines = []
    if found.ssim_copies is not None:
        lines.append(f"{found.ssim_copies:.0%} reach SSIM {COPY_SSIM:.2f} with a real tile.")
    if found.borrowed_masks:
        share = f"{found.borrowed_masks:.0%} are painted on masks made from real ones"
        lines.append(f"{share}, so their layout is intended: copies are judged by SSIM alone.")
    if found.one_image:
        lines.append("All real tiles come from one image: copies are judged by SSIM alone.")
    elif found.borrowed_masks < 1:
        lines.append(f"{found.copies:.0%} lie nearer to a real tile than real tiles of different images do: copies.")
    if found.masks_copies:
        lines.append(f"{found.masks_copies:.0%} of the masks are copies of real masks.")
    if test := found.test:
        lines.append(f"{test.nearer:.0%} chance of lying nearer than unseen tiles (p = {test.p:.2g}): {test.message}.")
    elif not found.borrowed_masks:
        lines.append("No test images: whether the training is repeated was not tested.")
    return lines


def _variety(found: Variety, number: int) -> list[str]:
    effective = ""
    if found.effective is not None and found.real_effective is not None:
        real = f"as many real tiles {found.real_effective:.3g}"
        effective = f" Effective number of different ones: {found.effective:.3g} ({real})."
    lines = [
        f"{found.distinct} of {number} samples are distinct: {found.ssim:.0%} reach SSIM {COPY_SSIM:.2f} with another "
        f"one (real tiles {found.real_ssim:.0%}).{effective}"
    ]
    if found.effective is not None and found.effective < FEW * (found.real_effective or 0):
        lines.append("The generator repeats few pictures: it has collapsed, wholly or in part.")
    near = max(found.pixels or 0.0, found.features or 0.0)
    if near > NOTABLE_SHARE:
        lines.append(f"{near:.0%} lie nearer to another sample than real images do to each other: little variety.")
    if (found.masks or 0.0) > NOTABLE_SHARE:
        lines.append(f"{found.masks:.0%} repeat the mask layout of another sample.")
    return lines


def _mask_fit(found: MaskFit) -> str:
    if not found.useful:
        return (
            "Whether masks fit their images cannot be determined: real pairs differ too little from real images under "
            "masks of other images."
        )
    return (
        f"{found.low:.0%} of the masks may not fit their image (real pairs {found.real:.0%}, real images under masks "
        f"of other images {found.strange:.0%})."
    )


def as_tsv(sets: Sequence[SetScores]) -> str:
    """Format sets as tab-separated values for a spreadsheet: a line of names, then one for each run and score."""
    names = (
        *("run", "samples", "title", "unit", "value", "low", "high", "alike", "real_low", "real_high"),
        *("n_fake", "n_real", "extractor", "words", "set", "verdict"),
    )
    lines = ["\t".join(names)]
    for one in sets:
        for score in one.scores:
            interval, originals = score.interval, score.originals
            cells = [
                *(one.run, one.samples, score.title, score.unit, score.value, interval.low, interval.high),
                *(score.matched_value, originals.low, originals.high, score.n_synthetic, score.n_real),
                *(score.extractor, score.message, one.title, score.verdict),
            ]
            lines.append("\t".join(f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in cells))
    return "\n".join(lines) + "\n"
