"""Synthetic pairs of the project's store as training data, and which of them know a test image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.leakage import Leak, is_painted_on
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.tasks import Hashes, StoredPair
from napari_organoid_synth.core.pairs.mask_origin import is_cut_from, mask_of, real_masks
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pair_format import FormatOf, Misfits, PairFormat
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.runs.titles import find_runs
from napari_organoid_synth.core.segmentation.arms import data_of

MIN_PAIRS = 10
"""Pairs of an arm below which a warning is due."""


@dataclass(frozen=True)
class Known:
    """A synthetic pair with the known facts of its making.

    Parameters
    ----------
    pair : StoredPair
    run : str
        That made it; may be empty.
    image : Path
    provenance : dict
    format : PairFormat
        Channels, pixel type, kind of mask and classes.
    """

    pair: StoredPair
    run: str
    image: Path
    provenance: Mapping[str, Any]
    format: PairFormat

    @property
    def data(self) -> set[str]:
        """Hashes of the real pairs that its generator was trained on, as its file tells."""
        return set(self.provenance.get("data", {}).values())

    def is_painted_on(self, names: Collection[str]) -> bool:
        """Return whether its mask is that of one of these real pairs, or of a crop of one."""
        return is_painted_on(self.provenance, names)


@dataclass
class StoredPairs:
    """The synthetic pairs of a project.

    Parameters
    ----------
    project : Project
    """

    project: Project
    _run_data: dict[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def misfits(self) -> Misfits:
        """What is left out of `accepted`, filled when that is read."""
        return Misfits(FormatOf(self.project.pairs_path).get())

    @cached_property
    def accepted(self) -> list[Known]:
        """Those that a person accepted and that fit the real pairs, by name."""
        accepted = self._read(self._ids("accepted", sort="name"))
        return [known for known in accepted if self.misfits.takes(known.pair.id, known.format)]

    def _ids(self, verdict: Any = None, sort: str = "created", runs: Collection[str] = ()) -> list[str]:
        from napari_organoid_synth.core.samples.store import SampleStore

        if not self.project.samples_path.exists():
            return []
        with SampleStore(self.project.samples_path) as store:
            return [id for id in store.ids(verdict, sort) if not runs or store.row(id).run in runs]

    def _read(self, ids: Sequence[str]) -> list[Known]:
        from napari_organoid_synth.core.pairs.ome_tiff import read_info, read_record
        from napari_organoid_synth.core.samples.store import SampleStore

        if not ids:
            return []
        with SampleStore(self.project.samples_path) as store:
            rows = [store.row(id) for id in ids]
        pairs = []
        for row in rows:
            record = read_record(row.image_path)
            if record is not None:
                info = read_info(row.image_path)
                channels, dtypes = frozenset({info.shape[0]}), frozenset({info.dtype.name})
                form = PairFormat(channels, dtypes, None, record.mask_kind, record.class_names)
                pair = StoredPair(row.id, row.labels_path.name)
                pairs.append(Known(pair, row.run, row.image_path, record.source.provenance, form))
        return pairs

    # --- folds: accepted pairs where it is certain that they know no other image ---

    def certain(self, hashes: Hashes, train: Sequence[str]) -> tuple[StoredPair, ...]:
        """Return the accepted pairs that certainly know no other real pair than those to train on.

        Parameters
        ----------
        hashes : mapping of str to str
            All real pairs.
        train : sequence of str
            Names of those to train on; where these are all, all accepted pairs are returned.
        """
        others = {hashes[name] for name in set(hashes) - set(train)}
        return tuple(known.pair for known in self.accepted if not others or self._is_certain(known, others, train))

    def _is_certain(self, known: Known, others: set[str], train: Sequence[str]) -> bool:
        """Return whether neither its painter nor its mask knows one of the others; False when unsure."""
        mask = mask_of(known.provenance)
        kind = mask.get("kind")
        if kind == "generated":
            data = self._data_of_run(str(mask.get("run", "")))
            is_mask_clean = bool(data) and not data & others
        else:
            names = real_masks(known.provenance)
            is_mask_clean = kind in {None, "simulated"} or (
                bool(names) and all(is_cut_from(name, train) for name in names)
            )
        return bool(known.data) and not known.data & others and is_mask_clean

    # --- store: the pairs as they are, refused where they know a test image ---

    def of_arm(
        self, arm: str, real: SamplePair, settings: GainSettings, seed: int, generator: str = ""
    ) -> tuple[list[Known], list[str]]:
        """Return the pairs of an arm, at most as many as its steps can show, and warnings.

        Parameters
        ----------
        arm : str
            One with curated pairs takes accepted ones, the others all.
        real : SamplePair
            The channels, kind of mask and classes that they must have.
        settings : GainSettings
            Steps, batch and ratios.
        seed : int
            Chooses where there are more than can be shown.
        generator : str
            Runs whose pairs are taken, joined by ``+``; empty: all.

        Raises
        ------
        UserError
            If there is none, or no such run.
        """
        curated = data_of(arm) == "curated"
        runs = find_runs(self.project, generator.split("+")) if generator else []
        ids = self._ids("accepted" if curated else None, runs=runs)
        noun = "accepted synthetic pair" if curated else "synthetic pair"
        noun += f" of {generator}" if generator else ""
        if not ids:
            can_accept = curated and self._ids(runs=runs)
            raise UserError(
                f"There is no {noun}.",
                f"Expected some for the arm '{arm}'.",
                "Accept some ('organoid-synth samples', in napari: Curate)."
                if can_accept
                else "Generate pairs, or leave the arm out.",
            )
        ratio, crops = max(settings.ratios), settings.segmenter.crops.number
        n_shown = ceil(settings.steps * crops * ratio / (1 + ratio))
        if len(ids) > n_shown:
            chosen = np.random.default_rng(seed).choice(len(ids), n_shown, replace=False)
            ids = [ids[index] for index in sorted(chosen)]
        pairs = self._read(ids)
        wanted = PairFormat.of_pair(real)
        matches = [known for known in pairs if not wanted.mismatch(known.format)]
        if not matches:
            raise UserError(
                f"No {noun} has {plural(len(real.image), 'channel')} and a mask of {real.mask_kind} "
                f"({', '.join(real.class_names)}), like the real pairs.",
                todo="Train the generator again on the present pairs.",
            )
        return matches, _warnings(arm, noun, len(matches), len(pairs) - len(matches))

    def refuse_leaks(self, pairs: Sequence[Known], test: Hashes) -> None:
        """Raise if the maker of any of these pairs, or of its mask, is known to have seen a test image.

        Raises
        ------
        Leak
            Naming the run and the images.
        """
        names = {digest: name for name, digest in test.items()}
        for known in pairs:
            runs = [known.run, str(mask_of(known.provenance).get("run", ""))]
            data = known.data.union(*map(self._data_of_run, runs))
            leaks = {names[digest] for digest in data & set(names)}
            leaks |= {name for name in test if known.is_painted_on((name,))}
            if leaks:
                maker = f"run {known.run}" if known.run else f"'{known.pair.id}'"
                examples = ", ".join(sorted(leaks)[:3]) + (", …" if len(leaks) > 3 else "")
                raise Leak(
                    f"The generator of {maker} was trained on {len(leaks)} of the {len(test)} test images "
                    f"({examples}).",
                    "Expected synthetic pairs whose generator has seen no test image.",
                    "Train the generator again with the present test images and make new pairs, or measure in folds "
                    "('organoid-synth gain'), where a generator is trained without the images that are tested.",
                )

    def _data_of_run(self, name: str) -> frozenset[str]:
        """Return the hashes of the pairs that a run was trained on; empty if it is gone."""
        from napari_organoid_synth.core.runs.metadata import RunMetadata

        if name not in self._run_data:
            path = self.project.path / "runs" / name / "run.json"
            self._run_data[name] = RunMetadata.read_whole(path).data_hashes if name else frozenset()
        return self._run_data[name]


def _warnings(arm: str, noun: str, fitting: int, misfits: int) -> list[str]:
    warnings = []
    if misfits:
        warnings.append(
            f"{plural(misfits, 'synthetic pair')} left out: other channels, pixels or masks than the real ones."
        )
    if fitting < MIN_PAIRS:
        warnings.append(f"The arm '{arm}' has only {plural(fitting, noun)}; expect little from so few.")
    return warnings
