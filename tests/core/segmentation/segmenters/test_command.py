"""A segmenter of one's own, as two commands: the example of the docs, and every way in which a command can fail."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tifffile import imread

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Progress
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.segmentation.agreement import image_scores
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.command import Command
from napari_organoid_synth.core.segmentation.segmenters.command_config import CommandConfig
from napari_organoid_synth.core.segmentation.segmenters.command_files import read_curve
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool

DOCS = Path(__file__).parents[4] / "docs"
BINARY = SegmentSpec(1, "binary", ("disc",))
LEARN = "import sys, pathlib; d, m = map(pathlib.Path, sys.argv[1:]); "
MARK = (
    "import sys, pathlib, numpy as np; from tifffile import imread, imwrite; "
    "i, o, m = map(pathlib.Path, sys.argv[1:]); "
)


def config(learn: str = "(m / 'weights').write_text('1')", mark: str = "", **settings: Any) -> CommandConfig:
    """Python one-liners as commands; without ``mark`` everything brighter than the mean is marked."""
    mark = mark or "[imwrite(o / p.name, (imread(p) > imread(p).mean()).astype('uint8')) for p in i.iterdir()]"
    return CommandConfig(
        fit=(sys.executable, "-c", LEARN + learn, "{data}", "{model}"),
        predict=(sys.executable, "-c", MARK + mark, "{images}", "{out}", "{model}"),
        **settings,
    )


def pair(seed: int, side: int = 48, synthetic: bool = False) -> SamplePair:
    """A bright disc in noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    cy, cx = rng.integers(14, side - 14, 2)
    labels = ((y - cy) ** 2 + (x - cx) ** 2 < 100).astype(np.int32)
    image = (60 + 80 * labels + rng.normal(0, 8, labels.shape)).clip(0, 255).astype(np.uint8)
    source = Source("synthetic" if synthetic else "real")
    return SamplePair(f"pair {seed}", image[None], labels, class_names=("disc",), source=source, pixel_size=(0.5, 0.5))


def fit(segmenter: Command, pool: CropPool | None = None, control: Control | None = None, **options: Any) -> list[Any]:
    return list(segmenter.fit(pool or CropPool([pair(0)]), 70, control or Control(), **options))


# ---------------------------------------------------------------------------------------------------- the example


def test_the_example_of_the_docs_learns_is_saved_and_marks_discs(tmp_path: Path) -> None:
    code = re.search(r"```py\n(# forest\.py.*?)```", (DOCS / "segmenters.md").read_text(), re.DOTALL)
    assert code is not None
    script = tmp_path / "forest.py"
    script.write_text(code[1])
    lines = {
        "fit": f"'{sys.executable}' forest.py fit --data {{data}} --model {{model}} --seed {{seed}}",
        "predict": f"'{sys.executable}' forest.py predict --model {{model}} --images {{images}} --out {{out}}",
    }
    segmenter = Command(CommandConfig(**lines, folder=str(tmp_path)), BINARY, "cpu", seed=3)
    pool = CropPool([pair(0), pair(1)], [pair(9, synthetic=True)], seed=3)
    events = fit(segmenter, pool)
    assert (events[-1].step, events[-1].total) == (70, 70)
    segmenter.save(tmp_path / "saved")
    again = load_segmenter(tmp_path / "saved", "cpu")
    assert isinstance(again, Command)
    test = [pair(5), pair(6, side=64)]
    for one in test:
        found = again.predict(one.image)
        scores, _ = image_scores(one, found.labels)
        assert scores["dice"] > 0.9
        assert found.probability.shape == (1, *one.size)
    again.foresee([one.image for one in test])  # two images with one call
    assert (again.predict(test[1].image).labels == segmenter.predict(test[1].image).labels).all()


# ------------------------------------------------------------------------------------------------------ the files


def test_what_a_command_finds(tmp_path: Path) -> None:
    keep = f"import shutil; shutil.copytree(d, {str(tmp_path / 'seen')!r}); (m / 'w').write_text('1')"
    real, extra = [pair(0), pair(1, side=96)], [pair(number, synthetic=True) for number in (7, 8)]
    pool = CropPool(real, extra, augment="classical", ratio=3.0, held=[pair(4)])
    fit(Command(config(keep), BINARY, "cpu", seed=5), pool)
    seen = tmp_path / "seen"
    facts = json.loads((seen / "data.json").read_text())
    assert (facts["augment"], facts["ratio"], facts["seed"], facts["steps"]) == ("classical", 3.0, 5, 70)
    assert (facts["mask_kind"], facts["class_names"]) == ("binary", ["disc"])
    # a quarter real, by area 48² : 96²; three quarters synthetic, equal areas
    weights = [one["weight"] for one in facts["train"]]
    assert weights == pytest.approx([0.25 * 0.2, 0.25 * 0.8, 0.375, 0.375])
    assert [one["source"] for one in facts["train"]] == ["real", "real", "synthetic", "synthetic"]
    assert [one["image"] for one in facts["held"]] == ["held/images/0000_pair_4.tif"]
    assert facts["held"][0]["pixel_size"] == [0.5, 0.5]
    for entry, one in zip(facts["train"], [*real, *extra], strict=True):
        assert (imread(seen / entry["image"]) == one.image[0]).all()
        assert (imread(seen / entry["mask"]) == one.labels).all()
    alone = CropPool(real)
    fit(Command(config(keep.replace("seen", "alone")), BINARY, "cpu"), alone)
    facts = json.loads((tmp_path / "alone" / "data.json").read_text())
    assert (facts["ratio"], [one["weight"] for one in facts["train"]]) == (0, pytest.approx([0.2, 0.8]))


def test_a_line_is_split_without_a_shell() -> None:
    split = CommandConfig(fit="run 'my script.py' --data {data} --model={model} | tee log")
    assert split.fit == ("run", "my script.py", "--data", "{data}", "--model={model}", "|", "tee", "log")
    assert CommandConfig.parse(split.model_dump(mode="json")) == split
    with pytest.raises(UserError, match="Cannot split the command"):
        CommandConfig.parse({"fit": "run 'my script"})
    with pytest.raises(UserError, match=r"The command 'predict' has no \{images\} and no \{out\}: run \{model\}\."):
        CommandConfig.parse({"predict": ["run", "{model}"]})
    with pytest.raises(UserError, match="it is empty"):
        CommandConfig.parse({"fit": []})


# ---------------------------------------------------------------------------------------------------- its plateau


def test_a_plateau_is_known_from_a_curve_or_promised(tmp_path: Path) -> None:
    def curve_of(text: str | None, **settings: Any) -> Any:
        written = "" if text is None else f"(m / 'curve.json').write_text({text!r}); "
        segmenter = Command(config(written + "(m / 'w').write_text('1')", **settings), BINARY, "cpu")
        fit(segmenter)
        return segmenter.curve

    unknown = curve_of(None)
    assert (unknown.taken, unknown.at_plateau, unknown.watched) == (70, False, False)
    assert curve_of(None, trained_to_end=True).at_plateau
    held = [pair(4), pair(5)]
    segmenter = Command(config(trained_to_end=True), BINARY, "cpu")
    fit(segmenter, CropPool([pair(0)], held=held))
    found = [segmenter.predict(one.image).labels for one in held]
    both = sum(int((one.labels * labels).sum()) for one, labels in zip(held, found, strict=True))
    dice = 2 * both / sum(int(one.labels.sum() + labels.sum()) for one, labels in zip(held, found, strict=True))
    curve = segmenter.curve
    assert curve is not None
    assert (curve.at_plateau, curve.watched, curve.best) == (True, True, pytest.approx(dice))
    flat = curve_of('{"steps": [10, 20, 30, 40, 50], "scores": [0.2, 0.8, 0.8, 0.8, 0.8]}')
    assert (flat.taken, flat.best, flat.at_plateau) == (50, 0.8, False)  # means of three: 0.6 at 30 steps, 0.8 at 50
    assert flat.rise == pytest.approx(0.2)
    steps = list(range(10, 110, 10))
    long = json.dumps({"steps": steps, "scores": [0.2] + [0.8] * 9})
    assert curve_of(long).at_plateau
    rising = curve_of(json.dumps({"steps": steps, "scores": [step / 200 for step in steps]}), trained_to_end=True)
    assert not rising.at_plateau  # figures count more than a promise
    assert rising.rise == pytest.approx(0.15)
    (tmp_path / "curve.json").write_text('{"steps": [10, 5], "scores": [0.1, 0.2]}')
    with pytest.raises(UserError, match="steps must rise"):
        read_curve(tmp_path)


# ------------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("learn", "message"),
    [
        ("print('epoch 1'); sys.exit('no memory')", r"ended with exit code 1\. It said: epoch 1 / no memory"),
        ("pass", r"left no file\."),
        ("import time; print('slow', flush=True); time.sleep(60)", r"took longer than 0\.0003 hours\. It said: slow"),
    ],
)
def test_a_training_that_fails_says_why(learn: str, message: str, tmp_path: Path) -> None:
    segmenter = Command(config(learn, hours=3e-4 if "sleep" in learn else 1.0), BINARY, "cpu")
    with pytest.raises(UserError, match=message):
        fit(segmenter, keep=tmp_path / "training.safetensors")
    said = (tmp_path / "command.log").read_text()
    assert ("epoch 1" in said) == ("epoch 1" in learn)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"Cannot start 'no-such-program': No such file"):
        fit(Command(CommandConfig(fit="no-such-program {data} {model}"), BINARY, "cpu"))


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (
            "imwrite(o / 'other.tif', np.zeros((48, 48), 'uint8'))",
            r"wrote no label image for image_0000\.tif, but other",
        ),
        ("imwrite(o / 'image_0000.tif', np.zeros((48, 40), 'uint8'))", r"has shape \(48, 40\)\. Expected \(48, 48\)"),
        ("sys.exit(7)", r"ended with exit code 7\. It said nothing"),
        ("imwrite(o / 'image_0000.tif', np.full((48, 48), 3, 'uint8'))", r"from 3 to 3\. Expected 0 to 2: a, b"),
    ],
)
def test_a_prediction_that_fails_says_why(mark: str, message: str) -> None:
    segmenter = Command(config(mark=mark), SegmentSpec(1, "classes", ("a", "b")), "cpu")
    fit(segmenter)
    with pytest.raises(UserError, match=message):
        segmenter.predict(pair(0).image)


def test_classes_have_one_probability_each() -> None:
    mark = "imwrite(o / 'image_0000.tif', (np.arange(48 * 48).reshape(48, 48) % 3).astype('uint8'))"
    segmenter = Command(config(mark=mark), SegmentSpec(1, "classes", ("a", "b")), "cpu")
    fit(segmenter)
    found = segmenter.predict(pair(0).image)
    assert found.probability.shape == (2, 48, 48)
    assert (found.probability[1] == (found.labels == 2)).all()


def test_a_trained_command_is_not_trained_further(tmp_path: Path) -> None:
    segmenter = Command(config(), BINARY, "cpu")
    fit(segmenter)
    segmenter.save(tmp_path)
    again = load_segmenter(tmp_path, "cpu")
    with pytest.raises(UserError, match="Leave the arm 'pretrain' out"):
        list(again.fit(CropPool([pair(0)]), 70, Control()))


def test_a_saved_model_that_was_changed_is_refused(tmp_path: Path) -> None:
    segmenter = Command(config(), BINARY, "cpu")
    fit(segmenter)
    segmenter.save(tmp_path)
    (tmp_path / "model" / "weights").write_text("2")
    with pytest.raises(UserError, match=r"model has changed\. Expected the folder that the command wrote"):
        load_segmenter(tmp_path, "cpu")


# --------------------------------------------------------------------------------------------- pause and cancel


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_cancelling_ends_the_command_and_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    learn = (
        "import os, subprocess, time; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        f"pathlib.Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{c.pid}}'); time.sleep(60)"
    )
    control, segmenter = Control(), Command(config(learn), BINARY, "cpu")
    for event in segmenter.fit(CropPool([pair(0)]), 70, control):
        assert isinstance(event, Progress)
        if pids.exists() and pids.read_text():
            control.cancel()
    first, second = map(int, pids.read_text().split())
    for pid in (first, second):
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert segmenter.curve is None


@pytest.mark.skipif(os.name != "posix", reason="processes are halted by a signal")
def test_pausing_halts_the_command(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks"
    learn = (
        f"import time; f = open({str(ticks)!r}, 'a', buffering=1); "
        "[(f.write('.'), f.flush(), time.sleep(0.05)) for _ in range(60)]; (m / 'w').write_text('1')"
    )
    control, counts = Control(), []
    for _ in Command(config(learn), BINARY, "cpu").fit(CropPool([pair(0)]), 70, control):
        if control.paused:
            counts.append(len(ticks.read_text()))
            if len(counts) > 8:
                control.resume()
        elif ticks.exists() and ticks.read_text() and not counts:
            control.pause()
            time.sleep(0.2)
    assert len(set(counts[2:])) == 1  # nothing was done while it was paused
    assert len(ticks.read_text()) == 60
