"""Examples of masks to look at: one of each layout, or the reason why there is none."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.simulators.layouts import Layouts
from napari_organoid_synth.core.simulators.simulate import SIMULATORS

CELLS = [SIMULATORS["tissue"](seed, 128, n_cells=14) for seed in range(2)]
SECTIONS = [SIMULATORS["em"](seed, 128) for seed in range(2)]


@pytest.mark.parametrize("layout", ["auto", "arranged", "moved", "fitted", "warped", "real"])
def test_single_objects_have_an_example_of_each(layout: str) -> None:
    layouts = Layouts(CELLS, 96)
    one = layouts.draw(layout)
    assert one.labels.shape == (96, 96)
    assert one.cover == pytest.approx((one.labels > 0).mean())
    assert one.objects == len(np.unique(one.labels)) - 1
    assert np.array_equal(one.labels, layouts.draw(layout).labels)
    assert not np.array_equal(one.labels, layouts.draw(layout, seed=3).labels)


def test_what_is_asked_for_shows() -> None:
    layouts = Layouts(CELLS, 128)
    assert layouts.draw("arranged", cover=0.5).cover == pytest.approx(0.5, abs=0.06)
    assert layouts.draw("arranged", contact=0.0).contact == 0
    real = np.median([(pair.labels > 0).mean() for pair in CELLS])
    off = [abs(layouts.draw("auto", seed).cover - real) for seed in range(5)]
    assert abs(layouts.typical("auto").cover - real) == min(off) < max(off)


def test_classes_are_moved() -> None:
    layouts = Layouts(SECTIONS, 96)
    assert layouts.resolved("auto") == "moved"
    assert np.array_equal(layouts.draw("auto").labels, layouts.draw("moved").labels)
    for layout in ("arranged", "fitted", "generated"):
        with pytest.raises(UserError):
            layouts.draw(layout)
