"""Match the names of images and masks."""

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations.reading import is_annotation, open_annotations
from napari_organoid_synth.core.pairs.file_sets import OBJECT_TAIL, set_name, without_number
from napari_organoid_synth.core.pairs.reading.formats import (
    folded,
    is_directory,
    is_folder,
    is_image,
    is_zarr,
    short,
    without_ending,
)
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.quantities import plural

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "raw")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "ground_truth", "gt")
_MASK_WORDS = (
    "cp_masks|masks?|labels?|lbl|seg|segmentation|gt|ground_?truth|annotations?|instances?|binary|roi_?sets?|rois?"
)
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
    """Return whether a name ends like that of a mask: ``cell_masks.tif``, ``cell-label.png``, ``cell_mask_3.png``."""
    return bool(_MASK_TAIL.search(stem(path)) or OBJECT_TAIL.search(stem(path)))


def _plain(name: str) -> str:
    """Return a name without the words that distinguish images from masks."""
    short_name = _HEAD.sub("", _IMAGE_TAIL.sub("", _MASK_TAIL.sub("", name)))
    return short_name or name


def plain_name(path: Path) -> str:
    """Return a file name without ending, upper case, and words such as ``_masks``."""
    return _folded(stem(path))


def _folded(name: str) -> str:
    return folded(_plain(name))


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
    if folder.is_file():
        raise UserError(f"{folder} is a file.", "Expected a folder.", "Name the folder in which it lies.")
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


def holds_images(path: Path) -> bool:
    """Return whether a path is a folder with image files in it; False where that cannot be told."""
    try:
        return is_folder(path) and bool(list_files(path))
    except UserError:
        return False


def below_sentence(path: Path, used: Collection[Path] = ()) -> str:
    """Say which folders of images below a folder are left out; empty for a file, and without such folders."""
    try:
        below = [one for one in path.iterdir() if not one.name.startswith(".") and is_folder(one)]
    except OSError:  # a file, or a folder that may not be read, is named elsewhere
        return ""
    own = {*IMAGE_FOLDERS, *MASK_FOLDERS}
    left = [one for one in sorted(below, key=natural) if one.name.lower() not in own and one not in used]
    names = [one.name for one in left if holds_images(one)]
    if not names or is_zarr(path):
        return ""
    where = f"{plural(len(names), 'folder')} below {path.name}"
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"Images in {where} are left out: {shown}. '{path}/*' stands for all."


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


def _files_by_key(
    files: Sequence[Path], pattern: str, shared: Sequence[str], needed: bool = True
) -> dict[Path, tuple[str, dict[str, str]]]:
    """Return every file that fits the pattern, with its key and the text at the placeholders; one is ``needed``."""
    if not pattern or not files:
        return {path: (stem(path), {}) for path in files}
    compiled, keyed = Pattern(pattern), {}
    for path in files:
        places = compiled.match(path)
        if places is not None:
            keyed[path] = "_".join(places[place] for place in compiled.places if place in shared), places
    if not keyed and needed:
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
    ``_masks``, then whatever their case, then masks with a number more, one file per object. Outlines that name their
    images are matched by these names; an image with a mask takes no outlines.

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
        drawn = list(filter(is_annotation, files))
        pixels = [file for file in files if not is_annotation(file)]
        masks_of, unmatched = _match_class(name, _files_by_key(pixels, mask_pattern, shared, needed=not drawn), by_key)
        outlines, left = _match_annotations(name, drawn, mask_pattern, shared, by_key)
        candidates = {**outlines, **masks_of}
        orphans += unmatched + left
        for image, row in rows.items():
            same = by_key[row.name]
            fitting = candidates.get(image, [])
            _add_masks(row, name, _beside(image, same, fitting) if len(same) > 1 else fitting, len(masks))
    for same in by_key.values():
        folders = _own_folders(same)
        for path in same if len(same) > 1 and len(set(folders)) < len(same) else ():
            rows[path].status = "ambiguous"
            rows[path].reason = "images of one name: " + ", ".join(short(image) for image in same)
    return [*rows.values(), *orphans]


def _folders(path: Path) -> tuple[str, ...]:
    """Return the folders above a file in lower case, without words such as ``masks`` and ``_images``."""
    words = {*IMAGE_FOLDERS, *MASK_FOLDERS}
    return tuple(_folded(part) for part in path.parent.parts if part.lower() not in words)


def _own_folders(files: Sequence[Path]) -> list[tuple[str, ...]]:
    """Return for each of several files the folders that not all of them lie in, from the top down."""
    above = [_folders(path) for path in files]
    shared = set.intersection(*map(set, above)) if above else set()
    return [tuple(part for part in parts if part not in shared) for parts in above]


def _beside(image: Path, same: Sequence[Path], masks: Sequence[Path]) -> list[Path]:
    """Return those masks that lie in the folders of this image and not in those of another image of its name."""
    own = dict(zip(same, _own_folders(same), strict=True))

    def lies_in(mask: Path, other: Path) -> bool:
        return set(own[other]) <= set(_folders(mask))

    near = [mask for mask in masks if lies_in(mask, image)]
    rivals = [other for other in same if len(own[other]) > len(own[image])]
    near = [mask for mask in near if not any(lies_in(mask, other) for other in rivals)]
    return near or list(masks)


def distinct_names(files: Sequence[Path], names: Sequence[str]) -> list[str]:
    """Return names of files that differ also as file names: by folder where two are equal, else by a number.

    Examples
    --------
    >>> distinct_names([Path("/d/A1/img.tif"), Path("/d/B2/img.tif"), Path("/d/x.tif")], ["img", "img", "x"])
    ['A1_img', 'B2_img', 'x']
    """
    alike: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        alike[name].append(index)
    result = list(names)
    for indices in alike.values():
        above = [files[index].parent.parts for index in indices]
        while len(indices) > 1 and all(parts and parts[0] == above[0][0] for parts in above):
            above = [parts[1:] for parts in above]
        while len(indices) > 1 and all(parts and parts[-1] == above[0][-1] for parts in above):
            above = [parts[:-1] for parts in above]
        for index, parts in zip(indices, above if len(indices) > 1 else (), strict=False):
            result[index] = "_".join([*parts, names[index]])
    taken: set[str] = set()
    for index, name in enumerate(result):
        numbered = chain([name], (f"{name} ({number})" for number in count(2)))
        result[index] = next(one for one in numbered if file_stem(one).casefold() not in taken)
        taken.add(file_stem(result[index]).casefold())
    return result


def _match_class(
    name: str, masks: Mapping[Path, tuple[str, dict[str, str]]], by_key: Mapping[str, list[Path]]
) -> tuple[dict[Path, list[Path]], list[Row]]:
    """Return the masks of one class that fit each image, and a row for every mask that fits none.

    An image with a mask of exactly its name takes no other; nor does one with a mask of its name and of equal case.
    """
    candidates: dict[Path, list[Path]] = defaultdict(list)
    left = {mask: key for mask, (key, _) in masks.items()}
    alike: dict[str, list[Path]] = defaultdict(list)
    for form in (str, _plain, _folded):
        taken = set(candidates)
        alike = defaultdict(list)
        for key, images in by_key.items():
            alike[form(key)] += images
        for mask, key in list(left.items()):
            free = [image for image in alike[form(key)] if image not in taken]
            for image in free:
                candidates[image].append(mask)
            if free:
                del left[mask]
    _match_numbered(candidates, left, alike)
    orphans = []
    for mask, key in left.items():
        images = alike[_folded(key)]
        reason = f"{short(images[0])} has another mask" if images else f"no image is named like {short(mask)}"
        orphans.append(Row(key, None, {name: mask}, "orphan", reason))
    return candidates, orphans


def _match_numbered(
    candidates: dict[Path, list[Path]], left: dict[Path, str], alike: Mapping[str, Sequence[Path]]
) -> None:
    """Give images without mask the numbered files of their name, such as one mask file per object.

    Not where images themselves are numbered like that: the mask ``img_3`` beside the images ``img`` and ``img_1``.
    """
    found: dict[Path, list[Path]] = defaultdict(list)
    series = {_folded(name) for images in alike.values() for image in images for name in without_number(stem(image))}
    for mask, key in left.items():
        owner = next((name for name in map(_folded, without_number(key)) if alike.get(name)), "")
        if owner in series and not OBJECT_TAIL.search(key):
            continue
        for image in alike.get(owner, ()):
            if image not in candidates:
                found[image].append(mask)
    for image, files in found.items():
        if len(files) > 1 or OBJECT_TAIL.search(stem(files[0])):
            candidates[image] = files
            for file in files:
                left.pop(file, None)


def _match_annotations(
    name: str, files: Sequence[Path], pattern: str, shared: Sequence[str], by_key: Mapping[str, list[Path]]
) -> tuple[dict[Path, list[Path]], list[Row]]:
    """Return the files of outlines that fit each image, by the images that they name, else by their own names."""
    candidates: dict[Path, list[Path]] = defaultdict(list)
    by_name = []
    for file in files:
        named = _named_images(file, [image for images in by_key.values() for image in images])
        for image in named:
            candidates[image].append(file)
        if not named:
            by_name.append(file)
    for image, found in _match_class(name, _files_by_key(by_name, pattern, shared), by_key)[0].items():
        candidates[image] = candidates.get(image) or found
    for image, found in candidates.items():
        if len(found) > 1:
            images = [other for images in by_key.values() for other in images]
            same = [other for other in images if plain_name(other) == plain_name(image)]
            candidates[image] = _beside(image, same, found) if len(same) > 1 else found
    used = {file for found in candidates.values() for file in found}
    return candidates, [
        Row(stem(file), None, {name: file}, "orphan", f"no image is named like or in {short(file)}")
        for file in files
        if file not in used
    ]


def _named_images(file: Path, images: Sequence[Path]) -> list[Path]:
    """Return the images that a file of outlines names; a damaged file names none."""
    try:
        annotations = open_annotations(file)
    except UserError:
        return []
    return [image for image in images if annotations.describes(image)]


def _add_masks(row: Row, name: str, files: Sequence[Path], n_classes: int) -> None:
    """Add the mask of one class to a row; none makes it an orphan, several make it ambiguous."""
    noun = "mask" if n_classes == 1 else f"mask of '{name}'"
    if not files:
        row.status = "orphan" if row.status == "matched" else row.status
        row.reason = "; ".join(filter(None, [row.reason, f"no {noun} is named like {short(row.image or Path())}"]))
        return
    numbered = set_name(files) if len(files) > 1 else None
    row.masks[name] = numbered or files[0]
    if len(files) > 1 and numbered is None:
        row.status = "ambiguous"
        row.reason = f"{len(files)} files fit as {noun}: " + ", ".join(short(path) for path in files)
