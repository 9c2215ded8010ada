"""Which files a run reads, and what becomes of those that cannot be read."""

import pytest

from toolkit.base.errors import UserError
from toolkit.data.rows import Columns
from toolkit.doctor.labelled_files import read_beside, read_tables
from utils import read_table

COLUMNS = Columns()


def test_a_testset_beside_is_looked_at_only_if_it_can_be_read(tmp_path):
    assert read_beside(read_table, None, COLUMNS, None, True) == {}
    assert read_beside(read_table, tmp_path, COLUMNS, None, True) == {}
    (tmp_path / "testset.csv").write_text("text,label\ngood,pro\n")
    found = read_beside(read_table, tmp_path, COLUMNS, None, True)
    assert found["test"].frame["text"].tolist() == ["good"]
    (tmp_path / "testset.csv").write_text("text\ngood\n")
    assert read_beside(read_table, tmp_path, COLUMNS, None, False) == {}
    with pytest.raises(UserError, match="label"):
        read_beside(read_table, tmp_path, COLUMNS, None, True)


def test_the_problems_of_all_files_are_told_together(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\ngood,\n")
    (tmp_path / "b.csv").write_text("text,label\n,pro\n")
    files = {"train": tmp_path / "a.csv", "valid": None, "test": tmp_path / "b.csv"}
    with pytest.raises(UserError) as caught:
        read_tables(read_table, files, COLUMNS, None, "stop")
    assert [str(problem).split(": ")[-1] for problem in caught.value.args] == ["label is empty", "text is empty"]


@pytest.mark.parametrize("endings", [("txt", "csv"), ("csv", "txt"), ("txt", "txt")])
def test_a_txt_file_goes_with_a_file_whose_columns_have_other_names(tmp_path, endings):
    contents = {"txt": "good\tpro\nbad\tcon\n", "csv": "stars,review\npro,good\ncon,bad\n"}
    files = {name: tmp_path / f"{name}.{ending}" for name, ending in zip(("train", "valid"), endings, strict=True)}
    for path in files.values():
        path.write_text(contents[path.suffix[1:]])
    columns = Columns("review", None, "stars")
    tables = read_tables(read_table, files, columns, None, "stop", keep_records=tuple(files))
    for table in tables.values():
        assert table.columns == columns
        assert table.frame.to_dict("list") == {"text": ["good", "bad"], "label": ["pro", "con"]}
        assert table.named_records() == [{"review": "good", "stars": "pro"}, {"review": "bad", "stars": "con"}]
        assert table.records[0][table.record_columns.text] == "good"
