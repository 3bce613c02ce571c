"""Marks of pairs that are there, and pairing again: what a person chose stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_organoid_synth.cli import app
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.ome_tiff import write_labels
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.table import PairTable

NAMES = ("alpha", "bravo", "carol", "delta", "early")


def write(folder: Path, name: str, mask: str = "masks") -> None:
    rng = np.random.default_rng(sum(map(ord, name)))
    labels = np.zeros((32, 40), np.uint8)
    labels[4:12, 4:12], labels[20:28, 20:28] = 1, 2
    for kind, array in (("images", rng.integers(0, 255, labels.shape).astype(np.uint8)), (mask, labels)):
        (folder / kind).mkdir(exist_ok=True)
        tifffile.imwrite(folder / kind / f"{name}.tif", array)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in NAMES:
        write(tmp_path, name)
    return tmp_path


@pytest.fixture
def pair(data: Path) -> Callable[..., PairTable]:
    """Run 'pair' and read the table."""

    def run(*arguments: object) -> PairTable:
        done = CliRunner().invoke(app, ["pair", str(data / "p"), *map(str, arguments)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return PairTable.from_file(data / "p" / "pairs.json")

    run("--images", data / "images", "--masks", data / "masks", "--kind", "instances")
    return run


def change(data: Path, name: str, **changes: Any) -> None:
    path = data / "p" / "pairs.json"
    table = PairTable.from_file(path)
    rows = tuple(entry.replace(**changes) if entry.name == name else entry for entry in table.entries)
    table.replace(entries=rows).to_file(path)


def test_a_test_share_alone_marks_the_pairs_that_are_there(pair: Callable[..., PairTable]) -> None:
    assert pair().test == ()
    assert len(pair("--test", "0.2").test) == 1
    assert [entry.name for entry in pair("--test", "bravo,delta").test] == ["bravo", "delta"]
    assert len(pair().test) == 2  # looking changes nothing
    assert pair("--test", "0").test == ()
    assert len(pair("--set", "test=2").test) == 2
    assert pair("--set", "test=0").test == ()


def test_a_kind_alone_changes_the_meaning_of_the_masks(pair: Callable[..., PairTable]) -> None:
    assert pair().mask_kind == "instances"
    changed = pair("--kind", "binary")
    assert (changed.mask_kind, changed.kind_by_hand) == ("binary", True)
    assert pair().mask_kind == "binary"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--masks", "masks"], "--masks is given without --images. Expected the images, too"),
        (["--no-masks"], "--no-masks is given without --images."),
        (["--image-pattern", "{name}.tif"], "--image-pattern is given without --images."),
        (["--mask-pattern", "{name}.tif", "--test", "0.2"], "--mask-pattern is given without --images."),
        (["--seed", "3"], "--seed is given without --test."),
        (["--grade-column", "x"], "--grade-column is given without --grades."),
    ],
)
def test_a_setting_without_effect_is_refused(
    arguments: list[str], sentence: str, pair: Callable[..., PairTable], data: Path
) -> None:
    before = (data / "p" / "pairs.json").read_bytes()
    with pytest.raises(UserError) as caught:
        pair(*arguments)
    assert sentence in str(caught.value)
    assert (data / "p" / "pairs.json").read_bytes() == before


def test_pairing_again_keeps_what_was_chosen(pair: Callable[..., PairTable], data: Path) -> None:
    again = ("--images", data / "images", "--masks", data / "masks")
    pair("--test", "bravo,delta", "--scale", "0.5")
    change(data, "carol", status="skipped", reason="")
    change(data, "alpha", image_class="grade 2", group="mouse 7")
    write(data, "fresh")
    table = pair(*again)
    rows = {entry.name: entry for entry in table.entries}
    assert [entry.name for entry in table.test] == ["bravo", "delta"]
    assert rows["carol"].status == "skipped"
    assert (rows["alpha"].image_class, rows["alpha"].group) == ("grade 2", "mouse 7")
    assert {name: row.scale for name, row in rows.items()} == dict.fromkeys(NAMES, 0.5) | {"fresh": 1.0}
    assert (table.mask_kind, table.kind_by_hand) == ("instances", True)
    assert rows["fresh"].split == "train"
    table = pair(*again, "--scale", "1", "--kind", "binary", "--test", "0.4")  # what is given counts
    assert (table.scale, table.mask_kind, len(table.test)) == (1.0, "binary", 2)


def test_a_new_image_of_a_tested_group_is_tested(pair: Callable[..., PairTable], data: Path) -> None:
    write(data, "bravo_2")
    write(data, "alpha_2")
    again = ("--images", data / "images", "--masks", data / "masks", "--groups", r"^([a-z]+)")
    pair(*again)
    pair("--test", "bravo")
    write(data, "bravo_3")
    table = pair("--images", data / "images", "--masks", data / "masks")
    assert table.groups == r"^([a-z]+)"
    assert [entry.name for entry in table.test] == ["bravo", "bravo_2", "bravo_3"]


def added(data: Path, name: str) -> None:
    """As 'annotate' does: a predicted mask in the project, beside the one that gets its name."""
    labels = np.zeros((32, 40), np.int32)
    labels[14:18, 4:30] = 1
    path = data / "p" / "annotated" / f"{name}_crypt_labels.ome.tif"
    path.parent.mkdir(exist_ok=True)
    pixels = np.broadcast_to(np.zeros(1, np.uint8), (1, 32, 40))
    write_labels(path, SamplePair(name, pixels, labels, "binary", ("crypt",), source=Source("predicted")))
    change(data, name, masks={"nucleus": str(data / "masks" / f"{name}.tif"), "crypt": str(path)})


def test_pairing_again_keeps_the_masks_that_annotate_added(pair: Callable[..., PairTable], data: Path) -> None:
    added(data, "alpha")
    table = pair("--images", data / "images", "--masks", data / "masks", "--kind", "classes")
    masks = {entry.name: list(entry.masks) for entry in table.entries}
    assert masks["alpha"] == ["nucleus", "crypt"]
    assert Path(table.entry("alpha").masks["crypt"]).is_file()
    assert "crypt predicted, not drawn" in table.entry("alpha").reason
    (data / "p" / "annotated" / "alpha_crypt_labels.ome.tif").unlink()  # what is gone is not kept
    table = pair("--images", data / "images", "--masks", data / "masks", "--kind", "instances")
    assert len(table.entry("alpha").masks) == 1
    assert table.entry("alpha").status == "matched"


def test_a_mask_that_was_chosen_by_hand_is_chosen_again(pair: Callable[..., PairTable], data: Path) -> None:
    extra = data / "elsewhere"
    write(data, "zulu", "other")
    (data / "other").rename(extra)
    table = pair("--images", data / "images", "--masks", data / "masks")
    assert table.entry("zulu").status == "orphan"
    change(data, "zulu", status="matched", reason="", masks={"object": str(extra / "zulu.tif")})
    table = pair("--images", data / "images", "--masks", data / "masks")
    assert table.entry("zulu").status == "matched"
    assert table.entry("zulu").masks == {"object": str(extra / "zulu.tif")}


def test_a_damaged_table_is_made_again_and_said(data: Path) -> None:
    CliRunner().invoke(app, ["pair", str(data / "p"), "--images", str(data / "images"), "--masks", str(data / "masks")])
    (data / "p" / "pairs.json").write_text("{")
    done = CliRunner().invoke(
        app, ["pair", str(data / "p"), "--images", str(data / "images"), "--masks", str(data / "masks")]
    )
    assert done.exit_code == 0
    assert "What was chosen in it is lost." in done.stderr
    assert len(PairTable.from_file(data / "p" / "pairs.json").matched) == 5
