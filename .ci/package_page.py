"""Make the package page of a release complete: links and pictures of the README absolute, addresses of the project.

    python .ci/package_page.py OWNER/NAME TAG    # rewrites README.md and pyproject.toml of this checkout

The repository is known where the release is built, and only there: a copy of it releases under its own address.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)\s]+)\)")
URLS = """[project.urls]
Homepage = "https://github.com/{repository}"
Documentation = "https://github.com/{repository}/blob/{tag}/docs/index.md"
Source = "https://github.com/{repository}"
Issues = "https://github.com/{repository}/issues"
Changelog = "https://github.com/{repository}/blob/{tag}/CHANGELOG.md"

"""


def absolute(text: str, repository: str, tag: str) -> str:
    """Return a page whose relative links and pictures lead to the repository."""

    def whole(match: re.Match[str]) -> str:
        picture, words, path = match.groups()
        place = f"raw.githubusercontent.com/{repository}/{tag}" if picture else f"github.com/{repository}/blob/{tag}"
        return f"{picture}[{words}](https://{place}/{path})"

    return LINK.sub(whole, text)


def with_urls(pyproject: str, repository: str, tag: str) -> str:
    """Return the metadata with the addresses of the project."""
    return pyproject.replace("[project.scripts]\n", URLS.format(repository=repository, tag=tag) + "[project.scripts]\n")


def main(repository: str, tag: str) -> None:
    """Rewrite both files."""
    readme, pyproject = ROOT / "README.md", ROOT / "pyproject.toml"
    readme.write_text(absolute(readme.read_text(encoding="utf-8"), repository, tag), encoding="utf-8")
    pyproject.write_text(with_urls(pyproject.read_text(encoding="utf-8"), repository, tag), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
