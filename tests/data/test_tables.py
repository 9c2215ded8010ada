from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.data.rows import Rejected, Row
from toolkit.data.tables import Table, to_frame
from toolkit.files.columns import Columns

ROWS = [Row(2, "a", "b", "x", {}), Row(5, "c", "d", "y", {})]


def table(name: str = "rows.csv", columns: Columns = Columns(text_pair="text_pair")) -> Table:  # noqa: B008
    rejected = [Rejected(name, "line", 3, "text is empty", {})]
    records = [{"text": "a", "label": "x"}, {"text": "c", "label": "y"}]
    return Table(Path(name), to_frame(ROWS), rejected, records, columns, "0")


@pytest.mark.parametrize("unit", ["line", "row"])
def test_a_frame_has_the_texts_and_labels_and_the_lines_as_its_index(unit):
    frame = to_frame(ROWS, unit)
    assert frame.to_dict("list") == {"text": ["a", "c"], "text_pair": ["b", "d"], "label": ["x", "y"]}
    assert (frame.index.tolist(), frame.index.name) == ([2, 5], unit)
    assert {str(kind) for kind in frame.dtypes} == {"object"}
    assert list(to_frame([]).columns) == ["text", "text_pair", "label"]


def test_a_table_knows_all_its_texts_and_accounts_for_its_rows():
    assert table().texts == ["a", "b", "c", "d"]
    assert str(table().accounts()) == "rows.csv: 3 rows = 2 used + 1 rejected"


def test_what_a_file_was_taken_for_is_said_before_its_rows():
    semicolons = replace(table(), taken_for=["semicolon-separated", "no header"])
    assert str(semicolons.accounts()) == "rows.csv: semicolon-separated, no header, 3 rows = 2 used + 1 rejected"
    assert semicolons.part(np.array([True, True]), []).taken_for == ["semicolon-separated", "no header"]


def test_a_part_of_a_table_has_the_rows_that_are_kept():
    part = table().part(np.array([False, True]), [])
    pd.testing.assert_frame_equal(part.frame, table().frame.iloc[1:])
    assert part.records == [{"text": "c", "label": "y"}]
    assert part.rejected == []
    assert str(part.accounts()) == "rows.csv: 1 row = 1 used + 0 rejected"


def test_the_columns_of_a_txt_file_get_the_names_that_others_have():
    columns = Columns("review", None, "stars")
    txt = replace(table("rows.txt", columns), has_fixed_columns=True)
    assert txt.record_columns == Columns()
    assert txt.named_records() == [{"review": "a", "stars": "x"}, {"review": "c", "stars": "y"}]
    csv = table("rows.csv", columns)
    assert csv.record_columns == columns
    assert csv.named_records() == csv.records
