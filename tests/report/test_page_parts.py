"""Findings and facts on the page, from files that may be of another version or written by hand."""

import pytest

from tests.conftest import run_facts
from toolkit.report.page_parts import clean, list_facts, list_findings

LEAK = {
    "kind": "leak", "count": 2, "facts": {"file": "t.csv", "rows": 30, "other": "train.csv", "exact": 1},
    "examples": [[{"file": "t.csv", "line": 3}, {"file": "train.csv", "line": 5}]],
}  # fmt: skip


def test_a_finding_is_told_once_in_the_language_of_the_page():
    run = run_facts(findings=[LEAK, LEAK | {"count": 3}])
    english = list_findings([LEAK], run, "en")
    assert [finding.sentence for finding in english] == [
        "2 of 30 rows of t.csv also found in train.csv, 1 of them word for word",
        "3 of 30 rows of t.csv also found in train.csv, 1 of them word for word",
    ]
    assert english[0].places == ["t.csv:3 = train.csv:5"]
    chinese = list_findings(None, run, "zh")
    assert [finding.sentence[:5] for finding in chinese] == ["t.csv"] * 2
    assert "行也出现在" in chinese[0].sentence


@pytest.mark.parametrize(
    "entry",
    [
        None, "leak", 3, {}, LEAK | {"kind": "of a later version"}, LEAK | {"facts": {}}, LEAK | {"facts": None},
        LEAK | {"count": "many"}, LEAK | {"examples": 3}, LEAK | {"examples": [[{"file": "t.csv"}]]},
        LEAK | {"kind": []},
    ],
)  # fmt: skip
def test_what_is_no_finding_is_left_out(entry):
    assert len(list_findings([LEAK], run_facts(findings=[entry]), "en")) == 1


def test_facts_that_run_json_does_not_have_are_left_out():
    entry = {"file": "t.csv", "rows": 1234, "sha256": "0123456789abcdef"}
    scores = {"model": {"directory": "m", "sha256": "77"}, "data": {"test": entry}, "threshold": 0.25}
    facts = dict(list_facts(scores, run_facts(), "en"))
    assert facts == {
        "model": "m", "base_model": "x", "weights": "77", "test": "t.csv: rows 1,234, sha256 0123456789ab…",
        "max_length": "64 tokens, truncation longest_first", "threshold": "0.2500", "versions": "",
    }  # fmt: skip
    known = run_facts(
        device="cpu", precision="fp32", train_seconds=3.4, real_tokens_per_second=1000.0, padding_share=0.01,
        data={"train": entry, "valid": entry}, versions={"torch": "2"},
    )  # fmt: skip
    facts = dict(list_facts(scores | {"threshold": None}, known, "zh"))
    assert facts["time"] == "3 秒，每秒 1,000 个词元，填充占 1.0%"
    assert facts["machine"] == "cpu, fp32"
    assert facts["threshold"] == "无：取概率最大的标签"
    in_windows = run_facts(stride=16, max_windows=1600)
    assert dict(list_facts(scores, in_windows, "en"))["max_length"] == (
        "64 tokens, windows overlapping by 16, at most 1,600 a row"
    )
    of_bias = scores | {"threshold": None, "bias": {"a": -0.5, "b": 1.25, "c": 0.0}}
    assert dict(list_facts(of_bias, known, "en"))["threshold"] == "a bias for each label, -0.50 to +1.25"
    assert list(facts) == ["model", "base_model", "weights", "test", "train", "valid", "time", "machine", "max_length",
                           "threshold", "versions"]  # fmt: skip


def test_characters_that_a_page_would_obey_or_cannot_hold_are_replaced():
    assert clean("a\u202eb\x00c\ud800d\n\te 好") == "a\ufffdb\ufffdc\ufffdd\n\te 好"
    assert clean(3) == "3"
