"""Queries on a small store, against answers worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.samples.query import MAX_TOKENS, parse
from napari_organoid_synth.core.samples.store import SampleStore

SCORES = ["nearest", "objects", "blur"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleStore]:
    """a: 3 objects, near; b: 6, far, accepted; c: 9, far, flagged; d: not scored, rejected."""
    image, labels = np.zeros((1, 8, 8), np.uint8), np.ones((8, 8), np.int32)
    with SampleStore(tmp_path_factory.mktemp("query") / "samples.sqlite") as store:
        for name, run in {"a": "run 1", "b": "run 1", "c": "Run_2", "d 100%": ""}.items():
            store.add(SamplePair(name, image, labels), run)
        store.rate("a", {"nearest": 0.9, "objects": 3.0, "blur": 0.5}, note="sharp, 3 objects")
        store.rate("b", {"nearest": 0.2, "objects": 6.0, "blur": 7.0}, note="blurred, 6 objects")
        store.rate("c", {"nearest": 0.1, "objects": 9.0, "blur": -0.5}, note="sharp, Zellgröße 9", flagged="copy, mask")
        store.decide(["b"], "accepted")
        store.decide([store.ids()[3]], "rejected")
        yield store


def found(store: SampleStore, text: str) -> str:
    return "".join(id[0] for id, _, fits in store.listing(condition=parse(text, store.metrics())) if fits)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "abcd"),
        ("   ", "abcd"),
        ("nearest < 0.8 and objects > 5", "bc"),
        ("nearest<0.8 AND objects>=9", "c"),
        ("objects == 6", "b"),
        ("objects = 6", "b"),
        ("objects != 6", "ac"),  # d has no such score
        ("not objects == 6", "ac"),
        ("5 < objects", "bc"),
        ("3 <= objects < 9", "ab"),
        ("blur > objects", "b"),
        ("blur == -.5", "c"),
        ("blur >= 5e-1", "ab"),
        ("OBJECTS > 5", "bc"),
        ("objects < 4 or objects > 8 and nearest < 0.05", "a"),  # and binds closer
        ("(objects < 4 or objects > 8) and nearest < 0.5", "c"),
        ("not (objects < 4 or verdict == rejected)", "bc"),
        ("verdict == rejected or objects < 4", "ad"),
        ("verdict == new", "ac"),
        ('verdict != "new"', "bd"),
        ("accepted == verdict", "b"),
        ("run == 'run 1'", "ab"),
        ("run == run_2", "c"),
        ('run == ""', "d"),
        ("run == run*", "abc"),
        ("run == 'run_1'", ""),  # no wildcard of SQL
        ("name == '*100%'", "d"),
        ("name == '*1%0*'", ""),
        ("flagged", "c"),
        ("not flagged", "abd"),
        ("flagged == mask", "c"),
        ("flagged == ask", ""),
        ("flagged == copy and objects > 9", ""),
        ("flagged == ''", "abd"),
        ("sharp", "ac"),
        ("sharp objects", "a"),
        ("ZELLGRÖSSE", "c"),  # ß and ss are the same letter
        ('"6 objects" or copy', "bc"),
        ("sharp not copy", "a"),
        ("9", "c"),
        ("; drop table samples --", ""),
        ('name == "x\' OR 1 --"', ""),
    ],
)
def test_query_finds(store: SampleStore, text: str, expected: str) -> None:
    assert found(store, text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("obects > 5", "There is no score 'obects'. Known: blur, nearest, objects, verdict, run, name, flagged"),
        ("obects > 5", "Did you mean 'objects'?"),
        ("zzz < 1", "name, flagged"),
        ("objects >", "After '>' there is nothing. Expected a name, a number or a text"),
        ("objects > and blur < 1", "After '>' there is 'and'."),
        ("objects > 5 and", "After 'and' there is nothing."),
        ("> 5", "The query begins with '>'."),
        ("objects > many", "A score is compared with 'many'. Expected a number"),
        ("objects == 'x'", "A score is compared with 'x'."),
        ("3 < 4", "'3 < 4' compares two numbers. Known: blur"),
        (
            "verdict == acceptd",
            "There is no verdict 'acceptd'. Known: new, accepted, rejected. Did you mean 'accepted'?",
        ),
        ("run < 3", "'run' is a text: it cannot be compared with <. Expected == or !=."),
        ("(objects > 5", r"A '\(' is not closed."),
        ("objects > 5)", r"There is a '\)' without its '\('."),
        ("name == 'fold", "The quote before 'fold' is not closed."),
        ("objects, blur", "',' is not an operator."),
        ("objects ! 5", "'!' is not an operator."),
        ("a " * (MAX_TOKENS + 1), "Expected at most 300"),
        ("(" * 100 + "a" + ")" * 100, "nested 51 deep"),
        ("not " * 100 + "a", "nested 51 deep"),
    ],
)
def test_errors_say_what_was_found_and_what_is_possible(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse(text, SCORES)


def test_without_scores_the_error_says_so() -> None:
    with pytest.raises(UserError, match=r"No sample has been scored yet\. Known: verdict, run"):
        parse("objects > 5", [])


def test_nothing_typed_becomes_sql() -> None:
    condition = parse('name == "\'); DROP" and objects > 1 or "\'; --"', SCORES)
    assert "DROP" not in condition.sql
    assert condition.sql.count("?") == len(condition.values) == 4
    assert "--" not in condition.sql


def test_order_and_verdicts_are_listed_in_one_go(store: SampleStore) -> None:
    condition = parse("objects > 4", SCORES)
    assert [(id[0], verdict, fits) for id, verdict, fits in store.listing("objects", True, condition)] == [
        ("c", "new", True),
        ("b", "accepted", True),
        ("a", "new", False),
        ("d", "rejected", False),
    ]
