"""Frozen, validated models; settings are models whose fields a person may override."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError


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
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or cls.__name__
            if first["type"] == "extra_forbidden":
                raise UserError(f"There is no setting '{where}'.", todo="Check the spelling in the recipe.") from None
            if first["type"] == "missing":
                raise UserError(f"Setting '{where}' is missing.", f"Expected all settings of {cls.__name__}.") from None
            message = str(first["msg"]).removeprefix("Value error, ")
            if isinstance(first["input"], dict):  # several values together, which would fill the screen
                raise UserError(f"{message[:1].upper()}{message[1:]}.".replace("..", ".")) from None
            raise UserError(f"Setting '{where}' is {first['input']!r}.", f"{message}.".replace("..", ".")) from None

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read YAML, or JSON, which is also YAML."""
        try:
            values = _from_yaml(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UserError(f"Cannot read {path}: {reason}.", "Expected a YAML file of settings.") from None
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

    def override(self, *assignments: str) -> Self:
        """Return a validated copy with dotted overrides, each like ``"train.steps=200"``; values are read as YAML."""
        values = self.model_dump()
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            if not equals:
                raise UserError(f"'{assignment}' is not an override.", "Expected key=value, such as train.steps=200.")
            target = values
            *parents, last = key.strip().split(".")
            for parent in parents:
                child = target.setdefault(parent, {})
                if isinstance(child, str):  # a member by its name alone, as in gan=dcgan
                    child = target[parent] = {"name": child}
                if not isinstance(child, dict):
                    raise UserError(f"There is no setting '{key}'.", todo="Check the spelling in --set.")
                target = child
            try:
                value = _from_yaml(text)
            except ValueError as error:
                raise UserError(f"Setting '{key}' is '{text}': {error}.", "Expected a YAML value.") from None
            if last == "name" and target.get("name", value) != value:
                target.clear()  # another member: the settings of the one before are not its own
            target[last] = value
        return self.parse(values)


def _from_yaml(text: str) -> Any:
    """Parse YAML; plain data only, never objects.

    Raises
    ------
    ValueError
        If it is not YAML; the message names the line.
    """
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}{error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
