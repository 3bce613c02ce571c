"""The families of exchangeable parts: one line per member.

A member called ``name`` is two files of that name: ``core/configs/name.py`` with its settings, read by the window to
build a form and which therefore imports no torch, and ``core/<family>/name.py`` with its networks. Nothing is imported
before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_organoid_synth.core.errors import UserError

if TYPE_CHECKING:
    from napari_organoid_synth.core.settings import Settings

_CORE = "napari_organoid_synth.core"


class Registry:
    """Names of a family and how to load them.

    Parameters
    ----------
    family : str
        Package below ``core`` that holds the members, e.g. ``"gans"``.
    members : dict of str to str
        Name of a member to its class; the settings class is that name plus ``Config``.
    """

    def __init__(self, family: str, members: dict[str, str]) -> None:
        self.family, self._members = family, members

    def names(self) -> list[str]:
        """All names, in the order in which a person should meet them."""
        return list(self._members)

    def _class_name(self, name: str) -> str:
        try:
            return self._members[name]
        except KeyError:
            raise UserError(
                f"There is no '{name}' in {self.family}.",
                f"Expected one of: {', '.join(self._members)}.",
                f"See 'organoid-synth list {'generators' if self.family == 'gans' else self.family}'.",
            ) from None

    def config(self, name: str) -> type[Settings]:
        """The settings class of a member; imports no torch."""
        class_name = self._class_name(name)
        cls: type[Settings] = getattr(import_module(f"{_CORE}.configs.{name}"), f"{class_name}Config")
        return cls

    def load(self, name: str) -> Any:
        """The class of a member."""
        class_name = self._class_name(name)
        return getattr(import_module(f"{_CORE}.{self.family}.{name}"), class_name)

    def describe(self, name: str) -> dict[str, Any]:
        """One sentence about a member, and its settings with type, default, bounds and explanation."""
        try:
            config = self.config(name)
        except ModuleNotFoundError:  # a member without settings
            return {"summary": (self.load(name).__doc__ or "").strip().splitlines()[0], "settings": {}}
        properties = config.model_json_schema()["properties"]
        return {
            "summary": getattr(config, "when", "") or (config.__doc__ or "").strip().splitlines()[0],
            "settings": {key: value for key, value in properties.items() if key != "name"},
        }


GANS = Registry(
    "gans",
    {
        "pix2pix": "Pix2Pix",
        "cyclegan": "CycleGan",
        "dcgan": "Dcgan",
        "aae": "Aae",
        "cgan": "Cgan",
        "infogan": "Infogan",
        "gan": "DenseGan",
        "progan": "Progan",
        "stylegan": "Stylegan",
        "stylegan2_ada": "StyleGan2Ada",
    },
)
SEGMENTERS = Registry(
    "segmenters",
    {
        "unet": "UNet",
        "multiscale_adversarial": "MultiscaleAdversarial",
        "stardist": "StarDist",
        "cellpose": "Cellpose",
    },
)
METRICS = Registry("metrics", {"nearest": "Nearest", "sharpness": "Sharpness", "objects": "Objects", "fits": "Fits"})
EXTRACTORS = Registry(
    "extractors",
    {
        "encoder": "Encoder",
        "inception2048": "Inception2048",
        "inception64": "Inception64",
        "vgg19": "Vgg19",
        "random": "Random",
    },
)
