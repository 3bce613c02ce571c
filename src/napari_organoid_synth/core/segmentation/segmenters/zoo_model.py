"""A segmentation model of the BioImage Model Zoo, run by the zoo's own library.

It takes the weights as TorchScript or ONNX; weights that need the Python source of their network are refused, since
such source could do anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event
from napari_organoid_synth.core.segmentation.segmenters.base import Prediction, Segmenter
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.instances import split_instances
from napari_organoid_synth.core.segmentation.segmenters.network_input import reflect_to
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR
from napari_organoid_synth.core.segmentation.segmenters.zoo_model_config import PACKAGE, ZooModelConfig

FORMATS = ("torchscript", "onnx")
"""Weights that hold a network but no program."""
UNIT, LEAST = 64, 128
"""Sides of what the model sees are multiples of the first, at least the second, px, where it does not say."""


class ZooModel(Segmenter):
    """Runs the model as it describes itself, with its own pre- and postprocessing."""

    config: ZooModelConfig

    def build(self) -> nn.Module:
        """Build nothing: the weights are in the package."""
        return nn.Identity()

    def recall(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Open the package.

        Raises
        ------
        UserError
            If the library is missing, or the weights need a program.
        """
        try:
            from bioimageio.core import create_prediction_pipeline, load_model_description
        except ModuleNotFoundError:
            raise UserError(
                "The package 'bioimageio.core' is not installed.",
                "Models of the zoo are run by it.",
                'Run: pip install "napari-organoid-synth[zoo]"',
            ) from None
        self.model = load_model_description(folder / PACKAGE, perform_io_checks=False)  # which would download links
        usable = [one for one in FORMATS if getattr(self.model.weights, one, None) is not None]
        if not usable:
            raise UserError(
                f"The weights of {facts.get('zoo') or folder.name} need a program that comes with them.",
                f"Expected {' or '.join(FORMATS)}.",
                "Choose another model.",
            )
        self.pipeline = create_prediction_pipeline(self.model, weight_format=usable[0], devices=[str(self.device)])

    def fit(
        self, pool: CropPool, steps: int, control: Control, keep: Path | None = None, floor: int = FLOOR
    ) -> Iterator[Event]:
        """Refuse: it is as it is."""
        raise UserError("A model of the zoo is not trained here.", "Expected another segmenter.", "Choose unet.")
        yield

    @torch.inference_mode()
    def predict(self, image: NDArray[Any]) -> Prediction:
        """Predict the image as a whole, continued by reflection to a size that the model takes."""
        from bioimageio.core import predict
        from bioimageio.core.digest_spec import get_member_id

        self._check(image)
        height, width = image.shape[1:]
        source, target = self.model.inputs[0], self.model.outputs[0]
        axes = [str(getattr(one, "id", one)) for one in source.axes]
        planes = reflect_to(image.astype(np.float32), *self._size(source, axes, (height, width)))
        kept = {"b": 0, "batch": 0} if not {"c", "channel"} & set(axes) else {}
        given = planes[0] if kept else planes
        for place, name in enumerate(axes):
            if name in ("b", "batch"):
                given = np.expand_dims(given, place)
        from xarray import DataArray

        tensor = DataArray(given, dims=axes)
        sample = predict(model=self.pipeline, inputs={get_member_id(source): tensor})
        found = sample.members[get_member_id(target)].data
        return self._marked(_maps(found)[:, :height, :width].astype(np.float32))

    def _size(self, source: Any, axes: list[str], size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width that the model takes, at least those of the image."""
        sides = []
        for name, length in zip("yx", size, strict=True):
            wanted = getattr(source.axes[axes.index(name)], "size", None)
            least, step = getattr(wanted, "min", None), getattr(wanted, "step", None)
            if isinstance(wanted, int):
                if length > wanted:
                    raise UserError(
                        f"The image is {length} px along {name}.", f"The model takes {wanted} px.", "Cut it."
                    )
                sides.append(wanted)
            elif least is not None and step is not None:
                sides.append(least + -(-max(0, length - least) // max(step, 1)) * step)
            else:
                sides.append(max(LEAST, -(-length // UNIT) * UNIT))
        return sides[0], sides[1]

    def _marked(self, maps: NDArray[np.float32]) -> Prediction:
        """Return labels of the maps (K, Y, X)."""
        kind, names = self.spec.mask_kind, self.config.maps
        if kind == "binary":
            return Prediction((maps[0] > 0.5).astype(np.int32), maps[:1].clip(0, 1))
        if kind == "instances":
            inside, outline = maps[0].clip(0, 1), maps[1].clip(0, 1)
            shares = np.stack([(1 - inside).clip(0), (inside - outline).clip(0), outline])
            return Prediction(split_instances(shares), np.stack([inside, outline]))
        if "back" in names[0]:
            return Prediction(maps.argmax(axis=0).astype(np.int32), maps[1:].clip(0, 1))
        return Prediction(
            np.where(maps.max(axis=0) > 0.5, maps.argmax(axis=0) + 1, 0).astype(np.int32), maps.clip(0, 1)
        )


def _maps(found: Any) -> NDArray[Any]:
    """Return maps (K, Y, X) of a tensor with named axes."""
    data = found.isel({name: 0 for name in found.dims if name in ("b", "batch")})
    channel = next((name for name in data.dims if name in ("c", "channel")), None)
    if channel is None:
        return np.asarray(data.transpose("y", "x"))[None]
    return np.asarray(data.transpose(channel, "y", "x"))
