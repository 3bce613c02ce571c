"""What a napari layer holds and where: pixels of its highest level, and their place in the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.quantities import pixels

TOLERANCE = 0.25
"""Largest error, px at the far corner of an image, that a difference between two transforms may make."""


def full_data(layer: Any) -> Any:
    """Return the array of a layer, of a pyramid its highest level, as it is (numpy, dask or zarr)."""
    return layer.data[0] if layer.multiscale else layer.data


def slice_in_view(viewer: Any, layer: Any) -> tuple[int, ...]:
    """Return the index that the sliders show for each axis of a layer before Y and X."""
    place = layer.world_to_data(viewer.dims.point[-layer.ndim :])
    shape = full_data(layer).shape
    return tuple(int(np.clip(np.rint(value), 0, length - 1)) for value, length in zip(place[:-2], shape, strict=False))


@dataclass(frozen=True, eq=False)
class PixelGrid:
    """Pixels (Y, X) of a layer in the world.

    Parameters
    ----------
    matrix : NDArray (3, 3) float64
        From row, column, 1 to the world, in µm where the unit of the layer is a length.
    is_length : bool
        Whether the world is in µm.
    """

    matrix: NDArray[np.float64]
    is_length: bool

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Height and width of a pixel, µm; None where the unit is not a length."""
        if not self.is_length:
            return None
        height, width = np.linalg.norm(self.matrix[:2, :2], axis=0)
        return float(height), float(width)

    @property
    def is_plain(self) -> bool:
        """Whether nobody gave the layer a place: pixels are the unit, the first one is the origin."""
        return not self.is_length and bool(np.allclose(self.matrix, np.eye(3)))


def grid_of(layer: Any) -> PixelGrid:
    """Return the place of the last two axes of a layer: scale, translate, rotate, shear and affine together.

    Raises
    ------
    UserError
        If an axis of slices is tilted against them.
    """
    linear, origin = _to_world(layer)
    if not (np.allclose(linear[:-2, -2:], 0) and np.allclose(linear[-2:, :-2], 0)):
        raise UserError(
            f"Layer '{layer.name}' is rotated or sheared out of its plane.",
            "Expected slices that lie in the y, x plane.",
            "Reset its transform, or save the rotated image first.",
        )
    factors = _micrometres(layer)
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear[-2:, -2:], origin[-2:]
    if factors is not None:
        matrix[:2] *= np.array(factors)[:, None]
    return PixelGrid(matrix, factors is not None)


def _to_world(layer: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrix (N, N) and the shift (N) from the pixels of a layer to the world, in the unit of the layer."""
    origin = np.array(layer.data_to_world(np.zeros(layer.ndim)), dtype=float)
    steps = [np.array(layer.data_to_world(row), dtype=float) - origin for row in np.eye(layer.ndim)]
    return np.stack(steps, axis=1), origin


def _micrometres(layer: Any) -> tuple[float, float] | None:
    """Return the units of Y and X in µm; None when they are not lengths."""
    import pint

    try:
        height, width = (float((1 * unit).to("micrometer").magnitude) for unit in layer.units[-2:])
    except (pint.PintError, AttributeError, ValueError):
        return None
    return height, width


def lay_over(image: Any, size: tuple[int, int], labels_layer: Any, labels: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Bring labels into the pixels of an image, as both lie on the canvas.

    Parameters
    ----------
    image : napari layer
        The image.
    size : (int, int)
        Its height and width, px.
    labels_layer : napari.layers.Labels
        The layer of the labels.
    labels : NDArray (Y, X)
        Its pixels.

    Returns
    -------
    labels : NDArray (Y, X)
        Of the size of the image; each pixel takes the nearest label, 0 where the layer does not reach.
    remark : str
        What was done; empty where the pixels are the same.

    Raises
    ------
    UserError
        If one is rotated against the other, they do not touch, or they differ in size without a place of their own.
    """
    to_labels = _between(image, labels_layer)
    is_same = bool(np.allclose(to_labels, np.eye(3), atol=TOLERANCE / max(*size, *labels.shape)))
    if is_same:
        if labels.shape != size:
            raise UserError(
                f"'{image.name}': the image is {pixels(size)}, the mask {pixels(labels.shape)}.",
                "Expected the same height and width, or layers whose scale and translate say where they lie.",
                "Set the scale of the layer, or export the mask again at the size of the image.",
            )
        return labels, ""
    sources = [_nearest(to_labels[axis, axis], to_labels[axis, 2], size[axis]) for axis in (0, 1)]
    inside = [(source >= 0) & (source < length) for source, length in zip(sources, labels.shape, strict=True)]
    result = np.zeros(size, labels.dtype)
    result[np.ix_(*inside)] = labels[np.ix_(*(source[kept] for source, kept in zip(sources, inside, strict=True)))]
    marked, outside = int(np.count_nonzero(labels)), _outside(labels, to_labels, size)
    if marked and not result.any():
        raise UserError(
            f"The mask '{labels_layer.name}' lies beside the image '{image.name}': {marked:,} of {marked:,} marked px "
            "are outside.",
            "Expected a mask over its image.",
            "Choose the image that it was drawn on, or correct scale and translate of the layer.",
        )
    return result, _remark(to_labels, outside, float(inside[0].mean() * inside[1].mean()))


def _between(image: Any, labels_layer: Any) -> NDArray[np.float64]:
    """Return the matrix (3, 3) from pixels of the image to pixels of the labels: a scale and a shift."""
    one, other = grid_of(image), grid_of(labels_layer)
    size = full_data(image).shape[-3:-1] if getattr(image, "rgb", False) else full_data(image).shape[-2:]
    if other.is_plain and one.is_length and full_data(labels_layer).shape[-2:] == size:
        return np.eye(3)  # an array of the size of the image, in pixels: its pixels
    if one.is_length != other.is_length:
        one, other = _raw(one, image), _raw(other, labels_layer)  # the canvas ignores units that do not fit together
    to_labels = np.linalg.inv(other.matrix) @ one.matrix
    skew = abs(to_labels[0, 1]) * size[1], abs(to_labels[1, 0]) * size[0]
    if max(skew) > TOLERANCE:
        raise UserError(
            f"The layers '{image.name}' and '{labels_layer.name}' are rotated or sheared against each other.",
            "Expected layers that differ in scale and translate alone.",
            "Give the mask the same rotate, shear and affine as its image.",
        )
    return np.asarray(to_labels)


def _raw(grid: PixelGrid, layer: Any) -> PixelGrid:
    """Return a grid in the unit of its layer."""
    factors = _micrometres(layer)
    if factors is None:
        return grid
    matrix = grid.matrix.copy()
    matrix[:2] /= np.array(factors)[:, None]
    return PixelGrid(matrix, False)


def _nearest(scale: float, shift: float, length: int) -> NDArray[np.int64]:
    """Return the nearest index for each of ``length`` pixels; a pixel between two takes the first."""
    return np.asarray(np.ceil(scale * np.arange(length) + shift - 0.5 - 1e-6), np.int64)


def _outside(labels: NDArray[Any], to_labels: NDArray[np.float64], size: tuple[int, int]) -> int:
    """Count the marked pixels whose centre does not lie in the image."""
    inside = []
    for axis in (0, 1):
        place = (np.arange(labels.shape[axis]) - to_labels[axis, 2]) / to_labels[axis, axis]
        inside.append((place > -0.5 - 1e-6) & (place < size[axis] - 0.5 + 1e-6))
    return int(np.count_nonzero(labels)) - int(np.count_nonzero(labels[np.ix_(*inside)]))


def _remark(to_labels: NDArray[np.float64], outside: int, cover: float) -> str:
    """Describe how labels were brought to their image."""
    scales = abs(to_labels[0, 0]), abs(to_labels[1, 1])
    turned = [way for axis, way in enumerate(("up and down", "left and right")) if to_labels[axis, axis] < 0]
    parts = [f"mask mirrored {' and '.join(turned)}, as it lies"] if turned else []
    if np.allclose(scales, 1):
        if turned:
            return _with_rest(parts, outside, cover)
        down, right = (round(-to_labels[axis, 2]) for axis in (0, 1))
        parts.append(f"mask taken where it lies, {down} px down and {right} px right")
    else:
        sides = f"{1 / scales[0]:.4g}" if np.isclose(*scales) else f"{1 / scales[0]:.4g} × {1 / scales[1]:.4g}"
        parts.append(f"mask resampled to the image, {sides} px each")
    return _with_rest(parts, outside, cover)


def _with_rest(parts: list[str], outside: int, cover: float) -> str:
    """Join parts of a remark, with the labels outside the image and the part that the mask leaves open."""
    if outside:
        parts.append(f"{outside:,} marked px outside the image left out")
    if cover < 0.999:
        parts.append(f"the mask covers {100 * cover:.0f} % of the image, the rest is background")
    return "; ".join(parts)


def place_of(layer: Any, axes: Sequence[int] | None = None) -> dict[str, Any]:
    """Return scale, translate, rotate, shear, affine and units of a layer, as a new layer over it takes them.

    Parameters
    ----------
    layer : napari layer
        The layer to lie on.
    axes : sequence of int, optional
        The axes that the new layer has; default: all.
    """
    from napari.utils.transforms import Affine

    kept = list(range(layer.ndim) if axes is None else axes)
    linear = np.linalg.solve(layer.affine.linear_matrix, _to_world(layer)[0])
    own = Affine(linear_matrix=linear, translate=layer.translate)  # a mirrored layer says it in scale and in rotate
    units = getattr(layer, "units", None)
    own, world = own.set_slice(kept), layer.affine.set_slice(kept)
    pairs = len(kept) * (len(kept) - 1) // 2
    shear = np.atleast_1d(own.shear) if np.any(own.shear) else np.zeros(pairs)  # napari gives one 0 per axis
    is_straight = np.allclose(own.linear_matrix, np.diag(np.diag(own.linear_matrix)))
    rotate = np.eye(len(kept)) if is_straight else own.rotate
    return {
        "scale": own.scale.tolist(),
        "translate": own.translate.tolist(),
        "rotate": rotate.tolist(),
        "shear": shear.tolist(),
        "affine": world.affine_matrix.tolist(),
        "units": None if units is None else [str(units[axis]) for axis in kept],
    }


def with_axis(place: Mapping[str, Any]) -> dict[str, Any]:
    """Return a place of `place_of` with an axis of 1 pixel in front."""
    number = len(place["scale"])
    rotate, affine, shear = np.eye(number + 1), np.eye(number + 2), np.eye(number + 1)
    rotate[1:, 1:], affine[1:, 1:] = place["rotate"], place["affine"]
    shear[1:, 1:][np.triu_indices(number, 1)] = place["shear"]
    return {
        "scale": [1.0, *place["scale"]],
        "translate": [0.0, *place["translate"]],
        "rotate": rotate.tolist(),
        "shear": shear,
        "affine": affine.tolist(),
        "units": None if place["units"] is None else ["pixel", *place["units"]],
    }
