"""The command samples: what a query finds is listed, changed, deleted and brought back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from terminal import Done, result, run

REALISM = {"a": 0.9, "b": 0.2, "c": 0.6, "d": 0.4}


def pair(name: str, objects: int = 1) -> SamplePair:
    image, labels = np.full((1, 64, 64), 50, np.uint8), np.zeros((64, 64), np.int32)
    for number in range(objects):
        labels[8 * number : 8 * number + 4, :8] = number + 1
    image[:, labels > 0] = 200
    return SamplePair(name, image, labels, "instances", ("cell",))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "p")
    with SampleStore(made.samples_path) as store:
        for number, (name, realism) in enumerate(REALISM.items(), 1):
            store.rate(store.add(pair(name, number), run="run1"), {"realism": realism})
    return made


def samples(project: Project, *options: object, code: int = 0) -> dict:
    done = run("samples", project.path, *options, "--json")
    assert done.code == code, done.err
    return result(done.out)


def names(found: dict) -> list[str]:
    return [one["name"] for one in found["samples"]]


def test_the_language_of_the_gallery_finds_sorts_and_limits(project: Project) -> None:
    found = samples(project, "--query", "realism > 0.3", "--sort", "-realism")
    assert (names(found), found["found"]) == (["a", "c", "d"], 3)
    assert [one["objects"] for one in found["samples"]] == [1, 3, 4]
    assert found["samples"][1]["scores"] == {"realism": 0.6}
    assert names(samples(project, "--query", "realism > 0.3", "--sort", "realism", "--limit", 2)) == ["d", "c"]
    assert {key: found[key] for key in ("new", "accepted", "rejected")} == {"new": 4, "accepted": 0, "rejected": 0}
    said = run("samples", project.path, "--query", "a")
    assert said.out.splitlines()[0].split() == ["a", "new", "1", "realism=0.9"]
    assert said.out.splitlines()[-1] == "1 sample found (4 new, 0 accepted, 0 rejected in all)."


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--query", "realsm > 1"], "Did you mean 'realism'?"),
        (["--query", "realism >"], "After '>' there is nothing."),
        (
            ["--sort", "-realizm"],
            "Samples cannot be sorted by 'realizm'. Expected one of: created, name, realism. Did you",
        ),
        (["--accept", "z"], "There is no sample 'z'"),
        (["--accept", "found"], "There is no query. 'found' stands for all samples that the query finds. Add --query"),
        (["--tag", "blurred"], "There is no query. Tags and notes go for all samples that the query finds."),
        (["--restore", "a"], "There is no sample 'a' in"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_changes(options: list[str], sentence: str, project: Project) -> None:
    done = run("samples", project.path, *options)
    assert (done.code, done.out) == (1, "")
    assert sentence in done.err
    assert samples(project)["new"] == 4


def test_what_is_found_is_accepted_rejected_reset_and_undone(project: Project) -> None:
    assert samples(project, "--query", "realism > 0.5", "--accept", "found")["changed"] == ["a", "c"]
    assert samples(project, "--reject", "b", "--reject", "d")["rejected"] == 2
    assert names(samples(project, "--query", "verdict == accepted")) == ["a", "c"]
    assert samples(project, "--query", "verdict == rejected", "--limit", 1, "--reset", "found")["changed"] == ["b"]
    after = samples(project, "--undo")
    assert (after["changed"], after["rejected"]) == (["b"], 2)
    assert samples(project, "--redo")["rejected"] == 1
    assert samples(project, "--accept", "best:3")["accepted"] == 3


def test_tags_flags_and_notes_go_to_what_is_found(project: Project) -> None:
    query = ["--query", "realism < 0.5"]
    found = samples(project, *query, "--tag", "blurred", "--tag", "dark", "--note", "look again", "--flag", "copy")
    assert found["changed"] == ["b", "d"]
    for one in found["samples"]:
        assert (one["tags"], one["note"], one["flagged"]) == (["blurred", "dark"], "look again", "copy")
    assert names(samples(project, "--query", "tag == dark and flagged")) == ["b", "d"]
    after = samples(project, *query, "--untag", "dark", "--unflag", "copy", "--no-note")
    assert [(one["tags"], one["note"], one["flagged"]) for one in after["samples"]] == [(["blurred"], "", "")] * 2
    samples(project, "--undo")  # the flag
    assert names(samples(project, "--query", "flagged")) == ["b", "d"]


def test_deleted_samples_lie_in_the_bin_and_come_back_as_they_were(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        store.decide(["a"], "accepted")
        store.annotate(["a"], add=["nice"], remark="mine")
        edited = store.pair("a").labels.copy()
        edited[40:50, 40:50] = 2
        store.edit_mask("a", edited)
        before, digest = store.row("a"), store.pair("a").labels.sum()
    bin_folder = project.path / "bin" / "samples"
    after = samples(project, "--query", "realism > 0.5", "--delete", "found", "--delete", "a")
    assert (sorted(after["changed"]), after["new"], after["accepted"]) == (["a", "c"], 2, 0)
    files = sorted(path.relative_to(bin_folder).as_posix() for path in bin_folder.rglob("*.tif"))
    assert files == [
        "a.ome.tif", "a_labels.ome.tif", "c.ome.tif", "c_labels.ome.tif", "edited/a.2_labels.ome.tif"
    ]  # fmt: skip
    assert names(samples(project)) == ["b", "d"]
    assert names(samples(project, "--deleted")) == ["a", "c"]
    with SampleStore(project.samples_path) as store:
        assert (store.ids(), [row.id for row in store.rows()], store.tags()) == (["b", "d"], ["b", "d"], [])
        for use in (lambda: store.row("a"), lambda: store.decide(["a"], "rejected")):
            with pytest.raises(UserError, match=r"'a' is in the bin of the project. Bring it back with"):
                use()
        assert store.add(pair("a")) == "a-2"  # the name is not given away
    assert samples(project, "--restore", "a")["changed"] == ["a"]
    with SampleStore(project.samples_path) as store:
        assert store.row("a") == before
        assert store.pair("a").labels.sum() == digest
    assert names(samples(project, "--deleted")) == ["c"]


def test_undo_brings_deleted_samples_back_and_redo_deletes_them(project: Project) -> None:
    samples(project, "--delete", "b", "--delete", "d")
    with SampleStore(project.samples_path) as store:  # as the key U in the window does
        assert store.undo() == ["b", "d"]
        assert [store.pair(id).n_objects for id in ("b", "d")] == [2, 4]
        assert not list((project.path / "bin").rglob("*.tif"))
        assert store.redo() == ["b", "d"]
    assert names(samples(project)) == ["a", "c"]
    for path in (project.path / "bin").rglob("d.ome.tif"):
        path.unlink()
    done = run("samples", project.path, "--restore", "all", "--json")
    assert done.code == 1
    assert "The files of 'd' are not in" in done.out
    assert names(samples(project)) == ["a", "c"]


def test_pairs_are_added_from_a_folder_and_the_broken_ones_named(project: Project, tmp_path: Path) -> None:
    for number, name in enumerate(("x", "y"), 5):
        write_pair(tmp_path / "more", pair(name, number))
    write_pair(tmp_path / "more", pair("again"))
    (tmp_path / "more" / "y.ome.tif").write_bytes(b"II*\0")
    found = samples(project, "--import", tmp_path / "more", code=1)
    assert (found["added"], found["new"]) == (["x"], 5)
    assert list(found["failed"]) == ["again.ome.tif", "y.ome.tif"]
    assert found["failed"]["again.ome.tif"] == "'again' is there already, as 'a'."
    assert found["error"]["found"].startswith("2 inputs failed; all others are done. again.ome.tif: ")
    (tmp_path / "empty").mkdir()
    nothing: Done = run("samples", project.path, "--import", tmp_path / "empty")
    assert (nothing.code, "There is no pair in" in nothing.err) == (1, True)


def test_pairs_that_do_not_fit_the_real_ones_are_named_too(project: Project, tmp_path: Path) -> None:
    add_pair(project, pair("real"), "instances")
    write_pair(tmp_path / "more", pair("x", 5))
    write_pair(tmp_path / "more", pair("rgb").replace(image=np.zeros((3, 64, 64), np.uint8)))
    found = samples(project, "--import", tmp_path / "more", code=1)
    assert (found["added"], list(found["failed"])) == (["x"], ["rgb.ome.tif"])
    assert "channels" in found["failed"]["rgb.ome.tif"]


def test_what_is_found_is_written_as_csv(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    assert samples(project, "--query", "realism > 0.5", "--csv", file)["file"] == str(file)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(row["name"], row["objects"], row["realism"], row["height"]) for row in rows] == [
        ("a", "1", "0.9", "64"), ("c", "3", "0.6", "64")
    ]  # fmt: skip


def test_the_name_of_version_0_1_still_works(project: Project) -> None:
    done = run("curate", project.path, "--accept", "best:1", "--json")
    assert result(done.out)["changed"] == ["a"]
