"""A project is painted with at once: its painter without training is made when it is opened, and only once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
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
    assert [OpenModel.open(settings).generator.name for _ in range(2)] == [facts["name"]] * 2
    assert [path.name for path in project.runs()] == [facts["name"]]


def test_painting_with_pairs_loads_no_torch(live_model: Callable[[str], Path]) -> None:
    run = live_model("analogy")
    program = (
        "import sys, numpy as np\n"
        "import napari_organoid_synth.core.live.server\n"
        "from napari_organoid_synth.core.live.renderer import Renderer\n"
        "from napari_organoid_synth.core.live.frames import Message\n"
        "renderer, labels = Renderer(), np.zeros((64, 64), np.int32)\n"
        "for source in sys.argv[1:]:\n"
        "    [opened] = renderer.answer(Message('open', {'serial': 1, 'model': source}))\n"
        "    [painted] = renderer.answer(Message('paint', {'serial': 2, 'canvas': 'a'}, {'labels': labels}))\n"
        "    renderer.rest()\n"
        "    print(opened.values['name'], painted.kind)\n"
        "assert 'torch' not in sys.modules\n"
    )
    command = [sys.executable, "-c", program, str(run), str(run.parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{run.name} painted"] * 2
