"""The map of real tiles and synthetic pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_organoid_synth.core.map.storage import MapRecord, read_map
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.charts import COLOURS, Cloud, Group, thin
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.rendering import Section
from napari_organoid_synth.core.runs.titles import WITHOUT

MAX_POINTS = 20_000
METHODS = {"tsne": "t-SNE", "pca": "Principal components", "umap": "UMAP"}
SHAPES = {"accepted": "box", "new": "ring", "rejected": "cross"}


@dataclass(frozen=True)
class MapOfTiles:
    """Content of the section."""

    explanation: str
    cloud: Cloud
    panels: tuple[Cloud, ...]
    omitted: str


def map_section(contents: Contents) -> Section | None:
    """Show points by run (colour) and verdict (shape), each run alone where there are several, and its reliability."""
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
    originals: Group = ("real tiles", COLOURS[6], "dot", real[chosen_real])
    titles = contents.titles
    of_runs: dict[str, list[Group]] = {}
    for place, run in enumerate(sorted(set(run_of.tolist()))):
        title = titles.get(run, run or WITHOUT)
        of_runs[title] = [
            (f"{title}, {name}", COLOURS[place % 6], shape, synthetic[chosen_synthetic & (run_of == run) & is_it])
            for name, shape in SHAPES.items()
            if (is_it := verdict == name).any()
        ]
    label = f"{METHODS[record.method]} map of real and synthetic tiles"
    cloud = _cloud(label, [originals, *(group for groups in of_runs.values() for group in groups)])
    panels = [_cloud(f"{label}: {title}", [originals, *groups]) for title, groups in of_runs.items()]
    omitted = f"{MAX_POINTS:,} of {plural(len(points), 'point')}, evenly chosen." if len(points) > MAX_POINTS else ""
    return Section(
        "Map", "map", MapOfTiles(_explanation(record), cloud, tuple(panels) if len(panels) > 1 else (), omitted)
    )


def _cloud(label: str, groups: list[Group]) -> Cloud:
    """Draw the groups that hold a point."""
    return Cloud.of(label, [group for group in groups if len(group[3])])


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
