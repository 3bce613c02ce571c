"""How the held-back score of a training rose, and whether it had stopped rising; without torch."""

from __future__ import annotations

from napari_organoid_synth.core.frozen_model import FrozenModel


class Curve(FrozenModel):
    """The held-back score of a training.

    Parameters
    ----------
    steps : tuple of int
        Steps taken at each look; empty without held-back parts.
    scores : tuple of float in [0, 1]
        Score of the averaged weights at each look, without smoothing.
    taken : int
        Steps taken in all.
    at_plateau : bool
        Whether the score had stopped rising. Without held-back parts nobody knows, and this is False.
    best : float
        Score of the weights that were kept, the last of ``scores``; 0 without held-back parts.
    rise : float
        What the score gained in the last steps, as many as it should have stood still for; 0 at the plateau.
    wanted : int
        Steps that the training would probably need, the decay included; a guess. 0 at the plateau, and without
        held-back parts.

    Examples
    --------
    >>> Curve(taken=300).watched
    False
    """

    steps: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    taken: int = 0
    at_plateau: bool = False
    best: float = 0.0
    rise: float = 0.0
    wanted: int = 0

    @property
    def watched(self) -> bool:
        """Whether there were held-back parts to look at."""
        return bool(self.steps)
