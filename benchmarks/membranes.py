"""Membranes learned on one microscope, marked on another, then painted: Drosophila VNC to CA1 hippocampus.

``python benchmarks/membranes.py DATA OUT [--steps 1000] [--painter-steps 2000]``

DATA holds ``drosophila_vnc_em`` and ``ca1_hippocampus_em``. Sections 00 to 08 are learned from, 10 to 13 are held out
(09 lies between). The U-Net is trained with noise and contrast changes and without; both are measured on the held-out
sections as they are, and on the same sections made unlike the others: contrast 0.5, brighter by 0.15, noise of σ 0.15
or 0.3 (where a section spans 0 to 1). CA1 has no membranes to compare with: the pictures in OUT show what was marked,
and what pix2pix paints after it learned from CA1 with both classes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Warned
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.split import split_table
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.agreement import mean_scores, pixel_scores
from napari_organoid_synth.core.segmentation.annotate import annotate, mark
from napari_organoid_synth.core.segmentation.segmenters.base import load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.network_input import intensity_range, normalise
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.segmentation.settings import AnnotateSettings
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.training.train import train

COLOURS = {"mitochondria": (255, 140, 0), "membranes": (0, 220, 255)}
WAYS = {"noise and contrast": {"noise": 0.2, "contrast": 0.4}, "neither": {"noise": 0.0, "contrast": 0.0}}


def project(path: Path, data: Path, classes: list[str], keep: list[str], test: list[str]) -> Project:
    """A project of the images whose names are in ``keep``."""
    opened = Project(path)
    table = find_pairs([str(data / "images")], {name: str(data / "masks" / name) for name in classes})
    table = table.replace(entries=tuple(entry for entry in table.entries if entry.name in keep))
    table = check_pairs(table)
    if test:
        table = split_table(table, test)
    table.to_file(opened.pairs_path)
    return opened


def finished(events: object) -> dict[str, object]:
    """Show warnings and progress of a verb; its result."""
    shown = time.monotonic()
    event: Event
    for event in events:  # type: ignore[attr-defined]
        if isinstance(event, Warned):
            print(f"warning: {event.text}", flush=True)
        if isinstance(event, Progress) and time.monotonic() - shown > 20:
            shown = time.monotonic()
            print(f"  {event.step}/{event.total} {event.note} {event.stats}", flush=True)
        if isinstance(event, Finished):
            return event.result
    raise RuntimeError("the verb did not finish")


def unlike(pair: SamplePair, seed: int, sigma: float) -> SamplePair:
    """The pair as if from another microscope."""
    image = normalise(pair.image, *intensity_range(pair.image))
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return pair.replace(image=((image - 0.5) * 0.5 + 0.65 + noise).astype(np.float32))


def grey(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    scaled = normalise(image, *intensity_range(image))[0].clip(0, 1)
    return np.repeat((255 * scaled).astype(np.uint8)[..., None], 3, -1)


def coloured(pair: SamplePair) -> NDArray[np.uint8]:
    """The classes in colour on the image."""
    shown = grey(pair.image).astype(float)
    for value, name in enumerate(pair.class_names, 1):
        shown[pair.labels == value] = 0.45 * shown[pair.labels == value] + 0.55 * np.array(COLOURS[name])
    return shown.astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--width", type=int, default=16, help="of the U-Net")
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--number", type=int, default=28, help="slices of CA1")
    parser.add_argument("--tests", type=int, default=4, help="held-out sections")
    parser.add_argument("--painter-steps", type=int, default=2000)
    parser.add_argument("--painter-tile", type=int, default=128)
    parser.add_argument("--painter-batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)

    vnc, ca1 = options.data / "drosophila_vnc_em", options.data / "ca1_hippocampus_em"
    sections = [f"section_{k:02d}" for k in (*range(9), *range(10, 14))]
    teacher = project(out / "vnc", vnc, ["mitochondria", "membranes"], sections, sections[9 : 9 + options.tests])
    slices = [path.stem for path in sorted((ca1 / "images").glob("*.png"))]
    slices = slices[:: max(1, len(slices) // options.number)][: options.number]
    held_out = load_pairs(teacher, "test")
    truth = [pair.labels == 1 + pair.class_names.index("membranes") for pair in held_out]

    print("| learned with | section | Dice | precision | recall | CA1 marked |")
    print("|---|---|---|---|---|---|")
    for way, strength in WAYS.items():
        pupil = project(out / ("ca1" if strength["noise"] else "ca1_plain"), ca1, ["mitochondria"], slices, [])
        settings = AnnotateSettings(
            source=str(teacher.path),
            unet=UNetConfig(channels=options.width, tile=options.tile, batch=options.batch),
            steps=options.steps,
            device="cpu",
            threads=options.threads,
            **strength,
        )
        began = time.process_time()
        result = finished(annotate(pupil, settings, Control()))
        seconds = time.process_time() - began
        unet = load_segmenter(Path(str(result["folder"])) / "segmenter", "cpu")
        rows = {"as it is": result["held_out"]}
        for sigma in (0.15, 0.3):
            changed = [
                pixel_scores(real, mark(unet, unlike(pair, seed, sigma), ["mitochondria"]))
                for seed, (pair, real) in enumerate(zip(held_out, truth, strict=True))
            ]
            rows[f"made unlike, σ {sigma}"] = mean_scores(changed)
        for name, scores in rows.items():
            row = " | ".join(f"{scores[key]:.3f}" for key in ("dice", "precision", "recall"))  # type: ignore[index]
            print(f"| {way} | {name} | {row} | {result['cover']:.1%} |", flush=True)
        print(f"  {seconds:.0f} s of processor time", flush=True)
        for pair in load_pairs(pupil)[:3]:
            side = np.hstack([grey(pair.image), coloured(pair)])
            Image.fromarray(side).save(out / f"{pupil.path.name}_{pair.name}.png")
        first = held_out[0]
        found = first.replace(labels=np.where(truth[0], 0, first.labels) + 2 * mark(unet, first, ["mitochondria"]))
        Image.fromarray(np.hstack([coloured(first), coloured(found)])).save(out / f"vnc_{pupil.path.name}.png")

    if not options.painter_steps:
        return
    pupil = Project(out / "ca1")
    recipe = Recipe().override(
        f"train.steps={options.painter_steps}",
        f"tiles.size={options.painter_tile}",
        f"train.batch={options.painter_batch}",
        f"train.threads={options.threads}",
        "train.device=cpu",
        "gan=pix2pix",
        "gan.scales=3",
    )
    began = time.process_time()
    finished(train(pupil, recipe, Control()))
    print(f"pix2pix: {options.painter_steps} steps, {time.process_time() - began:.0f} s of processor time", flush=True)
    result = finished(generate(pupil, GenerateSettings(number=6), Control()))
    with SampleStore(pupil.samples_path) as store:
        painted = [store.pair(id) for id in store.ids()[-6:]]
    rows = [np.hstack([coloured(pair), grey(pair.image)]) for pair in painted]
    Image.fromarray(np.vstack(rows)).save(out / "painted.png")
    print(json.dumps({key: value for key, value in result.items() if isinstance(value, int | str)}))


if __name__ == "__main__":
    main()
