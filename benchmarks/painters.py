"""Sample sheets and figures of all painters, trained for equal processor time and painting the same unseen masks.

    python benchmarks/painters.py DATA [--sets nuclei em] [--painters pix2pix flow] [--seconds 60] [--out painters]

DATA holds the folders of the sets, each with ``images`` and ``masks``. Every painter learns from the same few images
for ``--seconds`` of processor time, one that needs no training from none. A few steps are timed first, which tells how
many fit; the schedule then ends with the time. All paint the masks of tiles of the other images. A painter may carry
settings: ``pix2pix:upsample=transposed``. ``--small`` tries everything in a minute or two.

For each set there is ``sheet.png`` (rows: masks, real, each painter) and a table:

- kernel distance of the painted tiles to the real ones of unseen images, in the statistics that judge a training,
  beside that of real tiles of the training images;
- spread: standard deviation between images of one mask under other noise, of the range of -1 to 1;
- grid: `grid_peak`, above 3 a grid can be seen;
- seconds of training and ms to paint a mask of 256 px, in processor time of all threads.

What is finished is kept in ``--out``; the same command goes on with the rest and writes the table again.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from imageio.v3 import imwrite
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_organoid_synth.core.device import random_stream, use_threads
from napari_organoid_synth.core.distances import kernel_distance
from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.job import Control, Warned
from napari_organoid_synth.core.metrics.texture import grid_peak
from napari_organoid_synth.core.pairs.filenames import natural
from napari_organoid_synth.core.pairs.groups import groups_of
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import limits, picture
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.split import choose_test
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.pairs.tiling import cut_pair, list_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator
from napari_organoid_synth.core.training.monitor import Scale
from napari_organoid_synth.core.training.train import train

TIMED = (4, 16)  # steps of the trainings whose difference tells the time of a step
SPREAD_MASKS, SPREAD_NOISES = 8, 4
LARGE = 256  # side of the mask that is timed, px
SHOWN = 8  # columns of a sheet
MARGIN = 2


@dataclass(frozen=True)
class Images:
    """A set: folder, its classes or none, beginning of the names, scale, side of tiles (px), training images."""

    folder: str
    classes: tuple[str, ...] = ()
    begins: str | tuple[str, ...] = ""
    scale: float = 1.0
    tile: int = 64
    train: int = 3


SETS = {
    "nuclei": Images("nuclei_dsb2018", begins="fluorescence", train=5),
    "em": Images("drosophila_vnc_em", ("mitochondria", "membranes"), scale=0.5),
    "histology": Images("nuclei_dsb2018", begins="histology", train=4),
    "spheroids": Images("spheroids_microwell_phase", scale=1 / 6, train=8),
    "organoids": Images("cerebral_organoids_brightfield", begins=("abnormal", "budding", "normal"), scale=1 / 16),
}


# ------------------------------------------------------------------------------------------------------------ prepare


def prepare(project: Project, data: Path, images: Images) -> None:
    """Pair the set, draw the training images, and put all others aside."""
    if project.pairs_path.exists():
        return
    folder = data / images.folder
    masks: Any = {name: str(folder / "masks" / name) for name in images.classes} or str(folder / "masks")
    table = check_pairs(find_pairs([str(folder / "images")], masks)).scaled(images.scale)
    entries = [entry for entry in table.matched if entry.masks and entry.name.startswith(images.begins)]
    entries = sorted(entries, key=lambda entry: natural(Path(entry.name)))
    table = PairTable(**{**dict(table), "entries": tuple(entries)})
    learned = set(choose_test(groups_of(table), images.train, np.random.default_rng(0)))
    split = [entry.replace(split="train" if entry.name in learned else "test") for entry in entries]
    PairTable(**{**dict(table), "entries": tuple(split)}).to_file(project.pairs_path)


def tiles_of(project: Project, split: Any, side: int, most: int) -> list[SamplePair]:
    """Cut the upright tiles of the images of a split; where there are more than ``most``, some of them, drawn."""
    pairs = load_pairs(project, split)
    tiles = [tile for tile in list_tiles(pairs, TileSettings(size=side, turn=False, flip=False)) if tile.kept]
    chosen = np.sort(np.random.default_rng(0).permutation(len(tiles))[:most])
    return [cut_pair(pairs[tiles[index].pair], tiles[index]) for index in chosen]


# -------------------------------------------------------------------------------------------------------------- train


def recipe_of(painter: str, images: Images, steps: int) -> Recipe:
    """Return the recipe of ``name`` or ``name:key=value,key=value``; nothing looks at the training meanwhile."""
    name, _, changes = painter.partition(":")
    settings = [f"gan={name}", f"tiles.size={images.tile}", "train.precision=float32", f"train.steps={steps}"]
    settings += [f"train.preview_every={steps}", f"train.checkpoint_every={steps}"]
    return Recipe().override(*settings, *(f"gan.{change}" for change in changes.split(",") if change))


def run_training(project: Project, recipe: Recipe, folder: Path) -> float:
    """Train from the start; return the seconds of all threads."""
    shutil.rmtree(folder, ignore_errors=True)
    began = time.process_time()
    for event in train(project, recipe, Control(), folder):
        if isinstance(event, Warned):
            print(event.text, flush=True)
    return time.process_time() - began


def train_for(project: Project, painter: str, images: Images, seconds: float, folder: Path) -> dict[str, Any]:
    """Train for about so many seconds of processor time, timed steps not counted; return steps and seconds."""
    steps = 1
    if getattr(generator_config(painter.partition(":")[0]), "trains", True):
        run_training(project, recipe_of(painter, images, TIMED[0]), folder)  # what happens once, such as imports
        short, long = (run_training(project, recipe_of(painter, images, number), folder) for number in TIMED)
        steps = max(2, round(seconds * (TIMED[1] - TIMED[0]) / max(long - short, 1e-3)))
    spent = run_training(project, recipe_of(painter, images, steps), folder)
    return {"steps": steps, "training_s": spent}


# ------------------------------------------------------------------------------------------------------------ measure


def paint(model: TrainedGenerator, masks: list[NDArray[Any]], noise: int = 0) -> Iterator[NDArray[Any]]:
    """Paint masks one by one, each with its own noise."""
    for index, labels in enumerate(masks):
        yield model.paint([labels], [random_stream(model.device, "painters", noise, index)], [0])[0].image


def measure(model: TrainedGenerator, unseen: list[SamplePair], own: list[SamplePair]) -> dict[str, Any]:
    """Compare painted tiles with real ones of unseen images, and time one mask of 256 px."""
    codec = model.codec
    painted = list(paint(model, [tile.labels for tile in unseen]))
    real, drawn, learned = (
        [torch.from_numpy(codec.encode_image(image)) for image in images]
        for images in ([tile.image for tile in unseen], painted, [tile.image for tile in own])
    )
    scale = Scale([torch.stack(real)])
    few = [tile.labels for tile in unseen[:SPREAD_MASKS]]
    noises = [np.stack([codec.encode_image(x) for x in paint(model, few, seed)]) for seed in range(SPREAD_NOISES)]
    side = model.side
    tiled = np.tile(unseen[0].labels, (-(-LARGE // side), -(-LARGE // side)))[:LARGE, :LARGE]
    spent = []
    for seed in range(3):
        began = time.process_time()
        next(paint(model, [tiled], seed))
        spent.append(time.process_time() - began)
    half = len(unseen) // 2
    return {
        "kernel_distance": kernel_distance(scale([torch.stack(drawn)]), scale.real),
        "kernel_distance_real": kernel_distance(scale([torch.stack(learned)]), scale.real),
        "spread": float(np.std(noises, axis=0).mean()),
        "grid": grid_peak([x.numpy() for x in drawn], [x.numpy() for x in real]),
        "grid_real": grid_peak([x.numpy() for x in real[:half]], [x.numpy() for x in real[half:]]),
        "ms_256": 1e3 * float(np.median(spent)),
    }


# -------------------------------------------------------------------------------------------------------------- report


def coloured_mask(tile: SamplePair) -> NDArray[np.uint8]:
    """Return labels as grey levels: classes each with its own, instances told apart by theirs."""
    labels = tile.labels
    grey = np.where(labels > 0, 255, 0) if labels.max() <= 1 else labels * 255 // max(len(tile.class_names), 1)
    if tile.mask_kind == "instances":
        grey = np.where(labels > 0, 100 + labels * 67 % 156, 0)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, -1)


def sheet(rows: dict[str, list[NDArray[np.uint8]]], zoom: int = 2) -> NDArray[np.uint8]:
    """Put rows of pictures (Y, X, 3) below each other, each with its name at the left."""
    side = len(next(iter(rows.values()))[0]) * zoom + MARGIN
    page = np.full((side * len(rows), 110 + side * SHOWN, 3), 255, np.uint8)
    names = Image.fromarray(page)
    for number, name in enumerate(rows):
        ImageDraw.Draw(names).text((4, side * number + side // 2), name[:18], fill=(0, 0, 0))
    page = np.array(names)
    for number, pictures in enumerate(rows.values()):
        for column, shown in enumerate(pictures[:SHOWN]):
            large = shown.repeat(zoom, 0).repeat(zoom, 1)
            y, x = side * number, 110 + side * column
            page[y : y + len(large), x : x + len(large)] = large
    return page


def draw_sheet(models: dict[str, TrainedGenerator], tiles: list[SamplePair]) -> NDArray[np.uint8]:
    """Draw masks, real tiles and what each painter makes of the masks, all with the contrast of the real ones."""
    rgb = tiles[0].is_rgb
    values = np.concatenate([tile.image.reshape(len(tile.image), -1) for tile in tiles], 1).astype(np.float32)
    between = [limits(values)] if rgb else [limits(channel) for channel in values[:3]]
    between = between * 3 if rgb else between
    masks = [tile.labels for tile in tiles]
    rows = {"mask": [coloured_mask(tile) for tile in tiles], "real": [picture(t.image, rgb, between) for t in tiles]}
    for name, model in models.items():
        rows[name] = [picture(image, rgb, between) for image in paint(model, masks)]
    return sheet(rows)


HEAD = ("painter", "kernel distance", "spread", "grid", "ms for 256²", "steps", "training, s")


def table(name: str, images: Images, found: dict[str, Any]) -> str:
    """Return the figures of a set as Markdown."""
    first = next(iter(found.values()))
    lines = [
        f"**{name}**, {images.train} images, tiles of {images.tile} px; real tiles of the training images: kernel "
        f"distance {first['kernel_distance_real']:.2f}; two halves of the real tiles: grid {first['grid_real']:.1f}",
        "",
        f"| {' | '.join(HEAD)} |",
        f"|{'---|' * len(HEAD)}",
    ]
    for painter, row in found.items():
        cells = [painter, f"{row['kernel_distance']:.2f}", f"{row['spread']:.3f}", f"{row['grid']:.1f}"]
        cells += [f"{row['ms_256']:.0f}", f"{row['steps']:,}", f"{row['training_s']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Train, measure, draw and print."""
    painters = [name for name in GENERATORS.names() if generator_config(name).kind == "painter"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--painters", nargs="+", default=painters, metavar="NAME[:KEY=VALUE,…]")
    parser.add_argument("--seconds", type=float, default=60, help="processor time of each training")
    parser.add_argument("--tiles", type=int, default=96, help="unseen tiles to paint, at most")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="two seconds of training, 16 tiles")
    parser.add_argument("--out", type=Path, default=Path("painters"))
    options = parser.parse_args()
    if options.small:
        options.seconds, options.tiles = 2, 16
    use_threads(options.threads)
    pages = []
    for name in options.sets:
        images, project = SETS[name], Project(options.out / name)
        prepare(project, options.data, images)
        unseen, own = (tiles_of(project, split, images.tile, options.tiles) for split in ("test", "train"))
        shown = unseen[:: max(1, len(unseen) // SHOWN)][:SHOWN]
        path = project.path / "figures.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        models = {}
        for painter in options.painters:
            folder = project.path / "runs" / painter.replace(":", "-").replace(",", "-")
            if painter not in found:
                trained = train_for(project, painter, images, options.seconds, folder)
                found[painter] = trained | measure(TrainedGenerator.from_run(Run(folder), device="cpu"), unseen, own)
                path.write_text(json.dumps(found, indent=1), encoding="utf-8")
                print(name, painter, found[painter], flush=True)
            models[painter] = TrainedGenerator.from_run(Run(folder), device="cpu")
        imwrite(project.path / "sheet.png", draw_sheet(models, shown))
        pages.append(table(name, images, {painter: found[painter] for painter in options.painters}))
    command = f"`python benchmarks/painters.py {shlex.join(sys.argv[1:])}`"
    machine = f"{platform.processor() or platform.machine()}, {options.threads} thread(s), processor time"
    text = "\n".join([*pages, f"{machine}, torch {torch.__version__}; {command}"])
    (options.out / "figures.md").write_text(f"{text}\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
