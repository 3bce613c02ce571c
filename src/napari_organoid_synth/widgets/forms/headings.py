"""Headings inside a form: a title, a sentence that explains its words, and the rows below."""

from __future__ import annotations

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
