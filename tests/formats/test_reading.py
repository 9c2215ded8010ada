import csv
import errno
import gc
import gzip
import io
import json
import os
import warnings
from datetime import datetime

import pandas as pd
import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.data.rows import read_rows
from toolkit.files.columns import Columns
from toolkit.formats.reading import open_source

ROWS = [
    {"text": "房间很大，一直来", "label": "好"},
    {"text": 'he said "no", twice', "label": "0"},
    {"text": "甲乙丙丁\u3000戊", "label": "差"},
    {"text": "NA", "label": "null"},
    {"text": " 一 ", "label": "好"},
] * 3
ENCODINGS = {
    "utf-8": "utf-8",
    "utf-8 with BOM": "utf-8-sig",
    "GBK": "gbk",
    "GB18030": "gb18030",
    "UTF-16 with BOM": "utf-16",
}


def content(kind: str, rows: list[dict]) -> str:
    """Return the rows as the standard library writes them."""
    if kind == "json":
        return json.dumps(rows, ensure_ascii=False, indent=1)
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if kind == "txt":
        return "".join(f"{row['text']}\t{row['label']}\n" for row in rows)
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, ["text", "label"], delimiter="\t" if kind == "tsv" else ",")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def read(path, **kwargs) -> list:
    with open_source(path, **kwargs) as source:
        return seen(source)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "txt"])
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_every_text_format_is_read_in_every_encoding_without_being_told(tmp_path, encoding, kind, packed):
    data = content(kind, ROWS).encode(encoding)
    path = tmp_path / f"rows.{kind}{'.gz' * packed}"
    path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
    with open_source(path) as source:
        assert (source.format, source.columns, source.unit) == (kind, ["text", "label"], "line")
        assert [record.values for record in source.records] == ROWS


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["without BOM", "with BOM"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt"])
def test_both_byte_orders_of_utf_16_are_read(tmp_path, kind, bom, encoding):
    path = tmp_path / f"rows.{kind}"
    path.write_bytes((bom + content(kind, ROWS)).encode(encoding))
    assert [record.values for record in read(path)] == ROWS


@pytest.mark.parametrize(
    ("encoding", "text"), [("big5", "房間很大"), ("cp1252", "très élégant"), ("shift_jis", "部屋が広い")]
)
def test_an_encoding_that_is_named_is_used(tmp_path, encoding, text):
    path = tmp_path / "rows.csv"
    path.write_bytes(f"text,label\n{text},1\n".encode(encoding))
    assert [record.values for record in read(path, encoding=encoding)] == [{"text": text, "label": "1"}]


def test_a_byte_order_mark_is_no_part_of_the_first_column_when_utf_8_is_named(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbftext,label\na,1\n")
    with open_source(path, encoding="utf-8") as source:
        assert source.columns == pd.read_csv(path, encoding="utf-8").columns.tolist() == ["text", "label"]


@pytest.mark.parametrize(
    ("encoding", "damaged"), [("utf-8", b"\xff"), ("utf-8", b"\xf0"), ("utf-8-sig", b"\x80"), ("gb18030", b"\xff")]
)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "txt"])
def test_one_damaged_byte_spoils_its_own_row_and_no_other(tmp_path, kind, encoding, damaged):
    rows = [{"text": f"第{i}间房很干净，早餐不错", "label": "好"} for i in range(30)]
    lines = content(kind, rows).encode(encoding).splitlines(keepends=True)
    bad = len(lines) - 12
    at = lines[bad].index("净".encode(encoding.removesuffix("-sig")))
    lines[bad] = lines[bad][:at] + damaged + lines[bad][at + 1 :]
    path = tmp_path / f"rows.{kind}"
    path.write_bytes(b"".join(lines))
    with open_source(path) as source:
        found = list(read_rows(source, Columns()))
    row = len(rows) - 12
    assert [(used.text, used.label) for used in found[:row] + found[row + 1 :]] == [
        (good["text"], good["label"]) for good in rows[:row] + rows[row + 1 :]
    ]
    assert found[row].line == bad + 1
    assert f"text contains byte 0x{damaged[0]:02X}, which is not valid" in str(found[row].reason)


def test_an_encoding_that_does_not_exist_is_refused_and_no_file_is_left_open(tmp_path):
    (tmp_path / "rows.csv").write_text("text\na\n", encoding="utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            open_source(tmp_path / "rows.csv", encoding="nonsense")
            message = ""
        except UserError as error:
            message = str(error)
        gc.collect()
    assert message == "--encoding nonsense: unknown text encoding (try utf-8, gb18030 or utf-16)"
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize("name", ["missing.csv", "missing.json.gz"])
def test_a_file_that_is_not_there_is_an_error_with_its_name_and_the_reason(tmp_path, name):
    with pytest.raises(UserError) as caught:
        open_source(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: cannot be read ({os.strerror(errno.ENOENT)})"


def test_a_folder_in_place_of_a_file_is_an_error_with_its_name(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match=r"folder\.csv: cannot be read \("):
        open_source(tmp_path / "folder.csv")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt"])
def test_a_gz_file_that_breaks_off_is_an_error_with_its_name(tmp_path, kind):
    path = tmp_path / f"rows.{kind}.gz"
    path.write_bytes(gzip.compress(content(kind, ROWS * 100).encode(), mtime=0)[:-20])
    with pytest.raises(UserError, match=f"rows.{kind}.gz: cannot be read"):
        read(path)


def test_a_gz_file_that_breaks_off_is_noticed_in_a_named_encoding_too(tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(content("csv", ROWS * 100).encode(), mtime=0)[:-20])
    with pytest.raises(UserError, match=r"rows\.csv\.gz: cannot be read"):
        read(path, encoding="utf-8")


def test_a_file_that_is_gz_in_name_only_is_an_error(tmp_path):
    (tmp_path / "rows.csv.gz").write_text("text,label\na,1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"rows\.csv\.gz: cannot be read"):
        read(tmp_path / "rows.csv.gz")


def test_a_gz_file_in_capitals_is_unpacked(tmp_path):
    (tmp_path / "ROWS.CSV.GZ").write_bytes(gzip.compress(b"text,label\na,1\n", mtime=0))
    assert read(tmp_path / "ROWS.CSV.GZ") == [(2, {"text": "a", "label": "1"}, None)]


def test_the_format_may_be_named(tmp_path):
    (tmp_path / "rows.dat").write_text('{"text": "a"}\n', encoding="utf-8")
    assert read(tmp_path / "rows.dat", kind="jsonl") == [(1, {"text": "a"}, None)]
    assert read(tmp_path / "rows.dat", kind="txt") == [(1, {"text": '{"text": "a"}'}, None)]


@pytest.mark.parametrize("kind", ["csv", "json", "txt"])
def test_the_file_is_closed_afterwards(tmp_path, kind):
    path = tmp_path / f"rows.{kind}"
    path.write_text(content(kind, ROWS), encoding="utf-8")
    with open_source(path) as source:
        next(source.records)
        assert not source.stream.closed
    assert source.stream.closed


def test_a_csv_field_keeps_its_own_line_breaks_and_json_and_txt_count_every_kind_of_line_end(tmp_path):
    (tmp_path / "rows.csv").write_bytes(b'text,label\r\n"a\r\nb",1\r\n"c\nd\re",0\r\n')
    assert [record.values["text"] for record in read(tmp_path / "rows.csv")] == ["a\r\nb", "c\nd\re"]
    for name, line in (("rows.txt", "a\t1"), ("rows.jsonl", '{"text": "a"}')):
        (tmp_path / name).write_bytes(f"{line}\r\n\r\n{line}\r{line}\n{line}".encode())
        assert [record.line for record in read(tmp_path / name)] == [1, 3, 4, 5]


def test_a_parquet_file_is_read_with_its_types_and_its_rows_are_numbered(tmp_path):
    pytest.importorskip("pyarrow")
    day = datetime(2024, 2, 29, 12, 30)
    frame = pd.DataFrame(
        {"text": [f"第{i}行" for i in range(3000)], "label": [i % 3 for i in range(3000)], "score": 0.5, "day": day}
    )
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    with open_source(tmp_path / "rows.parquet") as source:
        assert (source.format, source.columns, source.unit) == ("parquet", ["text", "label", "score", "day"], "row")
        records = seen(source)
    assert [record.line for record in records] == list(range(1, 3001))
    assert records[2999].values == {"text": "第2999行", "label": 2, "score": 0.5, "day": day}
    assert [record.values["label"] for record in records] == frame["label"].tolist()


def test_a_null_of_a_parquet_file_is_none(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"text": ["a", None], "label": [1, 2]}).to_parquet(tmp_path / "rows.parquet", index=False)
    assert [record.values for record in read(tmp_path / "rows.parquet")] == [
        {"text": "a", "label": 1},
        {"text": None, "label": 2},
    ]


@pytest.mark.parametrize("data", [b"", b"text,label\na,1\n", b"PAR1" + bytes(100)])
def test_a_file_that_is_parquet_in_name_only_is_an_error(tmp_path, data):
    pytest.importorskip("pyarrow")
    (tmp_path / "rows.parquet").write_bytes(data)
    with pytest.raises(UserError, match=r"rows\.parquet: not a parquet file"):
        open_source(tmp_path / "rows.parquet")


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.75])
def test_a_damaged_parquet_file_is_an_error_with_its_name(tmp_path, share):
    pytest.importorskip("pyarrow")
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"text": [f"row {i * i}" for i in range(3000)]}).to_parquet(path, index=False)
    data = bytearray(path.read_bytes())
    at = int(len(data) * share)
    data[at : at + 40] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"rows\.parquet: (cannot be read|not a parquet file)"):
        read(path)


def test_a_missing_parquet_file_is_an_error_with_its_name(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(UserError, match=r"missing\.parquet: cannot be read"):
        open_source(tmp_path / "missing.parquet")
