"""A project is painted with at once: its painter without training is made when it is opened, and only once."""

from __future__ import annotations

from pathlib import Path

from napari_organoid_synth.core.live.model import OpenModel, OpenSettings
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.simulators.simulate import SIMULATORS


def test_the_pairs_of_a_project_paint_without_a_run(tmp_path: Path) -> None:
    for seed in range(2):
        write_pair(tmp_path / "files", SIMULATORS["tissue"](seed, 96).replace(name=f"p{seed}"))
    project = Project(tmp_path / "project")
    check_pairs(find_pairs(tmp_path / "files"), "instances").to_file(project.pairs_path)
    settings = OpenSettings(model=str(project.path), device="cpu")
    model = OpenModel.open(settings)
    facts = model.facts()
    assert (facts["generator"], facts["shape"], facts["mask_kind"]) == ("analogy", "painter", "instances")
    assert model.is_of(settings)
    assert [OpenModel.open(settings).trained.name for _ in range(2)] == [facts["name"]] * 2
    assert [path.name for path in project.runs()] == [facts["name"]]
