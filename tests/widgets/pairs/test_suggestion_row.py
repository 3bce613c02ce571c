"""What the objects suggest is said on the page of pairs and carried into training and measuring."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.widgets.pairs.dock import PairsWidget
from napari_organoid_synth.widgets.segment.dock import SegmentWidget
from napari_organoid_synth.widgets.shared.workspace import Workspace
from napari_organoid_synth.widgets.train.dock import TrainWidget


@pytest.fixture
def data(tmp_path):
    """Six images of 440 px with one disc of 220 px each."""
    y, x = np.mgrid[:440, :440]
    for number in range(6):
        labels = ((y - 200 - number) ** 2 + (x - 200) ** 2 <= 110**2).astype(np.uint8)
        for folder, pixels in (("images", labels * 90 + 20 + number), ("masks", labels)):
            (tmp_path / "set" / folder).mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 9, labels.shape, np.uint8) * (folder == "images")
            tifffile.imwrite(tmp_path / "set" / folder / f"{number}.tif", pixels + noise)
    return tmp_path / "set"


def test_the_suggestion_is_used_here_in_train_and_in_measure(qtbot, make_napari_viewer, data):
    viewer = make_napari_viewer(show=True)
    pairs, train, measure = PairsWidget(viewer), TrainWidget(viewer), SegmentWidget(viewer)
    workspace = Workspace.of(viewer)
    for dock in (train, measure, pairs):
        viewer.window.add_dock_widget(dock)
    pairs.add_paths([data])
    qtbot.waitUntil(lambda: pairs.suggestion.isVisibleTo(pairs), timeout=20000)
    assert pairs.suggestion.sentence.text() == (
        "Your objects are about 221 px wide; at 50 % of that size a whole one fits a tile of 128 px."
    )
    assert "tiles of 128 px and images at 50 % of their size" in pairs.suggestion.button.toolTip()
    assert (train.value().tiles.size, measure.value().segmenter.tile) == (256, 256)
    pairs.suggestion.button.click()
    assert workspace.pairs.scale == 0.5
    assert (train.value().tiles.size, measure.value().segmenter.tile) == (128, 128)
    qtbot.waitUntil(lambda: pairs.suggestion.button.isHidden(), timeout=20000)
    assert pairs.preflight.result.find("objects").level == "good"
    train.recipe.form["tiles.size"].value = 256  # a person decides
    measure.form.member["tile"].value = 64
    workspace.setPairs(workspace.pairs)
    assert (train.value().tiles.size, measure.value().segmenter.tile) == (256, 64)
    qtbot.waitUntil(lambda: not pairs.suggestion.button.isHidden(), timeout=20000)
    workspace.close()


@pytest.mark.parametrize(("generator", "tile"), [("dcgan", 64), ("pix2pix", 128)])
def test_the_measured_tile_is_that_of_the_generator(make_napari_viewer, project, generator, tile):
    run = project.path / "runs" / "20260101-000000-run"
    run.mkdir(parents=True)
    recipe = Recipe.parse({"gan": generator, "tiles": {"size": 64}})
    recipe.to_file(run / "recipe.yaml")
    viewer = make_napari_viewer()
    Workspace.of(viewer).setProject(project)
    measure = SegmentWidget(viewer)
    assert measure.value().segmenter.tile == tile
    Workspace.of(viewer).close()
