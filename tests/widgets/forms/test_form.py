"""Forms: exact defaults, every settings class and every value, words for what is wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import Literal, get_args, get_origin

import pytest
from magicgui import magicgui
from magicgui.widgets import Container
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.core.adapt.settings import AdaptSettings
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.gain.settings import GainSettings, SegmentSettings
from napari_organoid_synth.core.generators.dcgan_config import DcganConfig
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig
from napari_organoid_synth.core.pairs.settings import PairSettings, TileSettings
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS, SEGMENTERS
from napari_organoid_synth.core.verbs import SHORT_VERBS, VERBS
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.forms.editors import bounds, split_optional
from napari_organoid_synth.widgets.forms.form import SettingsForm, settings_form
from napari_organoid_synth.widgets.forms.nested import family_of, field_paths, value_at

CLASSES = [
    *(verb.settings_class() for verbs in (VERBS, SHORT_VERBS) for verb in verbs.values()),
    *(registry.config(name) for registry in (GENERATORS, SEGMENTERS) for name in registry.names()),
    TileSettings,
]


@pytest.fixture
def make_form(qtbot):
    """Make a form that is closed with the test."""

    def make(cls, **options):
        form = settings_form(cls, **options)
        qtbot.addWidget(form.native)
        return form

    return make


@pytest.mark.parametrize("shown", [None, ()], ids=["all in view", "all folded"])
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_untouched_form_returns_the_defaults_exactly(make_form, cls, shown):
    form = make_form(cls, shown=shown)
    assert isinstance(form, Container)
    for _ in range(2):  # before and after the folded editors are made
        assert form.value == cls()
        assert form.value.to_yaml() == cls().to_yaml()  # 2e-4 is not 0.00020000000000000001
        assert form.problem == ""
        form.more.native.expand(animate=False)


def other_values(field):
    """Values of a field that are not its default; whether they fit together is for the settings class to say."""
    default = field.get_default(call_default_factory=True)
    kind, optional = split_optional(field.annotation)
    low, high = bounds(field)
    low, high = max(low, -1e6), min(high, 1e6)
    if family_of(field) is not None:
        return [family_of(field).config(name)() for name in family_of(field).names()]
    if kind is bool:
        values = [True, False]
    elif kind is int:
        values = [int(low) + 1, int(high) - 1, int(high)]
    elif kind is float:
        values = [low + (high - low) * share for share in (1e-7, 1 / 3, 0.123456789)]
    elif get_origin(kind) is Literal:
        values = get_args(kind)
    elif get_origin(kind) is tuple and get_origin(split_optional(get_args(kind)[0])[0]) is Literal:
        choices = get_args(split_optional(get_args(kind)[0])[0])
        values = [choices[:1], (choices[-1], choices[0])]
    elif get_origin(kind) is tuple:
        values = [(0.25, 1.0)] if split_optional(get_args(kind)[0])[0] is float else [("a", "b c"), ("d",)]
    elif kind is str:
        values = ["newest", "12", "a_b", "../c d.tif"]
    else:
        values = [0.25, "d7_*"]
    return [value for value in [*values, *([None] * optional)] if value != default]


def with_value(settings, path, value):
    """A checked copy with one field changed, or None where the class refuses it."""
    values = settings.model_dump()
    *parents, last = path.split(".")
    target = values
    for parent in parents:
        target = target[parent]
    target[last] = value.model_dump() if isinstance(value, Settings) else value
    try:
        return type(settings).parse(values)
    except UserError:
        return None


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_field_keeps_every_value(make_form, cls):
    form = make_form(cls)
    changed = 0
    for path, field in field_paths(cls):
        for value in other_values(field):
            settings = with_value(cls(), path, value)
            if settings is None:
                continue
            form.value = settings
            assert form.value == settings, path
            form.value = cls()
            editor = form[path]
            editor.value = value_at(settings.model_dump(), path)  # typed into this editor alone
            assert form.value == settings, path
            form.value = cls()
            changed += 1
    assert form.value == cls()
    assert changed >= len(list(field_paths(cls)))


def test_members_are_chosen_by_name_and_keep_their_settings(make_form):
    form = make_form(Recipe)
    form.value = Recipe(gan=DcganConfig(latent=50))
    assert form.value.gan == DcganConfig(latent=50)
    assert form["gan.latent"].value == 50
    form["gan"].choice.value = "pix2pix"
    assert form.value.gan == Pix2PixConfig()
    form["gan.l1_weight"].value = 10
    form["gan"].choice.value = "dcgan"
    assert form.value.gan == DcganConfig(latent=50)
    form["gan"].choice.value = "pix2pix"
    assert form.value.gan == Pix2PixConfig(l1_weight=10)
    with pytest.raises(KeyError, match=r"no field 'gan.latent'"):
        form["gan.latent"]


def test_a_member_can_be_chosen_elsewhere_before_its_editors_are_made(make_form):
    form = make_form(Recipe, shown=("tiles.size",), fixed=("gan",))
    form.value = Recipe(gan=Pix2PixConfig(l1_weight=10))
    form.choose("gan", "dcgan")
    assert form.value.gan == DcganConfig()
    form.choose("gan", "pix2pix")
    assert form.value.gan == Pix2PixConfig(l1_weight=10)
    assert form["gan.l1_weight"].value == 10
    form.choose("gan", "dcgan")
    assert form["gan.latent"].value == DcganConfig().latent
    assert form["gan"].choice_row.native.isHidden()
    form.choose("gan", "pix2pix")
    assert form.value.gan == Pix2PixConfig(l1_weight=10)


def test_a_settings_parameter_of_a_magicgui_function_is_a_form(qtbot):
    def describe(tiles, name="a"):
        return f"{name} {tiles.size}"

    describe.__annotations__["tiles"] = TileSettings  # not as text, which magicgui cannot resolve in a test module
    gui = magicgui(describe)
    qtbot.addWidget(gui.native)
    assert isinstance(gui.tiles, SettingsForm)
    gui.tiles["size"].value = 64
    assert gui() == "a 64"


def test_a_setting_reads_back(make_form):
    form = make_form(Recipe)
    recipe = Recipe().override(
        "tiles.size=128", "gan=pix2pix", "gan.learning_rate=0.000123", "tiles.min_objects=2", "train.device=cpu"
    )
    form.value = recipe
    assert form.value == recipe
    form.value = Recipe()
    assert form.value == Recipe()
    assert repr(form) == f"<SettingsForm {Recipe()!r}>"


def test_an_edit_is_reported_once_and_folded_fields_count(make_form, qtbot):
    form = make_form(Recipe, shown=("tiles.size", "tiles.turn"))
    form.show()
    assert form["tiles.size"].native.isVisible()
    reports = []
    form.changed.connect(lambda changed: reports.append(changed.value))
    form["train.steps"].value = 77
    assert [recipe.train.steps for recipe in reports] == [77]
    assert not form["train.steps"].native.isVisible()
    form.more.native.expand()
    assert not form["train.steps"].native.isVisible()  # its own group is still folded
    next(fold for fold in form.more.native.findChildren(Fold) if fold.title == "Train").expand()
    assert form["train.steps"].native.isVisible()
    form.show_value(Recipe())
    assert len(reports) == 1
    form.value = Recipe()
    assert len(reports) == 2


def test_what_is_wrong_is_said_in_words_and_can_be_corrected(make_form):
    form = make_form(Recipe, shown=("tiles.size",))
    form.show()
    form["tiles.size"].value = 96  # a rule between two settings: pix2pix halves the tile
    assert "96" in form.problem
    assert form.message.native.isVisible()
    assert "96" in form.message.value
    with pytest.raises(UserError):
        form.value  # noqa: B018
    assert form.get("tiles.size") == 96
    form["tiles.size"].value = 128
    assert form.problem == ""
    assert not form.message.native.isVisible()
    form["tiles.overlap"].value = 2.5  # out of bounds
    assert "overlap" in form.problem
    assert "2.5" in form.problem


def test_a_pattern_of_hard_images_can_be_typed(make_form, qtbot):
    form = make_form(SEGMENTERS.config("multiscale_adversarial"))
    line = form["hard"].native
    qtbot.keyClicks(line, "(")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert "'hard' is '('" in form.problem
    assert "regular expression" in form.problem
    line.clear()
    qtbot.keyClicks(line, "^(d7|d10)_")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert form.problem == ""
    assert (form.value.hard, form.value.hard_share) == ("^(d7|d10)_", 0.3)


def test_empty_number_means_automatic(make_form):
    form = make_form(TileSettings)
    box = form["min_objects"].native
    assert box.text() == "automatic"
    box.stepBy(1)
    assert form.value.min_objects == 0
    box.stepBy(-1)
    assert form.value.min_objects is None


def test_a_field_may_be_a_number_or_a_text(make_form):
    form = make_form(PairSettings)
    form["test"].native.put("0.25")
    assert form.value.test == 0.25
    form["test"].native.put("d7_*")
    assert form.value.test == "d7_*"


def test_check_boxes_for_several_of_a_few(make_form):
    form = make_form(ExportSettings)
    boxes = form["formats"].native.boxes
    boxes["biapy"].setChecked(True)
    boxes["cellpose"].setChecked(True)
    assert form.value.formats == ("ome-tiff", "cellpose", "biapy")
    for box in boxes.values():
        box.setChecked(False)
    assert "formats" in form.problem


def test_tooltips_hold_description_bounds_and_default(make_form):
    form = make_form(SegmentSettings)
    tip = form["segmenter.channels"].tooltip
    assert "Feature maps" in tip
    assert "8 to 64" in tip
    assert "Default: 32" in tip
    assert tip.endswith("--set: segmenter.channels")
    assert form["segmenter.channels"].native.accessibleName() == "Channels"


def test_the_wheel_scrolls_unless_the_field_is_in_use(make_form):
    form = make_form(TileSettings)
    form.show()
    box = form["size"].native
    box.clearFocus()
    event = QWheelEvent(
        QPointF(5, 5),
        QPointF(5, 5),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(box, event)
    assert form["size"].value == 256


def test_titles_are_readable_with_units_and_tips_name_the_key(make_form):
    form = make_form(Recipe, hidden=("gan",))
    names = {path: form[path].native.accessibleName() for path, _ in field_paths(Recipe) if path in form}
    assert names["tiles.size"] == "Size, px"
    assert names["tiles.min_objects"] == "Fewest objects"
    assert names["codec.low"] == "Low, percentile"
    assert names["train.preview_every"] == "Preview every, steps"
    assert names["train.steps"] == "Steps"
    assert not any("_" in name for name in names.values())
    assert form["tiles.size"].tooltip.endswith("In recipes and after --set: tiles.size")
    gan = make_form(DcganConfig, inside="gan")
    assert gan["ema_half_life"].native.accessibleName() == "EMA half life, thousand images"
    assert gan["max_channels"].tooltip.endswith("--set: gan.max_channels")


def test_forms_load_no_torch():
    code = (
        "import sys; from napari_organoid_synth.widgets.forms.form import settings_form; "
        "sys.exit('torch' in sys.modules or 'napari' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (GainSettings, {"folds": "automatic", "test_share": "automatic", "workers": "automatic", "seed": "0"}),
        (Recipe, {"train.stop_after": "never", "train.seed": "0"}),
        (BlindSettings, {"seconds": "never"}),
        (AdaptSettings, {"size_ratio": "automatic", "threads": "automatic"}),
    ],
)
def test_zero_is_said_in_words_where_it_has_a_meaning_of_its_own(qtbot, cls, words):
    form = settings_form(cls)
    qtbot.addWidget(form.native)
    assert {path: form[path].native.text() for path in words} == words
    assert form.value == cls()
