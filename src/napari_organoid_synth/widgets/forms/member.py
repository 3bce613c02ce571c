"""The editor of a field whose value is a member of a family: a generator or a segmenter with its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from magicgui.widgets import Container

from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.registry import Registry
from napari_organoid_synth.widgets.forms.containers import Rows, tighten
from napari_organoid_synth.widgets.forms.editors import ChoiceEdit, create_editor
from napari_organoid_synth.widgets.forms.field_text import tip, title
from napari_organoid_synth.widgets.forms.headings import Heading, sections_of
from napari_organoid_synth.widgets.forms.nested import field_paths, read_editors, show_values

FEW = 4
"""Settings up to which a member needs no headings."""


class MemberEdit(Container):
    """The choice of a member of a family, and its settings.

    Parameters
    ----------
    registry : Registry
        The family.
    inside : str
        Dotted name of the field in the recipe, for the keys in tool tips.
    known : dict of str to Settings
        Settings of members to begin with, by name; the defaults of all others.
    headings : sequence of Heading
        Groups of the settings of members that have many.
    """

    def __init__(
        self, registry: Registry, inside: str, known: Mapping[str, Settings], headings: Sequence[Heading] = ()
    ) -> None:
        super().__init__(labels=False)
        self._registry, self._inside, self._known, self._headings = registry, inside, known, headings
        self._parts: dict[str, tuple[Container, dict[str, Any]]] = {}
        self.choice = ChoiceEdit(
            name="name",
            label="Kind",
            choices=[(getattr(registry.config(name), "title", name), name) for name in registry.names()],
        )
        self.choice.native.setAccessibleName("Kind")
        self.choice.changed.connect(self._show_member)
        self.choice_row = Rows(widgets=[self.choice])
        self.append(self.choice_row)
        tighten(self)
        self._show_member()

    @property
    def editors(self) -> dict[str, Any]:
        """The editors of the chosen member, by the names of its fields."""
        return self._parts[self.choice.value][1]

    @property
    def value(self) -> dict[str, Any]:
        """Name and settings of the chosen member; the class that holds them checks them."""
        values = {"name": self.choice.value}
        read_editors(self.editors, values)
        return values

    @value.setter
    def value(self, value: Mapping[str, Any]) -> None:
        self.choice.value = value["name"]
        show_values(self.editors, value)
        self.changed.emit(self)

    def _show_member(self, *_: object) -> None:
        """Show the settings of the chosen member, made when it is first chosen."""
        name = self.choice.value
        if name not in self._parts:
            config, front = self._registry.config(name), Rows()
            fields = dict(field_paths(config))
            sections, places = sections_of(self._headings if len(fields) > FEW else (), fields)
            editors: dict[str, Any] = {}
            for path in [*(path for path in fields if path not in places), *places]:
                label = title(path.rpartition(".")[2], fields[path])
                editors[path] = create_editor(fields[path], path, label, tip(fields[path], f"{self._inside}.{path}"))
                places.get(path, front).append(editors[path])
            show_values(editors, (self._known.get(name) or config()).model_dump())
            part = Container(widgets=[front, *sections], labels=False)
            tighten(part)
            self._parts[name] = part, editors
            self.append(part)
        for other, part in self._parts.items():
            part[0].visible = other == name
