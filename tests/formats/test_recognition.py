import io
import json

import pandas as pd
import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.data.rows import read_rows
from toolkit.files.columns import Columns
from toolkit.formats.reading import open_source

ROWS = [(f"a room with a view, number {i}", "pos" if i % 2 else "neg") for i in range(30)]


def lines(*cells: tuple, separator: str) -> str:
    return "".join(separator.join(row) + "\n" for row in cells)


QUOTED = [(f'"{text}"', label) for text, label in ROWS]
OBJECTS = [{"text": text, "label": label} for text, label in ROWS]
OTHERS_FIRST = [(str(i), label, text) for i, (text, label) in enumerate(QUOTED)]
CONTENTS = {
    "csv": ("csv", lines(("text", "label"), *QUOTED, separator=",")),
    "csv with other columns first": ("csv", lines(("id", "Label", "Text"), *OTHERS_FIRST, separator=",")),
    "tsv": ("tsv", lines(("text", "label"), *ROWS, separator="\t")),
    "an array": ("json", json.dumps(OBJECTS, indent=2)),
    "an object a line": ("jsonl", "".join(json.dumps(row) + "\n" for row in OBJECTS)),
    "a table of pandas": ("json", pd.DataFrame(ROWS, columns=["text", "label"]).to_json(orient="split", indent=1)),
    "fastText": ("csv", lines(*((f"__label__{label}", text) for text, label in ROWS), separator=" ")),
    "text and label": ("txt", lines(*ROWS, separator="\t")),
    "label and text": ("txt", lines(*((label, text) for text, label in ROWS), separator="\t")),
    "cells between bars": ("csv", lines(*ROWS, separator="_!_")),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["rows", "rows.dat", "rows.2024"])
@pytest.mark.parametrize("case", CONTENTS)
def test_the_format_of_a_name_without_a_known_ending_is_told_by_the_content(tmp_path, case, name, encoding):
    kind, text = CONTENTS[case]
    (tmp_path / name).write_text(text, encoding=encoding)
    with open_source(tmp_path / name) as source:
        assert source.format == kind
        assert str(source.taken_for[0]).endswith(" by its content")
        if case == "csv with other columns first":
            assert source.columns == ["id", "Label", "Text"]
            return
        rows = list(read_rows(source, Columns()))
    assert [(row.text, row.label) for row in rows] == ROWS


@pytest.mark.parametrize(
    "text", ["good food\nbad food\n", "Well, it was good.\nIt was bad, and cold, and late.\nSo so\n", "[SEP] a\n{b\n"]
)
def test_lines_that_are_no_table_are_texts(tmp_path, text):
    (tmp_path / "rows").write_text(text, encoding="utf-8")
    with open_source(tmp_path / "rows") as source:
        assert (source.format, source.columns, [*map(str, source.taken_for)]) == (
            "txt",
            ["text"],
            ["txt by its content"],
        )
        assert [record.values["text"] for record in source.records] == text.splitlines()


@pytest.mark.parametrize("case", ["csv", "tsv", "an object a line"])
def test_a_table_with_a_header_or_objects_in_a_txt_file_are_recognised(tmp_path, case):
    (tmp_path / "rows.txt").write_text(CONTENTS[case][1], encoding="utf-8")
    with open_source(tmp_path / "rows.txt") as source:
        assert source.format == CONTENTS[case][0]
        assert [*map(str, source.taken_for)] == [f"{'json' if 'object' in case else case} by its content"]
        assert [(row.text, row.label) for row in read_rows(source, Columns())] == ROWS


@pytest.mark.parametrize("name", ["rows.csv", "rows.txt", "rows", "rows.json"])
def test_binary_files_are_recognised_whatever_they_are_called(tmp_path, name):
    pa = pytest.importorskip("pyarrow")
    openpyxl = pytest.importorskip("openpyxl")
    table = pa.table({"text": ["a", "b"], "label": ["x", "y"]})
    parquet, arrow, workbook = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]}).to_parquet(parquet, index=False)
    with pa.ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    book = openpyxl.Workbook()
    for row in (("text", "label"), ("a", "x"), ("b", "y")):
        book.active.append(row)
    book.save(workbook)
    for stream, said in ((parquet, "parquet"), (arrow, "arrow"), (workbook, "an Excel workbook")):
        (tmp_path / name).write_bytes(stream.getvalue())
        with open_source(tmp_path / name) as source:
            assert [record.values for record in seen(source)] == [
                {"text": "a", "label": "x"},
                {"text": "b", "label": "y"},
            ]
            assert [*map(str, source.taken_for)] == [f"{said} by its content"]


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe\xfd", bytes(range(1, 256)) * 3, b"\x7fELF" + bytes(99)]
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, data):
    (tmp_path / "rows").write_bytes(data)
    with pytest.raises(UserError) as caught, open_source(tmp_path / "rows") as source:
        rows = list(read_rows(source, Columns()))
        raise UserError(rows[0].reason)
    assert len(caught.value.lines()) == 1


def test_old_and_other_spreadsheets_are_refused_with_what_to_do(tmp_path):
    import zipfile

    (tmp_path / "rows.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(UserError, match=r"rows.xls: is a workbook of an old Excel \(.xls\); save it as .xlsx or .csv"):
        open_source(tmp_path / "rows.xls")
    with zipfile.ZipFile(tmp_path / "rows.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<x/>")
    with pytest.raises(UserError, match=r"rows.ods: is an OpenDocument file; save it as .xlsx or .csv"):
        open_source(tmp_path / "rows.ods")


def test_a_long_file_is_recognised_by_its_beginning_alone(tmp_path):
    (tmp_path / "rows").write_text(lines(("text", "label"), *QUOTED * 4000, separator=","), encoding="utf-8")
    with open_source(tmp_path / "rows") as source:
        assert [*map(str, source.taken_for)] == ["csv by its content"]
        assert sum(1 for _ in source.records) == 30 * 4000
