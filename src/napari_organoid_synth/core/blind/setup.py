"""The blind test: real and synthetic pictures in random order, what a person takes them for, and how long it takes.

Both kinds are treated alike: real tiles are cut as those that the generator learned from, synthetic images that are
larger are cut to the same side, both are shown with the contrast limits of the real tiles, outlines in one colour, and
neither is resampled. No two real tiles of a test overlap, and as far as possible no two pictures show the same mask.
Samples flagged as copies are left out: they are real images, and whoever takes them for real is right.

`core.blind_session` keeps a test as a file, `core.blind_result` has its statistics.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.blind.session import (
    BlindSettings,
    Picture,
    Place,
    Session,
    free_path,
    header_of,
    keep_answer,
    read_session,
    read_sessions,
)
from napari_organoid_synth.core.blind.statistics import (
    FAST,
    SIGNAL,
    Rate,
    Result,
    Way,
    cohen_kappa,
    fleiss_kappa,
    summarise,
    words,
)
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.base import intensity_limits, to_unit
from napari_organoid_synth.core.metrics.real_tiles import real_tiles
from napari_organoid_synth.core.pairs.loading import PairTable, check_pairs, read_entry
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import coloured, outline
from napari_organoid_synth.core.pairs.tile_reading import TilePlace, tile_side
from napari_organoid_synth.core.pairs.tiling import Tile, clean_instances, cut_pair, orient
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore

__all__ = [
    "BlindSettings",
    "Picture",
    "Pictures",
    "Session",
    "keep_answer",
    "make_session",
    "read_session",
    "read_sessions",
]

OUTLINE = (255, 210, 0)
"""Of masks, red, green and blue: one colour, because the numbers of objects would tell who numbered them."""
REAL_SCORE, TIME_SCORE = "blind_real", "blind_seconds"


# ------------------------------------------------------------------------------------------------- choosing pictures


def make_session(project: Project, settings: BlindSettings, like: Session | None = None) -> Session:
    """Choose pictures and their order, and write the file of the test.

    Parameters
    ----------
    project : Project
        With real pairs and samples.
    settings : BlindSettings
        What to ask.
    like : Session, optional
        Show its pictures once more, in another order, for another observer.

    Raises
    ------
    UserError
        If there are no such samples or no real tiles of their size.
    """
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if settings.seed is None else settings.seed
    settings, rng = settings.replace(seed=seed), np.random.default_rng(seed)
    path = free_path(project)
    if like is not None:
        same = like.settings.replace(observer=settings.observer, practice=settings.practice, seed=seed)
        shown = like.questions
        session = replace(like, path=path, started=time.time(), settings=same, answers=())
    else:
        session, reals, synthetics = _choose(project, settings, path, rng)
        if settings.way == "in pairs":
            shown = tuple(zip(reals, synthetics, strict=True))
        else:
            shown = tuple((picture,) for picture in (*reals, *synthetics))
    order = rng.permutation(len(shown))
    swapped = rng.permutation(np.arange(len(shown)) % 2)  # the real one is on either side equally often
    questions = tuple(
        tuple(sorted(shown[number], key=lambda picture: picture.kind, reverse=bool(swap)))
        for number, swap in zip(order, swapped, strict=True)
    )
    session = replace(session, questions=questions)
    write_text(path, json.dumps(header_of(session)) + "\n")
    return session


def _choose(
    project: Project, settings: BlindSettings, path: Path, rng: np.random.Generator
) -> tuple[Session, list[Picture], list[Picture]]:
    """Equal numbers of real and synthetic pictures, each in random order, and the test without its questions."""
    if not project.samples_path.exists():
        raise UserError("There are no synthetic pairs yet.", todo="Make some in Generate.")
    with SampleStore(project.samples_path) as store:
        rows, copies = _candidates(store, settings)
        side = tile_side(row.size for row in rows)
        rows = [row for row in rows if min(row.size) >= side]
        found = real_tiles(project, side)
        shown = [tile.labels.any() or not settings.masks for tile in found.pairs]
        tiles = list(compress(found.pairs, shown))
        if not tiles:
            raise UserError("No real image has a mask.", "Expected outlines to draw.", "Show pictures without masks.")
        limits = intensity_limits(tiles)
        if tiles[0].is_rgb:  # stretched together, so that colours stay
            limits[:] = limits[:, 0].min(), limits[:, 1].max()
        places = _apart(list(compress(found.places, shown)), side, rng)
        wanted = settings.number if settings.way == "in pairs" else max(1, settings.number // 2)
        number = min(wanted, len(rows), len(places))
        places = [places[index] for index in rng.permutation(len(places))[:number]]
        chosen, alike = _different(store, rows, number, places, side, rng)
    turns, flips = rng.integers(4, size=2 * number), rng.integers(2, size=2 * number)
    if not settings.turned:
        turns[:] = flips[:] = 0
    ways = list(zip(turns.tolist(), (flips > 0).tolist(), strict=True))
    reals = [
        Picture("real", place.pair, place.y, place.x, *way) for place, way in zip(places, ways[:number], strict=True)
    ]
    synthetics = []
    for row, way in zip(chosen, ways[number:], strict=True):
        y, x = (int(rng.integers(length - side + 1)) for length in row.size)
        synthetics.append(Picture("synthetic", row.id, y, x, *way))
    told = []
    if number < wanted:
        scarce = f"{len(rows)} synthetic pairs" if number == len(rows) else f"{number} real tiles that do not overlap"
        told.append(f"There are only {scarce}.")
    if copies:
        told.append(f"{copies} flagged as copies of real images are left out.")
    if alike:
        told.append(f"{alike} synthetic pictures show the mask of another picture of the test.")
    black_white = tuple((float(low), float(high)) for low, high in limits)
    return Session(path, time.time(), settings, side, black_white, (), " ".join(told)), reals, synthetics


def _candidates(store: SampleStore, settings: BlindSettings) -> tuple[list[SampleRow], int]:
    """Samples that may be shown, and how many copies were left out."""
    verdicts = {"accepted": ("accepted",), "new and accepted": ("new", "accepted")}.get(settings.samples)
    rows = [
        row for row in store.rows() if (verdicts is None or row.verdict in verdicts) and settings.run in ("", row.run)
    ]
    kept = [row for row in rows if "copy" not in row.flagged and not (settings.masks and row.flagged)]
    if not kept:
        which = "" if settings.samples == "all" else f" {settings.samples}"
        raise UserError(
            f"There is no{which} synthetic pair to show{f' of run {settings.run!r}' if settings.run else ''}.",
            "Expected at least one that is not flagged as a copy.",
            "Choose other samples, or make more in Generate.",
        )
    return kept, sum("copy" in row.flagged for row in rows)


def _apart(places: Sequence[TilePlace], side: int, rng: np.random.Generator) -> list[TilePlace]:
    """Choose places of which no two share a pixel: at random, or row by row where that gives more."""

    def greedy(order: Iterable[int]) -> list[TilePlace]:
        taken: list[TilePlace] = []
        for index in order:
            if not any(places[index].overlaps(other, side) for other in taken):
                taken.append(places[index])
        return taken

    found = greedy(rng.permutation(len(places)).tolist()), greedy(range(len(places)))
    return max(found, key=len)


def _different(
    store: SampleStore,
    rows: Sequence[SampleRow],
    number: int,
    places: Sequence[TilePlace],
    side: int,
    rng: np.random.Generator,
) -> tuple[list[SampleRow], int]:
    """Random samples, those first that were not painted on a mask that another picture shows; and how many were."""
    taken, digests = list(places), set[str]()
    chosen: list[SampleRow] = []
    alike: list[SampleRow] = []
    for index in rng.permutation(len(rows)):
        if len(chosen) == number or len(chosen) + len(alike) == 4 * number:  # each is a file to read
            break
        mask = store.pair(rows[index].id).source.provenance.get("mask")
        mask = mask if isinstance(mask, dict) else {}
        place = TilePlace.from_name(str(mask.get("name"))) if mask.get("kind") == "real" else None
        digest = str(mask.get("digest", ""))
        if (digest and digest in digests) or (place and any(place.overlaps(other, side) for other in taken)):
            alike.append(rows[index])
            continue
        digests.add(digest)
        taken += [place] if place else []
        chosen.append(rows[index])
    more = alike[: number - len(chosen)]
    return chosen + more, len(more)


# ------------------------------------------------------------------------------------------------------ pictures


class Pictures:
    """The pixels of a test, read when they are asked for.

    Parameters
    ----------
    project : Project
    session : Session

    Raises
    ------
    UserError
        If the table of real pairs cannot be read.
    """

    def __init__(self, project: Project, session: Session) -> None:
        self._project, self._session = project, session
        table = PairTable.from_file(project.pairs_path)
        self._table = check_pairs(table) if table.mask_kind is None else table
        self._limits = np.asarray(session.limits)

    def pair(self, picture: Picture) -> SamplePair:
        """Image and mask of a picture, native values, upright as it lies in its image.

        Raises
        ------
        UserError
            If the sample or the real image is gone.
        """
        side = self._session.side
        if picture.kind == "synthetic":
            with SampleStore(self._project.samples_path) as store:
                pair = store.pair(picture.name)
            box = (..., slice(picture.y, picture.y + side), slice(picture.x, picture.x + side))
            labels = pair.labels[box]
            labels = clean_instances(labels) if pair.mask_kind == "instances" else labels  # as `cut_pair` does
            return pair.replace(image=pair.image[box], labels=labels)
        entry = next((entry for entry in self._table.matched if entry.name == picture.name), None)
        if entry is None:
            raise UserError(
                f"The real image '{picture.name}' of this test is not in the table of pairs.",
                "Expected the images that were there when the test began.",
                "Put it back, or start another test.",
            )
        pair = read_entry(entry, self._table.mask_kind, self._table.class_names)
        return cut_pair(pair, Tile(0, pair.name, picture.y, picture.x, side))

    def draw(self, picture: Picture) -> NDArray[np.uint8]:
        """A picture as it is shown, (side, side, 3)."""
        pair = self.pair(picture)
        shown = coloured(to_unit(pair.image[:3], self._limits[:3]))
        if self._session.settings.masks:
            shown[outline(pair.labels)] = OUTLINE
        turned = np.moveaxis(orient(np.moveaxis(shown, -1, 0), picture.turns, picture.flip), 0, -1)
        return np.ascontiguousarray(turned)

    def question(self, number: int) -> list[NDArray[np.uint8]]:
        """The picture of a question, or the left and the right one."""
        return [self.draw(picture) for picture in self._session.questions[number]]


# --------------------------------------------------------------------------------------------------------- results


def counted(sessions: Iterable[Session]) -> list[Session]:
    """Tests that count: answered at least once, and no practice."""
    return [session for session in sessions if session.answers and not session.settings.practice]


def pooled(sessions: Iterable[Session], way: Way) -> Result | None:
    """All answers of one way of asking together, in the order of time; None where there are none.

    Its interval takes every answer for independent: with few observers it is too narrow.
    """
    chosen = [session for session in counted(sessions) if session.settings.way == way]
    answers = [one for session in sorted(chosen, key=lambda one: one.started) for one in session.judged()]
    return summarise(answers, way) if answers else None


@dataclass(frozen=True)
class Agreement:
    """How far tests agree about pictures that all of them showed: Cohen's kappa of two, Fleiss' of more."""

    kappa: float | None
    tests: int
    shared: int


def agreement(sessions: Iterable[Session]) -> Agreement | None:
    """Agreement about the pictures, or pairs of pictures, that all counted tests share; None where there are none."""
    tables: list[dict[frozenset[Place], bool]] = []
    asked: dict[frozenset[Place], Place] = {}  # of a pair: the picture that the first test had on the left
    for session in counted(sessions):
        seen = {}
        for answer in session.answers:
            taken = {picture.place: real for picture, real in session.taken_for_real(answer)}
            key = frozenset(taken)
            seen[key] = taken[asked.setdefault(key, next(iter(taken)))]
        tables.append(seen)
    if len(tables) < 2:
        return None
    shared = set(tables[0]).intersection(*tables[1:])
    if not shared:
        return None
    said = np.array([[table[key] for table in tables] for key in shared])
    if len(tables) == 2:
        kappa = cohen_kappa(said[:, 0], said[:, 1])
    else:
        kappa = fleiss_kappa(np.stack([said.sum(axis=1), (~said).sum(axis=1)], axis=1))
    return Agreement(kappa, len(tables), len(shared))


def verdicts_on(sessions: Iterable[Session], kind: Literal["real", "synthetic"]) -> list[tuple[Picture, Rate, float]]:
    """Each picture of a kind, how often it was taken for real, and the median time; most convincing first.

    Of pictures that were equally often taken for real, the one with the faster answers comes first where most took it
    for real, and last where most did not.
    """
    found: dict[str | Place, list[tuple[Picture, bool, float]]] = {}
    for session in sessions:
        for answer in session.answers:
            for picture, real in session.taken_for_real(answer):
                if picture.kind == kind:
                    key = picture.name if kind == "synthetic" else picture.place
                    found.setdefault(key, []).append((picture, real, answer.seconds))
    listed = [
        (seen[0][0], Rate(sum(real for _, real, _ in seen), len(seen)), median(seconds for *_, seconds in seen))
        for seen in found.values()
    ]

    def rank(one: tuple[Picture, Rate, float]) -> tuple[float, float]:
        _, rate, seconds = one
        return -rate.share, seconds if rate.share >= 0.5 else -seconds

    return sorted(listed, key=rank)


def write_scores(project: Project) -> int:
    """Give samples ``blind_real`` (share of answers that took them for real) and ``blind_seconds`` (median time).

    Over all tests of the project but practice. Returns how many samples have them.
    """
    listed = verdicts_on(counted(read_sessions(project)), "synthetic")
    if not listed:
        return 0
    with SampleStore(project.samples_path) as store, store.transaction():
        known = set(store.ids())
        for picture, rate, seconds in listed:
            if picture.name in known:
                store.rate(picture.name, {REAL_SCORE: rate.share, TIME_SCORE: seconds})
        return sum(picture.name in known for picture, *_ in listed)


def report_words(session: Session, who: str = "The observer") -> list[str]:
    """A test in plain sentences, the most important first."""
    told = words(session.result(), session.settings.observer or who)
    if session.left and session.answers:
        told.append(f"The test was not finished: {len(session.left)} of {len(session.questions)} are open.")
    if session.settings.practice:
        told.append("Practice, with the solution after each answer: it is not counted.")
    return [*told, session.note] if session.note else told


def together_words(sessions: Sequence[Session]) -> list[str]:
    """All tests that count in plain sentences: pooled rates, and agreement where pictures are shared."""
    told = []
    for way in SIGNAL:
        chosen = [session for session in counted(sessions) if session.settings.way == way]
        found = pooled(chosen, way)
        if found is None:
            continue
        who = sorted({session.settings.observer or "no name" for session in chosen})
        noun = "test" if len(chosen) == 1 else "tests"
        told.append(f"{len(chosen)} {noun} {way} ({', '.join(who)}): {found.wrong} wrong together.")
        if len(chosen) > 1:
            rates = ", ".join(f"{session.result().wrong.share:.0%}" for session in reversed(chosen))
            told.append(f"Wrong in each, oldest first: {rates}.")
        agreed = agreement(chosen)
        if agreed is not None:
            name = "Cohen's" if agreed.tests == 2 else "Fleiss'"
            kappa = "is not defined: all said the same" if agreed.kappa is None else f"{agreed.kappa:.2f}"
            told.append(f"{agreed.shared} pictures were shown in all of them: {name} kappa {kappa}.")
    return told


def overview(project: Project) -> dict[str, Any]:
    """All tests and their statistics as JSON values: ``tests``, newest first, and ``together`` by way of asking."""
    sessions = read_sessions(project)
    tests = []
    for session in sessions:
        head = session.settings.model_dump(mode="json", include={"observer", "way", "practice", "seed"})
        tests.append(
            {"id": session.id, "started": session.started, **head}
            | {"questions": len(session.questions), "answers": len(session.answers)}
            | {"words": report_words(session), "result": session.result().as_dict() if session.answers else None}
        )
    together = {way: found.as_dict() for way in SIGNAL if (found := pooled(sessions, way)) is not None}
    return {"tests": tests, "together": together, "words": together_words(sessions)}


COLUMNS = (
    "test", "started", "observer", "way", "practice", "question", "left", "right", "truth", "choice", "correct",
    "seconds", "fast", "pauses",
)  # fmt: skip


def to_csv(sessions: Iterable[Session]) -> str:
    """One line for each answer; a picture alone is in ``left``."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for session in sessions:
        settings = session.settings
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(session.started))
        for one in session.answers:
            shown = [_csv_name(picture) for picture in session.questions[one.question]]
            truth = session.truth(one.question)
            asked = session.id, when, settings.observer, settings.way, int(settings.practice), one.question + 1
            said = truth, one.choice, int(one.choice == truth), f"{one.seconds:.3f}", int(one.seconds < FAST)
            table.writerow([*asked, *[*shown, ""][:2], *said, one.pauses])
    return stream.getvalue()


def _csv_name(picture: Picture) -> str:
    return picture.name if picture.kind == "synthetic" else f"{picture.name}_y{picture.y}_x{picture.x}"
