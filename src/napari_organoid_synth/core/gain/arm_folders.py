"""Predictions and segmenters of an arm, of the ratio that was chosen in each fold.

Arms write them below ``predictions/<arm>`` and ``segmenters/<arm>``, trainings with a ratio below a folder ``ratio`` of
these; what stands for the arm is copied out of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from napari_organoid_synth.core.gain.results import GainResult, TableRow, arm_key, main_rows
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.segmentation.arms import base_of, has_ratio
from napari_organoid_synth.core.segmentation.catalog import SEGMENTERS_DIR

PREDICTIONS = "predictions"
Shown = Mapping[tuple[str, int], float]
"""Arm by its key and fold, to the ratio whose predictions stand for it."""


def arm_folder(folder: Path, below: str, arm: str, generator: str = "", ratio: float | None = None) -> Path:
    """Return where an arm keeps its predictions or segmenters; those of one ratio if it is given.

    Examples
    --------
    >>> arm_folder(Path("gain"), "predictions", "classical").as_posix()
    'gain/predictions/classical'
    >>> arm_folder(Path("gain"), "segmenters", "raw+synthetic", "dcgan", 0.25).as_posix()
    'gain/segmenters/raw+synthetic (dcgan)/ratio/0.25'
    """
    path = Path(folder) / below / arm_key(arm, generator)
    return path if ratio is None or not has_ratio(arm) else path / "ratio" / f"{ratio:g}"


def show_chosen(folder: Path, result: GainResult, shown: Shown) -> Shown:
    """Copy predictions and segmenters of the chosen ratios where they are looked for.

    Parameters
    ----------
    folder : Path
        Of the comparison.
    result : GainResult
        Says which ratios were chosen.
    shown : mapping
        What was copied before.

    Returns
    -------
    mapping
        What is copied now.
    """
    now = dict(shown)
    rows = [row for row in main_rows(result.table) if has_ratio(row.arm) and row.subset == result.design.subset]
    for row in rows:
        for fold, ratio in enumerate(_ratios(row, result)):
            place = arm_key(row.arm, row.generator), fold
            if now.get(place) != ratio and _copy(folder, row, fold, ratio, result.design.folds[fold].test):
                now[place] = ratio
    return now


def _ratios(row: TableRow, result: GainResult) -> tuple[float, ...]:
    """Return the ratio of each fold; none as long as not all folds have one."""
    folds = len(result.design.folds)
    if row.ratio is None:
        return row.chosen if len(row.chosen) == folds else ()
    return (row.ratio,) * folds if row.ratio == result.design.ratio else ()


def _copy(folder: Path, row: TableRow, fold: int, ratio: float, test: tuple[str, ...]) -> bool:
    """Copy what belongs to a fold; return whether it was there."""
    arm, generator = (row.arm, row.generator) if ratio else (base_of(row.arm), "")
    source = arm_folder(folder, SEGMENTERS_DIR, arm, generator, ratio) / f"fold{fold + 1}"
    if not source.exists():
        return False
    target = arm_folder(folder, SEGMENTERS_DIR, row.arm, row.generator) / f"fold{fold + 1}"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    source, target = (
        arm_folder(folder, PREDICTIONS, arm, generator, ratio),
        arm_folder(folder, PREDICTIONS, row.arm, row.generator),
    )
    target.mkdir(parents=True, exist_ok=True)
    for stem in map(file_stem, test):
        for name in (f"{stem}.ome.tif", f"{stem}_labels.ome.tif", f"{stem}_errors.png"):
            if (source / name).exists():
                shutil.copyfile(source / name, target / name)
    return True
