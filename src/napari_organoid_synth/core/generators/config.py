"""Base class of the settings of generators."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import SerializeAsAny

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import member_of
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.generators.picture import DEFAULT, IMAGE, MASK, Picture, of_one
from napari_organoid_synth.core.registry import GENERATORS

Kind = Literal["joint", "mask", "painter"]
"""A joint generator draws image and mask together, a mask generator masks alone, a painter an image onto a mask."""

USUAL_TILE = 256  # px

Draws = Literal["pairs", "images", "masks"]
"""Output of a joint generator: image and mask, or one of them."""


class GeneratorConfig(Settings):
    """Base of the settings of a generator, with all facts that need no network.

    Attributes
    ----------
    kind : {"joint", "mask", "painter"}
        Output of the generator.
    title : str
        Name and a few words, separated by " – ".
    when : str
        Use, needs and limits; the first sentence stands below the picture.
    tiles : tuple of int
        Sides of tiles that the window offers, px.
    trains : bool
        Whether it learns; one that does not keeps real pairs and paints with them at once.
    class_conditional : bool
        Whether it draws the image class that it is asked for; others draw all classes mixed.
    aimed : float
        Share of the tiles that lie around a pixel of a class, where the recipe leaves it open.
    picture : tuple of Part
        Input and output as parts; empty: the usual ones of its kind. Read it through `picture_of`.
    name : str
        Key in the registry and in recipes.
    """

    kind: ClassVar[Kind]
    title: ClassVar[str]
    when: ClassVar[str]
    tiles: ClassVar[tuple[int, ...]]
    trains: ClassVar[bool] = True
    class_conditional: ClassVar[bool] = False
    aimed: ClassVar[float] = 0.0
    picture: ClassVar[Picture] = ()

    name: str

    def check_tile(self, size: int) -> None:
        """Refuse a tile size, px, that the networks cannot take."""
        if size not in self.tiles:
            raise UserError(
                f"The tile is {size} px.",
                f"{self.short_title()} takes {', '.join(map(str, self.tiles))} px.",
                "Change the tile size.",
            )

    @property
    def looks_at_whole_batch(self) -> str:
        """What in a step looks at all tiles of a batch together, so that processes cannot share it; empty: nothing."""
        return "its step may look at all tiles of a batch together"

    @classmethod
    def short_title(cls) -> str:
        """Return the title's first words: ``"pix2pix"``."""
        return cls.title.partition(" – ")[0]

    @classmethod
    def suggest(cls, images: int, side: int, object_side: float = 0.0) -> dict[str, float]:
        """Suggest settings of a recipe for a set of images.

        Parameters
        ----------
        images : int
            Number to learn from.
        side : int
            Shorter side of the smallest image, px.
        object_side : float
            Side that most objects do not exceed, px; 0: not known.

        Returns
        -------
        dict of str to float
            Values by dotted name, such as ``tiles.size``; what is not named stays at its default.
        """
        most = min(side, USUAL_TILE)
        return {"tiles.size": max((size for size in cls.tiles if size <= most), default=min(cls.tiles))}

    @classmethod
    def picture_of(cls, draws: Draws = "pairs") -> Picture:
        """Return its picture when it draws that; painters and mask generators know one way only."""
        picture = cls.picture or DEFAULT[cls.kind]
        if cls.kind != "joint" or draws == "pairs":
            return picture
        return of_one(picture, MASK if draws == "masks" else IMAGE)


AnyGenerator = Annotated[SerializeAsAny[GeneratorConfig], member_of(GENERATORS)]
"""Field type: settings of any registered generator, given whole or by its name alone."""


def generator_config(name: str) -> type[GeneratorConfig]:
    """Return the settings class of a registered generator; imports no torch for those of this package.

    Raises
    ------
    UserError
        If there is no such generator.
    """
    cls = GENERATORS.config(name)
    assert issubclass(cls, GeneratorConfig), f"{cls.__name__} is not a GeneratorConfig"
    return cls


def untrained() -> list[str]:
    """Return the names of the painters that need no training."""
    return [name for name in GENERATORS.names() if not generator_config(name).trains]
