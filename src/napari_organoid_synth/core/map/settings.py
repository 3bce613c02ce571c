"""Settings of the map."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.fields import Names
from napari_organoid_synth.core.metrics.settings import FeatureSettings


class MapSettings(FeatureSettings):
    """A map on which tiles and pairs that are alike lie near each other."""

    method: Literal["tsne", "pca", "umap"] = Field(
        "tsne", description="tsne keeps neighbours together, pca keeps distances; umap needs the package umap-learn."
    )
    perplexity: float = Field(
        0, ge=0, le=1000, description="About how many neighbours count in t-SNE; 0: 30, or less for few tiles."
    )
    runs: Names = Field(
        (), description="Runs whose pairs are on the map, by folder or number (3, or run 3); empty: all pairs."
    )
    samples: int = Field(10_000, ge=1, le=10_000, description="Most synthetic pairs on the map, evenly chosen.")
    restarts: int = Field(
        10, ge=1, le=100, description="How often t-SNE starts; the best map is kept. Fewer above 2000 points."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1000, description="Fixes the starts.")
