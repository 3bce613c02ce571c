"""What the pairs of a project have in common, and whether something else fits it: channels, pixels, masks, classes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural

MAX_RATIO = 8
"""Ratio of brightest values above which two sets are of different ranges, such as 12 and 16 bits."""
SAMPLED_PIXELS = 100_000
_KINDS = {"binary": "binary masks", "classes": "masks of classes", "instances": "masks of instances"}
_UNNAMED = re.compile(r"class \d+")


class Misfit(UserError):
    """Raised where a generator, a mask or a pair does not fit the pairs of the project."""


@dataclass(frozen=True)
class PairFormat:
    """Format of a pair, or of a set of pairs; what is not known, or does not matter, is None.

    Parameters
    ----------
    channels : frozenset of int, optional
        Numbers of image channels.
    dtypes : frozenset of str, optional
        Pixel types.
    brightest : (float, float), optional
        Lowest and highest top value of the images (99.9 % of the pixels are at most that); not of 8-bit pixels.
    mask_kind : {"binary", "classes", "instances"}, optional
    class_names : tuple of str
        Names of the classes; used for the kind ``classes`` alone.
    """

    channels: frozenset[int] | None = None
    dtypes: frozenset[str] | None = None
    brightest: tuple[float, float] | None = None
    mask_kind: MaskKind | None = None
    class_names: tuple[str, ...] = ()

    @classmethod
    def of_table(cls, table: PairTable) -> PairFormat | None:
        """Return the format of the usable rows of a table; None before its check."""
        rows = [entry for entry in table.matched if entry.shape is not None]
        if not rows:
            return None
        tops = [entry.value_range[1] for entry in rows if entry.value_range is not None]
        has_masks = any(entry.masks for entry in rows)
        return cls(
            frozenset(entry.shape[0] for entry in rows if entry.shape is not None),
            frozenset(entry.dtype for entry in rows),
            (min(tops), max(tops)) if tops else None,
            table.mask_kind if has_masks else None,
            table.class_names,
        )

    @classmethod
    def of_pair(cls, pair: SamplePair) -> PairFormat:
        """Return the format of one pair; a dark image may be a tile without objects, so only its top counts."""
        top = value_range(pair.image)[1]
        dtype = pair.image.dtype.name
        return cls(frozenset({len(pair.image)}), frozenset({dtype}), (top, np.inf), pair.mask_kind, pair.class_names)

    def differences(self, other: PairFormat) -> list[tuple[str, str]]:
        """Return what another format has, and what this one has instead, for each difference."""
        found: list[tuple[str, str]] = []
        if self.channels and other.channels and not other.channels <= self.channels:
            found.append((_channels(other.channels), _channels(self.channels)))
        if self.dtypes and other.dtypes and not other.dtypes <= self.dtypes:
            found.append((f"{_either(other.dtypes)} pixels", f"{_either(self.dtypes)} pixels"))
        elif self.brightest and other.brightest and not _is_8_bit(self.dtypes):
            (low, high), (other_low, other_high) = self.brightest, other.brightest
            if other_low > MAX_RATIO * high > 0 or 0 < other_high * MAX_RATIO < low:
                shown = other_low if other_low > high else other_high
                found.append((f"values up to {shown:,.5g}", f"values up to {high:,.5g}"))
        if self.mask_kind and other.mask_kind and self.mask_kind != other.mask_kind:
            found.append((_KINDS[other.mask_kind], _KINDS[self.mask_kind]))
        elif self.mask_kind == other.mask_kind == "classes" and not _same_classes(self.class_names, other.class_names):
            found.append((_classes(other.class_names), _classes(self.class_names)))
        return found

    def mismatch(self, other: PairFormat) -> str:
        """Describe what does not fit, both sides named; empty if all fits.

        Examples
        --------
        >>> project = PairFormat(frozenset({3}), frozenset({"uint8"}))
        >>> project.mismatch(PairFormat(frozenset({1}), frozenset({"uint8"})))
        '1 channel, the real pairs 3 channels'
        """
        found = self.differences(other)
        if not found:
            return ""
        return f"{', '.join(one for one, _ in found)}, the real pairs {', '.join(one for _, one in found)}"

    def refuse(self, other: PairFormat, name: str, todo: str = "") -> None:
        """Raise if another format does not fit.

        Parameters
        ----------
        other : PairFormat
            Of what enters.
        name : str
            What enters, such as ``"Run 7"``, for the message.
        todo : str
            What to do instead.

        Raises
        ------
        Misfit
            It names both sides.
        """
        if found := self.differences(other):
            theirs, ours = (", ".join(pair[side] for pair in found) for side in (0, 1))
            raise Misfit(f"{name} has {theirs}.", f"Expected {ours}, like the real pairs of the project.", todo)


def value_range(image: NDArray[Any]) -> tuple[float, float]:
    """Return the values that 0.1 % and 99.9 % of the pixels of an image (C, Y, X) are at most, over all channels."""
    pixels = image.reshape(-1)
    pixels = pixels[:: max(1, pixels.size // SAMPLED_PIXELS) | 1]  # an odd step visits all columns
    low, high = np.percentile(pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels, (0.1, 99.9))
    return float(low), float(high)


def _is_8_bit(dtypes: frozenset[str] | None) -> bool:
    return bool(dtypes) and dtypes is not None and dtypes <= {"uint8", "int8", "bool"}


def _channels(numbers: frozenset[int]) -> str:
    *several, last = sorted(numbers)
    return " or ".join([*map(str, several), plural(last, "channel")])


def _either(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))


def _classes(names: tuple[str, ...]) -> str:
    return f"{plural(len(names), 'class', 'classes')} ({', '.join(names)})"


def _same_classes(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two sets of classes agree; as many without names as the other has agree, too."""
    if len(one) != len(other):
        return False
    return one == other or any(all(_UNNAMED.fullmatch(name) for name in names) for names in (one, other))


@dataclass
class FormatOf:
    """Format of the pairs of the project in a folder, read again when its table changes.

    Parameters
    ----------
    path : Path
        ``pairs.json``.
    """

    path: Path
    _stamp: tuple[int, int] = (0, 0)
    _format: PairFormat | None = None

    def get(self) -> PairFormat | None:
        """Return the format; None if there is no table, it cannot be read, or nothing in it was checked."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        if (stamp := (stat.st_mtime_ns, stat.st_size)) != self._stamp:
            try:
                self._format = PairFormat.of_table(PairTable.from_file(self.path))
            except UserError:
                self._format = None
            self._stamp = stamp
        return self._format


@dataclass
class Misfits:
    """Pairs that are left out of a computation because they do not fit the real pairs.

    Parameters
    ----------
    format : PairFormat, optional
        Of the real pairs; None: all fit.
    """

    format: PairFormat | None
    names: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def fits(self, pair: SamplePair) -> bool:
        """Return whether a pair fits; if not, remember it."""
        return self.takes(pair.name, PairFormat.of_pair(pair))

    def takes(self, name: str, form: PairFormat) -> bool:
        """Return whether a pair of that name and format fits; if not, remember it."""
        reason = self.format.mismatch(form) if self.format is not None else ""
        if reason:
            self.names.append(name)
            self.reasons[reason] += 1
        return not reason

    def warning(self) -> str:
        """Name what was left out and why; empty if all fits."""
        if not self.names:
            return ""
        reason, _ = self.reasons.most_common(1)[0]
        one = f"'{self.names[0]}'"
        who = f"{one} is" if len(self.names) == 1 else f"{len(self.names)} pairs, such as {one}, are"
        return f"{who} left out: {reason}. {'It does' if len(self.names) == 1 else 'They do'} not fit the project."
