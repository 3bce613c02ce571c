"""Queries for samples, ``objects > 5 and not (nearest > 0.9 or tag == "blurred")``, translated to SQL.

.. code-block:: text

    query      = and-part ("or" and-part)*
    and-part   = part (["and"] part)*
    part       = "not" part | "(" query ")" | comparison | word
    comparison = value (operator value)+       5 <= objects < 20 is both of its halves
    operator   = "<" | "<=" | ">" | ">=" | "==" | "=" | "!="
    value      = name of a score | verdict | run | name | flagged | tag | note | number | "text" | word

A word alone is searched in all texts of a sample; ``flagged``, ``tag`` or ``note`` alone ask whether there is one.
Texts are compared without case, and ``*`` in them stands for anything. A sample without a score fulfils neither a
comparison with it nor the ``not`` of one: what was not measured is unknown.

Nothing that a person types becomes part of the SQL: names are looked up, values are bound.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn, get_args

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.samples.row import Verdict
from napari_organoid_synth.core.spelling import did_you_mean

FIELDS = {
    "verdict": "s.verdict",
    "run": "s.run",
    "name": "s.name",
    "flagged": "s.flagged",
    "tag": "s.tags",
    "note": "s.remark",
}
"""Names for queries in addition to scores; columns of the table ``samples s``."""
LISTS = ("flagged", "tag")
"""Fields that hold several words, between ``", "``."""
WORDS = " || ' ' || ".join(f"s.{column}" for column in ("name", "run", "note", "flagged", "tags", "remark"))
"""Columns in which a word alone is searched."""
ALONE = ("flagged", "tag", "note")
OPERATORS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "==": "=", "=": "=", "!=": "<>"}
MAX_TOKENS, MAX_DEPTH = 300, 50

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<operator><=|>=|==|!=|<|>|=)
    |(?P<paren>[()])
    |"(?P<double>[^"]*)"|'(?P<single>[^']*)'
    |(?P<word>[^\s()<>=!"',]+)
    |(?P<other>\S))""",
    re.VERBOSE,
)


class QueryError(UserError):
    """A query that cannot be read, perhaps because it is incomplete."""


@dataclass(frozen=True)
class Condition:
    """A condition on the table ``samples s``.

    Parameters
    ----------
    sql : str
        With ``?`` for every value; uses the function ``fold`` (`str.casefold`).
    values : tuple
        Bound to these.
    """

    sql: str = "1"
    values: tuple[float | str, ...] = ()


@dataclass(frozen=True)
class _Token:
    kind: str  # number, operator, paren, text (in quotes), word, end
    text: str


_END = _Token("end", "")


def parse(text: str, scores: Sequence[str] = ()) -> Condition:
    """Translate a query; every sample fulfils an empty one.

    Parameters
    ----------
    text : str
        As typed.
    scores : sequence of str
        Names of the scores that exist.

    Raises
    ------
    QueryError
        If it cannot be read; the message says what was found and what is possible.

    Examples
    --------
    >>> parse("blur < 0.5 and verdict == new", ["blur"]).values
    ('blur', 0.5, 'new')
    """
    return _Parser(_tokens(text), scores).parse()


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text.rstrip()):
        kind = match.lastgroup or ""
        token = match[kind]
        if kind == "other":
            if token in "\"'":
                raise QueryError(f"The quote before '{match.string[match.end() :].strip()}' is not closed.")
            _refuse_sign(token)
        tokens.append(_Token("text" if kind in ("double", "single") else kind, token))
    if len(tokens) > MAX_TOKENS:
        raise QueryError(f"The query has {len(tokens)} words and signs.", f"Expected at most {MAX_TOKENS}.")
    return tokens


def _refuse_sign(sign: str) -> NoReturn:
    raise QueryError(f"'{sign}' is not an operator.", f"Compare with one of: {'  '.join(OPERATORS)}.")


class _Parser:
    """Recursive descent; each method reads one rule of the grammar and returns its SQL."""

    def __init__(self, tokens: list[_Token], scores: Sequence[str]) -> None:
        self._tokens, self._place, self._depth = tokens, 0, 0
        self._scores = {score.casefold(): score for score in scores}
        self._values: list[float | str] = []

    def parse(self) -> Condition:
        if not self._tokens:
            return Condition()
        sql = self._query()
        if self._next.text == ")":
            raise QueryError("There is a ')' without its '('.")
        return Condition(sql, tuple(self._values))

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place] if self._place < len(self._tokens) else _END

    def _take(self) -> _Token:
        token = self._next
        self._place += 1
        return token

    def _at(self, word: str) -> bool:
        return self._next.kind == "word" and self._next.text.casefold() == word

    def _query(self) -> str:
        parts = [self._all()]
        while self._at("or"):
            self._take()
            parts.append(self._all())
        return f"({' OR '.join(parts)})"

    def _all(self) -> str:
        parts = [self._part()]
        while not (self._next is _END or self._next.text == ")" or self._at("or")):
            if self._at("and"):
                self._take()
            parts.append(self._part())
        return f"({' AND '.join(parts)})"

    def _part(self) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise QueryError(f"Parentheses are nested {self._depth} deep.", f"Expected at most {MAX_DEPTH}.")
        try:
            if self._at("not"):
                self._take()
                return f"NOT {self._part()}"
            if self._next == _Token("paren", "("):
                self._take()
                inner = self._query()
                if self._take().text != ")":
                    raise QueryError("A '(' is not closed.", todo="Add a ')'.")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> str:
        left = self._value()
        if self._next.kind != "operator":
            return self._alone(left)
        parts = []
        while self._next.kind == "operator":
            sign = self._take().text
            right = self._value()
            parts.append(self._compare(left, sign, right))
            left = right
        return f"({' AND '.join(parts)})"

    def _value(self) -> _Token:
        token = self._take()
        if token is _END or token.kind in ("operator", "paren") or self._is_joint(token):
            before = self._tokens[self._place - 2].text if self._place > 1 else ""
            found = f"'{token.text}'" if token.text else "nothing"
            place = f"After '{before}' there is {found}." if before else f"The query begins with {found}."
            raise QueryError(place, "Expected a name, a number or a text, as in: objects > 5.")
        return token

    @staticmethod
    def _is_joint(token: _Token) -> bool:
        return token.kind == "word" and token.text.casefold() in ("and", "or", "not")

    def _alone(self, token: _Token) -> str:
        """Translate a word without a comparison."""
        name = token.text.casefold()
        if token.kind == "word" and name in ALONE:
            return f"{FIELDS[name]} <> ''"
        return self._bind(f"instr(fold({WORDS}), ?)", name)

    def _compare(self, left: _Token, sign: str, right: _Token) -> str:
        for one, other, way in ((left, right, sign), (right, left, _turned(sign))):
            if one.kind == "word" and one.text.casefold() in FIELDS:
                return self._compare_text(one.text.casefold(), way, other)
        known = [token.kind == "word" and token.text.casefold() in self._scores for token in (left, right)]
        for token, other_is_name in ((left, known[1]), (right, known[0])):
            if token.kind == "text" or (token.kind == "word" and token.text.casefold() not in self._scores):
                self._refuse_name(token, other_is_name)
        if not any(known):
            raise QueryError(f"'{left.text} {sign} {right.text}' compares two numbers.", self._possible())
        return f"{self._number(left)} {OPERATORS[sign]} {self._number(right)}"

    def _number(self, token: _Token) -> str:
        if token.kind == "number":
            return self._bind("?", float(token.text))
        score = self._scores[token.text.casefold()]
        return self._bind("(SELECT value FROM scores WHERE id = s.id AND metric = ?)", score)

    def _compare_text(self, name: str, sign: str, other: _Token) -> str:
        if OPERATORS[sign] not in ("=", "<>"):
            raise QueryError(f"'{name}' is a text: it cannot be compared with {sign}.", "Expected == or !=.")
        value = other.text.casefold()
        if name == "verdict" and value not in get_args(Verdict):
            known = get_args(Verdict)
            near = did_you_mean(value, known)
            raise QueryError(f"There is no verdict '{other.text}'.", f"Known: {', '.join(known)}.", near)
        column = f"fold({FIELDS[name]})"
        pattern = re.sub(r"([\\%_])", r"\\\1", value).replace("*", "%")
        if name in LISTS:
            pattern = f"%, {pattern}, %" if value else ", , "
            column = f"(', ' || {column} || ', ')"
        condition = self._bind(f"{column} LIKE ? ESCAPE '\\'", pattern)
        return condition if OPERATORS[sign] == "=" else f"NOT {condition}"

    def _bind(self, sql: str, value: float | str) -> str:
        self._values.append(value)
        return sql

    def _refuse_name(self, token: _Token, beside_a_name: bool) -> NoReturn:
        if token.kind == "text" or beside_a_name:
            raise QueryError(f"A score is compared with '{token.text}'.", "Expected a number, as in: objects > 5.")
        near = get_close_matches(token.text.casefold(), [*self._scores, *FIELDS], 1, 0.6)
        todo = f"Did you mean '{self._scores.get(near[0], near[0])}'?" if near else ""
        raise QueryError(f"There is no score '{token.text}'.", self._possible(), todo)

    def _possible(self) -> str:
        scores = sorted(self._scores.values())
        if not scores:
            return f"No sample has been scored yet. Known: {', '.join(FIELDS)}."
        return f"Known: {', '.join([*scores, *FIELDS])}."


def _turned(sign: str) -> str:
    """Return the operator with its sides exchanged: ``5 < objects`` is ``objects > 5``."""
    return sign.translate(str.maketrans("<>", "><"))
