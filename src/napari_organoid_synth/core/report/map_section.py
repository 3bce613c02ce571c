"""The map of real tiles and generated pairs."""

from __future__ import annotations

from html import escape

import numpy as np

from napari_organoid_synth.core.map.storage import MapRecord, read_map
from napari_organoid_synth.core.report.charts import COLOURS, Cloud, cloud, thin
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.page import Section, count, paragraph

MOST_POINTS = 20_000
METHODS = {"tsne": "t-SNE", "pca": "Principal components", "umap": "UMAP"}
SHAPES = {"accepted": "box", "new": "ring", "rejected": "cross"}


def map_section(contents: Contents) -> Section | None:
    """Points by run (colour) and verdict (shape), with how far the map can be trusted."""
    found = read_map(contents.project)
    if found is None:
        return None
    points, record = found.coordinates, found.record
    chosen = np.zeros(len(points), bool)
    chosen[thin(len(points), MOST_POINTS)] = True
    verdicts = {row.id: row.verdict for row in contents.rows}
    real, synthetic = np.split(points, [len(record.tiles)])
    shown_real, shown = np.split(chosen, [len(record.tiles)])
    run_of = np.array([sample.run for sample in record.samples])
    verdict = np.array([verdicts.get(sample.id, "new") for sample in record.samples])
    groups: list[Cloud] = [("real tiles", COLOURS[6], "dot", real[shown_real])]
    for place, run in enumerate(sorted(set(run_of.tolist()))):
        for name, shape in SHAPES.items():
            of = shown & (run_of == run) & (verdict == name)
            groups.append((f"{run or 'without a run'}, {name}", COLOURS[place % 6], shape, synthetic[of]))
    text = f"<p>{escape(_words(record))}</p>\n"
    text += cloud(f"{METHODS[record.method]} map of real and generated tiles", [one for one in groups if len(one[3])])
    if len(points) > MOST_POINTS:
        text += paragraph(f"{MOST_POINTS:,} of {count(len(points), 'point')}, evenly chosen.", "faint")
    return Section("Map", "map", text)


def _words(record: MapRecord) -> str:
    words = f"{METHODS[record.method]}: near on the map means alike in features ({record.extractor})."
    if record.kl is not None:
        words += f" Kullback–Leibler divergence {record.kl:.3f}"
        words += f", perplexity {record.perplexity:.3g}." if record.perplexity is not None else "."
        words += (
            " The divergence says how badly the map keeps the neighbourhoods of the features; it is no distance "
            "between real and generated tiles. For that see KID and Told apart in table 1."
        )
    return words + " Sizes of groups and distances between them mean little."
