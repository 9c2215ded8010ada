import csv
import gzip
import io
import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from toolkit.base.errors import UserError
from toolkit.predictions.added_columns import AddedColumns, PredictedRows
from toolkit.predictions.parts import Parts
from toolkit.predictions.writers import ExcelWriter, ParquetWriter, TextWriter

LABELS = ["差", "好"]
ADDED = ["prediction", "prob_差", "prob_好"]
CELLS = [
    "plain", "房间，很大 😀", 'he said "no", twice', "a, b", "two\nlines", "CR\r\nLF", "tab\there", " blanks ", "NA",
    "null", "", "'quoted'", "=1+1", "1.0", "#", "\\n",
]  # fmt: skip
ROWS = [{"id": str(i), "text": cell, "note": CELLS[-1 - i]} for i, cell in enumerate(CELLS)]


def probabilities(rows: int, labels: int = 2) -> np.ndarray:
    logits = np.random.default_rng(0).normal(scale=5, size=(rows, labels)).astype(np.float32)
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def most_probable(rows: list[dict], chances: np.ndarray, labels: list[str] = LABELS) -> list[dict]:
    return AddedColumns(labels).fill(rows, PredictedRows(chances, chances.argmax(1)))


PREDICTED = most_probable(ROWS, probabilities(len(ROWS)))


def write(path, rows, form, size: int = 5):
    """Write rows in windows of `size`, as inference does."""
    parts = Parts(path, {"input": "a"})
    windows = [rows[i : i + size] for i in range(0, len(rows), size)]
    for number, window in enumerate(windows):
        parts.write(number, form.encode(window))
    parts.join(len(windows), form)
    return path


def text_form(kind: str, rows, **kwargs) -> TextWriter:
    return TextWriter(kind, list(rows[0]), **kwargs)


def table(path) -> pd.DataFrame:
    """Read a csv or tsv file as strings alone."""
    comma = "\t" if ".tsv" in path.suffixes else ","
    return pd.read_csv(path, sep=comma, dtype=str, keep_default_na=False, encoding="utf-8")


def test_a_prediction_is_the_most_probable_label_and_the_probabilities_are_exact_in_fp32():
    chances, labels = probabilities(200, 4), ["a", "b", "c", "d"]
    rows = [{"id": i} for i in range(200)]
    for i, row in enumerate(most_probable(rows, chances, labels)):
        assert list(row) == ["id", "prediction", "prob_a", "prob_b", "prob_c", "prob_d"]
        mine = {label: row[f"prob_{label}"] for label in labels}
        assert row["id"] == i
        assert row["prediction"] == max(mine, key=mine.get)
        assert sum(mine.values()) == pytest.approx(1, abs=1e-6)
        assert [np.float32(value) for value in mine.values()] == list(chances[i])
        assert all(len(repr(value).lstrip("0.").split("e")[0].replace(".", "")) <= 9 for value in mine.values())


def test_the_rows_themselves_are_left_as_they_are():
    rows = [{"text": "a"}]
    most_probable(rows, probabilities(1))
    assert rows == [{"text": "a"}]


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "tsv.gz"])
def test_a_table_is_read_by_pandas_as_it_was_read_in_with_the_predictions_behind(tmp_path, ending):
    path = write(tmp_path / f"out.{ending}", PREDICTED, text_form(ending[:3], PREDICTED))
    frame = table(path)
    assert frame.columns.tolist() == ["id", "text", "note", *ADDED]
    assert frame[["id", "text", "note"]].to_dict("records") == ROWS
    assert frame["prediction"].tolist() == [row["prediction"] for row in PREDICTED]
    for name in ADDED[1:]:
        assert frame[name].astype(float).tolist() == [row[name] for row in PREDICTED]
    assert frame[ADDED[1:]].astype(float).sum(axis=1).tolist() == pytest.approx([1] * len(ROWS), abs=1e-6)


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("cell", ["a\rb", "\r", "a\r\nb", "a\nb\n", '"', '","', "\t", ",", "\u2028", "\x0b\x1c\x85"])
def test_a_cell_with_line_breaks_and_separators_is_read_back_by_csv(tmp_path, kind, cell):
    rows = [{"text": cell, "note": "x"}, {"text": "y", "note": cell}]
    path = write(tmp_path / f"out.{kind}", rows, text_form(kind, rows))
    with path.open(encoding="utf-8", newline="") as stream:
        found = list(csv.reader(stream, delimiter="\t" if kind == "tsv" else ",", strict=True))
    assert found == [["text", "note"], [cell, "x"], ["y", cell]]


@pytest.mark.parametrize("ending", ["json", "json.gz"])
@pytest.mark.parametrize("size", [1, 5, 100])
def test_an_array_is_read_back_by_json_and_pandas(tmp_path, ending, size):
    path = write(tmp_path / f"out.{ending}", PREDICTED, text_form("json", PREDICTED), size)
    data = gzip.decompress(path.read_bytes()) if ending == "json.gz" else path.read_bytes()
    assert json.loads(data.decode("utf-8")) == PREDICTED
    frame = pd.read_json(path, dtype=False, encoding="utf-8")
    assert frame["text"].tolist() == CELLS
    assert frame["prob_好"].tolist() == pytest.approx([row["prob_好"] for row in PREDICTED])


@pytest.mark.parametrize("size", [1, 5, 100])
def test_json_lines_are_read_back_line_by_line_with_their_types(tmp_path, size):
    rows = [
        {"text": "a\nb\u2028", "n": 1, "x": 0.1, "list": [1, {"a": None}], "none": None, "yes": True},
        {"text": "c"},
        {},
    ]
    path = write(tmp_path / "out.jsonl", rows, TextWriter("jsonl", ["text"]), size)
    assert [json.loads(line) for line in path.read_bytes().decode("utf-8").split("\n")[:-1]] == rows


def test_a_txt_file_is_its_texts_with_the_predictions_behind_tabs(tmp_path):
    rows = most_probable([{"text": text} for text in ["好", 'a "b", c', " d "]], probabilities(3))
    path = write(tmp_path / "out.txt", rows, text_form("txt", rows), 2)
    lines = path.read_bytes().decode("utf-8").split("\n")
    assert [line.split("\t")[:2] for line in lines[:-1]] == [[row["text"], row["prediction"]] for row in rows]
    assert [[float(p) for p in line.split("\t")[2:]] for line in lines[:-1]] == [
        [row["prob_差"], row["prob_好"]] for row in rows
    ]


@pytest.mark.parametrize("text", ["two\nlines", "CR\rthere", "CR\r\nLF"])
def test_a_text_with_a_line_break_stays_one_line_of_a_txt_file(tmp_path, text):
    rows = most_probable([{"text": text}, {"text": "next"}], probabilities(2))
    path = write(tmp_path / "out.txt", rows, text_form("txt", rows))
    with path.open(encoding="utf-8") as stream:
        assert [len(line.split("\t")) for line in stream] == [4, 4]


def test_a_cell_of_a_table_is_json_where_it_is_no_string(tmp_path):
    rows = [{"text": "a", "list": [1, "好"], "dict": {"a": None}, "yes": True, "none": None, "n": 3, "x": 0.1}]
    frame = table(write(tmp_path / "out.csv", rows, text_form("csv", rows)))
    (row,) = frame.to_dict("records")
    assert row["list"] == '[1, "好"]'
    assert json.loads(row["dict"]) == {"a": None}
    assert (row["yes"], row["none"], row["n"], row["x"]) == ("true", "", "3", "0.1")


def test_a_column_that_a_row_lacks_is_an_empty_cell(tmp_path):
    frame = table(write(tmp_path / "out.csv", [{"a": "1"}, {"b": "2"}], TextWriter("csv", ["a", "b"])))
    assert frame.to_dict("records") == [{"a": "1", "b": ""}, {"a": "", "b": "2"}]


def test_half_a_character_in_another_column_does_not_keep_json_from_being_written(tmp_path):
    rows = [{"text": "好", "note": "x\ud83d"}, {"text": "差", "note": "y"}]
    path = write(tmp_path / "out.jsonl", rows, text_form("jsonl", rows))
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == rows


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt"])
@pytest.mark.parametrize("damage", ["\udcff", "\ud83d"])
def test_half_a_character_in_another_column_does_not_keep_a_table_from_being_written(tmp_path, kind, damage):
    rows = [{"text": "好", "note": f"x{damage}y"}, {"text": "差", "note": "z"}]
    path = write(tmp_path / f"out.{kind}", rows, text_form(kind, rows))
    lines = path.read_bytes().decode("utf-8").splitlines()[-2:]
    assert [line.replace("\t", ",").split(",")[0] for line in lines] == ["好", "差"]
    assert lines[1].endswith("z")


FORMULAS = [
    "=1+1", "+1+1", "-1-1", "@SUM(A1)", "\tx", "\rx", "\nx", "  =1", "＝1", "＋1", "－1", "＠x", "\u22121+1",
    "\u3000=1", "\ufeff=1", "\u200b=1", "\u202e=1", " \xa0\t=1", '"=1"', "=", "-", "-1e", "+1 ", "-５", '=HYPERLINK("http://x","y")',
    "=cmd|' /C calc'!A0", "@SUM(1+1)*cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0",
]  # fmt: skip
HARMLESS = [
    "1",
    "-5",
    "+3.2",
    "-1e-05",
    "3.",
    "a=1",
    "a-b",
    "'=1",
    "好",
    "",
    " a",
    "0.5",
    "(=1)",
    "#x",
    "a; b",
    "a;b=1",
]
INSIDE = {  # cells whose middle a spreadsheet with another separator takes for a cell
    "a;=1": "a;'=1", "a\t=1": "a\t'=1", "a\n=1": "a\n'=1", "a\r\n@x": "a\r\n'@x", "a; \u200b＝1;b": "a;' \u200b＝1;b",
    'a;"=1': "a;'\"=1", "x;-1+1;+2+2": "x;'-1+1;'+2+2", "=1;=2": "'=1;'=2",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_with_excel_safe_no_cell_begins_a_formula_and_the_others_stay(tmp_path, kind):
    rows = [{"text": cell, "prediction": "好"} for cell in [*FORMULAS, *HARMLESS, *INSIDE]]
    path = write(tmp_path / f"out.{kind}", rows, text_form(kind, rows, excel_safe=True))
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\xef\xbb\xbf") == 1 + FORMULAS.count("\ufeff=1")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        found = [row[0] for row in csv.reader(stream, delimiter="\t" if kind == "tsv" else ",")][1:]
    formulas = ["'" + cell.replace("\t=", "\t'=") for cell in FORMULAS]
    assert found == [*formulas, *HARMLESS, *INSIDE.values()]


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_with_excel_safe_no_cell_is_a_formula_whatever_separator_a_spreadsheet_has(tmp_path, kind, separator):
    cells = [*FORMULAS, *INSIDE, *(f"x;{cell};y" for cell in FORMULAS), *(f"x,{cell}" for cell in FORMULAS), *HARMLESS]
    rows = [{"id": "a", "text": cell, ";=1+1": "b"} for cell in cells]
    path = write(tmp_path / f"out.{kind}", rows, text_form(kind, rows, excel_safe=True))
    with path.open(encoding="utf-8-sig", newline="") as stream:
        found = [cell for row in csv.reader(stream, delimiter=separator) for cell in row]
    assert len(found) > len(cells)
    for cell in found:
        begins = cell.strip(' \xa0\u3000\u200b\u202e\ufeff\r\n\t"')[:1]
        assert begins not in [*"=+-@＝＋－＠\u2212"] or cell in ("-5", "+3.2", "-1e-05")


def test_with_excel_safe_probabilities_stay_numbers_and_a_long_cell_takes_no_time(tmp_path):
    rows = [{"text": ";\n\t " * 50_000 + "=1", "n": -1.5, "prob_a": 1e-09}]
    frame = table(write(tmp_path / "out.csv", rows, text_form("csv", rows, excel_safe=True)))
    assert frame[["n", "prob_a"]].values.tolist() == [["-1.5", "1e-09"]]
    assert frame.iloc[0, 0].endswith(" '=1") or "'" in frame.iloc[0, 0]


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_without_excel_safe_every_cell_is_read_back_as_it_was(tmp_path, kind):
    cells = [*FORMULAS, *HARMLESS, *INSIDE, " both ", "\u2028", "\x0b", "\x1f", '"', '""', "a\rb", "\r\n", "😀", "a\tb"]
    rows = [{"text": cell, "note": cells[-1 - i]} for i, cell in enumerate(cells)]
    path = write(tmp_path / f"out.{kind}", rows, text_form(kind, rows))
    with path.open(encoding="utf-8", newline="") as stream:
        found = list(csv.reader(stream, delimiter="\t" if kind == "tsv" else ",", strict=True))
    assert found == [["text", "note"], *([row["text"], row["note"]] for row in rows)]


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_a_header_calls_the_columns_as_they_were_written(kind):
    writer = TextWriter(kind, ["id", "text", "id.1", ""], names={"text": "\u200btext ", "id.1": "id"})
    rows = list(csv.reader(io.StringIO(writer.header.decode()), delimiter="," if kind == "csv" else "\t"))
    assert rows == [["id", "\u200btext ", "id", ""]]
    assert writer.encode([{"id": "1", "text": "a", "id.1": "2", "": ""}]).decode().strip("\n\t,") == (
        "1,a,2" if kind == "csv" else "1\ta\t2"
    )


def test_with_excel_safe_the_names_of_the_columns_are_harmless_too(tmp_path):
    path = write(tmp_path / "out.csv", [{"=cmd": "a"}], TextWriter("csv", ["=cmd"], excel_safe=True))
    assert path.read_text(encoding="utf-8-sig") == "'=cmd\na\n"


def test_without_excel_safe_the_cells_stay_and_there_is_no_byte_order_mark(tmp_path):
    rows = [{"text": cell, "n": "x"} for cell in FORMULAS if cell != "\rx"]
    path = write(tmp_path / "out.csv", rows, text_form("csv", rows))
    assert table(path)["text"].tolist() == [row["text"] for row in rows]
    assert path.read_bytes().startswith(b"text,n\n")


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "txt"])
def test_a_file_of_no_rows_is_whole(tmp_path, kind):
    path = write(tmp_path / f"out.{kind}", [], TextWriter(kind, ["text", *ADDED]))
    content = path.read_text(encoding="utf-8")
    if kind == "json":
        assert json.loads(content) == []
    elif kind in ("csv", "tsv"):
        assert table(path).columns.tolist() == ["text", *ADDED]
        assert len(content.splitlines()) == 1
    else:
        assert content == ""


@pytest.mark.parametrize(
    ("name", "packed"), [("out.csv", False), ("out.csv.gz", True), ("out.v1.csv.gz", True), ("out.gz.csv", False)]
)
def test_a_file_is_packed_if_its_name_ends_in_gz(tmp_path, name, packed):
    data = write(tmp_path / name, PREDICTED, text_form("csv", PREDICTED)).read_bytes()
    assert data.startswith(b"\x1f\x8b") == packed
    assert (gzip.decompress(data) if packed else data).startswith(b"id,text,note,prediction")


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "txt"])
def test_the_bytes_do_not_depend_on_the_windows(tmp_path, kind):
    form = text_form(kind, PREDICTED)
    one, other = (write(tmp_path / f"{size}.{kind}", PREDICTED, form, size) for size in (3, 7))
    assert one.read_bytes() == other.read_bytes()


def test_the_bytes_of_a_packed_file_hold_no_time(tmp_path):
    data = write(tmp_path / "out.csv.gz", PREDICTED, text_form("csv", PREDICTED)).read_bytes()
    assert data[4:8] == bytes(4)  # MTIME of RFC 1952


def test_rows_that_were_text_become_a_parquet_file_of_strings_and_floats(tmp_path):
    pytest.importorskip("pyarrow")
    rows = most_probable([{"id": 1, "text": "好", "x": [1]}, {"id": "2", "text": "NA", "x": None}], probabilities(2))
    path = write(tmp_path / "out.parquet", rows, ParquetWriter(["id", "text", "x"], AddedColumns(LABELS), None), 1)
    frame = pd.read_parquet(path)
    assert frame.columns.tolist() == ["id", "text", "x", *ADDED]
    assert frame["id"].tolist() == ["1", "2"]
    assert frame["text"].tolist() == ["好", "NA"]
    assert frame["x"][0] == "[1]"
    assert pd.isna(frame["x"][1])
    assert frame["prediction"].tolist() == [row["prediction"] for row in rows]
    assert frame["prob_好"].tolist() == [row["prob_好"] for row in rows]
    assert frame["prob_好"].dtype == np.float64


def test_a_parquet_file_keeps_the_types_of_the_parquet_file_it_comes_from(tmp_path):
    read_schema = pytest.importorskip("pyarrow.parquet").read_schema
    day = datetime(2024, 2, 29, 12, 30)
    before = pd.DataFrame({
        "id": np.arange(7, dtype=np.int32), "text": [f"第{i}行" for i in range(7)], "day": day,
        "tags": [["a", "b"]] * 7, "score": np.arange(7) / 4,
    })  # fmt: skip
    before.to_parquet(tmp_path / "in.parquet", index=False)
    rows = most_probable(before.to_dict("records"), probabilities(7))
    form = ParquetWriter(before.columns.tolist(), AddedColumns(LABELS), read_schema(tmp_path / "in.parquet"))
    after = pd.read_parquet(write(tmp_path / "out.parquet", rows, form, 3))
    assert after.columns.tolist() == [*before.columns, *ADDED]
    before = pd.read_parquet(tmp_path / "in.parquet")
    assert after.dtypes[before.columns].tolist() == before.dtypes.tolist()
    for column in ("id", "text", "day", "score"):
        assert after[column].tolist() == before[column].tolist()
    assert [list(tags) for tags in after["tags"]] == [["a", "b"]] * 7
    assert after["prediction"].tolist() == [row["prediction"] for row in rows]


def test_the_likeliest_labels_are_strings_of_a_parquet_file_and_their_probabilities_floats(tmp_path):
    pytest.importorskip("pyarrow")
    added = AddedColumns(["a", "b", "c"], likeliest=2)
    rows = added.fill([{"text": "x"}], PredictedRows(np.array([[0.2, 0.5, 0.3]]), np.array([1])))
    frame = pd.read_parquet(write(tmp_path / "out.parquet", rows, ParquetWriter(["text"], added, None)))
    assert frame.to_dict("records") == [
        {"text": "x", "prediction": "b", "top1_label": "b", "top1_prob": 0.5, "top2_label": "c", "top2_prob": 0.3}
    ]


def test_a_parquet_file_of_no_rows_has_its_columns(tmp_path):
    pytest.importorskip("pyarrow")
    path = write(tmp_path / "out.parquet", [], ParquetWriter(["text"], AddedColumns(LABELS), None))
    frame = pd.read_parquet(path)
    assert (len(frame), frame.columns.tolist()) == (0, ["text", *ADDED])


def test_half_a_character_in_another_column_does_not_keep_a_parquet_file_from_being_written(tmp_path):
    pytest.importorskip("pyarrow")
    rows = most_probable([{"text": "好", "note": "x\udcffy"}], probabilities(1))
    path = write(tmp_path / "out.parquet", rows, ParquetWriter(["text", "note"], AddedColumns(LABELS), None))
    assert pd.read_parquet(path)["text"].tolist() == ["好"]


def test_finished_windows_of_the_same_input_are_found_again(tmp_path):
    made_from = {"input": "abc", "options": {"batch_size": 8, "excel_safe": False}, "columns": ["text", None]}
    first = Parts(tmp_path / "out.jsonl", made_from)
    first.write(0, b'{"n": 0}\n')
    first.lock.release()  # as the end of a process does
    parts = Parts(tmp_path / "out.jsonl", json.loads(json.dumps(made_from)))
    assert parts.path(0).read_bytes() == b'{"n": 0}\n'
    assert not parts.path(1).exists()
    parts.write(1, b'{"n": 1}\n')
    parts.join(2, TextWriter("jsonl", ["n"]))
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == '{"n": 0}\n{"n": 1}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize("manifest", [b'{"input": "other"}', b"", b'{"input": "abc"', b"\xff\xfe", None])
def test_windows_of_another_input_are_thrown_away(tmp_path, manifest):
    parts = Parts(tmp_path / "out.csv", {"input": "abc"})
    parts.write(0, b"old\n")
    parts.lock.release()
    (found,) = [path for path in parts.folder.iterdir() if path.suffix == ".json"]
    if manifest is None:
        found.unlink()
    else:
        found.write_bytes(manifest)
    assert not Parts(tmp_path / "out.csv", {"input": "abc"}).path(0).exists()


def test_a_window_that_was_being_written_when_the_run_was_killed_does_not_count(tmp_path):
    parts = Parts(tmp_path / "out.csv", {"input": "abc"})
    parts.write(0, b"a\n")
    parts.path(1).with_name(f".{parts.path(1).name}.new").write_bytes(b"half")
    parts.lock.release()
    parts = Parts(tmp_path / "out.csv", {"input": "abc"})
    assert parts.path(0).exists()
    assert not parts.path(1).exists()
    parts.write(1, b"b\n")
    parts.join(2, TextWriter("csv", ["text"]))
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "text\na\nb\n"


def test_the_output_that_was_there_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old\n", encoding="utf-8")
    parts = Parts(path, {"input": "abc"})
    parts.write(0, b"new\n")
    assert path.read_text(encoding="utf-8") == "old\n"
    with pytest.raises(FileNotFoundError):
        parts.join(2, TextWriter("csv", ["text"]))
    assert path.read_text(encoding="utf-8") == "old\n"
    parts.join(1, TextWriter("csv", ["text"]))
    assert path.read_text(encoding="utf-8") == "text\nnew\n"


def test_the_parts_of_two_outputs_do_not_meet(tmp_path):
    one, other = Parts(tmp_path / "a.csv", {"input": "abc"}), Parts(tmp_path / "a.csv.gz", {"input": "abc"})
    one.write(0, b"one\n")
    assert not other.path(0).exists()


def test_the_folder_of_an_output_is_made(tmp_path):
    path = write(tmp_path / "new" / "folder" / "out.csv", PREDICTED, text_form("csv", PREDICTED))
    assert len(table(path)) == len(ROWS)


# -- xlsx ------------------------------------------------------------------------------------------------------------


def test_rows_become_a_workbook_in_which_numbers_are_numbers_and_texts_are_texts(tmp_path):
    pytest.importorskip("openpyxl")
    rows = most_probable(
        [{"n": i, "text": cell, "share": i / 4} for i, cell in enumerate(CELLS)], probabilities(len(CELLS))
    )
    path = write(tmp_path / "out.xlsx", rows, ExcelWriter(list(rows[0])))
    frame = pd.read_excel(path, keep_default_na=False, na_values=[])
    assert list(frame.columns) == ["n", "text", "share", *ADDED]
    assert frame["n"].tolist() == list(range(len(CELLS)))
    assert frame["text"].tolist() == [cell.replace("\r\n", "\n") for cell in CELLS]
    np.testing.assert_allclose(frame["prob_好"], [row["prob_好"] for row in rows], rtol=1e-14)
    assert frame["prediction"].tolist() == [row["prediction"] for row in rows]


def test_no_text_of_a_workbook_is_a_formula_or_an_error(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    texts = ["=1+1", "=HYPERLINK(1)", "#N/A", "#REF!", "+1", "@a", "-1", "2024-01-01", "TRUE"]
    rows = [{"text": text} for text in texts]
    path = write(tmp_path / "out.xlsx", rows, ExcelWriter(["text"]), size=2)
    cells = [row[0] for row in openpyxl.load_workbook(path).active.iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == texts
    assert {cell.data_type for cell in cells} == {"s"}


def test_what_excel_cannot_hold_is_changed_and_does_not_stop_the_file(tmp_path):
    pytest.importorskip("openpyxl")
    values = ["a\x00b\x0bc", "x" * 40_000, 2**60, float("nan"), {"a": [1]}, True, None, "\ud83d", -(10**15)]
    path = write(tmp_path / "out.xlsx", [{"v": value} for value in values], ExcelWriter(["v"]))
    found = pd.read_excel(path, dtype=object, keep_default_na=False, na_values=[])["v"].tolist()
    assert found[:2] == ["a\ufffdb\ufffdc", "x" * 32_767]
    assert found[2:] == [str(2**60), "nan", '{"a": [1]}', "true", "", "\ufffd", str(-(10**15))]


def test_a_workbook_of_no_rows_has_its_columns_as_the_input_calls_them(tmp_path):
    pytest.importorskip("openpyxl")
    path = write(tmp_path / "out.xlsx", [], ExcelWriter(["text", "id.1"], {"id.1": "id"}))
    assert pd.read_excel(path, header=None).to_numpy().tolist() == [["text", "id"]]


def test_more_rows_than_a_sheet_holds_are_refused_beforehand():
    pytest.importorskip("openpyxl")
    writer = ExcelWriter(["text"])
    writer.check((1 << 20) - 1)
    with pytest.raises(UserError, match=r"1,048,576 rows are more than a sheet of Excel holds"):
        writer.check(1 << 20)
