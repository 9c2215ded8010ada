import io
import zipfile
from datetime import date, datetime, time
from decimal import Decimal

import pandas as pd
import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.data.rows import Rejected, read_rows
from toolkit.files.columns import Columns
from toolkit.formats.reading import open_source

openpyxl = pytest.importorskip("openpyxl")


def workbook(path, *rows: tuple, **others: list[tuple]):
    """Write a workbook with these rows in its first sheet, and with other sheets."""
    book = openpyxl.Workbook()
    book.active.title = "Reviews"
    for row in rows:
        book.active.append(row)
    for name, cells in others.items():
        sheet = book.create_sheet(name)
        for row in cells:
            sheet.append(row)
    book.save(path)
    return path


def rows(path, columns: Columns = Columns()) -> list[tuple]:  # noqa: B008
    with open_source(path) as source:
        return [(row.line, row.text, row.label) for row in read_rows(source, columns)]


def test_a_workbook_that_pandas_wrote_is_read_back(tmp_path):
    frame = pd.DataFrame({
        "text": ["房间很大", 'he said "no"', " two\nlines "] * 500, "label": [1, 0, 2] * 500,
        "score": [0.1, 2.5, 3.0] * 500,
    })  # fmt: skip
    frame.to_excel(tmp_path / "rows.xlsx", index=False)
    with open_source(tmp_path / "rows.xlsx") as source:
        assert (source.format, source.unit, source.columns) == ("xlsx", "row", ["text", "label", "score"])
        assert [*map(str, source.taken_for)] == []
        records = seen(source)
    assert [record.line for record in records] == list(range(2, 1502))
    assert [record.values for record in records] == frame.to_dict("records")


def test_rows_are_numbered_as_in_the_sheet_and_blank_ones_are_none(tmp_path):
    path = workbook(
        tmp_path / "rows.xlsx", (), (None, " "), ("text", "label"), ("a", "x"), (), (None, ""), ("b", "y"), (None, "x")
    )
    with open_source(path) as source:
        found = list(read_rows(source, Columns()))
    assert [row.line for row in found] == [4, 7, 8]
    assert str(found[2]) == f"{path}, row 8: text is empty"
    assert isinstance(found[2], Rejected)


def test_numbers_dates_and_truth_values_are_their_texts(tmp_path):
    path = workbook(
        tmp_path / "rows.xlsx",
        ("text", "label", "other"),
        (12, 1, datetime(2024, 2, 29)),
        (1.5, 2.0, datetime(2024, 2, 29, 12, 30)),
        (0.1 + 0.2, True, time(12, 30)),
        ("a", False, date(2024, 1, 1)),
        (date(2024, 1, 1), "x", Decimal("1.25")),
        (True, -3, None),
    )
    with open_source(path) as source:
        found = list(read_rows(source, Columns()))
    assert [(row.text, row.label) for row in found] == [
        ("12", "1"), ("1.5", "2"), ("0.3", "TRUE"), ("a", "FALSE"), ("2024-01-01", "x"), ("TRUE", "-3")
    ]  # fmt: skip
    others = ["2024-02-29", "2024-02-29 12:30:00", "12:30:00", "2024-01-01", 1.25, None]
    assert [row.values["other"] for row in found] == others


def test_of_a_formula_the_value_counts_that_was_computed_last(tmp_path):
    path = workbook(tmp_path / "rows.xlsx", ("text", "label"), ("=1+1", "x"))
    (tmp_path / "computed.xlsx").write_bytes(b"")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "computed.xlsx", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("sheet1.xml"):
                content = (
                    content.replace(b"<v></v>", b"<v>2</v>")
                    .replace(b"<v />", b"<v>2</v>")
                    .replace(b"<v/>", b"<v>2</v>")
                )
            new.writestr(name, content)
    assert rows(tmp_path / "computed.xlsx") == [(2, "2", "x")]


def test_the_first_sheet_with_rows_is_taken_and_that_is_said(tmp_path):
    path = workbook(tmp_path / "a.xlsx", Empty=[], Data=[("text", "label"), ("a", "x")], More=[("b",)])
    with open_source(path) as source:
        assert [*map(str, source.taken_for)] == ["sheet 'Data', the first of 2 with rows"]
        assert [record.values for record in source.records] == [{"text": "a", "label": "x"}]
    path = workbook(tmp_path / "b.xlsx", Data=[("text", "label"), ("a", "x")])
    with open_source(path) as source:
        assert [*map(str, source.taken_for)] == ["sheet 'Data'"]


def test_a_hidden_sheet_is_not_taken_before_one_that_can_be_seen(tmp_path):
    path = workbook(tmp_path / "a.xlsx", ("secret",), Data=[("text", "label"), ("a", "x")])
    book = openpyxl.load_workbook(path)
    book.worksheets[0].sheet_state = "hidden"
    book.active = 1
    book.save(path)
    assert rows(path) == [(2, "a", "x")]


def test_what_stands_beside_the_columns_is_left_out_and_short_rows_are_filled(tmp_path):
    path = workbook(
        tmp_path / "a.xlsx", (None, "text", " label ", None), (1, "a", "x", 2, "beside"), (None, "b", "y"), (3, "c")
    )
    with open_source(path) as source:
        assert source.columns == ["", "text", "label"]
        assert [list(record.values.values()) for record in source.records] == [
            [1, "a", "x"],
            [None, "b", "y"],
            [3, "c", None],
        ]


def test_a_sheet_without_a_header_has_its_columns_named_by_what_is_in_them(tmp_path):
    cells = [("x" if i % 2 else "y", f"the room with number {i} was as cheap as it looked") for i in range(20)]
    with open_source(workbook(tmp_path / "a.xlsx", *cells)) as source:
        assert source.columns == ["label", "text"]
        assert [*map(str, source.taken_for)] == ["no header (columns label, text)"]
        assert [(record.line, *record.values.values()) for record in source.records] == [
            (number, *row) for number, row in enumerate(cells, 1)
        ]


def test_columns_that_are_not_used_may_be_called_alike(tmp_path):
    path = workbook(tmp_path / "a.xlsx", ("id", "text", "label", "id"), (1, "a", "x", 2), (3, "b", "y", 4))
    assert rows(path) == [(2, "a", "x"), (3, "b", "y")]


def test_columns_that_are_not_used_may_have_one_name(tmp_path):
    path = workbook(tmp_path / "rows.xlsx", ("id", "text\u200b", "label", "id", None), (1, "a", "x", 2, 3))
    with open_source(path) as source:
        assert source.columns == ["id", "text", "label", "id.1"]
        assert [source.written_names.get(name, name) for name in source.columns] == ["id", "text\u200b", "label", "id"]
        assert [record.values for record in source.records] == [{"id": 1, "text": "a", "label": "x", "id.1": 2}]


def test_what_cannot_be_used_of_a_workbook_is_refused_in_one_line(tmp_path):
    empty = workbook(tmp_path / "empty.xlsx", Other=[(None, " ")])
    with pytest.raises(UserError, match=r"empty.xlsx: the workbook is empty$"):
        open_source(empty)
    twice = workbook(tmp_path / "twice.xlsx", ("text", "label", "text"), ("a", "x", "b"))
    with pytest.raises(UserError, match=r"twice.xlsx, row 1: two columns are called 'text'$"):
        open_source(twice)
    (tmp_path / "text.xlsx").write_text("text,label\na,x\n")
    with pytest.raises(UserError, match=r"text.xlsx: not an Excel workbook \(File is not a zip file\)$"):
        open_source(tmp_path / "text.xlsx")
    with zipfile.ZipFile(tmp_path / "other.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/document.xml", "<x/>")
    with pytest.raises(UserError, match=r"other.xlsx: not an Excel workbook"):
        open_source(tmp_path / "other.xlsx")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_workbook_that_breaks_off_is_an_error_with_its_name(tmp_path, kept):
    path = workbook(tmp_path / "rows.xlsx", ("text", "label"), *[(f"text {i}", "x") for i in range(2000)])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(UserError, match=r"rows.xlsx: (not an Excel workbook|cannot be read)"):
        rows(path)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("xl/worksheets/sheet1.xml", b"<row", b"<wor"),
        ("xl/worksheets/sheet1.xml", b"</sheetData>", b""),
        ("xl/workbook.xml", b"<sheets>", b"<sheets"),
        ("xl/sharedStrings.xml", b"<si>", b"<is>"),
        ("xl/worksheets/sheet1.xml", b'r="A2"', b'r="?"'),
        ("xl/worksheets/sheet1.xml", b'<row r="2"', b'<row r="99999999999"'),
    ],
)
def test_a_damaged_workbook_is_an_error_with_its_name(tmp_path, part, old, new):
    path = workbook(tmp_path / "whole.xlsx", ("text", "label"), ("a", "x"), ("b", "y"))
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(tmp_path / "rows.xlsx", "w") as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, content.replace(old, new) if name == part else content)
    try:
        found = rows(tmp_path / "rows.xlsx")
    except UserError as error:
        assert str(error).startswith(f"{tmp_path / 'rows.xlsx'}")
        assert len(error.lines()) == 1
    else:
        assert found == [(2, "a", "x"), (3, "b", "y")]


def test_a_workbook_in_a_zip_is_read(tmp_path):
    stream = io.BytesIO()
    workbook(stream, ("text", "label"), ("a", "x"))
    with zipfile.ZipFile(tmp_path / "rows.xlsx.zip", "w") as archive:
        archive.writestr("rows.xlsx", stream.getvalue())
    assert rows(tmp_path / "rows.xlsx.zip") == [(2, "a", "x")]


def test_without_openpyxl_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = workbook(tmp_path / "rows.xlsx", ("text", "label"), ("a", "x"))
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(UserError, match=r"rows.xlsx: xlsx files need the package openpyxl \(pip install openpyxl\)"):
        open_source(path)
