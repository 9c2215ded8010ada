import string
from dataclasses import replace

import numpy as np
import pytest

from tests.doctor.toy_tables import table, tokens, unlike
from toolkit.base.languages import LANGUAGES
from toolkit.doctor.examine import examine
from toolkit.doctor.findings import Finding
from toolkit.doctor.texts import FINDINGS


def test_every_finding_can_be_told_in_every_language():
    texts = unlike(30)
    rows = [(text, "abc"[number // 14]) for number, text in enumerate(texts)]
    rows += [(texts[0], "b"), (texts[1][:-2] + "zz", "a"), ("很好", "a"), ("не то", "a"), ("γενικά", "A")]
    odd = table("t", rows)
    given = tokens(odd, counts=2 ** np.arange(35), known=np.arange(35) - 1, unknown_share=0.1)
    tables = {"train": odd, "valid": table("v", rows[:3]), "test": table("e", [rows[1], (texts[5][1:] + "z", "a")])}
    tables = {name: replace(each, groups=np.full(len(each.frame), "u", object)) for name, each in tables.items()}
    findings = examine(tables, {name: tokens(each) for name, each in tables.items()} | {"train": given})
    of_label_sets = {"never_set", "always_set", "together", "no_label", "joined"}
    told_elsewhere = {"imbalance", "length_tells", "truncated"} | of_label_sets
    assert {finding.kind for finding in findings} >= set(FINDINGS) - told_elsewhere
    for finding in findings:
        assert all(finding.sentence(language) and finding.advice(language) for language in LANGUAGES)
        told = finding.as_json()
        assert told["what"] == finding.sentence()
        assert not any("text" in place for example in told["examples"] for place in example)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", FINDINGS)
def test_every_text_can_be_filled_in(kind, language):
    shares = {"share": 0.5, "score": 0.75, "ratio": 12.5}
    words = {"file": "a.csv", "other": "b.csv", "label": "pro", "listed": "x", "script": "Latin", "others": "Thai 3"}
    words |= {"option": "--map_labels A=a", "column": "user_id", "example": "a;b", "separator": "';'"}
    counts = dict.fromkeys(("rows", "exact", "texts", "groups", "labels", "least", "runs", "expected", "max_length"), 7)
    finding = Finding(kind, 1234, {**shares, **words, **counts, "times": 10, "middle": 30})
    assert "{" not in finding.sentence(language) + finding.advice(language)
    assert len(finding.sentence(language)) > 10


def gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("kind", FINDINGS)
def test_languages_tell_the_same_facts(kind):
    for text in (FINDINGS[kind].sentence, FINDINGS[kind].advice):
        assert gaps(text.en) == gaps(text.zh)
