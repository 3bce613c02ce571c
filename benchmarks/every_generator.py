"""One picture of what every generator draws after the same short training, from data that may be passed on.

    python benchmarks/every_generator.py docs/_static/every_generator.png --seconds 120 [--work FOLDER]

Forty simulated organoids in bright field; each generator learns from whole ones at 64 px for so many seconds, with its
default settings, and draws six samples: an image with the outline of its mask. Above them six of the originals. With
``--work`` what was trained is kept, and a further call trains only what is missing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.job import Control, Finished, run_to_end
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import outline
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import SIMULATORS
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.training.train import train

ORIGINALS, SHOWN, SIDE, ZOOM, GAP, MARGIN = 40, 6, 64, 2, 4, 190
MANY = 1_000_000
"""Steps of a training that its time ends."""
OUTLINE = (255, 176, 0)


def prepare(project: Project) -> list[SamplePair]:
    """Return the originals; write them and the table of the project, if that is not there."""
    pairs = [SIMULATORS["organoid_brightfield"](seed, size=4 * SIDE) for seed in range(ORIGINALS)]
    if not project.pairs_path.exists():
        folder = project.path / "originals"
        for seed, pair in enumerate(pairs):
            write_pair(folder, pair.replace(name=f"organoid_{seed:02d}"))
        check_pairs(find_pairs(folder), "binary").scaled(1 / 4).to_file(project.pairs_path)
    return pairs


def learn(project: Project, name: str, seconds: float) -> str:
    """Train a generator for so long, unless it was; what is to be said of it."""
    folder = project.path / "runs" / name
    if not (folder / "recipe.yaml").exists():
        recipe = Recipe().override(
            f"gan={name}", f"tiles.size={SIDE}", f"train.steps={MANY}", f"train.preview_every={MANY}"
        )
        control, began = Control(), time.monotonic()
        for event in train(project, recipe, control, folder=folder):
            if time.monotonic() - began > seconds and not control.canceled:
                control.cancel()
            if isinstance(event, Finished):
                print(f"{name}: {event.step:,} steps, {event.reason}", flush=True)
    step = max(Run(folder).steps(), default=0)
    return f"{step:,} steps" if step else "no training"


def draw(project: Project, name: str) -> list[SamplePair]:
    """Return samples of a generator."""
    with SampleStore(project.samples_path) as store:
        if not (own := of_run(store, name)):
            run_to_end(generate(project, GenerateSettings(run=name, number=SHOWN, first=0), Control()))
            own = of_run(store, name)
        return [store.pair(id) for id in own[:SHOWN]]


def of_run(store: SampleStore, name: str) -> list[str]:
    """Return the ids of the samples of a run."""
    return sorted(row.id for row in store.rows() if row.run == name)


def tile(pair: SamplePair, low: float, high: float) -> NDArray[np.uint8]:
    """Return an image as colours, at most `SIDE` px, with the outline of its mask."""
    image = (255 * np.clip((pair.image[0].astype(float) - low) / (high - low), 0, 1)).astype(np.uint8)
    small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX)  # as the generators see the originals
    large = np.asarray(small.resize((SIDE * ZOOM,) * 2, Image.Resampling.BICUBIC))
    labels = np.asarray(
        Image.fromarray(pair.labels.astype(np.int32)).resize((SIDE * ZOOM,) * 2, Image.Resampling.NEAREST)
    )
    shown = np.repeat(large[..., None], 3, axis=-1).copy()
    shown[outline(labels)] = OUTLINE
    return shown


def main() -> None:
    """Train, draw, and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=120.0, help="of each training")
    parser.add_argument("--work", type=Path, help="keeps the project")
    parser.add_argument(
        "--only", nargs="+", default=GENERATORS.names(), choices=GENERATORS.names(), metavar="GENERATOR"
    )
    options = parser.parse_args()
    project = Project(options.work or Path(tempfile.mkdtemp()))
    pairs = prepare(project)
    low, high = np.percentile([pair.image for pair in pairs], (0.5, 99.5))
    rows = [("Originals", "simulated", pairs[:SHOWN])]
    for name in options.only:
        said = learn(project, name, options.seconds)
        rows.append((generator_config(name).title.split(" – ")[0], said, draw(project, name)))
    each = SIDE * ZOOM + GAP
    sheet = Image.new("RGB", (MARGIN + SHOWN * each, len(rows) * each), "white")
    pen, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(20), ImageFont.load_default(15)
    for row, (title, said, shown) in enumerate(rows):
        pen.text((0, row * each + 40), title, "black", font)
        pen.text((0, row * each + 68), said, "dimgrey", small)
        for column, pair in enumerate(shown):
            sheet.paste(Image.fromarray(tile(pair, low, high)), (MARGIN + column * each, row * each))
    sheet.quantize(64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(options.out, optimize=True)
    print(f"{options.out.name}: {options.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
