"""report.html: one page about a scored test set that needs nothing but itself.

All text from data is escaped by Jinja, and a content security policy lets nothing run or load but what is in the page.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from toolkit.evaluation.explain import Segment
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.report.advice import Advice
from toolkit.report.explanations import Explanations, most_confident_errors
from toolkit.report.page_parts import clean, course, curves, facts, findings, scale
from toolkit.report.texts_en import TEXTS
from toolkit.runs.run_facts import RunFacts

FOLDER = Path(__file__).parent / "templates"
MOST_WRONG = 200  # rows that are wrong
MOST_CELLS = 1500  # rows, from all cells together
LARGEST_MATRIX = 20  # labels; of more the pairs that are confused most are listed
MOST_PAIRS = 40
LONGEST_TEXT = 1200  # characters, and of a row that is explained
LONGEST_EXPLAINED = 6000
UNIT = {"low": 0.0, "high": 1.0, "ticks": [0, 0.2, 0.4, 0.6, 0.8, 1.0], "format": "%.1f"}


def render(
    found: ScoredSet,
    scores: dict,
    table,
    run: RunFacts,
    history: Sequence[dict],
    advice: Sequence[Advice],
    language: str,
    explanations: Explanations,
) -> bytes:
    """Return the page in utf-8.

    Args:
        found: what was predicted.
        scores: the content of metrics.json.
        table: the test set.
        run: the content of run.json.
        history: the evaluations of the run, none if they are gone.
        advice: what follows from the scores.
        language: en or zh.
        explanations: which words mattered for rows that are wrong.
    """
    t, counts = TEXTS[language], np.array(scores["confusion_matrix"])
    rows = _rows(found, table, _cells(counts), explanations)
    page = {
        "file": clean(Path(scores["data"]["test"]["file"]).name),
        "model": clean(scores["model"]["directory"]),
        "advice": [{"level": a.level, "what": a.what(language), "advice": a.advice(language)} for a in advice],
        "scale": scale(scores),
        "matrix": _matrix(counts) if len(counts) <= LARGEST_MATRIX else None,
        "confusions": _confusions(counts, scores["labels"]),
        "rows": rows,
        "explained": any(kind for row in rows for text in row["texts"] for _, kind in text),
        "unexplained": _why_unexplained(explanations, t),
        "threshold": 0.5 if scores["threshold"] is None else scores["threshold"],
        "checked": scores["findings"] is not None and isinstance(run.findings, list),
        "counts": Markup(json.dumps(scores.get("thresholds"))),  # numbers only
        "course": course(history, run, t),
        "findings": findings(scores["findings"], run, language),
        "facts": facts(scores, run, t),
        "options": [(name, json.dumps(value, ensure_ascii=False)) for name, value in run.options.items()],
        **curves(scores),
    }
    return _filled(page, scores, t)


def _filled(page: dict, scores: dict, t: dict) -> bytes:
    """Return the template with all that it shows."""
    there = {"comparison": "comparison" in scores, "threshold": "thresholds" in scores}
    there |= {"parts": bool(scores["slices"]), "course": bool(page["course"])}
    names = [name.removeprefix("h_") for name in t if name.startswith("h_")]
    page["sections"] = [name for name in names if there.get(name, True)]
    css, js = ((FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; script-src '{_digest(js)}'"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["clean"] = clean
    template = environment.from_string((FOLDER / "page.html").read_text(encoding="utf-8"))
    context = {"t": t, "s": scores, "page": page, "unit": UNIT, "css": Markup(css), "js": Markup(js), "policy": policy}
    return template.render(context).lstrip().encode(errors="replace")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _cells(counts: np.ndarray) -> list[tuple[int, int]]:
    """Return the cells (true, predicted) of the matrix (C, C) that can be pressed."""
    if len(counts) <= LARGEST_MATRIX:
        return [tuple(cell) for cell in np.argwhere(counts).tolist()]
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS].tolist()
    return [divmod(cell, len(counts)) for cell in order if wrong.flat[cell]]


def _matrix(counts: np.ndarray) -> list[list[dict]]:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return [
        [
            {"name": f"{i}-{j}", "count": int(counts[i, j]), "share": share, "right": i == j, "heat": round(9 * share)}
            for j, share in enumerate(line)
        ]
        for i, line in enumerate(shares.tolist())
    ]


def _confusions(counts: np.ndarray, labels: Sequence[str]) -> list[dict]:
    return [
        {"name": f"{i}-{j}", "count": int(counts[i, j]), "true": labels[i], "predicted": labels[j]}
        for i, j in _cells(counts)
    ]


def _rows(found: ScoredSet, table, cells: list, explanations: Explanations) -> list[dict]:
    """Return the rows that the page has: those that are wrong, and some of each cell."""
    order = np.argsort(np.where(found.right, 2 + found.confidence, -found.confidence), kind="stable")
    wrong = most_confident_errors(found)[:MOST_WRONG].tolist()
    each = min(50, max(3, MOST_CELLS // max(len(cells), 1)))
    room = dict.fromkeys(cells, each)
    chosen = set(wrong)
    for row in order.tolist():
        cell = (int(found.label_ids[row]), int(found.predicted[row]))
        if room.get(cell, 0):
            room[cell] -= 1
            chosen.add(row)
    texts = table.frame.drop(columns="label").to_numpy().tolist()
    return [
        {
            "cell": f"{found.label_ids[row]}-{found.predicted[row]}",
            "wrong": not found.right[row],
            "unit": table.frame.index.name or "line",
            "line": int(table.frame.index[row]),
            "true": found.labels[found.label_ids[row]],
            "predicted": found.labels[found.predicted[row]],
            "confidence": float(found.confidence[row]),
            "texts": [
                _painted(text) for text in explanations.rows.get(row, [[Segment(text, None)] for text in texts[row]])
            ],
        }
        for row in order.tolist()
        if row in chosen
    ]


def _why_unexplained(explanations: Explanations, t: dict) -> str:
    """Return why no words are marked, in the language of the page; "" if nothing went wrong."""
    if not explanations.problem:
        return ""
    return t["unexplained"][explanations.problem].format(reason=explanations.reason)


def _painted(segments: Sequence[Segment]) -> list[tuple[str, str]]:
    """Return the beginning of a text as (text, class) where neighbours of one class are one."""
    found, left = [], LONGEST_TEXT if len(segments) == 1 else LONGEST_EXPLAINED
    for text, weight in segments:
        level = 0 if weight is None else round(5 * weight)
        kind = f"{'p' if level > 0 else 'n'}{abs(level)}" if level else ""
        if left > 0:
            found.append((text[:left] + "…" * (len(text) > left), kind))
        left -= len(text)
    return found
