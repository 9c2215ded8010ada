"""All that a scored test set leaves behind, as main.py and test_code.py write it."""

from pathlib import Path

from toolkit.cli.console import Log
from toolkit.cli.sections import ReportOptions
from toolkit.evaluation.compare import comparison_lines
from toolkit.evaluation.scored_set import ScoredLabelSets
from toolkit.report.advice import advise
from toolkit.report.explanations import Explainer, explain_errors
from toolkit.report.label_set_advice import advise_on_label_sets
from toolkit.report.label_set_page import write_label_set_report
from toolkit.report.label_set_results import label_set_lines, write_label_set_scores
from toolkit.report.page import write_report
from toolkit.report.scores import ScoredRun, score_lines, write_scores


def write_results(folder: Path, scored_run: ScoredRun, explainer: Explainer, options: ReportOptions, log: Log) -> None:
    """Write metrics.json, predictions.csv and report.html into a folder, and say the scores.

    Raises UserError, and writes nothing, if the model that was scored is no longer in its directory.
    """
    have_label_sets = isinstance(scored_run.scored, ScoredLabelSets)
    if have_label_sets:
        scores = write_label_set_scores(folder, scored_run)
        advice = advise_on_label_sets(scores, scored_run.run, scored_run.history)
        lines = label_set_lines(scores, advice, log.language)
    else:
        scores = write_scores(folder, scored_run)
        advice = advise(scores, scored_run.run, scored_run.history, scored_run.train_table)
        lines = score_lines(scores, advice, log.language)
    log("\n".join(["", *lines, *comparison_lines(scored_run.comparison, log.language)]))
    language = log.language if options.report_language == "auto" else options.report_language
    explanations = explain_errors(scored_run, explainer, options.explain_rows, log)
    if have_label_sets:
        write_label_set_report(folder, scored_run, scores, explanations, language)
    else:
        write_report(folder, scored_run, scores, explanations, language)
