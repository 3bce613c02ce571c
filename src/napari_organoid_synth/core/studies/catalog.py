"""The studies that can be run, with what each needs; torch-free, so that a list of them costs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.registry import load
from napari_organoid_synth.core.spelling import did_you_mean
from napari_organoid_synth.core.studies.settings import FILE, Size, StudySettings, name_in


@dataclass(frozen=True)
class Study:
    """A published study.

    Parameters
    ----------
    title : str
        What it is about, in a few words.
    paper : str
        Authors, year, title and journal.
    question : str
        What it compares, in a sentence.
    data : str
        What the folder of images must hold.
    needs : dict of str to str
        Computer that each size is meant for.
    takes : dict of str to str
        Time of each size there.
    sizes : str
        ``"module:DICT"`` below ``core``: the settings of each size; torch-free.
    plan : str
        ``"module:function"`` below ``core``: from folder and settings to the parts and the page.
    """

    title: str
    paper: str
    question: str
    data: str
    needs: dict[Size, str]
    takes: dict[Size, str]
    sizes: str
    plan: str

    def settings(self, size: str) -> StudySettings:
        """Return the settings of a size."""
        settings: StudySettings = load(self.sizes)[size]
        return settings


TWO_CORES, CARD = "two processor cores, 8 GB of memory", "a graphics card"

STUDIES: dict[str, Study] = {
    "organoid": Study(
        title="Synthetic bright-field images of cerebral organoids",
        paper="Brémond Martin et al. 2022, VISAPP",
        question="Which of five generators, and which of six losses of an adversarial autoencoder, draws organoids "
        "that are like the originals and help a U-Net?",
        data="images/ and masks/ of one organoid each, at least eight pairs of any size, grey or RGB",
        needs={"small": TWO_CORES, "published": CARD},
        takes={"small": "under an hour", "published": "days: the U-Nets alone took 280 h in the study"},
        sizes="studies.organoid_settings:SIZES",
        plan="studies.organoid:plan",
    ),
    "em": Study(
        title="Electron micrographs painted on masks of mitochondria and membranes",
        paper="a study of pix2pix with three discriminators for mitochondria",
        question="Do painted micrographs, on membranes that were predicted by transfer, help a U-Net to find "
        "mitochondria?",
        data="a folder for each of two sets, with images/, masks/mitochondria/ and, in one of them, masks/membranes/",
        needs={"small": TWO_CORES, "published": CARD},
        takes={"small": "under an hour", "published": "about a day"},
        sizes="studies.em_settings:SIZES",
        plan="studies.em:plan",
    ),
    "blastocyst": Study(
        title="Synthetic human blastocysts by grade",
        paper="a study of ProGAN and StyleGAN on images of human blastocysts",
        question="Does ProGAN or StyleGAN draw blastocysts of a grade that are like real ones of that grade?",
        data="images/ without masks, at least sixteen, and a table (CSV) with the grade beside the name of each image",
        needs={"small": TWO_CORES, "published": CARD},
        takes={"small": "under an hour", "published": "days"},
        sizes="studies.blastocyst_settings:SIZES",
        plan="studies.blastocyst:plan",
    ),
    "spheroid": Study(
        title="Spheroids found by an adversarial multiscale network",
        paper="a study of a multiscale deep adversarial network for spheroids",
        question="Does an adversary help a network to find spheroids, on easy and on hard images?",
        data="images/ and masks/ of one spheroid each, at least twelve pairs",
        needs={"small": TWO_CORES, "published": CARD},
        takes={"small": "under an hour", "published": "about a day"},
        sizes="studies.spheroid_settings:SIZES",
        plan="studies.spheroid:plan",
    ),
    "tissue": Study(
        title="Structure-preserving synthesis of tissue with touching cells",
        paper="Tasnádi, Sliz-Nagy and Horváth 2023, Cell Reports Methods",
        question="Do masks that are drawn as flows, and images painted onto them, help StarDist and Cellpose?",
        data="images/ and masks/ with a number for each cell, at least eight pairs",
        needs={"small": TWO_CORES, "published": CARD},
        takes={"small": "under an hour", "published": "days"},
        sizes="studies.tissue_settings:SIZES",
        plan="studies.tissue:plan",
    ),
}


def find_study(name: str) -> Study:
    """Return the study of a name.

    Raises
    ------
    UserError
        If there is none.
    """
    if name not in STUDIES:
        near = did_you_mean(name, STUDIES) or "See 'organoid-synth list studies'."
        raise UserError(f"There is no study '{name}'.", f"Expected one of: {', '.join(STUDIES)}.", near)
    return STUDIES[name]


def study_settings(name: str, data: str = "", size: str = "small", *overrides: str) -> StudySettings:
    """Return the settings of a study at a size.

    Parameters
    ----------
    name : {"organoid", "em", "blastocyst", "spheroid", "tissue"}
        Of the study.
    data : str
        Folder of its images.
    size : {"small", "published"}
        ``small`` ends within an hour on two cores, ``published`` is as in the paper.
    *overrides : str
        Other values, such as ``"seed=1"``.

    Returns
    -------
    StudySettings
        Of the class of that study.

    Raises
    ------
    UserError
        If there is no such study, size or setting.
    """
    study = find_study(name)
    if size not in study.takes:
        raise UserError(
            f"There is no size '{size}'.",
            f"Expected one of: {', '.join(study.takes)}.",
            did_you_mean(size, study.takes),
        )
    settings = study.settings(size).override(*overrides)
    return settings.replace(data=str(data)) if data else settings


def listed() -> dict[str, dict[str, Any]]:
    """Return all studies as plain values, with a ``summary`` each."""
    return {
        name: {
            "summary": study.title,
            "paper": study.paper,
            "question": study.question,
            "data": study.data,
            "needs": study.needs,
            "takes": study.takes,
        }
        for name, study in STUDIES.items()
    }


def settings_in(
    folder: Path, name: str, data: str = "", size: str | None = None, overrides: Sequence[str] = ()
) -> StudySettings:
    """Return the settings for a study in a folder: those of its ``study.yaml`` where there is one; what is given wins.

    Parameters
    ----------
    folder : Path
        Of the study; need not exist.
    name, data, overrides
        As in `study_settings`.
    size : {"small", "published"}, optional
        Default: that of the folder, else small.

    Raises
    ------
    UserError
        If the folder holds another study, or the same one at another size.
    """
    there = name_in(folder)
    if not there:
        return study_settings(name, data, size or "small", *overrides)
    find_study(name)
    if there != name:
        raise UserError(
            f"{folder} holds the study '{there}'.", f"Expected a new folder, or one of the study '{name}'.",
            "Choose another folder.",
        )  # fmt: skip
    settings = type(find_study(name).settings("small")).from_file(folder / FILE)
    if size is not None and size != settings.size:
        raise UserError(
            f"{folder} holds this study at the size '{settings.size}'.",
            f"Expected a new folder for the size '{size}', so that both results stay.",
            "Choose another folder.",
        )
    settings = settings.override(*overrides)
    return settings.replace(data=str(data)) if data else settings
