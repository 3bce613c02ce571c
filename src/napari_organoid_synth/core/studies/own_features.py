"""Maps of originals and samples in the features of the generator itself: the codes of an autoencoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress
from napari_organoid_synth.core.map.embedding import embed
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import Tile
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.studies.parts import Part, Results

BATCH = 16


def mapping_by_own(
    project: Project, run: str, settings: MapSettings, control: Control, name: str, title: str, share: float = 1.0
) -> Part:
    """Return a part that maps originals and samples of a run by the codes of its own encoder.

    Its result has ``kl``, ``perplexity`` and ``places``, as that of `commands.mapping`.
    """

    def work(_: Results, key: str) -> Iterator[Event]:
        with SampleStore(project.samples_path) as store:
            drawn = [store.pair(row.id) for row in store.rows() if row.run == run]
        codes, number = _codes(project, run, drawn, settings.device)
        yield Progress(1, 1 + settings.restarts, note="map 1")
        perplexity = settings.perplexity or None
        maps = embed(codes, method="tsne", perplexity=perplexity, seed=settings.seed, restarts=settings.restarts)
        best = next(maps)
        for start, better in enumerate(maps, 3):
            best = better
            if control.canceled:
                yield Finished(0, "canceled")
                return
            yield Progress(start, 1 + settings.restarts, note=f"map {start}")
        points = [[round(float(x), 3), round(float(y), 3)] for x, y in best.coordinates]
        places = {"": points[:number], run: points[number:]}
        yield Finished(1, "completed", {"kl": best.kl, "perplexity": best.perplexity, "places": places})

    determined_by = {"own": True, **settings.model_dump(mode="json", include={"seed", "restarts", "perplexity"})}
    return Part(name, title, work, determined_by, (f"samples-{run}",), share)


def _codes(project: Project, run: str, drawn: Sequence[SamplePair], device: str) -> tuple[NDArray[Any], int]:
    """Return the codes (N, L) of the originals and then of the samples, and the number of originals.

    Raises
    ------
    UserError
        If the generator has no encoder.
    """
    from napari_organoid_synth.core.generators.aae import Aae
    from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator
    from napari_organoid_synth.core.training.dataset import PairDataset
    from napari_organoid_synth.core.training.tiles import load_training_pairs

    trained = TrainedGenerator.from_run(Run(project.run_path(run)), device=device)
    network = trained.network
    if not isinstance(network, Aae):
        raise UserError(
            f"{trained.generator} has no codes of its images.",
            "Expected an autoencoder (aae).",
            "Set features to 'ours'.",
        )
    originals = load_training_pairs(project, trained.recipe)
    pairs = [*originals, *drawn]
    tiles = [Tile(place, pair.name, 0, 0, trained.recipe.tiles.size) for place, pair in enumerate(pairs)]
    dataset = PairDataset(pairs, tiles, trained.codec, trained.shape)
    codes = []
    for start in range(0, len(tiles), BATCH):
        batch = dataset.batch(range(start, min(start + BATCH, len(tiles)))).to(network.device)
        codes.append(network.encode(batch.joint).cpu().numpy())
    return np.concatenate(codes), len(originals)
