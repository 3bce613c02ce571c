"""The parts of a file name that tell images of one sample apart: planes, times, channels, crops, fields."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_VIEW = re.compile(
    r"z|z[mp]|zplane|slices?|plane|focus|section|sec|sl|t|tp|time|timepoint|frame|days?|hours?|hr|min|"
    r"ch|channel|w|wavelength|crop|tile|patch|page|aug|rot|sk|fk|fl"
)
"""Words before a number that name another view of the same field: its planes, times, channels, crops."""
_SITE = re.compile(r"site|fld|field|fov|pos|position|xy|roi|region|area|view")
"""Words before a number that name another field of the same sample."""
_SERIES = re.compile(r"z|slice|plane|section|frame|t|tp|time|timepoint|c|ch")
"""Words that, with numbers, can be a whole name: slices or times in a row."""
_FLIP = re.compile(r"[hv]?flip|flipped|mirrored")
_SET = re.compile(
    r"fold|train(ing)?|test(ing)?|val(id|idation)?|set|split|part|subset|batch|dataset|data|"
    r"class|type|grade|stage|group|cond|condition|treatment|dose"
)
"""Words that, with a number, name a part of a data set or a class, not a sample."""
_LINE = re.compile(
    r"mcf7|mcf10a?|a549|a172|a375|a431|u2os|u87|u251|ht29|ht1080|hct116|hek293t?|hela|hep(g|a)2|hepg2|huh7|caco2|cos7|"
    r"sw480|sw620|sk(ov|br|mel)\d+|shsy5y|bv2|bt20|bt474|mda\d*|t47d|pc(3|9|12)|k562|thp1|nih3t3|3t3|raw264|vero|"
    r"b16f(0|1|10)|h1299|h1975|l929|c2c12|jurkat|lncap|du145|rpe1|wt\d*|ko\d*"
)
"""Cell lines and genotypes, in small letters: their numbers tell no samples apart."""
_AMOUNT = re.compile(r"\d{1,5}([.p]\d+)?([pnuµm]?(m|g|l)|[nuµm]m|x|%|c|pct|ngml|ugml|kpa|hz)", re.IGNORECASE)
"""Doses, magnifications, temperatures."""
_WELL = re.compile(r"[A-P](0?[1-9]|1\d|2[0-4])")
_DATE = r"(?<!\d)(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])(?!\d)"
_GUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_WHOLE = (
    # role of a span that is found before the name is cut at its separators
    ("view", re.compile(r"_(?:jpe?g|png|tiff?)\.rf\.[0-9a-f]{16,}$")),  # a copy that an annotation service changed
    ("view", re.compile(rf"w\d{_GUID}|{_GUID}")),  # wavelength and a number of the microscope
    ("view", re.compile(r"T\d+F\d+L\d+A\d+Z\d+C\d+")),  # time, field, line, action, plane, channel of one well
    ("view", re.compile(r"\d{4}y\d{1,2}m\d{1,2}d(?:_\d{1,2}h\d{1,2}m)?|\d{1,3}d\d{1,2}h\d{1,2}m")),
    ("sample", re.compile(r"r\d\dc\d\d(?=f\d)")),  # row and column of a well, then field and plane
    ("view", re.compile(r"(?<=c\d\d)f\d\dp\d\d")),
    ("sample", re.compile(r"TCGA-\w\w-\w{4}")),
    ("sample", re.compile(_DATE)),
)
_PATIENT = re.compile(r"TCGA-\w\w-\w{4}")
_SEPARATORS = re.compile(r"[ ._\-=+()/]+")
_GLUED = re.compile(r"(?:[A-Za-z]+\d+)+")
_SPAN = re.compile(r"\d+(h|hr|hrs|hours?|min|days?|dpf|hpf|dpi|hpi)", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """One part of a name.

    Parameters
    ----------
    text : str
        As written, without the separators around it.
    start, end : int
        Its place in the name.
    role : {"sample", "view", "site", "word", "number", "well"}
        What it tells: which sample; which view of a field; which field of a sample; nothing but a word or a number.
    """

    text: str
    start: int
    end: int
    role: str


def read_names(names: Sequence[str]) -> dict[str, list[Part]]:
    """Cut names into parts and tell their roles; a letter with a number is judged by its column in all names.

    Parameters
    ----------
    names : sequence of str
        Without file endings; different.
    """
    return _read_names(tuple(names))


@lru_cache(maxsize=8)
def _read_names(names: tuple[str, ...]) -> dict[str, list[Part]]:
    raw = {name: _cut(name) for name in names}
    letters: dict[tuple[int, int], set[str]] = defaultdict(set)
    for parts in raw.values():
        for place, part in enumerate(parts):
            if part.role == "" and _WELL.fullmatch(part.text.upper()):
                letters[len(parts), place].add(part.text[0].upper())
    return {
        name: _with_words([_judge(part, place, letters[len(parts), place]) for place, part in enumerate(parts)])
        for name, parts in raw.items()
    }


def _cut(name: str) -> list[Part]:
    """Return the parts of a name; those without a role yet have an empty one."""
    parts: list[Part] = []
    known = sorted((match.start(), -match.end(), role) for role, pattern in _WHOLE for match in pattern.finditer(name))
    position = 0
    for start, negative_end, role in known:
        if start < position:
            continue
        parts += _pieces(name, position, start)
        parts.append(Part(name[start:-negative_end].strip("_"), start, -negative_end, role))
        position = -negative_end
    return [*parts, *_pieces(name, position, len(name))]


def _pieces(name: str, start: int, end: int) -> list[Part]:
    """Cut at separators, and between letter-number groups that are written together, such as ``emb3z4``."""
    parts, position = [], start
    for match in [*_SEPARATORS.finditer(name, start, end), None]:
        stop = match.start() if match else end
        text = name[position:stop]
        if text and not _is_hash(text) and (_LINE.fullmatch(text.lower()) or _AMOUNT.fullmatch(text)):
            parts.append(Part(text, position, stop, "word"))
        elif text and _GLUED.fullmatch(text) and not _is_hash(text):
            found = [Part(m[0], position + m.start(), position + m.end(), "") for m in re.finditer(r"\D+\d+", text)]
            parts += found
        elif text:
            parts.append(Part(text, position, stop, "sample" if _is_hash(text) else ""))
        position = match.end() if match else end
    return parts


def _is_hash(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{8,}|[0-9A-F]{8,}", text)) and not text.isdigit() and not text.isalpha()


def _judge(part: Part, place: int, letters: set[str]) -> Part:
    """Give a part its role."""
    text = part.text
    if part.role:
        return part
    if text.isdigit():
        return _as(part, "number")
    if text.isalpha():
        return _as(part, "view" if _FLIP.fullmatch(text.lower()) else "word")
    if _SPAN.fullmatch(text):
        return _as(part, "view")
    match = re.fullmatch(r"([A-Za-z]+?)([mp]?)(\d+)", text)
    if match is None:
        return _as(part, "sample")
    word, number = match[1].lower() + match[2] * (len(match[1]) > 1 or match[1].lower() != "z"), match[3]
    if len(word) == 1 and word not in "zt":
        return _as(part, _of_letter(text[0], number, place, letters))
    role = _role(word) or "sample"
    return _as(part, role)


def _role(word: str) -> str:
    """Return what a word before a number tells; empty if it tells nothing of views or fields."""
    return "view" if _VIEW.fullmatch(word) else "site" if _SITE.fullmatch(word) else ""


def _of_letter(letter: str, number: str, place: int, letters: set[str]) -> str:
    """Return the role of one letter with a number: a well, a day, a channel, a field, or a name."""
    is_well = _WELL.fullmatch(letter.upper() + number) is not None
    if is_well and (len(letters) > 1 or letter in "ABEG" or (letter in "CDH" and len(number) == 2)):
        return "well"
    if place == 0:
        return "sample"
    if letter in "dD" or letter == "h" or letter in "xy" or (letter in "cCw" and int(number) <= 12):
        return "view"
    if letter in "sSfF" or (letter == "R" and len(number) > 1):
        return "site"
    return "sample"


def _as(part: Part, role: str) -> Part:
    return Part(part.text, part.start, part.end, role)


def _with_words(parts: Sequence[Part]) -> list[Part]:
    """Join a word such as ``frame`` with the number that follows it, and a rotation that follows a crop."""
    joined: list[Part] = []
    for part in parts:
        before = joined[-1] if joined else None
        if before is not None and part.role == "number" and before.role == "word":
            word = before.text.lower()
            if role := _role(word):
                joined[-1] = Part(f"{before.text}{part.text}", before.start, part.end, role)
                continue
        crop = before is not None and before.role == "view" and before.text[0] in "xyXY" and before.text[1:].isdigit()
        joined.append(_as(part, "view") if crop and re.fullmatch(r"r\d+m?", part.text) else part)
    return joined


def remaining(name: str, parts: Sequence[Part], dropped: frozenset[str], numbers: bool = False) -> str:
    """Return a name without the parts of some roles; itself if nothing that names a sample would be left.

    Parameters
    ----------
    name : str
        As it was given to `read_names`.
    parts : sequence of Part
        Its parts.
    dropped : frozenset of str
        Roles to leave out.
    numbers : bool
        Whether to leave out the numbers at the end, too, where what comes before holds a number or a well.
    """
    if patient := _PATIENT.search(name):
        return patient[0]
    kept = [part for part in parts if part.role not in dropped]
    if not kept:
        return _bare_series(name, parts)
    if parts[0] not in kept and all(part.role == "number" for part in kept):
        kept = [parts[0], *kept]  # only numbers are left of 's12_1': its letter names the sample
    after_well = any(part.role == "well" for part in kept)
    if numbers or (after_well and "site" in dropped):
        kept = _without_numbers(kept)
    return "".join(_before(name, kept, index) + part.text for index, part in enumerate(kept)) or name


def _bare_series(name: str, parts: Sequence[Part]) -> str:
    """Return the word of a name that is nothing but a slice or a time, such as ``z`` of ``z03``; else the name."""
    words = "_".join(sorted({match[0].lower() for part in parts if (match := re.match(r"[A-Za-z]+", part.text))}))
    return words if all(map(_SERIES.fullmatch, words.split("_"))) else name


def _before(name: str, kept: Sequence[Part], index: int) -> str:
    """Return the separator before a kept part."""
    if not index:
        return ""
    part = kept[index]
    text = re.search(r"[ ._\-=+()/]*$", name[: part.start])
    return text[0] if text else ""


def _without_numbers(parts: Sequence[Part]) -> list[Part]:
    """Leave out the numbers at the end of what holds a number; of numbers alone, only the last."""
    kept = list(parts)
    if len(kept) > 1 and all(part.role == "number" for part in kept):
        return kept[:-1]
    while (
        len(kept) > 1
        and kept[-1].role == "number"
        and len(kept[-1].text) < 6
        and any(_names_sample(kept, index) for index in range(len(kept) - 1))
    ):
        kept.pop()
    return kept


def _names_sample(parts: Sequence[Part], index: int) -> bool:
    """Whether a part holds a number that names a sample, not a part of a data set such as ``fold1``."""
    part = parts[index]
    if part.role == "number":
        before = parts[index - 1].text.lower() if index else ""
        return not _SET.fullmatch(before)
    if part.role == "word" or not any(letter.isdigit() for letter in part.text):
        return False
    return not _SET.fullmatch(part.text.rstrip("0123456789").lower())


def treatments(names: Mapping[str, Sequence[Part]]) -> dict[str, str]:
    """Return the words of each name, such as ``healthy`` or ``drug_A``; empty where the words tell no classes apart.

    Words tell classes apart if there are at least two, and fewer than half as many as names.
    """
    words = {
        name: "_".join(part.text.lower() for part in parts if part.role == "word" and len(part.text) > 1)
        for name, parts in names.items()
    }
    counts = Counter(words.values())
    if len(counts) < 2 or 2 * len(counts) > len(words):
        return dict.fromkeys(names, "")
    return words
