"""OME-XML: the description of a written pair, and the few facts that are read from any OME file.

Written and read with the standard library, since importing the full model takes over a second; a test compares it with
the OME schema. See https://www.openmicroscopy.org/Schemas/Documentation/Generated/OME-2016-06/ome.html
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import MAX_PIXEL_SIZE, MIN_PIXEL_SIZE

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
NAMESPACE = "napari-organoid-synth/pair"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_UNITS = {
    "micrometer": 1.0, "micrometre": 1.0, "micron": 1.0, "microns": 1.0, "µm": 1.0, "μm": 1.0, "um": 1.0,
    "\\u00b5m": 1.0, "nanometer": 1e-3, "nanometre": 1e-3, "nm": 1e-3, "millimeter": 1e3, "millimetre": 1e3, "mm": 1e3,
    "centimeter": 1e4, "centimetre": 1e4, "cm": 1e4, "inch": 25400.0, "in": 25400.0, "meter": 1e6, "metre": 1e6,
    "m": 1e6, "angstrom": 1e-4, "å": 1e-4, "pm": 1e-6, "picometer": 1e-6,
}  # fmt: skip
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class PixelMetadata:
    """Height and width of a pixel in µm, if known, one name per channel, if all have one, and remarks in words."""

    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def to_micrometres(length: float, unit: str) -> float | None:
    """Convert a length to µm; None for an unknown unit or a length that no pixel can have."""
    factor = _UNITS.get(unit.strip().lower())
    if factor is None or not math.isfinite(length) or not MIN_PIXEL_SIZE <= length * factor <= MAX_PIXEL_SIZE:
        return None
    return length * factor


def size_remark(values: Iterable[object], unit: str) -> tuple[str, ...]:
    """Return the remark on a pixel size that is given but impossible; empty if its unit is not a length."""
    if unit.strip().lower() not in _UNITS:
        return ()
    size = " × ".join(f"{value:.6g}" if isinstance(value, float) else str(value)[:20] for value in values)
    return (f"its pixel size of {size} {unit} is impossible and not used",)


def parse(text: str) -> ElementTree.Element:
    """Parse OME-XML; document types and entities, which OME never uses, are refused.

    Raises
    ------
    UserError
        If the text is not XML or declares entities.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError("The OME-XML declares a document type.", "Expected plain OME-XML.", "Save the file again.")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"The OME-XML is damaged: {error}.", "Expected valid XML.", "Save the file again.") from None


def _descendants(parent: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    """Return descendants by local name; the namespace contains the year of the schema."""
    return [node for node in parent.iter() if node.tag.rpartition("}")[2] == tag]


@dataclass(frozen=True)
class OmeImage:
    """An image of an OME-TIFF as far as it lies in this file.

    Parameters
    ----------
    axes : str
        Axes before the plane, slowest first; ``"TZC"`` or ``"I"`` if the planes do not fill a grid.
    shape : tuple of int
        Their lengths, of the planes in this file.
    pages : tuple of int
        Page of each plane.
    metadata : PixelMetadata
        Names of these channels, size of their pixels.
    size : (int, int)
        Height and width as described, px; 0 where they are not.
    """

    axes: str
    shape: tuple[int, ...]
    pages: tuple[int, ...]
    metadata: PixelMetadata
    size: tuple[int, int] = (0, 0)


def parse_images(text: str, file_name: str, n_pages: int) -> list[OmeImage]:
    """Return the images of an OME-TIFF as far as their planes lie in this file; other files are not looked at.

    Parameters
    ----------
    text : str
        OME-XML.
    file_name : str
        Name of this file; planes may be said to lie in others.
    n_pages : int
        Pages that it has.

    Raises
    ------
    UserError
        If the text is damaged.
    ValueError
        If it describes planes that are not in the file.
    """
    root = parse(text)
    images = []
    for pixels in _descendants(root, "Pixels"):
        places = _places(pixels, root.get("UUID"), file_name, n_pages)
        if places:
            images.append(_image(pixels, places))
    return images


def _whole(node: ElementTree.Element, key: str, default: int, minimum: int = 0) -> int:
    text = node.get(key, str(default))
    if not re.fullmatch(r"-?\d{1,18}", text.strip()) or int(text) < minimum:
        raise ValueError(f"its OME-XML has {key}={text[:20]}")
    return int(text)


def _grid(pixels: ElementTree.Element) -> dict[str, int]:
    """Return the axes before the plane with their lengths, slowest first; the samples of a plane do not count."""
    order = pixels.get("DimensionOrder", "")
    if sorted(order) != sorted("XYCZT"):
        raise ValueError(f"its OME-XML has the axes '{order[:20]}'")
    sizes = {axis: _whole(pixels, f"Size{axis}", 1, minimum=1) for axis in reversed(order) if axis not in "XY"}
    channels = _descendants(pixels, "Channel")
    samples = _whole(channels[0], "SamplesPerPixel", 1, minimum=1) if channels else 1
    return {axis: max(1, size // samples) if axis == "C" else size for axis, size in sizes.items()}


def _places(
    pixels: ElementTree.Element, own_uuid: str | None, file_name: str, n_pages: int
) -> dict[tuple[int, ...], int]:
    """Return the page of each place (slowest axis first) whose plane lies in this file."""
    grid = _grid(pixels)
    places: dict[tuple[int, ...], int] = {}
    declared, elsewhere = math.prod(grid.values()), False
    blocks = [(node, _file_of(node)) for node in _descendants(pixels, "TiffData")] or [(ElementTree.Element(""), None)]
    for node, other in blocks:
        if other is not None and own_uuid != other[0] and other[1].lower() != file_name.lower():
            elsewhere = True
            continue
        page = _whole(node, "IFD", 0)
        first = _flat([_whole(node, f"First{axis}", 0) for axis in grid], list(grid.values()))
        rest = min(declared - first, max(n_pages - page, 0))
        count = _whole(node, "PlaneCount", _whole(node, "NumPlanes", 1 if "IFD" in node.attrib else rest))
        if page + count > n_pages or first + count > declared:
            raise ValueError(f"its OME-XML describes {max(page + count, first + 1):,} planes, the file has {n_pages:,}")
        places |= {_place(first + k, list(grid.values())): page + k for k in range(count)}
    if not elsewhere and len(places) < declared:
        raise ValueError(f"its OME-XML describes {declared:,} planes, the file has {len(places):,} of them")
    return places


def _file_of(node: ElementTree.Element) -> tuple[str, str] | None:
    """Return id and name of the file in which planes lie; None for this one."""
    for uuid in _descendants(node, "UUID"):
        return (uuid.text or "").strip(), uuid.get("FileName", "")
    return None


def _flat(place: list[int], shape: list[int]) -> int:
    number = 0
    for index, length in zip(place, shape, strict=True):
        if index >= length:
            raise ValueError(f"its OME-XML puts a plane at {index:,} of {length:,}")
        number = number * length + index
    return number


def _place(number: int, shape: list[int]) -> tuple[int, ...]:
    place = []
    for length in reversed(shape):
        number, index = divmod(number, length)
        place.append(index)
    return tuple(reversed(place))


def _image(pixels: ElementTree.Element, places: dict[tuple[int, ...], int]) -> OmeImage:
    """Arrange the planes of this file as a grid if they fill one."""
    axes, order = "".join(_grid(pixels)), sorted(places)
    kept = [sorted(set(indices)) for indices in zip(*order, strict=True)]
    shape = tuple(len(indices) for indices in kept)
    metadata = _pixel_metadata(pixels, kept[axes.index("C")])
    if math.prod(shape) != len(order):
        axes, shape, metadata = "I", (len(order),), replace(metadata, channel_names=())
    height, width = (_whole(pixels, f"Size{axis}", 1, minimum=1) * (f"Size{axis}" in pixels.attrib) for axis in "YX")
    return OmeImage(axes, shape, tuple(places[place] for place in order), metadata, (height, width))


def _pixel_metadata(pixels: ElementTree.Element, channels: list[int]) -> PixelMetadata:
    """Return pixel size and the names of these channels."""
    given = {axis: pixels.get(f"PhysicalSize{axis}") for axis in "YX"}
    units = {axis: pixels.get(f"PhysicalSize{axis}Unit", "µm") for axis in "YX"}
    sizes = [to_micrometres(_number(given[axis]), units[axis]) for axis in "YX"]
    names = [channel.get("Name", "") for channel in _descendants(pixels, "Channel")]
    chosen = tuple(names[index] for index in channels if index < len(names))
    wrong = [axis for axis, size in zip("YX", sizes, strict=True) if given[axis] and size is None]
    remarks = size_remark([given[axis] for axis in wrong], units[wrong[0]]) if wrong else ()
    size = None if sizes[0] is None or sizes[1] is None else (sizes[0], sizes[1])
    return PixelMetadata(size, chosen if all(chosen) else (), remarks)


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def parse_record(text: str) -> dict[str, Any] | None:
    """Return the record that `build` wrote, or None for a file of another program.

    Raises
    ------
    UserError
        If the text or the record in it is damaged.
    """
    for node in _descendants(parse(text), "CommentAnnotation"):
        if node.get("Namespace") == NAMESPACE:
            for value in _descendants(node, "Value"):
                try:
                    record = json.loads(value.text or "")
                except (ValueError, RecursionError):
                    record = None
                if not isinstance(record, dict):
                    raise UserError("The record of the pair is damaged.", "Expected a JSON object.", "Save it again.")
                return record
    return None


@dataclass(frozen=True)
class ImageDescription:
    """A one-plane image as OME describes it.

    Parameters
    ----------
    name : str
        Of the image.
    shape : (C, Y, X)
        Of the pixels.
    pixel_type : str
        ``uint8``, ``uint16``, ``float``, ... in the words of OME.
    is_rgb : bool
        Whether the three channels are interleaved samples of one plane.
    pixel_size : (float, float), optional
        Height and width of a pixel, µm.
    channel_names : tuple of str
        One per channel, or empty.
    creator : str
        Software and version.
    """

    name: str
    shape: tuple[int, int, int]
    pixel_type: str
    is_rgb: bool = False
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] = ()
    creator: str = ""


def build(image: ImageDescription, record: dict[str, Any], facts: dict[str, str]) -> str:
    """Write the OME-XML of a one-plane image.

    Parameters
    ----------
    image : ImageDescription
        Its pixels.
    record : dict
        JSON values that `parse_record` returns.
    facts : dict of str to str
        The same for people and other programs, as key and value.
    """
    root = ElementTree.Element("OME", {"xmlns": OME, "xmlns:xsi": _XSI, "Creator": image.creator})
    root.set("xsi:schemaLocation", f"{OME} {OME}/ome.xsd")
    node = ElementTree.SubElement(root, "Image", {"ID": "Image:0", "Name": _clean(image.name)})
    _add_pixels(node, image)
    for index in range(2):
        ElementTree.SubElement(node, "AnnotationRef", {"ID": f"Annotation:{index}"})
    _add_annotations(root, record, facts)
    return '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root, encoding="unicode")


def _add_pixels(parent: ElementTree.Element, image: ImageDescription) -> None:
    """Add size, type, pixel size and channels; an RGB image is one channel of three samples."""
    channels, height, width = image.shape
    options = {"ID": "Pixels:0", "DimensionOrder": "XYCZT", "Type": image.pixel_type}
    pixels = ElementTree.SubElement(parent, "Pixels", options)
    for axis, size in zip("XYCZT", (width, height, channels, 1, 1), strict=True):
        pixels.set(f"Size{axis}", str(size))
    pixels.set("BigEndian", "false")
    pixels.set("Interleaved", "true" if image.is_rgb else "false")
    if image.pixel_size is not None:
        for axis, length in zip("YX", image.pixel_size, strict=True):
            pixels.set(f"PhysicalSize{axis}", repr(float(length)))
            pixels.set(f"PhysicalSize{axis}Unit", "µm")
    planes = 1 if image.is_rgb else channels
    for index in range(planes):
        channel = ElementTree.SubElement(pixels, "Channel", {"ID": f"Channel:0:{index}"})
        channel.set("SamplesPerPixel", str(channels if image.is_rgb else 1))
        if image.channel_names and not image.is_rgb:
            channel.set("Name", _clean(image.channel_names[index]))
    ElementTree.SubElement(pixels, "TiffData", {"IFD": "0", "PlaneCount": str(planes)})


def _add_annotations(root: ElementTree.Element, record: dict[str, Any], facts: dict[str, str]) -> None:
    """Add the record as JSON, and the facts as a table."""
    parent = ElementTree.SubElement(root, "StructuredAnnotations")
    comment = ElementTree.SubElement(parent, "CommentAnnotation", {"ID": "Annotation:0", "Namespace": NAMESPACE})
    ElementTree.SubElement(comment, "Value").text = json.dumps(record)
    table = ElementTree.SubElement(parent, "MapAnnotation", {"ID": "Annotation:1", "Namespace": NAMESPACE})
    value = ElementTree.SubElement(table, "Value")
    for key, text in facts.items():
        ElementTree.SubElement(value, "M", {"K": key}).text = _clean(text)


def _clean(text: str) -> str:
    """Replace the control characters that XML cannot contain."""
    return _ILLEGAL.sub("\ufffd", text)
