"""Rules of the preflight: each looks at the table and the measures and returns findings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from napari_organoid_synth.core.pairs.grades import ungraded_warning
from napari_organoid_synth.core.pairs.groups import Grouping
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.split import split_sentence
from napari_organoid_synth.core.pairs.suggestion import fitting_scale
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.pairs.tiling import small_image_warning
from napari_organoid_synth.core.preflight.findings import Finding, Level
from napari_organoid_synth.core.preflight.measures import Measures
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.segmentation.survival import KEPT, survival_sentences
from napari_organoid_synth.core.training.object_size import MIN_DIAMETER

FEW_IMAGES, GOOD_IMAGES = 5, 20
FEW_TILES = 20
MAX_RANGE = 8
"""Ratio of brightest values above which images differ too much."""
MAX_LOST = 0.1
"""Share of objects that may lose their shape without a warning."""


def images(table: PairTable) -> Iterator[Finding]:
    """Yield whether there are enough images to learn from."""
    number = len(table.train)
    values = {"train": number, "test": len(table.test)}
    text = f"{plural(number, 'image')} to learn from."
    if number < FEW_IMAGES:
        todo = f"Add more: {FEW_IMAGES} are a start, {GOOD_IMAGES} are good."
        yield Finding(
            topic="images", level="problem" if number < 2 else "warning", sentence=text, todo=todo, values=values
        )
    elif number < GOOD_IMAGES:
        yield Finding(topic="images", level="good", sentence=f"{text} {GOOD_IMAGES} are better.", values=values)
    else:
        yield Finding(topic="images", level="good", sentence=text, values=values)
    with_masks = [entry for entry in table.matched if entry.masks]
    empty = sum(entry.n_objects == 0 for entry in with_masks)
    if empty:
        verb = "is" if empty == 1 else "are"
        text = f"{empty} of {plural(len(with_masks), 'mask')} {verb} empty: fields without objects."
        level = "problem" if empty == len(with_masks) else "good"
        yield Finding(topic="empty", level=level, sentence=text, values={"empty": empty})


def tiles(table: PairTable, measures: Measures, settings: TileSettings) -> Iterator[Finding]:
    """Yield how many tiles a training would use."""
    if not measures.tiles:
        return
    number, share = len(table.train), measures.kept / measures.tiles
    usable = round(measures.kept * number / measures.images)
    all_tiles = round(measures.tiles * number / measures.images)
    values: dict[str, float | str] = {"usable": usable, "tiles": all_tiles, "side": settings.size}
    about = "about " if measures.images < number else ""
    text = f"{about}{usable:,} of {plural(all_tiles, 'tile')} of {settings.size} px can be used"
    text = f"{text[:1].upper()}{text[1:]}{_sampled(measures, number)}."
    todo = ""
    if share < 0.5 and measures.refusals:
        reason = measures.refusals.most_common(1)[0][0]
        todo = (
            "Most of the others are nearly full of objects: raise tiles.max_cover to 1."
            if reason == "full"
            else "Most of the others hold too few objects: lower tiles.min_objects, or choose larger tiles."
        )
    level: Level = "problem" if not usable else "warning" if usable < FEW_TILES or share < 0.25 else "good"
    if level == "good":
        todo = ""
    elif usable and not todo:
        todo = "Add images, or choose smaller tiles (tiles.size)."
    yield Finding(topic="tiles", level=level, sentence=text, todo=todo, values=values)
    sizes = [entry.size for entry in table.train if entry.size is not None]
    if small := small_image_warning(sizes, settings.size):
        yield Finding(topic="small images", level="warning", sentence=small, values={"side": min(map(min, sizes))})


def objects(table: PairTable, measures: Measures, settings: TileSettings) -> Iterator[Finding]:
    """Yield whether whole objects fit a tile, and the scale at which they do."""
    side = measures.object_side
    if not side:
        return
    median = float(np.median(measures.sides))
    values: dict[str, float | str] = {"side": round(side), "median": round(median), "tile": settings.size}
    if side > settings.size:
        scale = fitting_scale(side, settings.size) * table.scale
        small = median * scale / table.scale
        todo = f"Use the images at {100 * scale:g} % of their size (--scale {scale:g}): whole ones then fit"
        todo += f", but small ones shrink to {small:.0f} px." if small < MIN_DIAMETER else "."
        text = f"Objects are up to {side:,.0f} px across: a tile of {settings.size} px holds only a part."
        yield Finding(topic="objects", level="warning", sentence=text, todo=todo, values={**values, "scale": scale})
    elif measures.diameter < MIN_DIAMETER:
        text = f"Objects are about {max(measures.diameter, 1):.0f} px across, too small for a painter that is trained: "
        text += f"{MIN_DIAMETER:.0f} px are the least."
        todo = "Use images of higher resolution" + (", or shrink them less (--scale)." if table.scale < 1 else ".")
        yield Finding(topic="objects", level="warning", sentence=text, todo=todo, values=values)
    else:
        text = f"Objects are about {median:.0f} px across, most below {side:.0f} px: whole ones fit a tile."
        yield Finding(topic="objects", level="good", sentence=text, values=values)


def background(measures: Measures) -> Iterator[Finding]:
    """Yield whether every pixel belongs to an object."""
    if measures.full:
        number = f"{len(measures.full)} of {plural(measures.images, 'image')}"
        text = f"No background: in {number} every pixel belongs to an object."
        todo = (
            "Let a generator learn such masks (draws=masks): masks of type 'fitted' and 'simulated' need background. "
            "If the background has a number of its own, set it to 0."
        )
        yield Finding(
            topic="background", level="warning", sentence=text, todo=todo, values={"full": len(measures.full)}
        )


def formats(table: PairTable) -> Iterator[Finding]:
    """Yield whether channels, pixel types and ranges agree."""
    rows = [entry for entry in table.matched if entry.shape is not None]
    channels = Counter(entry.shape[0] for entry in rows if entry.shape is not None)
    if len(channels) > 1:
        counts = ", ".join(f"{n} with {plural(c, 'channel')}" for c, n in sorted(channels.items()))
        todo = "Convert some, or make two projects."
        if set(channels) <= {1, 3}:
            todo = "Convert all to grey or to RGB (--channels grey, --channels rgb)."
        text = f"Images differ in channels: {counts}. A generator needs the same number in all."
        yield Finding(
            topic="channels", level="problem", sentence=text, todo=todo, values={str(c): n for c, n in channels.items()}
        )
    dtypes = Counter(entry.dtype for entry in rows)
    if len(dtypes) > 1:
        counts = ", ".join(f"{n} {name}" for name, n in sorted(dtypes.items()))
        text = f"Images differ in pixel type: {counts}. A generator needs one type."
        yield Finding(
            topic="pixels",
            level="problem",
            sentence=text,
            todo="Convert some, or make two projects.",
            values={**dtypes},
        )
    yield from _ranges(rows)


def _ranges(rows: Sequence[PairEntry]) -> Iterator[Finding]:
    """Yield whether images of more than 8 bits use them, and whether some are much darker than others."""
    known = [entry for entry in rows if entry.value_range is not None]
    tops = {entry.name: entry.value_range[1] for entry in known if entry.value_range is not None}
    if not tops or len({entry.dtype for entry in known}) > 1:
        return
    low, high = min(tops, key=lambda name: tops[name]), max(tops, key=lambda name: tops[name])
    values: dict[str, float | str] = {"lowest": tops[low], "highest": tops[high]}
    if tops[high] > MAX_RANGE * max(tops[low], 0) and tops[high] > 0:
        text = f"Brightest values differ much: {_shown(tops[low])} in '{low}', {_shown(tops[high])} in '{high}'."
        todo = "Bring all images to one range if they come from different cameras or bit depths."
        yield Finding(topic="range", level="warning", sentence=text, todo=todo, values=values)
    elif known[0].dtype == "uint16" and tops[high] < 4096:
        bits = max(1, math.ceil(math.log2(tops[high] + 1)))
        text = f"Values reach {tops[high]:,.0f} of 65,535: {bits}-bit data in 16-bit files; the range is measured."
        yield Finding(topic="range", level="good", sentence=text, values={**values, "bits": bits})


def grades(table: PairTable) -> Iterator[Finding]:
    """Yield whether some images to learn from have a class while others have none."""
    without = sum(entry.image_class is None for entry in table.train)
    if 0 < without < len(table.train):
        yield Finding(
            topic="grades",
            level="warning",
            sentence=ungraded_warning(without, len(table.train)),
            todo="Grade them, or skip them.",
            values={"ungraded": without},
        )


def groups(table: PairTable, grouping: Grouping) -> Iterator[Finding]:
    """Yield which images belong together, and how the test cuts them."""
    values: dict[str, float | str] = {
        "groups": len(set(grouping.groups.values())), "images": len(grouping.groups), "test": len(table.test)
    }  # fmt: skip
    sentence = split_sentence(table, grouping)
    tested = {grouping.groups[entry.name] for entry in table.test}
    cut = tested & {grouping.groups[entry.name] for entry in table.train}
    if grouping.warning:
        yield Finding(topic="groups", level="warning", sentence=grouping.warning, values=values)
    elif cut:
        todo = "Choose the test again (--test 0.2), in whole groups."
        yield Finding(topic="groups", level="warning", sentence=sentence, todo=todo, values={**values, "cut": len(cut)})
    elif sentence:
        yield Finding(topic="groups", level="good", sentence=sentence, values=values)
    if not table.test and len(table.matched) > 2 and any(entry.masks for entry in table.matched):
        text = "No test images: nothing is kept aside to measure the gain."
        yield Finding(topic="test", level="warning", sentence=text, todo="Choose test pairs (--test 0.2).")
    strata = Counter(grouping.strata.get(entry.name, "") for entry in table.matched)
    without = sorted(set(strata) - {grouping.strata.get(entry.name, "") for entry in table.test} - {""})
    if table.test and without and len(strata) > 1:
        text = f"The test holds no image of {', '.join(without[:4])}{', …' if len(without) > 4 else ''}."
        yield Finding(
            topic="classes",
            level="warning",
            sentence=text,
            todo="Test a larger share.",
            values={"missing": len(without)},
        )


def shapes(measures: Measures) -> Iterator[Finding]:
    """Yield which generators and segmenters suit the shapes of the objects."""
    found = measures.survivals
    thin, rings = sum(one.thin for one in found), sum(one.rings for one in found)
    encodings = [[overlap for one in found for overlap in getattr(one, way)] for way in ("flow", "rays", "outlines")]
    lost = max(sum(overlap < KEPT for overlap in way) for way in encodings)
    level: Level = "warning" if max(lost, thin, rings) > MAX_LOST * len(encodings[1]) else "good"
    for sentence in survival_sentences(found):
        yield Finding(topic="shapes", level=level, sentence=sentence, values={"thin": thin, "rings": rings})


def generators(table: PairTable) -> Iterator[Finding]:
    """Yield which kind of generator suits."""
    with_masks = sum(bool(entry.masks) for entry in table.train)
    if not with_masks:
        text = "Images without masks: only a generator that draws images alone can learn from them (draws=images)."
        yield Finding(topic="generators", level="good", sentence=text)
    elif len(table.train) < GOOD_IMAGES:
        text = "With few images a painter suits best (analogy, without training): it paints on your masks, rearranged."
        yield Finding(topic="generators", level="good", sentence=text)
    else:
        text = "Painters (flow) and generators of image and mask (stylegan2_ada) both suit this number of images."
        yield Finding(topic="generators", level="good", sentence=text)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _sampled(measures: Measures, number: int) -> str:
    return f" ({measures.images} of {plural(number, 'image')} measured)" if measures.images < number else ""
