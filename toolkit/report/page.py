"""report.html: one page about a scored test set that needs nothing but itself.

All text from data is escaped by Jinja, and a content security policy lets nothing run or load but what is in the page.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from toolkit.base.disk import write_bytes
from toolkit.report.advice import Advice, advise
from toolkit.report.explanations import Explanations
from toolkit.report.page_charts import (
    UNIT_AXIS,
    AnsweredChart,
    Line,
    Scale,
    TrainingCharts,
    answered_chart,
    curve_lines,
    score_scale,
    training_charts,
)
from toolkit.report.page_parts import Fact, PageFinding, clean, list_facts, list_findings
from toolkit.report.page_rows import (
    Confusion,
    MatrixCell,
    PageRow,
    cells_of_confusions,
    cells_of_matrix,
    confusion_matrix,
    confusions,
    page_rows,
)
from toolkit.report.scores import ScoredRun
from toolkit.report.texts import SECTIONS, UNEXPLAINED, template_texts

TEMPLATES = Path(__file__).parent / "templates"
MAX_MATRIX_LABELS = 20  # of more, the pairs that are confused most are listed


@dataclass(frozen=True)
class PageAdvice:
    """A piece of advice in the language of the page."""

    level: str
    sentence: str
    advice: str


@dataclass(frozen=True)
class Page:
    """What the template shows of every run besides the scores."""

    file: str
    model: str
    sections: list[str]  # their anchors
    advice: list[PageAdvice]
    scale: Scale
    share: str  # what the share of the rows that are right is called in the slices of metrics.json
    explained: bool  # whether the words of some row are marked
    unexplained: str  # why no words, or not those of every row, are marked; "" if nothing went wrong
    checked: bool  # whether leaks were looked for, here and before training
    answered: AnsweredChart
    training: TrainingCharts | None  # None: it had fewer than two evaluations
    findings: list[PageFinding]
    facts: list[Fact]
    options: list[Fact]


@dataclass(frozen=True)
class OneLabelParts:
    """What the template shows where each row has one label."""

    matrix: list[list[MatrixCell]] | None  # None: of too many labels
    confusions: list[Confusion]  # the most frequent ones
    rows: list[PageRow]
    threshold: float
    counts: Markup  # of positives at each threshold, as json
    roc: list[Line]
    precision_recall: list[Line]


def write_report(
    folder: Path, scored_run: ScoredRun, scores: dict[str, Any], explanations: Explanations, language: str
) -> None:
    """Write report.html, in a language (en or zh), about what write_scores has written and returned as `scores`."""
    write_bytes(folder / "report.html", render(scored_run, scores, explanations, language))


def render(scored_run: ScoredRun, scores: dict[str, Any], explanations: Explanations, language: str) -> bytes:
    """Return the page in utf-8.

    Args:
        scored_run: what was predicted of which rows, and the run whose model did it.
        scores: the content of metrics.json.
        explanations: which words mattered for rows that are wrong.
        language: en or zh.
    """
    has_matrix = len(scores["labels"]) <= MAX_MATRIX_LABELS
    cells = cells_of_matrix(scores) if has_matrix else cells_of_confusions(scores)
    lines = curve_lines(scores)
    parts = OneLabelParts(
        matrix=confusion_matrix(scores) if has_matrix else None,
        confusions=confusions(scores),
        rows=page_rows(scored_run.scored, scored_run.table, cells, explanations),
        threshold=0.5 if scores["threshold"] is None else scores["threshold"],
        counts=Markup(json.dumps(scores.get("thresholds"))),  # numbers only
        roc=lines["roc"],
        precision_recall=lines["precision_recall"],
    )
    advice = advise(scores, scored_run.run, scored_run.history, scored_run.train_table)
    page = frame_page(scored_run, scores, advice, explanations, language)
    return fill_template("page.html", page, parts, scores, template_texts(language))


def frame_page(
    scored_run: ScoredRun,
    scores: dict[str, Any],
    advice: Sequence[Advice],
    explanations: Explanations,
    language: str,
) -> Page:
    """Return what the page shows of every run, with one label a row or several; the arguments are those of render."""
    run = scored_run.run
    training = training_charts(scored_run.history, run, language)
    paints = [segment.weight for texts in explanations.rows.values() for text in texts for segment in text]
    return Page(
        file=clean(Path(scores["data"]["test"]["file"]).name),
        model=clean(" + ".join(str(model.directory) for model in scored_run.models)),
        sections=_sections(scores, training),
        advice=[PageAdvice(piece.level, piece.sentence(language), piece.advice(language)) for piece in advice],
        scale=score_scale(scores),
        share="subset_accuracy" if run.columns.have_label_sets else "accuracy",
        explained=any(paints),
        unexplained=_why_unexplained(explanations, language),
        checked=scores["findings"] is not None and isinstance(run.findings, list),
        answered=answered_chart(scores),
        training=training,
        findings=list_findings(scores["findings"], run, language),
        facts=list_facts(scores, run, language),
        options=[Fact(name, json.dumps(value, ensure_ascii=False)) for name, value in run.options.items()],
    )


def _sections(scores: dict[str, Any], training: TrainingCharts | None) -> list[str]:
    """Return the anchors of the sections that there is something in, in the order of the page."""
    has_content = {
        "comparison": "comparison" in scores,
        "threshold": "thresholds" in scores,
        "parts": bool(scores["slices"]),
        "course": training is not None,
    }
    return [anchor for anchor in SECTIONS if has_content.get(anchor, True)]


def _why_unexplained(explanations: Explanations, language: str) -> str:
    if explanations.left_out:
        return UNEXPLAINED["some"][language].format(count=explanations.left_out)
    if not explanations.problem:
        return ""
    return UNEXPLAINED[explanations.problem][language].format(reason=explanations.reason[language])


def fill_template(name: str, page: Page, parts: Any, scores: dict[str, Any], texts: dict[str, Any]) -> bytes:
    """Return a template with all that it shows; `parts` is what one kind of run alone has."""
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    js = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    policy = f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; script-src '{_digest(js)}'"
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FileSystemLoader(TEMPLATES),
    )
    environment.filters["clean"] = clean
    html = environment.get_template(name).render(
        t=texts,
        s=scores,
        page=page,
        parts=parts,
        unit=UNIT_AXIS,
        css=Markup(css),
        js=Markup(js),
        policy=policy,
    )
    return html.lstrip().encode(errors="replace")


def _digest(text: str) -> str:
    """Return the digest by which a content security policy knows a script or a style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
