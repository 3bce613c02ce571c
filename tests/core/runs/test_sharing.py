"""Model files: what goes in comes out, in any project; whatever else is in one is refused in a sentence."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Warned
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pair_format import Misfit
from napari_organoid_synth.core.pairs.pictures import decode_png
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.runs.files import read_preview
from napari_organoid_synth.core.runs.model_file import MEMBERS, Card, ModelFile, read_model_file
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.runs.sharing import find_run, import_model, tensors_of, write_model_file
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.training.train import train

SMALL = {"generator_channels": 8, "discriminator_channels": 8, "channels": 8, "max_channels": 16, "width": 16}
TERMS = ShareSettings(licence="CC-BY-4.0", authors="Ada L.", note="Two\nlines.", name="EM, small")
DAY = "2026-01-31"
HASHES = {"secret name": "b" * 64, "another": "a" * 64}


def recipe_of(name: str) -> Recipe:
    recipe = Recipe.parse({"gan": name, "tiles": {"size": 64}, "train": {"device": "cpu", "threads": 1}})
    fields = type(recipe.gan).model_fields
    return recipe.replace(gan=recipe.gan.replace(**{key: v for key, v in SMALL.items() if key in fields}))


def make_run(path: Path, recipe: Recipe) -> Run:
    run = Run.create(path, recipe, Codec.fit([em(0, 64)]))
    gan = new_generator(recipe, run.spec)
    for step, distance in ((10, 0.25), (20, 0.5)):
        gan.images_seen, gan.steps_taken = 4 * step, step
        for network in gan.networks().values():
            for parameter in network.parameters():
                parameter.data.add_(0.01)
        run.save(gan, step, kernel_distance=distance, diversity=0.75)
        pairs = [em(seed, 64) for seed in (step, step + 1)]
        run.write_preview(step, np.stack([p.image for p in pairs]), np.stack([p.labels for p in pairs]))
    run.update_metadata(data=HASHES, device="secret device")
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = recipe_of("pix2pix").override("start.run=/home/secret/run", "train.steps=20")
    return make_run(tmp_path_factory.mktemp("project") / "runs" / "20260101-000000-train", recipe)


@pytest.fixture
def file(run: Run, tmp_path: Path) -> Path:
    write_model_file(run, tmp_path / "model.synth", TERMS, DAY)
    return tmp_path / "model.synth"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, parts: dict[str, bytes], rehash: bool = True, compression: int = zipfile.ZIP_STORED) -> None:
    """A zip with these members; ``rehash`` makes the card agree with them, as someone who means harm would."""
    if rehash:
        card = json.loads(parts["card.json"])
        card["sha256"] = {name: hashlib.sha256(parts[name]).hexdigest() for name in parts if name != "card.json"}
        parts = {**parts, "card.json": json.dumps(card).encode()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def outcome(path: Path) -> ModelFile | str:
    """What is read, or that it is refused in a sentence with the name of the file."""
    try:
        return read_model_file(path)
    except UserError as error:
        return "refused" if path.name in str(error) else str(error)


# ------------------------------------------------------------------------------------------------------------ writing


def test_a_model_file_has_networks_settings_and_card_and_no_secrets(run: Run, file: Path) -> None:
    model_file = read_model_file(file)
    card = model_file.card
    assert (card.name, card.generator, card.steps, card.images) == ("EM, small", "pix2pix", 10, 40)  # the best
    assert (card.licence, card.authors, card.note, card.created) == ("CC-BY-4.0", "Ada L.", "Two\nlines.", DAY)
    assert (card.pairs, card.data) == (2, ("a" * 64, "b" * 64))
    assert card.metrics == {"kernel_distance": 0.25, "diversity": 0.75}
    parts = members(file)
    assert list(parts) == list(MEMBERS)
    assert card.sha256 == {name: hashlib.sha256(parts[name]).hexdigest() for name in MEMBERS if name != "card.json"}
    assert model_file.codec == run.codec
    assert model_file.recipe == run.recipe.replace(start={"run": ""})
    expected = {key: value for key, value in run.read(10)[1].items() if key.startswith("network/")}
    found = tensors_of(model_file)
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, found[key]) for key, value in expected.items())
    assert b"secret" not in file.read_bytes()


def test_the_preview_shows_the_samples_and_their_outlines(file: Path) -> None:
    shown = decode_png(read_model_file(file).preview)
    assert shown.shape == (128, 128, 3)  # two samples of 64 px, twice
    changed = (shown[:64] != shown[64:]).any(-1)
    assert 0 < changed.mean() < 0.5
    np.testing.assert_array_equal(np.unique(shown[64:][changed], axis=0), [[255, 221, 0]])


def test_equal_contents_give_equal_bytes(run: Run, file: Path, tmp_path: Path) -> None:
    write_model_file(run, tmp_path / "again.synth", TERMS, DAY)
    assert (tmp_path / "again.synth").read_bytes() == file.read_bytes()
    write_model_file(run, tmp_path / "newest.synth", TERMS.replace(checkpoint="newest"), DAY)
    assert read_model_file(tmp_path / "newest.synth").card.steps == 20
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"licence": ""}, "No licence is chosen. Expected an SPDX identifier such as CC0-1.0, CC-BY-4.0"),
        ({"licence": "my own terms"}, "Setting 'licence' is 'my own terms'. expected an SPDX identifier"),
        ({"name": "bell\a"}, "expected text without control characters"),
        ({"checkpoint": "15"}, "has no checkpoint of step 15. Expected newest, best or one of: 10, 20."),
    ],
)
def test_what_cannot_be_shared(run: Run, tmp_path: Path, change: dict[str, str], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        write_model_file(run, tmp_path / "x.synth", TERMS.replace(**change))
    assert sentence.lower() in str(caught.value).lower()
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_name_is_not_written(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"The file is called model\.zip\. Expected a name that ends with \.synth\."):
        write_model_file(run, tmp_path / "model.zip", TERMS)


def test_paths_of_weight_files_are_shortened_to_their_names(tmp_path: Path) -> None:
    if "aae" not in GENERATORS.names():
        pytest.skip("no generator takes a file of weights")
    recipe = recipe_of("aae")
    made = make_run(tmp_path / "run", recipe.replace(gan=recipe.gan.replace(vgg19_weights="C:\\secret/vgg.pth")))
    model_file = write_model_file(made, tmp_path / "x.synth", TERMS)
    assert model_file.recipe.gan.vgg19_weights == "vgg.pth"  # type: ignore[attr-defined]


# --------------------------------------------------------------------------------------------------------- importing


@pytest.mark.parametrize("name", [name for name in GENERATORS.names() if GENERATORS.config(name).trains])
def test_every_generator_draws_the_same_after_the_journey(name: str, tmp_path: Path) -> None:
    made = make_run(tmp_path / "run", recipe_of(name))
    write_model_file(made, tmp_path / "x.synth", TERMS)
    imported = import_model(Project(tmp_path / "other"), tmp_path / "x.synth")
    condition = torch.zeros(1, made.spec.mask_channels, 64, 64) if made.recipe.shape == "painter" else None
    drawn = []
    for one in (made, imported):
        gan = new_generator(one.recipe, one.spec)
        one.load(gan, one.pick("best"))
        drawn.append(gan.sample(torch.Generator().manual_seed(3), condition=condition))
    assert torch.equal(*drawn)


def test_an_imported_run_generates_shows_and_is_shared_on(file: Path, tmp_path: Path) -> None:
    project = Project(tmp_path / "other")
    imported = import_model(project, file)
    assert imported.path.parent == project.path / "runs"
    assert imported.name.endswith("-EM_small")
    assert project.run_path() == imported.path
    assert imported.steps() == [10]
    assert imported.best() == 10
    assert imported.metadata.data_hashes == set(HASHES.values())
    assert not list(project.path.glob(".*"))
    (at, path) = imported.previews()[-1]
    assert at == 10
    np.testing.assert_array_equal(
        read_preview(path)[0][0].transpose(1, 2, 0), decode_png(read_model_file(file).preview)
    )

    settings = GenerateSettings(run=str(file), number=2, masks="simulated", device="cpu")
    events = list(generate(project, settings, Control()))
    assert isinstance(events[-1], Finished)
    assert events[-1].result["run"] == imported.name  # imported once
    with SampleStore(project.samples_path) as store:
        provenance = store.pair(store.ids()[0]).source.provenance
    assert provenance["data"] == {"pair 1": "a" * 64, "pair 2": "b" * 64}
    assert provenance["model_sha256"] == read_model_file(file).card.sha256["model.safetensors"]

    again = write_model_file(imported, tmp_path / "on.synth", TERMS, DAY)
    assert {name: again.card.sha256[name] for name in again.card.sha256} == read_model_file(file).card.sha256


def test_a_second_name_makes_a_second_run_and_no_name_does_not(file: Path, tmp_path: Path) -> None:
    project = Project(tmp_path / "other")
    first = import_model(project, file)
    assert import_model(project, file).path == first.path == find_run(project, str(file)).path
    assert find_run(project, "").path == first.path
    assert import_model(project, file, "../../mine").name.endswith("-mine")
    assert len(project.runs()) == 2


def test_training_it_further_starts_the_optimisers_again_and_says_so(file: Path, tmp_path: Path) -> None:
    project = Project(tmp_path / "other")
    pair = em(0, 96)
    add_pair(project, SamplePair("em", pair.image, pair.labels, class_names=pair.class_names), "classes")
    imported = import_model(project, file)
    recipe = imported.recipe.override("train.steps=11", "train.batch=1", "train.previews=1", "train.precision=float32")
    events: list[Event] = list(train(project, recipe, Control(), imported.path, resume=True))
    assert events[0].step == 10
    assert "Run 1 was imported from a model file without optimiser state: optimisers are reset." in [
        event.text for event in events if isinstance(event, Warned)
    ]
    tensors = imported.read(11)[1]
    assert {
        float(value) for key, value in tensors.items() if key.startswith("optimizer") and key.endswith("/step")
    } == {1.0}


# ---------------------------------------------------------------------------------------------------------- refusing

Change = Callable[[dict[str, bytes]], dict[str, bytes]]


def card(**values: Any) -> Change:
    return lambda parts: parts | {"card.json": json.dumps(json.loads(parts["card.json"]) | values).encode()}


def model(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Change:
    return lambda parts: parts | {"model.safetensors": save(change(load(parts["model.safetensors"])))}


def member(name: str, data: bytes) -> Change:
    return lambda parts: parts | {name: data}


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(40)


KEY = "network/generator/down.0.0.weight"
ONLY = "Expected card.json, recipe.yaml, codec.json, preview.png, model.safetensors and nothing else."
REFUSED: dict[str, tuple[Change, str]] = {
    "missing": (lambda parts: {k: v for k, v in parts.items() if k != "codec.json"}, f"no codec.json. {ONLY}"),
    "foreign": (member("evil.py", b"1"), f"contains 'evil.py'. {ONLY}"),
    "path": (member("../card.json", b"1"), f"contains '../card.json'. {ONLY}"),
    "absolute": (member("/etc/passwd", b"1"), "contains '/etc/passwd'."),
    "folder": (member("x/", b""), "contains 'x/'."),
    "newer": (
        card(format=2),
        "model.synth has format 2, made by a newer version of organoid-synth. Expected format 1.",
    ),
    "unknown field": (card(evil=1), "card.json in model.synth: There is no setting 'evil'."),
    "licence": (card(licence="mine, all mine"), "card.json in model.synth: Setting 'licence' is 'mine, all mine'."),
    "escape": (card(note="\x1b[2J"), "expected text without control characters"),
    "other generator": (
        card(generator="dcgan"),
        "The card of model.synth speaks of 'dcgan'. Its recipe speaks of 'pix2",
    ),
    "no json": (member("codec.json", b"[1]"), "codec.json in model.synth cannot be read: it contains list."),
    "no text": (member("codec.json", b"\xff"), "codec.json in model.synth cannot be read: 'utf-8' codec"),
    "deep": (member("recipe.yaml", b"[" * 5000), "cannot be read: it is nested too deeply."),
    "deeper": (member("recipe.yaml", b"- " * 5000), "recipe.yaml in model.synth cannot be read"),
    "laughs": (member("recipe.yaml", b"a: &a [1]\nb: [*a, *a]"), "references and tags are not allowed"),
    "object": (member("recipe.yaml", b"gan: !!python/object/apply:os.system ['true']"), "tags are not allowed"),
    "setting": (
        member("recipe.yaml", b"gan: pix2pix\nevil: 1"),
        "recipe.yaml in model.synth: There is no setting 'evil'",
    ),
    "no generator": (
        member("recipe.yaml", b"gan: evil"),
        "in model.synth: Setting 'gan' is 'evil'. There is no 'evil' among the generators.",
    ),
    "long recipe": (
        member("recipe.yaml", b"#" * 20_000),
        "recipe.yaml in model.synth claims 20000 bytes. Expected at mo",
    ),
    "pickle": (member("model.safetensors", pickle.dumps([1])), "model.safetensors in model.synth has no tensors."),
    "empty": (member("model.safetensors", b""), "model.safetensors in model.synth has no tensors."),
    "long header": (member("model.safetensors", b"\xff" * 7 + b"\x7f{}"), "has no tensors."),
    "optimiser": (
        model(lambda t: t | {"optimizer/generator/0/step": torch.ones(1)}),
        "contains 'optimizer/generator/0/step'",
    ),
    "no picture": (member("preview.png", b"GIF89a"), "preview.png in model.synth is not a PNG."),
    "huge picture": (member("preview.png", png(60_000, 60_000)), "claims 60000 × 60000 px. Expected at most 4096 px."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_without_building_a_network(file: Path, case: str) -> None:
    change, sentence = REFUSED[case]
    write(file, change(members(file)))
    with pytest.raises(UserError) as caught:
        read_model_file(file)
    assert sentence in str(caught.value)


MISFITS: dict[str, tuple[Change, str]] = {
    "missing": (
        model(lambda t: {k: v for k, v in t.items() if k != KEY}),
        f"in model.synth has no '{KEY}'. Expected (8, 2",
    ),
    "foreign": (
        model(lambda t: t | {"network/evil": torch.ones(1)}),
        "contains 'network/evil'. A pix2pix of its recipe has no",
    ),
    "shape": (
        model(lambda t: t | {KEY: torch.ones(8, 3, 4, 4)}),
        f"'{KEY}' in model.synth is (8, 3, 4, 4) torch.float32.",
    ),
    "type": (model(lambda t: t | {KEY: t[KEY].half()}), "torch.float16. Expected (8, 2, 4, 4) torch.float32."),
    "numbers": (card(numbers={"seen": 1}), "card.json in model.synth has the numbers seen. Expected seen, taken, "),
    "broken picture": (member("preview.png", png(10, 10)), "preview.png in model.synth is not a picture."),
}


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_belong_to_the_network_is_refused_and_leaves_nothing(
    file: Path, tmp_path: Path, case: str
) -> None:
    change, sentence = MISFITS[case]
    write(file, change(members(file)))
    project = Project(tmp_path / "other")
    with pytest.raises(UserError) as caught:
        import_model(project, file)
    assert sentence in str(caught.value)
    assert [path.name for path in project.path.iterdir()] == ["organoid-synth.json"]


@pytest.mark.parametrize("name", [name for name in MEMBERS if name != "card.json"])
def test_a_changed_member_has_the_wrong_hash(file: Path, name: str) -> None:
    parts = members(file)
    write(file, parts | {name: parts[name] + b" "}, rehash=False)
    with pytest.raises(
        UserError, match=rf"{name} in model.synth has SHA-256 .{{12}}…. Expected .{{12}}…, as its card says"
    ):
        read_model_file(file)


def test_files_that_are_no_zip_archive(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    for data in (b"", b"hello", pickle.dumps({"a": 1}), whole[: len(whole) // 2]):
        file.write_bytes(data)
        with pytest.raises(UserError, match=r"model.synth is not a whole zip archive. Expected a .synth file, made"):
            read_model_file(file)
    with pytest.raises(UserError, match=r"Cannot read .*nothing.synth: No such file"):
        read_model_file(tmp_path / "nothing.synth")
    with pytest.raises(UserError, match="Cannot read"):
        read_model_file(tmp_path)


def test_a_file_of_torch_is_refused_unopened(file: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "owned",)

    torch.save({"a": Evil()}, file)
    with pytest.raises(UserError, match=r"contains '.*/data.pkl'\. Expected card.json"):
        read_model_file(file)
    assert not (tmp_path / "owned").exists()


def test_compressed_members_and_members_that_lie_about_their_size(file: Path) -> None:
    parts = members(file)
    write(file, parts, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=r"in model.synth is compressed or encrypted. Expected it stored as it is"):
        read_model_file(file)
    write(file, parts)
    data = bytearray(file.read_bytes())
    place = data.index(b"PK\x01\x02", data.rindex(b"model.safetensors") - 60)  # its entry in the list at the end
    for size, sentence in ((2**32 - 2, "claims 4294967294 bytes. Expected at most 3221225472"), (2**31, "members of")):
        struct.pack_into("<II", data, place + 20, size, size)
        file.write_bytes(data)
        with pytest.raises(UserError, match=sentence):
            read_model_file(file)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(file: Path) -> None:
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("card.json", b"{}")
    with pytest.raises(UserError, match=r"model.synth contains 'card.json' 2 times"):
        read_model_file(file)


def test_flipped_bits_are_refused_in_words_or_change_nothing(file: Path) -> None:
    whole, rng = file.read_bytes(), random.Random(0)
    expected = read_model_file(file)
    borders = [whole.rindex(b"PK\x01\x02", 0, whole.index(b"PK\x05\x06")), len(whole)]
    for turn in range(400):
        data = bytearray(whole)
        place = rng.randrange(len(whole)) if turn % 2 else rng.randrange(borders[0] - 400, borders[1])
        data[place] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
        assert outcome(file) in (expected, "refused")


def test_a_card_of_random_values_is_refused_in_words(file: Path) -> None:
    parts, rng = members(file), random.Random(1)
    values: list[Any] = [None, -1, 1.5, 10**30, "x" * 200, [], {}, [[]], True, float("nan"), "\ud800"]
    for _ in range(200):
        fields = {name: rng.choice(values) for name in rng.sample(list(Card.model_fields), 2)}
        write(file, card(**fields)(parts), rehash="sha256" not in fields)
        found = outcome(file)
        assert found == "refused" or isinstance(found, ModelFile)


def test_reading_a_model_file_loads_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, napari_organoid_synth.core.runs.model_file; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ------------------------------------------------------------------------------------------------------ command line


def test_share_and_import_on_the_command_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from napari_organoid_synth.cli import app

    project, file = Project(run.path.parents[1]).path, tmp_path / "model.synth"
    with pytest.raises(UserError, match="No licence is chosen"):
        app(["share", str(project), str(file)], standalone_mode=False)
    options = ["--licence", "MIT", "--set", "authors=Ada", "--checkpoint", "newest", "--json"]
    app(["share", str(project), str(file), *options], standalone_mode=False)
    shared = json.loads(capsys.readouterr().out)
    assert shared["bytes"] == file.stat().st_size
    assert (shared["steps"], shared["licence"], shared["pairs"]) == (20, "MIT", 2)
    app(["import-model", str(tmp_path / "other"), str(file), "--name", "mine", "--json"], standalone_mode=False)
    out, err = capsys.readouterr()
    imported = json.loads(out)
    assert imported["run"].endswith("-mine")
    assert (imported["authors"], imported["licence"]) == ("Ada", "MIT")
    assert "no optimiser state" in err
    app(
        ["import-model", str(tmp_path / "other"), str(file), "--json"], standalone_mode=False
    )  # its name in version 0.1
    assert json.loads(capsys.readouterr().out)["run"] == imported["run"]
    assert Project(tmp_path / "other").run_path(imported["run"]).exists()


def test_a_generator_of_other_images_does_not_enter_a_project(file: Path, tmp_path: Path) -> None:
    project = Project(tmp_path / "rgb")
    run = import_model(project, file)  # before there are pairs to compare with
    pair = em(0, 64)
    rgb = pair.replace(image=np.concatenate([pair.image] * 3), channel_names=("red", "green", "blue"))
    add_pair(project, rgb, "classes")
    with pytest.raises(Misfit) as caught:
        import_model(project, file, "again")
    assert str(caught.value) == (
        "The generator in model.synth has 1 channel. Expected 3 channels, like the real pairs of the project. "
        f"Import it into a project of such pairs; to start a training from its weights, give start.run={file}."
    )
    assert [path.name for path in project.runs()] == [run.name]
    with pytest.raises(Misfit, match=r"The generator of run 1 has 1 channel\. Expected 3 channels"):
        list(generate(project, GenerateSettings(run=run.name, number=1, masks="real", device="cpu"), Control()))
    with pytest.raises(Misfit, match=r"The generator in model\.synth has 1 channel"):
        find_run(Project(project.path), str(file.rename(tmp_path / "rgb" / "model.synth")))
    assert not project.samples_path.exists()


def test_a_generator_of_other_classes_does_not_enter_a_project(file: Path, tmp_path: Path) -> None:
    project = Project(tmp_path / "other")
    add_pair(project, em(0, 64).replace(class_names=("nuclei", "vesicles")), "classes")
    classes = r"2 classes \(mitochondria, membranes\)\. Expected 2 classes \(nuclei, vesicles\)"
    with pytest.raises(Misfit, match=rf"The generator in model\.synth has {classes}"):
        import_model(project, file)
