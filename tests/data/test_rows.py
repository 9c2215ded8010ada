import json
from pathlib import Path

import pandas as pd
import pytest

from toolkit.base.errors import UserError
from toolkit.cli.sections import ColumnOptions
from toolkit.data.rows import Rejected, Row, cut_into_windows, read_rows, stop_if_rejected, write_rejected
from toolkit.files.columns import Columns
from toolkit.formats.column_names import find_columns
from toolkit.formats.json_rows import HEAD_OBJECTS
from toolkit.formats.reading import open_source

ROOT = Path(__file__).resolve().parents[2]


def write(path, content):
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    return path


def read(path, text="text", pair=None, label="label"):
    with open_source(path) as source:
        return list(read_rows(source, Columns(text, pair, label)))


def one(tmp_path, row: str, **columns):
    """Return what becomes of a json row that follows a good one."""
    good = '{"text": "good", "text_pair": "good", "label": "good"}'
    found = read(write(tmp_path / "rows.jsonl", f"{good}\n{row}\n"), **columns)
    assert isinstance(found[0], Row)
    assert len(found) == 2
    return found[1]


@pytest.mark.parametrize(
    ("literal", "label"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ('"1"', "1"),
        ('" 1 "', "1"),
        ("-3", "-3"),
        ("0", "0"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("12345678901234567890", "12345678901234567890"),
        ("true", "true"),
        ("false", "false"),
        ('"True"', "True"),
        ('"好评"', "好评"),
        ('"two words"', "two words"),
        ('"null"', "null"),
        ('"NA"', "NA"),
        ('"None"', "None"),
        ('"nan"', "nan"),
        ('"0.5"', "0.5"),
        ("0.5", "0.5"),
        ("-4.50", "-4.5"),
        ('"\\u3000\\u00a0好评\\u2003"', "好评"),
        ('"\\ufeffgood\\u200b"', "good"),
        ('"go\\u200bod"', "good"),
        ('"cafe\\u0301"', "caf\u00e9"),
        ('"\\u1112\\u1161\\u11ab"', "한"),
        ('"\\ud83d\\ude00"', "😀"),
    ],
)
def test_a_label_is_the_same_however_it_is_written(tmp_path, literal, label):
    assert one(tmp_path, f'{{"text": "a", "label": {literal}}}').label == label


@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        ("null", "label is empty"),
        ('""', "label is empty"),
        ('"  "', "label is empty"),
        ('"\\u3000"', "label is empty"),
        ('"\\u200b\\ufeff"', "label is empty"),
        ("NaN", "label is empty"),
        ("Infinity", "label is inf; labels are strings or numbers"),
        ('["a"]', "label is ['a']; labels are strings or numbers"),
        ('{"a": 1}', "label is {'a': 1}; labels are strings or numbers"),
        ("[]", "label is []; labels are strings or numbers"),
        ('"a\\u0000b"', "label contains a NUL character"),
        ('"\\ud83d"', "label contains an incomplete character"),
    ],
)
def test_a_label_that_is_neither_a_string_nor_a_number_makes_a_bad_row(tmp_path, literal, reason):
    found = one(tmp_path, f'{{"text": "a", "label": {literal}}}')
    assert (found.line, str(found.reason)) == (2, reason)
    assert str(found) == f"{tmp_path / 'rows.jsonl'}, line 2: {reason}"


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ('"good"', "good"),
        ('" kept blanks\\n"', " kept blanks\n"),
        ('"NA"', "NA"),
        ('"null"', "null"),
        ("12", "12"),
        ("1.5", "1.5"),
        ("0", "0"),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\u200b"', "\u200b"),
    ],
)
def test_a_text_is_kept_as_it_stands(tmp_path, literal, text):
    assert one(tmp_path, f'{{"text": {literal}, "label": 1}}').text == text


@pytest.mark.parametrize("column", ["text", "text_pair"])
@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        ("null", "is empty"),
        ('""', "is empty"),
        ('" \\t\\n\\u3000"', "is empty"),
        ("NaN", "is empty"),
        ("true", "is a bool, not a string"),
        ('["a"]', "is a list, not a string"),
        ("{}", "is a dict, not a string"),
        ('"a\\u0000b"', "contains a NUL character"),
        ('"\\ud83d"', "contains an incomplete character"),
        ('"\\ude00\\ud83d"', "contains an incomplete character"),
    ],
)
def test_a_text_that_is_none_makes_a_bad_row(tmp_path, column, literal, reason):
    cells = {"text": '"a"', "text_pair": '"b"', column: literal}
    row = "{" + ", ".join(f'"{name}": {value}' for name, value in cells.items()) + ', "label": 1}'
    assert str(one(tmp_path, row, pair="text_pair").reason) == f"{column} {reason}"


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("rows.csv", "text,label\na,x\ntext,label\nb,y\n", 3),
        ("rows.csv", "id,text,label\n1,a,x\nid, text ,label\n2,b,y\n", 3),
        ("rows.csv", "text,label\na,x\n\ufefftext,label\nb,y\n", 3),
        ("rows.csv", 'text,label\na,x\n"text","label"\nb,y\n', 3),
        ("rows.tsv", "评论\t标签\na\tx\n评论\t标签\nb\ty\n", 3),
        ("rows.txt", "text\tlabel\na\tx\nb\ty\n", 1),
        (
            "rows.jsonl",
            '{"text": "a", "label": "x"}\n{"text": "text", "label": "label"}\n{"text": "b", "label": "y"}\n',
            2,
        ),
    ],
)
def test_a_header_among_the_rows_is_no_row_and_stops_nothing(tmp_path, name, content, line):
    first, second = ("评论", "标签") if "评论" in content else ("text", "label")
    found = read(write(tmp_path / name, content), first, label=second)
    rejected = [row for row in found if isinstance(row, Rejected)]
    if name != "rows.txt" or rejected:  # the first line of a txt file may be taken for its header
        assert [(row.line, str(row.reason), row.stops) for row in rejected] == [(line, "is a header, not a row", False)]
    assert [(row.text, row.label) for row in found if isinstance(row, Row)] == [("a", "x"), ("b", "y")]
    stop_if_rejected(rejected, 3, "stop")


@pytest.mark.parametrize(
    "content",
    ["text,label\ntext,x\nb,label\n", "text,label\nText,Label\nb,y\n", "text,label,id\ntext,label,1\nb,y,2\n"],
)
def test_rows_that_are_only_like_a_header_are_rows(tmp_path, content):
    assert all(isinstance(row, Row) for row in read(write(tmp_path / "rows.csv", content)))


def test_a_text_that_is_called_like_its_only_column_is_a_text(tmp_path):
    assert [row.text for row in read(write(tmp_path / "rows.csv", "text\na\ntext\n"), label=None)] == ["a", "text"]


def test_other_bad_rows_stop_where_a_header_does_not():
    header = Rejected("a.csv", "line", 3, "is a header, not a row", {}, stops=False)
    bad = Rejected("a.csv", "line", 4, "text is empty", {})
    with pytest.raises(UserError) as caught:
        stop_if_rejected([header, bad], 9, "stop")
    assert caught.value.args == (bad.problem,)
    assert "a.csv: 1 of 9 rows cannot be used" in str(caught.value.summary)
    stop_if_rejected([header, bad], 9, "skip")


def test_a_row_without_the_key_is_a_bad_row(tmp_path):
    assert str(one(tmp_path, '{"text": "a"}').reason) == "label is empty"
    assert str(one(tmp_path, '{"label": "a"}').reason) == "text is empty"
    assert str(one(tmp_path, '{"text": "a", "label": 1}', pair="text_pair").reason) == "text_pair is empty"


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "N/A", "#N/A", "NULL", "-", "True"])
def test_words_that_mean_nothing_to_pandas_are_text_and_labels(tmp_path, name, word):
    comma = "," if name == "rows.csv" else "\t"
    found = read(write(tmp_path / name, f"text{comma}label\n{word}{comma}{word}\n"))
    assert [(row.text, row.label) for row in found] == [(word, word)]


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.txt", "rows.jsonl"])
def test_a_nul_character_makes_one_bad_row(tmp_path, name):
    if name == "rows.jsonl":
        lines = [json.dumps({"text": text, "label": 1}) for text in ("a", "b\0b", "c")]
    else:
        comma = "," if name == "rows.csv" else "\t"
        lines = [f"{text}{comma}1" for text in ("a", "b\0b", "c")]
        lines = lines if name == "rows.txt" else [f"text{comma}label", *lines]
    found = read(write(tmp_path / name, "\n".join(lines) + "\n"))
    assert [row.text for row in found if isinstance(row, Row)] == ["a", "c"]
    assert "contains a NUL character" in str(found[1].reason)
    assert lines[found[1].line - 1].startswith(("b", '{"text": "b'))


def test_other_columns_may_hold_anything_and_are_kept(tmp_path):
    row = one(tmp_path, '{"id": [1, null], "text": "a", "label": 1, "note": "\\ud83d", "x": ""}')
    assert row.values == {"id": [1, None], "text": "a", "label": 1, "note": "\ud83d", "x": ""}


def test_no_column_is_read_that_is_not_asked_for(tmp_path):
    path = write(tmp_path / "rows.csv", "text,text_pair,label\na,b,c\n")
    assert read(path, label=None) == [Row(2, "a", None, None, {"text": "a", "text_pair": "b", "label": "c"})]
    assert read(path, pair="text_pair")[0][1:4] == ("a", "b", "c")


def test_columns_may_have_other_names(tmp_path):
    path = write(tmp_path / "rows.csv", "问题,回答,类别\na,b,c\n")
    assert read(path, "问题", "回答", "类别")[0][1:4] == ("a", "b", "c")


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"text": "review"}, "no column 'review', only 'text', 'label'; --text_column can name another"),
        ({"pair": "b"}, "no column 'b', only 'text', 'label'; --pair_column can name another"),
        ({"label": "Label"}, "no column 'Label', only 'text', 'label'; --label_column can name another"),
    ],
)
@pytest.mark.parametrize(
    ("name", "content"), [("rows.csv", "text,label\na,1\n"), ("rows.jsonl", '{"text":"a","label":1}')]
)
def test_a_missing_column_is_an_error_that_names_those_there_are(tmp_path, name, content, columns, problem):
    with pytest.raises(UserError) as caught:
        read(write(tmp_path / name, content), **columns)
    assert str(caught.value) == f"{tmp_path / name}: {problem}"


@pytest.mark.parametrize("missing", ["text", "text_pair", "label"])
@pytest.mark.parametrize("array", [False, True])
def test_rows_before_a_column_first_appears_are_bad_rows_and_the_others_are_read(tmp_path, missing, array):
    row = {"text": "a", "text_pair": "b", "label": "c"}
    rows = [{name: value for name, value in row.items() if name != missing}] * (HEAD_OBJECTS + 1) + [row, {}]
    lines = [json.dumps(each) for each in rows]
    content = "[\n" + ",\n".join(lines) + "]" if array else "\n".join(lines)
    *bad, good, last = read(write(tmp_path / "rows.json", content), pair="text_pair")
    assert len(bad) == HEAD_OBJECTS + 1
    assert {str(each.reason) for each in bad} == {f"{missing} is empty"}
    assert good[1:4] == ("a", "b", "c")
    assert str(last.reason) == "text is empty"


@pytest.mark.parametrize("count", [HEAD_OBJECTS - 1, HEAD_OBJECTS, HEAD_OBJECTS + 1])
def test_a_column_that_no_object_has_is_a_missing_one_however_many_there_are(tmp_path, count):
    path = write(tmp_path / "rows.jsonl", '{"text": "a", "label": "b"}\n' * count)
    with pytest.raises(UserError, match="no column 'review', only 'text', 'label'; --text_column can name another"):
        read(path, text="review")


def test_the_columns_of_a_txt_file_have_no_names_to_give(tmp_path):
    path = write(tmp_path / "rows.txt", "a\t1\nb\t2\n")
    assert [row[1:4] for row in read(path, "review", None, "stars")] == [("a", None, "1"), ("b", None, "2")]


def test_a_txt_file_without_labels_cannot_be_learned_from(tmp_path):
    path = write(tmp_path / "rows.txt", "a\nb\n")
    assert [row.text for row in read(path, label=None)] == ["a", "b"]
    with pytest.raises(UserError, match="no column 'label'"):
        read(path)


def test_every_row_of_a_file_is_used_or_rejected(tmp_path):
    lines = ["text,label", "a,1", ",1", "b,", "c", "d,1,1", '"e" e,1', '"f', 'f",0', "g,NA", '"never closed,1', "h,1"]
    found = read(write(tmp_path / "rows.csv", "\n".join(lines)))
    assert [(row.line, isinstance(row, Row)) for row in found] == [
        (2, True), (3, False), (4, False), (5, False), (6, False), (7, False), (8, True), (10, True), (11, False),
        (12, True),
    ]  # fmt: skip
    assert [row.text for row in found if isinstance(row, Row)] == ["a", "f\nf", "g", "h"]


def test_windows_cut_a_stream_into_lists():
    assert list(cut_into_windows(iter(range(7)), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(cut_into_windows(iter(range(6)), 3)) == [[0, 1, 2], [3, 4, 5]]
    assert list(cut_into_windows(iter([]), 3)) == []


def rejected(count: int) -> list[Rejected]:
    return [Rejected("rows.csv", "line", i + 2, "label is empty", {"text": str(i)}) for i in range(count)]


def test_bad_rows_stop_the_run_with_all_of_them_and_how_many_there_are():
    with pytest.raises(UserError) as caught:
        stop_if_rejected(rejected(12), 1500, "stop")
    assert [str(problem) for problem in caught.value.args] == [
        f"rows.csv, line {i}: label is empty" for i in range(2, 14)
    ]
    assert str(caught.value.summary) == "rows.csv: 12 of 1,500 rows cannot be used (--on_bad_rows skip leaves them out)"


def test_bad_rows_that_may_be_skipped_do_not_stop_the_run_unless_they_are_all():
    assert stop_if_rejected(rejected(12), 13, "skip") is None
    with pytest.raises(UserError) as caught:
        stop_if_rejected(rejected(12), 12, "skip")
    assert str(caught.value.summary) == "rows.csv: 12 of 12 rows cannot be used"


@pytest.mark.parametrize("on_bad_rows", ["stop", "skip"])
def test_no_bad_rows_stop_nothing(on_bad_rows):
    assert stop_if_rejected([], 0, on_bad_rows) is None
    assert stop_if_rejected([], 5, on_bad_rows) is None


def test_rejected_rows_are_written_with_their_lines_and_reasons(tmp_path):
    rows = [{"text": 'a "b",\nc', "label": None}, {"text": "半\ud83d", "n": [1, {"x": 2}]}, None]
    reasons = ["label is empty", 'x, "y"\nz', "3 fields where the header has 2"]
    write_rejected(
        tmp_path / "rejected_rows.csv",
        (
            Rejected("数据.csv", "line", 7 + i, reason, row)
            for i, (reason, row) in enumerate(zip(reasons, rows, strict=True))
        ),
    )
    frame = pd.read_csv(tmp_path / "rejected_rows.csv", keep_default_na=False)
    assert frame.columns.tolist() == ["file", "line", "reason", "row"]
    assert frame["file"].tolist() == ["数据.csv"] * 3
    assert frame["line"].tolist() == [7, 8, 9]
    assert frame["reason"].tolist() == reasons
    assert [json.loads(row) if row else None for row in frame["row"]] == rows


def test_where_no_row_is_rejected_there_is_no_file_of_them(tmp_path):
    path = tmp_path / "rejected_rows.csv"
    write_rejected(path, rejected(1))
    assert path.exists()
    write_rejected(path, [])
    assert not path.exists()


@pytest.mark.parametrize(
    ("given", "columns"),
    [
        ((None, None, None), Columns("review", "title", "stars")),
        (("body", None, None), Columns("body", "title", "stars")),
        ((None, "head", None), Columns("review", "head", "stars")),
        ((None, None, "gold"), Columns("review", "title", "gold")),
    ],
)
def test_columns_are_those_of_the_training_unless_they_are_named(given, columns):
    trained = Columns.from_json({"text": "review", "text_pair": "title", "label": "stars"})
    assert trained.renamed(ColumnOptions(*given)) == columns
    assert trained.renamed(ColumnOptions(*given)).unlabelled() == Columns(columns.text, columns.text_pair, None)


def test_columns_come_back_from_json_with_their_names_in_order():
    for columns, names in ((Columns("a", "b", "c"), ["a", "b", "c"]), (Columns("a", None, "c"), ["a", "c"])):
        assert list(columns.as_json()) == ["text", "text_pair", "label"]
        assert Columns.from_json(json.loads(json.dumps(columns.as_json()))) == columns
        assert columns.names == names


def test_a_pair_column_is_refused_for_a_model_of_single_texts():
    with pytest.raises(UserError, match="--pair_column: this model was trained on single texts"):
        Columns("review", None, "stars").renamed(ColumnOptions(None, "b", None))


@pytest.mark.parametrize("header", ["id,text,label,id", "text\u200b,label,", "'text', label ,note,note"])
def test_a_header_within_is_known_however_its_names_are_written(tmp_path, header):
    rows = [",".join([*row, "", ""][: header.count(",") + 1]) for row in (["a", "b", "c"], ["d", "e", "f"])]
    found = read(write(tmp_path / "rows.csv", "\n".join([header, rows[0], header, rows[1]])))
    assert [isinstance(row, Row) for row in found] == [True, False, True]
    assert str(found[1].reason) == "is a header, not a row"


@pytest.mark.parametrize(
    ("literal", "group"),
    [("1", "1"), ("1.0", "1"), ('"1"', "1"), ('" 1 "', "1"), ("true", "true"), ("0.5", "0.5"), ('"小王"', "小王"),
     ('"\\ufeffu 1"', "u 1"), ("null", ""), ('""', ""), ('"  "', ""), ("NaN", ""), ("[1, 2]", "[1, 2]")],
)  # fmt: skip
def test_groups_are_told_apart_as_text_and_an_empty_cell_is_none(tmp_path, literal, group):
    path = write(tmp_path / "rows.jsonl", f'{{"text": "a", "label": "b", "user": {literal}}}\n')
    with open_source(path) as source:
        (row,) = read_rows(source, Columns(group="user"))
    assert row.group == group


def test_a_row_that_is_too_short_to_have_a_group_is_not_used(tmp_path):
    path = write(tmp_path / "rows.csv", "text,label,user\na,b,u\nc,d\ne,f,\n")
    with open_source(path) as source:
        found = list(read_rows(source, Columns(group="user")))
    assert [getattr(row, "group", None) for row in found] == ["u", None, ""]


@pytest.mark.parametrize("content", ["text,label\na,b\n", '[{"text": "a", "label": "b"}]', "a\tb\n"])
@pytest.mark.parametrize("if_present", [False, True])
def test_a_file_without_the_column_of_the_group_is_refused_if_it_is_needed(tmp_path, content, if_present):
    ending = {"t": "csv", "[": "json", "a": "txt"}[content[0]]
    path = write(tmp_path / f"rows.{ending}", content)
    wanted = Columns(group="user", group_if_present=if_present)
    with open_source(path) as source:
        columns = find_columns(source, wanted).columns
        if if_present:
            assert [row.group for row in read_rows(source, columns)] == [""]
            return
        with pytest.raises(UserError) as caught:
            list(read_rows(source, columns))
    hint = "a txt file is text<TAB>label" if ending == "txt" else "--group_column can name another"
    assert str(caught.value) == f"{path}: no column 'user', only 'text', 'label'; {hint}"


def test_a_group_that_comes_late_in_a_json_file_is_read_where_it_need_not_be_there(tmp_path):
    rows = [{"text": f"a {i}", "label": "b"} for i in range(HEAD_OBJECTS)] + [{"text": "c", "label": "b", "user": 7}]
    path = write(tmp_path / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    with open_source(path) as source:
        columns = find_columns(source, Columns(group="user", group_if_present=True)).columns
        assert [row.group for row in read_rows(source, columns)] == [""] * HEAD_OBJECTS + ["7"]


@pytest.mark.parametrize(("column", "option"), [("text", "text"), ("label", "label")])
def test_the_group_is_none_of_the_other_columns(tmp_path, column, option):
    path = write(tmp_path / "rows.csv", "text,label\na,b\n")
    with open_source(path) as source, pytest.raises(UserError, match=f"--{option}_column and --group_column both name"):
        list(read_rows(source, Columns(group=column)))
