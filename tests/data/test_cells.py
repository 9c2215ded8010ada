import json

import pandas as pd
import pytest

import utils
from toolkit.base.errors import UserError
from toolkit.files.columns import Columns

ROWS = [("one", ("joy", "fear")), ("two", ()), ("three", ("joy",)), ("four", ("a, b", 'the "c"'))]
SETS = Columns(label="tags", label_separator=";")


def joined(separator: str = ";") -> pd.DataFrame:
    return pd.DataFrame({"text": [text for text, _ in ROWS], "tags": [separator.join(tags) for _, tags in ROWS]})


def written(folder, name: str):
    """Write ROWS in the format of a name."""
    path = folder / name
    lists = [{"text": text, "tags": list(tags)} for text, tags in ROWS]
    if name.endswith((".csv", ".tsv")):
        joined().to_csv(path, index=False, sep="\t" if name.endswith("tsv") else ",")
    elif name.endswith(".xlsx"):
        joined().to_excel(path, index=False)
    elif name.endswith(".txt"):
        path.write_text("".join(f"{text}\t{';'.join(tags)}\n" for text, tags in ROWS), encoding="utf-8")
    elif name.endswith(".json"):
        path.write_text(json.dumps(lists), encoding="utf-8")
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in lists), encoding="utf-8")
    else:
        pd.DataFrame(lists).to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.xlsx", "t.txt", "t.json", "t.jsonl", "t.parquet"])
def test_a_row_has_the_labels_of_its_cell_in_every_format_and_none_where_that_is_empty(tmp_path, name):
    table = utils.read_table(written(tmp_path, name), SETS)
    assert list(zip(table.frame["text"], table.frame["label"], strict=True)) == ROWS
    assert table.each_label.tolist() == [label for _, labels in ROWS for label in labels]


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        (" joy ;fear; joy;;", ("joy", "fear")),
        ("joy", ("joy",)),
        (" ; ", ()),
        (None, ()),
        (["joy", None, " joy", ""], ("joy",)),
        ([2, 1.0, True, "1"], ("2", "1", "true")),
        (3, ("3",)),
        ({"choices": ["joy", "fear"]}, ("joy", "fear")),
        ('{"choices": ["joy", "fear"]}', ("joy", "fear")),
    ],
)
def test_labels_are_trimmed_and_none_is_there_twice(tmp_path, cell, labels):
    (tmp_path / "t.json").write_text(json.dumps([{"text": "x", "tags": cell}]), encoding="utf-8")
    assert utils.read_table(tmp_path / "t.json", SETS).frame["label"].tolist() == [labels]


def test_another_separator_leaves_the_usual_one_in_the_labels(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\nx,a;b | c\n", encoding="utf-8")
    assert utils.read_table(tmp_path / "t.csv", Columns(label_separator="|")).frame["label"].tolist() == [("a;b", "c")]


def test_a_label_that_is_no_text_and_no_number_is_told_with_its_line(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"text": "x", "tags": [["joy"]]}\n', encoding="utf-8")
    with pytest.raises(UserError, match="line 1: tags is"):
        utils.read_table(tmp_path / "t.jsonl", SETS)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        ("1,0,1", ("joy", "fear")),
        ("true,FALSE, 1 ", ("joy", "fear")),
        ("0.0,1.0,0", ("anger",)),
        ("0,0,0", ()),
    ],
)
def test_a_column_a_label_says_whether_a_row_has_it(tmp_path, cells, labels):
    columns = Columns(label=None, label_columns=("joy", "anger", "fear"), label_separator=";")
    (tmp_path / "t.csv").write_text(f"text,joy,anger,fear\nx,{cells}\n", encoding="utf-8")
    assert utils.read_table(tmp_path / "t.csv", columns).frame["label"].tolist() == [labels]


@pytest.mark.parametrize(
    ("cells", "problem"), [("1,2", "line 2: fear is '2'; in the column of a label"), ("1,", "line 2: fear is empty")]
)
def test_a_column_of_a_label_that_says_neither_is_told_with_its_line(tmp_path, cells, problem):
    columns = Columns(label=None, label_columns=("joy", "fear"), label_separator=";")
    (tmp_path / "t.csv").write_text(f"text,joy,fear\nx,{cells}\n", encoding="utf-8")
    with pytest.raises(UserError, match=problem):
        utils.read_table(tmp_path / "t.csv", columns)


def test_a_column_of_a_label_that_is_not_there_is_told_with_the_option(tmp_path):
    columns = Columns(label=None, label_columns=("joy", "fear"), label_separator=";")
    (tmp_path / "t.csv").write_text("text,joy\nx,1\n", encoding="utf-8")
    with pytest.raises(
        UserError, match="no column 'fear', only 'text', 'joy'; --label_columns of main.py names others"
    ):
        utils.read_table(tmp_path / "t.csv", columns)


def test_columns_that_look_like_labels_are_named_where_there_is_no_column_of_labels(tmp_path):
    (tmp_path / "t.csv").write_text("id,text,joy,big fear\n7,x,1,0\n8,y,0,1\n9,z,0,0\n", encoding="utf-8")
    with pytest.raises(UserError, match="or --multi_label --label_columns joy 'big fear' several"):
        utils.read_table(tmp_path / "t.csv", Columns())


def test_how_several_labels_are_written_stands_in_run_json():
    for columns in (SETS, Columns(label=None, label_columns=("a", "b"), label_separator="|"), Columns()):
        assert Columns.from_json(json.loads(json.dumps(columns.as_json()))) == columns
    assert Columns().as_json() == {"text": "text", "text_pair": None, "label": "label"}
