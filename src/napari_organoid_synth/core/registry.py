"""The families of exchangeable parts: one line per member.

A member is the file with its class. Settings that the window shows stand beside it in ``<file>_config.py``, which
imports no torch. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_organoid_synth.core.errors import UserError

if TYPE_CHECKING:
    from napari_organoid_synth.core.frozen_model import Settings

_CORE = "napari_organoid_synth.core"


class Registry:
    """Names of a family and how to load them.

    Parameters
    ----------
    family : str
        What the members are, in the plural, e.g. ``"generators"``.
    members : dict of str to str
        Name of a member to ``"module:Class"`` below ``core``; the settings class is that name plus ``Config``, in the
        module of that name plus ``_config``.
    """

    def __init__(self, family: str, members: dict[str, str]) -> None:
        self.family, self._members = family, members

    def names(self) -> list[str]:
        """All names, in the order in which a person should meet them."""
        return list(self._members)

    def _place(self, name: str) -> tuple[str, str]:
        """Module and class of a member."""
        try:
            module, _, cls = self._members[name].partition(":")
            return module, cls
        except KeyError:
            raise UserError(
                f"There is no '{name}' among the {self.family}.",
                f"Expected one of: {', '.join(self._members)}.",
                f"See 'organoid-synth list {self.family}'.",
            ) from None

    def config(self, name: str) -> type[Settings]:
        """The settings class of a member; imports no torch."""
        module, class_name = self._place(name)
        cls: type[Settings] = load(f"{module}_config:{class_name}Config")
        return cls

    def load(self, name: str) -> Any:
        """The class of a member."""
        return load(":".join(self._place(name)))

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


def load(place: str) -> Any:
    """Import ``"module:name"`` from below ``core``."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"{_CORE}.{module}"), name)


GENERATORS = Registry(
    "generators",
    {
        "pix2pix": "generators.pix2pix:Pix2Pix",
        "cyclegan": "generators.cyclegan:CycleGan",
        "dcgan": "generators.dcgan:Dcgan",
        "aae": "generators.aae:Aae",
        "cgan": "generators.cgan:Cgan",
        "infogan": "generators.infogan:Infogan",
        "gan": "generators.dense_gan:DenseGan",
        "progan": "generators.progan:Progan",
        "stylegan": "generators.stylegan:Stylegan",
        "stylegan2_ada": "generators.stylegan2_ada:StyleGan2Ada",
    },
)
SEGMENTERS = Registry(
    "segmenters",
    {
        "unet": "segmentation.segmenters.unet:UNet",
        "multiscale_adversarial": "segmentation.segmenters.multiscale_adversarial:MultiscaleAdversarial",
        "stardist": "segmentation.segmenters.stardist:StarDist",
        "cellpose": "segmentation.segmenters.cellpose:Cellpose",
    },
)
METRICS = Registry(
    "metrics",
    {
        "nearest": "metrics.nearest:Nearest",
        "sharpness": "metrics.sharpness:Sharpness",
        "objects": "metrics.objects:Objects",
        "fits": "metrics.mask_consistency:MaskConsistency",
    },
)
EXTRACTORS = Registry(
    "extractors",
    {
        "encoder": "metrics.extractors.encoder:Encoder",
        "inception2048": "metrics.extractors.inception2048:Inception2048",
        "inception64": "metrics.extractors.inception64:Inception64",
        "vgg19": "metrics.extractors.vgg19:Vgg19",
        "random": "metrics.extractors.random:Random",
    },
)
