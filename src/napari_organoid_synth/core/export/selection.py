"""Select the pairs of an export, and divide them into training and test."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.manifest import Split
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.pairs.format import FormatOf, Misfits
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore


@dataclass(frozen=True)
class Item:
    """One pair to export: a sample of the store, or a real pair.

    Parameters
    ----------
    name : str
        Of its files.
    group : str
        Pairs of one group are never divided between training and test.
    row : SampleRow, optional
        Of a sample.
    real : SamplePair, optional
        A real pair.
    """

    name: str
    group: str
    row: SampleRow | None = None
    real: SamplePair | None = field(default=None, repr=False)

    @property
    def is_copy(self) -> bool:
        """Whether it is flagged as a copy of a real image."""
        return self.row is not None and is_copy(self.row)

    def load(self, store: SampleStore) -> SamplePair:
        """Return the pair under the name of its files; a sample with verdict and scores in its provenance."""
        if self.real is not None:
            return self.real.replace(name=self.name)
        assert self.row is not None  # an item is one or the other
        pair, row = store.pair(self.row.id), self.row
        provenance = pair.source.provenance | {"verdict": row.verdict, "scores": row.scores, "run": row.run}
        source = pair.source.__class__(pair.source.kind, pair.source.files, provenance)
        return pair.replace(name=self.name, source=source)


@dataclass(frozen=True)
class Selection:
    """The pairs of an export.

    Parameters
    ----------
    items : list of Item
        At least one.
    splits : list of {"train", "test"}
        One per item.
    split_by : str
        Unit that was never divided: "real image" or "pair".
    skipped_copies : list of str
        Ids of accepted samples that are left out because they are copies.
    misfits : str
        Sentence about accepted samples that are left out because they do not fit the real pairs; mostly empty.
    """

    items: list[Item]
    splits: list[Split]
    split_by: str
    skipped_copies: list[str]
    misfits: str = ""

    @property
    def copies(self) -> tuple[str, ...]:
        """Ids of the samples among them that are copies of real images."""
        return tuple(item.row.id for item in self.items if item.row is not None and item.is_copy)


def select(project: Project, store: SampleStore, settings: ExportSettings) -> Selection:
    """Select the accepted samples, without copies unless there is a reason, and the real pairs if wanted.

    Samples that do not fit the real pairs of the project are left out.

    Raises
    ------
    UserError
        If no sample is left.
    """
    accepted = store.rows("accepted")
    skipped = [] if settings.copies.strip() else [row.id for row in accepted if is_copy(row)]
    samples = [row for row in accepted if row.id not in skipped]
    if not samples and skipped:
        raise UserError(
            "The only accepted pair is flagged as a copy of a real image."
            if len(skipped) == 1
            else f"All {len(skipped):,} accepted pairs are flagged as copies of real images.",
            "Expected at least one that is not a copy.",
            "Accept other pairs ('organoid-synth samples', in napari: Curate), or give a reason in 'copies'.",
        )
    if not samples:
        counts = store.counts()
        raise UserError(
            f"No pair is accepted ({counts['new']} new, {counts['rejected']} rejected).",
            "Expected at least one.",
            "Accept some: 'organoid-synth samples --accept best:50', in napari: Curate.",
        )
    misfits = Misfits(FormatOf(project.pairs_path).get())
    items = []
    for row in samples:
        pair = store.pair(row.id)
        if misfits.fits(pair):
            items.append(Item(row.id, _origin(pair), row=row))
    if not items:
        raise UserError(misfits.warning(), "Expected accepted pairs like the real ones.", "Accept other pairs.")
    if settings.include_real:
        items += _real_items(load_pairs(project, split="train"), {item.name.casefold() for item in items})
    tests, split_by = split_groups([item.group for item in items], settings.validation, settings.seed)
    return Selection(items, ["test" if test else "train" for test in tests], split_by, skipped, misfits.warning())


def is_copy(row: SampleRow) -> bool:
    """Return whether a sample is flagged as a copy of a real image."""
    return "copy" in row.flagged.split(", ")


def _real_items(pairs: Sequence[SamplePair], taken: set[str]) -> list[Item]:
    """Return real pairs under names that no other pair has."""
    items = []
    for pair in pairs:
        stem, number = file_stem(pair.name), 1
        while (name := stem if number == 1 else f"{stem}-{number}").casefold() in taken:
            number += 1
        taken.add(name.casefold())
        items.append(Item(name, pair.name, real=pair))
    return items


def _origin(pair: SamplePair) -> str:
    """Return the name of the real image whose mask a sample was painted on, else its own."""
    mask = pair.source.provenance.get("mask", {})
    if mask.get("kind") in ("real", "warped"):
        return re.sub(r"_y\d+_x\d+_r\dm?$", "", str(mask.get("name", pair.name)))
    return f"sample {pair.name}"


def split_groups(groups: list[str], share: float, seed: int) -> tuple[list[bool], str]:
    """Choose entries for testing: about ``share`` of them, the same for a seed.

    Entries that come from one real image stay together, so that no mask is on both sides; with too few real images for
    that, entries are drawn one by one.

    Returns
    -------
    list of bool
        At least one is True and one False when the share is above 0 and there are two entries.
    str
        What was divided: "real image" or "pair".
    """
    by = "real image"
    if len(set(groups)) * share < 1:
        groups, by = [f"{number:09d}" for number in range(len(groups))], "pair"
    sizes = sorted(Counter(groups).items())
    target, count = share * len(groups), 0
    tests: set[str] = set()
    for index in np.random.default_rng(seed).permutation(len(sizes))[: len(sizes) - 1]:
        group, size = sizes[index]
        if share > 0 and (not tests or count + size / 2 <= target):
            tests.add(group)
            count += size
    return [group in tests for group in groups], by
