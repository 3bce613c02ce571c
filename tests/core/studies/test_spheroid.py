"""The spheroid study on tiny images: put aside once, easy and hard apart, tables of the separate commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imageio.v3 import imwrite

from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.protocol_scores import scores_over_folds
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control, Finished, run_to_end
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.studies.catalog import study_settings
from napari_organoid_synth.core.studies.parts import read_part
from napari_organoid_synth.core.studies.spheroid import _summary
from napari_organoid_synth.core.studies.spheroid_settings import SpheroidSettings
from napari_organoid_synth.core.studies.study import study

MULTISCALE = "name: multiscale_adversarial, width: 4, side: 64"
TINY = (
    "parts=3", "hard=_d7", "steps=1", "device=cpu", "threads=1",
    f"methods={{adversarial: {{{MULTISCALE}}}, unet_star: {{name: unet, network: original, study: true, tile: 64, "
    "channels: 8, depth: 2, batch: 1}}",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wells")
    y, x = np.mgrid[:48, :48]
    for well in "abcdef":
        for day in (3, 7):
            rng = np.random.default_rng(ord(well) + day)
            mask = (y - 24) ** 2 + (x - 24) ** 2 < 60 + 20 * day
            image = (170 - 80 * mask + rng.normal(0, 9, mask.shape)).clip(0, 255).astype(np.uint8)
            for below, array in (("images", image), ("masks", 255 * mask.astype(np.uint8))):
                (folder / below).mkdir(exist_ok=True)
                imwrite(folder / below / f"{well}_d{day}.png", array)
    return folder


def test_to_its_end(data: Path, tmp_path: Path) -> None:
    settings = study_settings("spheroid", str(data), "small", "groups=^([a-f])", *TINY)
    *_, finished = study(tmp_path / "s", settings, Control())
    assert isinstance(finished, Finished)
    project = Project(tmp_path / "s" / "project", make=False)
    table = PairTable.from_file(project.pairs_path)
    aside = {entry.name for entry in table.test}
    assert len(aside) == 4  # two of six wells, with both days
    assert {name[0] for name in aside} & {entry.name[0] for entry in table.train} == set()
    found = read_part(tmp_path / "s", "tested")
    assert found is not None
    scores = found.result["adversarial"]
    assert [len(fold) for fold in scores["folds"]["all"]["f"]] == [4, 4]
    assert [len(fold) for fold in scores["put aside"]["all"]["f"]] == [4, 4]  # by the network of each fold
    assert [len(fold) for fold in scores["put aside"]["hard"]["f"]] == [2, 2]
    tables = finished.result["tables"]
    assert tables["aside"]["head"][:6] == ["Network", "maP", "maR", "maF", "maF, easy", "maF, hard"]
    assert [row[0] for row in tables["aside"]["rows"]] == ["Multiscale adversarial", "U-Net*"]
    assert tables["folds"]["rows"][1][-2:] == ["49.2 %", "36.5 %"]

    # the separate command gives the same
    stored = GainSettings.from_file(project.path / "segment" / "method-unet-star" / "gain.yaml")
    assert stored.segmenter.hard == "_d7"  # type: ignore[attr-defined]
    other = Project(tmp_path / "other")
    table.to_file(other.pairs_path)
    result = GainResult.parse(run_to_end(gain(other, stored, Control())))
    assert set(result.design.hard) == {f"{well}_d7" for well in "abcdef"}
    assert tables["folds"]["rows"][1][3] == scores_over_folds(result, "raw", "f").summary

    again = list(study(tmp_path / "s", settings, Control()))
    assert again[-1].result["repeated"] == []
    page = (tmp_path / "s" / "study.html").read_text(encoding="utf-8")
    assert "Share of the images put aside above each threshold" in page
    assert page.count("<svg") >= 6
    errors = page[page.index('<section id="errors">') : page.index('<section id="deviations">')]
    assert errors.count("<img") == 2  # one image, each network beside the others


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ([[0.9], [0.8]], [[0.88], [0.8]], "differ by no more than the folds of one of them: maF 84.0 to 85.0 %."),
        ([[0.9], [0.89]], [[0.6], [0.61]], "Multiscale adversarial has the highest maF, 89.5 ± 0.7 %."),
    ],
)
def test_a_lead_that_the_folds_could_make_is_none(first: list, second: list, says: str) -> None:
    scores = {name: {"put aside": {"all": {"f": f}}} for name, f in (("adversarial", first), ("unet_star", second))}
    settings = study_settings("spheroid", "", "small", *TINY)
    assert isinstance(settings, SpheroidSettings)
    assert _summary(settings, scores).endswith(says)
