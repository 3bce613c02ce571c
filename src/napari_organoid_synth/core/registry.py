"""The families of exchangeable parts: one line per member.

A member is a module with its class. Its settings are a class of the same name plus ``Config``, in the module of the
same name plus ``_config`` where there is one, else in the same module. The window reads settings, so members of this
package keep them in a ``_config`` module without torch. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.spelling import MAX_WORD, did_you_mean

if TYPE_CHECKING:
    from napari_organoid_synth.core.frozen_model import Settings

_CORE = "napari_organoid_synth.core"


class Registry:
    """Names of a family and how to load them.

    Parameters
    ----------
    family : str
        Name of the family, in the plural, e.g. ``"generators"``.
    members : dict of str to str
        Name of a member to ``"module:Class"`` below ``core``, in the order in which a person should meet them.
    has_settings : bool
        Whether members have settings, else they are classes alone.
    unlisted : dict of str to str
        Members that can be loaded but not chosen.

    Examples
    --------
    >>> shapes = Registry("shapes", {"error": "errors:UserError"})
    >>> shapes.register("square", "fractions:Fraction")
    >>> shapes.names(), shapes.load("square")(1, 2)
    (['error', 'square'], Fraction(1, 2))
    """

    def __init__(
        self, family: str, members: dict[str, str], has_settings: bool = True, unlisted: dict[str, str] | None = None
    ) -> None:
        self.family, self.has_settings = family, has_settings
        self._members = {name: f"{_CORE}.{place}" for name, place in members.items()}
        self._unlisted = {name: f"{_CORE}.{place}" for name, place in (unlisted or {}).items()}
        self._installed_known = False

    def register(self, name: str, place: str) -> None:
        """Add a member from outside this package, for this process; an entry point adds it for every process.

        Parameters
        ----------
        name : str
            Its key in recipes and on the command line; a name in use is refused, but for the same place.
        place : str
            ``"package.module:Class"``, the module given whole.

        Raises
        ------
        UserError
            If the name is in use, or the place is not written like that.
        """
        if self._members.get(name, place) != place:
            raise UserError(
                f"'{name}' among the {self.family} is {self._members[name]}.",
                "Expected a name that is not in use.",
                "Choose another name.",
            )
        if not all(place.partition(":")):
            raise UserError(f"'{place}' names no class.", "Expected 'package.module:Class'.", "Add the missing part.")
        self._members[name] = place

    def names(self) -> list[str]:
        """Return all names, in the order in which a person should meet them; those of other packages last."""
        self._add_installed()
        return list(self._members)

    def _add_installed(self) -> None:
        """Add the members that installed packages offer as entry points ``napari_organoid_synth.<family>``, once.

        Every process knows them, so also the processes in which jobs run. A name in use stays what it is.
        """
        if not self._installed_known:
            self._installed_known = True
            for entry in entry_points(group=f"napari_organoid_synth.{self.family}"):
                self._members.setdefault(entry.name, f"{entry.module}:{entry.attr}")

    def _place(self, name: str) -> tuple[str, str]:
        """Return module and class of a member."""
        if name not in self._members and name not in self._unlisted:
            self._add_installed()
        try:
            module, _, cls = (self._unlisted | self._members)[name].partition(":")
            return module, cls
        except KeyError:
            raise UserError(
                f"There is no '{name[:MAX_WORD]}' among the {self.family}.",
                f"Expected one of: {', '.join(self._members)}.",
                did_you_mean(name, self._members) or f"See 'organoid-synth list {self.family}'.",
            ) from None

    def config(self, name: str) -> type[Settings]:
        """Return the settings class of a member; imports its ``_config`` module alone where there is one.

        Raises
        ------
        UserError
            If there is no such member, or it has no settings.
        """
        module, class_name = self._place(name)
        config_module = f"{module}_config"
        where = import_module(config_module if find_spec(config_module) else module)
        try:
            cls: type[Settings] = getattr(where, f"{class_name}Config")
        except AttributeError:
            raise UserError(
                f"'{name}' among the {self.family} has no settings.",
                f"Expected a class {class_name}Config in {where.__name__}.",
            ) from None
        return cls

    def load(self, name: str) -> Any:
        """Return the class of a member."""
        return _load(":".join(self._place(name)))

    def describe(self, name: str) -> dict[str, Any]:
        """Return one sentence about a member, and its settings with type, default, bounds and explanation."""
        if not self.has_settings:
            return {"summary": _first_line(self.load(name)), "settings": {}}
        config = self.config(name)
        properties = config.model_json_schema()["properties"]
        return {
            "summary": getattr(config, "when", "") or _first_line(config),
            "settings": {key: value for key, value in properties.items() if key != "name"},
        }


def load(place: str) -> Any:
    """Import ``"module:name"`` from below ``core``."""
    return _load(f"{_CORE}.{place}")


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0]


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


GENERATORS = Registry(
    "generators",
    {
        "analogy": "generators.analogy:Analogy",
        "flow": "generators.flow:Flow",
        "pix2pix": "generators.pix2pix:Pix2Pix",
        "cyclegan": "generators.cyclegan:CycleGan",
        "flow_joint": "generators.flow_joint:FlowJoint",
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
        "command": "segmentation.segmenters.command:Command",
    },
    unlisted={"zoo": "segmentation.segmenters.zoo_model:ZooModel"},  # comes trained
)
METRICS = Registry(
    "metrics",
    {
        "nearest": "metrics.nearest:Nearest",
        "sharpness": "metrics.sharpness:Sharpness",
        "texture": "metrics.texture:Texture",
        "tones": "metrics.tones:Tones",
        "objects": "metrics.objects:Objects",
        "network": "metrics.network:Network",
        "fits": "metrics.mask_consistency:MaskConsistency",
    },
    has_settings=False,
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
    has_settings=False,
)
