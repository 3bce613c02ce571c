"""Distances by class: each to the originals of the same class, in the features of all originals."""

from __future__ import annotations

import numpy as np

from napari_organoid_synth.core.job import Control, run_to_end
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.studies.by_class import scoring_by_class
from napari_organoid_synth.core.studies.parts import Results


def picture(number: int, bright: bool) -> SamplePair:
    """Noise with a disc that is bright or dark."""
    rng = np.random.default_rng([number, bright])
    y, x = np.mgrid[:32, :32]
    disc = ((y - 16) ** 2 + (x - 16) ** 2 < 60).astype(np.int32)
    image = (120 + (80 if bright else -80) * disc + rng.normal(0, 12, disc.shape)).clip(0, 255).astype(np.uint8)
    return SamplePair(f"{'bright' if bright else 'dark'}{number}", image[None], disc)


def test_each_class_is_compared_with_its_own_originals(tmp_path):
    project = Project(tmp_path / "p")
    for number in range(8):
        for bright in (True, False):
            add_pair(project, picture(number, bright), "binary")
    table = PairTable.from_file(project.pairs_path)
    rows = tuple(entry.replace(image_class=entry.name.rstrip("0123456789")) for entry in table.entries)
    table.replace(entries=rows).to_file(project.pairs_path)
    with SampleStore(project.samples_path) as store:
        for number in range(8):  # what is called dark looks like the bright originals
            for image_class in ("bright", "dark"):
                made = picture(100 + number + 50 * (image_class == "dark"), True)
                named = made.replace(
                    name=f"{image_class}-{number}", image_class=image_class, source=Source("synthetic")
                )
                store.add(named, run="one")
        store.add(picture(200, True).replace(name="odd", image_class="odd", source=Source("synthetic")), run="one")
    settings = ScoreSettings(extractor="random", device="cpu")
    part = scoring_by_class(project, ["one"], settings, Control(), (), "by-class")
    found = run_to_end(part.work(Results(), "key"))
    kid = {one["image_class"]: one["scores"][0] for one in found["scores"]}
    assert {name: score["name"] for name, score in kid.items()} == {"bright": "kid", "dark": "kid"}
    assert kid["dark"]["value"] > 5 * abs(kid["bright"]["value"])
    assert kid["bright"]["n_real"] == kid["bright"]["n_synthetic"] == 8
    assert found["left_out"] == [["one", "odd", "0 originals, 1 sample"]]


def test_stop_gives_no_result(tmp_path):
    project, control = Project(tmp_path / "p"), Control()
    for number in range(8):
        add_pair(project, picture(number, True), "binary")
    with SampleStore(project.samples_path) as store:
        store.add(picture(99, True).replace(source=Source("synthetic")), run="one")
    control.cancel()
    part = scoring_by_class(project, ["one"], ScoreSettings(extractor="random", device="cpu"), control, (), "x")
    *_, last = part.work(Results(), "key")
    assert last.reason == "canceled"
    assert last.result == {}
