"""A trained generator as one file: everything that a colleague needs, and nothing that could do harm.

A ``.synth`` file is a zip archive of exactly these members, stored without compression:

- ``card.json``: name, authors, licence, and the SHA-256 of every other member
- ``recipe.yaml``, ``codec.json``: the settings, as in the folder of a run
- ``model.safetensors``: the weights of all networks, an averaged one included; no optimiser state, no image pools. Of a
  painter that needs no training the real images and masks that it paints from, without the names of their files; the
  card says how many
- ``preview.png``: some samples

Equal contents give equal bytes. The file of a trained network holds number and hashes of the training pairs but neither
their names nor their pixels (``preview.png`` shows drawn images; where they were painted on real masks, the outlines of
these), and no file holds a path of the computer that it was made on. A reader trusts nothing: a file with anything else
in it is refused, and nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.plain_values import from_json, from_yaml
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.card import FORMAT, Card

T = TypeVar("T", bound=FrozenModel)

SUFFIX = ".synth"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
MEMBERS = {  # in the order of the file, and the most bytes that each may have
    "card.json": 16 * MIB,
    "recipe.yaml": 16 * KIB,
    "codec.json": MIB,
    "preview.png": 16 * MIB,
    "model.safetensors": 3 * GIB,
}
MAX_HEADER = 16 * MIB
MAX_BRACKETS = 100  # of a recipe, which needs hardly any; thousands keep a YAML reader busy for minutes
MAX_SIDE = 4096  # of the preview, px
_BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, struct.error, OverflowError)
TODO = "Do not use this file; ask where it comes from for another."


@dataclass(frozen=True)
class ModelFile:
    """A model file that has passed every check that needs no network.

    Parameters
    ----------
    path : Path
    sha256 : str
        Of the card, which names those of all other members.
    card : Card
    recipe : Recipe
    codec : Codec
    preview : bytes
        A PNG, at most 4096 px wide and high; not decoded yet.
    model : bytes
        Safetensors; its names begin with ``network/``, or with ``source/`` where the generator is not trained.
    """

    path: Path
    sha256: str
    card: Card
    recipe: Recipe
    codec: Codec
    preview: bytes
    model: bytes

    @property
    def spec(self) -> PairSpec:
        """Shapes of input and output of the network."""
        return self.recipe.spec(self.codec)

    @property
    def data(self) -> dict[str, str]:
        """Hashes of the pairs that it learned from, by a number."""
        return {f"pair {number}": digest for number, digest in enumerate(self.card.data, 1)}

    @classmethod
    def of(cls, path: Path, members: dict[str, bytes]) -> Self:
        """Check and build from the bytes of all members."""
        card = _card(path, members["card.json"])
        for name in MEMBERS:
            digest, expected = hashlib.sha256(members[name]).hexdigest(), card.sha256.get(name, "none")
            if name != "card.json" and digest != expected:
                raise UserError(
                    f"{name} in {path.name} has SHA-256 {digest[:12]}….",
                    f"Expected {expected[:12]}…, as its card says.",
                    "The file is damaged or was changed; copy it again from where it was made.",
                )
        _check_preview(path, members["preview.png"])
        recipe = _parsed(path, "recipe.yaml", members["recipe.yaml"], Recipe)
        codec = _parsed(path, "codec.json", members["codec.json"], Codec)
        name = recipe.gan.name
        if card.generator != name:
            raise UserError(
                f"The card of {path.name} speaks of '{card.generator}'.", f"Its recipe speaks of '{name}'.", TODO
            )
        _check_model(path, members["model.safetensors"], "network/" if recipe.gan.trains else "source/")
        digest = hashlib.sha256(members["card.json"]).hexdigest()
        return cls(path, digest, card, recipe, codec, members["preview.png"], members["model.safetensors"])


def pack_model_file(path: Path, card: Card, members: dict[str, bytes]) -> ModelFile:
    """Write a model file; beside, then renamed.

    Parameters
    ----------
    path : Path
        Ends with ``.synth``.
    card : Card
        Its hashes are put in here.
    members : dict of str to bytes
        All members but the card.

    Raises
    ------
    UserError
        If the name ends otherwise, or `read_model_file` would refuse what is to be written.
    """
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise UserError(f"The file is called {path.name}.", f"Expected a name that ends with {SUFFIX}.")
    card = card.replace(sha256={name: hashlib.sha256(members[name]).hexdigest() for name in MEMBERS if name in members})
    text = json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False)
    everything = {"card.json": text.encode("utf-8"), **members}
    for name, data in everything.items():
        _check_size(path, name, len(data))
    model_file = ModelFile.of(path, everything)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in MEMBERS:
            info = zipfile.ZipInfo(name)  # of 1 January 1980
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, everything[name])
    write_bytes(path, stream.getvalue())
    return model_file


def read_model_file(path: Path) -> ModelFile:
    """Read a model file and test everything that can be tested without building its network.

    Raises
    ------
    UserError
        If it is not a zip archive; a member is missing, foreign, doubled, compressed, encrypted, too large, damaged or
        not what the card says; it was made by a newer version; the model is not safetensors or has other tensors than
        those of networks; recipe or codec are invalid.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive, size)
            members = {}
            for name in MEMBERS:
                with archive.open(name) as stream:
                    members[name] = stream.read(MEMBERS[name] + 1)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.", f"Expected a {SUFFIX} file.") from None
    except UserError:
        raise
    except _BROKEN:
        raise UserError(
            f"{path.name} is not a whole zip archive.",
            f"Expected a {SUFFIX} file, made with 'organoid-synth share'.",
            "Copy it again from where it was made.",
        ) from None
    return ModelFile.of(path, members)


# ------------------------------------------------------------------------------------------------------------- tests


def _check_members(path: Path, archive: zipfile.ZipFile, size: int) -> None:
    infos = archive.infolist()
    expected = f"Expected {', '.join(MEMBERS)} and nothing else."
    names = [info.filename for info in infos]
    for info in infos:
        shown = ascii(info.filename[:60])
        if info.filename not in MEMBERS:
            raise UserError(f"{path.name} contains {shown}.", expected, TODO)
        if names.count(info.filename) > 1:
            raise UserError(f"{path.name} contains {shown} {names.count(info.filename)} times.", expected, TODO)
    if missing := [name for name in MEMBERS if name not in names]:
        raise UserError(f"{path.name} has no {missing[0]}.", expected, "Copy it again from where it was made.")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & 1:
            raise UserError(
                f"{info.filename} in {path.name} is compressed or encrypted.", "Expected it stored as it is.", TODO
            )
        _check_size(path, info.filename, info.file_size)
    if (claimed := sum(info.file_size for info in infos)) > size:
        raise UserError(f"The members of {path.name} claim {claimed} bytes.", f"Expected at most {size}.", TODO)


def _check_size(path: Path, name: str, size: int) -> None:
    if size > MEMBERS[name]:
        raise UserError(f"{name} in {path.name} claims {size} bytes.", f"Expected at most {MEMBERS[name]}.", TODO)


def _values(path: Path, name: str, data: bytes) -> dict[str, Any]:
    """Parse plain values from a small text; references, which can blow up a short text, are refused."""
    try:
        text = data.decode("utf-8")
        if name.endswith(".json"):
            values = from_json(text)
        elif sum(map(text.count, "[{")) > MAX_BRACKETS:
            raise ValueError("it is nested too deeply")
        elif any(isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken) for token in yaml.scan(text)):
            raise ValueError("references and tags are not allowed")
        else:
            values = from_yaml(text)
        if not isinstance(values, dict):
            raise ValueError(f"it contains {type(values).__name__}")
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise UserError(
            f"{name} in {path.name} cannot be read: {str(error).splitlines()[0]}.", "Expected settings.", TODO
        ) from None
    return values


def _card(path: Path, data: bytes) -> Card:
    values = _values(path, "card.json", data)
    version = values.get("format")
    if type(version) is int and version > FORMAT:
        raise UserError(
            f"{path.name} has format {version}, made by a newer version of organoid-synth.",
            f"Expected format {FORMAT}.",
            "Update napari-organoid-synth.",
        )
    return _parsed(path, "card.json", data, Card)


def _parsed(path: Path, name: str, data: bytes, cls: type[T]) -> T:
    try:
        return cls.parse(_values(path, name, data))
    except UserError as error:
        if path.name in error.found:
            raise
        raise UserError(f"{name} in {path.name}: {error.found[:300]}", error.expected, error.todo) from None


def _check_model(path: Path, data: bytes, prefix: str) -> None:
    """Check that the bytes are safetensors whose names begin with ``prefix`` (shapes are tested later)."""
    try:
        length = int.from_bytes(data[:8], "little")
        if not 2 <= length <= min(len(data) - 8, MAX_HEADER):
            raise ValueError
        header = json.loads(data[8 : 8 + length].decode("utf-8"))
        header.pop("__metadata__", None)
        end = 0
        for start, stop in sorted(entry["data_offsets"] for entry in header.values()):
            if start != end or stop < start:
                raise ValueError
            end = stop
        if end != len(data) - 8 - length or not header:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"model.safetensors in {path.name} has no tensors.", "Expected safetensors.", TODO) from None
    if foreign := sorted(name for name in header if not name.startswith(prefix)):
        raise UserError(
            f"model.safetensors in {path.name} contains {foreign[0][:80]!a}.",
            f"Expected tensors {'of networks' if prefix == 'network/' else 'with real pairs'} alone.",
            TODO,
        )


def _check_preview(path: Path, data: bytes) -> None:
    width, height = struct.unpack(">II", data[16:24]) if len(data) > 24 else (0, 0)
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        raise UserError(f"preview.png in {path.name} is not a PNG.", "Expected a picture.", TODO)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise UserError(
            f"preview.png in {path.name} claims {width} × {height} px.", f"Expected at most {MAX_SIDE} px.", TODO
        )
