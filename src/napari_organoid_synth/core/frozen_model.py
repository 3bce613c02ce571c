"""Frozen, validated models; settings are models whose fields a person may override."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.plain_values import MAX_YAML, from_yaml, read_text, reason
from napari_organoid_synth.core.spelling import did_you_mean

_SURROGATE = re.compile("[\ud800-\udfff]")  # how Python keeps the bytes of a name that is not UTF-8
MAX_SHOWN = 80
"""Characters of a value in a message."""


class FrozenModel(BaseModel):
    """Base of everything that is written to a file: immutable, without unknown keys, with validated defaults."""

    # pydantic before 2.10 keeps all names that begin with "model_" for itself
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())

    def __repr_args__(self) -> Any:
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if field.is_required() or value != field.get_default(call_default_factory=True):
                yield name, value

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed."""
        return self.parse({**self.model_dump(), **changes})

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Build from plain values.

        Raises
        ------
        UserError
            If a key is unknown or a value out of bounds; the message names key, value and bounds.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _in_words(cls, values, dict(error.errors()[0])) from None

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read YAML, or JSON, which is also YAML."""
        try:
            values = from_yaml(read_text(Path(path), MAX_YAML))
        except (OSError, ValueError) as error:
            raise UserError(f"Cannot read {path}: {reason(error)}.", "Expected a YAML file of settings.") from None
        if values is None:
            raise UserError(f"{path} is empty.", "Expected 'key: value' lines.", "Leave it out for the defaults.")
        if not isinstance(values, dict):
            raise UserError(
                f"{path} contains a {type(values).__name__} instead of settings.", "Expected 'key: value' lines."
            )
        try:
            return cls.parse(values)
        except UserError as error:
            raise UserError(f"{path}: {error.found}", error.expected, error.todo) from None

    def to_yaml(self) -> str:
        """Return all values, including defaults, as YAML in the order of the fields."""
        text: str = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        return text

    def to_file(self, path: Path) -> None:
        """Write YAML atomically."""
        write_text(Path(path), self.to_yaml())

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change when any value changes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class Settings(FrozenModel):
    """Base of all settings; YAML, command line, forms and documentation are derived from them."""

    # "name: 12" is a name, too; NaN and infinity pass bounds, and are no choice of anybody
    model_config = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)

    def override(self, *assignments: str) -> Self:
        """Return a validated copy with dotted overrides, each like ``"train.steps=200"``; values are read as YAML."""
        values = self.model_dump()
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            if not equals:
                raise UserError(
                    f"'{shown(assignment)}' is not an override.", "Expected key=value, such as train.steps=200."
                )
            target: Any = values
            model: Any = self
            *parents, last = key.strip().split(".")
            for parent in parents:
                child, model = target.setdefault(parent, {}), getattr(model, parent, None)
                if isinstance(child, str):  # a member by its name alone, as in gan=dcgan
                    child = target[parent] = {"name": child}
                if not isinstance(child, dict):
                    raise _unknown(type(self), values, key, "--set")
                target = child
            if _SURROGATE.search(text):
                raise UserError(f"Setting '{key}' is '{shown(text)}'.", "Expected a name in UTF-8.", "Rename the file.")
            try:
                value = from_yaml(text)
            except ValueError as error:
                raise UserError(f"Setting '{key}' is '{shown(text)}': {error}.", "Expected a YAML value.") from None
            field = type(model).model_fields.get(last) if isinstance(model, FrozenModel) else None
            if field is not None and field.annotation is str and not isinstance(value, str):
                value = text.strip()  # "run=true" names a run
            if last == "name" and target.get("name", value) != value:
                target.clear()  # another member: the settings of the one before are not its own
            target[last] = value
        return self.parse(values)


def shown(value: object, limit: int = MAX_SHOWN) -> str:
    """Return a value as a short text; the middle of a long one is left out."""
    text = str(value)
    return text if len(text) <= limit else f"{text[: limit - 20]}…{text[-15:]} ({len(text):,} characters)"


def setting_names(cls: type[BaseModel], values: Any = None, before: str = "") -> list[str]:
    """Return the dotted names of all settings of a class, groups before their members.

    Parameters
    ----------
    cls : type
        The class.
    values : dict, optional
        Plain values, which say whose settings a group holds: those of the generator that is named there.
    before : str
        Put before each name.
    """
    names: list[str] = []
    for key, field in cls.model_fields.items():
        names.append(f"{before}{key}")
        given = values.get(key) if isinstance(values, dict) else None
        if (group := _group(field, given)) is not None:
            names += setting_names(group, given, f"{before}{key}.")
    return names


def _group(field: FieldInfo, given: Any) -> type[BaseModel] | None:
    """Return the class of the settings in a field; None if it holds a single value."""
    name = given.get("name") if isinstance(given, dict) else given
    for validator in field.metadata:
        registry = getattr(getattr(validator, "func", None), "registry", None)
        if registry is not None and name in registry.names():
            cls: type[BaseModel] = registry.config(name)
            return cls
    default = field.get_default(call_default_factory=True)
    return type(default) if isinstance(default, BaseModel) else None


def _in_words(cls: type[FrozenModel], values: dict[str, Any], error: dict[str, Any]) -> UserError:
    """Return what pydantic found as an error for people."""
    where = ".".join(str(part) for part in error["loc"]) or cls.__name__
    if error["type"] == "extra_forbidden":
        return _unknown(cls, values, where, "the recipe")
    if error["type"] == "missing":
        return UserError(f"Setting '{where}' is missing.", f"Expected all settings of {cls.__name__}.")
    message = str(error["msg"]).removeprefix("Value error, ")
    if isinstance(error["input"], dict) and error["type"] != "value_error":
        return UserError(f"Setting '{shown(where)}' is a group of settings.", _ended(message))
    if isinstance(error["input"], dict):  # several values together, which would fill the screen
        return UserError(_ended(f"{message[:1].upper()}{message[1:]}"))
    todo = ""
    if error["type"] == "literal_error":
        todo = did_you_mean(str(error["input"]), re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    found = f"Setting '{shown(where)}' is {shown(repr(error['input']))}."
    return UserError(found, _ended(message), todo)


def _unknown(cls: type[FrozenModel], values: Any, name: str, place: str) -> UserError:
    """Return the error about a setting that does not exist, with the nearest that does."""
    near = did_you_mean(name, setting_names(cls, values))
    return UserError(f"There is no setting '{shown(name)}'.", "", near or f"Check the spelling in {place}.")


def _ended(sentence: str) -> str:
    """Return a sentence with its full stop."""
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."
