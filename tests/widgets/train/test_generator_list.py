"""The list of generators: groups, sentences, and what is painted."""

from __future__ import annotations

from qtpy.QtCore import QRect
from qtpy.QtGui import QColor, QImage, QPainter
from qtpy.QtWidgets import QApplication, QStyleOptionViewItem

from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.job import Progress
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.widgets.forms.member import FEW
from napari_organoid_synth.widgets.shared.curves import LossCurves
from napari_organoid_synth.widgets.shared.theme import theme_colour
from napari_organoid_synth.widgets.train import generator_list
from napari_organoid_synth.widgets.train.generator_list import GROUPS, WIDTH, group_of, sentence_of
from napari_organoid_synth.widgets.train.headings import GENERATOR
from napari_organoid_synth.widgets.train.recipe_form import RecipeForm


def test_generators_stand_in_groups_and_the_first_needs_no_training(qtbot):
    form = RecipeForm(Recipe())
    qtbot.addWidget(form)
    combo = form.generator
    groups = [group_of(generator_config(combo.itemData(row))) for row in range(combo.count())]
    assert groups == sorted(groups)
    headings = {combo.itemData(row): form.list.heading(row) for row in range(combo.count()) if form.list.heading(row)}
    assert headings == {"analogy": GROUPS[0], "flow": GROUPS[1], "flow_joint": GROUPS[2]}
    assert form.value() == Recipe()


def test_every_setting_of_a_generator_of_this_package_has_a_heading():
    named = {path for heading in GENERATOR for path in heading.fields}
    for name in GENERATORS.names():
        fields = [path for path in generator_config(name).model_fields if path != "name"]
        assert [path for path in fields if path not in named and len(fields) > FEW] == []


def test_settings_of_a_generator_are_grouped_and_the_recipe_stays(qtbot):
    form = RecipeForm(Recipe.parse({"gan": "pix2pix"}))
    qtbot.addWidget(form)
    editor = form.form["gan.l1_weight"]
    member = form.form["gan"]
    part, editors = member._parts["pix2pix"]
    front, *sections = part
    assert [section[0].value for section in sections] == ["Networks", "Aims of the training", "How it learns"]
    assert editor in sections[1].rows
    assert len(front) == 0
    assert form.value() == Recipe.parse({"gan": "pix2pix"})
    assert form.form["gan.feature_weight"].native.text() == "off"
    assert set(editors) == set(generator_config("pix2pix").model_fields) - {"name"}


def test_sentences_say_the_steps_that_suit_the_images(qtbot):
    assert sentence_of(generator_config("pix2pix")).endswith("Learns in about 4,000 steps.")
    form = RecipeForm(Recipe())
    qtbot.addWidget(form)
    form.offer_data(50, 300)
    flow = sentence_of(generator_config("flow"), form.list.images, form.list.side)
    assert flow.endswith("Learns in about 10,000 steps.")


def test_every_item_is_painted_with_its_picture_and_text(qtbot, monkeypatch):
    form = RecipeForm(Recipe())
    qtbot.addWidget(form)
    combo = form.generator
    for row in range(combo.count()):
        index = combo.model().index(row, 0)
        option = QStyleOptionViewItem()
        option.initFrom(combo)
        size = form.list.sizeHint(option, index)
        assert size.width() == WIDTH
        option.rect = QRect(0, 0, size.width(), size.height())
        drawn = []
        for picture in (True, False):
            image = QImage(size, QImage.Format.Format_RGB32)
            image.fill(QColor("white"))
            painter = QPainter(image)
            with monkeypatch.context() as patch:
                if not picture:
                    patch.setattr(generator_list, "paint", lambda *_: None)
                form.list.paint(painter, option, index)
            painter.end()
            drawn.append(image)
        blank = QImage(size, QImage.Format.Format_RGB32)
        blank.fill(QColor("white"))
        assert drawn[0] != drawn[1]  # the picture
        assert drawn[1] != blank  # the text


def test_the_words_of_a_legend_follow_the_theme(make_napari_viewer):
    viewer = make_napari_viewer()
    curves = LossCurves()
    viewer.window.add_dock_widget(curves)
    curves.append([Progress(step, 100, {"generator": 3 / step}) for step in (1, 2, 3)])
    seen = set()
    for theme in ("dark", "light"):
        viewer.theme = theme
        QApplication.processEvents()
        ((_, label),) = curves._legend.items
        assert theme_colour("text") in label.item.toHtml()
        seen.add(theme_colour("text"))
    assert len(seen) == 2
