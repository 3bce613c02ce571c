"""A small project for blind tests, and how its questions are answered."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_organoid_synth.core.blind.session import Answer, Picture, Session, keep_answer
from napari_organoid_synth.core.pairs.pair import SamplePair, Source

SIDE, REALS, SYNTHETICS = 64, 3, 14


def scene(seed: int, size: int, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on grain: image (C, Y, X) uint16 and instance labels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    for number, (row, column) in enumerate(np.ndindex(size // 16, size // 16)):
        labels[(y - 16 * row - 8) ** 2 + (x - 16 * column - 8) ** 2 < rng.integers(16, 40)] = number + 1
    grain = gaussian_filter(rng.normal(size=(channels, size, size)), (0, 1, 1))
    return (2000 + 1500 * (labels > 0) + 900 * grain).astype(np.uint16), labels


def sample(name: str, image: np.ndarray, labels: np.ndarray, mask: dict[str, str] | None = None) -> SamplePair:
    source = Source("synthetic", provenance={"mask": mask or {}})
    return SamplePair(name, image, labels, "instances", ("cell",), source=source)


def answered(session: Session, choose: Any, seconds: float = 1.0) -> Session:
    """Answer all open questions with ``choose(question)``."""
    for number in session.open_questions:
        session = keep_answer(session, Answer(number, choose(number), seconds, 1000.0 + number))
    return session


def pictures(session: Session) -> list[Picture]:
    return [picture for question in session.questions for picture in question]


def of(session: Session, kind: str) -> list[Picture]:
    return [picture for picture in pictures(session) if picture.kind == kind]
