"""Samples, verdicts and their history survive whatever happens to the process."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.pictures import make_thumbnail
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.samples.query import parse
from napari_organoid_synth.core.samples.store import Change, SampleStore


def make_pair(name: str = "cell", seed: int = 0, size: tuple[int, int] = (40, 56), channels: int = 1) -> SamplePair:
    rng = np.random.default_rng(seed)
    labels = np.zeros(size, np.int32)
    labels[4:16, 5:20] = 1
    labels[20:32, 30:50] = 2
    image = rng.integers(0, 4000, (channels, *size)).astype(np.uint16)
    source = Source("synthetic", provenance={"run": "run-1", "seed": seed})
    return SamplePair(name, image, labels, "instances", ("cell",), (0.5, 0.5), source=source)


@pytest.fixture
def store(tmp_path: Path):
    with SampleStore(tmp_path / "samples.sqlite") as store:
        yield store


def verdicts(store: SampleStore) -> dict[str, str]:
    return {row.id: row.verdict for row in store.rows()}


def test_a_pair_comes_back_as_it_went_in(store: SampleStore) -> None:
    pair = make_pair()
    id = store.add(pair, run="run-1")
    again = store.pair(id)
    np.testing.assert_array_equal(again.image, pair.image)
    np.testing.assert_array_equal(again.labels, pair.labels)
    assert again.image.dtype == np.uint16
    assert again.pixel_size == (0.5, 0.5)
    assert again.source.provenance["seed"] == 0
    row = store.row(id)
    assert (row.name, row.run, row.verdict, row.n_objects, row.size) == ("cell", "run-1", "new", 2, (40, 56))
    assert row.image_path.exists()
    assert row.labels_path.exists()


def test_equal_names_get_numbers_also_where_case_does_not_count(store: SampleStore) -> None:
    assert store.add_many([make_pair("a"), make_pair("A"), make_pair("a/b?"), make_pair("a")]) == [
        "a", "A-2", "a_b", "a-3",
    ]  # fmt: skip
    assert [row.name for row in store.rows()] == ["a", "A", "a/b?", "a"]


def test_order_by_score_puts_unscored_last(store: SampleStore) -> None:
    store.add_many([make_pair(name) for name in "abcd"])
    for id, value in {"a": 2.0, "b": 3.0, "d": 1.0}.items():
        store.rate(id, {"realism": value, "other": 0.0})
    assert store.ids(sort="realism") == ["d", "a", "b", "c"]
    assert store.ids(sort="realism", descending=True) == ["b", "a", "d", "c"]
    assert store.ids(descending=True) == ["d", "c", "b", "a"]
    assert store.metrics() == ["other", "realism"]
    store.decide(["a", "c"], "accepted")
    assert store.ids("accepted", sort="realism") == ["a", "c"]
    assert [row.id for row in store.rows("new", "realism")] == ["d", "b"]


def test_rating_keeps_other_scores_and_skips_what_is_not_a_number(store: SampleStore) -> None:
    store.add(make_pair("a"))
    store.rate("a", {"x": 1.0, "y": 2.0}, note="sharp", flagged="copy", nearest=TilePlace("real_3", 0, 64))
    store.rate("a", {"x": 5.0, "z": float("nan")})
    row = store.row("a")
    assert row.scores == {"x": 5.0, "y": 2.0}
    assert (row.note, row.flagged, row.nearest) == ("sharp", "copy", TilePlace("real_3", 0, 64))


def test_undo_and_redo_across_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    with SampleStore(path) as store:
        store.add_many([make_pair(name) for name in "abc"])
        assert store.decide(["a", "b"], "accepted") == ["a", "b"]
        assert store.decide(["b", "c"], "rejected") == ["b", "c"]
        assert store.decide(["c"], "rejected") == []  # nothing changed: no entry in the history
    with SampleStore(path) as store:
        assert sorted(store.undo()) == ["b", "c"]
        assert verdicts(store) == {"a": "accepted", "b": "accepted", "c": "new"}
    with SampleStore(path) as store:
        assert sorted(store.redo()) == ["b", "c"]
        assert store.redo() == []
        assert verdicts(store) == {"a": "accepted", "b": "rejected", "c": "rejected"}
        store.undo()
        store.undo()
        assert store.undo() == []
        assert store.counts() == {"new": 3, "accepted": 0, "rejected": 0}
        store.redo()
        store.decide(["c"], "accepted")  # drops what could still be redone
        assert store.redo() == []
        assert verdicts(store) == {"a": "accepted", "b": "accepted", "c": "accepted"}
        assert store.undo() == ["c"]
        assert sorted(store.undo()) == ["a", "b"]


def test_unknown_sample_or_verdict_is_refused_and_changes_nothing(store: SampleStore) -> None:
    store.add(make_pair("a"))
    with pytest.raises(UserError, match="no sample 'b'"):
        store.decide(["a", "b"], "accepted")
    with pytest.raises(UserError, match="'good' is not a verdict"):
        store.decide(["a"], "good")  # type: ignore[arg-type]
    assert verdicts(store) == {"a": "new"}
    with pytest.raises(UserError, match="no sample 'b'"):
        store.thumbnail("b")


def test_another_window_sees_changes(store: SampleStore) -> None:
    before = store.data_version()
    store.add(make_pair("a"))
    assert store.data_version() == before  # own changes are known
    with SampleStore(store.path) as other:
        other.decide(["a"], "accepted")
        assert store.data_version() != before
        assert store.row("a").verdict == "accepted"


def test_threads_share_a_store(store: SampleStore) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(5):
                id = store.add(make_pair("same", seed=number * 10 + step))
                store.rate(id, {"x": number})
                store.decide([id], "accepted")
                store.thumbnail(id)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.counts()["accepted"] == 20
    assert len({row.image_path for row in store.rows()}) == 20


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_store import SampleStore, make_pair
store = SampleStore({path!r})
print("open", flush=True)
for step in range({steps}):
    id = store.add(make_pair("same", seed=step))
    store.decide([id], "accepted")
    print(id, flush=True)
"""


def writer(path: Path, steps: int) -> subprocess.Popen[str]:
    code = WRITER.format(tests=str(Path(__file__).parent), path=str(path), steps=steps)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_two_processes_never_take_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    children = [writer(path, 5) for _ in range(2)]
    said = [child.communicate(timeout=120)[0].split()[1:] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert len({*said[0], *said[1]}) == 10
    with SampleStore(path) as store:
        assert store.counts() == {"new": 0, "accepted": 10, "rejected": 0}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_killed_at_any_moment_loses_no_verdict_and_leaves_no_row_without_files(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    said: list[str] = []
    for number in range(3):
        child = writer(path, 10_000)
        assert child.stdout is not None
        lines = [child.stdout.readline().strip() for _ in range(4)]
        time.sleep(0.007 * number)
        child.kill()
        lines += child.stdout.read().split()
        child.wait()
        child.stdout.close()
        said += [line for line in lines if line != "open"]
    with SampleStore(path) as store:
        rows = {row.id: row for row in store.rows()}
        assert set(said) <= set(rows)
        assert all(rows[id].verdict == "accepted" for id in said)
        for row in rows.values():
            np.testing.assert_array_equal(store.pair(row.id).labels, make_pair().labels)


def test_what_a_killed_writer_left_is_swept_when_old(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    old, young = folder / ".a.ome.tif.1.part", folder / ".b.ome.tif.2.part"
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    SampleStore(tmp_path / "samples.sqlite").close()
    assert not old.exists()
    assert young.exists()  # its writer may be alive


def test_full_disk_leaves_the_store_as_it_was(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ome_tiff.write_pair

    def write(folder: Path, pair: SamplePair):
        if pair.name == "b":
            raise OSError(28, "No space left on device")
        return real(folder, pair)

    monkeypatch.setattr(ome_tiff, "write_pair", write)
    with pytest.raises(UserError, match="is full"):
        store.add_many([make_pair("a"), make_pair("b")])
    assert store.rows() == []
    assert list(store.folder.iterdir()) == []


def test_a_damaged_database_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(UserError, match=r"is damaged.*are untouched.*Rebuild"):
        SampleStore(path)


def test_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    SampleStore(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(UserError, match=r"newer version \(format 99\)"):
        SampleStore(path)


def test_missing_pixels_are_said(store: SampleStore) -> None:
    id = store.add(make_pair("a"))
    store.row(id).image_path.unlink()
    with pytest.raises(UserError, match=r"a\.ome\.tif"):
        store.pair(id)
    assert store.thumbnail(id)[0].shape == (40, 56, 3)


def test_thumbnail_is_small_and_keeps_labels(store: SampleStore) -> None:
    labels = np.zeros((300, 600), np.int32)
    labels[:, 300:] = 70_000
    image = np.zeros((1, 300, 600), np.uint16)
    image[:, 150:] = 1000
    image[:, :, 300:] += 1000
    id = store.add(SamplePair("wide", image, labels, "instances"))
    small, small_labels = store.thumbnail(id)
    assert small.shape == (96, 192, 3)
    assert small.dtype == np.uint8
    assert small_labels.dtype == np.uint16
    assert small[0, 0].tolist() == [0, 0, 0]
    assert small[-1, -1].tolist() == [255, 255, 255]
    assert small[0, -1, 0] == pytest.approx(127.5, abs=1)
    assert np.unique(small_labels).tolist() == [0, (70_000 - 1) % 65535 + 1]
    assert (small_labels[:, :96] == 0).all()
    assert (small_labels[:, 96:] > 0).all()


def test_thumbnails_are_shown_with_one_contrast(store: SampleStore) -> None:
    for name, value in (("dark", 40), ("bright", 180)):
        store.add(make_pair(name).replace(image=np.full((1, 40, 56), value, np.uint8)))
    shown = [int(store.thumbnail(name, ((0.0, 255.0),))[0][5, 5, 0]) for name in ("dark", "bright")]
    assert shown == [40, 180]
    assert store.contrast() == ((0.0, 255.0),)


def test_equal_pairs_are_recognised(store: SampleStore) -> None:
    first, second = make_pair("a"), make_pair("b", 1)
    store.add(first)
    assert store.equal_to(first.replace(name="another name")) == "a"
    assert [pair.name for pair in store.without_equal([first, second, second])] == ["b"]
    other_mask = first.replace(labels=np.where(first.labels > 0, 0, first.labels))
    assert store.equal_to(other_mask) == ""
    store.delete(["a"])
    assert store.equal_to(first) == ""  # what lies in the bin may be added


def test_a_deletion_that_was_killed_between_list_and_files_is_whole(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = store.add(make_pair("a"))
    monkeypatch.setattr(store, "_move_deleted", lambda ids: None)  # killed here
    store.delete([id])
    path = store.path
    store.close()
    with SampleStore(path) as again:
        assert again.ids() == []
        assert [one for one, _, _ in again.listing(deleted=True)] == [id]
        assert again.undo() == [id]
        np.testing.assert_array_equal(again.pair(id).image, make_pair("a").image)
        again.delete([id])
        assert not (again.folder / "a.ome.tif").exists()


def test_a_thousand_thumbnails_are_read_quickly(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pair = make_pair(size=(256, 256)).replace(image=rng.integers(0, 255, (1, 256, 256)).astype(np.uint8))
    monkeypatch.setattr(
        ome_tiff,
        "write_pair",
        lambda folder, pair: (folder / f"{pair.name}.ome.tif", folder / f"{pair.name}_labels.ome.tif"),
    )
    ids = store.add_many([pair] * 200)
    begin = time.perf_counter()
    assert sum(store.thumbnail(id)[0].shape == (192, 192, 3) for id in ids) == 200
    assert time.perf_counter() - begin < 2.0


# ------------------------------------------------------------------------------------------- tags, notes, edited masks


def test_tags_and_notes_are_kept_found_and_undone(store: SampleStore) -> None:
    store.add_many([make_pair(name) for name in "abc"])
    assert store.annotate(["a", "b"], add=["Blurred", "wall  effect"]) == ["a", "b"]
    assert store.annotate(["b", "c"], add=["blurred"], remark=" look again ") == ["b", "c"]  # c: tag and note
    assert store.annotate(["b"], add=["BLURRED"], remark="look again") == ["b"]  # the newest spelling stays
    assert [row.tags for row in store.rows()] == [("Blurred", "wall effect"), ("BLURRED", "wall effect"), ("blurred",)]
    assert [row.remark for row in store.rows()] == ["", "look again", "look again"]

    def found(query: str) -> str:
        return "".join(id for id, _, fits in store.listing(condition=parse(query)) if fits)

    assert (found("tag == blurred"), found("tag != 'wall effect'"), found("tag"), found("not tag")) == (
        "abc", "c", "abc", "",
    )  # fmt: skip
    assert (found("note"), found("note == '*again'")) == ("bc", "bc")
    assert (found("again wall"), found("tag == wall")) == ("b", "")
    assert store.annotate(["a", "b", "c"], remove=["blurred"]) == ["a", "b", "c"]
    assert store.tags() == ["wall effect"]
    assert store.undo() == ["a", "b", "c"]
    store.undo()
    assert store.undo() == ["b", "c"]  # tag and note of the second call are one step
    assert store.row("c").tags == ()
    assert store.row("b").remark == ""
    assert store.row("b").tags == ("Blurred", "wall effect")
    assert store.redo() == ["b", "c"]
    assert (store.row("c").tags, store.row("c").remark) == (("blurred",), "look again")
    assert store.annotate(["a"], add=["Blurred"]) == []


def test_an_edited_mask_is_a_new_version_and_undo_brings_the_old_one_back(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    with SampleStore(path) as store:
        store.add(make_pair("a"))
        scores = {"objects": 2.0, "valid": 1.0, "realism": 0.7, "nearest": 0.4}
        store.rate("a", scores, note="not a copy, 2 objects", flagged="copy, mask")
        before, drawn = store.row("a"), make_pair().labels.copy()
        drawn[20:32, 30:50] = 0
        drawn[35:39, 2:9] = 7
        drawn[0, 0] = 9
        assert store.edit_mask("a", drawn.astype(np.uint8))
        assert not store.edit_mask("a", drawn)  # nothing new
        row = store.row("a")
        assert (row.n_objects, row.edited, row.labels_path.name) == (3, True, "a.2_labels.ome.tif")
        assert row.scores == {"nearest": 0.4}  # of the image alone; the others are to be computed
        assert (row.note, row.flagged) == ("mask edited, not scored yet", "copy")
        np.testing.assert_array_equal(store.pair("a").labels, drawn)
        assert store.pair("a").source.provenance == {"run": "run-1", "seed": 0, "mask_edited": "a.2_labels.ome.tif"}
        np.testing.assert_array_equal(np.unique(store.thumbnail("a")[1]), [0, 1, 7, 9])
        store.rate("a", {"objects": 3.0, "realism": 0.6}, note="3 objects")
    with SampleStore(path) as store:
        assert store.undo() == ["a"]
        assert store.row("a") == before
        np.testing.assert_array_equal(store.pair("a").labels, make_pair().labels)
        np.testing.assert_array_equal(np.unique(store.thumbnail("a")[1]), [0, 1, 2])
        store.redo()
        row = store.row("a")
        assert row.scores == {"nearest": 0.4, "objects": 3.0, "realism": 0.6}
        assert (row.note, row.n_objects) == ("3 objects", 3)
        np.testing.assert_array_equal(store.pair("a").labels, drawn)
        store.undo()
        drawn[0, 0] = 0
        store.edit_mask("a", drawn)  # the version that was undone stays on disk
        assert store.row("a").labels_path.name == "a.3_labels.ome.tif"
        assert len(list((tmp_path / "samples" / "edited").iterdir())) == 2


def test_the_history_is_read_in_its_order(store: SampleStore) -> None:
    assert store.history() == []
    first, second = store.add(make_pair("a")), store.add(make_pair("b", 1))
    store.decide([second, first], "accepted")
    store.annotate([first], add=["dusty"], remark="odd")
    store.decide([first], "rejected")
    store.undo()
    expected = [
        Change(1, "a", "verdict", "new", "accepted"),
        Change(1, "b", "verdict", "new", "accepted"),
        Change(2, "a", "remark", "", "odd"),
        Change(2, "a", "tags", "", "dusty"),
    ]
    assert store.history() == [*expected, Change(3, "a", "verdict", "accepted", "rejected", undone=1)]
    store.edit_mask(second, np.ones((40, 56), np.int32))  # what was undone can no longer be redone
    edited = Change(4, "b", "labels", "b_labels.ome.tif", "edited/b.2_labels.ome.tif")
    assert store.history() == [*expected, edited]


def test_a_mask_that_does_not_fit_is_refused(store: SampleStore) -> None:
    store.add(make_pair("a"))
    with pytest.raises(UserError, match=r"shape \(3, 3\)\. Expected \(40, 56\)"):
        store.edit_mask("a", np.zeros((3, 3), np.int32))
    classes = make_pair("c").replace(mask_kind="classes", class_names=("wall", "lumen"))
    store.add(classes)
    with pytest.raises(UserError, match=r"holds the label 3\. Expected 0 to 2: wall, lumen"):
        store.edit_mask("c", np.full((40, 56), 3, np.int32))
    store.add(make_pair("b").replace(mask_kind="binary", labels=(make_pair().labels > 0).astype(np.int32)))
    store.edit_mask("b", np.full((40, 56), 5, np.int32))
    assert np.unique(store.pair("b").labels).tolist() == [1]
    assert store.redo() == []


OLD_SCHEMA = """
CREATE TABLE names (id TEXT PRIMARY KEY COLLATE NOCASE) WITHOUT ROWID;
CREATE TABLE samples (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, run TEXT NOT NULL, created REAL NOT NULL,
    verdict TEXT NOT NULL DEFAULT 'new', image TEXT NOT NULL, labels TEXT NOT NULL, n_objects INTEGER NOT NULL,
    height INTEGER NOT NULL, width INTEGER NOT NULL, mask_kind TEXT NOT NULL, note TEXT NOT NULL DEFAULT '',
    flagged TEXT NOT NULL DEFAULT '', nearest TEXT NOT NULL DEFAULT '', nearest_y INTEGER, nearest_x INTEGER);
CREATE INDEX samples_verdict ON samples (verdict);
CREATE TABLE thumbnails (id TEXT PRIMARY KEY, image BLOB NOT NULL, labels BLOB NOT NULL);
CREATE TABLE scores (id TEXT, metric TEXT, value REAL NOT NULL, PRIMARY KEY (id, metric)) WITHOUT ROWID;
CREATE TABLE decisions (number INTEGER PRIMARY KEY AUTOINCREMENT, undone INTEGER NOT NULL DEFAULT 0);
CREATE TABLE changes (
    decision INTEGER, id TEXT, before TEXT NOT NULL, after TEXT NOT NULL, PRIMARY KEY (decision, id)) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


def test_a_database_of_the_first_version_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    pairs = [make_pair(name, seed) for seed, name in enumerate("abc")]
    database = sqlite3.connect(path)
    database.executescript(OLD_SCHEMA)
    for pair in pairs:
        files = ome_tiff.write_pair(tmp_path / "samples", pair)
        values = (pair.name, pair.name, "run-1", 5.0, files[0].name, files[1].name, 2, 40, 56, "instances", "sharp")
        database.execute("INSERT INTO names VALUES (?)", (pair.name,))
        database.execute(
            "INSERT INTO samples (id, name, run, created, image, labels, n_objects, height, width, mask_kind, note)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        database.execute("INSERT INTO thumbnails VALUES (?, ?, ?)", (pair.name, *make_thumbnail(pair)))
        database.execute("INSERT INTO scores VALUES (?, 'realism', 0.5)", (pair.name,))
    database.executescript(
        "INSERT INTO decisions VALUES (1, 0), (2, 0), (3, 1);"
        "INSERT INTO changes VALUES (1, 'a', 'new', 'accepted'), (1, 'b', 'new', 'accepted'),"
        " (2, 'b', 'accepted', 'rejected'), (3, 'c', 'new', 'accepted');"
        "UPDATE samples SET verdict = 'accepted' WHERE id = 'a';"
        " UPDATE samples SET verdict = 'rejected' WHERE id = 'b';"
    )
    database.close()
    with SampleStore(path) as store:
        assert verdicts(store) == {"a": "accepted", "b": "rejected", "c": "new"}
        rows = store.rows()
        assert [(row.note, row.scores, row.run, row.tags, row.remark) for row in rows] == [
            ("sharp", {"realism": 0.5}, "run-1", (), "")
        ] * 3
        for pair in pairs:
            np.testing.assert_array_equal(store.pair(pair.name).image, pair.image)
            np.testing.assert_array_equal(np.unique(store.thumbnail(pair.name)[1]), [0, 1, 2])
        assert store.redo() == ["c"]
        assert [store.undo(), store.undo(), store.undo(), store.undo()] == [["c"], ["b"], ["a", "b"], []]
        assert store.counts()["new"] == 3
        store.annotate(["a"], add=["late"])
        assert store.add(make_pair("a")) == "a-2"
    with SampleStore(path) as store:
        assert store.row("a").tags == ("late",)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (3,)
        assert database.execute("SELECT count(*) FROM thumbnails WHERE meaning IS NULL").fetchone() == (0,)


def test_names_of_scores_are_found_without_reading_all(store: SampleStore) -> None:
    assert store.metrics() == []
    store.add_many([make_pair("a"), make_pair("b")])
    store.rate("a", {"z": 1.0, "b": 1.0})
    store.rate("b", {"m": 1.0, "z": 1.0})
    assert store.metrics() == ["b", "m", "z"]
    plan = store._query("EXPLAIN QUERY PLAN SELECT min(metric) FROM scores WHERE metric > 'a'")
    assert "scores_metric" in plan[0][3]
