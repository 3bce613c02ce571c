"""Results in memory and on disk, also those of earlier versions."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import (
    ArmRecord,
    Design,
    GainResult,
    PairsRecord,
    TableRow,
    TaskCounts,
    main_rows,
    varied,
)
from napari_organoid_synth.core.gain.sentences import gain_text, gain_verdict
from napari_organoid_synth.core.gain.settings import GainSettings, SegmentSettings
from napari_organoid_synth.core.gain.storage import newest_result, predictions_folder, read_result, write_result
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.gain.tasks import ArmTask, read_record, task_folder
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.arms import current_arm
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve

DATA = Path(__file__).parents[2] / "data" / "gain"
SEGMENT, GAIN = DATA / "20260101-000000-segment", DATA / "20260102-000000-gain"
"""Written by version 0.1 (commit f5ff02c): a comparison on one split and one in two folds, of six simulated discs."""


def old(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def in_memory() -> GainResult:
    folds = (Fold(train=("c", "d"), test=("a", "b")), Fold(train=("a", "b"), test=("c", "d")))
    records = [
        ArmRecord(
            arm=arm, fold=fold, steps=9, per_image={name: {"dice": dice + 0.1 * fold} for name in folds[fold].test}
        )
        for fold in (0, 1)
        for arm, dice in (("raw", 0.5), ("raw+synthetic", 0.6))
    ]
    return summarise(records, Design(folds=folds, name="k-fold"))


def test_a_result_from_records_in_memory():
    result = in_memory()
    assert result.arms["raw+synthetic"].dice == pytest.approx(0.65)
    assert result.arms["raw"].per_image == {name: {"dice": 0.5 + 0.1 * (name in "cd")} for name in "abcd"}
    assert result.table[1].gain["dice"].mean == pytest.approx(0.1)
    assert result.table[0].scores["dice"].sd_folds == pytest.approx(np.std([0.5, 0.6], ddof=1))
    assert (result.train, result.test) == (tuple("abcd"), tuple("abcd"))
    assert result.tasks == TaskCounts(total=4, done=4)
    assert result.sentences[0].startswith(
        "Synthetic pairs added 0.100 [0.100, 0.100] of Dice over real pairs, the best"
    )
    assert "better on 4 of 4" in gain_text(result)


def test_trainings_may_take_other_numbers_of_steps_and_their_mean_is_told():
    records = [ArmRecord(arm="raw", steps=steps, seed=steps, per_image={"a": {"dice": 0.5}}) for steps in (1000, 2000)]
    result = summarise(records, Design(folds=(Fold(train=("b",), test=("a",)),)))
    assert (result.table[0].steps, result.arms["raw"].steps) == (1500, 1500)


def test_a_result_survives_the_file(tmp_path):
    write_result(tmp_path, in_memory())
    assert read_result(tmp_path) == in_memory().model_copy(update={"folder": str(tmp_path)})
    assert read_result(tmp_path / "results.json") == read_result(tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["format"] == 3


def test_the_earlier_result_on_one_split_opens():
    before, result = old(SEGMENT), read_result(SEGMENT)
    assert list(before["arms"]) == ["real", "classical", "synthetic", "curated"]
    assert list(result.arms) == ["raw", "classical-tissue", "raw+synthetic", "raw+curated"]
    for arm, one in zip(before["arms"].values(), result.arms.values(), strict=True):
        assert one.scores == {name: arm[name] for name in ("dice", "precision", "recall")}
        assert one.per_image == arm["per_image"]
        assert one.per_class == arm["per_class"]
        assert (one.steps, one.seconds, one.synthetic) == (25, arm["seconds"], arm["synthetic"])
    change = result.table[3].gain["dice"]
    assert change.mean == pytest.approx(before["arms"]["curated"]["dice"] - before["arms"]["real"]["dice"])
    assert result.table[3].curation == "by hand"
    assert (result.test, result.train) == (("disc2", "disc3", "disc4", "disc5"), ("disc0", "disc1"))
    assert not result.tasks.unfinished
    assert result.design.pairs_from == "store"
    assert result.folder == str(SEGMENT)
    assert result.rival == "raw"
    assert gain_verdict(result).startswith("Synthetic pairs made no clear difference to real pairs, the best")


def test_the_earlier_result_in_folds_opens():
    before, result = old(GAIN), read_result(GAIN)
    assert list(before["arms"]) == ["raw", "classical-tissue", "curated"]
    assert list(result.arms) == ["raw", "classical-tissue", "raw+curated"]
    assert result.arms["raw+curated"].dice == before["arms"]["curated"]["dice"]
    assert result.sentences == tuple(before["sentences"])
    assert [fold.test for fold in result.design.folds] == [tuple(one["test"]) for one in before["design"]["folds"]]
    for row, one in zip(before["table"], result.table, strict=True):
        assert (one.arm, one.trainings, one.synthetic) == (current_arm(row["arm"]), row["trainings"], row["synthetic"])
        assert one.scores["dice"].sd_folds == row["scores"]["dice"]["sd_folds"]
        if "gain" in row:
            assert one.gain["dice"].model_dump() == row["gain"]["dice"]
    assert result.tasks == TaskCounts(total=8, done=8)


def test_earlier_records_and_settings_open():
    arm = read_record(task_folder(GAIN, "arm-3ccc3c155c49487b"))
    assert isinstance(arm, ArmRecord)
    assert (arm.arm, arm.fold, arm.steps, arm.trained_on) == ("classical-tissue", 0, 3, 3)
    assert set(arm.per_image) == {"disc0", "disc3", "disc5"}
    pairs = read_record(task_folder(GAIN, "generator-62f5c792f5f2ed50"))
    assert isinstance(pairs, PairsRecord)
    assert (pairs.pairs, len(pairs.curated), set(pairs.data)) == (4, 2, {"disc1", "disc2", "disc4"})
    settings = GainSettings.from_file(GAIN / "gain.yaml")
    assert (settings.arms, settings.pairs_from) == (("raw", "classical-tissue", "raw+curated"), "folds")
    assert SegmentSettings.from_file(SEGMENT / "settings.yaml").arms == (
        "raw", "classical", "raw+synthetic", "raw+curated",
    )  # fmt: skip


def test_a_task_of_an_earlier_version_is_done_again_and_the_machine_is_no_part_of_a_key():
    """Trainings of format 2 took a fixed number of steps: their results are not those of trainings to the plateau."""
    settings = GainSettings.from_file(GAIN / "gain.yaml")
    train = {
        "disc1": "2a50d8c37f639f0cba8b34bb4aad7944770836434d04a4df786432057a1f1a9c",
        "disc2": "66520204cd6e768a920ab43c45e31071e7eb1916990ec2625427c03a4088f887",
        "disc4": "301e826c394cd199885523c61cbe53fbe19ddde375c404cf1571f8bea5d9c524",
    }
    test = {
        "disc0": "986f8aab65c4fa116701fa083193e4537a50f88cc2d4d4a3504f15c498ecdb65",
        "disc3": "ec6c33e997fdc5837c2a8477f6ca1e5233c2f3c47adc7ce9e542ba8439a917d4",
        "disc5": "fec1f3ac3bfeae73a3c6f0d6e23ab5a9e37ddda78b5889c2b148293b1ed0ee1b",
    }
    same = {"arm": "raw", "segmenter": settings.segmenter, "steps": 3, "train": train, "test": test}
    task = ArmTask(title="any", device="cuda", threads=4, **same)
    assert task.key != "arm-7de322d49bffb3c9"
    assert task.key == ArmTask(title="other", device="cpu", **same).key
    quick = {**same, "segmenter": settings.segmenter.replace(compile=True)}
    assert task.key == ArmTask(title="any", **quick).key
    assert task.key != ArmTask(title="any", device="cuda", **{**same, "steps": 4}).key


def test_the_newest_result_with_an_arm_is_found(tmp_path):
    project = Project(tmp_path / "project")
    assert newest_result(project) is None
    for folder in (SEGMENT, GAIN):
        shutil.copytree(folder, project.path / "segment" / folder.name, copy_function=shutil.copy)
    (project.path / "segment" / "damaged").mkdir()
    (project.path / "segment" / "damaged" / "results.json").write_text("[")
    empty = in_memory().replace(arms={}, table=())
    write_result(project.path / "segment" / "begun", empty)
    newest = newest_result(project)
    assert newest is not None
    assert newest.folder == str(project.path / "segment" / GAIN.name)


def test_predictions_of_earlier_arms_are_found(tmp_path):
    assert predictions_folder(tmp_path, "raw") == tmp_path / "predictions" / "raw"
    (tmp_path / "predictions" / "real").mkdir(parents=True)
    assert predictions_folder(tmp_path, "raw") == tmp_path / "predictions" / "real"
    (tmp_path / "predictions" / "curated").mkdir()
    assert predictions_folder(tmp_path, "raw+curated") == tmp_path / "predictions" / "curated"
    (tmp_path / "predictions" / "classical").mkdir()
    assert predictions_folder(tmp_path, "classical-tissue") == tmp_path / "predictions" / "classical"
    (tmp_path / "gain.yaml").touch()  # as of every comparison since arms have their present names
    assert predictions_folder(tmp_path, "classical-tissue") == tmp_path / "predictions" / "classical-tissue"


@pytest.mark.parametrize(
    ("text", "message"),
    [("[", "Cannot read"), ("[]", "Cannot read"), ('{"arms": 3}', "is damaged"), ('{"format": 9}', "has format 9")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text, message):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_result(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"results\.json"):
        read_result(tmp_path / "results.json")


def test_the_newest_result_does_not_depend_on_the_clock(tmp_path):
    project = Project(tmp_path / "project")
    for place, name in enumerate(("20260102-000000-gain", "20260101-000000-gain")):
        shutil.copytree(GAIN, project.path / "segment" / name, copy_function=shutil.copy)
        os.utime(project.path / "segment" / name / "results.json", (place, place))
    found = newest_result(project)
    assert found is not None
    assert found.folder.endswith("20260102-000000-gain")  # by name, not by the time of the file
    JobFolder(project.path / "segment" / "20260101-000000-gain").begin("gain", [])  # it was continued
    found = newest_result(project)
    assert found is not None
    assert found.folder.endswith("20260101-000000-gain")


def test_a_record_holds_its_curve_and_the_images_put_aside(tmp_path):
    curve = Curve(steps=(250, 500), scores=(0.5, 0.6), taken=500, best=0.6, rise=0.1, wanted=900)
    record = ArmRecord(
        arm="classical+synthetic", per_image={"a": {"dice": 0.5}}, put_aside={"z": {"dice": 0.4}}, curve=curve,
        held_score=0.6, generator="stylegan", classes=("lumen",),
    )  # fmt: skip
    assert ArmRecord.model_validate_json(record.model_dump_json()) == record
    assert record.curve is not None
    assert not record.curve.at_plateau
    before = ArmRecord.parse({"arm": "real", "per_image": {}, "format": 2})
    assert (before.arm, before.curve, before.held_score, before.put_aside) == ("raw", None, None, {})


def test_rows_of_one_ratio_stand_behind_the_row_of_the_chosen_one():
    rows = [
        TableRow(arm="classical", scores={}),
        TableRow(arm="classical+synthetic", scores={}, ratio=None, chosen=(0.0, 1.0), trainings=6, plateau=4 / 6),
        TableRow(arm="classical+synthetic", scores={}, ratio=0.25),
        TableRow(arm="classical+synthetic", scores={}, ratio=1.0),
        TableRow(arm="classical+synthetic", scores={}, ratio=1.0, subset=0.5),
    ]
    assert main_rows(rows) == [rows[0], rows[1], rows[4]]
    assert rows[1].rising == 2
    assert varied(rows[:2]) == set()
    assert varied(rows[:4]) == {"ratio"}
    assert varied(rows) == {"subset", "ratio"}
    named = [TableRow(arm="raw", scores={}), *(TableRow(arm="x", scores={}, generator=name) for name in ("a", "b"))]
    assert varied(named) == {"generator"}
    assert varied(named[:2]) == set()
