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
from napari_organoid_synth.core.export.border_core import to_border_core
from napari_organoid_synth.core.export.export import export
from napari_organoid_synth.core.export.layout import as_classes, as_instances
from napari_organoid_synth.core.export.layouts import LAYOUTS
from napari_organoid_synth.core.export.manifest import ExportResult, Manifest
from napari_organoid_synth.core.export.origins import origin_of
from napari_organoid_synth.core.export.selection import split_groups
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.job import Control, Finished
from napari_organoid_synth.core.pairs.loading import add_pair, check_pairs, find_pairs, split_table
from napari_organoid_synth.core.pairs.ome_tiff import read_pair, write_pair
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore

ALL = ("ome-tiff", "cellpose", "stardist", "nnunet", "biapy", "coco")
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
    assert run(project).result["sentence"].startswith("1 pair exported and verified. No real image is for testing.")
    out = project.path.parent / "out"
    last = pair.image[0] if len(pair.image) == 1 else np.moveaxis(pair.image, 0, -1)
    instances = pair.labels
    if pair.mask_kind != "instances":
        instances = pair.labels.copy()
        if kind == "binary":
            instances[20:40, 20:30] = 2  # the lower two touch: one object
    classes = to_border_core(pair.labels) if pair.mask_kind == "instances" else pair.labels
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
        else {"background": 0, "cell": 1}
        if kind == "binary"
        else {"background": 0, "core": 1, "border": 2}
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
    result = run(project, validation=0.2).result
    assert (result["written"], result["train"], result["test"], result["real"]) == (5, 4, 1, 0)
    assert "1 synthetic pair for testing: scores on them say little about real images." in result["sentence"]
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
    assert "core (1) and border (2)" in record["labels"]["nnunet"]
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
    assert "1 copy of a real image left out." in result["sentence"]
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


def test_two_exports_of_the_same_second_are_two(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(project, make("a"), make("b", 1))
    monkeypatch.setattr("time.strftime", lambda *_: "20260101-000000")
    settings, control = ExportSettings(formats=("cellpose",)), Control()
    control.pause()
    first = export(project, settings, control)
    next(first), next(first)
    second = list(export(project, settings, Control()))[-1]
    control.resume()
    ends = [list(first)[-1], second]
    names = [Path(end.result["folder"]).name for end in ends if isinstance(end, Finished)]
    assert names == ["20260101-000000", "20260101-000000-2"]
    assert all((project.path / "exports" / name / "manifest.json").exists() for name in names)
    assert sorted(path.name for path in (project.path / "exports").iterdir()) == names


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
    aside = split_groups(groups, 0.2, seed=3)
    assert sum(aside) == 20
    assert len({group for group, out in zip(groups, aside, strict=True) if out}) == 2
    assert split_groups(groups, 0.2, seed=3) == aside
    assert any(split_groups(groups, 0.2, seed=seed) != aside for seed in range(4))
    assert sum(split_groups(["one"] * 10, 0.2, seed=0)) == 0  # one image is never on both sides
    assert sum(split_groups(["one"] * 9 + ["two"], 0.2, seed=0)) in (1, 9)
    assert sum(split_groups(groups, 0.0, seed=0)) == 0
    assert sum(split_groups(["a"], 0.5, seed=0)) == 0
    assert sum(split_groups(["a", "b"], 0.1, seed=0)) == 1
    assert sum(split_groups(["a", "b"], 0.99, seed=0)) == 1


def test_samples_painted_on_one_mask_share_a_group() -> None:
    def origin(mask: dict[str, Any]) -> str:
        return origin_of(make("s").replace(source=Source("synthetic", provenance={"mask": mask})))

    assert origin({"kind": "real", "name": "img_3_y0_x128_r0"}) == "img_3"
    assert origin({"kind": "warped", "name": "img_3"}) == "img_3"
    assert origin({"kind": "arranged", "names": ["img_3"], "like": "img_3"}) == "img_3"
    assert origin({"kind": "arranged", "names": ["img_3", "img_4"]}) == ""  # of several images: a group of its own
    assert origin({"kind": "simulated", "name": "tissue"}) == ""
    assert origin_of(make("s")) == ""


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


def real_project(project: Project, names: list[str], tests: list[str]) -> None:
    """Give a project real pairs; equal seeds give equal pixels."""
    folder = project.path.parent / "real"
    for seed, name in enumerate(names):
        write_pair(folder, make(name, 50 + seed).replace(source=Source("real")))
    table = check_pairs(find_pairs(folder))
    (split_table(table, tests) if tests else table).to_file(project.pairs_path)


def painted_on(name: str, seed: int, **provenance: Any) -> SamplePair:
    mask = {"kind": "warped", "name": name}
    return make(f"of_{name}_{seed}", seed).replace(source=Source("synthetic", (), {"mask": mask, **provenance}))


TEST_FOLDERS = {
    "cellpose/test": "{}_img.tif",
    "stardist/test/images": "{}.tif",
    "biapy/test/x": "{}.tif",
    "Dataset501_MyOrganoids/imagesTs": "{}_0000.tif",
    "coco/test": "{}.png",
    "ome-tiff/test": "{}.ome.tif",
}


def test_test_folders_hold_the_real_test_images_alone(project: Project) -> None:
    real_project(project, ["a", "b", "c", "d"], ["b", "d"])
    fill(project, *(make(f"s{seed}", seed) for seed in range(6)))
    result = run(project, include_real=True).result
    assert (result["train"], result["test"], result["real"]) == (8, 2, 4)
    assert result["sentence"].startswith("10 pairs exported and verified. 2 real images for testing.")
    out = project.path.parent / "out"
    for folder, name in TEST_FOLDERS.items():
        images = {path.name for path in (out / folder).iterdir()} & {name.format(pair) for pair in "abcd"}
        assert images == {name.format(pair) for pair in "bd"}, folder
        assert not [path for path in (out / folder).iterdir() if path.name.startswith("s")], folder
    with tifffile.TiffFile(out / "stardist/test/images/b.tif") as file:
        np.testing.assert_array_equal(file.asarray(), make("b", 51).image[0])
    testing = [pair["name"] for pair in manifest(project)["samples"] if pair["split"] == "test"]
    assert testing == ["b", "d"]


def test_synthetic_pairs_are_for_testing_only_on_request(project: Project) -> None:
    real_project(project, ["a", "b", "c"], ["c"])
    fill(project, *(painted_on("ab"[seed % 2], seed) for seed in range(8)))
    assert run(project).result["test"] == 1
    result = run(project, validation=0.4, include_real=True, folder=str(project.path.parent / "second")).result
    assert "4 synthetic pairs for testing: scores on them say little about real images." in result["sentence"]
    pairs = json.loads((project.path.parent / "second/manifest.json").read_text())["samples"]
    sides: dict[str, set[str]] = {}
    for pair in pairs:  # a real image and all that was made of it are on one side
        sides.setdefault(pair["name"][3] if pair["synthetic"] else pair["name"], set()).add(pair["split"])
    assert all(len(side) == 1 for side in sides.values())
    assert {split for side in sides.values() for split in side} == {"train", "test"}


def test_what_is_made_of_test_images_is_left_out(project: Project) -> None:
    real_project(project, ["a", "b", "c"], ["b", "c"])
    seen = {"whatever": content_hash(make("b", 51).image, make("b", 51).labels)}
    mask_run = project.path / "runs/masks/run.json"
    mask_run.parent.mkdir(parents=True)
    mask_run.write_text(json.dumps({"format": 1, "data": seen}))
    learned = make("learned", 7).replace(source=Source("synthetic", (), {"data": seen}))
    drawn = make("drawn", 8).replace(source=Source("synthetic", (), {"mask": {"kind": "generated", "run": "masks"}}))
    fill(project, painted_on("a", 1), painted_on("b_y0_x0_r0", 2), painted_on("c", 3), learned, drawn)
    result = run(project).result
    assert (result["train"], result["test"], result["skipped_tests"]) == (1, 2, 4)
    assert "4 pairs made from test images left out." in result["sentence"]
    assert manifest(project)["skipped_tests"] == ["of_b_y0_x0_r0_2", "of_c_3", "learned", "drawn"]
    with SampleStore(project.samples_path) as store:
        store.decide(["of_a_1"], "rejected")
    with pytest.raises(UserError, match="4 accepted pairs were made from test images"):
        run(project, folder=str(project.path.parent / "second"))


def test_a_test_image_that_is_gone_does_not_stop_the_export(project: Project) -> None:
    real_project(project, ["a", "b", "c"], ["b", "c"])
    (project.path.parent / "real/b.ome.tif").unlink()
    fill(project, make("s"))
    result = run(project).result
    assert result["test"] == 1
    assert "1 test image cannot be read: b." in result["sentence"]


def test_equal_names_never_overwrite_one_another(project: Project) -> None:
    folders = project.path.parent / "x", project.path.parent / "y"
    for seed, folder in enumerate(folders):
        for name in ("Img 1", "img_1"):
            write_pair(folder / name[:3], make(name, 60 + seed + 5 * (name == "img_1")).replace(source=Source("real")))
    images = [path for folder in folders for path in sorted(folder.rglob("*1.ome.tif"))]
    masks = [path.with_name(path.name.replace(".ome", "_labels.ome")) for path in images]
    entries = [
        PairEntry(name=name, image=str(image), masks={"object": str(mask)}, split="test" if number > 1 else "train")
        for number, (name, image, mask) in enumerate(
            zip(["img 1", "img_1", "Img_1", "img/1"], images, masks, strict=True)
        )
    ]
    check_pairs(PairTable(entries=tuple(entries))).to_file(project.pairs_path)
    fill(project, make("img_1", 1))
    assert run(project, include_real=True).result["written"] == 5
    pairs = manifest(project)["samples"]
    assert [pair["name"] for pair in pairs] == ["img_1", "img_1-2", "img_1-3", "Img_1-4", "img_1-5"]
    assert len({pair["pixels"] for pair in pairs}) == 5
    files = [file["path"].casefold() for pair in pairs for file in pair["files"]]
    assert len(files) == len(set(files))


def test_an_image_without_objects_fits_every_layout(project: Project) -> None:
    empty = make("none", 3)
    fill(project, empty.replace(labels=np.zeros_like(empty.labels)), make("some", 4))
    run(project)
    out = project.path.parent / "out"
    for path in ("cellpose/train/none_masks.tif", "stardist/train/masks/none.tif", "biapy/train/y/none.tif",
                 "Dataset501_MyOrganoids/labelsTr/none.tif", "ome-tiff/none_labels.ome.tif"):  # fmt: skip
        assert tifffile.imread(out / path).max() == 0
    record = json.loads((out / "coco/annotations/train.json").read_text())
    assert [image["file_name"] for image in record["images"]] == ["none.png", "some.png"]
    assert {annotation["image_id"] for annotation in record["annotations"]} == {2}


def test_tiffs_tell_axes_channels_and_pixel_size(project: Project) -> None:
    fill(project, make("a", channels=2, channel_names=("DAPI", "GFP")))
    run(project, formats=("cellpose", "stardist"))
    for path, axes in (("cellpose/train/a_img.tif", "CYX"), ("stardist/train/images/a.tif", "YXC")):
        with tifffile.TiffFile(project.path.parent / "out" / path) as file:
            assert file.series[0].axes == axes
            assert file.shaped_metadata[0]["channel_names"] == ["DAPI", "GFP"]
            assert file.pages[0].tags["XResolution"].value[0] / file.pages[0].tags["XResolution"].value[1] == 40_000


def test_settings_of_earlier_exports_still_open(tmp_path: Path) -> None:
    values = {
        "software": "napari-organoid-synth 0.1",
        "settings": {"formats": ["nnunet"], "validation": 0.2},
        "samples": [],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    assert Manifest.from_file(tmp_path / "manifest.json").settings.validation == 0.2
