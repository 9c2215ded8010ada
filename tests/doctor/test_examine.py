import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.data.rows import Columns
from toolkit.data.tables import Table, Tokens
from toolkit.doctor.examine import examine, without_leaked
from toolkit.doctor.findings import Finding, say_findings
from toolkit.doctor.oddities import telling_length
from toolkit.doctor.texts import LANGUAGES, TEXTS


def table(name: str, rows: list[tuple], first_line: int = 2) -> Table:
    """Return a table of rows (text, label) or (text, text_pair, label)."""
    columns = ["text", "text_pair", "label"] if len(rows[0]) == 3 else ["text", "label"]
    index = pd.Index(range(first_line, first_line + len(rows)), name="line")
    return Table(Path("data", name), pd.DataFrame(rows, index, columns, dtype=object), [], [], Columns(), "")


def tokens(of: Table, **given) -> Tokens:
    counts = np.array([2 + len(text.split()) for text in of.frame["text"]])
    return Tokens(**{"counts": counts, "known": counts - 2, "unknown_share": 0.0, "max_length": 512} | given)


def found(**tables: Table) -> dict[str, list[Finding]]:
    findings: dict[str, list[Finding]] = {}
    for finding in examine(tables, {name: tokens(each) for name, each in tables.items()}):
        findings.setdefault(finding.kind, []).append(finding)
    return findings


def clean(texts: list[str], start: int = 0) -> list[tuple]:
    return [(text, "ab"[(start + number) % 2]) for number, text in enumerate(texts)]


def unlike(count: int, seed: int = 0) -> list[str]:
    """Return texts that have nothing in common."""
    draw = np.random.default_rng(seed)
    return [" ".join("".join(draw.choice(list("abcdefghijklmnop"), 5)) for _ in range(12)) for _ in range(count)]


def test_nothing_is_found_where_nothing_is_wrong():
    texts = unlike(160)
    train, valid, test = clean(texts[:100]), clean(texts[100:130]), clean(texts[130:])
    assert found(train=table("t", train), valid=table("v", valid), test=table("e", test)) == {}


def test_leaks_are_counted_word_for_word_and_folded_and_shown_with_their_lines():
    texts = unlike(130)
    train = clean(texts[:100])
    valid = [*clean(texts[100:]), (texts[7], "b"), (f"  {texts[8].upper()}\n", "a"), (texts[7], "b")]
    leak = found(train=table("train.csv", train), valid=table("valid.csv", valid))["leak"]
    assert [finding.count for finding in leak] == [3]
    assert leak[0].what().startswith("3 of 33 rows of valid.csv stand in train.csv too, 2 of them word for word")
    places = [[(place.file, place.line) for place in example] for example in leak[0].examples]
    assert places == [[("valid.csv", 32 + i), ("train.csv", line)] for i, line in enumerate((9, 10, 9))]


def test_what_valid_and_test_share_is_told_apart_from_leaks():
    texts = unlike(130)
    sets = {"train": table("t", clean(texts[:100])), "valid": table("v", clean(texts[100:115]))}
    findings = found(**sets, test=table("e", clean(texts[114:], start=14)))
    assert set(findings) == {"shared"}
    assert findings["shared"][0].facts == {"rows": 16, "file": "e", "other": "v", "exact": 1}


def test_repeated_texts_and_texts_of_two_labels_are_found():
    texts = unlike(100)
    rows = [*clean(texts), (texts[0], "a"), (texts[1].upper(), "a"), (texts[1], "b")]
    findings = found(train=table("t", rows))
    assert [finding.count for finding in findings["duplicates"]] == [3]
    assert findings["conflicts"][0].count == 3
    assert findings["conflicts"][0].facts == {"texts": 1}
    assert [(place.line, place.label) for place in findings["conflicts"][0].examples[0]] == [(3, "b"), (103, "a")]
    assert set(findings) == {"duplicates", "conflicts"}


def test_texts_that_are_nearly_the_same_are_found_within_and_between_files():
    texts = unlike(130)
    train = [*clean(texts[:100]), (texts[0][:-3] + "qqq", "a")]
    valid = [*clean(texts[100:]), ("xx" + texts[3][2:], "b")]
    findings = found(train=table("t", train), valid=table("v", valid))
    assert {kind: [finding.count for finding in each] for kind, each in findings.items()} == {
        "near_duplicates": [1], "near_leak": [1]}  # fmt: skip
    assert [[place.line for place in each] for each in findings["near_leak"][0].examples] == [[32, 5]]


def test_of_texts_that_are_nearly_the_same_the_later_one_is_told_whatever_is_repeated():
    texts = unlike(100)
    rows = [*clean(texts), (texts[0][:-3] + "qqq", "a"), (texts[0], "a")]
    (near,) = found(train=table("t", rows))["near_duplicates"]
    assert [[place.line for place in each] for each in near.examples] == [[102, 2]]


def test_pairs_are_the_same_only_if_both_texts_are():
    texts = unlike(101)
    rows = [(one, two, "ab"[number % 2]) for number, (one, two) in enumerate(zip(texts, texts[1:], strict=False))]
    assert found(train=table("t", rows)) == {}
    repeated = found(train=table("t", [*rows, (texts[0], texts[1], "a")]))
    assert [finding.count for finding in repeated["duplicates"]] == [1]
    assert " | " in repeated["duplicates"][0].examples[0][0].text
    moved = [("the hotel", "was good", "a"), ("the hotel was", "good", "b"), ("好", "吃了", "a"), ("好吃", "了", "b")]
    assert not {"duplicates", "conflicts"} & set(found(train=table("t", rows + moved)))


def test_held_out_rows_are_called_that():
    texts = unlike(130)
    findings = found(train=table("t", clean(texts[:100])), valid=table("t", [*clean(texts[100:]), (texts[0], "a")]))
    assert findings["leak"][0].facts["file"] == "t (held out)"


@pytest.mark.parametrize(
    ("labels", "kinds"),
    [
        ("ab" * 60, set()),
        ("a" * 111 + "b" * 9, {"few_rows", "imbalance"}),
        ("a" * 60 + "b" * 60, {"sorted"}),
        ("ab" * 40 + "c" * 40, set()),
        ("abc" * 40 + "d", {"few_rows", "imbalance"}),
    ],
)
def test_odd_numbers_and_orders_of_labels_are_found(labels, kinds):
    draw = np.random.default_rng(0)
    if "sorted" not in kinds:
        labels = "".join(draw.permutation(list(labels)))
    rows = list(zip(unlike(len(labels)), labels, strict=True))
    assert set(found(train=table("t", rows))) == kinds


def test_labels_without_a_row_in_another_file_are_named():
    texts = unlike(130)
    rows = [(text, "abc"[number % 3]) for number, text in enumerate(texts)]
    valid = [row for row in rows[100:] if row[1] != "b"]
    findings = found(train=table("t", rows[:100]), valid=table("v", valid))
    assert findings["missing_labels"][0].facts == {"labels": 3, "file": "v", "listed": "b"}


def test_odd_lengths_and_unknown_tokens_are_found():
    rows = table("t", clean(unlike(100)))
    counts, known = np.full(100, 14), np.full(100, 12)
    counts[[3, 50]] = 150, 600
    known[[7, 8]] = 0
    given = {"train": tokens(rows, counts=counts, known=known, unknown_share=0.05, max_length=512)}
    findings = {finding.kind: finding for finding in examine({"train": rows}, given)}
    assert set(findings) == {"empty", "truncated", "long", "unknown"}
    assert [place.line for each in findings["empty"].examples for place in each] == [9, 10]
    assert [place.line for each in findings["long"].examples for place in each] == [52, 5]
    assert (findings["truncated"].count, findings["long"].count) == (1, 2)
    assert "5.0%" in findings["unknown"].what()


def test_rows_in_another_script_are_found():
    texts = [*unlike(94), "房间很干净", "это очень хорошо", "朝食がとても美味しい", "ＯＫ 12", "12 !!", "no 酒"]
    facts = found(train=table("t", clean(texts)))["scripts"][0].facts
    assert facts["script"] == "Latin"
    assert facts["others"] == "Chinese 1, Cyrillic 1, Japanese 1"


def test_a_label_that_the_length_tells_is_found_and_chance_is_not():
    draw = np.random.default_rng(0)
    labels = draw.choice(["a", "b"], 400).tolist()
    by_chance = draw.integers(5, 50, 400)
    told = by_chance + 60 * (np.array(labels) == "b")
    assert list(telling_length(labels, by_chance)) == []
    (finding,) = telling_length(labels, told)
    assert finding.facts["score"] > 0.95


def test_leaked_rows_are_taken_out_of_the_training_rows_alone():
    texts = unlike(60)
    tables = {"train": table("t", clean(texts[:40])), "valid": table("v", clean([texts[3].upper(), *texts[40:]]))}
    left = without_leaked({**tables, "test": table("e", clean([texts[5]]))}, log := Log(sys.stdout))
    assert "2 rows of t are left out: they stand in v or e too" in log.kept[0]
    assert left.frame.index.tolist() == [line for line in range(2, 42) if line not in (5, 7)]
    assert len(tables["train"].frame) == 40
    assert [(row.line, row.values["text"]) for row in left.rejected] == [(5, texts[3]), (7, texts[5])]
    with pytest.raises(UserError, match="every row of v stands in t too"):
        without_leaked({"train": table("v", clean(texts[:20])), "valid": tables["train"]}, log)


def test_every_finding_can_be_told_in_every_language():
    texts = unlike(30)
    rows = [(text, "abc"[number // 14]) for number, text in enumerate(texts)]
    rows += [(texts[0], "b"), (texts[1][:-2] + "zz", "a"), ("很好", "a"), ("не то", "a"), ("γενικά", "a")]
    odd = table("t", rows)
    given = tokens(odd, counts=2 ** np.arange(35), known=np.arange(35) - 1, unknown_share=0.1)
    tables = {"train": odd, "valid": table("v", rows[:3]), "test": table("e", [rows[1], (texts[5][1:] + "z", "a")])}
    findings = examine(tables, {name: tokens(each) for name, each in tables.items()} | {"train": given})
    assert {finding.kind for finding in findings} >= set(TEXTS) - {"imbalance", "length_tells", "truncated"}
    for finding in findings:
        assert all(finding.what(language) and finding.advice(language) for language in LANGUAGES)
        told = finding.as_json()
        assert told["what"] == finding.what()
        assert not any("text" in place for example in told["examples"] for place in example)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TEXTS)
def test_every_text_can_be_filled_in(kind, language):
    shares = {"share": 0.5, "score": 0.75, "ratio": 12.5}
    words = {"file": "a.csv", "other": "b.csv", "label": "pro", "listed": "x", "script": "Latin", "others": "Thai 3"}
    counts = dict.fromkeys(("rows", "exact", "texts", "labels", "least", "runs", "expected", "max_length"), 7)
    finding = Finding(kind, 1234, {**shares, **words, **counts, "times": 10, "middle": 30})
    assert "{" not in finding.what(language) + finding.advice(language)
    assert len(finding.what(language)) > 10


@pytest.mark.parametrize("kind", TEXTS)
def test_languages_tell_the_same_facts(kind):
    names = [
        {part.split("}")[0].split(":")[0] for part in "".join(TEXTS[kind][each]).split("{")[1:]} for each in LANGUAGES
    ]
    assert names[0] == names[1]


def test_findings_are_said_in_lines_with_examples_only_where_asked(capsys):
    texts = unlike(100)
    findings = examine({"train": (rows := table("t", [*clean(texts), (texts[0], "a")]))}, {"train": tokens(rows)})
    say_findings(Log(sys.stdout), findings, whole=False)
    short = capsys.readouterr().out
    assert short.count("\n") == 2
    assert texts[0][:20] not in short
    say_findings(Log(sys.stdout), findings, whole=True)
    told = capsys.readouterr().out
    assert "t, line 102 (a):" in told
    assert "t, line 2 (a):" in told
    assert "remove them" in told
    say_findings(Log(sys.stdout), [], whole=True)
    assert "none" in capsys.readouterr().out
