import json

import pandas as pd
import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.data.rows import Rejected, read_rows
from toolkit.files.columns import Columns
from toolkit.formats.arrow import class_names
from toolkit.formats.reading import open_source

pa = pytest.importorskip("pyarrow")

FEATURES = {
    "text": {"dtype": "string", "_type": "Value"},
    "label": {"names": ["差评", "好评"], "_type": "ClassLabel"},
}


def table(rows: int = 3000, start: int = 0, features: dict | None = None):
    """Return a table of texts and numbered labels, described as datasets does."""
    numbers = range(start, start + rows)
    plain = pa.table({"text": [f"第{i}行" for i in numbers], "label": [i % 2 for i in numbers]})
    if features is None:
        return plain
    return plain.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def written(path, rows, has_index: bool = True, batch: int = 700):
    path.parent.mkdir(parents=True, exist_ok=True)
    new = pa.ipc.new_file if has_index else pa.ipc.new_stream
    with new(path, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=batch)
    return path


def saved(folder, **files):
    """Write a folder as save_to_disk of datasets does."""
    for name, rows in files.items():
        written(folder / f"{name}.arrow", rows, has_index=False)
    entries = [{"filename": f"{name}.arrow"} for name in files]
    (folder / "state.json").write_text(json.dumps({"_data_files": entries, "_split": None}))
    (folder / "dataset_info.json").write_text("{}")
    return folder


@pytest.mark.parametrize("has_index", [True, False], ids=["file", "stream"])
@pytest.mark.parametrize("name", ["rows.arrow", "rows"])
def test_an_arrow_file_is_read_and_its_rows_are_numbered(tmp_path, has_index, name):
    path = written(tmp_path / name, table(), has_index)
    with open_source(path) as source:
        assert (source.format, source.unit, source.columns) == ("parquet", "row", ["text", "label"])
        assert [*map(str, source.taken_for)] == ([] if name.endswith("arrow") else ["arrow by its content"])
        records = seen(source)
    assert [record.line for record in records] == list(range(1, 3001))
    assert [record.values for record in records] == table().to_pylist()


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_classes_of_datasets_are_read_by_their_names(tmp_path, kind):
    rows = table(features=FEATURES)
    if kind == "arrow":
        path = written(tmp_path / "rows.arrow", rows)
    else:
        path = tmp_path / "rows.parquet"
        pytest.importorskip("pyarrow.parquet").write_table(rows, path)
    with open_source(path) as source:
        assert [*map(str, source.taken_for)] == ["label: names of its classes"]
        assert source.arrow_schema.field("label").type == pa.string()
        found = list(read_rows(source, Columns()))
    assert [row.label for row in found] == [["差评", "好评"][i % 2] for i in range(3000)]
    plain = pa.Table.from_pylist([row.values for row in found], schema=source.arrow_schema)
    assert plain["label"].to_pylist() == [row.label for row in found]


def test_minus_one_is_no_label_and_a_number_without_a_name_stays_one(tmp_path):
    rows = pa.table({"text": ["a", "b", "c", "d"], "label": [1, -1, None, 7]})
    rows = rows.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})
    with open_source(written(tmp_path / "rows.arrow", rows)) as source:
        found = list(read_rows(source, Columns()))
    assert [str(row.reason) if isinstance(row, Rejected) else row.label for row in found] == [
        "好评", "label is empty", "label is empty", "7"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "metadata",
    [
        None, {}, {b"pandas": b"{}"}, {b"huggingface": b"{"}, {b"huggingface": b"[]"}, {b"huggingface": b"[" * 9999},
        {b"huggingface": b'{"info": {"features": []}}'}, {b"huggingface": b'{"info": {"features": {"label": [1]}}}'},
        {b"huggingface": b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": [1, 2]}}}}'},
        {b"huggingface": b'{"info": {"features": {"label": {"_type": "ClassLabel"}}}}'},
    ],
)  # fmt: skip
def test_metadata_that_is_of_others_or_damaged_names_no_classes(metadata):
    assert class_names(metadata) == {}


def test_names_of_columns_that_are_not_there_do_not_count(tmp_path):
    rows = table(3, features=FEATURES | {"other": FEATURES["label"]})
    with open_source(written(tmp_path / "rows.arrow", rows)) as source:
        assert len(seen(source)) == 3


def test_a_saved_dataset_is_read_from_the_files_that_its_state_names(tmp_path):
    folder = saved(tmp_path / "reviews", a=table(10, features=FEATURES), b=table(5, 10, features=FEATURES))
    written(folder / "cache-1234.arrow", table(99))
    with open_source(folder) as source:
        assert [*map(str, source.taken_for)] == ["a dataset that save_to_disk wrote", "label: names of its classes"]
        assert [record.values["text"] for record in source.records] == [f"第{i}行" for i in range(15)]


def test_a_dataset_of_several_tables_is_refused_by_their_names(tmp_path):
    for split in ("train", "test"):
        saved(tmp_path / "reviews" / split, data=table(3))
    (tmp_path / "reviews" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(UserError, match=r"reviews: holds the tables test, train; name one, such as .*reviews/test"):
        open_source(tmp_path / "reviews")
    with open_source(tmp_path / "reviews" / "train") as source:
        assert len(seen(source)) == 3


@pytest.mark.parametrize(
    "state", ["", "{", "[]", "{}", '{"_data_files": []}', '{"_data_files": [{"filename": "../a.arrow"}]}']
)
def test_a_saved_dataset_whose_state_is_damaged_is_refused(tmp_path, state):
    folder = saved(tmp_path / "reviews", a=table(3))
    (folder / "state.json").write_text(state)
    with pytest.raises(UserError, match=r"reviews: state.json names no .arrow files"):
        open_source(folder)


def test_files_of_a_saved_dataset_that_are_missing_or_differ_are_refused(tmp_path):
    folder = saved(tmp_path / "a", a=table(3), b=pa.table({"text": ["a"]}))
    with pytest.raises(UserError, match="the columns of its files differ"):
        open_source(folder)
    folder = saved(tmp_path / "b", a=table(3), b=table(3))
    (folder / "b.arrow").unlink()
    with pytest.raises(UserError, match=r"b: cannot be read \("):
        open_source(folder)


@pytest.mark.parametrize("has_index", [True, False], ids=["file", "stream"])
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.3, 0.9])
def test_an_arrow_file_that_breaks_off_is_an_error_with_its_name(tmp_path, kept, has_index):
    path = written(tmp_path / "rows.arrow", table(), has_index)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(UserError, match=r"rows.arrow: (not an arrow file|cannot be read)"), open_source(path) as source:
        seen(source)


@pytest.mark.parametrize(
    "data", [b"text,label\na,x\n", b"PAR1" + bytes(99), b"\xff\xff\xff\xff" + bytes(99), b"ARROW1"]
)
def test_a_file_that_is_arrow_in_name_only_is_an_error(tmp_path, data):
    (tmp_path / "rows.arrow").write_bytes(data)
    with pytest.raises(UserError, match=r"rows.arrow: (not an arrow file|cannot be read)"):
        seen(open_source(tmp_path / "rows.arrow"))


def of_columns(*columns: tuple[str, list], features: dict | None = None):
    """Return a table of columns of which several may have one name."""
    rows = pa.Table.from_arrays([pa.array(values) for _, values in columns], names=[name for name, _ in columns])
    if features is None:
        return rows
    return rows.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def stored(path, rows):
    if path.suffix == ".arrow":
        return written(path, rows)
    pytest.importorskip("pyarrow.parquet").write_table(rows, path)
    return path


TWICE = (("id", [1, 2]), ("text", ["a", "b"]), ("id", ["p", None]), ("label", [1, 0]), ("id", [True, False]))


@pytest.mark.parametrize("ending", ["arrow", "parquet"])
def test_columns_that_are_not_used_may_have_one_name(tmp_path, ending):
    path = stored(tmp_path / f"rows.{ending}", of_columns(*TWICE, features=FEATURES))
    with open_source(path) as source:
        assert source.columns == ["id", "text", "id.1", "label", "id.2"]
        assert source.written_names == {"id.1": "id", "id.2": "id"}
        assert [*map(str, source.taken_for)] == ["label: names of its classes"]
        types = [pa.int64(), pa.string(), pa.string(), pa.string(), pa.bool_()]
        assert source.arrow_schema == pa.schema(list(zip(source.columns, types, strict=True)))
        rows = list(read_rows(source, Columns()))
    assert [row.values for row in rows] == [
        {"id": 1, "text": "a", "id.1": "p", "label": "好评", "id.2": True},
        {"id": 2, "text": "b", "id.1": None, "label": "差评", "id.2": False},
    ]


@pytest.mark.parametrize("ending", ["arrow", "parquet"])
@pytest.mark.parametrize("name", ["text", "label"])
def test_a_column_that_is_used_and_there_twice_is_refused(tmp_path, ending, name):
    path = stored(tmp_path / f"rows.{ending}", of_columns(("text", ["a"]), ("label", ["x"]), (name, ["b"])))
    with (
        pytest.raises(UserError, match=rf"rows.{ending}: two columns are called '{name}'$"),
        open_source(path) as source,
    ):
        list(read_rows(source, Columns()))
    with open_source(path) as source:
        assert [row.text for row in read_rows(source, Columns(text=f"{name}.1", label=None))] == ["b"]


def test_pandas_reads_the_same(tmp_path):
    frame = pd.DataFrame({"text": ["a", "b"], "label": [1.5, None]})
    frame.to_feather(tmp_path / "rows.arrow")
    with open_source(tmp_path / "rows.arrow") as source:
        assert [record.values for record in seen(source)] == [{"text": "a", "label": 1.5}, {"text": "b", "label": None}]
