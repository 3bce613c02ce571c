"""Arms by segmenters on a set of real images: the table of a gain, with few folds.

    python benchmarks/gain_tables.py drosophila_vnc_em --steps 300 --generator-steps 500 --folds 2

SET is a folder below ORGANOID_SYNTH_DATA with ``images`` and ``masks``. Every segmenter there is, or those given with
``--segmenters``, is trained with every arm. All comparisons lie in one folder, so that the generators of the folds are
trained once for all segmenters, and a table that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.sentences import table_lines
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control, Finished, Progress, Warned
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.arms import data_of

ARMS = (
    "raw", "classical", "classical-tissue", "classical-organoid", "classical+pasted", "classical+simulated",
    "raw+synthetic", "classical+synthetic", "classical+curated", "pretrain", "synthetic-only",
)  # fmt: skip


def masks_of(folder: Path) -> str | dict[str, str]:
    """The folder of masks, or the folder of each class."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    return {path.name: str(path) for path in classes} if classes else str(folder)


def main() -> None:
    """Print a table for each segmenter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", metavar="SET", help="folder below ORGANOID_SYNTH_DATA")
    parser.add_argument("--out", type=Path, default=Path("gain_tables"))
    parser.add_argument("--segmenters", nargs="+", default=SEGMENTERS.names())
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    parser.add_argument("--masks", default="masks", help="folder of the masks in SET; folders in it are classes")
    parser.add_argument("--begins", default="", help="only images whose names begin so")
    parser.add_argument("--most", type=int, default=12, help="images that are used")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--gan", default="pix2pix")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="seeds")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--generator-steps", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--set", dest="more", action="append", default=[], help="of the generator: key=value")
    parser.add_argument("--segmenter", dest="how", action="append", default=[], help="of the segmenter: key=value")
    options = parser.parse_args()

    data = Path(os.environ["ORGANOID_SYNTH_DATA"]) / options.images
    project = Project(options.out / options.images)
    if not project.pairs_path.exists():
        table = check_pairs(find_pairs(str(data / "images"), masks_of(data / options.masks))).scaled(options.scale)
        used = [entry for entry in table.matched if entry.masks and entry.name.startswith(options.begins)][
            : options.most
        ]
        PairTable(**{**dict(table), "entries": tuple(used)}).to_file(project.pairs_path)
    arms = [
        arm
        for arm in options.arms
        if data_of(arm) != "simulated" or PairTable.from_file(project.pairs_path).mask_kind != "classes"
    ]
    recipe = Recipe().override(
        f"gan={options.gan}", f"tiles.size={options.tile}", f"train.steps={options.generator_steps}", *options.more
    )
    recipe.to_file(project.path / "recipe.yaml")
    for name in options.segmenters:
        settings = GainSettings(
            segmenter=name, arms=arms, folds=options.folds, repeats=options.repeats, steps=options.steps,
            pairs=options.pairs, generator="recipe.yaml", workers=options.workers,
        )  # fmt: skip
        tile = f"segmenter.{'tile' if 'tile' in type(settings.segmenter).model_fields else 'side'}={options.tile}"
        settings = settings.override(tile, *(f"segmenter.{one}" for one in options.how))
        began = time.perf_counter()
        for event in gain(project, settings, Control(), project.path / "segment" / f"tables-{recipe.digest}"):
            if isinstance(event, Warned):
                print(event.text, flush=True)
            if isinstance(event, Progress):
                print(
                    f"{event.step}/{event.total} {event.note} {event.seconds_left or 0:.0f} s left",
                    end="\r",
                    file=sys.stderr,
                )
            if isinstance(event, Finished):
                print(f"\n{options.images}, {name}, {time.perf_counter() - began:.0f} s")
                result = GainResult.parse(event.result)
                print("\n".join([*table_lines(result.table), *result.sentences]), flush=True)
                (project.path / f"{name}.json").write_text(json.dumps(event.result, indent=1))


if __name__ == "__main__":
    main()
