"""The organoid study with core and periphery as classes, which its authors plan next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imageio.v3 import imwrite

from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.job import Control, Finished
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.studies.organoid_page import AREAS, SEGMENT
from napari_organoid_synth.core.studies.parts import read_part
from napari_organoid_synth.core.studies.study import study
from organoids import tiny

ONE_LOSS = (
    "generators={}", "planned={}", "arms=[raw+synthetic]",
    "losses={bce: {name: aae, channels: 8, max_channels: 16, image_critic: off, width: 16}}",
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return eight organoids, each a dark core in a grey rim, with a folder of masks for either."""
    y, x = np.mgrid[:60, :60]
    for seed in range(8):
        rng = np.random.default_rng(seed)
        far = np.hypot(y - 30, x - 30)
        core, whole = far < rng.uniform(6, 9), far < rng.uniform(14, 20)
        image = 190 - 50 * whole - 60 * core + rng.normal(0, 6, core.shape)
        masks = {"masks/core": core, "masks/periphery": whole & ~core}
        for below, array in {"images": image / 255, **masks}.items():
            (tmp_path / "data" / below).mkdir(parents=True, exist_ok=True)
            imwrite(tmp_path / "data" / below / f"o-{seed}.png", (255 * array).clip(0, 255).astype(np.uint8))
    return tmp_path / "data"


def test_each_class_is_learned_painted_and_scored(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    *_, finished = study(folder, tiny(data, *ONE_LOSS), Control())
    assert isinstance(finished, Finished)
    pairs = load_pairs(Project(folder / "project", make=False))
    assert {pair.class_names for pair in pairs} == {("core", "periphery")}
    table = finished.result["tables"]["table-3"]
    assert table["head"][5:7] == ["Dice, core", "Dice, periphery"]
    part = read_part(folder, SEGMENT)
    assert part is not None
    result = GainResult.parse(part.result)
    assert table["rows"][0][5] == f"{result.arms['raw'].per_class['core']['dice']:.3f}"
    areas = read_part(folder, AREAS)
    assert areas is not None
    by_hand = areas.result["totals"]["mask"]
    assert {name: its["area"] for name, its in by_hand.items()} == {
        pair.name: float((pair.labels > 0).sum()) for pair in pairs
    }
