"""Nested settings as dotted names, ``tiles.size``, and editors by these names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from napari_organoid_synth.core.fields import MemberOf
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.registry import Registry
from napari_organoid_synth.widgets.forms.editors import split_optional


def field_paths(cls: type[Settings], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield dotted name and field of everything that can be edited, in order; a family member is one field."""
    for name, field in cls.model_fields.items():
        kind = split_optional(field.annotation)[0]
        if isinstance(kind, type) and issubclass(kind, Settings) and family_of(field) is None:
            yield from field_paths(kind, f"{prefix}{name}.")
        elif not (get_origin(kind) is Literal and len(get_args(kind)) == 1):
            yield prefix + name, field


def family_of(field: FieldInfo) -> Registry | None:
    """Return the family of a field's values."""
    rules = [getattr(rule, "func", None) for rule in field.metadata]
    return next((rule.registry for rule in rules if isinstance(rule, MemberOf)), None)


def read_editors(editors: Mapping[str, Any], values: dict[str, Any]) -> None:
    """Put the values of editors into nested values, by their dotted names."""
    for path, editor in editors.items():
        *parents, last = path.split(".")
        target = values
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = editor.value


def show_values(editors: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Show nested values in editors, by their dotted names, without reporting it."""
    for path, editor in editors.items():
        with editor.changed.blocked():
            editor.value = value_at(values, path)


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """Return the entry of nested values under a dotted name."""
    target: Any = values
    for part in path.split("."):
        target = target[part]
    return target
