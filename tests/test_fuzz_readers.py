"""Random files: damaged ones never end in more than a message, and what other programs wrote is read back exactly."""

import csv
import gzip
import io
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import utils
from benchmarks import fuzz_readers
from benchmarks.fuzz_readers import Failure, check, check_lines, make_file, warm_up, watched, with_hypothesis
from toolkit.base.errors import UserError
from toolkit.cli.sections import ReadingOptions
from toolkit.data.spellings import plain_label  # see tests/data/test_spellings.py
from toolkit.files.columns import Columns

ALIKE = {"deadline": None, "database": None, "derandomize": True}  # the same files each time, and none kept
COLUMNS = Columns()
BREAK = re.compile("\r\n|\r|\n")


# -- damaged files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [11, 12])
def test_damaged_files_give_rows_or_messages_and_nothing_else(tmp_path, seed):
    pytest.importorskip("pyarrow")
    warm_up(tmp_path)
    tally = Counter()
    for number in range(300):
        check(tmp_path, *make_file(seed, number), tally)
    assert tally["read"] + tally["refused"] == 300
    assert min(tally["read"], tally["refused"], tally["used"], tally["rejected"], tally["learned"]) > 20


def test_files_that_hypothesis_draws_give_rows_or_messages_and_nothing_else(capsys):
    pytest.importorskip("pyarrow")
    fuzz = with_hypothesis(200, seed=1)
    assert fuzz.report() == 0, capsys.readouterr().err
    assert fuzz.tally["read"] > 20 < fuzz.tally["refused"]
    assert not fuzz.folder.exists()


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda path: path.write_text("x"),
        lambda path: path.open("a"),
        lambda path: path.mkdir(),
        lambda path: path.unlink(missing_ok=True),
        lambda path: path.rename(path.with_suffix(".new")),
        lambda path: tempfile.mkstemp(dir=path),
        lambda path: subprocess.run(["true"]),
        lambda path: socket.create_connection(("127.0.0.1", 9)),
        lambda path: time.sleep(1),
    ],
    ids=["write", "append", "mkdir", "unlink", "rename", "mkstemp", "process", "connection", "hang"],
)
def test_the_watch_sees_what_reading_must_not_do(tmp_path, monkeypatch, forbidden):
    monkeypatch.setattr(fuzz_readers, "TIME_LIMIT", 0.2)
    with pytest.raises(Failure), watched():
        forbidden(tmp_path / "new")
    assert not list(tmp_path.iterdir())
    assert (tmp_path / "new").write_text("x") == 1  # it does not watch any longer


@pytest.mark.parametrize("message", ["", " ", "x" * 5000])
def test_a_message_has_to_say_something_in_one_line(message):
    with pytest.raises(Failure):
        check_lines(UserError(message))


# -- what other programs wrote ----------------------------------------------------------------------------------------

ANY = st.characters(exclude_categories=["Cs"])
TELLING = st.sampled_from("a好𠮷😀é\"',;\t\n\r\0\\ \u3000\u2028\x85\x0b\x0c\x1c\ufeff\u200bم")
TEXT = st.text(ANY | TELLING, max_size=12)
ROWS = st.lists(st.tuples(TEXT, TEXT | st.sampled_from(["x", "y"])), min_size=1, max_size=8)
WRITTEN = st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])


def without(signs: str, rows: list[tuple]) -> list[tuple]:
    """Return the rows without some signs, by which a format ends its fields or lines."""
    table = str.maketrans(dict.fromkeys(signs))
    return [tuple(cell.translate(table) for cell in row) for row in rows]


def outcome(name: str, data: bytes, encoding: str | None) -> tuple[list, list]:
    """Return the rows (line, text, label) of a file that are used and those (line, why) that are not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
        try:
            table = utils.read_table(path, COLUMNS, ReadingOptions(encoding, "skip"))
        except UserError as error:  # that none can be used is one for the whole file
            lines = [str(line).removeprefix(f"{path}, ") for line in error.args]
            return [], [(int(line.split()[1].rstrip(":")), line.split(": ", 1)[1]) for line in lines]
    return list(table.frame.itertuples(name=None)), [(row.line, str(row.reason)) for row in table.rejected]


def wanted(rows: list[tuple], lines: list[int], nul: str = "") -> tuple[list, list]:
    """Return what should come of rows that begin on `lines`; `nul` is said of a row with NUL anywhere, if given."""
    used, bad = [], []
    for line, (text, label) in zip(lines, rows, strict=True):
        why = nul if "\0" in text + label else ""
        for name, cell in (("text", text), ("label", plain_label(label))):
            problem = "" if cell.strip() else "is empty"
            problem = problem or ("contains a NUL character" if "\0" in cell else "")
            why = why or (problem and f"{name} {problem}")
        bad += [(line, why)] if why else []
        used += [] if why else [(line, text, plain_label(label))]
    return used, bad


def encoded(text: str, written: str) -> tuple[bytes, str | None]:
    """Return a file's bytes and the --encoding it needs, which is none where a BOM tells it."""
    return text.encode(written), None if written in ("utf-8-sig", "utf-16", "utf-32") else written


@settings(max_examples=200, **ALIKE)
@given(ROWS, WRITTEN, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.sampled_from(["", ".gz"]))
def test_csv_and_tsv_of_the_csv_module_are_read_back(rows, written, end, tabs, gz):
    # Where a cell has both tabs and line breaks, a tsv file may as well be one that was written without quoting.
    rows = without("\t", rows) if tabs else rows
    rows = without("\0", rows) if sys.version_info < (3, 11) else rows  # older csv modules cannot write it
    stream, lines = io.StringIO(), []
    writer = csv.writer(stream, delimiter="\t" if tabs else ",", lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["text", "label"])
    for row in rows:
        lines.append(1 + len(BREAK.findall(stream.getvalue())))
        writer.writerow(row)
    data, encoding = encoded(stream.getvalue(), written)
    name = f"rows.{'tsv' if tabs else 'csv'}{gz}"
    assert outcome(name, data, encoding) == wanted(rows, lines, nul="contains a NUL character")


@settings(max_examples=100, **ALIKE)
@given(ROWS, st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"]))
def test_csv_of_pandas_is_read_back(rows, written):
    rows = without("\r\0", rows)
    text = pd.DataFrame(rows, columns=["text", "label"]).to_csv(index=False, lineterminator="\n")
    lines = [2 + i + sum(cell.count("\n") for row in rows[:i] for cell in row) for i in range(len(rows))]
    assert outcome("rows.csv", *encoded(text, written)) == wanted(rows, lines)


@settings(max_examples=200, **ALIKE)
@given(ROWS, WRITTEN, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", ".gz"]))
def test_lines_of_text_and_label_are_read_back(rows, written, end, gz):
    rows = [(text.lstrip("\ufeff"), label.replace("\t", "")) for text, label in without("\r\n", rows)]
    rows.insert(0, ("first", "x"))
    data, encoding = encoded("".join(f"{text}\t{label}{end}" for text, label in rows), written)
    lines = [line for line, row in enumerate(rows, 1) if "".join(row).strip()]  # blank lines are no rows
    assert outcome(f"rows.txt{gz}", data, encoding) == wanted([rows[line - 1] for line in lines], lines)


@settings(max_examples=200, **ALIKE)
@given(ROWS, WRITTEN, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans(), st.sampled_from(["", ".gz"]))
def test_json_of_the_json_module_is_read_back(rows, written, end, ascii_only, array, gz):
    objects = [json.dumps({"text": text, "label": label}, ensure_ascii=ascii_only) for text, label in rows]
    text = f"[{end}" + f",{end}".join(objects) + f"{end}]" if array else end.join(objects)
    lines = [line + array for line in range(1, len(rows) + 1)]
    data, encoding = encoded(text, written)
    name = f"rows.json{gz}" if array else f"rows.jsonl{gz}"
    assert outcome(name, data, encoding) == wanted(rows, lines)


@settings(max_examples=100, **ALIKE)
@given(st.lists(st.integers() | st.booleans() | st.none() | st.floats() | TEXT, min_size=1, max_size=8))
def test_labels_of_every_kind_in_json_are_one_string_each_or_a_bad_row(labels):
    data = "\n".join(json.dumps({"text": "a", "label": label}) for label in labels).encode()
    used, bad = outcome("rows.jsonl", data, None)
    plain = {True: "true", False: "false"}
    for line, label in enumerate(labels, 1):
        if isinstance(label, bool):
            assert (line, "a", plain[label]) in used
        elif isinstance(label, (int, float)) and label == label and abs(label) != float("inf") and label == int(label):
            assert (line, "a", str(int(label))) in used
        elif isinstance(label, float) and label == label and abs(label) != float("inf"):
            assert (line, "a", repr(label)) in used
        elif isinstance(label, str) and plain_label(label) and "\0" not in label:
            assert (line, "a", plain_label(label)) in used
        else:
            assert line in dict(bad)
    assert len(used) + len(bad) == len(labels)


@settings(max_examples=100, **ALIKE)
@given(st.lists(st.tuples(TEXT | st.none(), TEXT | st.none()), min_size=1, max_size=8), st.booleans())
def test_parquet_of_pyarrow_is_read_back(rows, as_dictionary):
    pa = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    columns = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(["text", "label"])}
    if as_dictionary:
        columns = {name: column.dictionary_encode() for name, column in columns.items()}
    write_table(pa.table(columns), stream := io.BytesIO())
    plain = [(text or "", label or "") for text, label in rows]
    assert outcome("rows.parquet", stream.getvalue(), None) == wanted(plain, list(range(1, len(rows) + 1)))
