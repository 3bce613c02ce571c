"""Which real image a sample was made from, so that nothing made of a test image is trained on."""

from __future__ import annotations

from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.groups import groups_of
from napari_organoid_synth.core.pairs.loading import read_entry
from napari_organoid_synth.core.pairs.mask_origin import image_of, mask_of, real_masks
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.metadata import RunMetadata


class Origins:
    """The real images of a project, and the samples that are made from them.

    Parameters
    ----------
    table : PairTable
        Checked real pairs.
    project : Project
        Has the runs.

    Attributes
    ----------
    groups : dict of str to str
        Group of each real image.
    tests : list of PairEntry
        Rows of the test images.
    unreadable : list of str
        Names of test images whose files cannot be read.
    """

    def __init__(self, table: PairTable, project: Project) -> None:
        self.groups = groups_of(table).groups
        self.tests: list[PairEntry] = []
        self.unreadable: list[str] = []
        self._project = project
        self._names = {entry.name for entry in table.test}
        self._hashes: set[str] = set()
        self._seen: dict[str, bool] = {}
        for entry in table.test:
            if entry.masks:
                self._add_test(entry, table)

    def _add_test(self, entry: PairEntry, table: PairTable) -> None:
        """Add a test image; one whose files are gone is named instead."""
        try:
            pair = read_entry(entry, table.mask_kind, table.class_names)
        except UserError:
            self.unreadable.append(entry.name)
            return
        self.tests.append(entry)
        self._hashes.add(content_hash(pair.image, pair.labels))

    def group(self, sample: SamplePair) -> str:
        """Return the group of the image whose mask a sample was painted on, else a name of its own."""
        origin = origin_of(sample)
        return self.groups.get(origin, origin) if origin else f"sample {sample.name}"

    def is_of_test(self, sample: SamplePair) -> bool:
        """Return whether a sample has the mask or objects of a test image, or a generator that learned from one."""
        provenance = sample.source.provenance
        names = {image_of(name) for name in real_masks(provenance)}
        data = provenance.get("data")
        learned = set(data.values()) if isinstance(data, dict) else set()
        run = str(mask_of(provenance).get("run", ""))
        return bool(names & self._names) or bool(learned & self._hashes) or self._has_seen(run)

    def _has_seen(self, run: str) -> bool:
        """Return whether a run of the project, which drew masks, learned from a test image."""
        if run and run not in self._seen:
            metadata = RunMetadata.read(self._project.path / "runs" / Path(run).name / "run.json")
            self._seen[run] = bool(metadata.data_hashes & self._hashes)
        return self._seen.get(run, False)


def origin_of(sample: SamplePair) -> str:
    """Return the name of the one real image whose mask, or objects, a sample has; empty for other masks."""
    names = {image_of(name) for name in real_masks(sample.source.provenance)}
    return names.pop() if len(names) == 1 else ""
