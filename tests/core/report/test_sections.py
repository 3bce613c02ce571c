"""Trainings, sample sheet, copies, map, curation: the numbers and pictures of each."""

from __future__ import annotations

import io
import json
from itertools import pairwise

import numpy as np
import pytest

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.map.storage import MappedSample, MapRecord, SampleMap, write_map
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleStore
from report_project import add_run, pair, score, write_scores

# ------------------------------------------------------------------------------------------------------- trainings


def test_a_training_shows_its_settings_and_progress(project, read):
    page = read(project)
    assert "pix2pix – paints masks · tiles of 64 px · 20 of 20 steps of 4 tiles · processor " in page.words
    assert "bf16 · 12.3 images/s · 2 min" in page.words
    assert "tiles.size = 64 (256)" in page.words
    assert "train.steps = 20 (4000)" in page.words
    assert "train.batch = " not in page.words
    assert 'points="52.0,12.0 179.0,54.0 306.0,96.0"' in page.text
    assert "steps: 20\n" in page.words  # the recipe itself


def test_trainings_that_made_samples_come_first(project, read):
    add_run(project, "zwei", "gan=dcgan", "train.batch=8")
    page = read(project)
    assert page.headings.index("one") < page.headings.index("Other trainings")
    assert "zwei: DCGAN – draws image and mask · tiles of 64 px · 0 of 4,000 steps of 8 tiles" in page.words
    assert "train.batch = 8 (4)" in page.words
    assert "steps: 4000" in page.words


def test_live_samples_show_the_same_pair_from_first_to_last(project, read):
    images = np.random.default_rng(0).integers(0, 255, (10, 2, 1, 64, 64), dtype=np.uint8)
    for step, image in enumerate(images):
        data = io.BytesIO()
        np.savez(data, image=image, labels=np.zeros((2, 64, 64), np.int32))
        write_bytes(project.path / "runs" / "one" / "previews" / f"step_{step:08d}.npz", data.getvalue())
    (project.path / "pairs.json").unlink()  # without real tiles 8 bits are shown as they are
    page = read(project)
    strip = [pixels for name, pixels in page.pictures if name == "live sample, one"]
    assert len(strip) == 6
    for pixels, place in zip(strip, (0, 2, 4, 5, 7, 9), strict=True):
        np.testing.assert_array_equal(pixels, images[place, 0, 0])
        assert f"step {place}" in page.words


# ---------------------------------------------------------------------------------------------------- sample sheet


def test_the_sheet_is_drawn_at_random_and_the_same_each_time(project, read):
    with SampleStore(project.samples_path) as store:
        store.add_many([pair(f"more{number}", "synthetic", side=48) for number in range(30)], run="two")
    write_scores(project, {})
    first, again = read(project), read(project)
    names = [name for name, _ in first.pictures]
    assert names == [name for name, _ in again.pictures]
    drawn = [name for name in names if name.startswith("more")]
    assert len(drawn) == len(set(drawn)) == 12
    assert drawn == sorted(drawn, key=lambda name: int(name[4:]))
    assert drawn != [f"more{number}" for number in range(12)]
    assert "12 of 30 pairs" in first.words


def test_pictures_have_one_contrast_so_that_dark_and_bright_ones_can_be_compared(project, read):
    dark, bright = pair("dark", "synthetic", side=48), pair("bright", "synthetic", side=48)
    dark = dark.replace(image=dark.image // 4)
    with SampleStore(project.samples_path) as store:
        store.add_many([dark, bright], run="two")
    write_scores(project, {})
    shown = {name: pixels for name, pixels in read(project).pictures if name in ("dark", "bright")}
    levels = [np.median(shown[name]) / np.median(one.image) for name, one in (("dark", dark), ("bright", bright))]
    assert levels[0] == pytest.approx(levels[1], rel=0.1)  # with a contrast of its own the dark one is 4 times brighter


def test_accepted_samples_are_sorted_by_realism_and_flagged_ones_show_their_flag(project, read):
    with SampleStore(project.samples_path) as store:
        store.rate("s0", {}, flagged="copy")
    page = read(project)
    names = [name for name, _ in page.pictures]
    start = names.index("s0") + 3  # after the three of the sheet
    assert names[:start][-3:] == ["s0", "s1", "s2"]
    assert names[start : start + 3] == ["s2", "s1", "s0"]  # accepted by realism, then the flagged one
    assert "copy: note " in page.words


# ---------------------------------------------------------------------------------------------------------- copies


def test_the_nearest_pair_stands_beside_its_real_tile(project, read):
    real = pair("ground", side=48)
    add_pair(project, SamplePair("ground", real.image, real.labels), "binary")
    with SampleStore(project.samples_path) as store:
        id = store.add(pair("copycat", "synthetic", side=48), run="one")
        store.rate(id, {"nearest": 0.93}, nearest=TilePlace("ground", 0, 0), flagged="copy")
        store.rate("s0", {"nearest": 0.5}, nearest=TilePlace("gone", 0, 0))
    page = read(project)
    assert "copycat: SSIM 0.93, flagged: copy" in page.words
    assert "s0: SSIM" not in page.words  # its real image is no longer there
    names = [name for name, _ in page.pictures]
    assert ("copycat", "ground_y0_x0_r0") in pairwise(names)


# ------------------------------------------------------------------------------------------------------------- map


def test_the_map_distinguishes_runs_and_verdicts(project, read):
    points = np.array([[0.0, 0], [4, 0], [4, 2], [0, 2], [2, 1]])
    samples = tuple(MappedSample(id=id, run="one") for id in ("s0", "s1", "s2"))
    tiles = (TilePlace("t", 0, 0), TilePlace("t", 0, 64))
    record = MapRecord(tiles=tiles, samples=samples, method="tsne", extractor="encoder:12ab", kl=0.1234, perplexity=1.5)
    write_map(project, SampleMap(points, record))
    page = read(project)
    for words in (
        "real tiles (2)",
        "run 1, pix2pix, new (1)",
        "run 1, pix2pix, accepted (2)",
        "encoder:12ab",
        "0.123, perplexity 1.5.",
    ):
        assert words in page.words
    assert "it is not a distance between real and synthetic tiles" in page.words
    assert 'd="M20 360h0M700 360h0" fill="none" stroke="#7f7f7f"' in page.text
    assert "M20 20m-4-4h8v8h-8zM360 190m-4-4h8v8h-8z" in page.text  # s1 and s2 are accepted: boxes
    write_map(project, SampleMap(points, record.replace(method="pca", kl=None, perplexity=None)))
    assert "Kullback" not in read(project).words


def test_each_run_of_a_map_is_also_shown_alone_and_named_by_its_loss(project, read):
    losses = ("bce", "poisson")
    for place, loss in enumerate(losses):
        folder = project.path / "runs" / f"20990101-00000{place}-train"
        folder.mkdir(parents=True)
        Recipe.parse({"gan": {"name": "aae", "loss": loss}, "tiles": {"size": 64}}).to_file(folder / "recipe.yaml")
    points = np.array([[0.0, 0], [4, 0], [4, 2], [0, 2]])
    samples = tuple(MappedSample(id=f"s{place}", run=f"20990101-00000{place}-train") for place in range(2))
    tiles = (TilePlace("t", 0, 0), TilePlace("t", 0, 64))
    write_map(project, SampleMap(points, MapRecord(tiles=tiles, samples=samples, method="pca", extractor="random:1")))
    page = read(project)
    for title in ("run 1, AAE bce", "run 2, AAE poisson"):  # named by time before the run "one"
        assert f'aria-label="Principal components map of real and synthetic tiles: {title}"' in page.text
    assert page.words.count("real tiles (2)") == 3  # both runs, and each alone


def test_without_a_map_there_is_no_section(project, read):
    assert "Map" not in read(project).headings


# -------------------------------------------------------------------------------------------------------- curation


def test_decisions_are_counted_and_drawn_in_their_order(project, read):
    with SampleStore(project.samples_path) as store:
        store.decide(["s0"], "rejected")
        store.decide(["s1"], "rejected")
        store.decide(["s2"], "new")
        store.undo()
        store.edit_mask("s0", np.ones((48, 64), np.int32))
        store.annotate(["s1"], add=["dusty"], remark="odd")
        store.decide(["s1"], "accepted")
        store.undo()
    page = read(project)
    assert "6 decisions in force, among them 2 acceptances and 2 rejections of a pair." in page.words
    assert "1 decision undone." in page.words
    assert "1 mask edited by hand." in page.words
    assert "dusty (1)" in page.words
    assert "1 pair with a note." in page.words
    assert page.table("Run")[1] == ["one", "1", "2", "0", "33%"]
    # accepted 0 2 2 1, rejected 0 0 1 2 after 0 to 3 decisions about verdicts
    assert 'points="52.0,96.0 136.7,12.0 221.3,12.0 306.0,54.0"' in page.text
    assert 'points="52.0,96.0 136.7,96.0 221.3,54.0 306.0,12.0"' in page.text


def test_acceptance_by_quarters_of_a_score(project, read):
    with SampleStore(project.samples_path) as store:
        ids = [store.add(pair(f"q{number}", "synthetic", side=48), run="two") for number in range(13)]
        for number, id in enumerate(["s0", "s1", "s2", *ids]):
            store.rate(id, {"realism": float(number), "nearest": float(-number)})
        store.decide([*ids, "s0"], "accepted")
        store.decide(["s0", "s1", "s2", ids[0], ids[1], ids[-1]], "rejected")  # numbers 0 to 4 and 15
    page = read(project)
    table = page.table("Score")
    assert table[0][1:] == ["Lowest quarter", "Second", "Third", "Highest quarter"]
    assert table[1] == ["Realism", "0%", "75%", "100%", "75%"]
    assert table[2] == ["Similarity to the nearest real image", "75%", "100%", "75%", "0%"]
    assert "Share accepted of the judged pairs" in page.words


def test_exported_copies_are_named(project, read):
    words = read(project).words
    assert "Export e1 contains 1 pair flagged as a copy, against the rule." in words
    assert "Export e1 left out 2 accepted copies." in words
    manifest = json.loads((project.path / "exports" / "e1" / "manifest.json").read_text())
    assert len(manifest["samples"]) == 2


# ------------------------------------------------------------------------------------------------------------ head


def test_the_set_with_the_lowest_kid_is_compared_with_the_originals(project, read):
    other = [score("kid", 0.4, 0.0, 0.2, "low"), score("fid", 0.1, 0, 1, "low")]
    write_scores(project, {"one": [score("kid", 0.6, 0.0, 0.2, "low")], "gone": other})
    words = read(project).words
    assert "The range of the originals was not reached: KID of gone is 0.4, originals 0 to 0.2; 1 of 2 scores" in words
