from pathlib import Path

from tests.doctor.toy_tables import clean, findings_by_kind, table, unlike
from toolkit.doctor.findings import Location
from toolkit.doctor.labelled_rows import number_rows


def test_held_out_rows_are_called_that():
    texts = unlike(130)
    findings = findings_by_kind(
        train=table("t", clean(texts[:100])), valid=table("t", [*clean(texts[100:]), (texts[0], "a")])
    )
    leak = findings["leak"][0]
    assert leak.facts["file"] == "t (held out)"
    assert leak.sentence("zh").startswith("t（留出部分） 的 ")
    assert leak.examples[0][0].words["zh"].startswith("t（留出部分），")
    assert leak.examples[0][0].words["en"].startswith("t (held out), ")


def test_a_row_is_located_by_its_table_line_and_label():
    rows = number_rows({"train": table("t", [("one", "a"), ("two", "b")]), "valid": table("v", [("Three", "c")], 7)})
    assert rows.location(1) == Location("t", "line", 3, "two", "b")
    assert rows.location(2) == Location("v", "line", 7, "Three", "c")
    assert rows.normalized == ["one", "two", "three"]
    assert [list(rows.numbers(number)) for number in (0, 1)] == [[0, 1], [2]]
    assert (rows.texts_of(1), rows.labels_of(1)) == (["Three"], ["c"])


def test_the_first_row_of_a_text_is_kept_for_each_table():
    rows = number_rows({"train": table("t", [("one", "a"), ("One", "b")]), "valid": table("v", [("ONE", "c")])})
    assert rows.first_rows == [{"one": 0}, {"one": 2}]


def test_folders_are_named_where_files_of_several_folders_are_called_alike():
    same = number_rows({"train": table("one/t.csv", [("a", "a")]), "test": table("two/t.csv", [("a", "a")])})
    assert [Path(name) for name in same.names] == [Path("data/one/t.csv"), Path("data/two/t.csv")]
    other = number_rows({"train": table("one/t.csv", [("a", "a")]), "test": table("two/e.csv", [("a", "a")])})
    assert other.names == ["t.csv", "e.csv"]
