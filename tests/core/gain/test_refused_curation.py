"""Pairs far from the originals as a set are not curated automatically, and the rest of the comparison goes on."""

from __future__ import annotations

from pathlib import Path

from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.results import GainResult, PairsRecord
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control, Warned
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from simulated import scene


def test_the_curated_arm_says_why_it_has_no_pairs(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    for seed in range(4):
        image, labels = scene(seed, 192, 20)
        add_pair(project, SamplePair(f"real{seed}", image, (labels > 0).astype(labels.dtype)), "binary")
    recipe = Recipe().override(
        "gan=pix2pix", "gan.generator_channels=8", "gan.discriminator_channels=8", "tiles.size=64", "train.steps=2",
        "train.batch=1",
        "train.precision=float32",
    )  # fmt: skip
    recipe.to_file(project.path / "recipe.yaml")
    settings = GainSettings(
        segmenter=UNetConfig(channels=8, depth=2, tile=64, batch=2), design="hold-out", steps=2, pairs=8, repeats=1,
        arms=("raw", "raw+synthetic", "raw+curated"), generator="recipe.yaml", scheduler="here", device="cpu",
        test_share=0.5, ratios=(1,),
    )  # fmt: skip
    events = list(gain(project, settings, Control(), tmp_path / "out"))
    (made,) = [PairsRecord.from_file(path) for path in project.path.glob("segment/shared/curated-*/result.json")]
    assert made.curated == ()
    assert "are far from the originals" in made.refusal
    result = GainResult.parse(events[-1].result)
    assert set(result.arms) == {"raw", "raw+synthetic"}
    assert result.tasks.failed == 1
    (warning,) = [event.text for event in events if isinstance(event, Warned) and "curated" in event.text]
    assert made.refusal in warning
    assert "realism below 0.05" in warning
