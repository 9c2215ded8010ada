"""What a scored test set leaves behind where a row may have several labels: metrics.json, predictions.csv, a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toolkit.base.languages import Text
from toolkit.cli.console import display_width, pad, shown_label
from toolkit.evaluation.baselines import baseline_lines
from toolkit.evaluation.label_set_baselines import compare_label_sets_with_model
from toolkit.evaluation.label_set_diagnostics import diagnose_label_sets
from toolkit.evaluation.label_set_metrics import full_label_set_scores
from toolkit.report.advice import Advice
from toolkit.report.label_set_advice import USUAL_METRIC, advise_on_label_sets, label_set_headline
from toolkit.report.scores import ScoredRun, origin, warning_lines, write_scored_run
from toolkit.report.texts import LABEL_SETS, SCREEN

MAX_PRINTED = 30  # labels
MIN_LABEL_WIDTH = 13  # columns of the screen, for "macro mean"
MAX_INSTEAD = 5  # pairs of a label that is missed and one that is added


def write_label_set_scores(folder: Path, scored_run: ScoredRun) -> dict[str, Any]:
    """Write metrics.json, predictions.csv and rejected_rows.csv into a folder; return the content of metrics.json.

    A report.html that is there is removed; UserError as write_scores.
    """
    scored = scored_run.scored
    table = scored_run.table
    run = scored_run.run
    plain_scores = full_label_set_scores(scored)
    longest_read = scored.longest_read or run.max_length
    scores = {
        **plain_scores,
        "headline": label_set_headline(plain_scores, run.options.get("metric", USUAL_METRIC)),
        **origin(scored_run),
        "label_separator": run.columns.label_separator,
        "baselines": compare_label_sets_with_model(scored, scored_run.simple_answers),
        "findings": scored_run.leaks(),
        **diagnose_label_sets(scored, plain_scores, table.records, table.record_columns.names, longest_read),
    }
    if scored_run.comparison is not None:
        scores["comparison"] = scored_run.comparison.as_json()
    advice = advise_on_label_sets(scores, run, scored_run.history)
    scores["advice"] = [piece.as_json() for piece in advice]
    write_scored_run(folder, scored_run, scores)
    return scores


def label_set_lines(scores: Mapping[str, Any], advice: Sequence[Advice] = (), language: str = "en") -> list[str]:
    """Return the content of metrics.json as lines to read: a row a label, the means, and what is taken for what.

    `advice` is what follows from it, of which the worst is told.
    """
    names = [shown_label(label) for label in scores["labels"][:MAX_PRINTED]]
    width = max(MIN_LABEL_WIDTH, *map(display_width, names))
    lines = [" " * width + LABEL_SETS["columns"][language]]
    for name, label in zip(names, scores["labels"], strict=False):
        entry = scores["per_label"][label]
        lines.append(f"{pad(name, width)}{_numbers(entry)}  {entry['support']:7,}  {entry['threshold']:9.4f}")
    if len(scores["labels"]) > MAX_PRINTED:
        lines.append(LABEL_SETS["more"].fill(count=len(scores["labels"]) - MAX_PRINTED)[language])
    for mean in ("micro", "macro"):
        entry = {score: scores[f"{mean}_{score}"] for score in ("precision", "recall", "f1")}
        lines.append(pad(SCREEN[f"mean_{mean}"][language], width) + _numbers(entry))
    lines += ["", _scores_line(scores)[language], _calibration_line(scores["calibration"])[language]]
    lines += warning_lines(advice, language)
    for entry in scores["instead"][:MAX_INSTEAD]:
        missed = shown_label(entry["missed"])
        added = shown_label(entry["added"])
        lines.append(LABEL_SETS["instead"].fill(missed=missed, added=added, rows=entry["rows"])[language])
    return [*lines, "", *baseline_lines(scores["baselines"], language)]


def _numbers(entry: Mapping[str, float]) -> str:
    return f"  {entry['precision']:9.4f}  {entry['recall']:6.4f}  {entry['f1']:6.4f}"


def _scores_line(scores: Mapping[str, Any]) -> Text:
    low, high = scores["intervals"]["micro_f1"] or (scores["micro_f1"],) * 2
    return LABEL_SETS["scores"].fill(
        micro_f1=scores["micro_f1"],
        low=low,
        high=high,
        sample_f1=scores["sample_f1"],
        subset_accuracy=scores["subset_accuracy"],
        hamming_loss=scores["hamming_loss"],
        mean_average_precision=_number(scores["mean_average_precision"]),
        macro_roc_auc=_number(scores["macro_roc_auc"]),
    )


def _number(value: float | None) -> str | Text:
    return SCREEN["not_defined"] if value is None else f"{value:.4f}"


def _calibration_line(calibration: Mapping[str, Any]) -> Text:
    return LABEL_SETS["calibration"].fill(
        error=calibration["after"]["calibration_error"],
        error_before=calibration["before"]["calibration_error"],
        temperature=calibration["temperature"],
    )
