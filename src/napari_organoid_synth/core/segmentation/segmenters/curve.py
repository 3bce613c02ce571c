"""The held-back score of a training against its steps, and whether it had stopped rising; knows no torch."""

from __future__ import annotations

from napari_organoid_synth.core.frozen_model import FrozenModel


class Curve(FrozenModel):
    """Curve of a training.

    Parameters
    ----------
    steps : tuple of int
        Steps after which the held-back crops were scored, rising.
    scores : tuple of float in [0, 1]
        Their scores; empty: nothing was held back.
    taken : int
        Optimiser steps that were taken.
    at_plateau : bool
        Whether the score had stopped rising before the training ended.
    best : float in [0, 1]
        Held-back score of the final weights.
    rise : float
        Rise over the last ``window`` steps if not at the plateau.
    window : int
        Steps over which a rise is looked for.
    wanted : int
        Guess of the steps that the training needs; 0 at the plateau.
    """

    steps: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    taken: int = 0
    at_plateau: bool = False
    best: float = 0.0
    rise: float = 0.0
    window: int = 0
    wanted: int = 0
