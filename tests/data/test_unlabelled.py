import csv
import io
import json
import os
from pathlib import Path

import pytest

from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.cli.sections import ReadingOptions
from toolkit.data.rows import Rejected, Row
from toolkit.data.unlabelled import UnlabelledRows
from toolkit.files.columns import Columns

SINGLE = Columns("text", None, None)
PAIRED = Columns("text", "text_pair", None)
CSV = 'id,text\n1,good food\n2,\n3,"two\nlines"\n4\n5,差\n'
JSONL = '{"text": "good"}\n{"text": 7, "id": 1}\n\n[1]\n{"id": 2}\n{"text": "bad", "note": null}\n{"text"\n'
TXT = "good food\n\n  very bad \r\n差评\n"


def written(folder: Path, name: str, content: str) -> str:
    (folder / name).write_bytes(content.encode())
    return str(folder / name)


def given(path: str, on_bad_rows: str = "skip", columns=SINGLE, kind: str | None = None) -> UnlabelledRows:
    return UnlabelledRows(path, columns, ReadingOptions(None, on_bad_rows), kind)


def usable(found: UnlabelledRows) -> list[Row]:
    with found.open() as source:
        return [row for row in found.read(source) if isinstance(row, Row)]


def texts(found: UnlabelledRows) -> list[str]:
    return [row.text for row in usable(found)]


@pytest.mark.parametrize(
    ("name", "content", "result", "usable"),
    [
        ("rows.csv", CSV, (3, "csv", ["id", "text"]), ["good food", "two\nlines", "差"]),
        ("rows.jsonl", JSONL, (3, "jsonl", ["text", "id", "note"]), ["good", "7", "bad"]),
        ("rows.json", JSONL, (3, "jsonl", ["text", "id", "note"]), ["good", "7", "bad"]),
        ("rows.txt", TXT, (3, "txt", ["text"]), ["good food", "  very bad ", "差评"]),
    ],
)
def test_a_scan_counts_the_rows_that_are_then_read_and_names_every_column(tmp_path, name, content, result, usable):
    found = given(written(tmp_path, name, content))
    assert found.scan() == result
    assert found.rejected == 0  # they are counted where they are left out
    assert texts(found) == usable


def test_a_scan_names_the_columns_that_only_a_late_row_has(tmp_path):
    lines = ['{"text": "a"}'] * 1000 + ['{"text": "b", "seen_late": 1}']
    found = given(written(tmp_path, "rows.jsonl", "\n".join(lines)))
    assert found.scan() == (1001, "jsonl", ["text", "seen_late"])


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_rows_before_the_first_with_a_second_text_are_counted_and_listed(tmp_path, ending):
    lines = [json.dumps({"text": f"a {i}"}) for i in range(300)] + [json.dumps({"text": "b", "text_pair": "c", "n": 1})]
    content = "[" + ",\n".join(lines) + "]" if ending == "json" else "\n".join(lines)
    found = given(written(tmp_path, f"rows.{ending}", content), columns=PAIRED)
    assert found.scan() == (1, ending, ["text", "text_pair", "n"])
    assert texts(found) == ["b"]
    assert found.rejected == 300
    with pytest.raises(UserError) as caught:
        given(found.path, "stop", PAIRED).scan()
    assert str(caught.value.args[0]) == f"{found.path}, line 1: text_pair is empty"


def test_a_pipe_without_a_column_is_refused_before_its_end(monkeypatch):
    def lines():
        yield from [b'{"txt": "a"}\n'] * 300
        raise AssertionError("it was read to its end")

    class Pipe(io.RawIOBase):
        def __init__(self):
            self.lines = lines()

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            line = next(self.lines)
            buffer[: len(line)] = line
            return len(line)

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Pipe())))
    found = given("-", kind="jsonl")
    with found.open() as source, pytest.raises(UserError) as caught:
        next(found.read(source))
    said = "no column 'text' in the first 256 objects, only 'txt'; --text_column can name another"
    assert str(caught.value) == f"standard input: {said}"


@pytest.mark.parametrize(
    ("name", "content", "problems", "summary"),
    [
        (
            "rows.csv",
            CSV,
            ["line 3: text is empty", "line 6: 1 field where the header has 2"],
            "2 of 5 rows cannot be used",
        ),
        (
            "rows.jsonl",
            JSONL,
            [
                'line 4: a json list where an object such as {"text": ...} belongs',
                "line 5: text is empty",
                "line 7: not valid json (Expecting ':' delimiter)",
            ],
            "3 of 6 rows cannot be used",
        ),
        ("rows.txt", "good\nb\0d\n", ["line 2: text contains a NUL character"], "1 of 2 rows cannot be used"),
    ],
)
def test_bad_rows_stop_the_scan_with_all_of_them(tmp_path, name, content, problems, summary):
    path = written(tmp_path, name, content)
    with pytest.raises(UserError) as caught:
        given(path, "stop").scan()
    assert [str(problem) for problem in caught.value.args] == [f"{path}, {problem}" for problem in problems]
    assert str(caught.value.summary).startswith(f"{path}: {summary}")


@pytest.mark.parametrize("on_bad_rows", ["stop", "skip"])
def test_a_file_without_a_row_that_can_be_used_is_refused(tmp_path, on_bad_rows):
    path = written(tmp_path, "rows.csv", "text,id\n,1\n ,2\n")
    with pytest.raises(UserError) as caught:
        given(path, on_bad_rows).scan()
    assert caught.value.lines()[:2] == [f"{path}, line 2: text is empty", f"{path}, line 3: text is empty"]
    assert str(caught.value.summary).startswith(f"{path}: 2 of 2 rows cannot be used")


@pytest.mark.parametrize("on_bad_rows", ["stop", "skip"])
def test_a_file_of_no_rows_has_none(tmp_path, on_bad_rows):
    found = given(written(tmp_path, "rows.csv", "text,id\n"), on_bad_rows)
    assert found.scan() == (0, "csv", ["text", "id"])
    assert texts(found) == []


def test_a_column_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="no column 'text_pair', only 'id', 'text'; --pair_column"):
        given(written(tmp_path, "rows.csv", CSV), columns=PAIRED).scan()


def test_the_format_of_a_name_that_tells_none_is_told_by_the_content_and_said(tmp_path):
    found = given(written(tmp_path, "rows.doc", TXT))
    assert found.scan() == (3, "txt", ["text"])
    assert [*map(str, found.taken_for)] == ["txt by its content"]


def test_pairs_need_both_texts(tmp_path):
    found = given(written(tmp_path, "rows.csv", "text,text_pair\na,b\nc,\n,d\ne,f\n"), columns=PAIRED)
    assert found.scan()[0] == 2
    assert [(row.text, row.text_pair) for row in usable(found)] == [("a", "b"), ("e", "f")]
    assert found.rejected == 2


def test_a_reading_gives_all_rows_in_order_and_counts_those_it_rejects(tmp_path):
    found = given(written(tmp_path, "rows.csv", CSV))
    found.scan()
    with found.open() as source:
        rows = [(row, found.rejected) for row in found.read(source)]
    assert [count for _, count in rows] == [0, 1, 1, 2, 2]  # as far as it has read
    assert found.rejected == 2
    assert [type(row) for row, _ in rows] == [Row, Rejected, Row, Rejected, Row]
    assert [(row.line, str(row.reason)) for row, _ in rows if isinstance(row, Rejected)] == [
        (3, "text is empty"),
        (6, "1 field where the header has 2"),
    ]


def test_the_rows_that_were_left_out_are_listed_with_what_stands_in_them(tmp_path):
    content = '{"text": "好"}\n{"id": [1, "差"]}\n{"text": true}\n{"text"\n{"text": "bad"}\n'
    path, listed = written(tmp_path, "rows.jsonl", content), tmp_path / "rejected_rows.csv"
    found = given(path)
    texts(found)
    assert found.list_rejected(listed) is None
    with listed.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["file"], int(row["line"])) for row in rows] == [(path, 2), (path, 3), (path, 4)]
    assert [json.loads(row["row"]) for row in rows] == [{"id": [1, "差"]}, {"text": True}, '{"text"']
    assert found.rejected == 3  # listing them is no reading that counts
    assert texts(found) == ["好", "bad"]


def test_where_no_row_was_left_out_an_older_list_is_removed(tmp_path):
    listed = tmp_path / "rejected_rows.csv"
    listed.write_text("of an earlier run")
    found = given(written(tmp_path, "rows.txt", TXT), "stop")
    assert texts(found) == ["good food", "  very bad ", "差评"]
    found.list_rejected(listed)
    assert not listed.exists()


def test_an_open_input_is_called_as_it_was_given_and_its_file_is_closed_again(tmp_path):
    path = written(tmp_path, "rows.csv", CSV)
    with given(path).open() as source:
        assert (source.name, source.format, source.columns) == (path, "csv", ["id", "text"])
    assert source.stream.closed


@pytest.fixture
def empty_tmp(tmp_path, monkeypatch) -> Path:
    """An empty directory that temporary files go to."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


@pytest.mark.parametrize(
    ("kind", "content", "usable"),
    [(None, TXT, ["good food", "  very bad ", "差评"]), ("jsonl", JSONL, ["good", "7", "bad"])],
)
def test_standard_input_that_is_kept_can_be_read_twice_and_keeps_its_name(
    tmp_path, empty_tmp, monkeypatch, kind, content, usable
):
    with Path(written(tmp_path, "pipe", content)).open(encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdin", stream)
        found = given("-", kind=kind)
        assert found.is_pipe
        found.keep()
        assert not found.is_pipe
    try:
        assert found.scan()[:2] == (3, kind or "txt")
        assert found.fingerprint() == fingerprint(tmp_path / "pipe")
        assert texts(found) == texts(found) == usable
        assert found.fingerprint() == fingerprint(tmp_path / "pipe")
        assert len(found.sample(2)) == 2
        with found.open() as source:
            assert source.name == "standard input"
        if found.rejected:
            found.list_rejected(tmp_path / "rejected_rows.csv")
            assert "standard input,4," in (tmp_path / "rejected_rows.csv").read_text(encoding="utf-8")
        assert os.name == "nt" or list(empty_tmp.iterdir()) == []  # however it ends, nothing of it is left
    finally:
        found.close()
    assert list(empty_tmp.iterdir()) == []


def test_standard_input_that_cannot_be_kept_leaves_nothing(empty_tmp, monkeypatch):
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError("the disk is full")

    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": Broken()}))
    with pytest.raises(OSError, match="full"):
        given("-").keep()
    assert list(empty_tmp.iterdir()) == []


def test_standard_input_that_is_closed_cannot_be_kept_either(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="standard input is closed"):
        given("-").keep()


@pytest.mark.parametrize(
    ("lines", "remarks"),
    [
        (["id;text", '1;"good, ""really"""', "2;bad"], ["semicolon-separated"]),
        (["comment\tn", 'good, "really"\t1', "bad\t2"], ["tab-separated", "text from 'comment'"]),
        (
            ['"The room was good, ""really"""', '"The bed was bad, I fear"', '"A third one, still"'],
            ["no header (columns text)"],
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_pipe_is_told_by_what_of_it_has_come_and_is_not_waited_for(monkeypatch, lines, remarks, end):
    reader, writer = os.pipe()
    with open(reader, "rb") as stream, open(writer, "wb", buffering=0) as pipe:  # noqa: PTH123 (descriptors)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
        pipe.write((end.join(lines) + end).encode())
        found = given("-", kind="csv")
        with found.open() as source:
            assert [*map(str, found.taken_for)] == remarks
            assert next(found.read(source)).text.endswith('good, "really"')  # the pipe is still open
            pipe.close()
            assert len(list(found.read(source))) == 1 + ("columns text" in remarks[0])
