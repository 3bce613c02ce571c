"""Read the images of the target: those without masks, and annotated ones to test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.checking import refuse_image
from napari_organoid_synth.core.pairs.entry_reading import read_plane
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.pairing import pair as make_table
from napari_organoid_synth.core.pairs.reading.formats import short
from napari_organoid_synth.core.pairs.settings import PairSettings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.segmentation.predict import find_planes


def read_images(files: Sequence[str], scale: float, like: SamplePair) -> list[SamplePair]:
    """Read images without masks, at a share of their size.

    Parameters
    ----------
    files : sequence of str
        Folders and files.
    scale : float
        In (0, 1].
    like : SamplePair
        Gives kind of mask and classes.

    Returns
    -------
    list of SamplePair
        With empty labels. Grey that was saved as colours has one channel, unless other images are in colour.

    Raises
    ------
    UserError
        If there is no image, one cannot be read, or they differ in channels or pixel type.
    """
    found = []
    for plane in find_planes(files):
        image, info = read_plane(plane.path, plane.page, plane.use)
        refuse_image(image, short(plane.path))
        found.append(
            SamplePair(
                plane.name,
                image,
                np.zeros(image.shape[1:], np.int32),
                like.mask_kind,
                like.class_names,
                info.pixel_size,
                info.channel_names,
                source=Source("real", (str(plane.path),)),
            )
        )
    if all(len(pair.image) == 3 and (pair.image[1:] == pair.image[:1]).all() for pair in found):
        found = [pair.replace(image=pair.image[:1], channel_names=()) for pair in found]
    for what, values in (
        ("channels", {len(pair.image) for pair in found}),
        ("pixel types", {str(pair.image.dtype) for pair in found}),
    ):
        if len(values) > 1:
            raise UserError(
                f"The images of the target differ in {what}: {', '.join(map(str, sorted(values)))}.",
                "Expected all alike.",
                "Adapt to one sort of images at a time.",
            )
    return [pair.shrunk(scale) for pair in found]


def read_test(
    project: Project, folder: str, masks: Sequence[str], scale: float, source: SamplePair, channels: int
) -> list[SamplePair]:
    """Read the annotated images of the target; none where none are named.

    Parameters
    ----------
    project : Project
        Keeps the table of them.
    folder : str
        Where they are; empty: nowhere.
    masks : sequence of str
        Where their masks are, if not there.
    scale : float
        As of the images without masks.
    source : SamplePair
        Gives kind of mask and classes.
    channels : int
        Of the images without masks.

    Raises
    ------
    UserError
        If there are none with a mask, or they have other channels or classes.
    """
    if not folder:
        return []
    as_channels = {1: "grey", 3: "rgb"}.get(channels)
    table, _ = make_table(
        project,
        PairSettings.parse(
            {
                "images": (folder,),
                "masks": masks,
                "scale": scale,
                "kind": source.mask_kind,
                "channels": as_channels,
            }
        ),
    )
    pairs = load_pairs(table)
    if len(pairs[0].image) != channels:
        raise UserError(
            f"The annotated images of the target have {plural(len(pairs[0].image), 'channel')}, the others {channels}."
        )
    if source.mask_kind != "classes":
        return [pair.replace(class_names=source.class_names) for pair in pairs]
    if table.class_names != source.class_names:
        raise UserError(
            f"The annotated images of the target have the classes {', '.join(table.class_names)}.",
            f"Expected {', '.join(source.class_names)}, in this order.",
            "Name their folders as NAME=FOLDER.",
        )
    return pairs


def without(images: Sequence[SamplePair], test: Sequence[SamplePair]) -> tuple[list[SamplePair], list[str]]:
    """Return the images that are not tested, and the names of those that are, by their pixels."""
    tested = {content_hash(pair.image) for pair in test}
    kept = [pair for pair in images if content_hash(pair.image) not in tested]
    names = {pair.name for pair in kept}
    return kept, [pair.name for pair in images if pair.name not in names]
