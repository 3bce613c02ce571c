"""Results of blind tests in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

from napari_organoid_synth.core.blind.results import agreement, counted, pooled
from napari_organoid_synth.core.blind.session import Session
from napari_organoid_synth.core.blind.statistics import FAST, SIGNAL, SIGNIFICANT, Rate, Result, percent
from napari_organoid_synth.core.quantities import plural


def verdict_sentence(result: Result, who: str = "You") -> str:
    """Say in one sentence whether real and synthetic images can be told apart; no statistics."""
    n, right = result.wrong.total, 1 - result.wrong.share
    if not n:
        return "Nothing has been answered yet."
    if result.detectable is None:
        return f"Too few answers to say whether they can be told apart: {n}."
    if result.p >= SIGNIFICANT:
        gap = percent(result.detectable - 0.5)
        return (
            f"{who} could not tell synthetic from real images: right in {percent(right)} % of {n} answers, guessing is "
            f"50 %. Differences below {gap} percentage points would not have been noticed."
        )
    if result.wrong.share > 0.5:
        return f"{who} saw a difference, but took real and synthetic images for each other."
    return f"{who} could tell synthetic from real images: right in {percent(right)} % of {n} answers, guessing is 50 %."


def sentences(result: Result, who: str = "You") -> list[str]:
    """Describe a result in plain sentences, the most important first."""
    n, wrong = result.wrong.total, result.wrong
    if not n:
        return ["Nothing has been answered yet."]
    lines = [f"{who} recognised {Rate(n - wrong.count, n)}: {_verdict(result)}."]
    if result.doubted is None:
        lines.append(f"The synthetic one was taken for the real one in {wrong}. Guessing is 50 %.")
    else:
        low, high = wrong.interval
        lines.append(
            f"Error rate {percent(wrong.share)} % ({percent(low)} to {percent(high)} %); guessing is 50 %. "
            f"Synthetic taken for real: {result.fooled}. Real taken for synthetic: {result.doubted}."
        )
    sides = ("real", "synthetic") if result.doubted is not None else ("left", "right")
    lean = f"leaning to '{sides[result.bias > 0]}'" if abs(result.bias) > 0.2 else "no side preferred"
    lines.append(
        f"Exact binomial test against guessing: p {small(result.p)}. Sensitivity d' {result.d_prime:.2f} "
        f"(0: cannot be told apart), bias c {result.bias:+.2f} ({lean})."
    )
    lines += _hesitation(result)
    if result.p_learning is not None:
        lines.append(
            f"Wrong in the first half {percent(result.first.share)} %, in the second {percent(result.second.share)} % "
            f"(Fisher's exact test: p {small(result.p_learning)})."
        )
    if result.fast:
        are, noun = ("was", "answer") if result.fast == 1 else ("were", "answers")
        lines.append(f"{result.fast} {noun} {are} faster than {FAST} s: too fast to have looked.")
    return lines


def _verdict(result: Result) -> str:
    n = result.wrong.total
    if result.detectable is None:
        return f"{n} answer{'s are' if n > 1 else ' is'} too few to tell from guessing"
    if result.p < SIGNIFICANT:
        if result.wrong.share < 0.5:
            return "synthetic pairs can be told apart"
        return "real and synthetic can be told apart, but were taken for each other"
    gap = percent(result.detectable - 0.5)
    return f"no better than guessing, but {n} answers can only show differences larger than {gap} percentage points"


def _hesitation(result: Result) -> list[str]:
    times, lines = result.seconds, []
    for kinds, noun, of, p in (
        (("right", "wrong"), "answers", (times.right, times.wrong), result.p_hesitation),
        (("real", "synthetic"), "pictures", (times.real, times.synthetic), result.p_kind),
    ):
        if p is not None and of[0] is not None and of[1] is not None:
            lines.append(
                f"Median time {of[0]:.1f} s for {kinds[0]}, {of[1]:.1f} s for {kinds[1]} {noun} "
                f"(Mann–Whitney: p {small(p)})."
            )
    known = [time for time in (times.right, times.wrong) if time is not None]
    if not lines and known:
        lines.append(f"Median time {known[0]:.1f} s.")
    return lines


def small(p: float) -> str:
    """Format a p value: ``= 0.031``, ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"


def session_sentences(session: Session, who: str = "The observer") -> list[str]:
    """Describe a test in plain sentences, the most important first."""
    lines = sentences(session.result(), session.settings.observer or who)
    if session.open_questions and session.answers:
        number = f"{len(session.open_questions)} of {plural(len(session.questions), 'question')}"
        lines.append(f"The test is not finished: {number} open.")
    if session.settings.practice:
        lines.append("This was practice, with the solution after each answer. It is not counted.")
    return [*lines, session.note] if session.note else lines


def pooled_sentences(sessions: Sequence[Session]) -> list[str]:
    """Describe all tests that count together: pooled rates, and agreement where pictures are shared."""
    lines: list[str] = []
    for way in SIGNAL:
        tests = [session for session in counted(sessions) if session.settings.way == way]
        result = pooled(tests, way)
        if result is None:
            continue
        names = ", ".join(sorted({session.settings.observer or "no name" for session in tests}))
        lines.append(f"{plural(len(tests), 'test')} {way} ({names}): {result.wrong} answers wrong in total.")
        if len(tests) > 1:
            rates = ", ".join(f"{session.result().wrong.share:.0%}" for session in reversed(tests))
            lines.append(f"Wrong in each, oldest first: {rates}.")
        agreed = agreement(tests)
        if agreed is not None:
            name = "Cohen's" if agreed.tests == 2 else "Fleiss'"
            kappa = "is undefined: all answers are the same" if agreed.kappa is None else f"{agreed.kappa:.2f}"
            lines.append(f"{agreed.shared} pictures were shown in all of them. {name} kappa {kappa}.")
    return lines
