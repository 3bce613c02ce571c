"""What the tests of all segmenters share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.pair import SamplePair


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute on one thread during a test; small networks are fastest so."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class StopAt(Control):
    """Cancels a training when it comes to a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def wait_while_paused(self, step):
        if step == self.step:
            self.cancel()
        yield from super().wait_while_paused(step)


@pytest.fixture
def stop_at():
    """Return what makes a control that cancels at a step."""
    return StopAt


@pytest.fixture
def scene():
    """Make a pair of bright discs on a dark noisy ground; the mask is known exactly."""

    def make(seed: int, size: int = 64, channels: int = 1, kind: str = "binary") -> SamplePair:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:size, :size]
        labels = np.zeros((size, size), np.int32)
        for value, (cy, cx) in enumerate(
            ((size // 4, size // 4), (size // 2, 3 * size // 4), (3 * size // 4, size // 3)), 1
        ):
            inside = (y - cy) ** 2 + (x - cx) ** 2 < (size // 8) ** 2
            labels[inside] = {"binary": 1, "classes": 1 + value % 2, "instances": value}[kind]
        image = 1000 + 300 * (labels > 0) + 300 * (labels == 2) * (kind == "classes") + rng.normal(0, 40, labels.shape)
        names = ("small", "large") if kind == "classes" else ("disc",)
        return SamplePair(f"d{seed}", np.repeat(image[None], channels, 0).astype(np.uint16), labels, kind, names)

    return make
