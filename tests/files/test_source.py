import io

import pytest

from toolkit.base.errors import UserError
from toolkit.files.source import (
    FileLine,
    Record,
    Source,
    file_ending,
    file_format,
    find_file,
    format_of_name,
    has_file,
    need_file,
)

KINDS = ["csv", "tsv", "json", "jsonl", "txt", "parquet", "xlsx"]


@pytest.mark.parametrize(
    ("name", "ending", "kind"),
    [
        ("rows.csv", ".csv", "csv"),
        ("rows.tsv", ".tsv", "tsv"),
        ("rows.json", ".json", "json"),
        ("rows.jsonl", ".jsonl", "jsonl"),
        ("rows.txt", ".txt", "txt"),
        ("rows.parquet", ".parquet", "parquet"),
        ("rows.xlsx", ".xlsx", "xlsx"),
        ("rows.ndjson", ".ndjson", "jsonl"),
        ("rows.ndjson.gz", ".ndjson.gz", "jsonl"),
        ("rows.csv.gz", ".csv.gz", "csv"),
        ("rows.jsonl.gz", ".jsonl.gz", "jsonl"),
        ("rows.2024.v1.csv", ".csv", "csv"),
        ("rows.2024.csv.gz", ".csv.gz", "csv"),
        ("a.json/rows.csv", ".csv", "csv"),
        ("ROWS.CSV", ".csv", "csv"),
        ("rows.csv.GZ", ".csv.gz", "csv"),
        ("ROWS.TSV.GZ", ".tsv.gz", "tsv"),
    ],
)
def test_the_ending_of_a_name_tells_the_format(name, ending, kind):
    assert file_ending(name) == ending
    assert file_format(name) == kind


@pytest.mark.parametrize(
    "name",
    ["rows", "rows.xls", "rows.csv.zip", "rows.gz", "csv", ".csv", "rows.parquet.gz", "rows.arrow", "rows.xlsx.gz"],
)
def test_a_name_that_tells_no_format_is_refused_with_those_there_are(name):
    with pytest.raises(UserError) as caught:
        file_format(name)
    assert str(caught.value).startswith(f"{name}: ")
    assert all(f".{kind}" in str(caught.value) for kind in KINDS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv.zip", "csv"), ("a.json.ZIP", "json"), ("a.parquet.gz", "parquet"), ("a.arrow", "arrow"),
     ("a.xlsx", "xlsx"), ("a.ndjson.zip", "jsonl"), ("a", None),
     ("a.zip", None), ("a.gz", None), ("a.dat", None), ("csv", None)],
)  # fmt: skip
def test_the_name_of_a_file_to_read_may_tell_the_format_of_what_is_packed_in_it(name, kind):
    assert format_of_name(name) == kind


@pytest.mark.parametrize(
    "name",
    ["trainset.csv", "trainset.txt", "trainset.parquet", "trainset.json.gz", "trainset.xlsx", "trainset.ndjson",
     "trainset.csv.zip", "trainset.arrow", "trainset.zip"],
)  # fmt: skip
def test_a_file_is_found_whichever_ending_it_has(tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / "validset.csv").touch()
    assert find_file(tmp_path, "trainset") == tmp_path / name
    assert has_file(tmp_path, "trainset")


def test_no_file_is_found_where_there_is_none(tmp_path):
    assert find_file(tmp_path, "trainset") is None
    assert find_file(tmp_path / "missing", "trainset") is None
    assert not has_file(tmp_path, "trainset")


@pytest.mark.parametrize("other", ["trainset.csv2", "trainset.xls", "old_trainset.csv", "trainset", "trainset.csv.bak"])
def test_files_with_other_names_are_not_taken(tmp_path, other):
    (tmp_path / other).touch()
    (tmp_path / "trainset.json").mkdir()
    assert find_file(tmp_path, "trainset") is None


@pytest.mark.parametrize("inside", ["pos/1.txt", "1.txt", "data-00000-of-00001.arrow"])
def test_a_folder_is_found_that_has_texts_or_a_dataset_in_it(tmp_path, inside):
    path = tmp_path / "trainset" / inside
    path.parent.mkdir(parents=True)
    path.touch()
    assert find_file(tmp_path, "trainset") == tmp_path / "trainset"
    (tmp_path / "trainset.csv").touch()
    with pytest.raises(UserError, match=r"trainset\.csv and .*trainset; remove one"):
        find_file(tmp_path, "trainset")


def test_a_folder_without_data_is_not_taken(tmp_path):
    (tmp_path / "trainset").mkdir()
    assert find_file(tmp_path, "trainset") is None
    (tmp_path / "trainset" / "notes.md").touch()
    assert find_file(tmp_path, "trainset") is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("csv", "xlsx"),
        ("csv", "csv.zip"),
        ("csv", "json"),
        ("jsonl", "json"),
        ("csv", "csv.gz"),
        ("txt", "parquet"),
        ("tsv.gz", "json"),
    ],
)
def test_two_candidates_are_an_error_that_names_both(tmp_path, first, second):
    for ending in (first, second):
        (tmp_path / f"trainset.{ending}").touch()
    with pytest.raises(UserError) as caught:
        find_file(tmp_path, "trainset")
    words = str(caught.value).replace(";", " ").split()
    assert {str(tmp_path / f"trainset.{first}"), str(tmp_path / f"trainset.{second}")} <= {*words}


def test_a_file_that_an_option_names_is_taken_as_it_is(tmp_path):
    (tmp_path / "trainset.csv").touch()
    assert need_file("elsewhere/rows.txt", tmp_path, "trainset", "--train_file") == "elsewhere/rows.txt"
    assert need_file("-", tmp_path / "missing", "trainset", "--train_file") == "-"


@pytest.mark.parametrize("name", ["trainset.csv", "trainset.jsonl.gz"])
@pytest.mark.parametrize("given", [None, ""])
def test_without_the_option_the_file_of_the_folder_is_taken(tmp_path, name, given):
    (tmp_path / name).touch()
    assert need_file(given, tmp_path, "trainset", "--train_file") == tmp_path / name


def test_a_needed_file_that_is_not_there_is_an_error_that_names_the_folder_and_the_option(tmp_path):
    (tmp_path / "validset.csv").touch()
    with pytest.raises(UserError) as caught:
        need_file(None, tmp_path, "trainset", "--train_file")
    assert all(word in str(caught.value) for word in ("trainset.csv", str(tmp_path), "--train_file"))


def test_a_needed_file_of_which_there_are_two_is_an_error_unless_the_option_names_one(tmp_path):
    for name in ("trainset.csv", "trainset.json"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="found both"):
        need_file(None, tmp_path, "trainset", "--train_file")
    named = str(tmp_path / "trainset.json")
    assert need_file(named, tmp_path, "trainset", "--train_file") == named


def test_a_record_is_without_a_problem_unless_it_says_so():
    assert Record(3, {"text": "a"}) == (3, {"text": "a"}, None, None)


def test_a_line_of_one_of_several_files_is_written_with_its_file():
    place = FileLine("a/part-1.csv", 17)
    assert (place, place.file, place.line) == ("a/part-1.csv:17", "a/part-1.csv", 17)


def test_leaving_a_source_closes_its_file(tmp_path):
    (tmp_path / "rows.txt").write_text("a\n", encoding="utf-8")
    stream = (tmp_path / "rows.txt").open(encoding="utf-8")
    with Source("rows.txt", "txt", ["text"], iter([]), stream) as source:
        assert source.unit == "line"
        assert stream.read() == "a\n"
    assert stream.closed


def test_a_source_is_closed_after_an_error_too():
    stream = io.StringIO("a\n")
    with pytest.raises(ZeroDivisionError), Source("rows.txt", "txt", ["text"], iter([]), stream):
        1 / 0  # noqa: B018
    assert stream.closed
