"""A StarDist2D model folder as the stardist package (0.9) writes it: ``config.json``, ``thresholds.json`` and
``weights_best.h5`` in the HDF5 layout of Keras 2, which Keras 3 reads too. TensorFlow is not needed.
"""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_bytes, write_text
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig

Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]


def write_model(
    folder: Path,
    config: StarDistConfig,
    in_channels: int,
    convolutions: dict[str, Arrays],
    thresholds: tuple[float, float],
) -> None:
    """Write the three files; weights last, so a folder with weights is complete.

    Parameters
    ----------
    folder : Path
        Made if needed.
    config : StarDistConfig
        Of the training.
    in_channels : int
        Of an image.
    convolutions : dict of str to (NDArray (out, in, Y, X) float32, NDArray (out,) float32)
        Kernel and bias of each Keras layer, in the order of the layers.
    thresholds : (float, float)
        Of the probability and of the overlap.
    """
    write_text(folder / "config.json", json.dumps(official_config(config, in_channels)))
    write_text(folder / "thresholds.json", json.dumps({"prob": thresholds[0], "nms": thresholds[1]}))
    write_bytes(folder / "weights_best.h5", keras_weights(convolutions))


def keras_weights(convolutions: dict[str, Arrays]) -> bytes:
    """Return the bytes of a Keras weight file.

    The root names its layers in ``layer_names``; a layer names its arrays in ``weight_names``. Kernels are (Y, X, in,
    out). Keras finds layers by their order; the names are for readers.

    Parameters
    ----------
    convolutions : dict
        As in `write_model`.
    """
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["layer_names"] = np.array([name.encode() for name in convolutions])
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["keras_version"] = np.bytes_("2.15.0")  # the last of Keras 2
        for name, (kernel, bias) in convolutions.items():
            group = file.create_group(name)
            names = [f"{name}/kernel:0", f"{name}/bias:0"]
            group.attrs["weight_names"] = np.array([one.encode() for one in names])
            group[names[0]] = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0))
            group[names[1]] = bias
    return buffer.getvalue()


def official_config(config: StarDistConfig, in_channels: int) -> dict[str, Any]:
    """Return the contents of ``stardist.models.Config2D`` for this network; with it the package can also train it."""
    return {
        "n_dim": 2,
        "axes": "YXC",
        "n_channel_in": in_channels,
        "n_channel_out": 1 + config.rays,
        "train_checkpoint": "weights_best.h5",
        "train_checkpoint_last": "weights_last.h5",
        "train_checkpoint_epoch": "weights_now.h5",
        "n_rays": config.rays,
        "grid": [config.grid, config.grid],
        "backbone": "unet",
        "n_classes": None,
        "unet_n_depth": config.depth,
        "unet_kernel_size": [3, 3],
        "unet_n_filter_base": config.channels,
        "unet_n_conv_per_depth": 2,
        "unet_pool": [2, 2],
        "unet_activation": "relu",
        "unet_last_activation": "relu",
        "unet_batch_norm": False,
        "unet_dropout": 0.0,
        "unet_expansion": 2,
        "unet_prefix": "",
        "net_conv_after_unet": 128,
        "net_input_shape": [None, None, in_channels],
        "net_mask_shape": [None, None, 1],
        "train_shape_completion": False,
        "train_completion_crop": 32,
        "train_patch_size": [config.tile, config.tile],
        "train_background_reg": 1e-4,
        "train_foreground_only": config.foreground,
        "train_sample_cache": True,
        "train_dist_loss": "mae",
        "train_loss_weights": [1, 0.2],
        "train_class_weights": [1, 1],
        "train_epochs": 400,
        "train_steps_per_epoch": 100,
        "train_learning_rate": config.learning_rate,
        "train_batch_size": config.batch,
        "train_n_val_patches": None,
        "train_tensorboard": True,
        "train_reduce_lr": {"factor": 0.5, "patience": 40, "min_delta": 0},
        "use_gpu": False,
    }
