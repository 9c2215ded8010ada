import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.doctor.toy_tables import clean, findings_by_kind, table, unlike
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.data.tables import Table
from toolkit.doctor.examine import leaks, without_leaked
from toolkit.files.columns import Columns


def test_nothing_is_found_where_nothing_is_wrong():
    texts = unlike(160)
    train, valid, test = clean(texts[:100]), clean(texts[100:130]), clean(texts[130:])
    assert findings_by_kind(train=table("t", train), valid=table("v", valid), test=table("e", test)) == {}


def test_leaks_are_counted_word_for_word_and_folded_and_shown_with_their_lines():
    texts = unlike(130)
    train = clean(texts[:100])
    valid = [*clean(texts[100:]), (texts[7], "b"), (f"  {texts[8].upper()}\n", "a"), (texts[7], "b")]
    leak = findings_by_kind(train=table("train.csv", train), valid=table("valid.csv", valid))["leak"]
    assert [finding.count for finding in leak] == [3]
    assert leak[0].sentence().startswith("3 of 33 rows of valid.csv also found in train.csv, 2 of them word for word")
    places = [[(place.file, place.line) for place in example] for example in leak[0].examples]
    assert places == [[("valid.csv", 32 + i), ("train.csv", line)] for i, line in enumerate((9, 10, 9))]


def test_what_valid_and_test_share_is_told_apart_from_leaks():
    texts = unlike(130)
    sets = {"train": table("t", clean(texts[:100])), "valid": table("v", clean(texts[100:115]))}
    findings = findings_by_kind(**sets, test=table("e", clean(texts[114:], start=14)))
    assert set(findings) == {"shared"}
    assert findings["shared"][0].facts == {"rows": 16, "file": "e", "other": "v", "exact": 1}


def test_repeated_texts_and_texts_of_two_labels_are_found():
    texts = unlike(100)
    rows = [*clean(texts), (texts[0], "a"), (texts[1].upper(), "a"), (texts[1], "b")]
    findings = findings_by_kind(train=table("t", rows))
    assert [finding.count for finding in findings["duplicates"]] == [3]
    assert findings["conflicts"][0].count == 3
    assert findings["conflicts"][0].facts == {"texts": 1}
    assert [(place.line, place.label) for place in findings["conflicts"][0].examples[0]] == [(3, "b"), (103, "a")]
    assert set(findings) == {"duplicates", "conflicts"}


def test_texts_that_are_nearly_the_same_are_found_within_and_between_files():
    texts = unlike(130)
    train = [*clean(texts[:100]), (texts[0][:-3] + "qqq", "a")]
    valid = [*clean(texts[100:]), ("xx" + texts[3][2:], "b")]
    findings = findings_by_kind(train=table("t", train), valid=table("v", valid))
    assert {kind: [finding.count for finding in each] for kind, each in findings.items()} == {
        "near_duplicates": [1], "near_leak": [1]}  # fmt: skip
    assert [[place.line for place in each] for each in findings["near_leak"][0].examples] == [[32, 5]]


def test_of_texts_that_are_nearly_the_same_the_later_one_is_told_whatever_is_repeated():
    texts = unlike(100)
    rows = [*clean(texts), (texts[0][:-3] + "qqq", "a"), (texts[0], "a")]
    (near,) = findings_by_kind(train=table("t", rows))["near_duplicates"]
    assert [[place.line for place in each] for each in near.examples] == [[102, 2]]


def test_pairs_are_the_same_only_if_both_texts_are():
    texts = unlike(101)
    rows = [(one, two, "ab"[number % 2]) for number, (one, two) in enumerate(zip(texts, texts[1:], strict=False))]
    assert findings_by_kind(train=table("t", rows)) == {}
    repeated = findings_by_kind(train=table("t", [*rows, (texts[0], texts[1], "a")]))
    assert [finding.count for finding in repeated["duplicates"]] == [1]
    assert " | " in repeated["duplicates"][0].examples[0][0].text
    moved = [("the hotel", "was good", "a"), ("the hotel was", "good", "b"), ("好", "吃了", "a"), ("好吃", "了", "b")]
    assert not {"duplicates", "conflicts"} & set(findings_by_kind(train=table("t", rows + moved)))


def test_leaked_rows_are_taken_out_of_the_training_rows_alone(capsys):
    texts = unlike(60)
    tables = {"train": table("t", clean(texts[:40])), "valid": table("v", clean([texts[3].upper(), *texts[40:]]))}
    log = Log(sys.stdout)
    left = without_leaked({**tables, "test": table("e", clean([texts[5]]))}, log)
    assert "2 rows of t left out: also found in v or e" in capsys.readouterr().out
    assert left.frame.index.tolist() == [line for line in range(2, 42) if line not in (5, 7)]
    assert len(tables["train"].frame) == 40
    assert [(row.line, row.values["text"]) for row in left.rejected] == [(5, texts[3]), (7, texts[5])]
    with pytest.raises(UserError, match="every row of v is also in t"):
        without_leaked({"train": table("v", clean(texts[:20])), "valid": tables["train"]}, log)


def grouped(name: str, rows: list[tuple], groups: list[str], first_line: int = 2) -> Table:
    """Return a table whose rows are in groups."""
    columns = Columns(group="user")
    return replace(table(name, rows, first_line), groups=np.array(groups, object), columns=columns)


def test_rows_whose_group_stands_in_an_earlier_file_are_found_and_counted():
    texts = unlike(130)
    train = grouped("t", clean(texts[:100]), [f"u{number % 20}" for number in range(99)] + [""])
    valid = grouped("v", clean(texts[100:110]), ["u3", "u4", "u3", "w", *[""] * 6], first_line=7)
    test = grouped("e", clean(texts[110:]), ["w", "", *[f"x{number}" for number in range(18)]])
    findings = findings_by_kind(train=train, valid=valid, test=test)
    assert set(findings) == {"group_leak", "shared_groups"}
    (leak,) = findings["group_leak"]
    said = "3 of 10 rows of v are of groups that t has too (user; groups: 2)"
    assert leak.sentence() == said
    assert [[place.line for place in each] for each in leak.examples] == [[7, 5], [8, 6], [9, 5]]
    (shared,) = findings["shared_groups"]
    assert (shared.count, shared.facts["other"], shared.facts["groups"]) == (1, "v", 1)
    assert "u3" not in str(leak.as_json())  # what is told of groups goes into run.json, and may be a name
    assert [finding.kind for finding in leaks(train, valid)] == ["group_leak"]


def test_with_leaked_rows_those_of_leaked_groups_are_taken_out(capsys):
    texts = unlike(60)
    train = grouped("t", clean(texts[:40]), ["u", "v", "w", ""] * 10)
    valid = grouped("v", clean([texts[1], texts[2], *texts[40:]]), ["", "w", *["x"] * 20])
    left = without_leaked({"train": train, "valid": valid}, Log(sys.stdout))
    told = capsys.readouterr().out
    assert "2 rows of t left out: also found in v" in told
    assert "9 rows of t left out: of a group that is also in v" in told
    assert left.group_names.tolist() == [group for number, group in enumerate(["u", "v", "w", ""] * 10)
                                         if group != "w" and number != 1]  # fmt: skip
    reasons = [str(row.reason).split(" (")[0] for row in left.rejected]
    assert reasons[:3] == ["also found in another file"] * 2 + ["of a group that is also in another file"]
    with pytest.raises(UserError, match="every row of t or its group is also in v"):
        without_leaked({"train": replace(train, groups=np.full(40, "x", object)), "valid": valid}, Log(None))
