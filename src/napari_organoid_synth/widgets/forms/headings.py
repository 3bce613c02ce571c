"""Headings inside a form: a title, a sentence that explains its words, and the rows below."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from magicgui.widgets import Container, Label
from qtpy.QtWidgets import QSizePolicy

from napari_organoid_synth.widgets.forms.containers import Rows, tighten


class Heading(NamedTuple):
    """A group of fields of a form.

    Parameters
    ----------
    title : str
    sentence : str
        What the group is about, with its terms explained.
    fields : tuple of str
        Dotted names, in the order in which they are shown.
    """

    title: str
    sentence: str
    fields: tuple[str, ...]


class Section(Container):
    """The rows of a heading below its title and sentence."""

    def __init__(self, heading: Heading) -> None:
        super().__init__(labels=False)
        self.rows = Rows()
        title, sentence = Label(value=heading.title), Label(value=heading.sentence)
        font = title.native.font()
        font.setBold(True)
        title.native.setFont(font)
        for label in (title, sentence):
            label.native.setWordWrap(True)
            label.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.extend([title, *([sentence] if heading.sentence else []), self.rows])
        tighten(self)


def sections_of(headings: Sequence[Heading], fields: Collection[str]) -> tuple[list[Section], dict[str, Rows]]:
    """Return the sections of the headings that have some of these fields, and the rows of each such field."""
    sections, places = [], {}
    for heading in headings:
        if here := [path for path in heading.fields if path in fields]:
            sections.append(section := Section(heading))
            places.update(dict.fromkeys(here, section.rows))
    return sections, places
