"""The study of electron micrographs on tiny simulated ones: to its end, tables of the separate commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imageio.v3 import imwrite

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control, Finished, run_to_end
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.studies.catalog import study_settings
from napari_organoid_synth.core.studies.em import sets_of
from napari_organoid_synth.core.studies.study import study

UNET = "{name: unet, channels: 8, depth: 2, tile: 64, batch: 1}"
TINY = (
    "scale=1.0", "test_share=0.4", f"transfer={UNET}", "transfer_steps=1", "tile=64", "batch=8", "epochs=1", "pairs=2",
    "painter={name: pix2pix, generator_channels: 8, discriminator_channels: 8}", f"segmenter={UNET}",
    "arms=[raw+synthetic]", "segmenter_steps=1", "floor=1", "device=cpu", "threads=1", "precision=float32",
)  # fmt: skip


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sets")
    for name, first, classes in (("both", 0, ("mitochondria", "membranes")), ("one", 10, ("mitochondria",))):
        for seed in range(first, first + 5):
            pair = em(seed, 96)
            files = {"images": pair.image[0]}
            files |= {
                f"masks/{one}": 255 * (pair.labels == 1 + pair.class_names.index(one)).astype(np.uint8)
                for one in classes
            }
            for below, array in files.items():
                (folder / name / below).mkdir(parents=True, exist_ok=True)
                imwrite(folder / name / below / f"s{seed:02d}.png", array)
    return folder / "both", folder / "one"


def test_to_its_end(sets: tuple[Path, Path], tmp_path: Path) -> None:
    both, one = sets
    settings = study_settings("em", str(both.parent), "small", *TINY)
    assert sets_of(settings) == (str(both), str(one))
    *_, finished = study(tmp_path / "s", settings, Control())
    assert isinstance(finished, Finished)
    assert finished.result["repeated"] == [
        "prepare-source", "prepare", "transfer", "train-painter", "samples-painter", "segment",
    ]  # fmt: skip
    project = Project(tmp_path / "s" / "project", make=False)
    table = PairTable.from_file(project.pairs_path)
    assert set(table.class_names) == {"mitochondria", "membranes"}
    assert len(table.test) == 2
    tables = finished.result["tables"]
    assert [row[0] for row in tables["segmentation"]["rows"]] == ["real pairs", "real and synthetic pairs"]
    assert {row[-1] for row in tables["segmentation"]["rows"]} == {"not known"}
    assert tables["transfer"]["rows"][0][0] == "membranes"

    # the separate command gives the same
    stored = GainSettings.from_file(project.path / "segment" / "segment" / "gain.yaml")
    assert stored.score_classes == ("mitochondria",)
    result = GainResult.parse(run_to_end(gain(project, stored, Control(), project.path / "segment" / "alone")))
    spread = result.table[1].scores["dice"]
    assert tables["segmentation"]["rows"][1][1] == f"{spread.mean:.3f} ± {spread.sd:.3f}"

    again = list(study(tmp_path / "s", settings, Control()))
    assert again[-1].result["repeated"] == []


def test_both_sets_are_asked_for(sets: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No set with both classes is named"):
        next(study(tmp_path / "s", study_settings("em", str(sets[1])), Control()))
    with pytest.raises(UserError, match=r"There is no folder .*membranes"):
        next(study(tmp_path / "t", study_settings("em", str(sets[0]), "small", f"source={sets[1]}"), Control()))
