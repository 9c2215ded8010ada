import json

import pytest

from toolkit.data.rows import Rejected, read_rows
from toolkit.files.columns import Columns
from toolkit.formats.reading import open_source


def opened(folder, name: str, rows: list[dict], indent: int | None = None):
    if name.endswith((".jsonl", ".ndjson")):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        text = json.dumps(rows, ensure_ascii=False, indent=indent)
    (folder / name).write_text(text, encoding="utf-8")
    return open_source(folder / name)


def outcome(source, columns: Columns = Columns()) -> list:  # noqa: B008
    """Return the text and label of each row that can be used, the reason of each other one."""
    with source:
        found = list(read_rows(source, columns))
    return [str(row.reason) if isinstance(row, Rejected) else (row.text, row.label) for row in found]


# -- doccano ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.ndjson"])
@pytest.mark.parametrize("column", ["label", "labels"])
def test_a_list_of_one_label_is_the_label(tmp_path, name, column):
    rows = [{"id": i, "text": f"text {i}", column: ["好评" if i % 2 else 3], "Comments": []} for i in range(300)]
    source = opened(tmp_path, name, rows)
    assert [*map(str, source.taken_for)] == [f"{column} from lists of one, as doccano writes them"]
    assert source.columns == ["id", "text", column, "Comments"]
    assert outcome(source, Columns(label=column)) == [(f"text {i}", "好评" if i % 2 else "3") for i in range(300)]


def test_no_label_and_several_are_bad_rows_where_a_label_is_wanted_and_no_matter_elsewhere(tmp_path):
    rows = [
        {"text": "a", "label": ["x"]},
        {"text": "b", "label": []},
        {"text": "c", "label": ["x", "y"]},
        {"text": "d"},
    ]
    reasons = ["label is empty", "label is ['x', 'y']; several labels a row need --multi_label"]
    assert outcome(opened(tmp_path, "rows.jsonl", rows[:3])) == [("a", "x"), *reasons]
    with open_source(tmp_path / "rows.jsonl") as source:
        unlabelled = list(read_rows(source, Columns(label=None)))
    assert [row.values["label"] for row in unlabelled] == ["x", None, ["x", "y"]]


def test_spans_are_no_labels(tmp_path):
    rows = [
        {"text": "Ann slept", "label": [[0, 3, "PERSON"]]},
        {"text": "Bo ran", "label": [[0, 2, "PERSON"], [3, 6, "X"]]},
    ]
    bad = outcome(opened(tmp_path, "rows.jsonl", rows))
    assert all("label is [[0, " in reason for reason in bad)


def test_lists_in_some_rows_only_are_not_taken_for_those_of_doccano(tmp_path):
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": ["y"]}]
    assert outcome(opened(tmp_path, "rows.jsonl", rows))[0] == ("a", "x")
    assert "label is ['y']" in outcome(open_source(tmp_path / "rows.jsonl"))[1]


# -- Label Studio ----------------------------------------------------------------------------------------------------


def task(number: int, *annotations: list[str], question: str = "sentiment", **more) -> dict:
    """Return a task of Label Studio; each of the annotations has chosen some labels."""
    entries = [
        {
            "id": i,
            "result": [{"from_name": question, "to_name": "text", "type": "choices", "value": {"choices": chosen}}],
        }
        for i, chosen in enumerate(annotations)
    ]
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": entries, "predictions": [], **more}


@pytest.mark.parametrize("indent", [None, 1])
def test_tasks_become_rows_of_their_data_and_the_label(tmp_path, indent):
    source = opened(tmp_path, "rows.json", [task(i, ["neg" if i % 2 else "pos"]) for i in range(40)], indent)
    assert (source.format, source.columns, [*map(str, source.taken_for)]) == (
        "csv",
        ["id", "text", "label"],
        ["Label Studio"],
    )
    assert outcome(source) == [(f"text {i}", "neg" if i % 2 else "pos") for i in range(40)]


def test_annotators_who_agree_are_one_and_a_cancelled_annotation_is_none(tmp_path):
    agreed = task(1, ["neg"], ["neg"])
    cancelled = task(2, ["neg"], ["pos"])
    cancelled["annotations"][0]["was_cancelled"] = True
    disagreed = task(3, ["neg"], ["pos"])
    open_task = task(4)
    several = task(5, ["neg", "pos"])
    old = {"id": 6, "data": {"text": "text 6"}, "completions": task(6, ["pos"])["annotations"]}
    assert outcome(opened(tmp_path, "rows.json", [agreed, cancelled, disagreed, open_task, several, old])) == [
        ("text 1", "neg"),
        ("text 2", "pos"),
        "label is ['neg', 'pos']; several labels a row need --multi_label",
        "label is empty",
        "label is ['neg', 'pos']; several labels a row need --multi_label",
        ("text 6", "pos"),
    ]


def test_several_questions_are_columns_of_their_own(tmp_path):
    tasks = [task(i, ["neg"]) for i in range(3)]
    for entry in tasks:
        entry["annotations"] += task(0, ["food"], question="topic")["annotations"]
    source = opened(tmp_path, "rows.json", tasks)
    assert source.columns == ["id", "text", "sentiment", "topic"]
    assert outcome(source, Columns(label="topic")) == [(f"text {i}", "food") for i in range(3)]


@pytest.mark.parametrize("value", [None, [], [{"result": None}], [None], [{"result": [3, {"value": 5}]}]])
def test_annotations_that_are_damaged_are_no_labels(tmp_path, value):
    tasks = [task(1, ["neg"]), {"id": 2, "data": {"text": "b"}, "annotations": value or []}]
    assert outcome(opened(tmp_path, "rows.json", tasks)) == [("text 1", "neg"), "label is empty"]


def test_the_short_form_has_its_label_in_the_column_of_the_question(tmp_path):
    rows = [{"text": f"text {i}", "id": i, "sentiment": "neg", "annotator": 1, "annotation_id": i} for i in range(3)]
    rows.append({**rows[0], "sentiment": {"choices": ["neg", "pos"]}})
    found = outcome(opened(tmp_path, "rows.json", rows), Columns(label="sentiment"))
    assert found[:3] == [(f"text {i}", "neg") for i in range(3)]
    assert found[3].endswith("several labels a row need --multi_label")


def test_several_choices_in_a_csv_export_are_no_label(tmp_path):
    (tmp_path / "rows.csv").write_text(
        'text,id,sentiment,annotator\ntext 1,1,neg,1\ntext 2,2,"{""choices"":[""neg"",""pos""]}",1\n', encoding="utf-8"
    )
    found = outcome(open_source(tmp_path / "rows.csv"), Columns(label="sentiment"))
    assert found[0] == ("text 1", "neg")
    assert found[1].endswith("several labels a row need --multi_label")
