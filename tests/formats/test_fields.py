import csv
import io

import pytest

from toolkit.formats.fields import Dialect, split_rows


def written(rows, **dialect) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n", **dialect).writerows(rows)
    return stream.getvalue()


ROWS = [["text", "label"], ["plain", "x"], ['he said "no"', "x;y|z,w\tv"], ["two\nlines", "C:\\dir"], ["", " blank "]]


@pytest.mark.parametrize("separator", [",", ";", "|", "\t", "~"])
@pytest.mark.parametrize("escapes", [False, True])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_rows_of_every_dialect_are_split_as_the_csv_module_wrote_them(separator, escapes, quoting):
    how = {"doublequote": not escapes, "escapechar": "\\" if escapes else None, "quoting": quoting}
    text = written(ROWS, delimiter=separator, **how)
    found = list(split_rows(io.StringIO(text, newline=""), Dialect(separator, escapes)))
    assert [row.values for row in found] == ROWS
    assert [row.line for row in found] == [1, 2, 3, 4, 6]
    assert "".join(row.raw for row in found) == text


def test_blanks_behind_a_separator_are_left_out_where_the_dialect_says_so():
    lines = ['"a, b", "c"\n', '"d",   "e ""f"""\n']
    assert [row.values for row in split_rows(lines, Dialect(",", skips_blanks=True))] == [["a, b", "c"], ["d", 'e "f"']]
    assert [row.values for row in split_rows(lines, Dialect(","))] == [["a, b", ' "c"'], ["d", '   "e ""f"""']]


def test_a_row_that_is_still_open_where_the_lines_are_cut_is_no_row_yet():
    lines = ["a,b\n", '"c\n', "d,e\n"]
    assert [row.values for row in split_rows(lines, Dialect(), is_cut=True)] == [["a", "b"]]
    assert [(row.line, str(row.problem)) for row in split_rows(lines, Dialect())] == [
        (1, "None"),
        (2, "a quoted field is never closed"),
        (3, "None"),
    ]


def test_only_tab_separated_lines_are_cut_where_their_quotes_make_no_sense():
    for separator, problem in ((",", True), (";", True), ("|", True), ("\t", False)):
        (row,) = split_rows([f'"a" b{separator}c\n'], Dialect(separator))
        assert (row.problem is not None, row.is_split) == (problem, not problem)


@pytest.mark.parametrize(
    ("dialect", "name"),
    [
        (Dialect(";"), "semicolon-separated"),
        (Dialect("|"), "bar-separated"),
        (Dialect("~"), "'~'-separated"),
        (Dialect("\t", escapes=True), "tab-separated, a backslash before quotes"),
        (Dialect(",", skips_blanks=True), "comma-separated, blanks before quotes"),
    ],
)
def test_a_dialect_is_said_in_words(dialect, name):
    assert str(dialect.words()) == name
