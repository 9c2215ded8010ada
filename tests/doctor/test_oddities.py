import numpy as np
import pytest

from tests.doctor.toy_tables import clean, findings_by_kind, table, tokens, unlike
from toolkit.doctor.examine import examine
from toolkit.doctor.oddities import telling_length


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
    assert set(findings_by_kind(train=table("t", rows))) == kinds


@pytest.mark.parametrize(
    ("other_spelling", "count", "listed", "option"),
    [
        ({"a": "A"}, 1, "a 50 = A 10", "--map_labels A=a"),
        ({"a": "ａ", "b": "B"}, 2, "a 50 = ａ 10, b 50 = B 10", "--map_labels 'ａ=a' B=b"),
        ({}, 0, "", ""),
    ],
)
def test_labels_in_several_spellings_are_told_with_what_makes_them_one(other_spelling, count, listed, option):
    labels = list("ab" * 50) + [other_spelling.get(label, label) for label in "ab" * 10]
    rows = list(zip(unlike(len(labels)), labels, strict=True))
    found = findings_by_kind(train=table("t", rows)).get("spellings", [])
    assert [finding.count for finding in found] == [count] * bool(count)
    for finding in found:
        assert finding.facts["listed"] == listed
        assert finding.facts["option"] == option


@pytest.mark.parametrize(
    ("spellings", "are_one"),
    [
        (("1", "1.0"), True),
        (("true", "True"), True),
        (("里", "裡"), True),
        (("2.1", "2.10"), True),
        (("1", "10"), False),
    ],
)
def test_labels_are_folded_as_texts_are(spellings, are_one):
    rows = [(text, (*spellings, "other")[number % 3]) for number, text in enumerate(unlike(90))]
    rows += [(rows[0][0], spellings[1])]
    found = findings_by_kind(train=table("t", rows))
    assert ("spellings" in found) == are_one
    assert ("conflicts" in found) == (not are_one)


@pytest.mark.parametrize("label", ["a\nb", "a\tb", "a\r\n\x1bb"])
def test_a_line_break_in_a_label_breaks_no_line_of_a_finding(label):
    rows = [(text, ("x", label)[number % 40 == 0]) for number, text in enumerate(unlike(80))]
    found = findings_by_kind(train=table("t", [*rows, (rows[0][0], "x")]), valid=table("v", rows[1:9]))
    for finding in (finding for findings in found.values() for finding in findings):
        lines = [finding.sentence(), finding.advice(), *(str(row) for example in finding.examples for row in example)]
        assert all(line.isprintable() for line in lines)
    assert {"few_rows", "missing_labels", "conflicts"} <= set(found)


def test_labels_without_a_row_in_another_file_are_named():
    texts = unlike(130)
    rows = [(text, "abc"[number % 3]) for number, text in enumerate(texts)]
    valid = [row for row in rows[100:] if row[1] != "b"]
    findings = findings_by_kind(train=table("t", rows[:100]), valid=table("v", valid))
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
    assert "5.0%" in findings["unknown"].sentence()


def test_rows_in_another_script_are_found():
    texts = [*unlike(94), "房间很干净", "это очень хорошо", "朝食がとても美味しい", "ＯＫ 12", "12 !!", "no 酒"]
    facts = findings_by_kind(train=table("t", clean(texts)))["scripts"][0].facts
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


def test_the_length_of_a_row_tells_nothing_of_others_that_belong_to_it():
    """Rows of one length and one label are known by each other, but lengths of other rows tell the other label."""
    lengths = np.repeat(np.arange(10, 42, 4), 20)
    labels = ["ab"[number // 20 % 2] for number in range(160)]
    assert len(list(telling_length(labels, lengths))) == 1
    assert list(telling_length(labels, lengths, np.repeat(np.arange(8), 20))) == []
