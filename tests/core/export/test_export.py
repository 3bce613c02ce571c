"""Exports: what other programs find, that nothing is half-written, what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_organoid_synth import __version__
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export import layouts
from napari_organoid_synth.core.export.export import export
from napari_organoid_synth.core.export.layouts import LAYOUTS, as_classes, as_instances
from napari_organoid_synth.core.export.manifest import ExportResult, Manifest
from napari_organoid_synth.core.export.selection import _origin, split_groups
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.job import Control, Finished
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.ome_tiff import read_pair
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source, content_hash
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore

ALL = ("ome-tiff", "cellpose", "stardist", "nnunet", "biapy")
KINDS: dict[str, dict[str, Any]] = {
    "grey16": {"channels": 1},
    "two": {"channels": 2, "channel_names": ("DAPI", "GFP")},
    "rgb": {"channels": 3, "dtype": np.uint8, "channel_names": RGB},
    "float": {"channels": 1, "dtype": np.float32},
    "binary": {"channels": 1, "mask_kind": "binary"},
    "classes": {"channels": 1, "mask_kind": "classes", "class_names": ("membrane", "mitochondrion")},
    "many": {"channels": 1, "top": 70_000},
}


def make(
    name: str,
    seed: int = 0,
    channels: int = 1,
    dtype: Any = np.uint16,
    mask_kind: str = "instances",
    class_names: tuple[str, ...] = ("cell",),
    channel_names: tuple[str, ...] = (),
    top: int = 3,
) -> SamplePair:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255 if dtype == np.uint8 else 60_000, (channels, 48, 64)).astype(dtype)
    labels = np.zeros((48, 64), np.int32)
    labels[2:10, 2:10], labels[20:30, 20:30], labels[30:40, 20:30] = 1, 2, top
    if mask_kind != "instances":
        labels = np.minimum(labels, len(class_names))
    source = Source("synthetic", provenance={"seed": seed, "model_sha256": "abc"})
    return SamplePair(name, image, labels, mask_kind, class_names, (0.5, 0.25), channel_names, source=source)  # type: ignore[arg-type]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "my organoids")


def fill(project: Project, *pairs: SamplePair, accept: bool = True) -> None:
    with SampleStore(project.samples_path) as store:
        ids = store.add_many(pairs, run="run-1")
        if accept:
            store.decide(ids, "accepted")


def run(project: Project, **changes: Any) -> Finished:
    settings = ExportSettings(**{"folder": str(project.path.parent / "out"), "formats": ALL} | changes)
    last = list(export(project, settings, Control()))[-1]
    assert isinstance(last, Finished)
    return last


def manifest(project: Project) -> dict[str, Any]:
    return json.loads((project.path.parent / "out" / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_layout_holds_the_same_numbers(project: Project, kind: str) -> None:
    pair = make("cell 1", **KINDS[kind])
    fill(project, pair)
    assert run(project).result["sentence"] == "1 pair exported and verified."
    out = project.path.parent / "out"
    last = pair.image[0] if len(pair.image) == 1 else np.moveaxis(pair.image, 0, -1)
    instances = pair.labels
    if pair.mask_kind != "instances":
        instances = pair.labels.copy()
        if kind == "binary":
            instances[20:40, 20:30] = 2  # the lower two touch: one object
    classes = (pair.labels > 0) if pair.mask_kind == "instances" else pair.labels
    label_type = np.uint32 if kind == "many" else np.uint16

    def check(path: str, expected: np.ndarray, dtype: Any) -> None:
        found = tifffile.imread(out / path)
        assert found.dtype == dtype, path
        np.testing.assert_array_equal(found, expected, err_msg=path)

    dtype = pair.image.dtype
    check("cellpose/train/cell_1_img.tif", last if pair.is_rgb or last.ndim == 2 else pair.image, dtype)
    if kind != "classes":
        check("cellpose/train/cell_1_masks.tif", instances, label_type)
        check("stardist/train/masks/cell_1.tif", instances, label_type)
    check("stardist/train/images/cell_1.tif", last, dtype)
    check("biapy/train/x/cell_1.tif", last, dtype)
    if pair.mask_kind == "instances":
        check("biapy/train/y/cell_1.tif", instances, label_type)
    else:
        check("biapy/train/y/cell_1.tif", classes, np.uint8)
    nnunet = "Dataset501_MyOrganoids"
    check(f"{nnunet}/labelsTr/cell_1.tif", classes, np.uint8)
    if pair.is_rgb:
        check(f"{nnunet}/imagesTr/cell_1_0000.tif", last, dtype)
    else:
        for number, channel in enumerate(pair.image):
            check(f"{nnunet}/imagesTr/cell_1_{number:04d}.tif", channel, dtype)
    record = json.loads((out / nnunet / "dataset.json").read_text())
    assert record["numTraining"] == 1
    assert record["file_ending"] == ".tif"
    assert list(record["channel_names"].values()) == {
        "two": ["DAPI", "GFP"], "rgb": ["R", "G", "B"],
    }.get(kind, ["channel 0"])  # fmt: skip
    assert record["labels"] == (
        {"background": 0, "membrane": 1, "mitochondrion": 2}
        if kind == "classes"
        else {"background": 0, pair.class_names[0]: 1}
    )
    again = read_pair(out / "ome-tiff/cell_1.ome.tif")
    assert content_hash(again.image, again.labels) == content_hash(pair.image, pair.labels)
    assert again.pixel_size == pytest.approx((0.5, 0.25))
    assert again.source.provenance["verdict"] == "accepted"
    assert again.source.provenance["model_sha256"] == "abc"
    for folder in ("cellpose/test", "stardist/test/masks", "biapy/test/y", f"{nnunet}/imagesTs"):
        assert (out / folder).is_dir()


def test_masks_become_objects_or_classes() -> None:
    binary = make("a", mask_kind="binary")
    assert as_instances(binary).max() == 2
    assert as_classes(make("a")).max() == 1
    three = make("a", mask_kind="classes", class_names=("x", "y", "z"))
    assert np.unique(as_instances(three)).tolist() == [0, 1, 2, 3]  # touching classes stay apart
    assert (
        as_classes(make("a", mask_kind="classes", class_names=tuple(map(str, range(300))), top=299)).dtype == np.uint16
    )


def test_manifest_names_every_file_with_its_digest(project: Project) -> None:
    fill(project, *(make(f"s{seed}", seed) for seed in range(5)))
    with SampleStore(project.samples_path) as store:
        store.rate("s3", {"realism": 0.75}, note="sharp")
    recipe = project.path / "runs/run-1/recipe.yaml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("gan: {name: pix2pix}\n")
    result = run(project).result
    assert (result["written"], result["train"], result["test"], result["real"]) == (5, 4, 1, 0)
    out, record = project.path.parent / "out", manifest(project)
    assert record["software"] == f"napari-organoid-synth {__version__}"
    assert [sample["split"] for sample in record["samples"]].count("test") == 1
    sample = record["samples"][3]
    assert (sample["name"], sample["verdict"], sample["synthetic"]) == ("s3", "accepted", True)
    assert (sample["scores"], sample["note"], sample["run"]) == ({"realism": 0.75}, "sharp", "run-1")
    assert sample["provenance"]["model_sha256"] == "abc"
    assert sample["pixels"] == content_hash(make("s3", 3).image, make("s3", 3).labels)
    files = [file for entry in record["samples"] for file in entry["files"]] + record["documents"]
    for file in files:
        assert hashlib.sha256((out / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    on_disk = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert on_disk == {file["path"] for file in files} | {"manifest.json"}
    assert (out / "recipes/run-1.yaml").read_text() == "gan: {name: pix2pix}\n"
    assert ExportSettings.from_file(out / "export.yaml").formats == ALL
    assert "class 1" in record["labels"]["nnunet"]
    read = Manifest.from_file(out / "manifest.json")
    assert json.loads(read.to_json()) == record
    assert (read.format, read.samples[3].scores, read.copies) == (1, {"realism": 0.75}, None)
    assert read.samples[3].files[0].path == "ome-tiff/s3.ome.tif"


def test_real_pairs_come_along_under_free_names(project: Project) -> None:
    real = make("s0", 9)
    add_pair(
        project, SamplePair("s0", real.image, real.labels, pixel_size=(0.5, 0.25), class_names=("cell",)), "instances"
    )
    fill(project, make("s0", 0), make("s1", 1))
    assert run(project, include_real=True).result["real"] == 1
    samples = {sample["name"]: sample for sample in manifest(project)["samples"]}
    assert list(samples) == ["s0", "s1", "s0-2"]
    assert (samples["s0-2"]["synthetic"], samples["s0-2"]["verdict"]) == (False, None)
    found = tifffile.imread(next((project.path.parent / "out/cellpose").rglob("s0-2_img.tif")))
    np.testing.assert_array_equal(found, real.image[0])


def test_copies_stay_behind_and_are_named(project: Project) -> None:
    fill(project, make("a"), make("b", 1))
    with SampleStore(project.samples_path) as store:
        store.rate("b", {}, flagged="copy")
    result = run(project).result
    assert (result["written"], result["skipped_copies"]) == (1, 1)
    assert result["sentence"].endswith("1 copy of a real image left out.")
    assert manifest(project)["skipped_copies"] == ["b"]
    with SampleStore(project.samples_path) as store:
        store.decide(["a"], "rejected")
    with pytest.raises(UserError, match="The only accepted pair is flagged as a copy"):
        run(project, folder=str(project.path.parent / "second"))


def test_copies_with_a_reason_are_exported_and_the_reason_is_kept(project: Project) -> None:
    fill(project, make("a"), make("b", 1))
    with SampleStore(project.samples_path) as store:
        store.rate("b", {}, flagged="copy, mask")
    result = run(project, copies=" a test of the copy detector ").result
    assert (result["written"], result["skipped_copies"], result["copies"]) == (2, 0, 1)
    assert result["sentence"].endswith("1 copy of a real image included: a test of the copy detector")
    kept = manifest(project)
    assert [pair.is_copy for pair in Manifest.from_file(project.path.parent / "out/manifest.json").samples] == [
        False,
        True,
    ]
    assert kept["copies"] == {"reason": "a test of the copy detector", "samples": ["b"]}
    assert {sample["name"]: sample["flagged"] for sample in kept["samples"]} == {"a": "", "b": "copy, mask"}


def test_nothing_accepted_says_what_to_do(project: Project) -> None:
    fill(project, make("a"), accept=False)
    with pytest.raises(UserError, match=r"No pair is accepted \(1 new, 0 rejected\).*Accept some"):
        run(project)
    assert not (project.path.parent / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(project: Project) -> None:
    fill(project, make("a"))
    out = project.path.parent / "out"
    out.mkdir()
    run(project)  # empty is fine
    before = sorted(out.rglob("*"))
    with pytest.raises(UserError, match="is not empty"):
        run(project)
    assert sorted(out.rglob("*")) == before


def test_without_a_folder_it_lies_in_the_project(project: Project) -> None:
    fill(project, make("a"))
    folder = Path(run(project, folder="", formats=("cellpose",)).result["folder"])
    assert folder.parent == project.path / "exports"
    assert (folder / "cellpose/train/a_img.tif").exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("format", ["ome-tiff", "stardist"])
def test_a_full_disk_leaves_nothing(project: Project, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    fill(project, make("a"), make("b", 1))
    real, written = layouts.write_bytes, []

    def write(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(layouts, "write_bytes", write)
    monkeypatch.setattr("napari_organoid_synth.core.pairs.ome_tiff.write_bytes", write)
    with pytest.raises(UserError, match=r"is full.*No file is incomplete"):
        run(project, formats=(format,))
    assert len(written) == 3
    assert [path.name for path in project.path.parent.iterdir()] == ["my organoids"]


def test_a_file_that_reads_back_different_stops_the_export(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(project, make("a"))
    real = layouts.write_bytes

    def write(path: Path, data: bytes) -> None:
        pixel = make("a").image[0].tobytes()[:16]
        assert pixel in data or "masks" in path.name
        real(path, data.replace(pixel, b"\1" * 16))

    monkeypatch.setattr(layouts, "write_bytes", write)
    with pytest.raises(UserError, match=r"a_img\.tif reads back different"):
        run(project, formats=("cellpose",))
    assert [path.name for path in project.path.parent.iterdir()] == ["my organoids"]


def test_stopping_or_closing_leaves_nothing(project: Project) -> None:
    fill(project, make("a"), make("b", 1))
    settings = ExportSettings(folder=str(project.path.parent / "out"), formats=("cellpose",))
    control = Control()
    events = export(project, settings, control)
    next(events)
    control.cancel()
    last = list(events)[-1]
    assert isinstance(last, Finished)
    assert (last.reason, ExportResult.parse(last.result)) == ("canceled", ExportResult())
    control = Control()
    control.pause()
    events = export(project, settings, control)
    next(events), next(events)
    assert (project.path.parent / ".out.part").exists()
    events.close()
    assert [path.name for path in project.path.parent.iterdir()] == ["my organoids"]


def test_what_a_killed_export_left_is_swept(project: Project) -> None:
    fill(project, make("a"))
    left = project.path.parent / ".out.part" / "cellpose"
    left.mkdir(parents=True)
    (left / "old.tif").write_bytes(b"half")
    run(project, formats=("cellpose",))
    assert not left.exists()
    assert not list((project.path.parent / "out").rglob("old.tif"))


def test_nnunet_refuses_a_mixture(project: Project) -> None:
    fill(project, make("a"), make("b", channels=2))
    run(project, formats=("cellpose",))
    with pytest.raises(UserError, match="'b' has 2 channels, classes 1, 'a' has 1 channel, classes 1"):
        run(project, formats=("nnunet",), folder=str(project.path.parent / "second"))
    assert not (project.path.parent / "second").exists()


def test_split_keeps_what_comes_from_one_image_together() -> None:
    groups = [f"real{number // 10}" for number in range(100)]
    aside, by = split_groups(groups, 0.2, seed=3)
    assert by == "real image"
    assert sum(aside) == 20
    assert len({group for group, out in zip(groups, aside, strict=True) if out}) == 2
    assert split_groups(groups, 0.2, seed=3)[0] == aside
    assert any(split_groups(groups, 0.2, seed=seed)[0] != aside for seed in range(4))
    few, by = split_groups(["one"] * 10, 0.2, seed=0)
    assert (sum(few), by) == (2, "pair")
    assert sum(split_groups(groups, 0.0, seed=0)[0]) == 0
    assert sum(split_groups(["a"], 0.5, seed=0)[0]) == 0
    assert sum(split_groups(["a", "b"], 0.1, seed=0)[0]) == 1
    assert sum(split_groups(["a", "b"], 0.99, seed=0)[0]) == 1


def test_samples_painted_on_one_mask_share_a_group() -> None:
    def origin(mask: dict[str, Any]) -> str:
        return _origin(make("s").replace(source=Source("synthetic", provenance={"mask": mask})))

    assert origin({"kind": "real", "name": "img_3_y0_x128_r0"}) == "img_3"
    assert origin({"kind": "warped", "name": "img_3"}) == "img_3"
    assert origin({"kind": "simulated", "name": "tissue"}) == "sample s"
    assert _origin(make("s")) == "sample s"


def test_cellpose_finds_images_and_masks(project: Project) -> None:
    io = pytest.importorskip("cellpose.io", reason="cellpose is not installed", exc_type=ImportError)
    fill(project, *(make(f"s{seed}", seed) for seed in range(5)))
    run(project, formats=("cellpose",))
    folder = project.path.parent / "out/cellpose"
    found = io.load_train_test_data(
        str(folder / "train"), str(folder / "test"), image_filter="_img", mask_filter="_masks"
    )
    images, masks, _, test_images, test_masks, _ = found
    assert (len(images), len(masks), len(test_images), len(test_masks)) == (4, 4, 1, 1)
    by_sum = {int(make("", seed).image.sum()): seed for seed in range(5)}
    for image, mask in zip([*images, *test_images], [*masks, *test_masks], strict=True):
        seed = by_sum[int(image.astype(np.int64).sum())]
        np.testing.assert_array_equal(np.squeeze(image), make("", seed).image[0])
        np.testing.assert_array_equal(mask, make("", seed).labels)


def test_nnunet_reads_them_as_scikit_image_does(project: Project) -> None:
    from skimage import io

    fill(project, make("a", channels=3, dtype=np.uint8, channel_names=RGB))
    run(project, formats=("nnunet",))
    folder = project.path.parent / "out/Dataset501_MyOrganoids"
    assert io.imread(folder / "imagesTr/a_0000.tif").shape == (48, 64, 3)
    assert io.imread(folder / "labelsTr/a.tif").shape == (48, 64)


def test_every_layout_is_a_choice_of_the_settings() -> None:
    assert {"ome-tiff", *LAYOUTS} == set(ALL)
    ExportSettings(formats=ALL)
