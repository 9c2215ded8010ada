import json
from dataclasses import replace

import pytest

import utils
from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.cli.sections import ColumnOptions, ReadingOptions
from toolkit.data.unlabelled import UnlabelledRows
from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns
from toolkit.formats.column_names import clean_name, find_columns, plain_name
from toolkit.formats.reading import open_source

TRAINING = Columns(text_pair=TEXT_PAIR_IF_PRESENT)
LONG = [
    "The harbour view made up for the small room",
    "Nobody answered the telephone for two days",
    "房间很大，早餐也很好吃，下次还会再来住",
    "Cheap, sturdy and easy to put together",
]


def write(path, names, rows=None):
    """Write a csv or jsonl file with these columns."""
    rows = rows or [[f"{name} {i}" for name in names] for i in range(4)]
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows]
    else:
        lines = [",".join(f'"{cell}"' for cell in row) for row in [names, *rows]]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def found(path, wanted=TRAINING):
    with open_source(path) as source:
        result = find_columns(source, wanted)
        assert len(seen(source)) > 0  # what was looked at is still to be read
        return result.columns, [*map(str, result.taken_for)]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize(
    "text",
    ["sentence", "review", "content", "comment", "news", "Review Text", "review_body", "tweet_text", "title", "评论",
     "内容", "文本", "正文", "评论内容", "text_a", "SENTENCE"],
)  # fmt: skip
@pytest.mark.parametrize("label", ["label", "category", "标签"])
def test_a_single_column_that_is_clearly_the_text_is_taken_and_said(tmp_path, name, text, label):
    columns, taken_for = found(write(tmp_path / name, ["id", text, label]))
    assert columns == Columns(text, None, label)
    assert taken_for == [f"text from {text!r}", *([f"label from {label!r}"] if label != "label" else [])]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize(
    "label",
    ["category", "sentiment", "target", "class", "label_desc", "Labels", "airline_sentiment", "polarity", "y", "标签",
     "类别", "情感", "新闻类别"],
)  # fmt: skip
def test_a_single_column_that_is_clearly_the_label_is_taken_and_said(tmp_path, name, label):
    columns, taken_for = found(write(tmp_path / name, [label, "text", "n"]))
    assert columns == Columns("text", None, label)
    assert taken_for == [f"label from {label!r}"]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["text", "review", "label", "category"], ("text", "label")),
        (["review", "title", "label"], ("review", "label")),
        (["label", "label_desc", "sentence"], ("sentence", "label")),
        (["Text", "content", "LABEL", "class"], ("Text", "LABEL")),
        (["review_id", "review_date", "review_text", "sentiment_score", "sentiment"], ("review_text", "sentiment")),
    ],
)
def test_the_usual_name_wins_and_a_title_is_the_text_only_where_nothing_else_is(tmp_path, names, columns):
    assert found(write(tmp_path / "rows.csv", names))[0] == Columns(columns[0], None, columns[1])


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (["review", "comment", "label"], "--text_column review or --text_column comment"),
        (["内容", "评论", "label"], "--text_column 内容 or --text_column 评论"),
        (["text", "category", "sentiment"], "--label_column category or --label_column sentiment"),
        (["user review", "news text", "label"], '--text_column "user review" or --text_column "news text"'),
        (["TEXT", "Text", "label"], "--text_column TEXT or --text_column Text"),
    ],
)
@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_two_candidates_are_an_error_that_names_both_options_ready_to_paste(tmp_path, name, names, options):
    with pytest.raises(UserError) as caught:
        found(write(tmp_path / name, names))
    assert f": {options} says which" in str(caught.value)


@pytest.mark.parametrize(
    "pair",
    [("sentence1", "sentence2"), ("question1", "question2"), ("text_a", "text_b"), ("Premise", "Hypothesis")],
)
def test_two_columns_that_are_clearly_a_pair_are_its_texts(tmp_path, pair):
    path = write(tmp_path / "rows.csv", ["id", *pair, "label"])
    assert found(path) == (Columns(*pair, "label"), [f"text from {pair[0]!r}", f"the second text from {pair[1]!r}"])
    trained = Columns("first", "second", "label")
    assert found(path, trained)[0] == Columns(*pair, "label")


def test_the_only_long_column_is_the_text_and_the_only_other_one_the_label(tmp_path):
    labels = ["ham", "spam", "ham", "ham"]
    rows = [[label, text, "", ""] for label, text in zip(labels, LONG, strict=True)]
    assert found(write(tmp_path / "rows.csv", ["v1", "v2", "", ""], rows)) == (
        Columns("v2", None, "v1"),
        ["text from 'v2'", "label from 'v1'"],
    )
    with_ids = [[*row[:2], str(i), ""] for i, row in enumerate(rows)]
    assert found(write(tmp_path / "rows.csv", ["v1", "v2", "n", ""], with_ids))[0] == Columns("v2", None, "v1")
    with_two = [[*row[:2], row[0].upper(), ""] for row in rows]
    assert found(write(tmp_path / "rows.csv", ["v1", "v2", "n", ""], with_two))[0] == Columns("v2", None, "label")


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize("rating", ["stars", "Rating", "score", "评分"])
def test_a_rating_is_the_label_if_its_values_recur(tmp_path, name, rating):
    rows = [[str(i), LONG[i % 4] + str(i), str(i % 5 + 1), f"by {i % 3}"] for i in range(30)]
    columns, taken_for = found(write(tmp_path / name, ["id", "text", rating, "author"], rows))
    assert (columns.label, taken_for) == (rating, [f"label from {rating!r}"])
    never_twice = [[row[0], row[1], f"0.{i}", row[3]] for i, row in enumerate(rows, 100)]
    with open_source(write(tmp_path / name, ["id", "text", rating, "author"], never_twice)) as source:
        assert find_columns(source, TRAINING).columns.label != rating


def test_of_two_long_columns_neither_is_taken(tmp_path):
    rows = [list(row) for row in zip(LONG, LONG[::-1], ["x", "y", "x", "y"], strict=True)]
    with pytest.raises(UserError, match="--text_column a or --text_column b says which"):
        found(write(tmp_path / "rows.csv", ["a", "b", "label"], rows))


@pytest.mark.parametrize("names", [["foo", "label"], ["id", "number", "label"], ["review_id", "review_date", "label"]])
def test_where_no_column_is_clearly_the_text_none_is_taken(tmp_path, names):
    rows = [[str(i)] * (len(names) - 1) + ["x"] for i in range(4)]
    assert found(write(tmp_path / "rows.csv", names, rows)) == (Columns("text", None, "label"), [])


def test_names_that_options_give_are_not_looked_for_under_others(tmp_path):
    path = write(tmp_path / "rows.csv", ["review", "text", "label"])
    wanted = Columns.to_train_on(ColumnOptions("missing", None, "label"))
    assert found(path, wanted)[0].text == "missing"
    with pytest.raises(UserError, match="no column 'missing', only 'review', 'text', 'label'"):
        utils.read_table(path, wanted)


def test_the_columns_of_another_file_than_the_trained_one_are_found_too(tmp_path):
    trained = Columns("review", None, "stars")
    assert found(write(tmp_path / "rows.csv", ["review", "text", "stars", "label"]), trained)[0] == trained
    other = found(write(tmp_path / "rows.csv", ["content", "category"]), trained)
    assert other == (Columns("content", None, "category"), ["text from 'content'", "label from 'category'"])
    usual = found(write(tmp_path / "rows.csv", ["text", "label"]), trained)
    assert usual == (Columns(), ["text from 'text'", "label from 'label'"])


def test_each_file_of_a_run_has_its_own_columns(tmp_path):
    files = {
        "train": write(tmp_path / "train.csv", ["review", "sentiment"]),
        "valid": write(tmp_path / "valid.csv", ["text", "label"]),
        "test": write(tmp_path / "test.jsonl", ["内容", "类别"]),
    }
    tables = utils.read_tables(files, TRAINING, ReadingOptions(None, "stop"), files)
    assert [tuple(table.columns.names) for table in tables.values()] == [
        ("review", "sentiment"),
        ("text", "label"),
        ("内容", "类别"),
    ]
    assert [table.frame["text"].tolist()[0] for table in tables.values()] == ["review 0", "text 0", "内容 0"]
    assert str(tables["train"].accounts()).startswith(
        f"{files['train']}: text from 'review', label from 'sentiment', 4 rows = 4 used"
    )


def test_unlabelled_rows_are_found_under_another_name(tmp_path):
    path = write(tmp_path / "rows.csv", ["id", "comment"])
    rows = UnlabelledRows(str(path), Columns(label=None), ReadingOptions(None, "stop"), None)
    assert rows.scan() == (4, "csv", ["id", "comment"])
    assert [*map(str, rows.taken_for)] == ["text from 'comment'"]
    with rows.open() as source:
        assert [row.text for row in rows.read(source)] == [f"comment {i}" for i in range(4)]


@pytest.mark.parametrize(
    ("cell", "clean", "plain"),
    [
        ('\ufeff"Review Text"', "Review Text", "reviewtext"),
        (" label_desc\u200b", "label_desc", "labeldesc"),
        ("ＴＥＸＴ", "ＴＥＸＴ", "text"),
        ("text-A", "text-A", "texta"),
        ("“评论”", "评论", "评论"),
    ],
)
def test_names_are_compared_without_case_width_and_signs(cell, clean, plain):
    assert clean_name(cell) == clean
    assert plain_name(cell) == plain


def test_the_column_of_the_group_is_taken_for_no_other(tmp_path):
    rows = [[f"a long text with the number {i} of some", f"u{i % 3}", "ab"[i % 2]] for i in range(8)]
    path = write(tmp_path / "rows.csv", ["text", "user", "kind"], rows)
    assert found(path, replace(TRAINING, group="user"))[0] == Columns("text", None, "kind", "user")
    path = write(tmp_path / "b.csv", ["text", "category", "sentiment"], rows)
    assert found(path, replace(TRAINING, group="category"))[0] == Columns("text", None, "sentiment", "category")
    path = write(tmp_path / "c.csv", ["text", "label", "\u200buser"], rows)
    assert found(path, replace(TRAINING, group="\ufeffuser"))[0].group == "user"
