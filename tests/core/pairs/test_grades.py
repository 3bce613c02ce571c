"""Classes of whole images come from a column of a table."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from napari_organoid_synth.cli import app
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.grades import with_grades
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs
from napari_organoid_synth.core.pairs.sheet import read_sheet
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from pair_files import fill


@pytest.fixture
def table() -> PairTable:
    files = {"a": "x/a.ome.tif", "b": "x/b.png", "c": "x/c.png", "img": "A1/img.png", "img (2)": "B2/img.png"}
    return PairTable(entries=tuple(PairEntry(name=name, image=f"/data/{file}") for name, file in files.items()))


def classes(table: PairTable) -> dict[str, str | None]:
    return {entry.name: entry.image_class for entry in table.entries}


def run(arguments: list[str]) -> None:
    with contextlib.suppress(SystemExit):
        app(arguments)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "grades.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "name,grade\na,3AA\nb,2BC\n",
        "name;grade\r\na.ome.tif;3AA\r\nb.png;2BC\r\n",
        "\ufeffImage\tGrade\nx/a.ome.tif\t3AA\nx\\b.png\t2BC\n",
        '"name","grade"\n"a","3AA"\n"b","2BC"\n\n',
        "grade,file\n3AA,A\n2BC,B.PNG\n",
        "id,well,Class\na,3,3AA\nb,4,2BC\n",
        "name,grade\na,3AA\nb,2BC\n".encode("utf-16"),
    ],
)
def test_tables_as_people_write_them(tmp_path: Path, table: PairTable, text: str | bytes) -> None:
    graded = with_grades(table, write(tmp_path, text))
    assert classes(graded) == {"a": "3AA", "b": "2BC", "c": None, "img": None, "img (2)": None}
    assert graded.grade_notes == (
        "2 image classes from grades.csv: 2BC (1), 3AA (1).",
        "3 images have no class in grades.csv: c, img, img (2). "
        "In a training they are a class of their own, 'ungraded'.",
    )


def test_windows_letters_and_commas_in_quotes(tmp_path: Path, table: PairTable) -> None:
    graded = with_grades(table, write(tmp_path, 'name,grade\na,"mäßig, rot"\n'.encode("cp1252")))
    assert classes(graded)["a"] == "mäßig, rot"
    titles, rows = read_sheet(write(tmp_path, 'name,note\na,"two\nlines"\nb\n'))
    assert (titles, rows) == (["name", "note"], [["a", "two\nlines"], ["b", ""]])


def test_the_column_is_chosen(tmp_path: Path, table: PairTable) -> None:
    file = write(tmp_path, "name,day,quality\na,1,good\nb,2,bad\n")
    assert classes(with_grades(table, file, "Quality"))["b"] == "bad"
    with pytest.raises(UserError, match=r"grades\.csv has 3 columns\. Expected one of: day, quality\. Name it with"):
        with_grades(table, file)
    with pytest.raises(UserError, match=r"grades\.csv has no column 'kind'\. Expected one of: day, quality"):
        with_grades(table, file, "kind")


def test_folders_tell_equal_names_apart(tmp_path: Path, table: PairTable) -> None:
    graded = with_grades(table, write(tmp_path, "name,grade\nA1/img.png,1\nB2/img.png,2\nc,1\n"))
    assert [classes(graded)[name] for name in ("img", "img (2)", "c")] == ["1", "2", "1"]
    ambiguous = with_grades(table, write(tmp_path, "name,grade\nimg.png,1\nc,2\nzz,3\n"))
    assert classes(ambiguous) == {"a": None, "b": None, "c": "2", "img": None, "img (2)": None}
    assert ambiguous.grade_notes[-1] == "2 lines of grades.csv fit no image, or several: img.png, zz."


def test_what_cannot_be_is_refused(tmp_path: Path, table: PairTable) -> None:
    with pytest.raises(UserError, match="gives 'a' the classes '1' and '2'"):
        with_grades(table, write(tmp_path, "name,grade\na,1\na.ome.tif,2\n"))
    with pytest.raises(UserError, match=r"No column of .*grades\.csv has the name of an image"):
        with_grades(table, write(tmp_path, "name,grade\nq,1\n"))
    with pytest.raises(UserError, match=r"grades\.csv has 1 lines"):
        with_grades(table, write(tmp_path, "name,grade\n"))
    with pytest.raises(UserError, match=r"Cannot read .*none\.csv: No such file"):
        with_grades(table, tmp_path / "none.csv")
    with pytest.raises(UserError, match="grades"):
        with_grades(table, write(tmp_path, b"\x00" * 100))


def test_the_command_grades_new_pairs_and_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "set", "images/a{}.png", "masks/a{}.png")
    file = write(tmp_path, "name,grade\na1,good\na2,bad\na3,good\n")
    project = tmp_path / "project"
    run(["pair", str(project), "--images", str(tmp_path / "set"), "--grades", str(file)])
    assert "2 image classes from grades.csv: bad (1), good (2)." in capsys.readouterr().out
    pairs = load_pairs(PairTable.from_file(project / "pairs.json"))
    assert [pair.image_class for pair in pairs] == ["good", "bad", "good"]
    write(tmp_path, "name,grade\na1,poor\n")
    run(["pair", str(project), "--grades", str(file)])
    assert json.loads((project / "pairs.json").read_text())["entries"][0]["image_class"] == "poor"


def test_a_check_keeps_the_classes(tmp_path: Path) -> None:
    fill(tmp_path / "set", "images/a{}.png", "masks/a{}.png")
    graded = with_grades(find_pairs(tmp_path / "set"), write(tmp_path, "name,grade\na1,good\n"))
    assert classes(check_pairs(graded)) == {"a1": "good", "a2": None, "a3": None}
    assert "1 image class from grades.csv: good (1)." in check_pairs(graded).summary()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sep=;\nnote;name;grade\n1;a;A\n2;b;B\n", {"a": "A", "b": "B"}),
        ("name;grade, by day, and hand\na;A\nb;B\n", {"a": "A", "b": "B"}),
        ("name;grade\na;1,5\nb;2,5\n", {"a": "1,5", "b": "2,5"}),
        ("a,A\nb,B\n", {"a": "A", "b": "B"}),
        ("name,grade\na,1.0\nb,1\nc,2.0\n", {"a": "1", "b": "1", "c": "2.0"}),
        ("name;grade\na;1,0\nb;1.0\nc;01\n", {"a": "01", "b": "01", "c": "01"}),
        ("name,grade\na,NA\nb,nan\nc,B\n", {"c": "B"}),
    ],
)
def test_spreadsheets_write_one_grade_in_several_ways(
    tmp_path: Path, table: PairTable, text: str, expected: dict[str, str]
) -> None:
    graded = with_grades(table, write(tmp_path, text))
    assert {name: grade for name, grade in classes(graded).items() if grade is not None} == expected
