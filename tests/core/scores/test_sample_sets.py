"""Sets of samples told apart by run, source of masks, class, tag and verdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.report.report import write_report
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.sample_sets import SetKey, sets_of
from napari_organoid_synth.core.scores.score import score
from napari_organoid_synth.core.scores.set_scores import outdated_sets
from napari_organoid_synth.core.scores.storage import SetScores, read_set_scores
from napari_organoid_synth.core.scores.table import as_tsv, table
from simulated import sample, scene

SIDE = 64


def painted(name: str, seed: int, kind: str | None, grade: str | None = None) -> SamplePair:
    """A sample on a mask of some source."""
    provenance = {} if kind is None else {"mask": {"kind": kind}}
    pair = sample(name, *scene(seed, SIDE))
    return pair.replace(source=Source("synthetic", provenance=provenance), image_class=grade)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SampleStore]:
    with SampleStore(Project(tmp_path / "project").samples_path) as store:
        for number, (run, kind, grade) in enumerate(
            [
                ("a", "warped", "good"),
                ("a", "fitted", "poor"),
                ("b", "fitted", None),
                ("b", None, "good"),
                ("", None, None),
            ]
        ):
            store.add(painted(f"s{number}", number, kind, grade), run=run)
        store.annotate(["s0", "s1"], add=["sharp"])
        store.annotate(["s1"], add=["odd"])
        store.decide(["s1", "s2"], "accepted")
        store.decide(["s3"], "rejected")
        yield store


@pytest.mark.parametrize(
    ("by", "samples", "expected"),
    [
        (("run",), "all", {"a": "s0 s1", "b": "s2 s3", "samples without a run": "s4"}),
        (("run",), "kept", {"a": "s0 s1", "b": "s2", "samples without a run": "s4"}),
        (("masks",), "all", {"masks warped": "s0", "masks fitted": "s1 s2", "masks drawn with the image": "s3 s4"}),
        (("run", "masks"), "accepted", {"a, masks fitted": "s1", "b, masks fitted": "s2"}),
        (("class",), "all", {"class good": "s0 s3", "class poor": "s1", "class ungraded": "s2 s4"}),
        (("tag",), "all", {"tag sharp": "s0 s1", "tag odd": "s1", "tag untagged": "s2 s3 s4"}),
        (("verdict",), "all", {"new": "s0 s4", "accepted": "s1 s2", "rejected": "s3"}),
        ((), "all", {"all samples": "s0 s1 s2 s3 s4"}),
    ],
)
def test_samples_are_dealt_by_their_traits(
    store: SampleStore, by: tuple[str, ...], samples: str, expected: dict[str, str]
) -> None:
    found = sets_of(store.rows(), samples, by)  # type: ignore[arg-type]
    assert {key.title: " ".join(row.id for row in rows) for key, rows in found.items()} == expected


def test_a_mask_that_a_person_changed_is_edited(store: SampleStore) -> None:
    store.edit_mask("s1", np.roll(store.pair("s1").labels, 3, 0))
    found = sets_of(store.rows(), "all", ("masks",))
    assert [row.id for row in found[SetKey("", ("masks",), (("masks", "edited"),))]] == ["s1"]


def test_masks_of_one_painter_are_compared_from_score_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_organoid_synth.core.metrics.sets.ROUNDS", 5)
    project = Project(tmp_path / "project")
    for seed in range(4):
        image, labels = scene(seed, 2 * SIDE, 16)
        add_pair(project, SamplePair(f"real{seed}", image, labels, class_names=("cell",)), "instances")
    with SampleStore(project.samples_path) as store:
        for seed in range(16):
            store.add(painted(f"s{seed}", 50 + seed, "fitted" if seed % 2 else "generated"), run="painter")
    plain = ScoreSettings(extractor="random", metrics=("objects",), device="cpu")
    settings = plain.replace(by=("run", "masks"))
    sets = [SetScores.parse(one) for one in list(score(project, settings, Control()))[-1].result["sets"]]
    assert [(one.run, one.parts, one.number) for one in sets] == [
        ("painter", (("masks", "generated"),), 8),
        ("painter", (("masks", "fitted"),), 8),
    ]
    assert read_set_scores(project) == sets
    assert "painter, masks fitted: 8 samples" in table(sets)
    assert as_tsv(sets).splitlines()[-1].split("\t")[-2] == "painter, masks fitted"
    with SampleStore(project.samples_path) as store:
        assert outdated_sets(project, store, settings) == {}
        assert [key.title for key in outdated_sets(project, store, plain)] == ["painter"]
    list(score(project, plain, Control()))
    assert len(read_set_scores(project)) == 3  # the others stay
    page = write_report(project, project.path / "report.html").read_text(encoding="utf-8")
    assert page.count("masks fitted") >= 2
    assert page.count('<th scope="row">painter') >= 2
