import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from napari_organoid_synth.core.codec import Codec
from napari_organoid_synth.core.curation import SampleStore
from napari_organoid_synth.core.job import JobFolder, Progress, write_bytes, write_text
from napari_organoid_synth.core.pair import SamplePair, Source
from napari_organoid_synth.core.pairing import save_layers_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import CodecSettings, Recipe
from napari_organoid_synth.core.report import newest_results, write_report
from napari_organoid_synth.core.run import Run
from napari_organoid_synth.core.thumbnail import decode_png, encode_png


class Page(HTMLParser):
    """Tags that were opened and closed in order, the pictures and the words."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.pictures, self.words, self.cells = [], [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        for key in ("src", "href"):
            assert values.get(key, "data:").startswith("data:"), "the page must hold everything itself"
        if tag == "img":
            self.pictures.append(decode_png(base64.b64decode(values["src"].split(",")[1])))
            assert values["alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def pair(name: str, source: str = "real") -> SamplePair:
    labels = np.zeros((48, 64), np.int32)
    labels[10:30, 20:40] = 1
    image = (labels * 100 + np.random.default_rng(len(name)).integers(0, 50, labels.shape)).astype(np.uint8)
    return SamplePair(name, image[None], labels, source=Source(source))


def arm(values):
    mean = float(np.mean(values))
    return {
        "dice": mean, "precision": mean, "recall": mean, "steps": 7, "seconds": 1.0, "synthetic": 3,
        "per_image": {f"t{i}": {"dice": value} for i, value in enumerate(values)},
        "per_class": {"object": {"dice": mean}},
    }  # fmt: skip


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "R&D <1>")
    real = pair("first <b>")
    save_layers_pair(project, real.name, real.image, real.labels, mask_kind="binary")
    with SampleStore(project.samples_path) as store:
        ids = [store.add(pair(f"s{i}", "synthetic")) for i in range(3)]
        for value, id in enumerate(ids):
            store.rate(id, {"realism": 0.5 + 0.1 * value}, note=f"note of {id}")
        store.decide(ids[1:], "accepted")
    run = Run.create(project.path / "runs" / "one", Recipe(), Codec.fit([real], CodecSettings()))
    job = JobFolder(run.path)
    list(job.record(Progress(step, 20, {"generator": 3.0 - step / 10}) for step in (0, 10, 20)))
    folder = project.path / "segment" / "x"
    arms = {"real": arm([0.5, 0.75]), "curated": arm([0.8, 0.776])}
    record = {"arms": arms, "sentence": "It helped & more.", "test": ["t0", "t1"], "warnings": ["Few pairs."]}
    write_text(folder / "results.json", json.dumps(record))
    for name in arms:
        write_bytes(folder / "predictions" / name / "t0_errors.png", encode_png(np.full((9, 9, 3), 7, np.uint8)))
    manifest = {"settings": {"formats": ["ome-tiff"]}, "samples": [{}, {}], "created": "today"}
    write_text(project.path / "exports" / "e1" / "manifest.json", json.dumps(manifest))
    return project


def test_page_holds_pictures_numbers_and_words(project, tmp_path):
    path = write_report(project, tmp_path / "report.html", seconds={"train": 1.5, "rest": 2.0})
    page = Page(path.read_text(encoding="utf-8"))
    for words in ("R&D <1>", "It helped & more.", "Few pairs.", "first <b> (train)", "note of s2", "2 accepted"):
        assert words in page.words
    assert [cell for cell in page.cells if re.fullmatch(r"0\.\d{3}", cell)] == ["0.625"] * 3 + ["0.788"] * 3
    assert "3.5 s" in page.cells
    assert page.cells[page.cells.index("e1") :][:4] == ["e1", "2", "ome-tiff", "today"]
    assert "0.65 ± 0.05" in page.cells
    assert len(page.pictures) == 2 + 1 + 2  # errors of two arms, one real pair, two accepted
    assert page.pictures[2].shape == (2 * 48 + 3, 64, 3)  # image, gap, image with outlines


def test_outlines_are_drawn_on_the_lower_picture_alone(project, tmp_path):
    page = Page(write_report(project, tmp_path / "r.html").read_text(encoding="utf-8"))
    picture = page.pictures[2].astype(int)
    upper, lower = picture[:48], picture[51:]
    changed = (upper != lower).any(-1)
    expected = np.zeros((48, 64), bool)
    expected[10:30, 20:40] = True
    expected[11:29, 21:39] = False
    assert np.array_equal(changed, expected)


def test_curve_goes_through_its_points(project, tmp_path):
    text = write_report(project, tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<polyline points="44.0,12.0 175.0,54.0 306.0,96.0"' in text


def test_an_empty_project_gives_a_page_without_parts(tmp_path):
    project = Project(tmp_path / "empty")
    page = Page(write_report(project, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "empty" in page.words
    assert page.pictures == page.cells == []


def test_results_that_are_given_win_over_the_newest(project, tmp_path):
    assert newest_results(project)["sentence"] == "It helped & more."
    given = {"arms": {"real": arm([0.111])}, "sentence": "Mine.", "test": ["t0"]}
    words = Page(write_report(project, tmp_path / "r.html", results=given).read_text(encoding="utf-8")).words
    assert "Mine." in words
    assert "It helped" not in words


def test_a_damaged_file_is_left_out(project, tmp_path):
    (project.path / "segment" / "x" / "results.json").write_text("{")
    (project.path / "exports" / "e1" / "manifest.json").write_text("[]")
    page = Page(write_report(project, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "Dice" not in page.words
    assert "Exports" not in page.words
