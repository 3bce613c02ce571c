"""Select the pairs of an export, and divide them into training and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.manifest import Split
from napari_organoid_synth.core.export.origins import Origins
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.pairs.loading import check_pairs, read_entry
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pair_format import FormatOf, Misfits
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.quantities import plural
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
    entry : PairEntry, optional
        Row of a real pair, which is read when it is written.
    table : PairTable, optional
        Of that row.
    """

    name: str
    group: str
    row: SampleRow | None = None
    entry: PairEntry | None = field(default=None, repr=False)
    table: PairTable | None = field(default=None, repr=False)

    @property
    def is_copy(self) -> bool:
        """Whether it is flagged as a copy of a real image."""
        return self.row is not None and is_copy(self.row)

    def load(self, store: SampleStore) -> SamplePair:
        """Return the pair under the name of its files; a sample with verdict and scores in its provenance."""
        if self.entry is not None and self.table is not None:
            return read_entry(self.entry, self.table.mask_kind, self.table.class_names).replace(name=self.name)
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
    skipped_copies : list of str
        Ids of accepted samples that are left out because they are copies.
    skipped_tests : list of str
        Ids of accepted samples that are left out because they are made from test images.
    unreadable : list of str
        Names of test images whose files cannot be read.
    misfits : str
        Sentence about accepted samples that are left out because they do not fit the real pairs; mostly empty.
    """

    items: list[Item]
    splits: list[Split]
    skipped_copies: list[str]
    skipped_tests: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    misfits: str = ""

    @property
    def copies(self) -> tuple[str, ...]:
        """Ids of the samples among them that are copies of real images."""
        return tuple(item.row.id for item in self.items if item.row is not None and item.is_copy)

    @property
    def n_synthetic_tests(self) -> int:
        """Number of samples for testing."""
        return sum(
            item.row is not None and split == "test" for item, split in zip(self.items, self.splits, strict=True)
        )


def select(project: Project, store: SampleStore, settings: ExportSettings) -> Selection:
    """Select the accepted samples, the project's test images, and the real training pairs if wanted.

    Test folders hold the project's test images, and synthetic pairs only at the share that the settings ask for.
    Samples that are copies are left out unless there is a reason; those made from a test image, or that do not fit the
    real pairs of the project, always.

    Raises
    ------
    UserError
        If no sample is left.
    """
    accepted = store.rows("accepted")
    copies = [] if settings.copies.strip() else [row.id for row in accepted if is_copy(row)]
    table = _table(project)
    origins = Origins(table, project)
    misfits = Misfits(FormatOf(project.pairs_path).get())
    items: list[Item] = []
    made_of_tests: list[str] = []
    for row in accepted:
        if row.id in copies:
            continue
        pair = store.pair(row.id)
        if origins.is_of_test(pair):
            made_of_tests.append(row.id)
        elif misfits.fits(pair):
            items.append(Item(row.id, origins.group(pair), row=row))
    if not items:
        raise _nothing_left(store, copies, made_of_tests, misfits.warning())
    if settings.include_real:
        items += [Item(e.name, origins.groups.get(e.name, e.name), None, e, table) for e in table.train if e.masks]
    splits: list[Split] = [
        "test" if test else "train"
        for test in split_groups([item.group for item in items], settings.validation, settings.seed)
    ]
    items += [Item(entry.name, entry.name, None, entry, table) for entry in origins.tests]
    splits += ["test"] * len(origins.tests)
    return Selection(_with_free_names(items), splits, copies, made_of_tests, origins.unreadable, misfits.warning())


def _table(project: Project) -> PairTable:
    """Return the checked table of the project; an empty one without real pairs."""
    if not project.pairs_path.exists():
        return PairTable()
    table = PairTable.from_file(project.pairs_path)
    return check_pairs(table) if table.mask_kind is None else table


def _nothing_left(store: SampleStore, copies: Sequence[str], made_of_tests: Sequence[str], misfits: str) -> UserError:
    """Return the error for an export without samples, with the reason."""
    if misfits:
        return UserError(misfits, "Expected accepted pairs like the real ones.", "Accept other pairs.")
    if made_of_tests:
        return UserError(
            f"{plural(len(made_of_tests), 'accepted pair was', 'accepted pairs were')} made from test images.",
            "Expected pairs of generators that learned from the training images alone.",
            "Use these images for training, or train again and generate other pairs.",
        )
    if copies:
        return UserError(
            "The only accepted pair is flagged as a copy of a real image."
            if len(copies) == 1
            else f"All {len(copies):,} accepted pairs are flagged as copies of real images.",
            "Expected at least one that is not a copy.",
            "Accept other pairs ('organoid-synth samples', in napari: Curate), or give a reason in 'copies'.",
        )
    counts = store.counts()
    return UserError(
        f"No pair is accepted ({counts['new']} new, {counts['rejected']} rejected).",
        "Expected at least one.",
        "Accept some: 'organoid-synth samples --accept best:50', in napari: Curate.",
    )


def is_copy(row: SampleRow) -> bool:
    """Return whether a sample is flagged as a copy of a real image."""
    return "copy" in row.flagged.split(", ")


def _with_free_names(items: Sequence[Item]) -> list[Item]:
    """Return the items under names that are different files on any system."""
    taken: set[str] = set()
    named = []
    for item in items:
        stem, number = file_stem(item.name), 1
        while (name := stem if number == 1 else f"{stem}-{number}").casefold() in taken:
            number += 1
        taken.add(name.casefold())
        named.append(replace(item, name=name))
    return named


def split_groups(groups: Sequence[str], share: float, seed: int) -> list[bool]:
    """Choose entries for testing: about ``share`` of them, the same for a seed.

    Entries of one group stay together, so that nothing made of one image is on both sides; with a single group, all are
    for training.

    Returns
    -------
    list of bool
        At least one is True and one False when the share is above 0 and there are two groups.
    """
    sizes = sorted(Counter(groups).items())
    target, count = share * len(groups), 0
    tests: set[str] = set()
    for index in np.random.default_rng(seed).permutation(len(sizes))[: len(sizes) - 1]:
        group, size = sizes[index]
        if share > 0 and (not tests or count + size / 2 <= target):
            tests.add(group)
            count += size
    return [group in tests for group in groups]
