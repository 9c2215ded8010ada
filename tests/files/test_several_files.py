import csv
import gzip
import io
import json
import os
import sys

import pandas as pd
import pytest

import utils
from toolkit.base.errors import UserError
from toolkit.cli.sections import ReadingOptions, TableOptions
from toolkit.data.rows import read_rows
from toolkit.data.unlabelled import UnlabelledRows
from toolkit.files.columns import Columns
from toolkit.files.inputs import input_files, input_fingerprint, is_pattern, matching_files
from toolkit.formats.reading import open_source


def written(folder, **files: str):
    """Write files whose dots are written __ in the names of the arguments."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return folder


PARTS = {
    "part_1__csv": "text,label\na,x\n,y\nb,y\n",
    "part_10__csv": "label,text\nx,c\n",
    "part_2__csv": 'text,label\n"d\ne",y\nf,\n',
}


def texts(path) -> list[tuple]:
    with open_source(path) as source:
        return [(row.line, row.text) for row in read_rows(source, Columns()) if hasattr(row, "text")]


def test_files_are_read_one_after_the_other_in_the_order_of_their_names(tmp_path):
    pattern = written(tmp_path / "data", **PARTS) / "part_*.csv"
    with open_source(pattern) as source:
        assert (source.name, source.format, source.columns) == (str(pattern), "csv", ["text", "label"])
        assert [*map(str, source.taken_for)] == ["3 files"]
        found = list(read_rows(source, Columns()))
    one, ten, two = (tmp_path / "data" / name.replace("__", ".") for name in PARTS)
    assert [str(row.line) for row in found if hasattr(row, "text")] == [f"{one}:2", f"{one}:4", f"{ten}:2", f"{two}:2"]
    bad = [str(row) for row in found if not hasattr(row, "text")]
    assert bad == [f"{one}, line 3: text is empty", f"{two}, line 4: label is empty"]


def test_a_table_of_several_files_names_each_row_by_its_file_and_line(tmp_path):
    pattern = written(tmp_path / "data", **PARTS) / "part_*.csv"
    table = utils.read_table(pattern, Columns(), ReadingOptions(None, "skip"))
    assert str(table.accounts()) == f"{pattern}: 3 files, 6 rows = 4 used + 2 rejected"
    assert table.frame.index.tolist()[0] == f"{tmp_path / 'data' / 'part_1.csv'}:2"
    with pytest.raises(UserError) as caught:
        utils.read_table(pattern, Columns())
    assert [line.split(": ")[0] for line in caught.value.lines()[:2]] == [
        f"{tmp_path / 'data' / 'part_1.csv'}, line 3",
        f"{tmp_path / 'data' / 'part_2.csv'}, line 4",
    ]


@pytest.mark.parametrize("encodings", [("utf-8", "gb18030", "utf-16")])
def test_each_file_has_its_own_encoding_and_packing(tmp_path, encodings):
    for i, encoding in enumerate(encodings):
        data = ("text,label\n" + "房间很干净，早餐也好,好评\n" * 3).encode(encoding)
        name = f"part-{i}.csv{'.gz' if i == 1 else ''}"
        (tmp_path / name).write_bytes(gzip.compress(data) if i == 1 else data)
    assert [text for _, text in texts(tmp_path / "part-*")] == ["房间很干净，早餐也好"] * 9


@pytest.mark.parametrize("kind", ["jsonl", "json", "txt", "parquet", "xlsx"])
def test_files_of_every_format_can_be_read_together(tmp_path, kind):
    for i in range(3):
        rows = [{"text": f"text {i} {j}", "label": "xy"[j % 2]} for j in range(20)]
        path = tmp_path / f"part-{i}.{kind}"
        if kind == "parquet":
            pytest.importorskip("pyarrow")
            pd.DataFrame(rows).to_parquet(path, index=False)
        elif kind == "xlsx":
            pytest.importorskip("openpyxl")
            pd.DataFrame(rows).to_excel(path, index=False)
        elif kind == "txt":
            path.write_text("".join(f"{row['text']}\t{row['label']}\n" for row in rows))
        else:
            path.write_text("\n".join(map(json.dumps, rows)) if kind == "jsonl" else json.dumps(rows))
    assert [text for _, text in texts(tmp_path / f"part-?.{kind}")] == [
        f"text {i} {j}" for i in range(3) for j in range(20)
    ]


def test_files_that_do_not_go_together_are_refused_by_their_names(tmp_path):
    written(
        tmp_path,
        a1__csv="text,label\na,x\n",
        a2__csv="text,stars\nb,y\n",
        b1__csv="text,label\na,x\n",
        b2__jsonl='{"text": "b"}',
    )
    with pytest.raises(
        UserError, match=r"a2.csv: its columns are 'text', 'stars', but those of .*a1.csv are 'text', 'label'"
    ):
        texts(tmp_path / "a*.csv")
    with pytest.raises(UserError, match=r"b2.jsonl: is jsonl, but .*b1.csv is csv; one input has one format"):
        texts(tmp_path / "b*")


def test_parquet_files_of_other_types_are_refused(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"text": ["a"], "label": [1]}).to_parquet(tmp_path / "p1.parquet", index=False)
    pd.DataFrame({"text": ["a"], "label": ["x"]}).to_parquet(tmp_path / "p2.parquet", index=False)
    with pytest.raises(UserError, match=r"p2.parquet: its columns have other types than those of .*p1.parquet"):
        texts(tmp_path / "p*.parquet")


def test_a_damaged_file_among_several_is_named(tmp_path):
    written(tmp_path, a1__csv="text,label\na,x\n", a2__csv="")
    with pytest.raises(UserError, match=r"a2.csv, line 1: the file is empty"):
        texts(tmp_path / "a*.csv")
    (tmp_path / "b1.csv.gz").write_bytes(gzip.compress(b"text,label\na,x\n"))
    (tmp_path / "b2.csv.gz").write_bytes(gzip.compress(b"text,label\n" + b"a,x\n" * 9999)[:-12])
    with pytest.raises(UserError, match=r"b2.csv.gz: cannot be read"):
        texts(tmp_path / "b*.csv.gz")


def test_a_pattern_without_files_is_refused(tmp_path):
    (tmp_path / "part-1.csv").mkdir()
    with pytest.raises(
        UserError, match=r"part-\*.csv: no file is called so \(\* stands for any characters, \? for one\)"
    ):
        open_source(tmp_path / "part-*.csv")


def test_a_file_with_signs_of_a_pattern_in_its_name_is_itself(tmp_path):
    written(tmp_path, **{"rows[1]__csv": "text,label\na,x\n", "rows1__csv": "text,label\nb,y\n"})
    assert not is_pattern(tmp_path / "rows[1].csv")
    assert texts(tmp_path / "rows[1].csv") == [(2, "a")]
    assert is_pattern(tmp_path / "rows[12].csv")
    assert [text for _, text in texts(tmp_path / "rows[12].csv")] == ["b"]


def test_files_are_closed_when_their_turn_is_over_or_reading_ends_early(tmp_path):
    pattern = written(tmp_path / "data", **PARTS) / "part_*.csv"
    with open_source(pattern) as source:
        first = source.stream.source.stream
        assert not first.closed
        for record in source.records:
            if "part_10" in record.line:
                break
        second = source.stream.source.stream
        assert first.closed
        assert not second.closed
    assert second.closed


def test_the_fingerprint_is_that_of_all_files_and_their_names(tmp_path):
    folder = written(tmp_path / "data", **PARTS)
    pattern = folder / "part_*.csv"
    first = input_fingerprint(pattern)
    assert input_files(pattern) == matching_files(pattern) == sorted(folder.iterdir())
    (folder / "part_2.csv").write_text(PARTS["part_2__csv"] + "g,x\n")
    changed = input_fingerprint(pattern)
    (folder / "part_2.csv").rename(folder / "part_3.csv")
    renamed = input_fingerprint(pattern)
    (folder / "other.csv").write_text("text\n")
    assert len({first, changed, renamed}) == 3
    assert input_fingerprint(pattern) == renamed
    assert input_fingerprint(folder) not in {first, changed, renamed}


def test_unlabelled_rows_may_come_from_several_files(tmp_path):
    folder = written(tmp_path / "data", a1__csv="text\na\n", a2__csv="text\nb\nc\n")
    rows = UnlabelledRows(str(folder / "a?.csv"), Columns(label=None), ReadingOptions(None, "stop"), None)
    assert rows.scan() == (3, "csv", ["text"])
    assert rows.output_ending() == ".csv"
    with rows.open() as source:
        assert [row.text for row in rows.read(source)] == ["a", "b", "c"]


# -- only the first has a header ---------------------------------------------------------------------------------------

LONG = [f"the room with number {i}, as cheap as it looked" for i in range(40)]
SHORT = [["good", "bad", "nice", "awful", "fine"][i % 5] + "!" * (i % 7) for i in range(40)]


def split(folder, rows, lines: int, ending: str, separator: str = ",", header=("text", "label")):
    """Write rows below a header into files of so many lines, as `split -l` cuts them."""
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator, lineterminator="\n").writerows([header, *rows])
    all_lines = stream.getvalue().splitlines(keepends=True)
    for number, start in enumerate(range(0, len(all_lines), lines)):
        (folder / f"part-{number:02}{ending}").write_text("".join(all_lines[start:][:lines]), encoding="utf-8")
    return folder / f"part-*{ending}"


@pytest.mark.parametrize("texts", [LONG, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("is_sorted", [False, True], ids=["mixed", "sorted by label"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", [".csv", "", ".txt"])
def test_the_parts_of_a_table_that_was_split_are_read_as_the_table(tmp_path, texts, is_sorted, separator, ending):
    rows = [(text, "y" if i % 3 else "x") for i, text in enumerate(texts)]
    rows = sorted(rows, key=lambda row: row[1]) if is_sorted else rows
    pattern = split(tmp_path, rows, 13, ending, separator)  # the last part has two lines
    table = utils.read_table(pattern, Columns())
    assert list(zip(table.frame.text, table.frame.label, strict=True)) == rows
    assert [*map(str, table.taken_for[:2])] == ["4 files", "only the first has a header"]
    assert table.frame.index.tolist()[12] == f"{tmp_path / ('part-01' + ending)}:1"


def test_a_last_part_of_one_row_is_a_row_too(tmp_path):
    rows = [(text, str(i % 2)) for i, text in enumerate(LONG)]
    pattern = split(tmp_path, rows, 20, ".csv", ";")
    assert [text for _, text in texts(pattern)] == LONG
    pattern = split(tmp_path, [(f"a{i}", "pos") for i in range(8)], 4, ".tsv", "\t")
    assert len(texts(pattern)) == 8


def test_unlabelled_texts_and_other_columns_may_be_split_too(tmp_path):
    (tmp_path / "one").mkdir()
    pattern = split(tmp_path / "one", [(text,) for text in SHORT], 15, ".csv", header=("text",))
    rows = UnlabelledRows(str(pattern), Columns(label=None), ReadingOptions(None, "stop"), None)
    with rows.open() as source:
        assert [row.text for row in rows.read(source)] == SHORT
    assert [*map(str, rows.taken_for)] == ["3 files", "only the first has a header"]
    (tmp_path / "many").mkdir()
    many = [(str(i), text, f"2024-01-{1 + i % 28:02}", "") for i, text in enumerate(SHORT)]
    pattern = split(tmp_path / "many", many, 15, ".csv", header=("id", "text", "day", "note"))
    with open_source(pattern) as source:
        assert [tuple(record.values.values()) for record in source.records] == many


def test_a_workbook_whose_first_row_is_data_goes_on_where_the_first_ends(tmp_path):
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"text": LONG, "stars": [i % 5 for i in range(40)]})
    frame[:20].to_excel(tmp_path / "a1.xlsx", index=False)
    frame[20:].to_excel(tmp_path / "a2.xlsx", index=False, header=False)
    table = utils.read_table(tmp_path / "a*.xlsx", Columns(label="stars"))
    assert table.frame.text.tolist() == LONG
    assert [*map(str, table.taken_for)] == ["2 files", "only the first has a header"]


def test_files_that_all_have_a_header_are_not_taken_for_parts(tmp_path):
    for number in range(3):
        names = ("label", "text") if number == 1 else ("text", "label")
        part = [(text, "xy"[i % 2])[:: -1 if number == 1 else 1] for i, text in enumerate(SHORT)]
        split(tmp_path, part, 99, f"{number}.csv", header=names)
    table = utils.read_table(tmp_path / "part-*.csv", Columns())
    assert table.frame.text.tolist() == SHORT * 3
    assert [*map(str, table.taken_for)] == ["3 files"]


@pytest.mark.parametrize("names", [("text", "stars"), ("review", "sentiment"), ("post", "y"), ("foo", "bar")])
@pytest.mark.parametrize("texts_of_part", [LONG, SHORT], ids=["long", "short"])
def test_a_header_with_other_names_is_never_taken_for_a_row(tmp_path, names, texts_of_part):
    rows = [(text, "xy"[i % 2]) for i, text in enumerate(texts_of_part)]
    split(tmp_path, rows, 99, "1.csv")
    split(tmp_path, rows, 99, "2.csv", header=names)
    with pytest.raises(UserError, match=rf"part-002.csv: its columns are '{names[0]}', '{names[1]}', but those of"):
        texts(tmp_path / "part-*.csv")


def test_some_files_with_a_header_and_some_without_are_said(tmp_path):
    rows = [(text, "xy"[i % 2]) for i, text in enumerate(LONG)]
    pattern = split(tmp_path, rows, 11, ".csv")
    (tmp_path / "part-02.csv").write_text("text,label\n" + (tmp_path / "part-02.csv").read_text())
    table = utils.read_table(pattern, Columns())
    assert table.frame.text.tolist() == LONG
    assert [*map(str, table.taken_for)] == ["4 files", "2 of them without a header"]


def test_no_header_settles_it_for_all_files(tmp_path):
    rows = [(text, "xy"[i % 2]) for i, text in enumerate(LONG)]
    pattern = split(tmp_path, rows[1:], 20, ".csv", header=rows[0])
    reading = ReadingOptions(None, "stop", TableOptions(no_header=True))
    assert utils.read_table(pattern, Columns(), reading).frame.text.tolist() == LONG
    assert utils.read_table(pattern, Columns()).frame.text.tolist() == LONG


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_files_whose_names_are_no_text_are_read_as_others_are(tmp_path):
    for number, name in enumerate(("数", "据")):
        path = tmp_path / os.fsdecode(f"part-{name}.csv".encode("gbk"))
        path.write_text(f"text,label\ngood {number},x\nbad,\n", encoding="utf-8")
    reading = ReadingOptions(None, "skip")
    table = utils.read_table(tmp_path / "part-*.csv", Columns(), reading)
    assert sorted(table.frame.text) == ["good 0", "good 1"]
    places = [*table.frame.index, *(rejected.line for rejected in table.rejected)]
    assert len(places) == 4
    assert all(str(place).encode("utf-8") for place in places)  # which characters that are no text would end
