import io

import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.data.rows import Rejected, read_rows
from toolkit.files.columns import Columns
from toolkit.formats.dialects import TableReading
from toolkit.formats.reading import open_source
from toolkit.formats.txt_rows import HEAD_LINES, read_txt

TEXTS = [f"the room number {i} was cheap, and the staff {'kind' if i % 2 else 'rude'}" for i in range(20)]
LABELS = ["pos" if i % 2 else "neg" for i in range(20)]


def opened(*lines: str):
    return read_txt("rows.txt", io.StringIO("".join(line + "\n" for line in lines)))


def pairs(*lines: str) -> list[tuple]:
    with opened(*lines) as source:
        return [(row.text, row.label) for row in read_rows(source, Columns())]


# -- a text and a label ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (TEXTS, LABELS),
        ([f"第{i}间房很干净，早餐也好" for i in range(20)], ["好评", "差评"] * 10),
        ([f"pay bill {i}" for i in range(20)], ["financial_services_and_insurance", "telecommunication_services"] * 10),
        ([f"please do task number {i} for me now" for i in range(20)], [f"intent_{i:03}" for i in range(20)]),
        (["good", "bad", "so so"] * 10, ["2", "0", "1"] * 10),
        (["a text\twith a tab", "another text without"] * 10, ["x", "y"] * 10),
    ],
    ids=["English", "Chinese", "labels longer than texts", "a row a label", "texts that come again", "tabs in texts"],
)
def test_the_side_that_is_short_and_comes_again_is_the_label(texts, labels):
    rows = list(zip(texts, labels, strict=True))
    usual = opened(*("\t".join(row) for row in rows))
    assert (usual.format, usual.columns, [*map(str, usual.taken_for)]) == ("txt", ["text", "label"], [])
    assert [tuple(record.values.values()) for record in usual.records] == rows
    turned = opened(*(f"{label}\t{text}" for text, label in rows))
    assert (turned.format, turned.columns, [*map(str, turned.taken_for)]) == (
        "txt",
        ["label", "text"],
        ["label<TAB>text"],
    )
    assert [(record.values["text"], record.values["label"]) for record in turned.records] == rows


@pytest.mark.parametrize(
    "lines", [["a\tx", "b\ty"], ["one side\tother side"] * 3, [f"side {i}\tpart {i}" for i in range(30)]]
)
def test_where_it_may_be_either_the_text_comes_first_and_that_is_said(lines):
    source = opened(*lines)
    assert [*map(str, source.taken_for)] == ["text<TAB>label (it may be the other way round: --columns label,text)"]
    assert source.columns == ["text", "label"]
    assert [tuple(record.values.values()) for record in source.records] == [tuple(line.split("\t")) for line in lines]


@pytest.mark.parametrize("separator", ["\t", "_!_"])
def test_the_order_may_be_named(separator):
    lines = [f"x{separator}a{separator}b\n", f"y{separator}c\n"]
    given = read_txt("rows.txt", io.StringIO("".join(lines)), names=("label", "text"))
    assert [tuple(record.values.items()) for record in given.records] == [
        (("label", "x"), ("text", f"a{separator}b")),
        (("label", "y"), ("text", "c")),
    ]
    given = read_txt("rows.txt", io.StringIO("".join(lines)), names=("text", "label"))
    assert [record.values["label"] for record in given.records] == ["b", "c"]


def test_other_columns_of_a_txt_file_may_be_named(tmp_path):
    (tmp_path / "rows.txt").write_text("1\tx\ta\n2\ty\tb\n", encoding="utf-8")
    with open_source(tmp_path / "rows.txt", known=TableReading(names=("id", "label", "text"))) as source:
        assert (source.columns, source.format) == (["id", "label", "text"], "tsv")
        assert [(row.line, row.text, row.label) for row in read_rows(source, Columns())] == [
            (1, "a", "x"),
            (2, "b", "y"),
        ]


def test_a_few_lines_do_not_say_that_the_label_comes_first():
    source = opened(*(f"x\ta text that is much longer {i}" for i in range(5)))
    assert source.columns == ["text", "label"]
    assert "other way round" in str(source.taken_for[0])


def test_what_follows_the_lines_that_are_looked_at_is_read_as_they_are_and_the_lines_are_counted():
    lines = [f"{LABELS[i % 20]}\t{TEXTS[i % 20]}" for i in range(HEAD_LINES + 50)]
    lines[300:300] = ["", "no tab here", "   "]
    records = seen(opened(*lines))
    assert [record.line for record in records if record.values is None] == [302]
    assert records[-1] == (
        len(lines),
        {"label": LABELS[(HEAD_LINES + 49) % 20], "text": TEXTS[(HEAD_LINES + 49) % 20]},
        None,
    )
    assert "no tab between text and label, although the first line has one" in str(records[300].problem)


def test_lines_without_tabs_are_texts():
    source = opened("good food", "", "bad\tfood")
    assert (source.format, source.columns, [*map(str, source.taken_for)]) == ("txt", ["text"], [])
    assert [record.values for record in source.records] == [{"text": "good food"}, {"text": "bad\tfood"}]


# -- fastText --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "__label__neg  a text, with signs .",
        "a text, with signs . __label__neg",
        "\t__label__neg\ta text, with signs . ",
    ],
)
def test_a_line_of_fasttext_is_a_label_and_a_text(line):
    source = opened(line, "__label__pos b")
    assert (source.format, source.columns, [*map(str, source.taken_for)]) == ("csv", ["label", "text"], ["fastText"])
    assert [record.values for record in source.records] == [
        {"label": "neg", "text": "a text, with signs ."},
        {"label": "pos", "text": "b"},
    ]


def test_labels_of_fasttext_keep_all_that_follows_the_prefix():
    assert pairs("__label__好评 房间很大", "__label____label__ a", "__label__1.5 b") == [
        ("房间很大", "好评"),
        ("a", "__label__"),
        ("b", "1.5"),
    ]


def test_several_labels_of_fasttext_are_refused_where_a_label_is_wanted_and_no_matter_elsewhere():
    lines = ["__label__a __label__b how long", "__label__a what", "who", "__label__b"]
    rows = list(read_rows(opened(*lines), Columns()))
    reasons = [str(row.reason) if isinstance(row, Rejected) else None for row in rows]
    assert "['a', 'b']" in reasons[0]
    assert "several labels" in reasons[0]
    assert reasons[1:] == [None, "label is empty", "text is empty"]
    unlabelled = list(read_rows(opened(*lines[:3]), Columns(label=None)))
    assert [row.text for row in unlabelled] == ["how long", "what", "who"]


# -- lines with _!_ --------------------------------------------------------------------------------------------------

TOUTIAO = [
    "6551700932705387022_!_101_!_news_culture_!_京城最值得你来场文化之旅_!_保利集团,马未都",
    "6552_!_102_!_news_sport_!_比赛，开始了_!_",
]


def test_the_headlines_of_toutiao_have_their_columns():
    source = opened(*TOUTIAO)
    assert (source.format, source.columns) == ("csv", ["id", "code", "label", "text", "keywords"])
    assert [*map(str, source.taken_for)] == ["_!_-separated (id_!_code_!_category_!_title_!_keywords)"]
    assert pairs(*TOUTIAO) == [("京城最值得你来场文化之旅", "news_culture"), ("比赛，开始了", "news_sport")]


def test_a_line_of_another_number_of_cells_is_a_bad_row():
    records = seen(opened(*TOUTIAO, "1_!_2_!_news_a_!_b", *TOUTIAO))
    assert [str(record.problem) for record in records if record.problem] == ["4 cells where the first line has 5"]


@pytest.mark.parametrize("turned", [False, True])
def test_two_cells_are_a_text_and_a_label_in_either_order(turned):
    rows = list(zip(TEXTS, LABELS, strict=True))
    source = opened(*("_!_".join(reversed(row) if turned else row) for row in rows))
    assert [*map(str, source.taken_for)] == ["label_!_text" if turned else "text_!_label"]
    assert [(row.text, row.label) for row in read_rows(source, Columns())] == rows


def test_cells_below_a_line_of_names_are_called_so():
    source = opened("label_!_id_!_text", "x_!_1_!_a", "y_!_2_!_b")
    assert source.columns == ["label", "id", "text"]
    assert seen(source) == [
        (2, {"label": "x", "id": "1", "text": "a"}, None),
        (3, {"label": "y", "id": "2", "text": "b"}, None),
    ]


def test_cells_of_which_it_cannot_be_known_what_they_are_are_refused_with_what_to_do():
    with pytest.raises(UserError, match="3 cells of a line, separated by _!_, have no names: put a line"):
        opened("a_!_b_!_c", "d_!_e_!_f")


def test_an_empty_file_has_no_rows():
    for lines in ((), ("", "  ")):
        source = opened(*lines)
        assert (source.columns, list(source.records)) == (["text"], [])
