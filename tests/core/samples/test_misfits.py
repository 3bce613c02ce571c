"""Pairs of another format do not enter the store of a project, and old ones in it block nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.export import export
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.gain.stored_pairs import StoredPairs
from napari_organoid_synth.core.job import Control, Finished, Warned
from napari_organoid_synth.core.map.build import map
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair
from napari_organoid_synth.core.pairs.pair_format import Misfit
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.importing import import_pairs
from napari_organoid_synth.core.samples.recovery import rebuild
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.score import score
from napari_organoid_synth.core.synthesis.mask_sources import checked_labels
from simulated import sample, scene


def rgb(name: str, seed: int, side: int = 96) -> SamplePair:
    image, labels = scene(seed, side)
    bytes_ = (image // 257).astype(np.uint8)
    return sample(name, np.concatenate([bytes_] * 3), labels).replace(channel_names=RGB)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three RGB images, twelve RGB samples, and two grey ones that entered before anything was compared."""
    project = Project(tmp_path / "project")
    with SampleStore(project.samples_path) as store:
        for seed in (1, 2):  # before there is a table
            grey = rgb(f"grey{seed}", seed)
            store.add(grey.replace(image=grey.image[:1], channel_names=()), run="r")
    for seed in range(3):
        real = rgb(f"real{seed}", seed, 192)
        add_pair(
            project,
            SamplePair(real.name, real.image, real.labels, channel_names=RGB, class_names=("cell",)),
            "instances",
        )
    with SampleStore(project.samples_path) as store:
        for seed in range(10, 22):
            store.add(rgb(f"good{seed}", seed), run="r")
    return project


LEFT_OUT = "2 pairs, such as 'grey1', are left out: 1 channel, the real pairs 3 channels. They do not fit the project."


def test_the_store_refuses_what_does_not_fit(project: Project) -> None:
    grey = rgb("more", 5)
    with SampleStore(project.samples_path) as store:
        before = store.ids()
        with pytest.raises(Misfit) as caught:
            store.add_many([rgb("fits", 6), grey.replace(image=grey.image[:1], channel_names=())])
        assert str(caught.value) == (
            "'more' has 1 channel. Expected 3 channels, like the real pairs of the project. "
            "Convert it, or use it in another project."
        )
        with pytest.raises(Misfit, match=r"has uint16 pixels\. Expected uint8 pixels"):
            store.add(grey.replace(image=grey.image.astype(np.uint16)))
        with pytest.raises(Misfit, match=r"has binary masks\. Expected masks of instances"):
            store.add(grey.replace(mask_kind="binary", labels=(grey.labels > 0).astype(np.int32)))
        assert store.ids() == before
        assert not (store.folder / "fits.ome.tif").exists()  # nothing of the batch


def test_imported_pairs_that_do_not_fit_are_named_and_the_others_added(project: Project, tmp_path: Path) -> None:
    grey = rgb("grey", 5)
    for pair in (rgb("fits", 6), grey.replace(image=grey.image[:1], channel_names=())):
        write_pair(tmp_path / "made", pair)
    with SampleStore(project.samples_path) as store:
        with pytest.raises(Misfit, match=r"'grey' has 1 channel\. Expected 3 channels"):
            import_pairs(store, [tmp_path / "made"], "new")
        failed: dict[str, str] = {}
        assert import_pairs(store, [tmp_path / "made"], "new", failed) == ["fits"]
    assert list(failed) == ["grey.ome.tif"]


@pytest.mark.parametrize("verdict", ["new", "rejected"])
def test_old_misfits_are_named_and_block_nothing(project: Project, verdict: str) -> None:
    with SampleStore(project.samples_path) as store:
        store.decide(["grey1", "grey2"], verdict)  # type: ignore[arg-type]
    events = list(score(project, ScoreSettings(sets="all", extractor="random"), Control()))
    assert LEFT_OUT in [event.text for event in events if isinstance(event, Warned)]
    assert isinstance(events[-1], Finished)
    assert events[-1].result["scored"] == 12
    assert [one["number"] for one in events[-1].result["sets"]] == [12]
    events = list(map(project, MapSettings(method="pca", extractor="random"), Control()))
    assert LEFT_OUT in [event.text for event in events if isinstance(event, Warned)]
    assert events[-1].result["points"] - events[-1].result["real"] == 12  # type: ignore[union-attr]


def test_exports_and_comparisons_leave_misfits_out(project: Project, tmp_path: Path) -> None:
    with SampleStore(project.samples_path) as store:
        store.decide(["grey1", "grey2"], "accepted")
    with pytest.raises(UserError, match="2 pairs, such as 'grey1', are left out"):
        list(export(project, ExportSettings(folder=str(tmp_path / "out")), Control()))
    with SampleStore(project.samples_path) as store:
        store.decide(["good10"], "accepted")
    last = list(export(project, ExportSettings(folder=str(tmp_path / "out")), Control()))[-1]
    assert last.result["written"] == 1  # type: ignore[union-attr]
    assert LEFT_OUT in last.result["sentence"]  # type: ignore[union-attr]
    assert [known.pair.id for known in StoredPairs(project).accepted] == ["good10"]


def test_a_rebuilt_list_leaves_misfits_out(project: Project) -> None:
    project.samples_path.write_bytes(b"damaged")
    for ending in ("-wal", "-shm"):
        project.samples_path.with_name(project.samples_path.name + ending).unlink(missing_ok=True)
    result = rebuild(project.samples_path)
    assert (result.recovered, result.misfits) == (12, ("grey1.ome.tif", "grey2.ome.tif"))
    assert "Left out because they do not fit the real pairs: grey1.ome.tif, grey2.ome.tif." in result.message
    assert (project.path / "samples" / "grey1.ome.tif").exists()


def test_a_drawn_mask_without_a_number_for_each_object_is_refused() -> None:
    codec = Codec(low=(0,), high=(1,), dtype="uint8", mask_kind="instances")
    labels = np.zeros((64, 64), np.int32)
    for place in range(4):
        labels[16 * place : 16 * place + 8, 8:20] = 1
    with pytest.raises(UserError, match="The drawing has 1 number in 4 pieces, a mask of classes or a binary mask"):
        checked_labels(labels, codec, "The drawing")
    numbered = labels * np.repeat(np.arange(1, 5), 16)[:, None]
    np.testing.assert_array_equal(checked_labels(numbered, codec, "x"), numbered)
    labels[16:] = 0
    assert checked_labels(labels, codec, "one object").max() == 1
