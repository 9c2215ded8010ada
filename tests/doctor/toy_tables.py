"""Small tables for the tests of the data doctor."""

from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.data.tables import Table
from toolkit.doctor.examine import examine
from toolkit.doctor.findings import Finding
from toolkit.files.columns import Columns
from toolkit.tokens.dataset import TokenFacts


def table(name: str, rows: list[tuple], first_line: int = 2) -> Table:
    """Return a table of rows (text, label) or (text, text_pair, label)."""
    columns = ["text", "text_pair", "label"] if len(rows[0]) == 3 else ["text", "label"]
    index = pd.Index(range(first_line, first_line + len(rows)), name="line")
    return Table(Path("data", name), pd.DataFrame(rows, index, columns, dtype=object), [], [], Columns(), "")


def tokens(of: Table, **facts) -> TokenFacts:
    """Return what a tokenizer of words would make of a table, but for the facts that are given."""
    counts = np.array([2 + len(text.split()) for text in of.frame["text"]])
    return TokenFacts(**{"counts": counts, "known": counts - 2, "unknown_share": 0.0, "max_length": 512} | facts)


def findings_by_kind(**tables: Table) -> dict[str, list[Finding]]:
    """Return what is found in tables by name, by its kind."""
    findings: dict[str, list[Finding]] = {}
    for finding in examine(tables, {name: tokens(each) for name, each in tables.items()}):
        findings.setdefault(finding.kind, []).append(finding)
    return findings


def clean(texts: list[str], start: int = 0) -> list[tuple]:
    """Return rows (text, label), of the labels a and b in turn."""
    return [(text, "ab"[(start + number) % 2]) for number, text in enumerate(texts)]


def unlike(count: int, seed: int = 0) -> list[str]:
    """Return texts that have nothing in common."""
    draw = np.random.default_rng(seed)
    return [" ".join("".join(draw.choice(list("abcdefghijklmnop"), 5)) for _ in range(12)) for _ in range(count)]
