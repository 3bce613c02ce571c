"""The page about the architecture is drawn from the contracts and from today's imports."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS))
import architecture  # noqa: E402


def test_every_room_is_in_the_table_with_its_purpose() -> None:
    rooms = {name: architecture.read_room(name) for floor in architecture.floors() for name in floor}
    core = architecture.SOURCE / "core"
    there = {path.stem for path in core.glob("*.py")} | {path.parent.name for path in core.glob("*/__init__.py")}
    assert set(rooms) == there - {"__init__"}
    assert all(room.purpose and room.lines for room in rooms.values())
    assert len(architecture.table(rooms).splitlines()) == 2 + len(rooms)


def test_imports_run_down_and_the_picture_keeps_the_direct_ones() -> None:
    floors = architecture.floors()
    rooms = {name: architecture.read_room(name) for floor in floors for name in floor}
    floor_of = {name: number for number, floor in enumerate(floors) for name in floor}
    for name, room in rooms.items():
        assert all(floor_of[other] > floor_of[name] for other in room.imports), name
    small = {"a": frozenset({"b", "c"}), "b": frozenset({"c"}), "c": frozenset()}
    chain = {name: architecture.Room(name, "", 1, 1, imports) for name, imports in small.items()}
    assert architecture.direct(chain) == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert architecture.heights(chain) == {"a": 2, "b": 1, "c": 0}


def test_the_picture_is_a_drawing_with_a_box_for_every_wing(tmp_path: Path) -> None:
    architecture.write(tmp_path)
    drawing = ElementTree.parse(tmp_path / "rooms.svg").getroot()
    words = {text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    wings = {path.parent.name for path in (architecture.SOURCE / "core").glob("*/__init__.py")}
    assert wings <= words
