"""Exports are read and accepted by the programs' own code; a program that is not installed is skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_organoid_synth.core.export.export import export
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.job import Control, Finished
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, split_table
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore

ODD = ("Zelle α/β", "", "Zelle α/β", "50 % grün")
SETS: dict[str, dict[str, Any]] = {
    "instances": {},
    "two channels": {"channels": 2, "channel_names": ("CT", "GFP")},
    "rgb": {"channels": 3, "dtype": np.uint8, "channel_names": RGB},
    "float": {"dtype": np.float32},
    "binary": {"mask_kind": "binary", "class_names": ("background",)},
    "background": {"mask_kind": "classes", "class_names": ("Background", "cells", "ignore", "debris")},
    "odd names": {"mask_kind": "classes", "class_names": ODD},
}


def make(
    name: str,
    seed: int = 0,
    channels: int = 1,
    dtype: Any = np.uint16,
    mask_kind: str = "instances",
    class_names: tuple[str, ...] = ("cell",),
    channel_names: tuple[str, ...] = (),
    n_objects: int = 7,
    kind: str = "synthetic",
) -> SamplePair:
    """Return a pair with touching objects, a hole, and an object in two pieces, numbered with gaps."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255 if dtype == np.uint8 else 4000, (channels, 64, 80)).astype(dtype)
    labels = np.zeros((64, 80), np.int32)
    for k in range(n_objects):
        labels[4 + 8 * (k // 8) : 12 + 8 * (k // 8), 4 + 8 * (k % 8) : 12 + 8 * (k % 8)] = 2 * k + 1
    if n_objects:
        labels[6:8, 6:8] = 0
        labels[40:46, 20:26] = 1
    if mask_kind != "instances":
        labels = np.where(labels, (labels // 2) % len(class_names) + 1, 0).astype(np.int32)
    return SamplePair(name, image, labels, mask_kind, class_names, (0.5, 0.25), channel_names, source=Source(kind))  # type: ignore[arg-type]


def exported(tmp_path: Path, pairs: list[SamplePair], tests: list[SamplePair], **changes: Any) -> Path:
    """Export samples of a project with real test images (and one to train on)."""
    project = Project(tmp_path / "my cells")
    with SampleStore(project.samples_path) as store:
        store.decide(store.add_many(pairs), "accepted")
    if tests:
        for pair in tests:
            write_pair(tmp_path / "real", pair)
        write_pair(tmp_path / "real", tests[0].replace(name="train0", image=tests[0].image[:, ::-1]))
        table = split_table(check_pairs(find_pairs(tmp_path / "real")), [pair.name for pair in tests])
        table.to_file(project.pairs_path)
    out = tmp_path / "out"
    formats = ("cellpose", "stardist", "nnunet", "biapy", "coco")
    settings = ExportSettings(**{"folder": str(out), "formats": formats} | changes)
    last = list(export(project, settings, Control()))[-1]
    assert isinstance(last, Finished)
    return out


def standard(tmp_path: Path, **kind: Any) -> Path:
    """Export four samples, one of them without objects, and two real test images."""
    samples = [make(f"s{k}", k, **kind) for k in range(3)] + [make("empty", 9, n_objects=0, **kind)]
    return exported(tmp_path, samples, [make(f"real{k}", 20 + k, kind="real", **kind) for k in range(2)])


def expected(name: str, kind: str) -> SamplePair:
    """Return the pair of `standard` of that name."""
    if name == "empty":
        return make(name, 9, **SETS[kind], n_objects=0)
    return make(name, int(name[-1]) + 20 * name.startswith("real"), **SETS[kind])


def check_nnunet(folder: Path) -> dict[str, Any]:
    """Let nnU-Net check a data set, without the processes that it starts for that."""
    verify = pytest.importorskip("nnunetv2.experiment_planning.verify_dataset_integrity", exc_type=ImportError)
    from multiprocessing.pool import ThreadPool
    from types import SimpleNamespace

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify.multiprocessing, "get_context", lambda _: SimpleNamespace(Pool=ThreadPool))
        verify.verify_dataset_integrity(str(folder), num_processes=1)
    return json.loads((folder / "dataset.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", SETS)
def test_nnunet_verifies_the_data_set(tmp_path: Path, kind: str) -> None:
    record = check_nnunet(standard(tmp_path, **SETS[kind]) / "Dataset501_MyCells")
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    labels = LabelManager(record["labels"], None)
    assert labels.foreground_labels
    assert labels.has_ignore_label == (kind == "background")


@pytest.mark.parametrize("kind", SETS)
def test_labels_and_channels_have_names_by_the_rules_of_nnunet(tmp_path: Path, kind: str) -> None:
    folder = standard(tmp_path, **SETS[kind]) / "Dataset501_MyCells"
    record = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    wanted = {
        "instances": {"background": 0, "core": 1, "border": 2},
        "binary": {"background": 0, "object": 1},
        "background": {"background": 0, "cells": 1, "debris": 2, "ignore": 3},
        "odd names": {"background": 0, "Zelle α/β": 1, "class 2": 2, "Zelle α/β (2)": 3, "50 % grün": 4},
    }
    assert record["labels"] == wanted.get(kind, wanted["instances"])
    if kind == "two channels":  # CT would be scaled like a tomography
        assert list(record["channel_names"].values()) == ["channel CT", "GFP"]
    assert record["numTraining"] == len(list((folder / "labelsTr").iterdir())) == 4
    assert sorted(path.name for path in (folder / "labelsTs").iterdir()) == ["real0.tif", "real1.tif"]
    for path in folder.glob("labelsT?/*"):
        assert set(np.unique(tifffile.imread(path))) <= set(record["labels"].values())


def test_a_class_named_background_is_the_background(tmp_path: Path) -> None:
    pair = make("s", **SETS["background"])
    folder = exported(tmp_path, [pair], [], formats=("nnunet",)) / "Dataset501_MyCells"
    found = tifffile.imread(folder / "labelsTr/s.tif")
    np.testing.assert_array_equal(found, np.array([0, 0, 1, 3, 2])[pair.labels])
    record = json.loads((folder / "dataset.json").read_text())
    assert record["labels"] == {"background": 0, "cells": 1, "debris": 2, "ignore": 3}
    assert list(record["labels"].values()) == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
def test_cellpose_trains_on_what_the_manifest_says(tmp_path: Path) -> None:
    io = pytest.importorskip("cellpose.io", reason="cellpose is not installed", exc_type=ImportError)
    import torch
    from cellpose import train
    from cellpose.cli import get_arg_parser

    samples = [make(f"s{k}", k, n_objects=count) for k, count in enumerate((7, 3, 0, 12))]
    out = exported(tmp_path, samples, [make("real0", 20, kind="real")], formats=("cellpose",))
    folder = out / "cellpose"
    manifest = json.loads((out / "manifest.json").read_text())
    sentence = "2 training images of 4 have fewer than 5 objects: Cellpose leaves them out unless it is given"
    assert sentence in manifest["remarks"][0]
    command = (folder / "README.txt").read_text().splitlines()[2].split()
    assert sentence in (folder / "README.txt").read_text()
    options = get_arg_parser().parse_args(command[1:])
    assert (options.img_filter, options.mask_filter, options.min_train_masks) == ("_img", "_masks", 0)
    images, masks, _, test_images, test_masks, _ = io.load_train_test_data(
        str(folder / options.dir), str(folder / options.test_dir), options.img_filter, options.mask_filter
    )
    assert (len(images), len(test_images)) == (4, 1)
    by_sum = {int(pair.image.sum()): pair for pair in [*samples, make("real0", 20)]}
    for image, mask in zip([*images, *test_images], [*masks, *test_masks], strict=True):
        pair = by_sum[int(image.astype(np.int64).sum())]
        np.testing.assert_array_equal(np.squeeze(image), pair.image[0])
        np.testing.assert_array_equal(mask, pair.labels)
    if hasattr(train, "_process_train_test"):
        device = torch.device("cpu")
        kept = [
            len(
                train._process_train_test(train_data=images, train_labels=masks, min_train_masks=least, device=device)[
                    0
                ]
            )
            for least in (5, options.min_train_masks)
        ]
        assert kept == [2, 4]


@pytest.mark.parametrize("kind", ["instances", "rgb", "two channels"])
def test_stardist_loads_pairs_as_in_its_examples(tmp_path: Path, kind: str) -> None:
    data = pytest.importorskip("csbdeep.data", exc_type=ImportError)
    matching = pytest.importorskip("stardist.matching", exc_type=ImportError)
    out = standard(tmp_path, **SETS[kind]) / "stardist"
    for split, names in (("train", {"s0", "s1", "s2", "empty"}), ("test", {"real0", "real1"})):
        axes = "YX" if kind == "instances" else "YXC"
        raw = data.RawData.from_folder(str(out / split), source_dirs=["images"], target_dir="masks", axes=axes)
        pairs = list(_read_pairs(out / split))
        assert raw.size == len(pairs) == len(names)
        for name, image, mask in pairs:
            assert name in names
            matching._check_label_array(mask, name)
            assert image.shape[:2] == mask.shape
            np.testing.assert_array_equal(mask, expected(name, kind).labels)


def _read_pairs(folder: Path) -> Any:
    for path in sorted((folder / "images").iterdir()):
        yield path.stem, tifffile.imread(path), tifffile.imread(folder / "masks" / path.name)


@pytest.mark.parametrize("kind", SETS)
def test_the_coco_api_reads_the_same_objects(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    api = pytest.importorskip("pycocotools.coco", exc_type=ImportError)
    from pycocotools import mask as mask_api
    from skimage import io
    from skimage.measure import label

    out = standard(tmp_path, **SETS[kind]) / "coco"
    for split, names in (("train", {"s0", "s1", "s2", "empty"}), ("test", {"real0", "real1"})):
        coco = api.COCO(str(out / f"annotations/{split}.json"))
        capsys.readouterr()
        images = coco.loadImgs(coco.getImgIds())
        assert {Path(image["file_name"]).stem for image in images} == names
        for image in images:
            name = Path(image["file_name"]).stem
            pair = expected(name, kind)
            pixels = io.imread(out / split / image["file_name"])
            assert pixels.shape[:2] == (image["height"], image["width"]) or pixels.shape[1:] == (64, 80)
            objects = pair.labels
            if pair.mask_kind != "instances":
                objects = label(np.where(no_objects(pair), 0, pair.labels), connectivity=2)
            found = np.zeros_like(objects)
            annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
            for annotation in annotations:
                mask = coco.annToMask(annotation).astype(bool)
                assert len(np.unique(objects[mask])) == 1
                assert annotation["area"] == mask.sum() == mask_api.area(coco.annToRLE(annotation))
                assert annotation["bbox"] == mask_api.toBbox(coco.annToRLE(annotation)).tolist()
                assert annotation["iscrowd"] == 0
                value = int(pair.labels[mask][0]) if pair.mask_kind == "classes" else 1
                name_of = coco.loadCats(annotation["category_id"])[0]["name"]
                assert name_of == _unique(pair.class_names)[value - 1]
                found[mask] = objects[mask][0]
            np.testing.assert_array_equal(found, objects)
            assert bool(annotations) == (name != "empty")


def no_objects(pair: SamplePair) -> np.ndarray:
    """Return where a class is background or to be ignored."""
    return np.isin(pair.labels, (1, 3)) if "ignore" in pair.class_names else np.zeros(pair.labels.shape, bool)


def test_background_is_no_object_anywhere(tmp_path: Path) -> None:
    pair = make("s", **SETS["background"])
    out = exported(tmp_path, [pair], [])
    for path in ("cellpose/train/s_masks.tif", "stardist/train/masks/s.tif"):
        np.testing.assert_array_equal(tifffile.imread(out / path) > 0, np.isin(pair.labels, (2, 4)))
    np.testing.assert_array_equal(tifffile.imread(out / "biapy/train/y/s.tif"), np.array([0, 0, 1, 3, 2])[pair.labels])
    record = json.loads((out / "coco/annotations/train.json").read_text())
    assert [category["name"] for category in record["categories"]] == ["cells", "debris"]
    assert sum(one["area"] for one in record["annotations"]) == np.isin(pair.labels, (2, 4)).sum()


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    return ("Zelle α/β", "class 2", "Zelle α/β (2)", "50 % grün") if names == ODD else names


@pytest.mark.parametrize("kind", ["instances", "two channels", "background"])
def test_biapy_reads_its_default_folders(tmp_path: Path, kind: str) -> None:
    data = pytest.importorskip("biapy.data.data_manipulation", exc_type=ImportError)
    config = pytest.importorskip("biapy.config.config", exc_type=ImportError)
    out = standard(tmp_path, **SETS[kind]) / "biapy"
    settings = config.Config(str(out), "job")._C.DATA
    for part in (settings.TRAIN, settings.TEST):
        below = [Path(path).relative_to("user_data") for path in (part.PATH, part.GT_PATH)]
        images, masks = (data.load_data_from_dir(str(out / path)) for path in below)
        assert len(images) == len(masks) == (4 if part is settings.TRAIN else 2)
        for image, mask in zip(images, masks, strict=True):
            assert image.shape == (64, 80, SETS[kind].get("channels", 1))
            assert mask.shape == (64, 80, 1)
        if kind == "background":
            data.check_masks(str(out / below[1]), n_classes=5)


def test_an_export_comes_back_in_as_pairs(tmp_path: Path) -> None:
    out = standard(tmp_path)
    table = check_pairs(find_pairs(out / "coco/test", out / "coco/annotations/test.json"))
    assert [(entry.name, entry.status) for entry in table.entries] == [("real0", "matched"), ("real1", "matched")]
    assert (table.mask_kind, table.entries[0].n_objects) == ("instances", 7)
