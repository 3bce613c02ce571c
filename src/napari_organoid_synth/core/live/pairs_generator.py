"""The painter that needs no training, open for painting: it imports no torch, so that it is ready sooner."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.kept_pairs import KeptPairs
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.analogy_config import AnalogyConfig
from napari_organoid_synth.core.live.canvas import Canvas
from napari_organoid_synth.core.live.live_generator import Drawn, LiveGenerator
from napari_organoid_synth.core.live.walk_settings import WalkSettings, nearest_seed
from napari_organoid_synth.core.runs.run import Run


@dataclass(frozen=True, eq=False, kw_only=True)
class PairsGenerator(LiveGenerator):
    """See `LiveGenerator`.

    Parameters
    ----------
    kept : KeptPairs
    """

    kept: KeptPairs

    @classmethod
    def of_run(cls, run: Run, checkpoint: str = "newest") -> Self:
        """Read a checkpoint of a run of analogy.

        Raises
        ------
        UserError
            If there is no whole checkpoint.
        """
        config = run.recipe.gan
        assert isinstance(config, AnalogyConfig)
        weights, arrays = run.read_arrays(run.pick(checkpoint))
        kept = KeptPairs(turn=config.turn, quality=config.quality).read(arrays, run.spec.image_channels)
        return cls(
            name=run.name,
            generator=config.name,
            shape=run.recipe.shape,
            side=run.recipe.tiles.size,
            codec=run.codec,
            step=weights.step,
            sha256=weights.sha256,
            class_conditional=config.class_conditional,
            any_size=True,
            walks=("seed",),
            pairs=kept.pairs,
            kept=kept,
        )

    def open_canvas(
        self,
        labels: NDArray[np.integer[Any]],
        place: WalkSettings,
        exclude: Collection[str] = (),
        real: NDArray[Any] | None = None,
    ) -> Canvas:
        """Paint a mask; of the place the seed counts, and whether there is any variety."""
        from napari_organoid_synth.core.live.analogy_canvas import AnalogyCanvas
        from napari_organoid_synth.core.live.real_canvas import on_real

        place.check_classes(self.codec.image_classes)
        canvas = AnalogyCanvas.of(self.kept, self.codec, labels, nearest_seed(place), place.variety, exclude)
        return on_real(canvas, real)

    def draw(self, place: WalkSettings) -> Drawn:
        """Refuse: it paints masks."""
        raise UserError(f"{self.name} paints images onto masks.", "Expected a mask.", "Give labels.")

    def rest(self) -> None:
        """Keep all: preparing it again takes a second."""
