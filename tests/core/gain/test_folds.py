from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import make_folds, split_groups, subset
from napari_organoid_synth.core.pairs.groups import find_groups
from napari_organoid_synth.core.pairs.table import PairEntry


def alone(n: int) -> dict[str, str]:
    return {f"image{index}": f"image{index}" for index in range(n)}


def all_tests(folds):
    return sorted(name for fold in folds for name in fold.test)


@pytest.mark.parametrize("n", range(2, 11))
def test_two_to_ten_images_leave_one_out(n):
    folds = make_folds(alone(n), "leave-one-out")
    assert [fold.test for fold in folds] == [(name,) for name in sorted(alone(n))]
    assert all(len(fold.train) == n - 1 and not set(fold.train) & set(fold.test) for fold in folds)


@pytest.mark.parametrize("n", range(2, 11))
@pytest.mark.parametrize("design", ["k-fold", "grouped"])
def test_two_to_ten_images_in_folds(n, design):
    for count in (0, *range(2, n + 1)):
        folds = make_folds(alone(n), design, count)
        assert len(folds) == (count or min(5, n))
        assert all_tests(folds) == sorted(alone(n))
        sizes = [len(fold.test) for fold in folds]
        assert max(sizes) - min(sizes) <= 1
    with pytest.raises(UserError, match=f"There are {n} (images|groups) for {n + 1} folds"):
        make_folds(alone(n), design, n + 1)


@pytest.mark.parametrize("n", range(2, 11))
def test_two_to_ten_images_held_out(n):
    fold = make_folds(alone(n), "hold-out", test_share=0.25)[0]
    assert len(fold.test) == max(1, round(0.25 * n))
    assert sorted(fold.train + fold.test) == sorted(alone(n))
    own = make_folds(alone(n), "hold-out", held=["image1"])[0]
    assert own.test == ("image1",)
    assert len(own.train) == n - 1


@given(
    st.dictionaries(st.text("abcxyz019_", min_size=1, max_size=6), st.sampled_from("ABCDE"), min_size=2, max_size=20),
    st.integers(2, 6),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
@settings(max_examples=120, deadline=None)
def test_what_holds_for_any_images(groups, count, seed, random):
    shuffled = list(groups.items())
    random.shuffle(shuffled)
    for design in ("k-fold", "leave-one-out", "grouped", "hold-out"):
        share = 0.3 if design == "hold-out" else 0.0
        most = len(groups) if design in {"k-fold", "leave-one-out"} else len(set(groups.values()))
        if most < (count if design in {"k-fold", "grouped"} else 2):
            with pytest.raises(UserError, match="Expected at least"):
                make_folds(groups, design, count, share, seed=seed)
            continue
        folds = make_folds(groups, design, count, share, seed=seed)
        assert make_folds(dict(shuffled), design, count, share, seed=seed) == folds
        for fold in folds:
            assert fold.train
            assert fold.test
            assert not set(fold.train) & set(fold.test)
            assert set(fold.train) | set(fold.test) == set(groups)
        if design != "hold-out":
            assert all_tests(folds) == sorted(groups)
        if design in {"grouped", "hold-out"}:
            assert not split_groups(folds, groups)


def sizes_of(n: int, most: int | None = None) -> list[tuple[int, ...]]:
    """All ways to part n images into groups, largest first."""
    if n == 0:
        return [()]
    return [(k, *rest) for k in range(min(n, most or n), 0, -1) for rest in sizes_of(n - k, k)]


def grouped(sizes: tuple[int, ...]) -> dict[str, str]:
    return {f"g{group}_{index}": f"g{group}" for group, size in enumerate(sizes) for index in range(size)}


def test_there_are_as_many_ways_to_group_as_partitions():
    assert [len(sizes_of(n)) for n in range(2, 11)] == [2, 3, 5, 7, 11, 15, 22, 30, 42]


@pytest.mark.parametrize("n", range(2, 11))
@pytest.mark.parametrize("repeat", [0, 1, 17])
def test_every_grouping_of_two_to_ten_images_in_every_design(n, repeat):
    for sizes in sizes_of(n):
        groups = grouped(sizes)
        whole = Counter(groups.values())
        designs = [("leave-one-out", 0)]
        designs += [(kind, k) for kind, most in (("k-fold", n), ("grouped", len(sizes))) for k in range(2, most + 1)]
        for design, number in designs:
            folds = make_folds(groups, design, number, seed=repeat)
            assert len(folds) == (number or n)
            assert all_tests(folds) == sorted(groups)  # each exactly once
            for fold in folds:
                assert fold.train
                assert fold.test
                assert sorted(fold.train + fold.test) == sorted(groups)
            tested = [len(fold.test) for fold in folds]
            apart = {
                name for fold in folds for name in {groups[one] for one in fold.test} & {groups[o] for o in fold.train}
            }
            assert split_groups(folds, groups) == apart
            if design == "grouped":
                assert not apart
                assert max(tested) - min(tested) <= max(sizes)  # largest first, to the smallest fold
            elif design == "k-fold":
                assert max(tested) - min(tested) <= 1
            else:
                assert apart == {group for group, size in whole.items() if size > 1}
        for share in (0.1, 0.25, 0.5, 0.9):
            if len(sizes) == 1:
                with pytest.raises(UserError, match=f"All {n} images are of one group"):
                    make_folds(groups, "hold-out", test_share=share, seed=repeat)
                continue
            (fold,) = make_folds(groups, "hold-out", test_share=share, seed=repeat)
            assert fold.train
            assert sorted(fold.train + fold.test) == sorted(groups)
            assert not split_groups([fold], groups)
            wanted = max(1, round(share * n))
            assert len(fold.test) < wanted + max(sizes)
            assert len(fold.test) >= wanted or len({groups[name] for name in fold.train}) == 1
        for impossible in (("k-fold", n + 1), ("grouped", len(sizes) + 1)):
            with pytest.raises(UserError, match=r"There (is|are) \d+ (image|group)s? for \d+ folds") as error:
                make_folds(groups, *impossible, seed=repeat)
            assert error.value.todo


@pytest.mark.parametrize("n", range(2, 11))
def test_images_put_aside_may_be_any_but_all(n):
    names = sorted(alone(n))
    for first in range(n):
        for last in range(first + 1, n + 1):
            if last - first == n:
                continue
            (fold,) = make_folds(alone(n), "hold-out", held=names[first:last])
            assert fold.test == tuple(names[first:last])
            assert fold.train == tuple(names[:first] + names[last:])
    split = grouped((2, 1))
    assert split_groups(make_folds(split, "hold-out", held=["g0_1"]), split) == {"g0"}  # said, since a person chose it


def test_the_seed_deals_differently():
    found = {tuple(fold.test for fold in make_folds(alone(10), "k-fold", 5, seed=seed)) for seed in range(5)}
    assert len(found) == 5


def test_groups_are_dealt_out_evenly():
    groups = {f"{letter}{index}": letter for letter, n in zip("abcd", (6, 3, 2, 1), strict=True) for index in range(n)}
    folds = make_folds(groups, "grouped", 2)
    assert sorted(len(fold.test) for fold in folds) == [6, 6]


@pytest.mark.parametrize(
    ("groups", "design", "count", "held", "found"),
    [
        ({"a": "a"}, "k-fold", 2, (), "only 1 pair"),
        ({}, "leave-one-out", 0, (), "no pair"),
        (alone(3), "k-fold", 1, (), "1 fold is asked"),
        ({"a": "g", "b": "g"}, "grouped", 0, (), "There is 1 group for 2 folds"),
        (alone(3), "hold-out", 0, (), "None of the 3 pairs"),
        (alone(3), "hold-out", 0, sorted(alone(3)), "All 3 pairs would be tested"),
        (alone(3), "hold-out", 0, ["image1", "gone"], "no pair 'gone'"),
        (alone(3), "hold-out", 0, ["image1"] * 3 + ["image0", "image2"], "All 3 pairs would be tested"),
    ],
)
def test_what_cannot_work_is_refused_in_words(groups, design, count, held, found):
    with pytest.raises(UserError, match=found) as error:
        make_folds(groups, design, count, held=held)
    assert error.value.todo


def rows(*names, folder="images", **more):
    return [PairEntry(name=name, image=f"/data/{folder}/{name}.tif", **more) for name in names]


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["mouse1_z01", "mouse1_z02", "mouse2_z01"], ["mouse1", "mouse1", "mouse2"]),
        (["wellA-t3", "wellA-t4", "wellB-t3"], ["wellA", "wellA", "wellB"]),
        (["e1_z1_t2", "e1_z2_t1", "e2_z1_t1"], ["e1", "e1", "e2"]),
        (["a_y0_x0_r0", "a_y0_x256_r1", "b_y0_x0_r0"], ["a", "a", "b"]),
        (["a_d1", "a_d7", "b_d3"], ["a", "a", "b"]),  # one well on two days
        (["embryo01_03", "embryo01_04", "embryo02_03"], ["embryo01", "embryo01", "embryo02"]),
        (["healthy_1", "healthy_2", "sick_1"], ["healthy_1", "healthy_2", "sick_1"]),  # a class is no group
        (["b0", "b1", "b2"], ["b0", "b1", "b2"]),
    ],
)
def test_groups_from_names(names, groups):
    found = find_groups(rows(*names))
    assert [found.groups[name] for name in names] == groups
    assert found.has_groups == (len(set(groups)) < len(names))
    assert found.description.startswith(
        f"{len(set(groups))} groups of 3" if found.has_groups else "3 images, none of which belong together"
    )


def test_groups_of_the_table_the_folder_and_a_pattern():
    stack = rows("s_000", "s_001", group="s") + rows("k_000", "k_001", group="k")
    assert set(find_groups(stack).groups.values()) == {"s", "k"}
    folders = rows("1", "2", folder="embryo_a") + rows("3", folder="embryo_b")
    assert find_groups(folders, "folder").groups == {"1": "embryo_a", "2": "embryo_a", "3": "embryo_b"}
    assert find_groups(rows("x1a", "x1b", "x2a"), r"x(\d)").groups == {"x1a": "1", "x1b": "1", "x2a": "2"}
    assert find_groups(rows("x1a", "x2a"), r"x\d").groups == {"x1a": "x1", "x2a": "x2"}
    assert find_groups(rows("x1a", "x2a"), r"(x)(?P<group>\d)").groups == {"x1a": "1", "x2a": "2"}


def test_one_volume_is_said_and_a_bad_pattern_refused():
    found = find_groups(rows("vnc_z00", "vnc_z01", "vnc_z02"))
    assert not found.has_groups
    assert "'vnc'" in found.warning
    with pytest.raises(UserError, match="not a regular expression"):
        find_groups(rows("a"), "(")
    with pytest.raises(UserError, match="does not match 'b'"):
        find_groups(rows("a", "b"), "a")


def test_one_volume_is_tested_in_blocks_of_neighbours():
    found = find_groups(rows(*(f"vol_z{number}" for number in (*range(8, 13), 7, 6))))  # 10 comes after 9
    assert found.series == tuple(f"vol_z{number}" for number in range(6, 13))
    folds = make_folds(found.groups, "grouped", 3, seed=4, series=found.series)
    tested = [sorted(int(name.removeprefix("vol_z")) for name in fold.test) for fold in folds]
    assert tested == [[6, 7, 8], [9, 10], [11, 12]]
    assert all(set(fold.train) == set(found.series) - set(fold.test) for fold in folds)
    assert len(make_folds(found.groups, "grouped", series=found.series)) == 5
    with pytest.raises(UserError, match="7 images for 8 folds"):
        make_folds(found.groups, "grouped", 8, series=found.series)
    ends = {
        make_folds(found.groups, "hold-out", test_share=0.3, seed=seed, series=found.series)[0].test
        for seed in range(9)
    }
    assert ends == {("vol_z6", "vol_z7"), ("vol_z11", "vol_z12")}
    assert not find_groups(rows("a", "b", "c")).series


@pytest.mark.parametrize("stem", ["section_", "z", "Slice-", "frame "])
def test_slices_that_are_only_numbered_are_said_to_be_of_one_volume(stem):
    found = find_groups(rows(*(f"{stem}{number:02d}" for number in range(14))))
    assert not found.has_groups
    assert "All 14 images seem to belong together" in found.warning
    assert not find_groups(rows("cell1", "cell2", "c3", "c4")).warning


def test_subsets_are_nested_and_of_the_published_sizes():
    names = [f"n{index}" for index in range(8)]
    whole, some, few = (set(subset(names, share, seed=3)) for share in (1.0, 0.625, 0.375))
    assert (len(whole), len(some), len(few)) == (8, 5, 3)
    assert few < some < whole
    assert subset(names[::-1], 0.375, seed=3) == subset(names, 0.375, seed=3)
    assert len(subset(names[:2], 0.01)) == 1
    assert len({subset(names, 0.375, seed) for seed in range(8)}) > 3


@pytest.mark.parametrize("design", ["k-fold", "grouped"])
def test_folds_are_balanced_by_objects(design):
    counts = {f"i{number}": count for number, count in enumerate([100, 90, 40, 30, 20, 10, 5, 5])}
    groups = {name: name for name in counts}
    folds = make_folds(groups, design, 3, counts=counts)
    assert sorted(sum(counts[name] for name in fold.test) for fold in folds) == [100, 100, 100]
    assert all_tests(folds) == sorted(counts)
    assert folds == make_folds(dict(reversed(groups.items())), design, 3, counts=counts)
