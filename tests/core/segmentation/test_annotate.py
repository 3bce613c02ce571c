import json

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.gain import segment
from napari_organoid_synth.core.gain.settings import SegmentSettings
from napari_organoid_synth.core.job import Control, Finished, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import check_pairs, load_pairs
from napari_organoid_synth.core.pairs.ome_tiff import read_labels, read_source, write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.split import split_table
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.annotate import FOLDER, GuidedPool, annotate, mark
from napari_organoid_synth.core.segmentation.catalog import TRAINING
from napari_organoid_synth.core.segmentation.segmenters import base
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.segmentation.settings import AnnotateSettings

SMALL = UNetConfig(channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2)
CLASSES = ("mito", "wall")


def cell(seed: int, size: int = 64, gain: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A dark ring (wall) and a grey blob of the same darkness (mito) in bright cytoplasm."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    cy, cx = rng.integers(size // 2 - 6, size // 2 + 6, 2)
    far = np.hypot(y - cy, x - cx)
    wall = np.abs(far - size * 0.35) < 2.5
    mito = np.hypot(y - cy - 3, x - cx + 2) < size * 0.12
    image = 180 - 110 * (wall | mito) + rng.normal(0, 6, far.shape)
    return (image * gain).clip(0, 255).astype(np.uint8), mito, wall


def project(path, numbers, with_walls: bool, gain: float = 1.0, mito: str = "mito", size: int = 64) -> Project:
    opened, entries = Project(path), []
    for seed in numbers:
        image, blob, wall = cell(seed, size, gain)
        files = {mito: blob, "wall": wall} if with_walls else {mito: blob}
        masks = {}
        for name, mask in files.items():
            folder = path / "files" / name
            folder.mkdir(parents=True, exist_ok=True)
            pair = SamplePair(f"c{seed}", image[None], mask.astype(np.int32), "binary", (name,))
            image_file, masks[name] = map(str, write_pair(folder, pair))
        entries.append(PairEntry(name=f"c{seed}", image=image_file, masks=masks))
    check_pairs(PairTable(entries=tuple(entries))).to_file(opened.pairs_path)
    return opened


@pytest.fixture
def teacher(tmp_path):
    opened = project(tmp_path / "a", range(4), True)
    split_table(PairTable.from_file(opened.pairs_path), ["c3"]).to_file(opened.pairs_path)
    return opened


@pytest.fixture
def pupil(tmp_path):
    return project(tmp_path / "b", range(10, 13), False, gain=0.7)


def settings(teacher: Project, **changes) -> AnnotateSettings:
    values = {"source": str(teacher.path), "unet": SMALL, "steps": 60, "device": "cpu", "threads": 1, "noise": 0.1}
    return AnnotateSettings(**values | changes)


def run(pupil: Project, wanted: AnnotateSettings, control: Control | None = None, folder=None) -> list:
    return list(annotate(pupil, wanted, control or Control(), folder))


def test_the_missing_class_is_learned_there_and_marked_here(teacher, pupil, tmp_path):
    events = run(pupil, settings(teacher), folder=tmp_path / "job")
    assert isinstance(events[0], Started)
    assert [event.step for event in events if isinstance(event, Progress)][-3:] == [61, 62, 63]
    result = events[-1].result
    assert (result["class"], result["known"], result["masks"]) == ("wall", ["mito"], 3)
    assert result["held_out"]["dice"] > 0.85
    table = PairTable.from_file(pupil.pairs_path)
    assert (table.mask_kind, table.class_names) == ("classes", CLASSES)
    for entry, pair in zip(table.matched, load_pairs(pupil), strict=True):
        assert entry.reason.startswith("wall predicted, not drawn")
        _, mito, wall = cell(int(entry.name[1:]))
        truth = wall & ~mito
        found = pair.labels == 2
        assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.85
        assert ((pair.labels == 1) == mito).all()  # what was drawn stays as it was


def test_the_mask_says_what_made_it(teacher, pupil, tmp_path):
    run(pupil, settings(teacher, steps=2), folder=tmp_path / "job")
    file = pupil.path / FOLDER / "c10_wall_labels.ome.tif"
    source = read_source(file)
    made = source.provenance
    assert source.kind == made["predicted"].replace("wall", "predicted") == "predicted"
    assert made["known"] == ["mito"]
    assert made["settings"]["steps"] == 2
    assert len(made["learned_from"]) == 3  # the test pair of the teacher is not among them
    assert "source" not in made["settings"]  # no path of this computer
    assert set(np.unique(read_labels(file))) <= {0, 1}
    unet = load_segmenter(tmp_path / "job" / "segmenter", "cpu")
    assert unet.spec == SegmentSpec(2, "binary", ("wall",))


def test_it_may_be_repeated_and_a_seed_repeats_its_pixels(teacher, pupil):
    run(pupil, settings(teacher, steps=3))
    file = pupil.path / FOLDER / "c10_wall_labels.ome.tif"
    first = file.read_bytes()
    run(pupil, settings(teacher, steps=3))
    assert file.read_bytes() == first
    assert PairTable.from_file(pupil.pairs_path).class_names == CLASSES


def test_a_cancelled_one_leaves_the_table_as_it_was(teacher, pupil):
    before, control, seen = pupil.pairs_path.read_text(), Control(), []
    for event in annotate(pupil, settings(teacher, steps=5), control):
        seen.append(event)
        if isinstance(event, Progress) and event.step > 5:
            control.cancel()
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "canceled"
    assert pupil.pairs_path.read_text() == before


def test_a_stopped_one_goes_on_and_marks_the_same(teacher, pupil, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "REPORT_SECONDS", 0.0)
    other = project(tmp_path / "c", range(10, 13), False, gain=0.7)
    run(other, settings(teacher))
    file = pupil.path / FOLDER / "c11_wall_labels.ome.tif"
    control = Control()
    for event in annotate(pupil, settings(teacher), control):
        if isinstance(event, Progress) and event.step == 20:
            control.cancel()
    assert (pupil.path / FOLDER / TRAINING).exists()
    assert not file.exists()
    steps = [event.step for event in run(pupil, settings(teacher)) if isinstance(event, Progress)]
    assert steps[:2] == [20, 21]
    assert np.array_equal(read_labels(file), read_labels(other.path / FOLDER / file.name))
    assert not (pupil.path / FOLDER / TRAINING).exists()


def test_a_comparison_on_predicted_masks_says_so(teacher, pupil):
    run(pupil, settings(teacher, steps=1))
    split_table(PairTable.from_file(pupil.pairs_path), ["c12"]).to_file(pupil.pairs_path)
    quick = SegmentSettings(segmenter=SMALL, steps=1, arms=("raw",), device="cpu")
    events = list(segment(pupil, quick, Control()))
    sentence = "Of mito, wall only mito is scored. In all test images wall was predicted, not drawn."
    assert sentence in [event.text for event in events if isinstance(event, Warned)]
    assert set(events[-1].result["arms"]["raw"]["per_class"]) == {"mito"}


def test_a_class_that_was_predicted_there_is_neither_learned_nor_tested(teacher, pupil, tmp_path):
    run(pupil, settings(teacher, steps=1))
    other = project(tmp_path / "c", [20], False)
    with pytest.raises(UserError, match="b has no pair to train on in which 'wall' was drawn"):
        run(other, settings(pupil, steps=1))
    by_hand = PairTable.from_file(pupil.pairs_path)
    drawn = PairTable.from_file(teacher.pairs_path).entry("c0")
    table = by_hand.replace(entries=(*by_hand.entries[:-1], by_hand.entries[-1].replace(split="test"), drawn))
    table.to_file(pupil.pairs_path)
    result = run(other, settings(pupil, steps=1))[-1].result
    assert result["held_out"] == {}  # the wall of its test pair was predicted
    assert len(read_source(other.path / FOLDER / "c20_wall_labels.ome.tif").provenance["learned_from"]) == 1


def test_masks_of_another_name_are_said_to_be_the_class(teacher, tmp_path):
    pupil = project(tmp_path / "c", [10], False, mito="object")
    with pytest.raises(UserError, match=r"masks here are called 'object'.*mito, wall"):
        run(pupil, settings(teacher))
    run(pupil, settings(teacher, known="mito", steps=1))
    assert PairTable.from_file(pupil.pairs_path).class_names == CLASSES


def test_images_used_at_half_size_get_masks_of_the_full_size(teacher, tmp_path):
    pupil = project(tmp_path / "c", [10], False, size=128)
    PairTable.from_file(pupil.pairs_path).scaled(0.5).to_file(pupil.pairs_path)
    run(pupil, settings(teacher, steps=1))
    assert read_labels(pupil.path / FOLDER / "c10_wall_labels.ome.tif").shape == (128, 128)
    assert load_pairs(pupil)[0].size == (64, 64)


def test_other_pixel_sizes_are_worth_a_warning(teacher, pupil):
    for opened, size in ((teacher, 0.005), (pupil, 0.01)):
        table = PairTable.from_file(opened.pairs_path)
        entries = tuple(entry.replace(pixel_size=(size, size)) for entry in table.entries)
        table.replace(entries=entries).to_file(opened.pairs_path)
    texts = [event.text for event in run(pupil, settings(teacher, steps=1)) if isinstance(event, Warned)]
    assert any("2 times as wide" in text for text in texts)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"source": ""}, "No project to learn from"),
        ({"target": "mito"}, "'mito' is not a class to add"),
        ({"target": "axon"}, "Expected one of: wall"),
    ],
)
def test_what_cannot_be_is_said(teacher, pupil, change, sentence):
    with pytest.raises(UserError, match=sentence):
        run(pupil, settings(teacher, **change))


def test_a_project_with_one_class_teaches_nothing(teacher, pupil):
    with pytest.raises(UserError, match=r"The masks of b are binary\."):
        run(teacher, settings(pupil))
    with pytest.raises(UserError, match="none, all are here"):
        run(teacher, settings(teacher))


# --- what the network sees ---


def pair_of(seed: int = 0) -> SamplePair:
    image, mito, wall = cell(seed)
    return SamplePair("p", image[None], np.where(mito, 1, 2 * wall).astype(np.int32), "classes", CLASSES)


def test_noise_has_the_named_strength_and_never_reaches_the_mask():
    flat = pair_of().replace(image=np.full((1, 64, 64), 9, np.uint8))  # a constant image is 0 everywhere
    pool = GuidedPool([flat], ("mito",), "wall", noise=0.2, contrast=0, seed=1)
    spreads = []
    for step in range(100):
        images, targets = pool.draw(step, 4, 64)
        assert images.dtype == np.float32
        assert set(np.unique(images[:, 1])) == {0, 1}
        assert images[:, 1].sum(axis=(1, 2)).tolist() == [(flat.labels == 1).sum()] * 4
        assert targets.sum(axis=(1, 2)).tolist() == [(flat.labels == 2).sum()] * 4
        spreads += images[:, 0].std(axis=(1, 2)).tolist()
    assert np.mean(spreads) == pytest.approx(0.1, abs=0.01)  # σ ~ U(0, 0.2): mean 0.1, never above 0.2
    assert np.std(spreads) == pytest.approx(0.2 / np.sqrt(12), abs=0.006)
    assert max(spreads) < 0.21


def test_contrast_and_brightness_stay_in_their_range():
    pool = GuidedPool([pair_of()], ("mito",), "wall", noise=0, contrast=0.4)
    plain = GuidedPool([pair_of()], ("mito",), "wall", noise=0, contrast=0).draw(0, 1, 64)[0][0, 0]
    drawn = np.concatenate([pool.draw(step, 4, 64)[0][:, 0] for step in range(50)])
    gains = drawn.std(axis=(1, 2)) / plain.std()
    assert gains.min() > 0.6 - 1e-6
    assert gains.max() < 1.4 + 1e-6
    assert np.ptp(gains) > 0.7
    shifts = drawn.mean(axis=(1, 2)) - 0.5 - gains * (plain.mean() - 0.5)
    assert np.abs(shifts).max() < 0.2 + 1e-6


def test_a_draw_depends_on_seed_and_step_alone():
    one, two = (GuidedPool([pair_of()], ("mito",), "wall", seed=3).draw(5, 2, 48) for _ in range(2))
    assert np.array_equal(one[0], two[0])
    assert not np.array_equal(one[0], GuidedPool([pair_of()], ("mito",), "wall", seed=4).draw(5, 2, 48)[0])


def test_nothing_is_marked_where_a_known_class_is():
    unet = UNet(SMALL, SegmentSpec(2, "binary", ("wall",)), "cpu")
    labels = mark(unet, pair_of(), ("mito",))
    assert labels.dtype == np.int32
    assert labels.shape == (64, 64)
    assert not labels[pair_of().labels == 1].any()


def test_settings_survive_json():
    wanted = AnnotateSettings(noise=0, unet=SMALL)
    assert AnnotateSettings.parse(json.loads(wanted.model_dump_json())) == wanted
