"""The pixels of a blind test: real and synthetic pictures drawn alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.blind.session import Picture, Session
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.base import to_unit
from napari_organoid_synth.core.pairs.loading import check_pairs, read_entry
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import coloured, outline
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.pairs.tiling import Tile, clean_instances, cut_pair, orient
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore

OUTLINE = (255, 210, 0)
"""Colour of outlines, red, green, blue: only one, because numbers of objects would reveal who numbered them."""


class Pictures:
    """The pixels of a test, read when they are asked for.

    Parameters
    ----------
    project : Project
    session : Session

    Raises
    ------
    UserError
        If the table of real pairs cannot be read.
    """

    def __init__(self, project: Project, session: Session) -> None:
        self._project, self._session = project, session
        table = PairTable.from_file(project.pairs_path)
        self._table = check_pairs(table) if table.mask_kind is None else table
        self._limits = np.asarray(session.limits)

    def pair(self, picture: Picture) -> SamplePair:
        """Read image and mask of a picture, native values, upright as it lies in its image.

        Raises
        ------
        UserError
            If the sample or the real image is gone.
        """
        side = self._session.side
        if picture.kind == "synthetic":
            with SampleStore(self._project.samples_path) as store:
                pair = store.pair(picture.name)
            box = (..., slice(picture.y, picture.y + side), slice(picture.x, picture.x + side))
            labels = pair.labels[box]
            labels = clean_instances(labels) if pair.mask_kind == "instances" else labels  # as `cut_pair` does
            return pair.replace(image=pair.image[box], labels=labels)
        entry = next((entry for entry in self._table.matched if entry.name == picture.name), None)
        if entry is None:
            raise UserError(
                f"The real image '{picture.name}' of this test is not in the table of pairs.",
                "Expected the images that were there when the test began.",
                "Add the image again ('organoid-synth pair', in napari: Pairs), or start another test.",
            )
        pair = read_entry(entry, self._table.mask_kind, self._table.class_names)
        return cut_pair(pair, Tile(0, pair.name, picture.y, picture.x, side))

    def draw(self, picture: Picture) -> NDArray[np.uint8]:
        """Draw a picture as it is shown, (side, side, 3)."""
        pair = self.pair(picture)
        shown = coloured(to_unit(pair.image[:3], self._limits[:3]))
        if self._session.settings.masks:
            shown[outline(pair.labels)] = OUTLINE
        turned = np.moveaxis(orient(np.moveaxis(shown, -1, 0), picture.turns, picture.flip), 0, -1)
        return np.ascontiguousarray(turned)

    def question(self, number: int) -> list[NDArray[np.uint8]]:
        """Draw the picture of a question, or the left and the right one."""
        return [self.draw(picture) for picture in self._session.questions[number]]
