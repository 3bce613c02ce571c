"""What synthetic pairs are worth on a set of real images: the table of the arms, trained to their plateau.

    python benchmarks/worth.py DATA --set nuclei --images 3 --seeds 3 --out worth
    python benchmarks/worth.py DATA --set em --generator analogy --generator pix2pix --masks arranged --masks moved
    python benchmarks/worth.py --summary --out worth

DATA holds the folders of the sets, each with ``images`` and ``masks``. Training images are drawn by ``--draw``; all
others are tested. Images that belong together (volumes, wells, plates) stay on one side: of a volume the first or the
last sections are learned from. A generator learns from the training parts alone. Every arm is a U-Net of 16 channels
and three levels with four crops a step, trained until its held-back score stops rising. The same command continues
after a stop.

Several generators are arms of one comparison. Each layout of masks is a comparison of its own, which takes over the
arms without a generator that another one of the same images trained. ``--recipe pix2pix:gan.upsample=resize`` is a
setting of one generator, without a name it is one of all. It prints a Markdown table, the sentences, the machine and
the command; ``--summary`` prints one table of everything in ``--out``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree, which
from typing import Any

import numpy as np

from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.results import GainResult, PairedChange, TableRow, main_rows
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control, Finished, Progress, Warned
from napari_organoid_synth.core.pairs.filenames import natural
from napari_organoid_synth.core.pairs.groups import groups_of
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.split import choose_test
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.segmentation.arms import SCORES, has_ratio, needs_generator, title_of

ARMS = ("raw", "classical", "classical+pasted", "classical+synthetic")


@dataclass(frozen=True)
class Images:
    """A set: folders, beginnings of the names, scale, side of crops (px), and how many images by name are used.

    Several folders of masks are classes. The other images of nuclei and EM were used to choose the strength of
    classical augmentation. A generator learns from tiles of 128 px, or of 64 px where images are that small.
    """

    folder: str
    masks: tuple[str, ...] = ("masks",)
    begins: tuple[str, ...] = ("",)
    scale: float = 1.0
    crop: int = 96
    tile: int = 128
    most: int = 1000


SETS = {
    "nuclei": Images("nuclei_dsb2018", begins=("fluorescence",), crop=64, most=18),
    "histology": Images("nuclei_dsb2018", begins=("histology",), crop=64, most=18),
    "em": Images("drosophila_vnc_em", masks=("masks/mitochondria",), scale=0.25, crop=64, tile=64, most=10),
    "em-classes": Images(
        "drosophila_vnc_em", masks=("masks/mitochondria", "masks/membranes"), scale=0.25, crop=64, tile=64, most=10
    ),
    "spheroids": Images("spheroids_microwell_phase", scale=0.5),
    "organoids": Images("cerebral_organoids_brightfield", begins=("abnormal", "budding", "normal"), scale=0.25),
}


def prepare(project: Project, data: Path, images: Images, number: int, draw: int) -> PairTable:
    """Pair the set, draw the training images, put all others aside, and write the table of the project."""
    if project.pairs_path.exists():
        return PairTable.from_file(project.pairs_path)
    folder = data / images.folder
    masks: Any = str(folder / images.masks[0])
    if len(images.masks) > 1:
        masks = {Path(name).name: str(folder / name) for name in images.masks}
    table = check_pairs(find_pairs(str(folder / "images"), masks)).scaled(images.scale)
    entries = [entry for entry in table.matched if entry.masks and entry.name.startswith(images.begins)]
    entries = sorted(entries, key=lambda entry: natural(Path(entry.name)))[: images.most]
    table = PairTable(**{**dict(table), "entries": tuple(entries)})
    train = set(choose_test(groups_of(table), number, np.random.default_rng(draw)))
    split = [entry.replace(split="train" if entry.name in train else "test") for entry in entries]
    table = PairTable(**{**dict(table), "entries": tuple(split)})
    table.to_file(project.pairs_path)
    return table


def change(one: PairedChange | None) -> str:
    """Return mean and interval of a change."""
    return f"{one.mean:+.3f} [{one.low:.3f}, {one.high:.3f}]" if one is not None else "–"


def line(row: TableRow, score: str) -> str:
    """Return a row of the Markdown table."""
    share = "–"
    if row.ratio is None:
        share = "chosen: " + ", ".join(f"{ratio:g}" for ratio in row.chosen)
    elif has_ratio(row.arm):
        share = f"{row.ratio:g}"
    state = f"{row.trainings - row.rising} of {row.trainings}"
    cells = [
        title_of(row.arm, row.curation),
        *([f"{100 * row.subset:.3g} %"]),
        share,
        f"{row.scores[score].mean:.3f} ± {row.scores[score].sd_seeds:.3f}",
        change(row.gain.get(score)),
        change(row.over_best.get(score)),
        f"{row.steps:,}",
        state + (f", wants {row.wanted:,}" if row.wanted else ""),
        f"{row.seconds / 60:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def take_over(folder: Path) -> int:
    """Copy finished trainings of other comparisons of these images; those that do not fit are never looked at."""
    copied = 0
    for result in sorted(folder.parent.glob(f"{folder.name.split(',')[0]}*/tasks/arm-*/result.json")):
        target = folder / "tasks" / result.parent.name
        if not target.exists():
            copytree(result.parent, target)
            copied += 1
    return copied


SUMMARY = (
    "| set | images | masks | arm | score, mean ± SD over seeds | over the best without a generator | share chosen | "
    "at the plateau |"
)


def summary(folder: Path) -> str:
    """Return the table of all results in a folder of comparisons, the arms that stand for their ratios alone."""
    lines = [SUMMARY, f"|{'---|' * SUMMARY.count(' | ')}---|"]
    for path in sorted(folder.glob("*/*.json")):
        content: dict[str, Any] = json.loads(path.read_text())
        if path.name in {"pairs.json", "organoid-synth.json"} or not {"result", "table"} & content.keys():
            continue
        result = GainResult.parse(content.get("result", content))
        images_of, number, draw = path.parent.name.rsplit("-", 2)
        which = f"{images_of}, draw {draw.removeprefix('draw')}"
        which += f", {path.stem.split(',')[0]}" * (not path.stem.startswith("unet"))
        for row in main_rows(result.table):
            names = row.generator or content.get("generator", "")
            chosen = ", ".join(f"{ratio:g}" for ratio in row.chosen) or ("–" if not has_ratio(row.arm) else "one")
            score = row.scores[result.score]
            cells = [
                which,
                f"{row.trained_on:g} of {number}" if row.subset < 1 else number,
                content.get("masks", "–") if needs_generator(row.arm) else "–",
                title_of(row.arm, row.curation) + f" ({names})" * bool(names and needs_generator(row.arm)),
                f"{score.mean:.3f} ± {score.sd_seeds:.3f} {SCORES[result.score].split(' (')[0]}",
                "**the best without**" if row.arm == result.rival else change(row.over_best.get(result.score)),
                chosen,
                f"{row.trainings - row.rising} of {row.trainings}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def report(result: GainResult, table: PairTable, seconds: float) -> str:
    """Return the table with what it was made from, the sentences, the machine and the command."""
    score, groups = result.score, groups_of(table)
    name = SCORES[score]
    head = (
        f"| arm | images | share | {name}, mean ± SD over seeds | change against raw | over the best without a "
        "generator | steps | at the plateau | minutes each |"
    )
    train, test = (tuple(entry.name for entry in part) for part in (table.train, table.test))
    return "\n".join(
        [
            f"Trained on {len(train)}: {', '.join(train)}. Tested on {len(test)} others. {groups.description}.",
            "",
            head,
            f"|{'---|' * head.count(' | ')}---|",
            *(line(row, score) for row in result.table),
            "",
            *(f"- {text}" for text in (*result.sentences, *result.warnings)),
            "",
            f"Best without a generator: {title_of(result.rival)}. {result.tasks.done} of {result.tasks.total} tasks, "
            f"{seconds / 60:.0f} min in this call; {platform.machine()}, {platform.system()}, one thread a worker.",
            f"`python benchmarks/worth.py {shlex.join(sys.argv[1:])}`",
        ]
    )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--summary", action="store_true", help="print one table of the results in --out")
    parser.add_argument("--set", dest="images_of", choices=SETS, default="nuclei")
    parser.add_argument("--images", type=int, default=3, help="training images; whole groups, so about so many")
    parser.add_argument("--most", type=int, default=0, help="images of the set that are used, the first by name")
    parser.add_argument("--draw", type=int, default=0, help="seed that draws them")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of every arm")
    parser.add_argument("--arms", nargs="+", default=list(ARMS))
    parser.add_argument("--shares", type=float, nargs="+", default=[1.0], help="of the training images, for a curve")
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.25, 1.0], help="synthetic crops for a real one")
    parser.add_argument("--steps", type=int, default=6000, help="most steps of a training")
    parser.add_argument("--segmenter", default="unet")
    parser.add_argument("--generator", action="append", default=[], help="repeatable; default: pix2pix")
    parser.add_argument("--masks", action="append", default=[], help="layout that painters paint on, repeatable")
    parser.add_argument("--generator-steps", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=60, help="pairs that a generator makes")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--with", dest="more", action="append", default=[], help="key=value of the settings of gain")
    parser.add_argument("--recipe", action="append", default=[], help="key=value of the recipe of the generator")
    parser.add_argument("--no-compile", action="store_true", help="of the U-Net, where there is a C++ compiler")
    parser.add_argument("--out", type=Path, default=Path("worth"))
    options = parser.parse_args()
    if options.summary:
        print(summary(options.out))
        return
    if options.data is None:
        parser.error("give the folder of the sets, or --summary")
    for masks in options.masks or [""]:
        measure(options, masks)


def recipes(options: argparse.Namespace, project: Project, tile: int) -> dict[str, str]:
    """Write a recipe for each generator; return its file by its name."""
    names = options.generator or ["pix2pix"]
    files = {name: "recipe.yaml" if len(names) == 1 else f"{name}.yaml" for name in names}
    for name, file in files.items():
        own = [setting.split(":", 1) if ":" in setting.split("=")[0] else ("", setting) for setting in options.recipe]
        recipe = Recipe().override(
            f"gan={name}",
            f"tiles.size={tile}",
            f"train.steps={options.generator_steps}",
            *(setting for who, setting in own if who in ("", name)),
        )
        recipe.to_file(project.path / file)
    return files


def measure(options: argparse.Namespace, masks: str) -> None:
    """Make one comparison, and print and write its table."""
    images = SETS[options.images_of]
    images = replace(images, most=options.most or images.most)
    project = Project(options.out / f"{options.images_of}-{options.images}-draw{options.draw}")
    table = prepare(project, options.data, images, options.images, options.draw)
    files = recipes(options, project, images.tile)
    settings = GainSettings(
        segmenter=options.segmenter, arms=options.arms, design="hold-out", repeats=options.seeds,
        subsets=options.shares, ratios=options.ratios, steps=options.steps, pairs=options.pairs,
        generator=tuple(files.values()), workers=options.workers, threads=1, **({"masks": masks} if masks else {}),
    )  # fmt: skip
    own = []
    if options.segmenter == "unet":
        quick = not options.no_compile and which(os.environ.get("CXX", "g++")) is not None
        own = ["channels=16", "depth=3", "batch=4", f"compile={str(quick).lower()}"]
        own = [f"segmenter.{setting}" for setting in own]
    tile = "tile" if "tile" in type(settings.segmenter).model_fields else "side"
    settings = settings.override(*own, f"segmenter.{tile}={images.crop}", *options.more)
    name = ", ".join([options.segmenter, *([masks] if masks else []), *([*files] if len(files) > 1 else [])])
    folder = project.path / "segment" / f"worth-{name}"
    began, done = time.perf_counter(), -1
    if copied := take_over(folder):
        print(f"{copied} trainings of other comparisons are at hand", file=sys.stderr, flush=True)
    for event in gain(project, settings, Control(), folder):
        if isinstance(event, Warned):
            print(event.text, flush=True)
        elif isinstance(event, Progress) and event.step != done:
            done = event.step
            left = f", {event.seconds_left / 60:.0f} min left" if event.seconds_left else ""
            print(f"{done} of {event.total} tasks done{left}", file=sys.stderr, flush=True)
        elif isinstance(event, Finished) and event.result:
            text = report(GainResult.parse(event.result), table, time.perf_counter() - began)
            print(f"\n{text}", flush=True)
            (project.path / f"{name}.md").write_text(f"{text}\n")
            content = {"result": event.result, "masks": settings.masks, "generator": ", ".join(files)}
            (project.path / f"{name}.json").write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
