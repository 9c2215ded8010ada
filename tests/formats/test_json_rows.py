import json

import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.formats import json_rows
from toolkit.formats.json_rows import HEAD_OBJECTS, read_json, read_jsonl
from toolkit.formats.texts import JSON_REASONS

ROWS = [
    {"text": 'brackets ] } [ { and "quotes" \\ and commas,', "label": 1},
    {"text": "房间很大\n\t𠮷😀\u2028", "label": "差", "nested": {"a": [1, {"b": []}], "c": {}}},
    {"text": "", "label": None, "more": [True, False, -1.5e-3]},
    {},
    {"text": "long " * 50, "label": 0},
]


def read(path, content, reader=read_json):
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with path.open(encoding="utf-8") as stream:
        source = reader(path.name, stream)
        return source, seen(source)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize(
    "layout",
    [
        {"indent": 2},
        {"indent": None, "separators": (",", ":")},
        {"indent": None, "ensure_ascii": False},
        {"indent": "\t", "ensure_ascii": False},
    ],
    ids=str,
)
def test_an_array_is_read_as_the_json_module_reads_it_however_short_the_blocks_are(
    tmp_path, monkeypatch, block, layout
):
    monkeypatch.setattr(json_rows, "BLOCK_CHARACTERS", block)
    content = json.dumps(ROWS, **layout)
    source, records = read(tmp_path / "rows.json", content)
    assert (source.format, source.columns) == ("json", list(dict.fromkeys(key for row in ROWS for key in row)))
    assert [record.values for record in records] == json.loads(content)
    assert [record.problem for record in records] == [None] * len(ROWS)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_an_object_of_an_array_has_the_line_on_which_it_begins(tmp_path, monkeypatch, end, block):
    monkeypatch.setattr(json_rows, "BLOCK_CHARACTERS", block)
    lines = [
        "",
        " [",
        '{"text": "three"}, {"text": "three again"}',
        ",",
        "  {",
        '"text":',
        '"five"',
        "}, ",
        "",
        '{"text": "ten"}',
        "]",
    ]
    _, records = read(tmp_path / "rows.json", end.join(lines))
    assert [(record.line, record.values["text"]) for record in records] == [
        (3, "three"),
        (3, "three again"),
        (5, "five"),
        (10, "ten"),
    ]


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_one_object_a_line_is_read_line_by_line(tmp_path, name):
    content = "\n".join(
        ["", json.dumps(ROWS[0]), "", "  " + json.dumps(ROWS[1], ensure_ascii=False), json.dumps(ROWS[2])]
    )
    source, records = read(tmp_path / name, content, read_json if name == "rows.json" else read_jsonl)
    assert source.format == "jsonl"
    assert [(record.line, record.values) for record in records] == [(2, ROWS[0]), (4, ROWS[1]), (5, ROWS[2])]


@pytest.mark.parametrize(("start", "line"), [("", 1), ("\n\n", 3), ("  ", 1), ("\n \t", 2), ("\r\n  ", 2)])
def test_blanks_before_the_first_object_do_not_change_the_line_numbers(tmp_path, start, line):
    _, records = read(tmp_path / "rows.json", start + '{"text": "a"}\n{"text": "b"}\n')
    assert [record.line for record in records] == [line, line + 1]


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ('{"text": "b", "label": }', "not valid json (Expecting value)"),
        ('{"text": "b"', "not valid json ("),
        ("{'text': 'b'}", "not valid json ("),
        ('{"text": "b"} {"text": "c"}', "not valid json (Extra data)"),
        ('{"text": "b"},', "not valid json (Extra data)"),
        ("text", "not valid json (Expecting value)"),
        ("[" * 100_000, "not valid json (nested too deeply)"),
        ('["b", 1]', "a json list where an object"),
        ('"b"', "a json str where an object"),
        ("1", "a json int where an object"),
        ("null", "a json NoneType where an object"),
        ('{"text": "b", "label": %s}' % ("7" * 5000), "not valid json ("),
    ],
    ids=lambda value: value[:24],
)
def test_a_line_that_is_not_an_object_is_one_bad_row_and_the_others_are_read(tmp_path, bad, problem):
    _, records = read(tmp_path / "rows.jsonl", f'{{"text": "a"}}\n{bad}\n{{"text": "z"}}\n', read_jsonl)
    assert [(record.line, record.values) for record in records] == [(1, {"text": "a"}), (2, None), (3, {"text": "z"})]
    assert str(records[1].problem).startswith(problem)


def test_a_bad_first_line_is_a_bad_row_too(tmp_path):
    source, records = read(tmp_path / "rows.jsonl", '{"text": "a",\n{"text": "b"}\n', read_jsonl)
    assert source.columns == ["text"]
    assert [(record.line, record.values) for record in records] == [(1, None), (2, {"text": "b"})]


def test_an_element_of_an_array_that_is_not_an_object_is_one_bad_row(tmp_path):
    _, records = read(tmp_path / "rows.json", '[\n{"text": "a"},\n["b"],\nnull,\n"c",\n{"text": "d"}\n]')
    assert [(record.line, record.problem is None) for record in records] == [
        (2, True), (3, False), (4, False), (5, False), (6, True),
    ]  # fmt: skip


BROKEN = {
    "trailing comma": '[\n{"text": "a"},\n{"text": "b"},]\n',
    "trailing comma on one line": '[{"text": "a"},]',
    "two commas": '[\n{"text": "a"},\n,{"text": "b"}]',
    "comma missing": '[\n{"text": "a"}\n{"text": "b"}]',
    "truncated within an object": '[\n{"text": "a"},\n{"text": "b"',
    "truncated within a string": '[\n{"text": "a"},\n{"text": "b',
    "truncated after a comma": '[\n{"text": "a"},',
    "truncated after an object": '[\n{"text": "a"}',
    "truncated after the bracket": "[",
    "value missing": '[\n{"text": "a"},\n{"text": "b", "label": },\n{"text": "c"}]',
    "single quotes": "[\n{'text': 'a'}]",
    "closed by a brace": '[\n{"text": "a"}\n}',
    "text after the array": '[\n{"text": "a"}\n]\nmore',
    "a second array": '[\n{"text": "a"}\n]\n[{"text": "b"}]',
}


@pytest.mark.parametrize("block", [1, 1 << 20])
@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_array_is_an_error_at_the_line_where_the_json_module_finds_it(tmp_path, monkeypatch, content, block):
    monkeypatch.setattr(json_rows, "BLOCK_CHARACTERS", block)
    with pytest.raises(json.JSONDecodeError) as reference:
        json.loads(content)
    with pytest.raises(UserError) as caught:
        read(tmp_path / "rows.json", content)
    assert str(caught.value).startswith(f"rows.json, line {reference.value.lineno}: not valid json (")


def test_a_comma_before_a_bracket_on_the_next_line_is_an_error_at_one_of_the_two(tmp_path):
    with pytest.raises(UserError, match=r"rows\.json, line (3|4): not valid json"):
        read(tmp_path / "rows.json", '[\n{"text": "a"},\n{"text": "b"},\n]\n')


def test_an_array_that_breaks_off_within_a_long_object_is_an_error_at_that_object(tmp_path):
    content = json.dumps([{"text": "a", "label": 1}] * 3, indent=2)
    with pytest.raises(UserError, match=r"rows\.json, line (10|11|12): not valid json"):
        read(tmp_path / "rows.json", content[: content.rindex(": 1")])  # the third object is on lines 10 to 13


def test_the_rows_before_a_broken_one_are_given_first(tmp_path):
    (tmp_path / "rows.json").write_text("[\n" + '{"text": "a"},\n' * (HEAD_OBJECTS + 1) + '{"text": ', encoding="utf-8")
    with (tmp_path / "rows.json").open(encoding="utf-8") as stream:
        records = read_json("rows.json", stream).records
        assert [next(records).values["text"] for _ in range(HEAD_OBJECTS + 1)] == ["a"] * (HEAD_OBJECTS + 1)
        with pytest.raises(UserError, match=f"line {HEAD_OBJECTS + 3}"):
            next(records)


@pytest.mark.parametrize("content", ["", "\n \n", "[]", "[\n\n]\n"])
def test_a_file_without_a_row_has_no_records(tmp_path, content):
    source, records = read(tmp_path / "rows.json", content)
    assert (source.columns, records) == ([], [])


def test_blank_lines_after_the_array_are_no_matter(tmp_path):
    assert len(read(tmp_path / "rows.json", '[{"text": "a"}]\n\n  \n')[1]) == 1


def test_a_line_separator_within_a_string_ends_no_line(tmp_path):
    _, records = read(tmp_path / "rows.jsonl", '{"text": "a\u2028b\x85c"}\n{"text": "d"}\n', read_jsonl)
    assert records == [(1, {"text": "a\u2028b\x85c"}, None), (2, {"text": "d"}, None)]


@pytest.mark.parametrize(
    "content",
    ['{"a": }', '{"a" 1}', '{"a": 1 "b": 2}', "{a: 1}", '{"a": 1} 2', '{"a": "b', '{"a": "\n"}', '{"a": "\\x"}',
     '{"a": "\\u12"}', '{"a": 1,}', '{"a": [1,]}'],
)  # fmt: skip
def test_what_pythons_json_says_of_a_line_is_told_in_chinese(content):
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(content)
    assert caught.value.msg.split(": ")[0] in JSON_REASONS
