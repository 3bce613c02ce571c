"""All settings of a command as a list: key, value, default, type, bounds and explanation of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field
from pydantic.fields import FieldInfo

from napari_organoid_synth.core.fields import MemberOf
from napari_organoid_synth.core.frozen_model import FrozenModel, Settings

TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "object": "settings"}


class Setting(FrozenModel):
    """One setting of a command."""

    key: str = Field(description="As ``--set`` takes it, with dots.")
    value: Any = Field(description="What it is now; different from the default where the recipe or an option says so.")
    default: Any = Field(description="What it is if nothing is said.")
    type: str = Field(description="text, integer, number, 'true or false', choice, or 'list of' these.")
    choices: tuple[str, ...] = Field((), description="All values that it takes, of a choice.")
    minimum: float | None = Field(None, description="Lowest value.")
    maximum: float | None = Field(None, description="Highest value.")
    above: float | None = Field(None, description="It is larger than this.")
    below: float | None = Field(None, description="It is smaller than this.")
    pattern: str = Field("", description="Regular expression of a text.")
    optional: bool = Field(False, description="Whether it may be empty (null).")
    description: str = Field("", description="What it means, in a sentence.")

    @property
    def range(self) -> str:
        """Choices or bounds in words; empty if it has none.

        Examples
        --------
        >>> Setting(key="batch", value=4, default=4, type="integer", minimum=1, maximum=256).range
        '1 to 256'
        >>> Setting(key="rate", value=0.1, default=0.1, type="number", above=0).range
        'above 0'
        """
        if self.choices:
            return ", ".join(self.choices)
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum:g} to {self.maximum:g}"
        words = ((self.minimum, "{:g} or more"), (self.above, "above {:g}"), (self.maximum, "at most {:g}"))
        parts = [text.format(bound) for bound, text in (*words, (self.below, "below {:g}")) if bound is not None]
        return ", ".join(parts)


def list_settings(settings: Settings) -> list[Setting]:
    """List all settings, those of nested ones and of the chosen member with dotted keys.

    Parameters
    ----------
    settings : Settings
        Of a command, with the values from recipe and options.

    Returns
    -------
    list of Setting
        In the order of the fields.

    Examples
    --------
    >>> from napari_organoid_synth.core.recipe import TrainSettings
    >>> [(one.key, one.default, one.range) for one in list_settings(TrainSettings())][:2]
    [('steps', 4000, '1 or more'), ('epochs', 0, '0 to 1e+06')]
    """
    return list(_walk(settings, type(settings)(), ""))


def _walk(settings: Settings, default: Settings, inside: str) -> Iterator[Setting]:
    """Yield the settings of one model; ``inside`` is its own key with a dot."""
    properties = type(settings).model_json_schema()["properties"]
    now, plain = settings.model_dump(mode="json"), default.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        value, usual = getattr(settings, name), getattr(default, name, None)
        if not isinstance(value, Settings):
            if name != "name" or not inside:  # the name of a member is the value of the key above
                yield _setting(inside + name, now[name], plain[name], properties[name])
            continue
        if (member := _family(field)) is not None:
            yield Setting(
                key=inside + name,
                value=now[name]["name"],
                default=plain[name]["name"],
                type="choice",
                choices=tuple(member.registry.names()),
                description=field.description or "",
            )
        yield from _walk(value, usual if type(usual) is type(value) else type(value)(), f"{inside}{name}.")


def _family(field: FieldInfo) -> MemberOf | None:
    """Return the family of a field that holds a member of one."""
    functions = (getattr(one, "func", None) for one in field.metadata)
    return next((function for function in functions if isinstance(function, MemberOf)), None)


def _setting(key: str, value: Any, default: Any, schema: dict[str, Any]) -> Setting:
    """Describe a field by its JSON schema."""
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    first = kinds[0]
    item = first.get("items", {}) if first.get("type") == "array" else first
    choices = item.get("enum") or ([item["const"]] if "const" in item else [])
    kind = "choice" if choices else " or ".join(TYPES.get(one.get("type", ""), "text") for one in kinds)
    if item is not first:
        kind = f"list of {'choice' if choices else TYPES.get(item.get('type', ''), 'text')}"
    return Setting(
        key=key,
        value=value,
        default=default,
        type=kind,
        choices=tuple(map(str, choices)),
        minimum=item.get("minimum"),
        maximum=item.get("maximum"),
        above=item.get("exclusiveMinimum"),
        below=item.get("exclusiveMaximum"),
        pattern=item.get("pattern", ""),
        optional=len(kinds) < len(schema.get("anyOf", [schema])),
        description=schema.get("description", ""),
    )
