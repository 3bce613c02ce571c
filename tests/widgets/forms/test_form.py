"""Forms: exact defaults, every settings class, words for what is wrong."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.gain.settings import SegmentSettings
from napari_organoid_synth.core.generators.dcgan_config import DcganConfig
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.verbs import VERBS
from napari_organoid_synth.widgets.forms.editors import FloatEdit
from napari_organoid_synth.widgets.forms.form import SettingsForm

SEGMENTER_CONFIGS = list(map(SEGMENTERS.config, SEGMENTERS.names()))
CLASSES = [
    *(verb.settings_class() for verb in VERBS.values()),
    *SEGMENTER_CONFIGS,
    Pix2PixConfig,
    DcganConfig,
    TileSettings,
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_untouched_form_gives_the_defaults_exactly(qtbot, cls):
    form = SettingsForm(cls)
    qtbot.addWidget(form)
    assert form.value() == cls()
    assert form.value().to_yaml() == cls().to_yaml()  # 2e-4 is not 0.00020000000000000001
    assert form.problem == ""


@pytest.mark.parametrize("value", [2e-4, 1e-3, 0.1, 1 / 3, 99.9, 1e-9, 123456.789, 0.0, 5e-5])
def test_floats_keep_all_their_digits(qtbot, value):
    edit = FloatEdit(0, 1e6)
    qtbot.addWidget(edit)
    edit.put(value)
    assert edit.get() == value
    assert float(edit.text()) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("start", "steps", "expected"), [(2e-4, 1, 3e-4), (1e-4, -1, 9e-5), (9e-5, 1, 1e-4), (0.5, 1, 0.6), (0.95, 1, 1.0)]
)
def test_arrows_change_the_first_digit(qtbot, start, steps, expected):
    edit = FloatEdit(0, 1)
    qtbot.addWidget(edit)
    edit.put(start)
    edit.stepBy(steps)
    assert edit.get() == pytest.approx(expected, rel=1e-12)


def test_setting_a_value_gives_it_back(qtbot):
    form = SettingsForm(Recipe)
    qtbot.addWidget(form)
    recipe = Recipe().override(
        "tiles.size=128", "gan.learning_rate=0.000123", "tiles.min_objects=2", "train.device=cpu"
    )
    form.setValue(recipe)
    assert form.value() == recipe
    form.setValue(Recipe())
    assert form.value() == Recipe()


def test_an_edit_is_reported_and_folded_fields_count(qtbot):
    form = SettingsForm(Recipe, shown=("tiles.size", "tiles.turn"))
    qtbot.addWidget(form)
    form.show()
    assert form.editor("tiles.size").isVisible()
    assert not form.editor("train.steps").isVisible()
    with qtbot.waitSignal(form.valueChanged) as signal:
        form.editor("train.steps").put(77)
    assert signal.args[0].train.steps == 77
    form.fold.expand()
    assert not form.editor("train.steps").isVisible()  # its own group is still folded
    form._groups["train"].parentWidget().parentWidget().parentWidget().expand()
    assert form.editor("train.steps").isVisible()


def test_what_is_wrong_is_said_in_words_and_can_be_mended(qtbot):
    form = SettingsForm(Recipe, shown=("tiles.size",))
    qtbot.addWidget(form)
    form.show()
    form.editor("tiles.size").put(96)  # a rule between two settings: pix2pix halves the tile
    assert "96" in form.problem
    assert form.message.isVisible()
    assert "96" in form.message.text()
    with pytest.raises(UserError):
        form.value()
    form.editor("tiles.size").put(128)
    assert form.problem == ""
    assert not form.message.isVisible()
    form.editor("tiles.overlap").put(2.5)  # out of bounds
    assert "overlap" in form.problem
    assert "2.5" in form.problem


def test_a_pattern_of_hard_images_can_be_typed(qtbot):
    form = SettingsForm(SEGMENTERS.config("multiscale_adversarial"))
    qtbot.addWidget(form)
    editor = form.editor("hard")
    qtbot.keyClicks(editor, "(")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert "'hard' is '('" in form.problem
    assert "regular expression" in form.problem
    editor.clear()
    qtbot.keyClicks(editor, "^(d7|d10)_")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert form.problem == ""
    assert (form.value().hard, form.value().hard_share) == ("^(d7|d10)_", 0.3)


def test_a_member_of_another_family_can_be_put_in(qtbot):
    form = SettingsForm(Recipe, shown=("tiles.size",), hidden=("gan",))
    qtbot.addWidget(form)
    form.put(gan=DcganConfig(latent=50))
    assert form.value().gan == DcganConfig(latent=50)
    form.editor("tiles.size").put(512)
    assert "DCGAN" in form.problem or "512" in form.problem


def test_empty_number_means_automatic(qtbot):
    form = SettingsForm(TileSettings)
    qtbot.addWidget(form)
    edit = form.editor("min_objects")
    assert edit.text() == "automatic"
    edit.stepBy(1)
    assert form.value().min_objects == 0
    edit.stepBy(-1)
    assert form.value().min_objects is None


def test_check_boxes_for_several_of_a_few(qtbot):
    form = SettingsForm(ExportSettings)
    qtbot.addWidget(form)
    form.editor("formats").boxes["biapy"].setChecked(True)
    form.editor("formats").boxes["cellpose"].setChecked(True)
    assert form.value().formats == ("ome-tiff", "cellpose", "biapy")
    for box in form.editor("formats").boxes.values():
        box.setChecked(False)
    assert "formats" in form.problem


def test_tooltips_hold_description_bounds_and_default(qtbot):
    form = SettingsForm(SegmentSettings)
    qtbot.addWidget(form)
    tip = form.editor("segmenter.channels").toolTip()
    assert "Feature maps" in tip
    assert "8 to 64" in tip
    assert "Default: 32" in tip
    assert form.editor("segmenter.channels").accessibleName() == "Channels"


def test_the_wheel_scrolls_unless_the_field_is_in_use(qtbot):
    form = SettingsForm(TileSettings)
    qtbot.addWidget(form)
    form.show()
    edit = form.editor("size")
    edit.clearFocus()
    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, 120), Qt.NoButton, Qt.NoModifier, Qt.NoScrollPhase, False
    )
    QApplication.sendEvent(edit, event)
    assert edit.get() == 256


def test_titles_are_readable_with_units_and_tips_name_the_key():
    form = SettingsForm(Recipe, hidden=("gan",))
    names = {path: form.editor(path).accessibleName() for path in form._editors}
    assert names["tiles.size"] == "Size, px"
    assert names["tiles.min_objects"] == "Fewest objects"
    assert names["codec.low"] == "Low, percentile"
    assert names["train.preview_every"] == "Preview every, steps"
    assert names["train.steps"] == "Steps"
    assert not any("_" in name for name in names.values())
    assert form.editor("tiles.size").toolTip().endswith("In recipes and after --set: tiles.size")
    gan = SettingsForm(DcganConfig, inside="gan")
    assert gan.editor("ema_half_life").accessibleName() == "EMA half life, thousand images"
    assert gan.editor("max_channels").toolTip().endswith("--set: gan.max_channels")


def test_a_number_may_be_automatic(qtbot):
    edit = FloatEdit(0.5, 10, optional=True)
    qtbot.addWidget(edit)
    edit.put(None)
    assert (edit.get(), edit.text()) == (None, "automatic")
    edit.stepBy(1)
    assert edit.get() == 0.5
    edit.stepBy(-1)
    assert edit.get() is None
    edit.put(2e-4)
    assert (edit.get(), edit.text()) == (2e-4, "0.0002")
