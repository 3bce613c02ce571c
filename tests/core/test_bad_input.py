"""Bad input through the public verbs: each case with the one sentence that a person reads, and nothing is lost."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import sqlite3
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import DiskFull, UserError
from napari_organoid_synth.core.generators.pix2pix import Pix2Pix
from napari_organoid_synth.core.job import Added, Failed, JobFolder, Progress, Saved
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.pairs.tiling import small_image_warning
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import organoid_brightfield
from napari_organoid_synth.core.training.estimate import StepTiming
from terminal import result

SMALL = [
    "tiles.size=64", "tiles.turn=false", "tiles.flip=false", "gan=pix2pix",
    "gan.generator_channels=8", "gan.discriminator_channels=8",
    "train.batch=1", "train.threads=1", "train.precision=float32", "train.device=cpu", "train.previews=1",
]  # fmt: skip
SETS = [part for item in SMALL for part in ("--set", item)]
AGAIN = "Choose another checkpoint, or copy the run again from where it was trained."


def state(folder: Path) -> dict[str, str]:
    """Every file with its hash; without the folders that each job makes for what it has to say."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any((parent / "job.json").exists() for parent in path.parents)
    }


# ------------------------------------------------------------------------------------------------- images and masks


def picture(seed: int = 0, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, size).astype(np.uint8)


def disc(value: float = 1, dtype: str = "uint8", size: tuple[int, int] = (24, 32)) -> np.ndarray:
    mask = np.zeros(size, dtype)
    mask[4:12, 4:12] = value
    return mask


def save(path: Path, content: Any, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        photometric = "rgb" if content.ndim == 3 else "minisblack"
        tifffile.imwrite(path, content, photometric=photometric, metadata=None, **options)
    return path


def tiff(array: np.ndarray, share: float = 1.0, **options: Any) -> bytes:
    import io

    stream = io.BytesIO()
    tifffile.imwrite(stream, array, photometric="minisblack", metadata=None, **options)
    data = stream.getvalue()
    return data[: int(share * len(data))]


nan = picture().astype(np.float32)
nan[0, :5] = np.nan
coloured = np.stack([disc(1), disc(2), disc(3)], axis=-1)
COPY = "Expected a complete file. Copy the file again from its source."

PAIRS: dict[str, tuple[Any, Any, str]] = {
    "cut-off TIFF": (
        tiff(picture(), 0.5),
        disc(),
        "images/a.tif is a damaged or truncated TIFF: its pixels should lie at bytes 208 to 976, the file has 488. "
        f"{COPY}",
    ),
    "TIFF with a broken header": (
        b"II*\0" + b"\xff" * 60, disc(), f"images/a.tif is a damaged or truncated TIFF: it contains no image. {COPY}"
    ),
    "0 bytes": (
        b"", disc(), "images/a.tif is empty (0 bytes). Expected an image. Copy the file again from its source."
    ),
    "0 bytes mask": (
        picture(), b"", "masks/a.tif is empty (0 bytes). Expected an image. Copy the file again from its source."
    ),
    "unknown format": (
        b"no image", disc(),
        "images/a.tif has an unknown format (8 bytes). "
        "Expected TIFF, OME-TIFF, PNG, JPEG, BMP, OME-Zarr, CZI, ND2 or LIF. "
        "Save it as TIFF, for example with Fiji.",
    ),
    "different size": (
        picture(), disc(size=(25, 32)),
        "'a': the image is 32 × 24 px, the mask 32 × 25 px. Expected the same height and width. "
        "Export the mask again at the size of the image.",
    ),
    "probabilities as mask": (
        picture(), disc(0.5, "float32"),
        "The mask masks/a.tif is float32 with fractions such as 0.5 in 64 px. Expected whole numbers, 0 for "
        "background. If these are probabilities, threshold them, then save an integer label image.",
    ),
    "NaN mask": (
        picture(), disc(np.nan, "float32"),
        "The mask masks/a.tif is float32 and has 64 px without a value. Expected whole numbers, 0 for background. "
        "Save it as an integer label image.",
    ),
    "RGB mask": (
        picture(), coloured,
        "The mask masks/a.tif is RGB, 32 × 24 px; its channels differ in 64 px. Expected one channel in which 0 is "
        "background and every object or class has its own number. Save the label numbers instead of their colours.",
    ),
    "64-bit mask": (
        picture(), disc(2**40, "int64"),
        "The mask masks/a.tif (int64) contains the label 1099511627776. Expected labels from 0 to 2,147,483,647. "
        "Number the objects again from 1.",
    ),
    "negative mask": (
        picture(), disc(-1, "int16"),
        "The mask masks/a.tif (int16) contains the label -1. Expected labels from 0 to 2,147,483,647. "
        "Number the objects again from 1.",
    ),
    "swapped": (
        disc(), np.full((24, 32), 1, np.uint8) + picture() // 2,
        "The mask masks/a.tif looks like an image: 99 % of neighbouring pixels differ, 127 values. Expected flat "
        "areas, one number per object or class. Check whether image and mask were swapped.",
    ),
    "NaN image": (
        nan, disc(),
        "The image images/a.tif has 5 px that are not a number (NaN or infinite). Expected numbers everywhere. "
        "Fill them, or leave the image out.",
    ),
    "constant image": (
        np.full((24, 32), 17, np.uint8), disc(),
        "The image images/a.tif is constant: all 32 × 24 px are 17. Expected different values. Check the file, "
        "or leave it out.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PAIRS)
def test_a_bad_file_is_said_and_the_other_pairs_stay(case: str, tmp_path: Path, call: Callable[..., tuple]) -> None:
    image, mask, sentence = PAIRS[case]
    given, project = tmp_path / "given", tmp_path / "p"
    save(given / "images" / "a.tif", image)
    save(given / "masks" / "a.tif", mask)
    save(given / "images" / "b.tif", picture(1))
    save(given / "masks" / "b.tif", disc())
    before = state(given)
    code, out, err = call("pair", project, "--images", given, "--json")
    assert (code, err) == (0, "")
    rows = {row["name"]: (row["status"], row["reason"]) for row in json.loads(out)["table"]["entries"]}
    assert rows == {"a": ("broken", sentence), "b": ("matched", "")}
    assert state(given) == before


def test_names_that_match_twice_or_not_at_all(tmp_path: Path, call: Callable[..., tuple]) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / "images" / f"{name}.tif", picture(ord(name)))
    for name in ("a_mask", "a_label", "c", "d"):
        save(tmp_path / "masks" / f"{name}.tif", disc())
    code, out, _ = call("pair", tmp_path / "p", "--images", tmp_path)
    assert code == 0
    assert out.splitlines()[:5] == [
        f"{'ambiguous':10} train {'a':30} 2 files fit as mask: masks/a_label.tif, masks/a_mask.tif",
        f"{'orphan':10} train {'b':30} no mask is named like images/b.tif",
        f"{'matched':10} train {'c':30} ",
        f"{'orphan':10} train {'d':30} no image is named like masks/d.tif",
        "1 matched, 2 orphans, 1 ambiguous; binary (one value, 1, beside 0 in the first mask).",
    ]


# ------------------------------------------------------------------------------------------- too little, too small


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three pairs, a run with a checkpoint and two samples."""
    folder = tmp_path_factory.mktemp("trained")
    project = Project(folder / "p")
    for seed in range(3):
        write_pair(folder / "p" / "real", organoid_brightfield(seed, 64))
    from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs

    table = check_pairs(find_pairs(folder / "p" / "real"))
    table.to_file(project.pairs_path)
    recipe = Recipe().override(*SMALL)
    run = Run.create(project.path / "runs" / "one", recipe, Codec.fit(load_pairs(project)))
    run.update_metadata(precision="float32", seconds_per_step=1.0, gflop_per_image=1.0)
    run.save(new_generator(recipe, run.spec), 2, batch=1)
    with SampleStore(project.samples_path) as store:
        store.add_many([organoid_brightfield(seed, 64) for seed in (8, 9)], run="one")
    return project.path


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "p"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "NEW"], "Project new has no pairs. Expected images with masks. Load and check pairs first."),
        (
            ["pair", "PROJECT", "--images", "PROJECT/real", "--test", "3"],
            "All 3 pairs would be test pairs. Expected at least one to train on. "
            "Choose fewer for testing, or use smaller groups.",
        ),
        (
            ["pair", "PROJECT", "--images", "PROJECT/real", "--test", "x"],
            "There is no usable pair 'x'. Expected one of 3 names, such as organoid_brightfield_00000, "
            "organoid_brightfield_00001, organoid_brightfield_00002. Check the spelling.",
        ),
        (
            ["segment", "PROJECT"],
            "None of the 3 pairs is put aside for the test. Expected at least one image that neither the generator nor "
            "the segmenter has seen. Mark some as test pairs ('organoid-synth pair --test 0.2', in napari: Pairs) and "
            "train the generator again; or give a test share such as 0.25, or choose another design.",
        ),
        (
            ["export", "PROJECT"],
            "No pair is accepted (2 new, 0 rejected). Expected at least one. "
            "Accept some: 'organoid-synth samples --accept best:50', in napari: Curate.",
        ),
        (["samples", "PROJECT", "--accept", "z"], "There is no sample 'z' in PROJECT/samples.sqlite."),
        (["samples", "PROJECT", "--accept", "best:1"], "None of these samples has been scored. Score them first."),
        (["generate", "PROJECT", "--set", "run=../../x"], "There is no run '../../x'. Expected one of: one."),
        (["train", "PROJECT", "--resume", "../../x"], "There is no run '../../x'. Expected one of: one."),
        (
            ["train", "PROJECT", "--set", "tiles=[1"],
            "Setting 'tiles' is '[1': line 1: expected ',' or ']', but got '<stream end>'. Expected a YAML value.",
        ),
        (["train", "PROJECT", "--recipe", "no.yaml"],
         "Cannot read no.yaml: No such file or directory. Expected a YAML file of settings."),
        (
            ["train", "PROJECT", *SETS, "--set", "tiles.min_objects=99"],
            "None of 3 tiles of 64 px can be used; the first has 1 object, fewer than 99. Expected at least one. "
            "Lower 'tiles.min_objects', raise 'tiles.max_cover', or change 'tiles.size'.",
        ),
        (
            ["pair", "NEW", "--images", "EMPTY"],
            "There is no image file in EMPTY: it is empty. "
            "Expected TIFF, OME-TIFF, PNG, JPEG, BMP, OME-Zarr, CZI, ND2 or LIF files. "
            "Choose the folder with the images.",
        ),
    ],
)  # fmt: skip
def test_refused_with_a_sentence_and_the_project_as_it_was(
    arguments: list[str], sentence: str, project: Path, tmp_path: Path, call: Callable[..., tuple]
) -> None:
    (tmp_path / "empty").mkdir()
    Project(tmp_path / "new")

    def named(text: str) -> str:
        for word, path in (("PROJECT", project), ("EMPTY", tmp_path / "empty"), ("NEW", tmp_path / "new")):
            text = text.replace(word, str(path))
        return text

    before = state(tmp_path)
    assert call(*map(named, arguments)) == (1, "", named(sentence))
    after = state(tmp_path)
    assert {name for name in after if after[name] != before.get(name)} == set()
    assert after.keys() == before.keys()


def test_without_training_pairs_nothing_is_trained(project: Path, call: Callable[..., tuple]) -> None:
    table = PairTable.from_file(project / "pairs.json")
    rows = tuple(entry.replace(split="test") for entry in table.entries)
    table.replace(entries=rows).to_file(project / "pairs.json")
    code, _, err = call("train", project, *SETS)
    assert (code, err) == (
        1,
        "The table has no usable pair to train (3 matched; binary (as noted before); 0 to train, 3 to test). "
        "Expected at least one image with its mask. Check the pairs.",
    )
    assert [path.name for path in Project(project).runs()] == ["one"]


def test_a_tile_larger_than_the_image_is_mirrored_and_said(tmp_path: Path, call: Callable[..., tuple]) -> None:
    assert small_image_warning([(100, 100)], 256) == (
        "The image is smaller than a tile of 256 px (100 × 100 px): the missing pixels are filled by mirroring at the "
        "edges. Choose a tile of at most 100 px to use only real pixels."
    )
    assert small_image_warning([(100, 300), (90, 100), (300, 300)], 128).startswith(
        "2 of 3 images are smaller than a tile of 128 px (100 × 90 px):"
    )
    assert small_image_warning([(256, 256)], 256) == ""
    write_pair(tmp_path / "real", organoid_brightfield(0, 100))
    assert call("pair", tmp_path / "p", "--images", tmp_path / "real")[0] == 0
    code, out, err = call("train", tmp_path / "p", *SETS, "--set", "tiles.size=128", "--set", "train.steps=1", "--json")
    assert code == 0
    assert json.loads(out)["steps"] == 1
    assert err.splitlines() == [
        "There is only 1 tile; samples will look much like them.",
        "The image is smaller than a tile of 128 px (100 × 100 px): the missing pixels are filled by mirroring at the "
        "edges. Choose a tile of at most 100 px to use only real pixels.",
    ]


# ------------------------------------------------------------------------------------------------------ full memory


@pytest.mark.parametrize(("fits", "batch"), [(2, 4), (0, 1)])
def test_full_memory(
    fits: int, batch: int, project: Path, call: Callable[..., tuple], monkeypatch: pytest.MonkeyPatch
) -> None:
    real_step = Pix2Pix.step

    def step(self: Pix2Pix, tiles: Any, *rest: Any) -> Any:
        if len(tiles.image) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real_step(self, tiles, *rest)

    monkeypatch.setattr(Pix2Pix, "step", step)
    timing = StepTiming(precision="float32", seconds_per_step=1, gflop_per_image=1, needed_gb=1)
    monkeypatch.setattr("napari_organoid_synth.core.training.timing.measure_steps", lambda *_: timing)
    code, _, err = call("train", project, *SETS, "--set", f"train.batch={batch}", "--set", "train.steps=2")
    said = err.splitlines()[1:]  # after "only 3 tiles"
    if fits:
        assert code == 0
        assert said == ["Memory was full: continuing with 2 tiles per step."]
        return
    assert code == 1
    assert said == [
        "organoid-synth: Memory is full with one tile of 64 px. Expected room for one training step. "
        "Choose smaller tiles or fewer channels, or close other programs."
    ]


# ------------------------------------------------------------------------------------------------------ model files


def forge(run: Path, data: bytes) -> None:
    """Put bytes in the place of the tensors, with a JSON that fits them."""
    header = json.loads((run / "checkpoints/step_00000002.json").read_text())
    header |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (run / "checkpoints/step_00000002.json").write_text(json.dumps(header))
    (run / "checkpoints/step_00000002.safetensors").write_bytes(data)


class Evil:
    """What a pickle does as soon as it is opened: it makes a file."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path(os.environ["EVIL"]),)


def header_of(run: Path, **changes: Any) -> None:
    path = run / "checkpoints/step_00000002.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def cut(path: Path, share: float = 0.5) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def swap(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


NO_TENSORS = f"step_00000002.safetensors has no tensors. Expected a safetensors file. {AGAIN}"
NO_JSON = (
    "step_00000002.json does not describe a checkpoint. Expected format, generator, step, size, sha256 and numbers. "
    f"{AGAIN}"
)
GIANT = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 1 << 62]}}).encode()
MODELS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no tensors": (
        lambda run: (run / "checkpoints/step_00000002.safetensors").unlink(),
        "Run 1 has no checkpoint. Train until the first is saved, or stop the training.",
    ),
    "cut-off tensors": (
        lambda run: (run / "checkpoints/step_00000002.safetensors").write_bytes(b"12345"),
        f"Checkpoint step_00000002.safetensors is damaged: it has 5 bytes. Expected SIZE bytes with SHA-256 HASH…. "
        f"{AGAIN}",
    ),
    "cut-off JSON": (lambda run: cut(run / "checkpoints/step_00000002.json"), NO_JSON),
    "JSON of something else": (
        lambda run: (run / "checkpoints/step_00000002.json").write_text('["a", 1]'), NO_JSON
    ),
    "bottomless JSON": (
        lambda run: (run / "checkpoints/step_00000002.json").write_text("[" * 100_000), NO_JSON
    ),
    "numbers that are none": (lambda run: header_of(run, numbers={"seen": "many"}), NO_JSON),
    "newer format": (
        lambda run: header_of(run, format=2),
        "step_00000002.safetensors has format 2. Expected 1. Update napari-organoid-synth.",
    ),
    "another generator": (
        lambda run: header_of(run, generator="stylegan"),
        f"step_00000002.safetensors is a checkpoint of 'stylegan'. Expected 'pix2pix'. {AGAIN}",
    ),
    "pickle": (lambda run: forge(run, pickle.dumps(Evil())), NO_TENSORS),
    "pickle as torch writes it": (lambda run: (torch.save(Evil(), run / "x"), forge(run, (run / "x").read_bytes())),
                                  NO_TENSORS),
    "header that claims 2 EiB": (lambda run: forge(run, struct.pack("<Q", 1 << 61) + b"{}"), NO_TENSORS),
    "tensor that claims 4 EiB": (lambda run: forge(run, struct.pack("<Q", len(GIANT)) + GIANT), NO_TENSORS),
    "no recipe": (
        lambda run: (run / "codec.json").unlink(),
        "RUN has no codec.json. Expected the folder of a training. Choose a run of the project.",
    ),
    "cut-off recipe": (
        lambda run: (run / "recipe.yaml").write_text("gan: {name: pix2pix"),
        "Cannot read RUN/recipe.yaml: line 1: expected ',' or '}', but got '<stream end>'. "
        "Expected a YAML file of settings.",
    ),
    "recipe that runs a program": (
        lambda run: (run / "recipe.yaml").write_text(f"gan: !!python/object/apply:os.mknod ['{os.environ['EVIL']}']"),
        "Cannot read RUN/recipe.yaml: line 1: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.mknod'. Expected a YAML file of settings.",
    ),
    "recipe of an unknown generator": (
        lambda run: swap(run / "recipe.yaml", "name: pix2pix", "name: biggan"),
        "RUN/recipe.yaml: There is no 'biggan' among the generators. Expected one of: "
        f"{', '.join(GENERATORS.names())}. Did you mean 'gan'?",
    ),
    "recipe of another width": (
        lambda run: swap(run / "recipe.yaml", "generator_channels: 8", "generator_channels: 16"),
        "The checkpoint's 'network/generator/down.0.0.weight' is (8, 1, 4, 4). Expected (16, 1, 4, 4). It was "
        "trained with other settings or another version; choose the run it belongs to.",
    ),
    "cut-off codec": (
        lambda run: (run / "codec.json").write_text('{"low": [0.0'),
        "Cannot read RUN/codec.json: line 1: expected ',' or ']', but got '<stream end>'. "
        "Expected a YAML file of settings.",
    ),
    "codec of no pixel type": (
        lambda run: swap(run / "codec.json", "uint16", "os.system"),
        "RUN/codec.json: Pixel type os.system; expected integers or floats.",
    ),
    "codec of another program": (
        lambda run: (run / "codec.json").write_text('{"mean": 0.5}'),
        "RUN/codec.json: Setting 'low' is missing. Expected all settings of Codec.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MODELS)
def test_a_bad_model_file_is_refused_and_nothing_of_it_is_run(
    case: str, project: Path, tmp_path: Path, call: Callable[..., tuple], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVIL", str(tmp_path / "evil"))
    run = project / "runs" / "one"
    header = json.loads((run / "checkpoints/step_00000002.json").read_text())
    damage, sentence = MODELS[case]
    damage(run)
    for word, text in {"RUN": run, "SIZE": header["size"], "HASH": header["sha256"][:12]}.items():
        sentence = sentence.replace(word, str(text))
    before = state(project)
    code, out, err = call("generate", project, "--set", "number=1", "--set", "device=cpu")
    assert (code, out) == (1, "")
    assert err == sentence
    assert not (tmp_path / "evil").exists()
    assert state(project) == before


# -------------------------------------------------------------------------------------- tables, databases, file names


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "Cannot read PATH: Expecting property name enclosed in double quotes: line 1 column 2 (char 1). "
              "Expected the table of pairs. Find the pairs again."),
        ("[" * 100_000, "Cannot read PATH: WHY. Expected the table of pairs. Find the pairs again."),
        ("[1]", "PATH is not a table of pairs. Expected a JSON object. Find the pairs again."),
        ('{"entries": [{"nam": "a"}]}', "PATH: Setting 'entries.0.name' is missing. Expected all settings of "
                                        "PairTable. Find the pairs again."),
    ],
)  # fmt: skip
def test_a_bad_table_of_pairs(text: str, sentence: str, project: Path, call: Callable[..., tuple]) -> None:
    path = project / "pairs.json"
    path.write_text(text)
    before = state(project)
    code, out, err = call("train", project)
    assert (code, out) == (1, "")
    if "WHY" in sentence:  # Python's own words for nesting too deep differ between versions
        start, end = sentence.replace("PATH", str(path)).split("WHY")
        assert err.startswith(start)
        assert err.endswith(end)
    else:
        assert err == sentence.replace("PATH", str(path))
    assert state(project) == before


def rebuild_words(project: Path) -> str:
    return (
        f"Rebuild the list of samples from the images with 'organoid-synth samples {project} --rebuild'; verdicts and "
        "scores are lost."
    )


@pytest.mark.parametrize("damage", ["newer", "column", "bytes"])
def test_a_database_that_cannot_be_used(damage: str, project: Path, call: Callable[..., tuple]) -> None:
    path = project / "samples.sqlite"
    if damage == "bytes":
        path.write_bytes(b"no database" * 100)
    else:
        database = sqlite3.connect(path)
        database.execute(
            "PRAGMA user_version = 4" if damage == "newer" else "ALTER TABLE samples DROP COLUMN nearest_y"
        )
        database.commit()
        database.close()
    before = state(project)
    code, out, err = call("samples", project)
    assert (code, out) == (1, "")
    assert (
        err
        == {
            "newer": "samples.sqlite was written by a newer version (format 4). Expected format 3 or older. "
            "Update napari-organoid-synth.",
            "column": f"{path} lacks samples.nearest_y. Expected all tables of format 3; the images in "
            f"{project}/samples are untouched. {rebuild_words(project)}",
            "bytes": f"{path} is damaged (file is not a database). The images in {project}/samples are untouched. "
            f"{rebuild_words(project)}",
        }[damage]
    )
    assert state(project) == before
    code, out, err = call("samples", project, "--rebuild", "--json")
    (old,) = (project / "bin").iterdir()
    assert err == f"2 samples recovered; verdicts and scores are lost. The old list is in {old}."
    values = result(out)
    assert (code, values["new"], values["accepted"], values["rejected"]) == (0, 2, 0, 0)
    assert hashlib.sha256((old / "samples.sqlite").read_bytes()).hexdigest() == before["samples.sqlite"]


def test_names_never_lead_out_of_the_project(project: Path, tmp_path: Path, call: Callable[..., tuple]) -> None:
    values = json.loads((project / "pairs.json").read_text())
    for number, entry in enumerate(values["entries"]):
        entry["name"] = f"../../evil{number}"
    (project / "pairs.json").write_text(json.dumps(values))
    (tmp_path / "recipe.yaml").write_text("secret: 1\n")
    with SampleStore(project / "samples.sqlite") as store:
        ids = store.ids()
        store.decide(ids, "accepted")
    database = sqlite3.connect(project / "samples.sqlite")
    database.execute("UPDATE samples SET run = '../..' WHERE id = ?", (ids[0],))
    database.commit()
    database.close()
    before = state(tmp_path)
    code, out, _ = call(
        "export", project, "--set", f"folder={tmp_path / 'out'}", "--set", "include_real=true", "--json"
    )
    assert (code, json.loads(out)["written"]) == (0, 5)
    new = {name for name in state(tmp_path) if name not in before}
    assert {name.split("/")[0] for name in new} == {"out"}
    assert "out/ome-tiff/evil0.ome.tif" in new
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    files = [file["path"] for sample in manifest["samples"] for file in sample["files"]]
    files += [file["path"] for file in manifest["documents"]]
    assert sorted([*files, "manifest.json"]) == sorted(name.removeprefix("out/") for name in new)
    assert not any("secret" in (tmp_path / name).read_text("latin-1") for name in new)
    database = sqlite3.connect(project / "samples.sqlite")
    database.execute("UPDATE samples SET image = '../pairs.json' WHERE id = ?", (ids[0],))
    database.commit()
    database.close()
    with SampleStore(project / "samples.sqlite") as store, pytest.raises(UserError) as caught:
        store.pair(ids[0])
    assert str(caught.value) == (
        f"There is no file {project}/samples/pairs.json. Check whether it was moved or renamed."
    )


# -------------------------------------------------------------------------------------------------------- full disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 24 MB, where tests may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = not hasattr(os, "getuid") or os.getuid() != 0 or not shutil.which("mount")
    if mounted or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", path], check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def fill(disk: Path, leave: int) -> None:
    """Take all room but some bytes."""
    (disk / "ballast").unlink(missing_ok=True)
    with (disk / "ballast").open("wb") as stream:
        stream.write(bytes(max(shutil.disk_usage(disk).free - leave, 0)))


def full(folder: Path) -> str:
    return (
        f"The disk with {folder} is full. No file is incomplete; everything saved before is "
        "intact. Free some space, then try again."
    )


def test_disk_full_in_every_verb(trained: Path, disk: Path, tmp_path: Path, call: Callable[..., tuple]) -> None:
    project = Path(shutil.copytree(trained, disk / "p"))
    run = Run(project / "runs" / "one")
    gan = new_generator(run.recipe, run.spec)
    with SampleStore(project / "samples.sqlite") as store:
        store.decide(store.ids(), "accepted")
    before = state(project)
    untouched = {name: digest for name, digest in before.items() if not name.startswith("runs/")}

    fill(disk, 300_000)  # room for events, not for a checkpoint
    code, out, err = call("train", project, "--resume", "one", "--set", "train.steps=4")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].removeprefix("organoid-synth: ") == full(project / "runs/one/checkpoints")
    assert run.load(gan).step == 2
    assert list(project.rglob("*.part")) == []
    last = JobFolder(project / "runs" / "one").read_events()[0][-1]
    assert isinstance(last, Failed)
    assert f"{last.found} {last.expected} {last.todo}" == full(project / "runs/one/checkpoints")

    fill(disk, 100_000)
    code, out, err = call("generate", project, "--set", "number=200", "--set", "device=cpu")
    assert (code, out, err) == (1, "", full(project))
    with SampleStore(project / "samples.sqlite") as store:
        rows = store.rows()
        assert [row.verdict for row in rows[:2]] == ["accepted", "accepted"]
        for row in rows:
            store.pair(row.id)
    names = {path.name for row in rows for path in (row.image_path, row.labels_path)}
    assert {path.name for path in (project / "samples").iterdir()} == names

    fill(disk, 160_000)
    code, out, err = call("export", project, "--set", "formats=[ome-tiff,cellpose,stardist,biapy]")
    assert (code, out, err) == (1, "", full(project / "exports"))
    assert not (project / "exports").exists() or list((project / "exports").iterdir()) == []

    fill(disk, 0)
    for verb, where in (
        (("pair", project, "--images", trained / "real"), project),
        (("report", project), project),
        (("simulate", "em", disk / "em"), disk / "em"),
    ):
        assert call(*verb) == (1, "", full(where))
    code, _, err = call("segment", project)
    (job,) = (project / "segment").iterdir()
    assert (code, err) == (1, full(job))
    after = state(project)
    assert {name: after[name] for name in untouched if name != "samples.sqlite"} == {
        name: digest for name, digest in untouched.items() if name != "samples.sqlite"
    }


def test_the_last_event_has_room_on_a_full_disk(disk: Path) -> None:
    folder = JobFolder(disk / "job")
    folder.path.mkdir()

    def events() -> Iterator[Any]:
        yield Saved(1, "a")
        fill(disk, 0)
        yield from (Progress(step, 9000, note="x" * 200) for step in range(1, 9000))

    seen = list(folder.record(events()))
    told, _ = folder.read_events()
    assert told == seen
    assert isinstance(told[-1], Failed)
    assert told[-1].found == f"The disk with {folder.path} is full."
    assert not (folder.path / "spare").exists()


def test_a_full_disk_anywhere_in_a_job_ends_with_the_sentence(
    project: Path, call: Callable[..., tuple], monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(*_: Any) -> Iterator[Any]:
        yield Added(1, ("a",))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_organoid_synth.core.scores.score.score", score)
    assert call("score", project) == (1, "", full(project))
    last = Project(project).jobs("score")[-1].read_events()[0][-1]
    assert isinstance(last, Failed)
    assert f"{last.found} {last.expected} {last.todo}" == full(project)


def test_the_error_of_a_full_disk_is_both_a_sentence_and_an_os_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr("napari_organoid_synth.core.atomic.os.fsync", fsync)
    with pytest.raises(DiskFull) as caught:
        write_bytes(tmp_path / "a", b"1")
    assert isinstance(caught.value, UserError)
    assert isinstance(caught.value, OSError)
    assert str(caught.value) == full(tmp_path)
    assert list(tmp_path.iterdir()) == []
