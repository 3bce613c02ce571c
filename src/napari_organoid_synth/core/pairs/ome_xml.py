"""OME-XML: the description of a written pair, and the few facts that are read from any OME file.

Written and read with the standard library, since importing the full model takes over a second; a test compares it with
the OME schema. See https://www.openmicroscopy.org/Schemas/Documentation/Generated/OME-2016-06/ome.html
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from napari_organoid_synth.core.errors import UserError

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
    """Height and width of a pixel in µm, if known, and one name per channel, if all have one."""

    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] = ()


def to_micrometres(length: float, unit: str) -> float | None:
    """Convert a length to µm; None for an unknown unit or a length that is not positive and finite."""
    factor = _UNITS.get(unit.strip().lower())
    if factor is None or not math.isfinite(length) or length <= 0:
        return None
    return length * factor


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
    except ElementTree.ParseError as error:
        raise UserError(f"The OME-XML is damaged: {error}.", "Expected valid XML.", "Save the file again.") from None


def _descendants(parent: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    """Return descendants by local name; the namespace contains the year of the schema."""
    return [node for node in parent.iter() if node.tag.rpartition("}")[2] == tag]


def parse_pixels(text: str, index: int) -> PixelMetadata:
    """Return pixel size and channel names of the image number ``index``."""
    pixels = _descendants(parse(text), "Pixels")
    if index >= len(pixels):
        return PixelMetadata()
    node = pixels[index]
    sizes = []
    for axis in "YX":
        try:
            length = float(node.get(f"PhysicalSize{axis}", "nan"))
        except ValueError:
            length = math.nan
        sizes.append(to_micrometres(length, node.get(f"PhysicalSize{axis}Unit", "µm")))
    names = tuple(channel.get("Name", "") for channel in _descendants(node, "Channel"))
    size = None if sizes[0] is None or sizes[1] is None else (sizes[0], sizes[1])
    return PixelMetadata(size, names if all(names) else ())


def parse_record(text: str) -> dict[str, Any] | None:
    """Return the record that `build` wrote, or None for a file of another program."""
    for node in _descendants(parse(text), "CommentAnnotation"):
        if node.get("Namespace") == NAMESPACE:
            for value in _descendants(node, "Value"):
                record = json.loads(value.text or "null")
                return record if isinstance(record, dict) else None
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
