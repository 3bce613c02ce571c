"""Which file names belong together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.readers import SUFFIXES, short

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "raw")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "ground_truth", "gt")
_MASK_WORDS = "cp_masks|masks?|labels?|lbl|seg|segmentation|gt|ground_?truth|annotations?|instances?|binary"
_IMAGE_WORDS = "images?|imgs?|im|raw"
_ENDING = re.compile(r"(\.ome)?\.(tiff?|png|jpe?g|bmp|zarr)$", re.IGNORECASE)
_MASK_TAIL = re.compile(rf"[_\-. ]({_MASK_WORDS})$", re.IGNORECASE)
_IMAGE_TAIL = re.compile(rf"[_\-. ]({_IMAGE_WORDS})$", re.IGNORECASE)
_HEAD = re.compile(rf"^({_MASK_WORDS}|{_IMAGE_WORDS})([_\-. ]|(?=\d))", re.IGNORECASE)


@dataclass
class Row:
    """One image with its masks, by name alone."""

    name: str
    image: Path | None
    masks: dict[str, Path] = field(default_factory=dict)
    status: str = "matched"
    reason: str = ""
    group: str = ""
    image_class: str | None = None


def stem(path: Path) -> str:
    """A file name without ``.ome.tif``, ``.png``, ..."""
    return _ENDING.sub("", path.name)


def is_mask_name(path: Path) -> bool:
    """Whether a name ends like that of a mask: ``cell_masks.tif``, ``cell-label.png``."""
    return bool(_MASK_TAIL.search(stem(path)))


def _plain(name: str) -> str:
    """A name without the words that tell images from masks."""
    short_name = _HEAD.sub("", _IMAGE_TAIL.sub("", _MASK_TAIL.sub("", name)))
    return short_name or name


def natural(path: Path) -> tuple[object, ...]:
    """Sorts ``a2`` before ``a10``."""
    parts = re.split(r"(\d+)", path.name.lower())
    return (*((int(part), "") if part.isdigit() else (-1, part) for part in parts), str(path))


def list_files(folder: Path, depth: int = 0) -> list[Path]:
    """Image files of a folder, or of the folders ``depth`` below it, in natural order."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", todo="Check whether it was moved or renamed.")
    found = [p for p in folder.glob("*/" * depth + "*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return sorted(found, key=natural)


class Pattern:
    """A file name with places, such as ``{name}_img.tif`` or ``{class}/{group}_d{name}.png``.

    ``{name}`` is what image and mask share; ``{group}`` marks images that must not be split between training and test;
    ``{class}`` is the label of the whole image; ``*`` stands for anything.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.places = re.findall(r"\{(\w+)\}", text)
        unknown = sorted(set(self.places) - {"name", "group", "class"})
        if unknown or not self.places or len(set(self.places)) < len(self.places):
            raise UserError(
                f"The name pattern is '{text}'.",
                "Expected {name} once, and perhaps {group} or {class}.",
                "Write for example {name}_img.tif.",
            )
        parts = re.split(r"(\{\w+\}|\*)", text)
        self._regex = re.compile(
            "".join(f"(?P<{p[1:-1]}_>.+?)" if p[:1] == "{" else ".*" if p == "*" else re.escape(p) for p in parts)
        )

    def match(self, path: Path) -> dict[str, str] | None:
        """The text in each place, or None. A pattern without ending is held against the name without ending."""
        tail = "/".join(path.parts[-1 - self.text.count("/") :])
        found = self._regex.fullmatch(tail) or self._regex.fullmatch(_ENDING.sub("", tail))
        return found and {place: found[f"{place}_"] for place in self.places}


def _keyed(files: Sequence[Path], pattern: str, shared: Sequence[str]) -> dict[Path, tuple[str, dict[str, str]]]:
    """Every file that fits the pattern with its key and the places."""
    if not pattern:
        return {path: (stem(path), {}) for path in files}
    compiled, keyed = Pattern(pattern), {}
    for path in files:
        places = compiled.match(path)
        if places is not None:
            keyed[path] = "_".join(places[place] for place in compiled.places if place in shared), places
    if not keyed:
        raise UserError(
            f"None of {len(files)} files is named like '{pattern}'.",
            "Expected at least one." + "".join(f" The first is {path.name}." for path in files[:1]),
            "Correct the pattern.",
        )
    return keyed


def match_files(
    images: Sequence[Path], masks: Mapping[str, Sequence[Path]], image_pattern: str = "", mask_pattern: str = ""
) -> list[Row]:
    """Match images with the masks of each class.

    First equal names (or equal places of the patterns), then names that are equal without words such as ``_img`` and
    ``_masks``.

    Returns
    -------
    list of Row
        One per image in the given order, then masks without an image. ``ambiguous`` when two files fit, ``orphan``
        when a mask or image is missing.
    """
    mask_pattern = mask_pattern or image_pattern
    places = Pattern(image_pattern or "{name}").places
    shared = [place for place in places if place in Pattern(mask_pattern or "{name}").places]
    keyed = _keyed(images, image_pattern, shared)
    rows = {
        path: Row(key, path, group=p.get("group", ""), image_class=p.get("class")) for path, (key, p) in keyed.items()
    }
    by_key: dict[str, list[Path]] = defaultdict(list)
    by_plain: dict[str, list[Path]] = defaultdict(list)
    for path, (key, _) in keyed.items():
        by_key[key].append(path)
        by_plain[_plain(key)].append(path)
    left_over: list[Row] = []
    for name, files in masks.items():
        candidates: dict[Path, list[Path]] = defaultdict(list)
        loose: list[tuple[Path, str]] = []
        for mask, (key, _) in _keyed(files, mask_pattern, shared).items():
            for image in by_key[key]:
                candidates[image].append(mask)
            if not by_key[key]:
                loose.append((mask, key))
        exact = set(candidates)
        for mask, key in loose:
            fits = [image for image in by_plain[_plain(key)] if image not in exact]
            for image in fits:
                candidates[image].append(mask)
            if not fits:
                taken = by_plain[_plain(key)]
                why = f"{short(taken[0])} has another mask" if taken else f"no image is named like {short(mask)}"
                left_over.append(Row(key, None, {name: mask}, "orphan", why))
        for image, row in rows.items():
            _add(row, name, candidates.get(image, []), len(masks))
    for paths in by_key.values():
        for path in paths[1:] if len(paths) > 1 else ():
            for one in {path, paths[0]}:
                rows[one].status = "ambiguous"
                rows[one].reason = "images of one name: " + ", ".join(short(p) for p in paths)
    return [*rows.values(), *left_over]


def _add(row: Row, name: str, found: Sequence[Path], n_classes: int) -> None:
    which = "mask" if n_classes == 1 else f"mask of '{name}'"
    if not found:
        row.status = "orphan" if row.status == "matched" else row.status
        row.reason = "; ".join(filter(None, [row.reason, f"no {which} is named like {short(row.image or Path())}"]))
        return
    row.masks[name] = found[0]
    if len(found) > 1:
        row.status = "ambiguous"
        row.reason = f"{len(found)} files fit as {which}: " + ", ".join(short(path) for path in found)
