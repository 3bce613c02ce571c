"""The map of real tiles and synthetic pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_organoid_synth.core.map.storage import MapRecord, read_map
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.charts import COLOURS, Cloud, Group, thin
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.rendering import Section

MAX_POINTS = 20_000
METHODS = {"tsne": "t-SNE", "pca": "Principal components", "umap": "UMAP"}
SHAPES = {"accepted": "box", "new": "ring", "rejected": "cross"}


@dataclass(frozen=True)
class MapOfTiles:
    """Content of the section."""

    explanation: str
    cloud: Cloud
    omitted: str


def map_section(contents: Contents) -> Section | None:
    """Show points by run (colour) and verdict (shape), and the reliability of the map."""
    tile_map = read_map(contents.project)
    if tile_map is None:
        return None
    points, record = tile_map.coordinates, tile_map.record
    is_drawn = np.zeros(len(points), bool)
    is_drawn[thin(len(points), MAX_POINTS)] = True
    verdicts = {row.id: row.verdict for row in contents.rows}
    real, synthetic = np.split(points, [len(record.tiles)])
    chosen_real, chosen_synthetic = np.split(is_drawn, [len(record.tiles)])
    run_of = np.array([sample.run for sample in record.samples])
    verdict = np.array([verdicts.get(sample.id, "new") for sample in record.samples])
    groups: list[Group] = [("real tiles", COLOURS[6], "dot", real[chosen_real])]
    for place, run in enumerate(sorted(set(run_of.tolist()))):
        for name, shape in SHAPES.items():
            of = chosen_synthetic & (run_of == run) & (verdict == name)
            groups.append((f"{run or 'without a run'}, {name}", COLOURS[place % 6], shape, synthetic[of]))
    label = f"{METHODS[record.method]} map of real and synthetic tiles"
    cloud = Cloud.of(label, [group for group in groups if len(group[3])])
    omitted = f"{MAX_POINTS:,} of {plural(len(points), 'point')}, evenly chosen." if len(points) > MAX_POINTS else ""
    return Section("Map", "map", MapOfTiles(_explanation(record), cloud, omitted))


def _explanation(record: MapRecord) -> str:
    text = f"{METHODS[record.method]}: tiles that lie close together have similar features ({record.extractor})."
    if record.kl is not None:
        text += f" Kullback–Leibler divergence {record.kl:.3f}"
        text += f", perplexity {record.perplexity:.3g}." if record.perplexity is not None else "."
        text += (
            " The divergence measures how much the map distorts the neighbourhoods of the features; it is not a "
            "distance between real and synthetic tiles. For that see KID and Told apart in table 1."
        )
    return text + " Sizes of groups and distances between them mean little."
