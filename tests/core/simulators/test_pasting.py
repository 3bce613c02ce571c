import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.simulators.cutouts import Brightness, cutouts
from napari_organoid_synth.core.simulators.pasting import CUT_FROM, paste_pairs


def discs(
    name: str, kind="instances", side: int = 160, number: int = 6, exposure: float = 1, channels: int = 1, dtype="uint8"
):
    """Discs of value 160 on a background of 40 with noise, times an exposure; in classes they take turns."""
    rng = np.random.default_rng(sum(map(ord, name)))
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.int32)
    for index in range(number):
        at = rng.uniform(15, side - 15, 2)
        disc = (y - at[0]) ** 2 + (x - at[1]) ** 2 < rng.uniform(5, 10) ** 2
        if not labels[binary_dilation(disc, iterations=2)].any():
            labels[disc] = {"instances": index + 1, "binary": 1, "classes": 1 + index % 2}[kind]
    image = (40 + 120 * (labels > 0) + rng.normal(0, 3, (channels, side, side))) * exposure
    names = ("a", "b") if kind == "classes" else ("object",)
    return SamplePair(name, image.clip(0, 60000).astype(dtype), labels, kind, names)


def background_of(pair: SamplePair, pairs) -> SamplePair:
    """The crop of the real image that a pair was pasted into."""
    real = next(one for one in pairs if one.name == pair.source.provenance[CUT_FROM])
    y, x = pair.source.provenance["place"]
    box = slice(y, y + pair.size[0]), slice(x, x + pair.size[1])
    return real.replace(image=real.image[(slice(None), *box)], labels=real.labels[box])


def n_pieces(labels) -> int:
    return sum(label(labels == value, np.ones((3, 3)))[1] for value in np.unique(labels) if value)


@pytest.mark.parametrize("kind", ["instances", "binary", "classes"])
@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (3, "uint16"), (2, "float32")])
def test_objects_are_added_and_all_else_stays(kind, channels, dtype):
    pairs = [discs(name, kind, channels=channels, dtype=dtype) for name in "abc"]
    made = list(paste_pairs(pairs, 12, 96, 3))
    assert len(made) == 12
    assert sum(pair.source.provenance["objects"] for pair in made) >= 12
    for pair in made:
        before, pasted = background_of(pair, pairs), pair.source.provenance["objects"]
        assert pair.size == (96, 96)
        assert (pair.image.dtype, pair.image.shape) == (np.dtype(dtype), (channels, 96, 96))
        assert (pair.mask_kind, pair.class_names, pair.source.kind) == (kind, before.class_names, "simulated")
        assert n_pieces(pair.labels) == n_pieces(before.labels) + pasted  # none lost, split, merged or doubled
        changed = pair.labels != before.labels
        near = binary_dilation(changed, np.ones((3, 3)), iterations=2)
        assert np.array_equal(pair.image[:, ~near], before.image[:, ~near])
        if kind == "instances":
            old, new = set(np.unique(before.labels)), set(np.unique(pair.labels))
            assert old <= new
            assert len(new - old) == pasted
        assert np.array_equal(np.unique(pair.labels[changed]) > 0, [True] * len(np.unique(pair.labels[changed])))
        if pasted:
            inside = pair.labels.astype(bool) & changed
            assert np.median(pair.image[:, inside]) == pytest.approx(160, abs=12)
            assert set(pair.source.provenance["data"]) <= set("abc")


def test_the_same_seed_gives_the_same_bits_and_a_larger_number_begins_alike():
    pairs = [discs(name) for name in "abc"]
    first, again, other = (list(paste_pairs(pairs, number, 96, seed)) for number, seed in ((4, 5), (6, 5), (4, 6)))
    hashes = [[content_hash(pair.image, pair.labels) for pair in made] for made in (first, again, other)]
    assert hashes[0] == hashes[1][:4]
    assert len(set(hashes[1])) == 6
    assert not set(hashes[0]) & set(hashes[2])


def test_provenance_names_the_images_and_their_pixels():
    pairs = [discs(name) for name in "abc"]
    hashes = {pair.name: content_hash(pair.image, pair.labels) for pair in pairs}
    for pair in paste_pairs(pairs, 8, 96, 0):
        note = pair.source.provenance
        assert note["simulator"] == "pasted"
        assert note["data"] == {name: hashes[name] for name in {note[CUT_FROM], note["objects_from"]} - {""}}


@pytest.mark.parametrize("exposures", [(1, 1), (1, 20), (20, 1)])
def test_objects_take_the_contrast_of_the_image_below(exposures):
    """Objects of a bright image pasted into a dim one are as bright as its own, and the other way round."""
    pairs = [discs(name, exposure=exposure, dtype="uint16") for name, exposure in zip("ab", exposures, strict=True)]
    crossed = 0
    for pair in paste_pairs(pairs, 12, 120, 1):
        note, before = pair.source.provenance, background_of(pair, pairs)
        new = ~np.isin(pair.labels, np.unique(before.labels))
        exposure = exposures["ab".index(note[CUT_FROM])]
        assert np.median(pair.image[0][new]) == pytest.approx(160 * exposure, rel=0.08)
        crossed += note[CUT_FROM] != note["objects_from"]
    assert crossed >= 3


def test_a_pool_normalises_a_pasted_pair_like_the_image_below():
    pairs = [discs("a", exposure=1, dtype="uint16"), discs("b", exposure=30, dtype="uint16")]
    for pair in paste_pairs(pairs, 4, 160, 2):
        before = background_of(pair, pairs)  # the whole image
        pool = CropPool(pairs, [pair], ratio=float("inf"))
        crop = pool.draw(0, 1, 160)[0][0]
        alone = CropPool([before], usual=pool.usual).draw(0, 1, 160)[0][0]
        same = (pair.image == before.image)[0]
        assert same.any()
        assert np.array_equal(crop[0][same], alone[0][same])


def test_without_objects_the_pairs_are_crops():
    empty = discs("a", number=0)
    for pair in paste_pairs([empty], 3, 64, 0):
        before = background_of(pair, [empty])
        assert np.array_equal(pair.image, before.image)
        assert not pair.labels.any()
        assert pair.source.provenance["objects"] == 0
    with_one = list(paste_pairs([empty, discs("b", number=2)], 12, 64, 0))
    assert any(pair.source.provenance[CUT_FROM] == "a" and pair.labels.any() for pair in with_one)


@pytest.mark.parametrize("kind", ["instances", "binary", "classes"])
def test_one_image_smaller_than_the_pairs(kind):
    pair = discs("a", kind, side=70, number=3)
    made = list(paste_pairs([pair], 4, 128, 0))
    assert all(one.size == (70, 70) for one in made)
    assert sum(one.source.provenance["objects"] for one in made) >= 2


def test_thin_nets_stay_where_they_are():
    """Membranes of one class are not cut out; mitochondria of the other are."""
    side = 128
    labels = np.zeros((side, side), np.int32)
    labels[::32] = labels[1::32] = 1
    labels[:, ::32] = labels[:, 1::32] = 1
    y, x = np.mgrid[:side, :side]
    labels[(y - 48) ** 2 + (x - 48) ** 2 < 64] = 2
    image = (200 - 60 * labels).astype(np.uint8)[None]
    pair = SamplePair("a", image, labels, "classes", ("membrane", "mitochondrion"))
    found = cutouts(pair, Brightness.of(pair).ground)
    assert [one.value for one in found] == [2]
    lines = pair.replace(labels=(labels == 1).astype(np.int32), mask_kind="binary", class_names=("membrane",))
    assert cutouts(lines, Brightness.of(lines).ground) == []
    for made in paste_pairs([pair], 6, 128, 0):
        new = made.labels != labels
        assert not new.any() or set(np.unique(made.labels[new])) == {2}


def test_objects_cut_by_the_border_are_left_out_unless_all_are():
    labels = np.zeros((64, 64), np.int32)
    labels[:10, 5:15] = 1
    labels[30:40, 30:40] = 2
    image = np.where(labels > 0, 200, 20).astype(np.uint8)[None]
    pair = SamplePair("a", image, labels, "instances")
    ground = Brightness.of(pair).ground
    assert [int(one.mask.sum()) for one in cutouts(pair, ground)] == [100]
    assert len(cutouts(pair.replace(labels=np.where(labels == 1, 1, 0).astype(np.int32)), ground)) == 1


def test_large_ids_and_pairs_of_different_kinds():
    pair = discs("a")
    large = pair.replace(labels=np.where(pair.labels > 0, pair.labels + 2_000_000_000, 0).astype(np.int32))
    made = next(paste_pairs([large], 1, 96, 0))
    assert 0 < made.labels.max() < 100
    with pytest.raises(UserError, match="2 kinds"):
        next(paste_pairs([pair, discs("b", dtype="uint16")], 1, 64, 0))
    with pytest.raises(UserError, match="no pairs"):
        next(paste_pairs([], 1, 64, 0))
