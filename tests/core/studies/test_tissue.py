"""The tissue study on tiny simulated tissue: to its end, tables of the separate commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from imageio.v3 import imwrite

from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control, Finished, Warned, run_to_end
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.studies.catalog import study_settings
from napari_organoid_synth.core.studies.mask_parts import REAL, kept_masks
from napari_organoid_synth.core.studies.parts import read_part
from napari_organoid_synth.core.studies.study import study
from napari_organoid_synth.core.studies.tissue import _masks
from napari_organoid_synth.core.studies.tissue_settings import TissueSettings
from napari_organoid_synth.core.synthesis.mask_check import MaskCheck
from napari_organoid_synth.core.synthesis.mask_sampler import MaskSampler

GAN = "generator_channels: 8, discriminator_channels: 8"
TINY = (
    "only=^t", "tile=64", f"masks={{name: dcgan, {GAN}}}", "masks_steps=2", "masks_batch=4", "checkpoints=2",
    f"painter={{name: pix2pix, {GAN}}}", "painter_epochs=1", "painter_batch=64", "samples=8", "checked=3",
    "sources=[generated, fitted]", "extractor=random", "arms=[pretrain]", "segmenter_steps=1", "floor=1",
    "segmenters={unet: {name: unet, channels: 8, depth: 2, tile: 64, batch: 1}}", "device=cpu", "threads=1",
    "precision=float32", "subsets=[1.0, 0.5]",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tissue")
    for seed in range(9):
        pair = tissue(seed, 80)
        for below, array in (("images", pair.image[0]), ("masks", pair.labels.astype("uint16"))):
            (folder / below).mkdir(exist_ok=True)
            imwrite(folder / below / f"{'t' if seed < 8 else 'other'}{seed}.png", array)
    return folder


@pytest.fixture
def good_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw what a generator of masks draws after a long training."""
    plain = MaskSampler.draw

    def draw(self: MaskSampler, *seed: int | str, variety: float = 1.0):
        _, check = plain(self, *seed, variety=variety)
        good = MaskCheck(**{**check.as_dict(), "reasons": ()})
        self.checks[-1] = good
        return tissue(1000 + int(seed[-2]), 64).labels, good

    monkeypatch.setattr(MaskSampler, "draw", draw)


def test_to_its_end(data: Path, tmp_path: Path, good_masks: None) -> None:
    settings = study_settings("tissue", str(data), "small", *TINY)
    *_, finished = study(tmp_path / "s", settings, Control())
    assert isinstance(finished, Finished)
    project = Project(tmp_path / "s" / "project", make=False)
    check = read_part(tmp_path / "s", "check-masks")
    assert check is not None
    distances = check.result["distances"]
    assert set(distances) == {"1", "2"}
    assert distances[str(check.result["checkpoint"])] == min(distances.values())
    tables = finished.result["tables"]
    assert [row[0] for row in tables["figure-3"]["rows"]] == ["Heat flow", "Binary", "Raw labels"]
    assert [row[1] for row in tables["figure-3"]["rows"]] == ["0%", "0%", "0%"]  # of generators of two steps
    for encoding in (REAL, "flow", "binary", "labels"):
        assert kept_masks(project, encoding)[0].shape == (64, 64)
    page = (tmp_path / "s" / "study.html").read_text(encoding="utf-8")
    figure = page[page.index('<section id="figure-3">') : page.index('<section id="figure-5">')]
    assert figure.count("<img") == sum(len(kept_masks(project, one)) for one in (REAL, "flow", "binary", "labels"))
    assert [row[0] for row in tables["figure-5"]["rows"]] == [
        "Originals", "Drawn as flows", "Simulated, fitted to the masks",
    ]  # fmt: skip
    assert all(cell != "–" for cell in tables["figure-5"]["rows"][2])
    assert tables["figure-6-unet"]["rows"][0][0] == "real pairs"
    with SampleStore(project.samples_path) as store:
        first = store.pair(store.ids(sort="name")[0])
    assert first.source.provenance["mask"]["checkpoint"] == check.result["checkpoint"]
    assert not any(name.startswith("other") for name in first.source.provenance["data"])

    # the separate command gives the same
    stored = GainSettings.from_file(project.path / "segment" / "table-1-unet" / "gain.yaml")
    result = GainResult.parse(run_to_end(gain(project, stored, Control(), project.path / "segment" / "alone")))
    row = next(row for row in result.table if row.arm == "pretrain" and row.subset == 1)
    shown = {one[0]: one[1] for one in tables["table-1-unet"]["rows"]}
    assert f"{row.scores['ap'].mean:.3f} ± {row.scores['ap'].sd:.3f}" in shown.values()

    again = list(study(tmp_path / "s", settings, Control()))
    assert again[-1].result["repeated"] == []


def test_the_published_protocol_and_transfer_are_planned(data: Path, tmp_path: Path) -> None:
    settings = study_settings("tissue", str(data), "small", *TINY, "protocol=published", f"transfer={data}")
    started = next(study(tmp_path / "s", settings, Control()))
    titles = started.info["parts"]
    assert titles.count("train a generator of masks on the other set") == 1
    assert titles.index("train masks from the other set") > titles.index("train a generator of masks on the other set")
    assert "paint on drawn masks" not in titles  # painters are trained in each fold
    assert (tmp_path / "s" / "recipes" / "masks.yaml").exists()


def test_masks_that_cannot_be_painted_on_do_not_end_it(data: Path, tmp_path: Path) -> None:
    """The masks of a generator of two steps hold nothing; tables that need none of them are made all the same."""
    more = ("encodings=false", "subsets=[1.0]", "sources=[fitted]", "arms=[classical-tissue, pretrain]")
    settings = study_settings("tissue", str(data), "small", *TINY, *more)
    *events, finished = study(tmp_path / "s", settings, Control())
    assert isinstance(finished, Finished)
    said = [event.text for event in events if isinstance(event, Warned)]
    assert any("is usable" in text and "masks_steps" in text for text in said)
    shown = [row[0] for row in finished.result["tables"]["table-1-unet"]["rows"]]
    assert shown == ["real pairs", "classical augmentation (tissue)"]
    page = (tmp_path / "s" / "study.html").read_text(encoding="utf-8")
    assert "Training with drawn pairs was left out. None of" in page


def test_as_many_checkpoints_as_were_asked_for_are_compared() -> None:
    settings = study_settings("tissue", "", "small", "masks_steps=2500", "checkpoints=3")
    assert isinstance(settings, TissueSettings)
    trained = _masks(settings).train
    saved = sorted({*range(trained.checkpoint_every, 2500, trained.checkpoint_every), 2500})
    assert saved == [834, 1668, 2500]  # and not 833, 1666, 2499 and 2500, of which the first is deleted
    assert trained.keep == len(saved)
