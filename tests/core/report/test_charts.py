"""Charts whose points can be computed by hand."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from napari_organoid_synth.core.report.charts import Cloud, Curves, DotPlot, Histogram, thin
from napari_organoid_synth.core.report.rendering import environment


def draw(macro: str, chart: Any) -> str:
    return str(getattr(environment().get_template("charts.html.j2").module, macro)(chart))


def test_a_curve_goes_through_its_points():
    chart = Curves.of("loss <a>", [("loss", [0, 10, 20], [3.0, 2.0, 1.0])], "steps")
    assert [line.path for line in chart.lines] == ["52.0,12.0 179.0,54.0 306.0,96.0"]
    assert (chart.y_ends, chart.x_ends, chart.last) == (("1", "3"), ("0", "20"), "1")
    text = draw("curves", chart)
    assert 'points="52.0,12.0 179.0,54.0 306.0,96.0"' in text
    assert "loss &lt;a&gt;" in text
    assert ", last 1" in text
    assert re.findall(r">([^<>]+)</text>", text) == ["3", "1", "0", "20 steps"]


def test_points_that_are_not_finite_are_left_out():
    chart = Curves.of("x", [("x", [0, 1, 2, 3], [1.0, np.nan, np.inf, 2.0])], "steps")
    assert chart.lines[0].path == "52.0,96.0 306.0,12.0"
    assert Curves.of("x", [("x", [0], [np.nan])], "steps") is None


def test_a_single_point_is_a_dot():
    assert Curves.of("x", [("x", [5], [4620.0])], "steps").lines[0].path == "52.0,96.0 52.0,96.0"
    assert Curves.of("x", [("x", [5], [4620.0])], "steps").y_ends == ("4,620", "4,620")


def test_a_long_curve_keeps_its_ends_and_300_points():
    chart = Curves.of("x", [("x", list(range(10_000)), np.linspace(0, 1, 10_000))], "steps")
    points = chart.lines[0].path.split()
    assert (len(points), points[0], points[-1]) == (300, "52.0,96.0", "306.0,12.0")
    assert thin(5).tolist() == [0, 1, 2, 3, 4]
    assert thin(5, 3).tolist() == [0, 2, 4]


def test_two_curves_share_their_axes_and_have_a_legend():
    chart = Curves.of("x", [("a", [0, 2], [0, 4]), ("b", [0, 1], [2, 2])], "decisions")
    assert [line.path for line in chart.lines] == ["52.0,96.0 306.0,12.0", "52.0,54.0 179.0,54.0"]
    assert [line.dashes for line in chart.lines] == ["", "3 3"]
    text = draw("curves", chart)
    assert text.count('class="key"') == 2
    assert "a 4" in text
    assert text.count("stroke-dasharray") == 1


def test_whole_numbers_get_a_bin_each():
    chart = Histogram.of("objects", "", [("real", [1, 1, 2, 3]), ("synthetic", [3, 3])])
    width = 294 / 3
    tops = [[96 - share * 84 for share in shares] for shares in ([0.5, 0.25, 0.25], [0, 0, 1])]
    steps = [f"{8 + (place + 1) * width:.1f}" for place in range(3)]
    expected = [
        "M8.0 96" + "".join(f"V{y:.1f}H{x}" for x, y in zip(steps, heights, strict=True)) + "V96" for heights in tops
    ]
    assert [outline.path for outline in chart.outlines] == expected
    assert [outline.label for outline in chart.outlines] == ["real: median 1.5", "synthetic: median 3"]
    text = draw("histogram", chart)
    assert all(f'd="{path}"' in text for path in expected)
    assert "real: median 1.5" in text


def test_areas_lie_in_bins_that_widen():
    chart = Histogram.of("area", "px", [("real", [1] * 99 + [100] * 100)], log=True)
    (outline,) = chart.outlines
    assert outline.path.startswith("M8.0 96V12.8H22.7V96.0")  # 99 of 199 in the first of twenty bins, 100 in the last
    assert outline.path.endswith("V12.0H302.0V96")
    assert Histogram.of("area", "px", [("real", [])]) is None


def test_dots_lie_on_an_axis_that_ends_at_1():
    chart = DotPlot.of([("a", [0.96, 1.0]), ("b", [0.96, 0.96])], "Dice")
    assert [(strip.dots, strip.y) for strip in chart.strips] == [(("320.0", "640.0"), 20), (("320.0", "320.0"), 54)]
    assert chart.strips[1].joins == (("320.0", "320.0"), ("640.0", "320.0"))
    assert re.findall(r'<circle cx="([\d.]+)" cy="(\d+)"', draw("dots", chart)) == [
        ("320.0", "20"), ("640.0", "20"), ("320.0", "54"), ("320.0", "54")
    ]  # fmt: skip


def test_points_of_a_map_keep_their_places():
    points = np.array([[0.0, 0], [2, 1]])
    chart = Cloud.of("map", [("real", "#000", "dot", points), ("run", "#fff", "cross", points[1:])])
    text = draw("cloud", chart)
    assert 'd="M20 360h0M700 20h0"' in text  # 680 px wide for 2, y upwards
    assert 'd="M700 20m-4-4l8 8m0-8l-8 8"' in text
    assert "real (2)" in text
    assert "run (1)" in text
