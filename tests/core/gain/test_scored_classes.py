"""Only what a person drew is truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.plan import make_plan
from napari_organoid_synth.core.gain.results import ArmRecord
from napari_organoid_synth.core.gain.scored_classes import scored_classes
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.tasks import ArmTask, read_record
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.loading import check_pairs
from napari_organoid_synth.core.pairs.ome_tiff import read_pair, write_labels, write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

SETTINGS = GainSettings(
    segmenter=UNetConfig(channels=8, depth=2, tile=64, batch=2),
    arms=("raw",),
    design="k-fold",
    folds=2,
    steps=2,
    repeats=1,
    scheduler="here",
    device="cpu",
)


def make_project(path, predicted: dict[str, set[str]]) -> Project:
    """Make a project of one image for each key, whose mito and wall were drawn, or predicted where the set says so."""
    project, entries = Project(path), []
    for seed, (name, by_network) in enumerate(predicted.items()):
        rng = np.random.default_rng(seed)
        image = rng.integers(0, 255, (1, 64, 64)).astype(np.uint8)
        masks = {}
        for place, one in enumerate(("mito", "wall")):
            labels = np.zeros((64, 64), np.int32)
            labels[20 * place + 5 : 20 * place + 15, 5:40] = 1
            pair = SamplePair(name, image, labels, "binary", (one,))
            file, masks[one] = map(str, write_pair(project.path / "files" / one, pair))
            if one in by_network:
                write_labels(Path(masks[one]), pair.replace(source=Source("predicted")))
        entries.append(PairEntry(name=name, image=file, masks=masks))
    check_pairs(PairTable(entries=tuple(entries))).to_file(project.pairs_path)
    return project


def table_of(project: Project) -> PairTable:
    return PairTable.from_file(project.pairs_path)


def test_a_class_counts_where_it_was_drawn(tmp_path):
    table = table_of(make_project(tmp_path / "p", {"a": set(), "b": {"wall"}, "c": {"mito", "wall"}}))
    scored = scored_classes(table, table.matched)
    assert scored.classes == ("mito", "wall")
    assert scored.by_image == {"a": ("mito", "wall"), "b": ("mito",), "c": ()}
    assert scored.partial == {"b": ("mito",), "c": ()}
    assert scored.tested(["a", "b", "c"]) == ("a", "b")
    folds = [
        Fold(train=("b", "c"), test=("a",)),
        Fold(train=("a", "b"), test=("c",)),
        Fold(train=("a",), test=("b", "c")),
    ]
    assert [(fold.train, fold.test) for fold in scored.folds(folds)] == [(("b", "c"), ("a",)), (("a",), ("b",))]
    assert scored.warnings(["a", "b", "c"]) == [
        "'mito' is scored in 2 of 3 test images: in the others it was predicted, not drawn.",
        "'wall' is scored in 1 of 3 test images: in the others it was predicted, not drawn.",
    ]
    alone = scored_classes(table, table.matched, ("wall",))
    assert (alone.classes, alone.by_image) == (("wall",), {"a": ("wall",), "b": (), "c": ()})


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (("cell",), "no class 'cell' to score"),
        (("wall",), "'wall' was predicted in all 2 test images"),
        (("mito", "wall"), "'wall' was predicted in all 2 test images"),
    ],
)
def test_what_cannot_be_scored_is_refused(tmp_path, chosen, found):
    table = table_of(make_project(tmp_path / "p", {"a": {"wall"}, "b": {"wall"}}))
    with pytest.raises(UserError, match=found) as error:
        scored_classes(table, table.matched, chosen)
    assert error.value.todo
    assert scored_classes(table, table.matched, ("mito",)).classes == ("mito",)


def test_predictions_alone_are_no_truth(tmp_path):
    table = table_of(make_project(tmp_path / "p", {"a": {"mito", "wall"}, "b": {"mito", "wall"}}))
    with pytest.raises(UserError, match="masks of all 2 test images were predicted"):
        scored_classes(table, table.matched)


def test_a_comparison_scores_what_was_drawn_and_says_so(tmp_path):
    project = make_project(tmp_path / "p", {"a": set(), "b": {"wall"}, "c": {"mito", "wall"}, "d": set()})
    plan = make_plan(project, SETTINGS, {})
    assert sorted(name for fold in plan.folds for name in fold.test) == ["a", "b", "d"]
    assert sum("scored in" in text for text in plan.warnings) == 2
    list(gain(project, SETTINGS, Control(), tmp_path / "out"))
    arms = [task for task in plan.tasks if isinstance(task, ArmTask)]
    for task in arms:
        record = read_record(task.folder(tmp_path / "out"))
        assert isinstance(record, ArmRecord)
        assert set(record.per_image) == set(task.test)
        assert "c" not in record.per_image
        assert record.classes == tuple(record.per_class)
    shown = read_pair(tmp_path / "out" / "predictions" / "raw" / "b.ome.tif")
    assert shown.source.provenance["scored"] == ["mito"]


def test_one_class_of_several_is_scored_alone(tmp_path):
    project = make_project(tmp_path / "p", {name: set() for name in "abcd"})
    both, alone = (make_plan(project, SETTINGS.replace(score_classes=chosen), {}) for chosen in ((), ("mito",)))
    assert {task.key for task in both.tasks}.isdisjoint(task.key for task in alone.tasks)
    assert all(task.scored == {} for task in both.tasks)
    assert "Of mito, wall only mito is scored." in alone.warnings
    list(gain(project, SETTINGS.replace(score_classes=("mito",)), Control(), tmp_path / "out"))
    record = read_record(alone.tasks[0].folder(tmp_path / "out"))
    assert record.classes == ("mito",)
    for image, scores in record.per_image.items():
        assert scores["dice"] == scores["f"]
        assert image in alone.tasks[0].test
    mean = np.mean([scores["dice"] for scores in record.per_image.values()])
    assert record.per_class["mito"]["dice"] == pytest.approx(mean)
