"""How files separate and quote their fields is told apart: written in every dialect, they are read back or refused."""

import csv
import io
import os
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from toolkit.base.errors import UserError
from toolkit.cli.sections import TableOptions
from toolkit.formats.dialects import TableReading
from toolkit.formats.reading import open_source

EXAMPLES = int(os.environ.get("DIALECT_EXAMPLES", "1000"))  # of files that are drawn
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
ROWS = [
    ["A quiet room, with a view; very nice", "pos"],
    ['The waiter said "no" | and left', "neg"],
    ["房间很大，服务也好", "pos"],
    ["two\nlines of text", "neg"],
    ["Stale bread, bitter coffee", "neg"],
]
KNOWN = TableReading()


def text_of(rows, end="\n", **dialect) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=end, **dialect).writerows(rows)
    return stream.getvalue()


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def read(path: Path, known: TableReading = KNOWN) -> tuple[list[str], list, list[str]]:
    """Return the columns of a file, its rows (what is wrong in place of one that is bad), and what it was taken for."""
    with open_source(path, encoding="utf-8", known=known) as source:
        rows = [
            list(record.values.values()) if record.problem is None else str(record.problem) for record in source.records
        ]
        return source.columns, rows, [*map(str, source.taken_for)]


# -- each kind --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("header", [["text", "label"], ["label", "text"], ["id", "text", "label"], ["评论", "标签"]])
def test_the_separator_is_told_apart_and_said_where_it_is_not_that_of_the_name(
    tmp_path, name, separator, quoting, header
):
    rows = [[dict(zip(["text", "label"], row, strict=True)).get(column, "1") for column in header] for row in ROWS]
    path = write(tmp_path / name, text_of([header, *rows], delimiter=SEPARATORS[separator], quoting=quoting))
    usual = {"rows.csv": "comma", "rows.tsv": "tab"}[name]
    taken_for = [] if separator == usual else [f"{separator}-separated"]
    assert read(path) == (header, rows, taken_for)


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("header", [["text", "label"], ["label", "text", "note"], ["sentence", "category"]])
def test_quotes_that_a_backslash_stands_before_are_read_and_said(tmp_path, separator, header):
    rows = [[cell, "x", "1"][: len(header)] for cell, _ in ROWS]
    text = text_of(
        [header, *rows], delimiter=SEPARATORS[separator], quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\"
    )
    columns, found, taken_for = read(write(tmp_path / "rows.csv", text))
    assert (columns, found) == (header, rows)
    assert taken_for == [f"{separator}-separated, a backslash before quotes"]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize(
    "lines",
    [
        ['"text"S "label"', '"a quiet roomS honestly"S "pos"', '"never again"S "neg"'],
        ['"label"S  "text"', '"pos"S  "a quiet roomS honestly"', '"neg"S  "never again"'],
        ['text S "label"', '"a quiet roomS honestly"S "pos"', 'never againS "neg"'],
    ],
)
def test_blanks_between_a_separator_and_quotes_are_no_part_of_the_field(tmp_path, separator, lines):
    sign = SEPARATORS[separator]
    columns, rows, taken_for = read(write(tmp_path / "rows.csv", "\n".join(lines).replace("S", sign)))
    cells = {f"a quiet room{sign} honestly", "pos", "never again", "neg"}
    assert {*columns} == {"text", "label"}
    assert {cell for row in rows for cell in row} == cells
    assert taken_for == [f"{separator}-separated, blanks before quotes"]


@pytest.mark.parametrize(
    "text",
    [
        'text,label\na 5" disk,x\nthe 3" disk,y\n',
        "text,label\nC:\\new\\dir,x\n\\alpha and \\beta,y\n",
        "text,label\n a blank before, x\n  two, y\n",
        'text,label\n"ends with a backslash\\",x\n"C:\\dir",y\n',
        "text,label\na; b; c,x\nd; e; f,y\n",
        "text;x,label\na;b,c\n",
        "text,label\na|b,c\nd|e,f\n",
    ],
)
def test_a_sound_comma_separated_file_means_what_it_always_did(tmp_path, text):
    columns, rows, taken_for = read(write(tmp_path / "rows.csv", text), TableReading(wanted=("label",)))
    header, *expected = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert (columns, rows) == (header, expected)
    assert taken_for == []


def test_backslashes_that_may_all_be_escapes_are_text_in_a_comma_separated_file_which_is_said(tmp_path):
    path = write(tmp_path / "rows.csv", 'text,label\nC:\\\\dir,x\n"a\\\\b",y\n')
    assert read(path) == (["text", "label"], [["C:\\\\dir", "x"], ["a\\\\b", "y"]], ["backslashes are text"])
    options = TableOptions(escape="backslash")
    found = read(path, TableReading.from_options(options, ("text", "label"), with_label=True))
    assert found[1] == [["C:\\dir", "x"], ["a\\b", "y"]]


@pytest.mark.parametrize("separator", ["semicolon", "bar", "tab"])
def test_backslashes_that_may_all_be_escapes_are_asked_about_in_other_files(tmp_path, separator):
    path = write(tmp_path / "rows.csv", "text,label\nC:\\\\dir,x\n".replace(",", SEPARATORS[separator]))
    with pytest.raises(UserError, match="--escape none or --escape backslash says which"):
        read(path)
    for escape, text in (("none", "C:\\\\dir"), ("backslash", "C:\\dir")):
        options = TableOptions(escape=escape)
        assert read(path, TableReading.from_options(options, ("text",), with_label=True))[1] == [[text, "x"]]


@pytest.mark.parametrize("first", ["comma", "semicolon", "bar", "tab"])
@pytest.mark.parametrize("second", ["semicolon", "bar", "tab"])
def test_two_separators_that_fit_equally_well_are_both_named(tmp_path, first, second):
    if first == second:
        return
    line = f"a{SEPARATORS[first]}b{SEPARATORS[second]}c\n"
    path = write(tmp_path / "rows.csv", line * 4)
    with pytest.raises(UserError) as caught:
        read(path)
    assert f"--separator {first}" in str(caught.value)
    assert f"--separator {second}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "sign"), [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("bar", "|"), ("~", "~"), (":", ":")]
)
def test_the_option_settles_the_separator(tmp_path, option, sign):
    options = TableOptions(separator=option)
    path = write(tmp_path / "rows.csv", f'text{sign}label\n"a,;\t|b:c"{sign}x\n')
    found = read(path, TableReading.from_options(options, ("text", "label"), with_label=True))
    assert found[:2] == (["text", "label"], [["a,;\t|b:c", "x"]])


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("first", ["sep=S", "SEP=S", "Sep=S"])
def test_the_line_in_which_excel_is_told_the_separator_is_no_row(tmp_path, separator, end, first):
    sign = SEPARATORS[separator]
    path = write(
        tmp_path / "rows.csv",
        f"{first[:-1]}{sign}" + first[-1:].strip("S") + end + text_of([["text", "label"], *ROWS], end, delimiter=sign),
    )
    with open_source(path) as source:
        assert source.columns == ["text", "label"]
        assert [record.line for record in source.records] == [3, 4, 5, 6, 8]
    assert read(path)[1] == ROWS


def test_a_few_bad_rows_do_not_hide_the_separator(tmp_path):
    lines = ["v1;v2", *[f"{'ab'[i % 2]};text number {i}, with a comma" for i in range(50)]]
    lines[20] = "a;one;too many"
    lines[30] = '"b;never closed'
    _, rows, taken_for = read(write(tmp_path / "rows.csv", "\n".join(lines)))
    assert taken_for == ["semicolon-separated"]
    assert [row for row in rows if isinstance(row, str)] == [
        "3 fields where the header has 2",
        "a quoted field is never closed",
    ]


def test_a_row_that_is_longer_than_the_head_is_read_whole(tmp_path):
    long = "line; with | signs\n" * 100_000
    rows = [[long, "x"], ["short", "y"]]
    path = write(tmp_path / "rows.csv", text_of([["text", "label"], *rows], delimiter=";"))
    assert read(path) == (["text", "label"], rows, ["semicolon-separated"])


@pytest.mark.parametrize("header", [["text", "label"], ["label", "text"], ["label", "text", "note"]])
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
def test_lines_within_quotes_that_may_as_well_be_rows_are_rows_unless_the_header_is_quoted_too(tmp_path, header, name):
    row = {"text": "two\nlines of\ttext", "label": "x", "note": "1\t2"}
    rows = [[row[column] for column in header]] * 2
    quoted = text_of([header, *rows], delimiter="\t", quoting=csv.QUOTE_ALL)
    assert read(write(tmp_path / name, quoted))[:2] == (header, rows)
    if header == ["label", "text"]:
        columns, found, taken_for = read(write(tmp_path / name, text_of([header, *rows], delimiter="\t")))
        assert found == [["x", '"two'], ["lines of", 'text"']] * 2
        assert taken_for[-1] == "quotes are text"


@pytest.mark.parametrize("cell", ['a"b', '"a""b"', '"c"', "c"])
@pytest.mark.parametrize("separator", SEPARATORS)
def test_rows_of_very_many_fields_take_no_longer_than_they_are_long(tmp_path, cell, separator):
    row = SEPARATORS[separator].join(["x", *[cell] * 100_000]) + "\n"
    path = write(tmp_path / "rows.csv", row.replace("x", "text", 1) + row * 3)
    columns, rows, _ = read(path)
    assert len(columns) == len(rows[-1]) == 100_001


def test_cells_of_a_megabyte_take_no_longer_than_they_are_long(tmp_path):
    for long in ("x" * (1 << 20), "好" * (1 << 20), "a b" * (1 << 19), '"' * (1 << 20)):
        path = write(
            tmp_path / "rows.csv", text_of([[long, "x"], [long, "y"], ["short", "x"], [long, "x"]], delimiter=";")
        )
        assert read(path)[1][-1] == [long, "x"]


# -- generated files --------------------------------------------------------------------------------------------------

ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")
TELLING = st.sampled_from("a好é\"',;|\t\n\\ \u3000\ufeff0")
CELL = st.text(ANY | TELLING, max_size=12) | st.text(TELLING, max_size=8)
FILLED = CELL.filter(str.strip)  # a line that is blank is no row
HEADERS = st.sampled_from(
    [["text", "label"], ["label", "text"], ["id", "text", "label"], ["text", "label", "note", "标签"], ["text"]]
)


@st.composite
def files(draw):
    """Draw a file's header, rows, dialect, text and ending."""
    header = draw(HEADERS)
    rows = draw(st.lists(st.tuples(*[FILLED if name == "text" else CELL for name in header]), min_size=1, max_size=8))
    escapes = draw(st.booleans())
    dialect = {
        "delimiter": draw(st.sampled_from(",;\t|")),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        "doublequote": not escapes,
        "escapechar": "\\" if escapes else None,
    }
    text = text_of([header, *rows], draw(st.sampled_from(["\n", "\r\n"])), **dialect)
    as_read = csv.reader(io.StringIO(text, newline=""), **dialect | {"quoting": csv.QUOTE_MINIMAL})
    assume(list(as_read) == [header, *map(list, rows)])  # some versions of Python do not escape a backslash
    return header, [list(row) for row in rows], dialect, text, draw(st.sampled_from(["csv", "csv", "tsv"]))


def outcome(header, rows, text, ending) -> str:
    """Return what becomes of a file: exact, reported or refused (nothing is read), said (signs are text), or wrong."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            columns, found, taken_for = read(write(Path(folder, f"rows.{ending}"), text))
        except UserError:
            return "refused"
    if (columns, found) == (header, rows):
        return "exact"
    if any(remark.endswith("are text") for remark in taken_for):
        return "said"
    return "reported" if any(isinstance(row, str) for row in found) else "wrong"


def test_files_of_every_dialect_are_read_back_or_refused_and_never_read_wrongly_in_silence():
    tally = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(files())
    def check(file):
        header, rows, dialect, text, ending = file
        result = outcome(header, rows, text, ending)
        tally[result] += 1
        assert result != "wrong"
        if ending == "csv" and dialect["delimiter"] == "," and dialect["doublequote"]:
            assert result == "exact"  # well-formed and comma-separated: as it was before dialects were told apart

    check()
    print(dict(tally))
    assert tally["exact"] > 0.8 * sum(tally.values())
