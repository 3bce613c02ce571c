"""What the tests of the report build and how they read its page."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design, GainResult
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.metrics.sets import Interval, SetScore
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.scores.storage import Memorisation, SetScores, write_set_scores

EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Words, tables, pictures and links of a page; tags must be closed in order and everything must be inside."""

    VOID = frozenset({"meta", "img", "br", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.words = text, ""
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.pictures: list[tuple[str, NDArray[Any]]] = []
        self.masks: list[NDArray[Any]] = []
        self.feed(text)
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)
        assert all(link.removeprefix("#") in self.ids for link in self.links)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        values = dict(attrs)
        assert tag not in {"script", "link", "iframe", "object", "base"}
        assert not [name for name in values if name.startswith("on")]
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a":
            assert values["href"].startswith("#")
            self.links.append(values["href"])
        if tag == "img":
            head, data = values["src"].split(",")
            assert head in {"data:image/png;base64", "data:image/jpeg;base64"}
            assert values["alt"]
            with Image.open(BytesIO(base64.b64decode(data))) as file:
                if values.get("class") == "mask":
                    self.masks.append(np.asarray(file))
                else:
                    self.pictures.append((values["alt"], np.asarray(file)))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")
        if tag == "small":
            self.tables[-1][-1][-1] += "|"
        if tag in {"h1", "h2", "h3"}:
            self.headings.append("")
        if tag not in self.VOID and "/" not in self.get_starttag_text()[-2:]:  # type: ignore[index]
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Shapes of a chart."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data
        if self.open and self.open[-1] in {"h1", "h2", "h3"}:
            self.headings[-1] += data

    def table(self, first: str) -> list[list[str]]:
        """The table whose first heading is this."""
        return next(table for table in self.tables if table[0][0] == first)


def pair(name: str, source: Any = "real", side: int = 64) -> SamplePair:
    labels = np.zeros((48, side), np.int32)
    labels[10:30, 20:40] = 1
    image = (labels * 100 + np.random.default_rng(len(name)).integers(0, 50, labels.shape)).astype(np.uint8)
    return SamplePair(name, image[None], labels, source=Source(source))


def compared(sentence: str = "It helped & more.", **arms: list[float]) -> GainResult:
    """A comparison on the images t0 and t1, with these Dice scores of each arm, and a sentence."""
    records = [
        ArmRecord(
            arm=name,
            steps=7,
            synthetic=3 * (name != "raw"),
            per_image={f"t{i}": {"dice": value} for i, value in enumerate(values)},
        )
        for name, values in arms.items()
    ]
    design = Design(folds=(Fold(train=("first",), test=("t0", "t1")),), pairs_from="store")
    result = summarise(records, design, warnings=["Few pairs."])
    return result.model_copy(update={"sentences": (sentence,)})


def score(name: str, matched: float, low: float, high: float, better: Any, **more: Any) -> SetScore:
    """One score of a set."""
    usual: dict[str, Any] = {
        "name": name, "title": name.upper(), "unit": "", "better": better, "value": 10 * matched,
        "interval": Interval(low=9 * matched, high=11 * matched), "n_real": 50, "n_synthetic": 40, "extractor": "",
        "originals": Interval(low=low, high=high), "matched_value": matched, "seed": 0, "message": f"words {EVIL}",
    }  # fmt: skip
    return SetScore(**(usual | more))


def write_scores(project: Project, runs: dict[str, list[SetScore]]) -> None:
    """Scores of the samples of some runs."""
    memory = Memorisation(ssim_copies=0.25, copies=0.5, one_image=False, borrowed_masks=0.0, masks_copies=0.0)
    sets = [
        SetScores(
            run=run, samples="all", extractor="encoder", fingerprint="", number=40, made=0.0, scores=tuple(scores),
            memorisation=memory,
        )
        for run, scores in runs.items()
    ]  # fmt: skip
    write_set_scores(project, sets)


def add_run(project: Project, name: str, *settings: str) -> None:
    """A training of other settings; its codec is that of the first."""
    codec = Codec.from_file(project.path / "runs" / "one" / "codec.json")
    Run.create(project.path / "runs" / name, Recipe().override("gan=pix2pix", "tiles.size=64", *settings), codec)
