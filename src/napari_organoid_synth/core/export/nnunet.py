"""The layout of nnU-Net v2, by its own rules: names of labels and channels, and instances as core and border."""

from __future__ import annotations

import json
import re

from napari_organoid_synth.core.export.border_core import to_border_core
from napari_organoid_synth.core.export.layout import (
    Layout,
    LayoutFile,
    SetDescription,
    as_classes,
    as_image,
    class_numbers,
    is_named,
)
from napari_organoid_synth.core.pairs.pair import SamplePair

_SCHEMES = ("ct", "nonorm", "zscore", "rescale_to_0_1", "rgb_to_0_1")
"""Channels of these names are scaled in a way of their own."""


class NnUNet(Layout):
    """nnU-Net v2: one file per channel (RGB in one), class labels and ``dataset.json``.

    nnU-Net divides the training cases into folds itself; test pairs are in ``imagesTs`` and ``labelsTs``.
    """

    name = "nnunet"
    labels_note = (
        "Class numbers, a class named background is 0 and one named ignore the last. Instances are written as core (1) "
        "and border (2); instances_from_border_core turns predictions back into instances."
    )
    folders = ("imagesTr", "labelsTr", "imagesTs", "labelsTs")
    uniform = True
    number = 501

    def root(self, project: str) -> str:
        """Return ``Dataset501_Name`` as nnU-Net requires."""
        name = "".join(part[:1].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", project))
        return f"Dataset{self.number:03d}_{name or 'Organoids'}"

    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return ``NAME_0000.tif`` and so on, and ``NAME.tif`` with the labels."""
        end = {"train": "Tr", "test": "Ts"}[split]
        if pair.is_rgb:
            images = [LayoutFile(f"images{end}/{pair.name}_0000.tif", as_image(pair), channels_last=True)]
        else:
            images = [
                LayoutFile(f"images{end}/{pair.name}_{number:04d}.tif", channel)
                for number, channel in enumerate(pair.image)
            ]
        labels = to_border_core(pair.labels) if pair.mask_kind == "instances" else as_classes(pair)
        return [*images, LayoutFile(f"labels{end}/{pair.name}.tif", labels, role="labels")]

    def documents(self, description: SetDescription) -> dict[str, str]:
        """Return ``dataset.json``."""
        channels = ("R", "G", "B") if description.is_rgb else description.channel_names
        record = {
            "channel_names": {str(number): _channel(name) for number, name in enumerate(channels)},
            "labels": _labels(description),
            "numTraining": description.n_train,
            "file_ending": ".tif",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        }
        return {"dataset.json": json.dumps(record, indent=2, ensure_ascii=False)}


def _labels(description: SetDescription) -> dict[str, int]:
    """Return name and number of each label, in the order of the numbers."""
    if description.mask_kind == "instances":
        return {"background": 0, "core": 1, "border": 2}
    if description.mask_kind == "binary":
        name = (description.class_names[:1] or ("",))[0]
        return {"background": 0, "object" if is_named(name, "background", "ignore", "") else name: 1}
    numbers = sorted(class_numbers(description.class_names).items(), key=lambda item: item[1])
    names = {"ignore" if is_named(name, "ignore") else name: number for name, number in numbers if number}
    return {"background": 0, **names}


def _channel(name: str) -> str:
    return f"channel {name}" if is_named(name, *_SCHEMES) else name
