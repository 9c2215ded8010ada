import csv
import io

import pytest

from toolkit.base.errors import UserError
from toolkit.cli.sections import TableOptions
from toolkit.formats.column_names import USUAL_NAMES
from toolkit.formats.dialects import TableReading
from toolkit.formats.header import FirstRow, judge_first_row, make_header
from toolkit.formats.reading import open_source

TEXTS = [
    "The harbour view made up for the small room",
    "Nobody answered the telephone for two days",
    "房间很大，早餐也很好吃，下次还会再来住",
    "Cheap, sturdy and easy to put together",
    "It broke on the second day and nobody cared",
    "The best soup I have had in a long time",
]
LABELS = ["pos", "neg", "pos", "pos", "neg", "pos"]
SHORT_TEXTS = ["good", "bad", "nice", "great", "awful", "fine"]
TITLES = ["Harbour", "Telephone", "早餐", "Shelf", "Second day", "Soup"]


def read(tmp_path, rows, options=TableOptions(), with_label=True, **dialect):  # noqa: B008
    """Return the columns of a csv file with these rows, its records and what it was taken for."""
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n", **dialect).writerows(rows)
    path = tmp_path / "rows.csv"
    path.write_bytes(stream.getvalue().encode())
    wanted = USUAL_NAMES if with_label else USUAL_NAMES[:1]
    with open_source(path, known=TableReading.from_options(options, wanted, with_label)) as source:
        return (
            source.columns,
            [list(record.values.values()) for record in source.records],
            [*map(str, source.taken_for)],
        )


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells",
    [
        ["text\u200b", "label"],
        ["\ufefftext", "\u200elabel\u200f"],
        ["\u2060 text ", "\u00adlabel"],
        ["'text'", " “label” "],
        ["te\u200bxt", "\u202alabel\u202c"],
        ['"text"', "\u3000label\u00a0"],
    ],
)
def test_names_are_known_without_what_cannot_be_seen_and_written_as_they_stand(cells):
    header = make_header("rows.csv", 1, cells)
    assert header.columns == ["text", "label"]
    assert [header.written.get(column, column) for column in header.columns] == cells


@pytest.mark.parametrize(
    ("cells", "columns", "repeated"),
    [
        (["id", "text", "id"], ["id", "text", "id.1"], {"id"}),
        (["text", "", "", ""], ["text", "", ".1", ".2"], {""}),
        (["id", "id.1", "id", "id"], ["id", "id.1", "id.2", "id.3"], {"id"}),
        (["text", "'text'"], ["text", "'text'"], set()),
        (["text", "text "], ["text", "text.1"], {"text"}),
        (["a", "'b'", "“b”"], ["a", "'b'", "“b”"], set()),
    ],
)
def test_columns_of_one_name_are_told_apart_and_written_alike(cells, columns, repeated):
    header = make_header("rows.csv", 3, cells)
    assert header.columns == columns
    assert header.repeated == repeated
    assert [header.written.get(column, column).strip() for column in columns] == [cell.strip() for cell in cells]


def test_a_column_that_is_used_must_be_the_only_one_of_its_name():
    header = make_header("rows.csv", 3, ["id", "text", "id"])
    header.refuse_repeated("rows.csv", ["text", "label"])
    with pytest.raises(UserError, match="rows.csv, line 3: two columns are called 'id'"):
        header.refuse_repeated("rows.csv", ["id"])


def test_a_header_without_a_single_name_is_none():
    assert make_header("rows.csv", 1, [""]).columns == [""]
    with pytest.raises(UserError, match="rows.csv, line 1: two columns are called ''"):
        make_header("rows.csv", 1, ["", " ", ""])


@pytest.mark.parametrize("more", [1, 2, 3])
def test_separators_that_only_the_rows_have_at_their_end_make_columns_without_a_name(tmp_path, more):
    rows = [[text, label] + [""] * more for text, label in zip(TEXTS, LABELS, strict=True)]
    columns, records, _ = read(tmp_path, [["text", "label"], *rows])
    assert columns[:2] == ["text", "label"]
    assert len(columns) == 2 + more
    assert records == rows


# -- a header or a row ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", [TEXTS, SHORT_TEXTS])
@pytest.mark.parametrize(
    "labels", [LABELS, ["1", "0", "1", "1", "0", "1"], ["好评", "差评", "好评", "好评", "差评", "好评"]]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("label_first", [False, True])
def test_a_file_without_a_header_has_its_columns_named_by_what_is_in_them(
    tmp_path, texts, labels, delimiter, label_first
):
    rows = [[label, text] if label_first else [text, label] for text, label in zip(texts, labels, strict=True)]
    names = ["label", "text"] if label_first else ["text", "label"]
    separator = {",": [], ";": ["semicolon-separated"], "\t": ["tab-separated"], "|": ["bar-separated"]}[delimiter]
    remarks = [*separator, f"no header (columns {', '.join(names)})"]
    assert read(tmp_path, rows, delimiter=delimiter) == (names, rows, remarks)
    assert read(tmp_path, [["text", "label"], *rows], delimiter=delimiter) == (["text", "label"], rows, separator)


@pytest.mark.parametrize("order", ["LTX", "TXL", "LXT"])
@pytest.mark.parametrize("titles", [TITLES, ["The", "The", "早餐", "It", "It", "The"]])
def test_a_label_a_title_and_a_description_are_a_label_and_a_pair_of_texts(tmp_path, order, titles):
    cells = {"L": ["3", "4", "3", "3", "4", "3"], "T": titles, "X": TEXTS}
    rows = [list(row) for row in zip(*[cells[kind] for kind in order], strict=True)]
    if titles is not TITLES and len(set(titles)) < 6:
        rows = rows[:4]
    names = iter(["text", "text_pair"])
    expected = ["label" if kind == "L" else next(names) for kind in order]
    columns, records, taken_for = read(tmp_path, rows, quoting=csv.QUOTE_ALL)
    assert (columns, records) == (expected, rows)
    assert taken_for == [f"no header (columns {', '.join(expected)})"]


def test_what_is_neither_text_nor_label_is_called_by_its_place(tmp_path):
    rows = [[f"a{i:05}", text, "", label] for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))]
    assert read(tmp_path, rows)[0] == ["column_1", "text", "column_3", "label"]


@pytest.mark.parametrize(
    "rows",
    [
        [["de", "pos", text] for text in TEXTS],  # two that may be the label
        [["pos", *row] for row in zip(TEXTS, TEXTS[::-1], TEXTS[1:] + TEXTS[:1], strict=True)],  # three texts
        [[f"label {i}", text] for i, text in enumerate(TEXTS)],  # no label comes twice
    ],
)
def test_columns_that_are_not_clear_have_to_be_named(tmp_path, rows):
    with pytest.raises(UserError, match=r"there is no header, and which of its \d columns .*--columns label,text"):
        read(tmp_path, rows)
    names = ["label", "text", "more", "other"][: len(rows[0])]
    columns, records, taken_for = read(tmp_path, rows, TableOptions(columns=",".join(names)))
    assert (columns, records, taken_for) == (names, rows, [f"no header (columns {', '.join(names)})"])


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:2], [f"{text}; {text}, and so on" for text in TEXTS]])
def test_an_unlabelled_file_without_a_header_is_one_of_texts(tmp_path, texts):
    rows = [[text] for text in texts]
    columns, records, taken_for = read(tmp_path, rows, with_label=False, quoting=csv.QUOTE_ALL)
    assert (columns, records, taken_for) == (["text"], rows, ["no header (columns text)"])
    labelled = [[label, text] for text, label in zip(TEXTS, LABELS, strict=True)]
    assert read(tmp_path, labelled, with_label=False)[0] == ["label", "text"]


@pytest.mark.parametrize(
    "header",
    [["v1", "v2"], ["stars", "what was said"], ["label", "x"], ["y", "评论"], ["Sentiment", "Review Text"]],
)
def test_words_above_long_texts_and_labels_that_are_others_are_a_header(header):
    rows = [header, *([label, text] for text, label in zip(TEXTS, LABELS, strict=True))]
    assert judge_first_row(rows, ["text"]) is FirstRow.HEADER


@pytest.mark.parametrize(
    "rows",
    [
        [["pos", "ok"], *zip(LABELS, TEXTS, strict=True)],
        [["ok"], *([text] for text in TEXTS)],
        [["a", "b"], ["c", "d"], ["e", "f"]],
    ],
)
def test_a_first_row_that_may_be_either_is_no_secret(tmp_path, rows):
    assert judge_first_row([list(row) for row in rows], ["text"]) is FirstRow.UNCLEAR


@pytest.mark.parametrize("header", [["0", "1"], ["", "0", "1"], ["0", "1", "2"]])
@pytest.mark.parametrize("labels", [LABELS, ["1", "0", "1", "1", "0", "0"], ["4", "2", "4", "2", "4", "4"]])
def test_the_numbers_that_pandas_writes_above_columns_without_names_are_a_header(header, labels):
    rows = [[str(i), label, text][-len(header) :] for i, (label, text) in enumerate(zip(labels, TEXTS, strict=True))]
    assert judge_first_row([header, *rows], ["text"]) is FirstRow.HEADER


def test_a_short_sentence_above_others_is_one_of_them():
    for first in ("房间很好，下次再来", "Never again!", "it was not very good", "好，很好"):
        assert (
            judge_first_row([[first], ["那里的早餐不太好吃，不过"], ["It was fine, thanks"]], ["text"]) is FirstRow.ROW
        )


def test_a_label_that_is_called_as_people_call_columns_is_a_label(tmp_path):
    rows = [[label, text] for label, text in zip(["news", "blog", "news", "blog", "news", "news"], TEXTS, strict=True)]
    assert read(tmp_path, rows) == (["label", "text"], rows, ["no header (columns label, text)"])


def test_the_options_settle_whether_there_is_a_header(tmp_path):
    rows = [["pos", "ok"], *([label, text] for text, label in zip(TEXTS, LABELS, strict=True))]
    assert read(tmp_path, rows, TableOptions(no_header=True)) == (
        ["label", "text"],
        rows,
        ["no header (columns label, text)"],
    )
    assert read(tmp_path, [["text", "label"], ["a", "b"]], TableOptions(columns="note,text"))[1] == [
        ["text", "label"],
        ["a", "b"],
    ]


def test_as_many_names_as_there_are_columns_have_to_be_given(tmp_path):
    with pytest.raises(UserError, match="--columns names 3 columns, and the first row has 2 fields"):
        read(tmp_path, [["pos", "good"]], TableOptions(columns="label,text,note"))
