"""A model package of the BioImage Model Zoo: a zip archive with ``rdf.yaml`` and the files that it names.

Written as the specification of models 0.5 says, with weights as TorchScript, which every program of the zoo can run
without this package. What only this package understands, so that nothing is lost on the way back, is attached.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.plain_values import from_yaml
from napari_organoid_synth.core.runs.card import LICENCES
from napari_organoid_synth.core.runs.settings import ShareSettings

SUFFIX = ".zip"
RDF = "rdf.yaml"
WEIGHTS = "weights.pt"
VERSION = "0.5.4"
"""Of the specification; newer readers take it, too."""
MAX_BYTES = 4 << 30
MAX_RDF = 4 << 20
TODO = "Download it again, or choose another model."


@dataclass(frozen=True)
class ZooPackage:
    """A package that was opened.

    Parameters
    ----------
    path : Path
    rdf : dict
        Contents of its description.
    names : tuple of str
        Its files.
    """

    path: Path
    rdf: dict[str, Any]
    names: tuple[str, ...]

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(name)

    def attached(self, ending: str) -> str:
        """Return the name of the attached file with this ending; empty where there is none."""
        return next((name for name in self.names if name.lower().endswith(ending)), "")


def axis(kind: str, **values: Any) -> dict[str, Any]:
    """Describe an axis: ``batch``, ``channel`` with ``channel_names``, or ``y`` and ``x`` with ``size``."""
    names = values.pop("channel_names", None)
    if kind == "batch":
        return {"type": "batch", "size": 1}
    if names is not None:
        return {"type": "channel", "channel_names": identifiers(names)}
    return {"type": "space", "id": kind, **values}


def identifiers(names: Sequence[str]) -> list[str]:
    """Turn names into different words of letters, digits and underscores.

    Examples
    --------
    >>> identifiers(["DAPI 405", "405", "dapi 405"])
    ['dapi_405', 'c405', 'dapi_405_2']
    """
    found: list[str] = []
    for name in names:
        word = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "channel"
        word = word if word[0].isalpha() else f"c{word}"
        number = sum(one == word or re.fullmatch(rf"{word}_\d+", one) is not None for one in found)
        found.append(f"{word}_{number + 1}" if number else word)
    return found


def authors_of(settings: ShareSettings) -> list[dict[str, str]]:
    """Return the authors as the zoo wants them; separated by commas or semicolons.

    Raises
    ------
    UserError
        If nobody is named, or no licence is chosen.
    """
    if not settings.licence:
        raise UserError(
            "No licence is chosen.",
            f"Expected an SPDX identifier such as {', '.join(LICENCES)}.",
            "Choose under which terms others may use the model; without one nobody may.",
        )
    names = [name.strip() for name in re.split(r"[;,]", settings.authors) if name.strip()]
    if not names:
        raise UserError(
            "No author is named.", "Expected at least one, as the zoo asks for.", "Set authors, as in 'A. Lovelace'."
        )
    return [{"name": name} for name in names]


def zoo_name(name: str) -> str:
    """Return a name of letters, digits, spaces and ``_+-()``, 5 to 64 of them."""
    words = re.sub(r"[^A-Za-z0-9_+\- ()]+", " ", name).strip()[:64].strip()
    return words if len(words) >= 5 else f"{words} model".strip()


def write_package(path: Path, rdf: Mapping[str, Any], files: Mapping[str, bytes], day: str = "") -> None:
    """Write a package; beside, then renamed. Equal contents of one day give equal bytes.

    Parameters
    ----------
    path : Path
        Ends with ``.zip``.
    rdf : mapping
        Description without ``format_version``, ``type`` and ``timestamp``. ``{"source": NAME}`` anywhere in it gets the
        SHA-256 of that file.
    files : mapping of str to bytes
        All files that it names.
    day : str
        As ``2026-01-31``; today when empty.

    Raises
    ------
    UserError
        If the name ends otherwise.
    """
    path = Path(path)
    if path.suffix.lower() != SUFFIX:
        raise UserError(f"The file is called {path.name}.", f"Expected a name that ends with {SUFFIX}.")
    day = day or datetime.datetime.now(datetime.UTC).date().isoformat()
    whole = {"format_version": VERSION, "type": "model", "timestamp": f"{day}T00:00:00+00:00", **rdf}
    text = yaml.safe_dump(_hashed(whole, files), sort_keys=False, allow_unicode=True)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {RDF: text.encode("utf-8"), **files}.items():
            info = zipfile.ZipInfo(name)  # of 1 January 1980
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    write_bytes(path, stream.getvalue())


def _hashed(value: Any, files: Mapping[str, bytes]) -> Any:
    """Return a description with the hash of every file beside its name."""
    if isinstance(value, Mapping):
        known = {key: _hashed(one, files) for key, one in value.items()}
        source = str(known.get("source", ""))
        return {**known, "sha256": hashlib.sha256(files[source]).hexdigest()} if source in files else known
    if isinstance(value, list | tuple):
        return [_hashed(one, files) for one in value]
    return value


def read_package(path: Path) -> ZooPackage:
    """Open a package and read its description.

    Raises
    ------
    UserError
        If it is no whole zip archive, has no description of a model, names files outside itself, or is too large.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            _refuse_odd(path, infos)
            names = tuple(info.filename for info in infos)
            described = next((one for one in (RDF, "bioimageio.yaml") if one in names), "")
            text = archive.open(described).read(MAX_RDF) if described else b""
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.", "Expected a model package.", TODO) from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        raise UserError(f"{path.name} is not a whole zip archive.", "Expected a model package.", TODO) from None
    try:
        rdf = from_yaml(text.decode("utf-8"))
    except (ValueError, yaml.YAMLError, RecursionError):
        rdf = None
    if not isinstance(rdf, dict) or rdf.get("type") != "model":
        raise UserError(f"{path.name} describes no model.", f"Expected {RDF} of the type 'model' in it.", TODO)
    return ZooPackage(path, rdf, names)


def _refuse_odd(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    for info in infos:
        parts = re.split(r"[/\\]", info.filename)
        if ".." in parts or not parts[0] or ":" in parts[0]:
            raise UserError(f"{path.name} contains {info.filename[:60]!a}.", "Expected files inside it.", TODO)
    if (size := sum(info.file_size for info in infos)) > MAX_BYTES:
        raise UserError(f"The files in {path.name} claim {size} bytes.", f"Expected at most {MAX_BYTES}.", TODO)


def npy(array: NDArray[np.float32]) -> bytes:
    """Return the bytes of an array as NPY."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array, np.float32))
    return stream.getvalue()
