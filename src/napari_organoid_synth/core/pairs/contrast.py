"""One contrast for all pictures of a project, from its real images."""

from __future__ import annotations

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.entry_reading import read_entry_image
from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.pairs.pictures import limits
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.pairs.thumbnail import SHOWN_CHANNELS, Contrast

MAX_READ = 8
"""Images of several channels that are read at most, evenly chosen."""
PROBED = 50_000
"""Pixels of a channel that count."""


def real_contrast(table: PairTable) -> Contrast:
    """Return the pixel values that become black and white for each channel shown.

    Colours of 8 bits stay as they are, 0 to 255. Of one channel, and of other colours, the check of the pairs has noted
    the range of each image; most of them fit in what is returned. Other channels are read.

    Parameters
    ----------
    table : PairTable
        Real pairs of a project, checked.

    Returns
    -------
    tuple of (float, float)
        Empty where no image is known.
    """
    if known := known_contrast(table):
        return known
    entries = _usable(table)
    count = _channels(entries)
    chosen = [entries[place] for place in np.linspace(0, len(entries) - 1, min(MAX_READ, len(entries))).astype(int)]
    read = [found for entry in chosen if len(found := _ranges(entry)) >= count]
    return tuple(_joined([one[channel] for one in read]) for channel in range(count)) if read else ()


def known_contrast(table: PairTable) -> Contrast:
    """Return the same without reading an image; empty where one has to be read."""
    entries = _usable(table)
    if not entries:
        return ()
    count, is_rgb = _channels(entries), entries[0].channel_names == RGB
    if is_rgb and entries[0].dtype == "uint8":
        return ((0.0, 255.0),) * count
    ranges = [entry.value_range for entry in entries if entry.value_range is not None]
    return (_joined(ranges),) * count if ranges and (is_rgb or count == 1) else ()


def _usable(table: PairTable) -> list[PairEntry]:
    return [entry for entry in table.train or table.matched if entry.shape is not None]


def _channels(entries: list[PairEntry]) -> int:
    """Return the number of channels that are shown."""
    return min([SHOWN_CHANNELS, *(entry.shape[0] for entry in entries if entry.shape is not None)])


def _joined(ranges: list[tuple[float, float]]) -> tuple[float, float]:
    """Return a range that most ranges fit in: one odd image does not darken all others."""
    low = float(np.quantile([low for low, _ in ranges], 0.1))
    high = float(np.quantile([high for _, high in ranges], 0.9))
    return (low, high) if high > low else (low, low + 1.0)


def _ranges(entry: PairEntry) -> Contrast:
    """Return the range of each channel shown of an image; nothing if it cannot be read."""
    try:
        image, _ = read_entry_image(entry)
    except (UserError, OSError):
        return ()
    channels = [channel.reshape(-1) for channel in image[:SHOWN_CHANNELS]]
    return tuple(limits(channel[:: max(1, channel.size // PROBED) | 1].astype(np.float32)) for channel in channels)
