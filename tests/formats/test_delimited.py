import csv

import pandas as pd
import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.formats.delimited import read_table_text
from toolkit.formats.txt_rows import read_txt

CELLS = [
    "plain",
    "房间，很大",
    'he said "no"',
    "a, b",
    "tab\there",
    "two\nlines",
    "CR\r\nLF",
    "",
    " blanks ",
    "NA",
    "'",
    '""',
]


def write(path, content):
    path.write_bytes(content.encode())
    return path


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        source = read_table_text(path.name, path.suffix[1:], stream)
        return source.columns, seen(source)


def read_lines(path):
    with path.open(encoding="utf-8") as stream:
        source = read_txt(path.name, stream)
        return source.columns, seen(source)


@pytest.mark.parametrize(("name", "delimiter"), [("rows.csv", ","), ("rows.tsv", "\t")])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_what_the_csv_module_wrote_is_read_back(tmp_path, name, delimiter, end, quoting):
    rows = [[str(i), cell, other] for i, (cell, other) in enumerate((a, b) for a in CELLS for b in CELLS)]
    with (tmp_path / name).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(
            [["id", "text", "标签"], *([cell.replace("\n", end) for cell in row] for row in rows)]
        )
    columns, records = read(tmp_path / name)
    assert columns == ["id", "text", "标签"]
    assert [record.problem for record in records] == [None] * len(rows)
    assert [[*record.values.values()] for record in records] == [[c.replace("\n", end) for c in row] for row in rows]


@pytest.mark.parametrize(("name", "delimiter"), [("rows.csv", ","), ("rows.tsv", "\t")])
def test_a_file_is_read_as_pandas_reads_it(tmp_path, name, delimiter):
    cells = [cell for cell in CELLS if "\r" not in cell]
    frame = pd.DataFrame({"text": cells, "label": [str(i % 3) for i in range(len(cells))], "note": cells[::-1]})
    frame.to_csv(tmp_path / name, sep=delimiter, index=False)
    there = pd.read_csv(tmp_path / name, sep=delimiter, dtype=str, keep_default_na=False)
    columns, records = read(tmp_path / name)
    assert columns == there.columns.tolist()
    assert [record.values for record in records] == there.to_dict("records")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_row_has_the_number_of_the_line_on_which_an_editor_shows_its_beginning(tmp_path, end):
    lines = [
        "text,label",
        "row two,0",
        '"row three,',
        "goes on",
        '",0',
        "",
        "row seven,1",
        '"row eight ""is',
        "",
        'quoted""",1',
        "   ",
        'row twelve 5" wide,0',
        '"row thirteen" and more,0',
        "row fourteen,0,0",
        "row fifteen",
        '"row sixteen, never closed,1',
        "row seventeen,1",
    ]
    _, records = read(write(tmp_path / "rows.csv", end.join(lines) + end))
    assert [record.line for record in records] == [2, 3, 7, 8, 12, 13, 14, 15, 16, 17]
    assert [record.line for record in records if record.problem] == [13, 14, 15, 16]
    assert records[1].values == {"text": f"row three,{end}goes on{end}", "label": "0"}
    assert records[-1].values == {"text": "row seventeen", "label": "1"}


def test_a_quote_that_never_closes_is_one_bad_row(tmp_path):
    rows = [f"row {i},{i % 2}" for i in range(1000)]
    rows[3] = '"opened and never closed,1'
    columns, records = read(write(tmp_path / "rows.csv", "\n".join(["text,label", *rows]) + "\n"))
    assert [record.line for record in records] == list(range(2, 1002))
    assert [(record.line, str(record.problem)) for record in records if record.problem] == [
        (5, "a quoted field is never closed")
    ]
    assert records[-1].values == {"text": "row 999", "label": "1"}


def test_several_stray_quotes_are_one_bad_row_each(tmp_path):
    lines = [
        "text,label",
        '"one" is bad,0',
        "fine,1",
        '"two" is bad,0',
        '"fine, too",1',
        '"three is never closed,0',
        "fine,1",
    ]
    _, records = read(write(tmp_path / "rows.csv", "\n".join(lines)))
    assert [record.line for record in records] == [2, 3, 4, 5, 6, 7]
    assert [record.problem is None for record in records] == [False, True, False, True, False, True]
    assert [record.values["text"] for record in records if record.values] == ["fine", "fine, too", "fine"]
    assert str(records[0].problem).startswith("text follows a closing quote")


def test_a_quote_within_a_field_without_quotes_is_text(tmp_path):
    path = write(tmp_path / "rows.csv", 'text,label\na 5" disk and a 3" disk,1\nhe said "hi",0\n')
    assert [record.values["text"] for record in read(path)[1]] == ['a 5" disk and a 3" disk', 'he said "hi"']
    assert pd.read_csv(path)["text"].tolist() == ['a 5" disk and a 3" disk', 'he said "hi"']


def test_a_tsv_line_with_stray_quotes_is_split_at_its_tabs(tmp_path):
    lines = ["text\tlabel", '"good" food\t1', 'a 5" disk\t0', '"never closed\t1', "plain\t0", '"quoted\tcell"\t1']
    _, records = read(write(tmp_path / "rows.tsv", "\n".join(lines) + "\n"))
    assert [record.line for record in records] == [2, 3, 4, 5, 6]
    assert [record.problem for record in records] == [None] * 5
    assert [record.values["text"] for record in records] == [
        '"good" food', 'a 5" disk', '"never closed', "plain", "quoted\tcell",
    ]  # fmt: skip
    assert [record.values["label"] for record in records] == ["1", "0", "1", "0", "1"]


@pytest.mark.parametrize(
    ("name", "row", "problem"),
    [
        ("rows.csv", "a", "1 field where the header has 3"),
        ("rows.csv", "a,b", "2 fields where the header has 3"),
        ("rows.csv", "a,b,c,d", "4 fields where the header has 3"),
        ("rows.csv", '"a,b",c', "2 fields where the header has 3"),
        ("rows.tsv", "a\tb", "2 fields where the header has 3"),
        ("rows.tsv", 'a\t"b" c', "2 fields where the header has 3"),
        ("rows.tsv", "a\tb\tc\td", "4 fields where the header has 3"),
    ],
)
def test_a_ragged_row_is_a_bad_row_that_says_how_many_fields_it_has(tmp_path, name, row, problem):
    comma = "\t" if name.endswith("tsv") else ","
    good = comma.join(["x", "y", "z"])
    _, records = read(write(tmp_path / name, f"{comma.join(['text', 'label', 'id'])}\n{good}\n{row}\n{good}\n"))
    assert [(record.line, str(record.problem)) for record in records] == [(2, "None"), (3, problem), (4, "None")]


def test_a_header_is_trimmed_and_may_stand_below_blank_lines(tmp_path):
    columns, records = read(write(tmp_path / "rows.csv", "\n\n text , label\na,1\n"))
    assert columns == ["text", "label"]
    assert records == [(4, {"text": "a", "label": "1"}, None)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("text,label,text\na,1,b\n", r"rows\.csv, line 1: two columns are called 'text'"),
        ("\ntext,label, label\na,1,b\n", r"rows\.csv, line 2: two columns are called 'label'"),
        ("", r"rows\.csv, line 1: the file is empty"),
        ("\n\n  \n", r"rows\.csv, line 1: the file is empty"),
        ('"text,label\na,1\n', r"rows\.csv, line 1: a quoted field is never closed"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(tmp_path, content, problem):
    with pytest.raises(UserError, match=problem):
        read(write(tmp_path / "rows.csv", content))


def test_a_header_alone_gives_columns_and_no_records(tmp_path):
    assert read(write(tmp_path / "rows.csv", "text,label")) == (["text", "label"], [])


def test_in_a_file_of_one_column_a_blank_line_is_no_row_and_a_quoted_nothing_is(tmp_path):
    _, records = read(write(tmp_path / "rows.csv", 'text\na\n\n""\n  \nb\n'))
    assert records == [(2, {"text": "a"}, None), (4, {"text": ""}, None), (6, {"text": "b"}, None)]


def test_a_row_of_empty_fields_is_a_row(tmp_path):
    assert read(write(tmp_path / "rows.csv", "text,label\n,\n"))[1] == [(2, {"text": "", "label": ""}, None)]


def test_a_field_may_be_longer_than_the_csv_module_allows_by_default(tmp_path):
    long = "长" * 200_000
    assert read(write(tmp_path / "rows.csv", f"text,label\n{long},1\n"))[1][0].values["text"] == long


def test_only_line_breaks_end_a_line(tmp_path):
    odd = "a\x0bb\x0cc\x1cd\x85e\u2028f"
    assert read(write(tmp_path / "rows.csv", f"text,label\n{odd},1\nb,2\n"))[1] == [
        (2, {"text": odd, "label": "1"}, None),
        (3, {"text": "b", "label": "2"}, None),
    ]
    assert [record.line for record in read_lines(write(tmp_path / "rows.txt", f"{odd}\t1\nb\t2\n"))[1]] == [1, 2]


def test_the_last_line_needs_no_end(tmp_path):
    assert read(write(tmp_path / "rows.csv", "text,label\na,1\nb,2"))[1][-1] == (3, {"text": "b", "label": "2"}, None)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_txt_file_of_texts_with_labels_is_cut_at_the_last_tab(tmp_path, end):
    lines = [
        "很好\t1",
        "",
        'a "quoted" text, with comma\t0',
        "two\ttabs\tpro",
        "   ",
        "no tab",
        " kept blanks \t 1",
        "last\t",
    ]
    columns, records = read_lines(write(tmp_path / "rows.txt", end.join(lines)))
    assert columns == ["text", "label"]
    assert [(record.line, record.values and [*record.values.values()]) for record in records] == [
        (1, ["很好", "1"]),
        (3, ['a "quoted" text, with comma', "0"]),
        (4, ["two\ttabs", "pro"]),
        (6, None),
        (7, [" kept blanks ", " 1"]),
        (8, ["last", ""]),
    ]
    assert [str(record.problem) for record in records if record.problem] == [
        "no tab between text and label, although the first line has one"
    ]


def test_a_txt_file_whose_first_line_has_no_tab_is_one_of_texts_alone(tmp_path):
    columns, records = read_lines(write(tmp_path / "rows.txt", '\nplain\n\nwith\ttab\n"quoted"\n'))
    assert columns == ["text"]
    assert records == [
        (2, {"text": "plain"}, None),
        (4, {"text": "with\ttab"}, None),
        (5, {"text": '"quoted"'}, None),
    ]


@pytest.mark.parametrize("content", ["", "\n", " \n\r\n"])
def test_a_txt_file_without_a_line_has_no_rows(tmp_path, content):
    assert read_lines(write(tmp_path / "rows.txt", content)) == (["text"], [])


def test_quotes_of_an_unquoted_tsv_file_do_not_join_rows(tmp_path):
    text = 'text\tlabel\n"what a film\t1\nfine\t0\nso she said "\t0\n'
    (tmp_path / "rows.tsv").write_text(text, encoding="utf-8")
    with (tmp_path / "rows.tsv").open(encoding="utf-8", newline="") as stream:
        records = list(read_table_text("rows.tsv", "tsv", stream).records)
    assert [tuple(record.values.values()) for record in records] == [
        tuple(line.split("\t")) for line in text.splitlines()[1:]
    ]
