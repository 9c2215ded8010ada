"""What a scored test set leaves behind: metrics.json, predictions.csv, and a short table on the screen."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.base.disk import fingerprint, write_bytes, write_json
from toolkit.cli.console import display_width, one_line, pad
from toolkit.data.rows import write_rejected
from toolkit.data.tables import Table
from toolkit.data.writers import TextWriter, prediction_columns, with_predictions
from toolkit.doctor.examine import leaks
from toolkit.evaluation.baselines import SimpleAnswers, baseline_lines, compare_with_model
from toolkit.evaluation.compare import Comparison
from toolkit.evaluation.diagnostics import diagnose
from toolkit.evaluation.metrics import full_scores
from toolkit.evaluation.scored_set import ScoredSet
from toolkit.report.advice import advise, headline
from toolkit.report.explanations import Explanations
from toolkit.report.page import render
from toolkit.runs.run_facts import RunFacts
from toolkit.runs.run_json import data_facts, versions


def score_columns(records: Sequence[dict], labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the columns of scored rows, (the file's own, those that are added); UserError if they share a name."""
    names = list(dict.fromkeys(name for record in records for name in record))
    return names, prediction_columns(labels, taken=names, more=("correct", "line"))


def write_scores(
    folder: Path,
    found: ScoredSet,
    table: Table,
    run: RunFacts,
    model_dir: Path,
    train: Table | None,
    answers: SimpleAnswers | None,
    comparison: Comparison | None = None,
) -> dict:
    """Write metrics.json, predictions.csv and rejected_rows.csv of a scored table into `folder`.

    `table` has its rows in `records` and their lines as the index of its `frame`; `run` is the model's run.json,
    `train` its training table, if that is still there, and `answers` are those of simple methods. Returned is the
    content of metrics.json, which a `comparison` with another run is added to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = {"directory": str(model_dir), "sha256": fingerprint(model_dir / "model.safetensors")}
    plain_scores = full_scores(found)
    scores = {
        **plain_scores,
        "headline": headline(plain_scores, run.options.get("metric", "accuracy"), run.positive_label),
        "model": model | {"base_model": run.base_model},
        "data": data_facts({"test": table}, {}),
        "versions": versions(),
        "baselines": compare_with_model(found, answers),
        "findings": [finding.as_json() for finding in leaks(train, table)] if train else None,
        **diagnose(found, plain_scores, table.records, table.record_columns.names, run.max_length),
    }
    if comparison is not None:
        scores["comparison"] = comparison.as_json()
    scores["advice"] = [piece.as_json() for piece in advise(scores, run, read_history(model_dir))]
    predictions = _predictions(found, table.records, table.frame.index.tolist(), run.labels)
    (folder / "report.html").unlink(missing_ok=True)  # one of other scores is worse than none
    write_json(folder / "metrics.json", scores)
    write_bytes(folder / "predictions.csv", predictions)
    write_rejected(folder / "rejected_rows.csv", table.rejected)
    return scores


def write_report(
    folder: Path,
    found: ScoredSet,
    scores: dict,
    table: Table,
    run: RunFacts,
    language: str,
    explanations: Explanations,
) -> None:
    """Write report.html of what write_scores has written and returned, in a language (en or zh)."""
    history = read_history(Path(scores["model"]["directory"]))
    advice = advise(scores, run, history)
    page = render(found, scores, table, run, history, advice, language, explanations)
    write_bytes(folder / "report.html", page)


def read_history(model_dir: Path) -> list[dict]:
    """Return the evaluations of the run that a model is from, none if they are gone or those of another run."""
    try:
        lines = (model_dir.parent / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        history, best = list(map(json.loads, lines)), json.loads((model_dir / "run.json").read_text("utf-8"))["metrics"]
    except (OSError, ValueError, LookupError):
        return []
    return history if best in history else []


def _predictions(found: ScoredSet, records: Sequence[dict], lines: Sequence[int], labels: Sequence[str]) -> bytes:
    """Return predictions.csv: the rows the model got wrong, most confident first, then the others in file order.

    To the input's columns and the predictions come `correct`, and `line`, where the row begins in the file.
    """
    names, added = score_columns(records, labels)
    right = found.right
    order = np.lexsort((np.where(right, 0.0, -found.confidence), right))
    facts = [{"correct": "yes" if right[i] else "no", "line": lines[i]} for i in range(len(records))]
    rows = with_predictions(records, found.probabilities, found.predicted, labels)
    rows = [{**facts[i], **row} for i, row in enumerate(rows)]
    form = TextWriter("csv", [*names, *added])
    return form.header + form.encode([rows[i] for i in order])


def score_lines(scores: dict) -> list[str]:
    """Return the content of metrics.json as lines to read: a row a label, the averages, and where the errors go."""
    names = [one_line(label) for label in scores["labels"]]
    width = max(13, *map(display_width, names))
    lines = [" " * width + "  precision  recall      f1  support"]
    for name, label in zip(names, scores["labels"], strict=True):
        lines.append(pad(name, width) + _row(*scores["per_class"][label].values()))
    for name in ("macro", "weighted"):
        values = [scores[f"{name}_{what}"] for what in ("precision", "recall", "f1")]
        lines.append(pad(f"{name} mean", width) + _row(*values, scores["rows"]))
    of = "" if scores["positive_label"] is None else f" of {scores['positive_label']}"
    ranking = f"ROC-AUC{of} {_number(scores['roc_auc'])}, average precision{of} {_number(scores['average_precision'])}"
    interval = "95% interval {:.4f} to {:.4f}".format(*scores["intervals"]["accuracy"])
    lines += ["", f"accuracy {scores['accuracy']:.4f} ({interval}), MCC {scores['mcc']:.4f}, {ranking}"]
    lines += [_calibration(**scores["calibration"])]
    lines += [f"beware: {one_line(piece['what'])}" for piece in scores["advice"] if piece["level"] == "bad"]
    if len(names) <= 10:
        lines += ["", *_confusion(names, scores["confusion_matrix"], width)]
    return [*lines, "", *baseline_lines(scores["baselines"])]


def _row(precision: float, recall: float, f1: float, support: int, *_) -> str:
    return f"  {precision:9.4f}  {recall:6.4f}  {f1:6.4f}  {support:7,}"


def _calibration(temperature: float, before: dict, after: dict) -> str:
    error, score = after["calibration_error"], after["brier_score"]
    earlier = f"{before['calibration_error']:.4f}, {before['brier_score']:.4f}"
    return (
        f"calibration error {error:.4f}, Brier score {score:.4f} "
        f"(before calibration {earlier}; temperature {temperature:.2f})"
    )


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"


def _confusion(labels: Sequence[str], matrix: Sequence[Sequence[int]], width: int) -> list[str]:
    cells = [max(display_width(label), 6) for label in labels]
    lines = [
        pad("true / as", width) + "".join("  " + pad(*cell, right=True) for cell in zip(labels, cells, strict=True))
    ]
    for label, row in zip(labels, matrix, strict=True):
        counts = (f"  {count:>{cell},}" for count, cell in zip(row, cells, strict=True))
        lines.append(pad(label, width) + "".join(counts))
    return lines
