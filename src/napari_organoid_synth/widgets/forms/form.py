"""Forms from settings classes: a field's type, bounds and description are its editor.

An untouched form returns the defaults exactly. It accepts whatever is typed and says in words what is wrong with it,
because the settings class itself knows (also rules between fields).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from magicgui import register_type
from magicgui.types import Undefined
from magicgui.widgets import Container, Label
from pydantic.fields import FieldInfo
from qtpy.QtWidgets import QSizePolicy

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.widgets.forms.containers import FoldContainer, Rows, show_row, tighten
from napari_organoid_synth.widgets.forms.editors import create_editor
from napari_organoid_synth.widgets.forms.field_text import tip, title
from napari_organoid_synth.widgets.forms.headings import Heading, sections_of
from napari_organoid_synth.widgets.forms.member import MemberEdit
from napari_organoid_synth.widgets.forms.nested import family_of, field_paths, read_editors, show_values, value_at


def settings_form(cls: type[Settings], **options: Any) -> SettingsForm:
    """Create a form for a settings class, for a dock, a script or a notebook.

    Parameters
    ----------
    cls : type of Settings
        Its defaults are shown first.
    **options
        Parameters of `SettingsForm`.

    Returns
    -------
    SettingsForm
        A `magicgui.widgets.Container`: ``form.show()`` shows it, ``form.value`` is the frozen settings,
        ``form["train.steps"]`` the editor of a field, ``form.changed`` reports edits, ``form.native`` is the Qt widget.

    Examples
    --------
    ::

        form = settings_form(Recipe, shown=("tiles.size", "train.steps"))
        form["train.steps"].value = 2000
        form.value.train.steps  # 2000
    """
    return SettingsForm(annotation=cls, **options)


class SettingsForm(Container):
    """A form for a settings class.

    Parameters
    ----------
    value : Settings
        What is shown first; the defaults when not given.
    annotation : type of Settings
        The class, under the name by which magicgui gives the type of a parameter.
    shown : sequence of str, optional
        Fields in view, dotted inside nested settings (``"tiles.size"``); all others are folded under "More settings"
        and get their editors when that is first opened. Default: every field is in view.
    hidden : sequence of str
        Fields without an editor; they keep what ``value`` gave them.
    titles : dict of str to str
        Titles of fields whose own names say too little.
    choices : dict of str to sequence
        Fields to choose from a few values, though their type allows others.
    inside : str
        Dotted name of these settings in the recipe that contains them, for the keys in tool tips: ``"segmenter"``.
    headings : sequence of Heading
        Groups of the fields in view, each under a title with a sentence; the others stand above them.
    member_headings : sequence of Heading
        Groups of the settings of members of families.
    fixed : sequence of str
        Fields whose member of a family is chosen elsewhere, by `choose`: only its settings are edited here.

    Signals
    -------
    changed(SettingsForm)
        After each edit; `problem` says whether the settings are valid. Setting ``value`` counts as an edit.
    """

    def __init__(
        self,
        value: Any = Undefined,
        *,
        annotation: type[Settings] | None = None,
        shown: Sequence[str] | None = None,
        hidden: Sequence[str] = (),
        titles: Mapping[str, str] | None = None,
        choices: Mapping[str, Sequence[Any]] | None = None,
        inside: str = "",
        headings: Sequence[Heading] = (),
        member_headings: Sequence[Heading] = (),
        fixed: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        cls = annotation or type(value)
        kwargs.pop("nullable", None)  # magicgui says it of every parameter
        super().__init__(labels=False, annotation=cls, **kwargs)
        self.cls: type[Settings] = cls
        self.problem = ""
        """The sentence about what is wrong; empty when nothing is."""
        self._base: Settings = cls() if value is Undefined else value
        self._titles, self._choices, self._fixed = titles or {}, choices or {}, fixed
        self._member_headings = member_headings
        self._inside = f"{inside}." if inside else ""
        self._editors: dict[str, Any] = {}
        self._groups: dict[str, Rows] = {}
        self._folds: dict[str, FoldContainer] = {}  # of the groups, by the same names
        self._unseen: tuple[str, ...] = ()
        self._members: dict[str, dict[str, Settings]] = {}  # by field and name, as they were when another was chosen
        self._front, self.more, self.message = Rows(), FoldContainer("More settings"), Label()
        fields = {path: field for path, field in field_paths(cls) if not _covered(path, hidden)}
        self._sections, places = sections_of(headings, fields)
        in_view = [path for path in (fields if shown is None else shown) if path not in places]
        for path in [*in_view, *places]:
            self._add(path, fields[path], places.get(path, self._front))
        self._folded = {path: field for path, field in fields.items() if path not in self._editors}
        self.more.native.toggled.connect(self._unfold)
        self._arrange()
        self.show_value(self._base)

    # --- value ---

    @property
    def value(self) -> Any:
        """The settings as shown.

        Raises
        ------
        UserError
            If a value is out of bounds; the sentence is also shown in the form.
        """
        values = self._base.model_dump()
        read_editors(self._editors, values)
        return self.cls.parse(values)

    @value.setter
    def value(self, value: Settings) -> None:
        self.show_value(value)
        self.changed.emit(self)

    def show_value(self, value: Settings) -> None:
        """Show settings, hidden fields included, without reporting an edit."""
        self._base = value
        show_values(self._editors, value.model_dump())
        self._judge()

    def get(self, path: str) -> Any:
        """Return what is shown of a field, or kept of a hidden one; it need not be valid."""
        values = self._base.model_dump()
        read_editors(self._editors, values)
        return value_at(values, path)

    def __getitem__(self, key: Any) -> Any:
        """Return the editor of a field by its dotted name: ``form["tiles.size"].value = 128``."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key in self._editors:
            return self._editors[key]
        self._unfold()
        if key in self._editors:
            return self._editors[key]
        for path, editor in self._editors.items():
            if isinstance(editor, MemberEdit) and (name := key.removeprefix(f"{path}.")) in editor.editors:
                return editor.editors[name]
        raise KeyError(f"The form of {self.cls.__name__} has no field '{key}'.")

    def __contains__(self, key: Any) -> bool:
        return key in {*self._editors, *self._folded} if isinstance(key, str) else super().__contains__(key)

    def __repr__(self) -> str:
        return f"<SettingsForm {self.problem or repr(self.value)}>"

    def choose(self, path: str, name: str) -> None:
        """Choose the member of a top-level field's family, with the settings it had when last shown."""
        old, known = getattr(self._base, path), self._members.setdefault(path, {})
        if path in self._editors:
            self._editors[path].choice.value = name  # which reports it
        elif name != old.name:
            registry = family_of(self.cls.model_fields[path])
            assert registry is not None
            known[old.name] = old
            new = known.get(name) or registry.config(name)()
            self._base = self._base.model_copy(update={path: new})
            self._judge()
            self.changed.emit(self)

    def hide_fields(self, names: Sequence[str]) -> None:
        """Hide the editors of these fields or nested settings, and show all others; hidden ones keep their values."""
        self._unseen = tuple(names)
        self._show_seen()

    def _show_seen(self) -> None:
        """Show the editors that are not hidden, and the groups that hold one."""
        seen = {path: not _covered(path, self._unseen) for path in self._editors}
        for path, editor in self._editors.items():
            parts = (self._front, *(section.rows for section in self._sections))
            rows = next((part for part in parts if editor in part), None) or self._groups[path.rpartition(".")[0]]
            if not isinstance(editor, MemberEdit):
                show_row(rows.native.layout(), editor.native, seen[path])
        for parent, fold in self._folds.items():
            fold.visible = any(seen[path] for path in self._editors if path.rpartition(".")[0] == parent)

    # --- build ---

    def _add(self, path: str, field: FieldInfo, rows: Any) -> None:
        name = self._titles.get(path) or title(path.rpartition(".")[2], field)
        registry = family_of(field)
        if registry is not None:
            editor: Any = MemberEdit(registry, self._inside + path, self._members.get(path, {}), self._member_headings)
            editor.choice_row.visible = path not in self._fixed
            rows.append(fold := FoldContainer(name))
            rows = fold
        else:
            editor = create_editor(field, path, name, tip(field, self._inside + path), self._choices.get(path, ()))
        self._editors[path] = editor
        editor.changed.connect(self._judge)  # before the form reports the edit
        rows.append(editor)

    def _unfold(self, *_: object) -> None:
        """Make the editors of the folded fields, when they are first needed."""
        folded, self._folded = self._folded, {}
        for path, field in folded.items():
            self._add(path, field, self._group(path))
        show_values({path: self._editors[path] for path in folded}, self._base.model_dump())
        if self._unseen:
            self._show_seen()

    def _group(self, path: str) -> Rows:
        """Return the rows for a folded field: those of its parent settings."""
        parent = path.rpartition(".")[0]
        if parent not in self._groups:
            rows = self._groups[parent] = Rows()
            if parent:
                fold = self._folds[parent] = FoldContainer(title(parent.rpartition(".")[2]))
                fold.append(rows)
                self.more.append(fold)
            else:
                self.more.append(rows)
        return self._groups[parent]

    def _arrange(self) -> None:
        """Put the parts below each other."""
        tighten(self)
        self.more.visible = bool(self._folded)
        label = self.message.native
        label.setWordWrap(True)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        label.setAccessibleName("What is wrong")
        self.message.visible = False
        self.extend([self._front, *self._sections, self.more, self.message])

    def _judge(self, *_: object) -> None:
        try:
            self.value  # noqa: B018
            problem = ""
        except UserError as error:
            problem = str(error)
        if problem != self.problem:
            self.problem = problem
            self.message.value = f"! {problem}"
            self.message.visible = bool(problem)


register_type(Settings, widget_type=SettingsForm)  # a parameter of a magicgui function that is settings is such a form


def _covered(path: str, names: Sequence[str]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in names)
