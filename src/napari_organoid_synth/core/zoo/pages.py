"""The pages and citations of model packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.runs.card import Card

CITED = {
    "pix2pix": ("Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks", "1611.07004"),
    "cyclegan": ("Zhu et al. 2017, Unpaired Image-to-Image Translation", "1703.10593"),
    "flow": ("Lipman et al. 2023, Flow Matching for Generative Modeling", "2210.02747"),
    "flow_joint": ("Lipman et al. 2023, Flow Matching for Generative Modeling", "2210.02747"),
    "dcgan": ("Radford et al. 2016, Unsupervised Representation Learning with DCGAN", "1511.06434"),
    "aae": ("Makhzani et al. 2015, Adversarial Autoencoders", "1511.05644"),
    "cgan": ("Mirza and Osindero 2014, Conditional Generative Adversarial Nets", "1411.1784"),
    "infogan": ("Chen et al. 2016, InfoGAN", "1606.03657"),
    "gan": ("Goodfellow et al. 2014, Generative Adversarial Networks", "1406.2661"),
    "progan": ("Karras et al. 2018, Progressive Growing of GANs", "1710.10196"),
    "stylegan": ("Karras et al. 2019, A Style-Based Generator Architecture", "1812.04948"),
    "stylegan2_ada": ("Karras et al. 2020, Training Generative Adversarial Networks with Limited Data", "2006.06676"),
    "unet": ("Ronneberger et al. 2015, U-Net", "1505.04597"),
}
"""Title and arXiv number of the publication of each network."""
CONDITIONS = {
    "classes": "One map for each class: 1 on its pixels, −1 elsewhere.",
    "edges": "The maps of the objects, 1 on their pixels and −1 elsewhere, and last a map that is 1 on the pixels of "
    "objects with a neighbour above, below, left or right that has another label, −1 elsewhere.",
    "flow": "The heat flow of the objects as napari-organoid-synth encodes it.",
    "labels": "Each label hashed to a number between −1 and 1, as napari-organoid-synth does; the background is −1.",
}


def cited(name: str) -> list[dict[str, str]]:
    """Return what to cite: the publication of the network."""
    title, number = CITED.get(name, CITED["gan"])
    return [{"text": title, "doi": f"10.48550/arXiv.{number}"}]


def generator_page(card: Card, codec: Codec, inputs: Sequence[dict[str, Any]], is_still: bool) -> str:
    """Return the README of a generator."""
    names = [one["id"] for one in inputs]
    lines = [
        f"# {card.name}",
        card.note,
        f"Draws synthetic images ({card.generator}), trained with napari-organoid-synth {card.software} for "
        f"{card.steps} steps on {plural(card.pairs, 'annotated image')}.",
        "## Input",
    ]
    if "mask" in names:
        lines += [f"**mask**: {CONDITIONS[codec.condition]}", f"Labels: {', '.join(codec.class_names)}."]
    if "noise" in names:
        lines.append("**noise**: numbers of the standard normal distribution; other numbers give another image.")
    elif is_still:
        lines.append("Here a mask always gives the same image; in napari-organoid-synth it varies from image to image.")
    lines += [
        "## Output",
        f"**image**: float32 in the intensities of the originals ({codec.dtype}); round and clip it to that type.",
        "## Validation",
        "Generate images for masks that were not learned from and train a segmenter with and without them, each time "
        "on the same real images; only real images are tested. `organoid-synth gain` does that.",
        *(f"- {name.replace('_', ' ')}: {value:.4g}" for name, value in card.metrics.items()),
        "## In napari-organoid-synth",
        "The model is attached as `model.synth`: `organoid-synth import-model PROJECT THIS_FILE.zip`.",
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def unet_page(name: str, note: str, classes: Sequence[str], sides: str) -> str:
    """Return the README of a U-Net."""
    lines = [
        f"# {name}",
        note,
        "A U-Net that was trained with napari-organoid-synth.",
        "## Input",
        f"**image**: native intensities; {sides}. The percentiles 1 and 99.8 of a channel become 0 and 1.",
        "## Output",
        f"**shares**: the share of each class ({', '.join(classes)}) at each pixel; they add up to 1.",
        "## Validation",
        "Compare the class with the largest share with masks of images that were not learned from, such as by Dice.",
        "## In napari-organoid-synth",
        "`organoid-synth import-model PROJECT THIS_FILE.zip`, then `organoid-synth predict`.",
    ]
    return "\n\n".join(line for line in lines if line) + "\n"
