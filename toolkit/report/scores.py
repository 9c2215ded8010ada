"""What a scored test set leaves behind: metrics.json, predictions.csv, and a short table on the screen."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.base.disk import write_bytes, write_json
from toolkit.base.languages import Text
from toolkit.cli.console import display_width, one_line, pad, shown_label
from toolkit.data.rows import write_rejected
from toolkit.data.tables import Table
from toolkit.doctor.examine import leaks
from toolkit.evaluation.baselines import baseline_lines, compare_with_model
from toolkit.evaluation.compare import Comparison
from toolkit.evaluation.diagnostics import diagnose
from toolkit.evaluation.metrics import full_scores
from toolkit.models.model_files import ModelFiles
from toolkit.models.trust import fingerprint_weights
from toolkit.predictions.added_columns import PredictedRows, scored_columns
from toolkit.predictions.writers import TextWriter
from toolkit.report.advice import Advice, advise, headline
from toolkit.report.texts import SCREEN
from toolkit.runs.run_json import RunFacts, table_facts, versions

MAX_PRINTED_LABELS = 10  # of more, the confusion matrix is not printed
MIN_LABEL_WIDTH = 13  # columns of the screen, for "weighted mean"
MIN_COUNT_WIDTH = 6


@dataclass(frozen=True)
class ScoredRun:
    """A scored test set, with the run whose model was scored and what its scores are compared with."""

    scored: Any  # a ScoredSet, or where rows may have several labels a ScoredLabelSets
    table: Table  # the test set, with its `records`
    run: RunFacts  # of the model
    model_files: ModelFiles  # which model it was
    train_table: Table | None  # None: it is gone or has changed
    simple_answers: Any  # SimpleAnswers, or where rows may have several labels LabelSetAnswers; None: no training table
    comparison: Comparison | None = None  # with another run
    averaged_with: Sequence[ModelFiles] = ()  # other models, of whose probabilities and those of the first the mean is

    @property
    def model_dir(self) -> Path:
        """The directory of the model."""
        return self.model_files.directory

    @property
    def history(self) -> list[dict[str, Any]]:
        """The evaluations of the run that the model is from; none of several, or if they are gone."""
        return [] if self.averaged_with else read_history(self.model_dir)

    @property
    def models(self) -> list[ModelFiles]:
        """The model, or all whose mean was scored."""
        return [self.model_files, *self.averaged_with]

    def leaks(self) -> list[dict[str, Any]] | None:
        """Return which rows are training rows too, in the form of metrics.json; None without the training rows."""
        if self.train_table is None:
            return None
        return [finding.as_json() for finding in leaks(self.train_table, self.table)]

    def check_models(self) -> None:
        """Raise UserError if another model is in one of the directories by now."""
        for model in self.models:
            model.check()


def write_scores(folder: Path, scored_run: ScoredRun) -> dict[str, Any]:
    """Write metrics.json, predictions.csv and rejected_rows.csv into `folder`; return the content of metrics.json.

    A report.html that is there, of other scores, is removed. Raises UserError, and writes nothing, if the model that
    was scored is no longer in its directory, so that the scores would bear the fingerprint of another one.
    """
    scores = _all_scores(scored_run)
    advice = advise(scores, scored_run.run, scored_run.history, scored_run.train_table)
    scores["advice"] = [piece.as_json() for piece in advice]
    write_scored_run(folder, scored_run, scores)
    return scores


def write_scored_run(folder: Path, scored_run: ScoredRun, scores: Mapping[str, Any]) -> None:
    """Write `scores` as metrics.json, predictions.csv and rejected_rows.csv; UserError as write_scores."""
    predictions = _predictions(scored_run)
    scored_run.check_models()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").unlink(missing_ok=True)
    write_json(folder / "metrics.json", scores)
    write_bytes(folder / "predictions.csv", predictions)
    write_rejected(folder / "rejected_rows.csv", scored_run.table.rejected)


def _all_scores(scored_run: ScoredRun) -> dict[str, Any]:
    """Return the content of metrics.json, but for the advice that follows from it."""
    scored = scored_run.scored
    table = scored_run.table
    run = scored_run.run
    plain_scores = full_scores(scored)
    longest_read = scored.longest_read or run.max_length
    scores = {
        **plain_scores,
        "headline": headline(plain_scores, run.options.get("metric", "accuracy"), run.positive_label),
        **origin(scored_run),
        "baselines": compare_with_model(scored, scored_run.simple_answers),
        "findings": scored_run.leaks(),
        **diagnose(scored, plain_scores, table.records, table.record_columns.names, longest_read),
    }
    if scored_run.comparison is not None:
        scores["comparison"] = scored_run.comparison.as_json()
    return scores


def origin(scored_run: ScoredRun) -> dict[str, Any]:
    """Return what metrics.json says of the model, of the rows and of the versions of packages."""
    model = {**_model_entry(scored_run.model_files), "base_model": scored_run.run.base_model}
    if scored_run.averaged_with:
        model["averaged_with"] = list(map(_model_entry, scored_run.averaged_with))
    facts = table_facts({"test": scored_run.table}, {})
    return {
        "model": model,
        "data": {name: of_table.as_json() for name, of_table in facts.items()},
        "versions": versions(),
    }


def _model_entry(model: ModelFiles) -> dict[str, Any]:
    """Return what metrics.json says of a model directory."""
    return {"directory": str(model.directory), "sha256": fingerprint_weights(model.directory)}


def read_history(model_dir: Path) -> list[dict[str, Any]]:
    """Return the evaluations of the run that a model is from; none if they are gone or those of another run."""
    try:
        lines = (model_dir.parent / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        history = [json.loads(line) for line in lines]
        best = json.loads((model_dir / "run.json").read_text(encoding="utf-8"))["metrics"]
    except (OSError, ValueError, LookupError):
        return []
    return history if best in history else []


def _predictions(scored_run: ScoredRun) -> bytes:
    """Return predictions.csv: the rows the model got wrong, most confident first, then the others in file order.

    To the input's columns and the predictions come `correct`, and `line`, where the row begins in the file.
    """
    scored = scored_run.scored
    records = scored_run.table.records
    columns = scored_columns(records, scored_run.run.labels, scored_run.run.columns.label_separator)
    predictions = columns.added.fill(records, PredictedRows(scored.probabilities, scored.predicted))
    rows = []
    for row, line, is_right in zip(predictions, scored_run.table.frame.index.tolist(), scored.right, strict=True):
        rows.append({"correct": "yes" if is_right else "no", "line": line, **row})
    order = np.lexsort((np.where(scored.right, 0.0, -scored.confidence), scored.right))
    writer = TextWriter("csv", columns.names, names=scored_run.table.written_names)
    return writer.header + writer.encode([rows[number] for number in order])


def score_lines(scores: Mapping[str, Any], advice: Sequence[Advice] = (), language: str = "en") -> list[str]:
    """Return the content of metrics.json as lines to read: a row a label, the averages, and where the errors go.

    `advice` is what follows from it, of which the worst is told.
    """
    names = [shown_label(label) for label in scores["labels"]]
    width = max(MIN_LABEL_WIDTH, *map(display_width, names))
    lines = [*_label_lines(scores, names, width, language), ""]
    lines += [_accuracy_line(scores)[language], _calibration_line(scores["calibration"])[language]]
    lines += warning_lines(advice, language)
    if len(names) <= MAX_PRINTED_LABELS:
        matrix = _confusion_lines(names, scores["confusion_matrix"], width, SCREEN["true_as"][language])
        lines += ["", *matrix]
    return [*lines, "", *baseline_lines(scores["baselines"], language)]


def warning_lines(advice: Sequence[Advice], language: str) -> list[str]:
    """Return the worst of some pieces of advice, a line each."""
    warnings = [one_line(piece.sentence(language)) for piece in advice if piece.level == "bad"]
    return [SCREEN["warning"].fill(sentence=sentence)[language] for sentence in warnings]


def _label_lines(scores: Mapping[str, Any], names: Sequence[str], width: int, language: str) -> list[str]:
    """Return precision, recall, F1 and rows of each label, by the names as they are printed, and their means."""
    lines = [" " * width + SCREEN["columns"][language]]
    for name, label in zip(names, scores["labels"], strict=True):
        entry = scores["per_class"][label]
        lines.append(pad(name, width) + _numbers(entry["precision"], entry["recall"], entry["f1"], entry["support"]))
    for mean in ("macro", "weighted"):
        precision, recall, f1 = (scores[f"{mean}_{score}"] for score in ("precision", "recall", "f1"))
        lines.append(pad(SCREEN[f"mean_{mean}"][language], width) + _numbers(precision, recall, f1, scores["rows"]))
    return lines


def _numbers(precision: float, recall: float, f1: float, support: int) -> str:
    return f"  {precision:9.4f}  {recall:6.4f}  {f1:6.4f}  {support:7,}"


def _accuracy_line(scores: Mapping[str, Any]) -> Text:
    low, high = scores["intervals"]["accuracy"]
    of_label: str | Text = ""
    if scores["positive_label"] is not None:
        of_label = SCREEN["of_label"].fill(label=shown_label(scores["positive_label"]))
    return SCREEN["accuracy"].fill(
        accuracy=scores["accuracy"],
        low=low,
        high=high,
        mcc=scores["mcc"],
        of_label=of_label,
        roc_auc=_number(scores["roc_auc"]),
        average_precision=_number(scores["average_precision"]),
    )


def _number(value: float | None) -> str | Text:
    return SCREEN["not_defined"] if value is None else f"{value:.4f}"


def _calibration_line(calibration: Mapping[str, Any]) -> Text:
    after = calibration["after"]
    before = calibration["before"]
    return SCREEN["calibration"].fill(
        error=after["calibration_error"],
        brier=after["brier_score"],
        error_before=before["calibration_error"],
        brier_before=before["brier_score"],
        temperature=calibration["temperature"],
    )


def _confusion_lines(names: Sequence[str], matrix: Sequence[Sequence[int]], width: int, corner: str) -> list[str]:
    """Return the confusion matrix (C, C), a line for each true label; `corner` stands above the labels."""
    widths = [max(display_width(name), MIN_COUNT_WIDTH) for name in names]
    header = [pad(name, column, right=True) for name, column in zip(names, widths, strict=True)]
    lines = ["  ".join([pad(corner, width), *header])]
    for name, row in zip(names, matrix, strict=True):
        counts = [f"{count:>{column},}" for count, column in zip(row, widths, strict=True)]
        lines.append("  ".join([pad(name, width), *counts]))
    return lines
