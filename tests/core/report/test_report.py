"""The page as a whole: what stands in it, what is safe, how large it gets, how it is stopped."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.storage import newest_result
from napari_organoid_synth.core.job import Control, Finished, Progress, Started
from napari_organoid_synth.core.map.storage import MappedSample, MapRecord, SampleMap, write_map
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.report.report import SECTIONS, report, write_report
from napari_organoid_synth.core.samples.store import SampleStore
from report_project import EVIL, Page, compared, pair, score, write_scores

TITLES = [
    "Real data", "Trainings", "Sample sheet", "Generators against the originals", "Masks and memorisation", "Map",
    "Curation", "What synthetic pairs gained", "Exports", "Times",
]  # fmt: skip


def fill(project: Project) -> None:
    """Also scores of sets and a map."""
    write_scores(project, {"one": [score("kid", 0.1, 0.0, 0.2, "low"), score("ks_area", 0.5, 0.1, 0.2, "low")]})
    points = np.array([[0.0, 0], [10, 0], [10, 5], [0, 5]])
    samples = tuple(MappedSample(id=id, run="one") for id in ("s0", "s1", "s2"))
    tiles, extractor = (TilePlace(f"tile {EVIL}", 0, 0),), f"encoder:{EVIL}"
    record = MapRecord(tiles=tiles, samples=samples, method="tsne", extractor=extractor, kl=0.25, perplexity=5.0)
    write_map(project, SampleMap(points, record))


def test_all_sections_in_order_with_their_numbers(project, read):
    fill(project)
    page = read(project, seconds={"train": 1.5, "rest": 2.0})
    assert [title for title in page.headings if title in TITLES] == TITLES
    assert page.links == [f"#{anchor}" for anchor in page.ids if anchor != "plain"]
    for words in (
        "R&D <1>",
        "1 real pair, 1 of them to train and 0 to test.",
        "3 synthetic pairs: 1 new, 2 accepted.",
        "Made by pix2pix (1 training in the project).",
        "KID of pix2pix, one is 0.1, originals 0 to 0.2; 1 of 2 scores within it.",
        "It helped & more.",
        "Few pairs.",
        "Written in",
    ):
        assert words in page.words
    assert page.table("Name")[1] == [f"first {EVIL}", "train", "64 × 48", "uint8", "1", "–", "binary", "1"]
    change = "+0.163 [0.026, 0.300]"
    assert page.table("Trained on") == [
        ["Trained on", "Pairs", "Change of Dice", "Better on", "Over the best without a generator", "Steps", "Dice"],
        ["real pairs", "0", "–", "–", "–", "7", "0.625 ± 0.177"],
        ["real and curated synthetic pairs", "3", change, "2 of 2", change, "7", "0.788 ± 0.017"],
    ]
    assert page.table("Folder")[1] == ["e1", "2", "1", "1", "ome-tiff", "today"]
    assert page.table("Stage")[1:] == [["train", "1.5 s"], ["rest", "2.0 s"], ["together", "3.5 s"]]
    assert page.table("Score, mean ± SD")[1][1:] == ["0.5 ± 0", "0.65 ± 0.05"]


def test_html_in_names_is_escaped(project, read):
    fill(project)
    text = read(project).text  # the reader refuses scripts, handlers of events and anything from outside
    assert EVIL not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 8
    assert not re.search(r"https?://", text)


def test_an_empty_project_gives_a_page_without_sections(tmp_path, read):
    page = read(Project(tmp_path / "empty"))
    assert page.headings == ["empty"]
    assert "There is nothing in this project yet." in page.words
    assert page.pictures == page.tables == page.ids == []


def test_given_results_take_precedence_over_the_newest(project, read):
    newest = newest_result(project)
    assert newest is not None
    assert newest.sentence == "It helped & more."
    words = read(project, result=compared("Mine.", raw=[0.111, 0.2])).words
    assert "Mine." in words
    assert "It helped" not in words


def test_damaged_files_are_left_out(project, read):
    fill(project)
    for name in ("segment/x/results.json", "exports/e1/manifest.json", "scores.json", "runs/one/run.json"):
        (project.path / name).write_text("[")
    project.map_path.write_bytes(b"PK")
    (project.path / "runs" / "one" / "previews").mkdir()
    (project.path / "runs" / "one" / "previews" / "step_00000001.npz").write_bytes(b"no")
    page = read(project)
    assert [title for title in page.headings if title in TITLES] == [
        "Real data",
        "Trainings",
        "Sample sheet",
        "Curation",
    ]


def test_samples_whose_files_are_gone_are_left_out(project, read):
    shutil.rmtree(project.path / "samples")
    page = read(project)
    assert "Sample sheet" in page.headings
    assert [alt for alt, _ in page.pictures if alt.startswith("s")] == ["s2", "s1"]  # thumbnails of the accepted


def test_events_name_the_sections_and_stopping_writes_nothing(project, tmp_path):
    path, control = tmp_path / "r.html", Control()
    events = list(report(project, path, control))
    assert isinstance(events[0], Started)
    assert [event.note for event in events if isinstance(event, Progress)] == [*SECTIONS, ""]
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.result["report"] == str(path)
    assert finished.result["bytes"] == path.stat().st_size
    path.write_text("before")
    for event in report(project, path, control):
        if isinstance(event, Progress) and event.step == 3:
            control.cancel()
    assert event == Finished(4, "canceled")
    assert path.read_text() == "before"


def test_an_unwritable_file_is_refused(project, tmp_path):
    with pytest.raises(UserError, match=r"is a folder\. Expected a file, or nothing yet\."):
        write_report(project, tmp_path)


def test_ten_thousand_samples_are_not_read_one_by_one(tmp_path, monkeypatch):
    project = Project(tmp_path / "many")
    with SampleStore(project.samples_path) as store:
        noisy = pair("a", "synthetic", side=48)
        image = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
        store.add(noisy.replace(image=image), run="one")
        store.rate("a", {"realism": 0.5, "nearest": 0.5})
    with closing(sqlite3.connect(project.samples_path)) as database, database:  # closed and, before that, committed
        columns = [row[1] for row in database.execute("PRAGMA table_info(samples)") if row[1] not in {"number", "id"}]
        names = ", ".join(columns)
        database.executemany(
            f"INSERT INTO samples (id, {names}) SELECT ?, {names} FROM samples WHERE id = 'a'",
            [(f"b{number}",) for number in range(10_000)],
        )
        database.execute(
            "INSERT INTO thumbnails SELECT s.id, t.image, t.labels, t.meaning FROM samples s, thumbnails t"
            " WHERE s.id <> 'a'"
        )
        database.execute("INSERT INTO scores SELECT s.id, k.metric, k.value FROM samples s, scores k WHERE s.id <> 'a'")
    with SampleStore(project.samples_path) as store:
        store.decide([f"b{number}" for number in range(0, 10_000, 2)], "accepted")
    reads: list[str] = []
    for name in ("pair", "thumbnail"):
        real = getattr(SampleStore, name)
        monkeypatch.setattr(
            SampleStore, name, lambda self, id, *more, real=real: reads.append(id) or real(self, id, *more)
        )
    begun = time.process_time()
    page = write_report(project, tmp_path / "r.html")
    assert time.process_time() - begun < 10
    assert len(reads) < 120
    assert page.stat().st_size < 2_000_000
    words = Page(page.read_text()).words
    assert "10,001 synthetic pairs: 5,001 new, 5,000 accepted." in words
    assert "12 of 10,001 pairs" in words


def test_the_table_of_many_pairs_is_folded(project, read):
    table = PairTable.from_file(project.pairs_path)
    (entry,) = table.entries
    broken = entry.replace(name="gone", status="broken", reason="holds 0 bytes", masks={})
    many = [entry.replace(name=f"n{number}") for number in range(21)]
    table.replace(entries=(*many, broken)).to_file(project.pairs_path)
    page = read(project)
    assert "21 rows of the table" in page.words
    assert len(page.table("Name")) == 22
    assert "gone (broken): holds 0 bytes" in page.words
    table.replace(entries=(*many[:20], broken)).to_file(project.pairs_path)
    assert "rows of the table" not in read(project).words


def test_images_alone_are_not_called_pairs(project, read):
    table = PairTable.from_file(project.pairs_path)
    (entry,) = table.entries
    table.replace(entries=(entry.replace(masks={}, image_class="healthy"),)).to_file(project.pairs_path)
    page = read(project)
    assert "1 real image, 1 of them" in page.words
    assert "3 synthetic images" in page.words
    assert page.table("Name")[1][6:] == ["none; image is healthy", "–"]
    assert "plain" not in page.ids  # no outlines to switch off
    assert "Objects" not in page.headings


def test_the_summary_counts_flagged_copies(project, read):
    with SampleStore(project.samples_path) as store:
        store.rate("s0", {"nearest": 0.95}, flagged="copy, mask")
    assert "1 pair flagged as a copy of a real image." in read(project).words
    with SampleStore(project.samples_path) as store:
        store.rate("s0", {}, flagged="mask")
    assert "0 pairs flagged as copies of a real image." in read(project).words


def test_the_result_of_the_job_is_plain_json(project, tmp_path):
    *_, finished = report(project, tmp_path / "r.html", Control())
    result: dict[str, Any] = json.loads(json.dumps(finished.result))
    assert result.keys() == {"report", "bytes", "seconds"}
    assert 0 <= result["seconds"] < 60
