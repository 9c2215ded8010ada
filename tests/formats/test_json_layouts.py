import io
import json

import pandas as pd
import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.data.rows import read_rows
from toolkit.files.columns import Columns
from toolkit.formats.json_layouts import rows_of_object
from toolkit.formats.json_rows import read_json

FRAMES = {
    "two columns": pd.DataFrame({"text": ["a", "好", 'c "d"'], "label": ["x", "y", "x"]}),
    "numbers and nulls": pd.DataFrame({"text": ["a", "b"], "label": [1, 0], "note": [None, "n"]}, dtype=object),
    "an index of names": pd.DataFrame({"text": ["a", "b", "c"], "label": [1, 0, 1]}, index=["r1", "r2", "r3"]),
    "three hundred rows": pd.DataFrame({"label": [i % 3 for i in range(300)], "text": [f"t{i}" for i in range(300)]}),
}


def opened(text: str):
    return read_json("rows.json", io.StringIO(text))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("orient", ["records", "columns", "split", "table", "index"])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_table_that_pandas_wrote_is_read_back(frame, orient, indent):
    with opened(frame.to_json(orient=orient, indent=indent, force_ascii=False)) as source:
        rows = [record.values for record in seen(source)]
        assert source.format == "json"
        assert [*map(str, source.taken_for)] == ([] if orient == "records" else [f"json of pandas ({orient})"])
        assert [record for record in source.columns if record != "index"] == list(frame.columns)
    wanted = json.loads(frame.to_json(orient="records"))
    assert [{key: value for key, value in row.items() if key != "index"} for row in rows] == wanted


def test_columns_of_one_name_that_pandas_wrote_are_told_apart():
    frame = pd.DataFrame([["a", 1, "x", 2], ["b", 3, "y", 4]], columns=["text", "id", "label", "id"])
    source = opened(frame.to_json(orient="split"))
    assert source.columns == ["text", "id", "label", "id.1"]
    assert source.written_names == {"id.1": "id"}
    assert [list(record.values.values()) for record in source.records] == frame.to_numpy().tolist()


@pytest.mark.parametrize("name", ["text", "label"])
def test_a_column_of_such_a_table_that_is_used_and_there_twice_is_refused(name):
    frame = pd.DataFrame([["a", "x", "b"]], columns=["text", "label", name])
    source = opened(frame.to_json(orient="split"))
    with pytest.raises(UserError, match=f"rows.json: two columns are called '{name}'$"):
        list(read_rows(source, Columns()))


def test_rows_of_such_a_table_are_numbered():
    source = opened('{"text": {"0": "a", "1": ""}, "label": {"0": 1, "1": 2}}')
    assert (source.unit, source.columns) == ("row", ["text", "label"])
    assert [record.line for record in source.records] == [1, 2]


def test_a_list_a_column_is_a_table():
    source = opened('{"text": ["a", "b"],\n "label": [1, 2]}')
    assert [record.values for record in source.records] == [{"text": "a", "label": 1}, {"text": "b", "label": 2}]
    assert rows_of_object("rows.json", {"text": ["a", "b"], "label": [1]}) is None


@pytest.mark.parametrize(
    "value",
    [
        {"data": [{"text": "a"}, {"text": "b"}]},
        {"version": "1.1", "data": [{"text": "a"}, {"text": "b"}]},
        {"meta": {"n": 2, "labels": ["x", "y"]}, "rows": [{"text": "a"}, {"text": "b"}], "empty": []},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_the_only_list_of_objects_in_an_object_is_the_table(value, indent):
    source = opened("\n" + json.dumps(value, indent=indent) + "\n\n")
    (key,) = (key for key, rows in value.items() if isinstance(rows, list) and rows)
    assert [*map(str, source.taken_for)] == [f"the list '{key}' of a json object"]
    assert [record.values for record in source.records] == [{"text": "a"}, {"text": "b"}]


def test_several_lists_of_objects_are_refused_by_their_names():
    text = json.dumps({"train": [{"text": "a"}], "test": [{"text": "b"}]})
    with pytest.raises(UserError, match=r"^rows.json: holds several lists of objects \('train', 'test'\)"):
        opened(text)


@pytest.mark.parametrize(
    "value",
    [
        {"text": "a", "label": 1},
        {"text": "a", "spans": [{"start": 1}]},
        {"id": 1, "data": {"text": "a"}, "annotations": [{"result": []}]},
        {"text": "a", "label": ["x"], "Comments": []},
    ],
)
def test_one_row_is_no_table(value):
    assert [record.values for record in opened(json.dumps(value)).records] == [value]


def test_an_object_a_line_is_read_as_before_whatever_its_first_line_looks_like():
    rows = [{"text": {"0": "a"}}, {"text": {"0": "b"}}, {"data": [{"text": "c"}]}]
    source = opened("\n\n".join(map(json.dumps, rows)))
    assert (source.format, [record.line for record in source.records]) == ("jsonl", [1, 3, 5])
    broken = opened('{"text": "a",\n{"text": "b"}\n')
    assert [record.values for record in broken.records] == [None, {"text": "b"}]


def test_a_row_of_another_length_than_its_columns_is_refused_with_its_number():
    for row in (["b"], {"text": "b"}, None):
        with pytest.raises(UserError, match=r"^rows.json, row 2: is no list of 2 values"):
            opened(json.dumps({"columns": ["text", "label"], "data": [["a", 1], row]}))


@pytest.mark.parametrize("end", ['{"text": "b"', "", "]", ']} {"a"'])
def test_an_object_over_several_lines_that_is_damaged_is_an_error_with_its_line(end):
    with pytest.raises(UserError, match=r"^rows.json, line [234]: not valid json"):  # 3.13: of the comma
        opened(f'{{"data": [\n  {{"text": "a"}},\n{end}')


def test_rows_that_are_lists_are_refused_with_what_to_do():
    for text in ('[["a", 1], ["b", 0]]', '[\n["a"]]'):
        with pytest.raises(UserError, match="rows are lists without names of columns; pandas names them with orient"):
            opened(text)
