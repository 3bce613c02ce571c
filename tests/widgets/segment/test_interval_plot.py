"""The interval plot shows the mean and the band of every method."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg

from napari_organoid_synth.core.segmentation.threshold_curves import FoldScores
from napari_organoid_synth.widgets.segment.interval_plot import IntervalPlot


def test_lines_bands_and_words(qtbot):
    plot = IntervalPlot("F")
    qtbot.addWidget(plot)
    plot.resize(320, 230)
    plot.show()
    curves = {
        "with adversary": FoldScores.of([[0.5, 0.7], [0.9, 0.9]]),
        "without": FoldScores.of([[0.4, 0.5], [0.6, 0.8]]),
        "empty": FoldScores.of([]),
    }
    plot.show_curves(curves)
    plot.show_curves(curves)  # again, nothing is drawn twice
    items = plot.plot.getPlotItem().items
    lines = [item for item in items if isinstance(item, pg.PlotDataItem) and item.name()]
    bands = [item for item in items if isinstance(item, pg.FillBetweenItem)]
    assert [line.name() for line in lines] == ["with adversary", "without"]
    assert len(bands) == 2
    x, y = lines[0].getData()
    assert np.array_equal(y, 100 * curves["with adversary"].band()[0])
    assert np.array_equal(x, np.arange(101) / 100)
    assert np.array_equal(bands[0].curves[0].getData()[1], 100 * curves["with adversary"].band()[1])
    area = bands[0].path().boundingRect()
    assert (area.top(), area.bottom()) == (0, 100)  # it is really drawn
    assert plot.words.text() == "with adversary: 75.0 ± 21.2 %\nwithout: 57.5 ± 17.7 %"
    assert len(plot.plot.getPlotItem().legend.items) == 2
