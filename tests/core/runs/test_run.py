"""A run on disk: what is written comes back, what is damaged is refused in words."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs import run as run_module
from napari_organoid_synth.core.runs.files import read_preview
from napari_organoid_synth.core.runs.metadata import ImportedFile, RunMetadata, StartingPoint
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.simulators.simulate import em

RECIPE = Recipe.parse(
    {
        "gan": {"name": "pix2pix", "generator_channels": 8, "discriminator_channels": 8},
        "tiles": {"size": 64},
        "train": {"keep": 2},
    }
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "20260101-000000-train", RECIPE, Codec.fit([em(0, 64)]))


def test_recipe_and_codec_come_back(run: Run) -> None:
    again = Run(run.path)
    assert again.recipe == RECIPE
    assert again.codec == run.codec
    assert again.spec == run.codec.spec(64, "painter")
    with pytest.raises(UserError, match="is a run already"):
        Run.create(run.path, RECIPE, run.codec)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no recipe\.yaml"):
        Run(tmp_path)


def test_metadata_is_updated_value_by_value(run: Run) -> None:
    assert run.metadata == RunMetadata()
    run.update_metadata(precision="bf16")
    run.update_metadata(device="cpu")
    assert Run(run.path).metadata == RunMetadata(precision="bf16", device="cpu")
    assert json.loads((run.path / "run.json").read_text()) == {"format": 1, "precision": "bf16", "device": "cpu"}


def test_metadata_of_version_0_1_is_read(run: Run) -> None:
    older = {
        "data": {"em0": "ab"},
        "start": {"source": "run one", "sha256": "cd", "words": "took over 2 of 2 tensors from run one"},
        "bundle": {"file": "a.synth", "sha256": "ef", "steps": 4},
    }
    (run.path / "run.json").write_text(json.dumps(older))
    found = run.metadata
    assert found.data_hashes == {"ab"}
    assert found.start == StartingPoint(source="run one", sha256="cd", message="took over 2 of 2 tensors from run one")
    assert found.model_file == ImportedFile(file="a.synth", sha256="ef", steps=4)


def test_metadata_that_is_cut_short_is_unknown(run: Run) -> None:
    (run.path / "run.json").write_text('{"data": {"em')
    assert run.metadata == RunMetadata()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 2}', r"run\.json has format 2\. Expected 1\."),
        ('{"steps": -1}', r"run\.json: Setting 'steps' is -1"),
    ],
)
def test_metadata_that_is_not_ours_is_refused(run: Run, text: str, message: str) -> None:
    (run.path / "run.json").write_text(text)
    with pytest.raises(UserError, match=message):
        _ = run.metadata


def test_checkpoint_comes_back_and_only_the_newest_stay(run: Run) -> None:
    gan = new_generator(RECIPE, run.spec)
    assert len({run.save(gan, 5).read_bytes() for _ in range(4)}) == 1
    gan.images_seen = 12
    for step in (5, 10, 15):
        path = run.save(gan, step, batch=4)
    assert run.steps() == [10, 15]
    assert sorted(p.name for p in path.parent.iterdir()) == [
        f"step_{step:08d}.{kind}" for step in (10, 15) for kind in ("json", "safetensors")
    ]
    other = new_generator(RECIPE.override("train.seed=5"), run.spec)
    checkpoint = run.load(other)
    assert (checkpoint.step, checkpoint.numbers["batch"], other.images_seen) == (15, 4, 12)
    for key, value in gan.state()[0].items():
        assert torch.equal(value, other.state()[0][key])
    assert run.load(other, 10).step == 10


def test_no_checkpoint(run: Run) -> None:
    with pytest.raises(UserError, match="has no checkpoint"):
        run.load(new_generator(RECIPE, run.spec))


def test_half_written_checkpoints_do_not_count(run: Run) -> None:
    gan = new_generator(RECIPE, run.spec)
    run.save(gan, 5)
    last = run.save(gan, 10)
    last.with_suffix(".json").unlink()  # killed before the JSON was written
    assert run.load(gan).step == 5


@pytest.mark.parametrize("other_weights", [False, True])
@pytest.mark.parametrize("crash", range(8))
def test_saving_a_step_again_never_loses_the_checkpoint(
    run: Run, crash: int, other_weights: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before or after each of its writes and deletions, one whole checkpoint remains."""
    run.recipe = RECIPE.override("train.keep=1")
    old, new = (
        new_generator(RECIPE, run.spec),
        new_generator(RECIPE.override(f"train.seed={int(other_weights)}"), run.spec),
    )
    old.images_seen, new.images_seen = 1, 2
    run.save(old, 10, batch=1)
    left = crash

    def or_die(work: Callable[..., None]) -> Callable[..., None]:
        def do(*arguments: Any, **options: Any) -> None:
            nonlocal left
            for act in (lambda: work(*arguments, **options), lambda: None):
                if not left:
                    raise KeyboardInterrupt
                left -= 1
                act()

        return do

    monkeypatch.setattr(run_module, "write_bytes", or_die(run_module.write_bytes))
    monkeypatch.setattr(run_module, "write_text", or_die(run_module.write_text))
    monkeypatch.setattr(Path, "unlink", or_die(Path.unlink))
    try:
        run.save(new, 10, batch=1)
        finished = True
    except KeyboardInterrupt:
        finished = False
    monkeypatch.undo()
    found = new_generator(RECIPE, run.spec)
    assert run.load(found).step == 10
    assert found.images_seen == 2 if finished else found.images_seen in (1, 2)
    assert finished or crash < (6 if other_weights else 2)
    like = old if found.images_seen == 1 else new
    for key, value in like.state()[0].items():
        assert torch.equal(value, found.state()[0][key])
    run.save(new, 10, batch=1)
    numbers = run.load(found).numbers
    assert (numbers["seen"], numbers["batch"]) == (2, 1)
    assert "before" not in json.loads(run.checkpoint_path(10).with_suffix(".json").read_text())


def test_going_back_keeps_what_is_learned_from_there(run: Run) -> None:
    run.recipe = RECIPE.override("train.keep=1")
    gan = new_generator(RECIPE, run.spec)
    run.save(gan, 5)
    damaged = run.checkpoint_path(10)
    damaged.write_bytes(b"")
    damaged.with_suffix(".json").write_text("{}")
    run.save(gan, 7)  # after going back to 5
    assert run.load(gan).step == 7


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "pickle"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(run: Run, damage: str) -> None:
    gan = new_generator(RECIPE, run.spec)
    run.save(gan, 5)
    path = run.save(gan, 10)
    data = path.read_bytes()
    path.write_bytes(
        {
            "truncated": data[:1000],
            "flipped": data[:-1] + bytes([data[-1] ^ 1]),
            "empty": b"",
            "pickle": pickle.dumps({"a": 1}),
        }[damage]
    )
    assert run.load(gan).step == 5
    with pytest.raises(UserError, match="damaged"):
        run.load(gan, 10)


def test_a_malicious_pickle_with_a_matching_json_is_not_opened(run: Run, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "owned",)  # type: ignore[return-value]

    gan = new_generator(RECIPE, run.spec)
    path = run.save(gan, 5)
    data = pickle.dumps(Evil())
    path.write_bytes(data)
    header = json.loads(path.with_suffix(".json").read_text())
    import hashlib

    header |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(header))
    with pytest.raises(UserError, match="has no tensors"):
        run.load(gan)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"generator": "dcgan"}, "checkpoint of 'dcgan'"),
        ({"format": 99}, "format 99"),
        ({"numbers": 3}, "does not describe a checkpoint"),
        ({"numbers": {"seen": "many"}}, "does not describe a checkpoint"),
        ({"numbers": {}}, "does not describe a checkpoint"),
    ],
)
def test_foreign_checkpoints_are_refused(run: Run, change: dict[str, object], match: str) -> None:
    gan = new_generator(RECIPE, run.spec)
    header = run.save(gan, 5).with_suffix(".json")
    header.write_text(json.dumps({**json.loads(header.read_text()), **change}))
    with pytest.raises(UserError, match=match):
        run.load(gan)


def test_previews(run: Run) -> None:
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 255, (2, 1, 8, 8), np.uint8), rng.integers(0, 3, (2, 8, 8), np.int32)
    run.write_preview(0, image, labels)
    path = run.write_preview(20, image, labels)
    assert [step for step, _ in run.previews()] == [0, 20]
    got = read_preview(path)
    np.testing.assert_array_equal(got[0], image)
    np.testing.assert_array_equal(got[1], labels)
    assert got[0].dtype == np.uint8
    assert got[1].dtype == np.int32
