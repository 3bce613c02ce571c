"""The split into training and test: whole groups, spread by a seed over classes and treatments."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import make_folds
from napari_organoid_synth.core.pairs.groups import find_groups, groups_of, with_groups
from napari_organoid_synth.core.pairs.split import choose_test, split_sentence, split_table
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable


def table_of(*groups: str) -> PairTable:
    return PairTable(entries=tuple(PairEntry(name=f"p{i}", group=group) for i, group in enumerate(groups)))


def named(*names: str) -> PairTable:
    return PairTable(entries=tuple(PairEntry(name=name, image=f"/data/{name}.tif") for name in names))


def named_tests(table: PairTable) -> list[str]:
    assert not {entry.name for entry in table.test} & {entry.name for entry in table.train}
    return [entry.name for entry in table.test]


def test_numbers_shares_and_names() -> None:
    single = table_of("", "", "", "", "")
    assert len(single.train) == 5
    assert len(named_tests(split_table(single, test=2))) == 2
    assert len(named_tests(split_table(single, test=0.2))) == 1
    assert named_tests(split_table(single, test=["p1"])) == ["p1"]
    assert named_tests(split_table(single, test=0)) == []
    grouped = table_of("a", "a", "b", "c", "c")
    assert named_tests(split_table(grouped, test=["p0"])) == ["p0", "p1"]
    assert named_tests(split_table(grouped, test=1)) == ["p2"]  # the only group that is no larger than asked
    assert named_tests(split_table(split_table(single, test=2), test=["p0"])) == ["p0"]


def test_impossible_splits() -> None:
    with pytest.raises(UserError) as caught:
        split_table(table_of("", ""), test=2)
    assert str(caught.value) == (
        "All 2 pairs would be test pairs. Expected at least one to train on. "
        "Choose fewer for testing, or use smaller groups."
    )
    with pytest.raises(UserError, match=r"There is no usable pair 'x'\. Expected one of 2 names, such as p0, p1\."):
        split_table(table_of("", ""), test=["x"])


def test_days_of_one_well_stay_together_and_the_seed_chooses_the_wells() -> None:
    wells = named(*(f"{well}_d{day}" for well in "abcdefghjk" for day in (1, 7)))
    chosen = set()
    for seed in range(12):
        tested = named_tests(split_table(wells, 0.2, seed))
        assert len(tested) == 4
        assert set(Counter(name[0] for name in tested).values()) == {2}
        assert tested == named_tests(split_table(wells, 0.2, seed))
        chosen.add(tuple(tested))
    assert len(chosen) > 8


def test_each_treatment_gives_its_share() -> None:
    names = [f"{drug}_{number}" for drug in ("control", "high", "low") for number in range(10)]
    for seed in range(6):
        tested = named_tests(split_table(named(*names), 0.2, seed))
        assert Counter(name.split("_")[0] for name in tested) == {"control": 2, "high": 2, "low": 2}
    graded = PairTable(
        entries=tuple(PairEntry(name=f"p{i}", image_class="good" if i < 12 else "poor") for i in range(16))
    )
    tested = [entry.image_class for entry in split_table(graded, 0.25).test]
    assert Counter(tested) == {"good": 3, "poor": 1}


def test_a_series_is_tested_at_its_beginning_or_end() -> None:
    slices = named(*(f"section_{number:02d}" for number in range(14)))
    ends = {tuple(named_tests(split_table(slices, 0.2, seed))) for seed in range(9)}
    assert ends == {
        ("section_00", "section_01", "section_02"),
        ("section_11", "section_12", "section_13"),
    }
    one = table_of("s", "s", "s", "s")
    assert {tuple(named_tests(split_table(one, 0.25, seed))) for seed in range(9)} == {("p0",), ("p3",)}


def test_one_rule_for_the_project_and_for_comparisons() -> None:
    table = with_groups(named(*(f"x{n}{letter}" for n in range(6) for letter in "ab")), r"x(\d)")
    grouping = groups_of(table)
    for seed in range(5):
        (fold,) = make_folds(grouping.groups, "hold-out", test_share=0.3, seed=seed, strata=grouping.strata)
        assert list(fold.test) == named_tests(split_table(table, 0.3, seed))


def test_never_all_groups_and_never_none() -> None:
    for sizes in ([1, 1], [9, 1], [1, 9], [5, 3, 2], [1] * 10):
        groups = {f"g{g}_{i}": f"g{g}" for g, size in enumerate(sizes) for i in range(size)}
        entries = [PairEntry(name=name, group=group) for name, group in groups.items()]
        for wanted in range(1, sum(sizes)):
            for seed in range(4):
                test = choose_test(find_groups(entries), wanted, np.random.default_rng(seed))
                left = set(groups.values()) - {groups[name] for name in test}
                assert left
                assert len(test) >= wanted or len(left) == 1
                assert not left & {groups[name] for name in test}


def test_the_sentence_names_the_groups_of_the_test() -> None:
    table = split_table(named("e1_z1", "e1_z2", "e2_z1", "e3_z1"), ["e1_z1"])
    assert split_sentence(table, groups_of(table)) == (
        "3 groups of 4 images, by the names (planes, times or crops of one name): e1 (2), e2 (1), e3 (1). "
        "The test holds 1 group: e1."
    )
    cut = table.replace(entries=(table.entries[0], *(one.replace(split="train") for one in table.entries[1:])))
    assert split_sentence(cut, groups_of(cut)).endswith("holds 1 group: e1. 1 group of them also to train: e1.")
    alone = split_table(named("a", "b", "c"), ["b"])
    assert (
        split_sentence(alone, groups_of(alone)) == "3 images, none of which belong together. The test holds 1 image: b."
    )
    series = split_table(named("section_1", "section_2", "section_3"), 1)
    test = series.test[0].name
    assert split_sentence(series, groups_of(series)) == (
        f"3 images of one volume or sample, tested in blocks of neighbours by the design 'grouped'. "
        f"The test holds 1 image: {test}."
    )


@pytest.mark.parametrize("test", [-1, 1.5, -0.2, float("nan"), float("inf")])
def test_a_share_or_number_that_makes_no_sense_is_refused(test):
    table = PairTable(entries=tuple(PairEntry(name=f"p{n}", image=f"p{n}.tif") for n in range(4)))
    with pytest.raises(UserError, match="neither a share nor a number of test images"):
        split_table(table, test=test)
