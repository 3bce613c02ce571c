"""Settings of pairs: finding them and cutting tiles."""

from __future__ import annotations

from pydantic import Field

from napari_organoid_synth.core.fields import Names
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.pairs.stacks import Channels, PlanesChoice


class PairSettings(Settings):
    """Images and masks that belong together; without images the table is shown."""

    images: Names = Field((), description="Folder of images, or single files. Repeatable.")
    masks: Names = Field(
        (),
        description="Folder of masks or of outlines (.roi, .zip, .json, .geojson), or such files; several classes as "
        "NAME=FOLDER. Repeatable.",
    )
    image_pattern: str = Field("", description="Name of an image, such as '{name}_img.tif'.")
    mask_pattern: str = Field("", description="Name of a mask, such as '{name}_masks.tif'.")
    scale: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Use images and masks at this share of their size; empty: new ones at full size, others as before.",
    )
    whole: int | None = Field(
        None,
        ge=0,
        le=1024,
        description="Use the middle square of each image, resized to this side, px, such as 250; 0: images as they "
        "are; empty: as before. In place of a scale.",
    )
    no_masks: bool = Field(False, description="The images have no masks; generators of images alone learn from them.")
    kind: MaskKind | None = Field(None, description="binary, classes or instances; empty: detected.")
    planes: PlanesChoice = Field(
        "",
        description="How a stack with a mask of one plane is used: slices (each with that mask), channels, max, mean, "
        "or the number of one slice, from 0.",
    )
    channels: Channels | None = Field(
        None, description="as-stored, grey (RGB by luminance) or rgb (grey three times); empty: as before."
    )
    test: float | str = Field("", description="Test images: names separated by commas, or a share such as 0.2.")
    groups: str = Field(
        "",
        description="Images that belong together, so that the test never shares them with the training: names (what "
        "the names suggest), folder, none, a CSV file with the columns name and group, or a regular expression that "
        "finds the group in the name; empty: as before, for new pairs names.",
    )
    seed: int = Field(0, ge=0, description="Chooses the groups of a test share.")
    grades: str = Field(
        "", description="Table (CSV) with the class of each whole image, such as a grade, beside its name; empty: none."
    )
    grade_column: str = Field(
        "", description="Title of its column; empty: the only other one, or one titled grade, class or label."
    )


class TileSettings(Settings):
    """Size and choice of the tiles that images are cut into."""

    size: int = Field(256, ge=32, le=1024, description="Side of a tile, px.")
    whole: int = Field(
        0,
        ge=0,
        le=1024,
        description="Side of whole images, px: each image is one tile, mirrored at its edges up to the side of a tile, "
        "and samples are cut back to this side; of larger images the middle square is resized to it. 0: tiles.",
    )
    overlap: float = Field(0.2, ge=0, lt=0.9, description="Minimum share of a tile that its neighbour repeats.")
    min_objects: int | None = Field(
        None,
        ge=0,
        description="Minimum number of objects in a kept tile; empty: 3 for instances, 1 for binary, 0 for classes.",
    )
    max_cover: float = Field(
        0.98,
        gt=0,
        le=1,
        description="Maximum share of a kept tile that the object of a binary mask may cover; classes and instances "
        "may fill it.",
    )
    aimed: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the tiles that lie around a pixel of a class, every class equally often; empty: as suits "
        "the generator.",
    )
    turn: bool = Field(True, description="Also train on the three right-angle rotations.")
    flip: bool = Field(True, description="Also train on mirror images.")

    @property
    def side(self) -> int:
        """Side of a sample, px: of a whole image, or of a tile."""
        return self.whole or self.size
