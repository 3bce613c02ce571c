"""Check that wheel and source archive hold what they should: every file of the package, the licence, and nothing else.

python .ci/package_contents.py dist
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "napari_organoid_synth"
BESIDE = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
"""What the source archive holds beside the package; PKG-INFO is made with it."""
MOST = 4_000_000
"""Bytes of either archive."""


def package_files() -> set[str]:
    """Return every file of the package, below ``src``: modules, manifest, templates, pages, stubs."""
    source = ROOT / "src"
    files = (path for path in (source / PACKAGE).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(source).as_posix() for path in files}


def wheel_files(path: Path) -> set[str]:
    """Return the files of a wheel, those of its metadata by their last name, such as ``licenses/LICENSE``."""
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if not name.endswith("/")]
    return {name.split(".dist-info/")[-1] for name in names}


def source_files(path: Path) -> set[str]:
    """Return the files of a source archive, without its first folder."""
    with tarfile.open(path) as archive:
        return {member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()}


def faults(folder: Path) -> list[str]:
    """Return what is wrong with the archives of a folder, each in a sentence."""
    wheels, archives = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(archives) != 1:
        return [f"{folder} holds {len(wheels)} wheels and {len(archives)} source archives. Expected one of each."]
    metadata = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    expected = {
        wheels[0]: (wheel_files(wheels[0]), package_files() | metadata),
        archives[0]: (source_files(archives[0]), {f"src/{name}" for name in package_files()} | BESIDE),
    }
    found = []
    for path, (there, wanted) in expected.items():
        found += [f"{path.name} lacks {name}." for name in sorted(wanted - there)]
        found += [f"{path.name} holds {name}, which is not for it." for name in sorted(there - wanted - {".gitignore"})]
        if path.stat().st_size > MOST:
            found.append(f"{path.name} has {path.stat().st_size:,} bytes. Expected at most {MOST:,}.")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(faults(Path(sys.argv[1]))) or 0)
