"""Match the names of images and masks."""

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.formats import is_directory, is_image, is_zarr, short, without_ending
from napari_organoid_synth.core.quantities import plural

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "raw")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "ground_truth", "gt")
_MASK_WORDS = "cp_masks|masks?|labels?|lbl|seg|segmentation|gt|ground_?truth|annotations?|instances?|binary"
_IMAGE_WORDS = "images?|imgs?|im|raw"
_MASK_TAIL = re.compile(rf"[_\-. ]({_MASK_WORDS})$", re.IGNORECASE)
_IMAGE_TAIL = re.compile(rf"[_\-. ]({_IMAGE_WORDS})$", re.IGNORECASE)
_HEAD = re.compile(rf"^({_MASK_WORDS}|{_IMAGE_WORDS})([_\-. ]|(?=\d))", re.IGNORECASE)


@dataclass
class Row:
    """One image with its masks, matched by name alone."""

    name: str
    image: Path | None
    masks: dict[str, Path] = field(default_factory=dict)
    status: str = "matched"
    reason: str = ""
    group: str = ""
    image_class: str | None = None


def stem(path: Path) -> str:
    """Return a file name without ``.ome.tif``, ``.png``, ...; for labels inside an OME-Zarr the name of that."""
    name = without_ending(path.name)
    if name == path.name and path.parent.name == "labels" and is_zarr(path):
        return stem(path.parent.parent)
    return name


def is_mask_name(path: Path) -> bool:
    """Return whether a name ends like that of a mask: ``cell_masks.tif``, ``cell-label.png``."""
    return bool(_MASK_TAIL.search(stem(path)))


def _plain(name: str) -> str:
    """Return a name without the words that distinguish images from masks."""
    short_name = _HEAD.sub("", _IMAGE_TAIL.sub("", _MASK_TAIL.sub("", name)))
    return short_name or name


def natural(path: Path) -> tuple[object, ...]:
    """Return a sorting key that puts ``a2`` before ``a10``."""
    parts = re.split(r"(\d+)", path.name.lower())
    return (*((int(part), "") if part.isdecimal() else (-1, part) for part in parts), str(path))


def list_files(folder: Path, pattern: str = "") -> list[Path]:
    """Return the image files of a folder in natural order; of folders below it where the pattern has a ``/``.

    Files of other endings are images if their first bytes say so.

    Raises
    ------
    UserError
        If the folder is missing or may not be read.
    """
    if not is_directory(folder):
        raise UserError(f"There is no folder {folder}.", todo="Check whether it was moved or renamed.")
    try:
        with os.scandir(folder):  # glob is silent about a folder that may not be read
            found = list(folder.glob(_glob_of(pattern) if "/" in pattern else "*"))
    except OSError as error:
        raise UserError(
            f"Cannot read the folder {folder}: {error.strerror}.", todo="Check the permissions of the folder."
        ) from None
    return sorted((path for path in found if not path.name.startswith(".") and is_image(path)), key=natural)


def _glob_of(pattern: str) -> str:
    """Return a pattern as one of a file system; any file in its folders may fit, but not every chunk of an OME-Zarr."""
    folders, _, name = pattern.rpartition("/")
    chosen = f"{folders}/{name}" if ".zarr" in folders else f"{folders}/*"
    return "".join("*" if part[:1] in "{*" else glob.escape(part) for part in _parts(chosen))


def _parts(pattern: str) -> list[str]:
    return [part for part in re.split(r"(\{\w+\}|\*)", pattern) if part]


class Pattern:
    """A file name with placeholders, such as ``{name}_img.tif`` or ``{class}/{group}_d{name}.png``.

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
                "Expected {name} once, and optionally {group} or {class}.",
                "Write, for example, {name}_img.tif.",
            )
        self._regex = re.compile(
            "".join(
                f"(?P<{p[1:-1]}_>.+?)" if p[:1] == "{" else ".*" if p == "*" else re.escape(p) for p in _parts(text)
            )
        )

    def match(self, path: Path) -> dict[str, str] | None:
        """Return the text at each placeholder, or None; a pattern without file ending matches any ending."""
        tail = "/".join(path.parts[-1 - self.text.count("/") :])
        matched = self._regex.fullmatch(tail) or self._regex.fullmatch(without_ending(tail))
        return matched and {place: matched[f"{place}_"] for place in self.places}


def _files_by_key(files: Sequence[Path], pattern: str, shared: Sequence[str]) -> dict[Path, tuple[str, dict[str, str]]]:
    """Return every file that fits the pattern, with its key and the text at the placeholders."""
    if not pattern:
        return {path: (stem(path), {}) for path in files}
    compiled, keyed = Pattern(pattern), {}
    for path in files:
        places = compiled.match(path)
        if places is not None:
            keyed[path] = "_".join(places[place] for place in compiled.places if place in shared), places
    if not keyed:
        raise UserError(
            f"None of {plural(len(files), 'file')} is named like '{pattern}'.",
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
    keyed = _files_by_key(images, image_pattern, shared)
    rows = {
        path: Row(key, path, group=p.get("group", ""), image_class=p.get("class")) for path, (key, p) in keyed.items()
    }
    by_key: dict[str, list[Path]] = defaultdict(list)
    for path, (key, _) in keyed.items():
        by_key[key].append(path)
    orphans: list[Row] = []
    for name, files in masks.items():
        candidates, unmatched = _match_class(name, _files_by_key(files, mask_pattern, shared), by_key)
        orphans += unmatched
        for image, row in rows.items():
            _add_masks(row, name, candidates.get(image, []), len(masks))
    for same in by_key.values():
        for path in same if len(same) > 1 else ():
            rows[path].status = "ambiguous"
            rows[path].reason = "images of one name: " + ", ".join(short(image) for image in same)
    return [*rows.values(), *orphans]


def _match_class(
    name: str, masks: Mapping[Path, tuple[str, dict[str, str]]], by_key: Mapping[str, list[Path]]
) -> tuple[dict[Path, list[Path]], list[Row]]:
    """Return the masks of one class that fit each image, and a row for every mask that fits none.

    An image with a mask of exactly its name takes no other.
    """
    by_plain: dict[str, list[Path]] = defaultdict(list)
    for key, images in by_key.items():
        by_plain[_plain(key)] += images
    candidates: dict[Path, list[Path]] = defaultdict(list)
    for mask, (key, _) in masks.items():
        for image in by_key.get(key, ()):
            candidates[image].append(mask)
    exact, orphans = set(candidates), []
    for mask, (key, _) in masks.items():
        if key in by_key:
            continue
        alike = by_plain.get(_plain(key), [])
        free = [image for image in alike if image not in exact]
        for image in free:
            candidates[image].append(mask)
        if not free:
            reason = f"{short(alike[0])} has another mask" if alike else f"no image is named like {short(mask)}"
            orphans.append(Row(key, None, {name: mask}, "orphan", reason))
    return candidates, orphans


def _add_masks(row: Row, name: str, files: Sequence[Path], n_classes: int) -> None:
    """Add the mask of one class to a row; none makes it an orphan, several make it ambiguous."""
    noun = "mask" if n_classes == 1 else f"mask of '{name}'"
    if not files:
        row.status = "orphan" if row.status == "matched" else row.status
        row.reason = "; ".join(filter(None, [row.reason, f"no {noun} is named like {short(row.image or Path())}"]))
        return
    row.masks[name] = files[0]
    if len(files) > 1:
        row.status = "ambiguous"
        row.reason = f"{len(files)} files fit as {noun}: " + ", ".join(short(path) for path in files)
