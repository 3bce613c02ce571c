"""Import pairs that this program wrote, from files or folders, as samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_organoid_synth.core.errors import DiskFull, UserError
from napari_organoid_synth.core.pairs.ome_tiff import IMAGE_ENDING, LABELS_ENDING, read_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.samples.store import SampleStore, Verdict


def import_pairs(
    store: SampleStore, files: Sequence[Path], verdict: Verdict, failed: dict[str, str] | None = None
) -> list[str]:
    """Add pairs from files; label files lie in the folder of their images. Pairs that are there already are not added.

    Parameters
    ----------
    store : SampleStore
        Gets the pairs.
    files : sequence of Path
        Images or label files; of a folder all pairs in it.
    verdict : {"new", "accepted", "rejected"}
        Of the new samples.
    failed : dict of str to str, optional
        Gets the name and reason of each pair that cannot be read, is there already or does not fit the real pairs; the
        others are added. Without it one is enough to add none.

    Returns
    -------
    list of str
        Their ids.

    Raises
    ------
    UserError
        If a file is not a pair written by this program, or a folder has none; then none is added. If all are there
        already.
    Misfit
        If a pair does not fit the real pairs of the project; without ``failed``, none is added then.
    """
    listed = [one for file in files for one in (_in_folder(file) if file.is_dir() else [file])]
    images = {file.with_name(file.name.replace(LABELS_ENDING, IMAGE_ENDING)): file for file in listed}
    for image, file in images.items():
        if not image.name.endswith(IMAGE_ENDING):
            raise UserError(
                f"{file.name} was not written by organoid-synth.",
                f"Expected NAME{IMAGE_ENDING} with NAME{LABELS_ENDING} in the same folder.",
                "Real images are added with 'organoid-synth pair', in napari: Pairs.",
            )
    if failed is None:
        pairs = [read_pair(image) for image in images]
        for pair in pairs:  # before names are claimed
            store.refuse_misfit(pair)
        if pairs and not (fresh := store.without_equal(pairs)):
            raise UserError(f"{_there(store, pairs[0])}.", "Expected pairs that are not in the project yet.")
        pairs = fresh if pairs else []
        ids = store.add_many(pairs, run=_run_of(pairs[0]) if pairs else "")
    else:
        ids = []
        for image in images:
            try:
                pair = read_pair(image)
                if store.equal_to(pair):
                    failed[image.name] = f"{_there(store, pair)}."
                else:
                    ids.append(store.add(pair, _run_of(pair)))
            except DiskFull:
                raise
            except UserError as error:
                failed[image.name] = str(error)
    store.decide(ids, verdict)
    return ids


def _there(store: SampleStore, pair: SamplePair) -> str:
    return f"'{pair.name}' is there already, as '{store.equal_to(pair)}'"


def _run_of(pair: SamplePair) -> str:
    return str(pair.source.provenance.get("run", ""))


def _in_folder(folder: Path) -> list[Path]:
    """Return the images of the pairs in a folder."""
    labels = sorted(folder.glob(f"*{LABELS_ENDING}"))
    if not labels:
        raise UserError(
            f"There is no pair in {folder}.",
            f"Expected NAME{IMAGE_ENDING} with NAME{LABELS_ENDING} beside it.",
            "Choose a folder that 'export' or 'simulate' wrote.",
        )
    return [file.with_name(file.name.replace(LABELS_ENDING, IMAGE_ENDING)) for file in labels]
