"""The blastocyst study on tiny images: to its end, with distances over all and for each grade."""

from __future__ import annotations

import numpy as np
import pytest
from imageio.v3 import imwrite

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, run_to_end
from napari_organoid_synth.core.pairs.ome_tiff import read_record
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.studies.blastocyst_settings import SIZES
from napari_organoid_synth.core.studies.catalog import study_settings
from napari_organoid_synth.core.studies.study import study

WIDTH = "channels: 64, max_channels: 8, latent: 8, first_size: 16, batch_growth: 16"
TINY = (
    "kimg=0.04", "batch=2", "grade_column=grade", "extractor=random", "device=cpu", "precision=float32", "threads=1",
    f"generators={{progan: {{name: progan, {WIDTH}}}, "
    f"stylegan: {{name: stylegan, {WIDTH}, width: 8, layers: 1, loss: wgan_gp}}}}",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Rings in two planes of eight embryos, with grades in a table that also has another column."""
    folder = tmp_path_factory.mktemp("rings")
    (folder / "images").mkdir()
    y, x = np.mgrid[:72, :80]
    lines = ["file,embryo,grade"]
    for number in range(16):
        rng, name = np.random.default_rng(number), f"embryo{number // 2}_z{number % 2}.png"
        ring = abs(np.hypot(y - 36, x - 40) - rng.integers(18, 28)) < 3
        image = (120 + 60 * ring + rng.normal(0, 8, ring.shape)).clip(0, 255).astype(np.uint8)
        imwrite(folder / "images" / name, image)
        lines.append(f"{name},{number // 2},{('good', 'poor')[number // 2 % 2]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_it_runs_to_its_end_with_distances_for_each_grade(data, tmp_path):
    settings = study_settings("blastocyst", str(data), "small", *TINY)
    result = run_to_end(study(tmp_path / "study", settings, Control()))
    project = Project(tmp_path / "study" / "project", make=False)
    with SampleStore(project.samples_path) as store:
        rows = store.rows()
        grades = [read_record(row.image_path).image_class for row in rows if row.run == "progan"]
    assert {row.size for row in rows} == {(64, 64)}
    assert sorted(grades) == 8 * ["good"] + 8 * ["poor"]
    recipe = Run(project.path / "runs" / "progan").recipe
    assert (recipe.draws, recipe.train.epochs, recipe.tiles.whole) == ("images", 3, 64)  # 40 of 16 images

    tables = result["tables"]
    assert [row[0] for row in tables["distances"]["rows"]] == [
        "Originals", "ProGAN", "ProGAN, published", "StyleGAN", "StyleGAN, published",
    ]  # fmt: skip
    assert tables["distances"]["rows"][2] == ["ProGAN, published", "360.4", "0.516"]
    assert [row[:3] for row in tables["grades"]["rows"]] == [
        [title, grade, "8"] for title in ("ProGAN", "StyleGAN") for grade in ("good", "poor")
    ]
    page = (tmp_path / "study" / "study.html").read_text(encoding="utf-8")
    assert "generator, all sizes" in page
    assert "ProGAN, discriminator 16 px" in page


def test_the_published_size_is_as_the_study_says():
    published = SIZES["published"]
    assert (published.side, published.batch) == (256, 4)
    for generator in published.generators.values():
        assert (generator["first_size"], generator["learning_rate"]) == (16, 0.001)
        assert generator["batch_growth"] * published.batch == 64


def test_without_one_table_of_grades_it_asks_for_one(data, tmp_path):
    (data / "other.csv").write_text("a,b\n")
    try:
        with pytest.raises(UserError, match=r"has 2 tables.*grades=FILE"):
            next(study(tmp_path / "s", study_settings("blastocyst", str(data)), Control()))
    finally:
        (data / "other.csv").unlink()
