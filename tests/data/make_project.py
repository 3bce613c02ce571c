"""Make ``project-0.1.zip``: a small project with a bit of everything, as version 0.1.0 wrote it.

``test_older_projects.py`` opens it with the present code. It was made at commit f5ff02c, with the package of
that commit, in an empty folder ``/home/anna`` (some files hold the absolute path of the project)::

    cd /home/anna && PYTHONPATH=<clone at f5ff02c>/src python make_project.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from napari_organoid_synth.core.blind_session import Answer, BlindSettings, keep_answer
from napari_organoid_synth.core.blind_test import make_session
from napari_organoid_synth.core.run import Run
from safetensors.torch import load_file, save
from torch import Tensor

from napari_organoid_synth.core.project import Project

FOLDER = Path("project-0.1")
TILES = ["tiles.size=64", "tiles.min_objects=0", "train.batch=2", "train.threads=1", "train.device=cpu"]
TRAIN = [*TILES, "train.steps=4", "train.checkpoint_every=4", "train.preview_every=4", "train.previews=1"]
UNET = ["segmenter.channels=8", "segmenter.depth=2", "segmenter.tile=64", "segmenter.batch=2", "device=cpu"]


def main() -> None:
    """Walk through every stage, then pack what is left of it."""
    run("simulate", "tissue", str(FOLDER / "simulated"), "--number", "4", "--size", "96", "--seed", "1")
    run("pair", str(FOLDER), "--images", str(FOLDER / "simulated"), "--kind", "instances", "--test", "2")
    train("--gan", "progan", settings=["draws=images", "gan.channels=8", "gan.latent=8"])
    run("generate", str(FOLDER), settings=["number=3", "batch=3", "device=cpu"])
    train("--gan", "pix2pix", settings=["gan.generator_channels=8", "gan.discriminator_channels=8"])
    run("generate", str(FOLDER), settings=["number=8", "batch=4", "device=cpu"])
    run("score", str(FOLDER), settings=["extractor=random", "device=cpu"])
    run("curate", str(FOLDER), "--accept", "best:3")
    run("curate", str(FOLDER), "--reject", rejected())
    run("map", str(FOLDER), settings=["extractor=random", "method=pca", "device=cpu"])
    run("export", str(FOLDER), settings=["formats=[ome-tiff, cellpose]"])
    answer_blind_test()
    run("segment", str(FOLDER), settings=[*UNET, "steps=2", "arms=[real, curated]", "threads=1"])
    gain = ["steps=2", "arms=[raw, synthetic]", "design=k-fold", "folds=2", "pairs=2", "generator_steps=2"]
    run("gain", str(FOLDER), settings=[*UNET, *gain, "scheduler=here"])
    prune()
    pack()


def run(*words: str, settings: list[str] | None = None) -> None:
    """Run one command in a process of its own, as a person would."""
    options = [part for setting in settings or [] for part in ("--set", setting)]
    subprocess.run([sys.executable, "-m", "napari_organoid_synth", *words, *options], check=True)


def train(*words: str, settings: list[str]) -> None:
    """Train a generator for four steps and round its weights, so that they take little room in the archive."""
    run("train", str(FOLDER), *words, settings=[*TRAIN, *settings])
    trained = Run(Project(FOLDER).run_path())
    checkpoint, tensors = trained.read()
    trained.put(rounded(tensors), checkpoint.step, checkpoint.numbers)


def rejected() -> str:
    """The first sample without a verdict."""
    from napari_organoid_synth.core.curation import SampleStore

    with SampleStore(Project(FOLDER).samples_path) as store:
        return store.ids("new")[0]


def answer_blind_test() -> None:
    """Call the first three of four pictures real."""
    session = make_session(Project(FOLDER), BlindSettings(number=4, samples="all", observer="Anna", seed=1))
    for question in range(3):
        session = keep_answer(session, Answer(question, "real", 2.0 + question))


def prune() -> None:
    """Drop what only takes room: what is computed again when missing, most error pictures, digits of weights."""
    for path in [FOLDER / "features", *FOLDER.glob("segment/*/tasks/*/project/runs/*/checkpoints")]:
        shutil.rmtree(path)
    for path in [path for path in FOLDER.rglob("*_errors.png") if path.name != "tissue_00004_errors.png"]:
        path.unlink()
    for path in FOLDER.glob("segment/*/segmenters/**/segmenter.safetensors"):
        path.write_bytes(rounded(load_file(path)))


def rounded(tensors: dict[str, Tensor]) -> bytes:
    """The tensors as safetensors, in steps of a twelfth, which can be packed well."""
    kept = {name: (12 * one).round() / 12 if one.is_floating_point() else one for name, one in tensors.items()}
    return save(kept)


def pack() -> None:
    """Write the archive, all its times alike."""
    with zipfile.ZipFile(f"{FOLDER}.zip", "w") as archive:
        for path in sorted(FOLDER.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.as_posix(), (2026, 1, 1, 0, 0, 0))
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_LZMA)


if __name__ == "__main__":
    main()
