"""Draw the plan of the code from the import contracts and from today's imports.

``pyproject.toml`` lists the rooms from the top floor down; imports run down only, and a contract refuses any other.
This file turns that list into a table and a picture for the page "How it is built", so that neither can be out of date.
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "napari_organoid_synth"
SOURCE = ROOT / "src" / PACKAGE
CONTRACT = "Arrows point down"
WIDTH, HEIGHT, GAP, LEFT = 150, 40, 18, 190  # of a box and between boxes, px


@dataclass(frozen=True)
class Room:
    """A folder or file directly below ``core``.

    Parameters
    ----------
    name : str
        As in the contract.
    purpose : str
        First sentence of its docstring.
    files, lines : int
        Its size.
    imports : frozenset of str
        Other rooms whose names it takes.
    """

    name: str
    purpose: str
    files: int
    lines: int
    imports: frozenset[str]


def floors() -> list[list[str]]:
    """Names of the rooms, the top floor first, as the contract lists them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["name"] == CONTRACT)
    return [[name.strip() for name in layer.replace(":", "|").split("|")] for layer in layers]


@cache
def read_room(name: str) -> Room:
    """Read purpose, size and imports of a room from its files."""
    folder, file = SOURCE / "core" / name, SOURCE / "core" / f"{name}.py"
    paths = sorted(folder.rglob("*.py")) if folder.is_dir() else [file]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    head = ast.get_docstring(ast.parse((folder / "__init__.py" if folder.is_dir() else file).read_text("utf-8"))) or ""
    prefix = f"{PACKAGE}.core"
    imports = {
        (f"{node.module}.{alias.name}").removeprefix(f"{prefix}.").split(".")[0]
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(prefix)
        for alias in node.names
    }
    filled = [text for text in texts if len(text.splitlines()) > 1]
    lines = sum(len(text.splitlines()) for text in filled)
    return Room(name, head.partition("\n")[0].rstrip("."), len(filled), lines, frozenset(imports - {name}))


def heights(rooms: dict[str, Room]) -> dict[str, int]:
    """Count for each wing the floors below it: one more than the highest wing that it imports."""
    found: dict[str, int] = {}
    for name in reversed(rooms):
        found[name] = 1 + max((found[other] for other in rooms[name].imports & found.keys()), default=-1)
    return found


def direct(rooms: dict[str, Room]) -> dict[str, set[str]]:
    """Drop each import that a way through other wings implies, so that the picture stays readable."""
    below: dict[str, set[str]] = {}
    for name in reversed(rooms):
        imports = rooms[name].imports & below.keys()
        below[name] = set(imports).union(*(below[other] for other in imports))
    return {
        name: {one for one in below[name] if not any(one in below[other] for other in below[name])} for name in rooms
    }


def table(rooms: dict[str, Room]) -> str:
    """Write the rooms as a Markdown table, the top floor first."""
    rows = ["| room | what is there | files | lines |", "|---|---|---:|---:|"]
    for room in rooms.values():
        kind = f"`core/{room.name}/`" if is_wing(room.name) else f"`core/{room.name}.py`"
        rows.append(f"| {kind} | {room.purpose} | {room.files} | {room.lines:,} |")
    return "\n".join(rows) + "\n"


def picture(rooms: dict[str, Room]) -> str:
    """Draw the wings as an SVG, each above all that it imports, on the files that everything stands on."""
    last = max(number for number, name in enumerate(rooms) if is_wing(name))
    wings = {name: room for name, room in list(rooms.items())[: last + 1] if name != "demo"}
    ground = list(rooms)[last + 1 :]
    height_of = heights(wings)
    top = max(height_of.values())
    rows = [[name for name in wings if height_of[name] == top - line] for line in range(top + 1)]
    widest = max(map(len, rows))
    width, step = 2 * LEFT + widest * (WIDTH + GAP), HEIGHT + GAP
    place = {
        name: (LEFT + (column + (widest - len(row)) / 2) * (WIDTH + GAP), 20 + (line + 1) * step)
        for line, row in enumerate(rows)
        for column, name in enumerate(row)
    }
    bottom = 20 + (len(rows) + 1) * step
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + step}" font-family="sans-serif" '
        'font-size="13" role="img" aria-label="Rooms of the backend; arrows point to what is imported">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#888"/></marker></defs>',
        f'<rect width="{width}" height="{bottom + step}" fill="#ffffff"/>',
        *(
            _arrow(place[name], place[other], number)
            for number, (name, others) in enumerate(direct(wings).items())
            for other in sorted(others)
        ),
        *(_box(x, y, WIDTH, name, "#dbe9f6" if is_wing(name) else "#eeeeee") for name, (x, y) in place.items()),
        _box(LEFT, 20, width - 2 * LEFT, "window (widgets), command line (cli), scripts; demo", "#f3e8d5"),
        _box(20, bottom, width - 40, "all stand on: " + ", ".join(ground), "#eeeeee"),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(x: float, y: float, width: float, text: str, colour: str) -> str:
    """Draw a rounded box with a line of text."""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="6" fill="{colour}" stroke="#7a8fa6"/>'
        f'<text x="{x + width / 2}" y="{y + HEIGHT / 2 + 5}" text-anchor="middle" fill="#222">{escape(text)}</text>'
    )


def _arrow(start: tuple[float, float], end: tuple[float, float], number: int) -> str:
    """Draw an arrow straight to the next floor; to a lower one as a bow beside the rooms, left and right in turn."""
    (x0, y0), (x1, y1) = start, end
    style = 'fill="none" stroke="#888" stroke-width="1.2" marker-end="url(#tip)"'
    if y1 - y0 <= HEIGHT + GAP:
        return f'<path d="M{x0 + WIDTH / 2} {y0 + HEIGHT} L{x1 + WIDTH / 2} {y1 - 1}" {style}/>'
    side = (-1 if number % 2 else 1) if x0 == x1 else (1 if x1 > x0 else -1)
    x0, x1 = (x + (WIDTH if side > 0 else 0) for x in (x0, x1))
    edge = (max(x0, x1) if side > 0 else min(x0, x1)) + side * min(LEFT - 20.0, 30 + 0.25 * (y1 - y0))
    y0, y1 = y0 + HEIGHT / 2, y1 + HEIGHT / 2
    return f'<path d="M{x0} {y0} C{edge} {y0} {edge} {y1} {x1 + side} {y1}" {style}/>'


def is_wing(name: str) -> bool:
    """Tell whether a room is a folder."""
    return (SOURCE / "core" / name).is_dir()


def write(folder: Path) -> None:
    """Write ``rooms.md`` and ``rooms.svg`` into a folder."""
    rooms = {name: read_room(name) for floor in floors() for name in floor}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rooms.md").write_text(table(rooms), encoding="utf-8")
    (folder / "rooms.svg").write_text(picture(rooms), encoding="utf-8")


if __name__ == "__main__":
    write(ROOT / "docs" / "_generated")
