"""Which words mattered for the rows that a model got wrong; a finished run does not fail where that cannot be found."""

from dataclasses import dataclass, field

import numpy as np
import torch

from toolkit.base.errors import UserError, is_out_of_memory, message_of
from toolkit.base.languages import Text, count_of
from toolkit.cli.console import Log
from toolkit.cli.exits import OUT_OF_MEMORY
from toolkit.compute.memory import RowLimit, release_memory
from toolkit.evaluation.explain import Segment, attribute
from toolkit.evaluation.scored_set import ScoredLabelSets, ScoredSet
from toolkit.report.scores import ScoredRun
from toolkit.report.texts import SCREEN
from toolkit.runs.saved_model import load_saved_classifier
from toolkit.tokens.encoder import Encoder

SegmentedTexts = list[list[Segment]]  # the segments of each text of a row: one, or two of a pair


@dataclass(frozen=True)
class Explainer:
    """What it takes to ask a saved model for reasons: the encoder of its texts, and a device."""

    encoder: Encoder
    device: torch.device
    equal_lengths: bool = False  # the model's scores change with padding


@dataclass(frozen=True)
class Explanations:
    """The segments of the rows that are explained, by the numbers of the rows; or why there are none."""

    rows: dict[int, SegmentedTexts] = field(default_factory=dict)
    left_out: int = 0  # other rows, for which the memory did not suffice even one at a time
    problem: str = ""  # "no_memory", "failed", "average" (it is that of several models), or "" where nothing went wrong
    reason: Text = Text("", "")  # of the problem


def explain_errors(scored_run: ScoredRun, explainer: Explainer, max_rows: int, log: Log) -> Explanations:
    """Return which words of the most confident errors spoke for the predicted label and which for the true one.

    Where a row may have several labels: which spoke for those that are added, and which for those that are missed.

    A model whose memory runs out gets smaller batches, and rows that do not fit alone are left out. Where no row fits,
    the model cannot be loaded or asked, or another one is in its directory by now, there are no explanations: `log`
    gets a line that says why, and no exception is raised.

    Args:
        scored_run: what was predicted, and by which model. That is loaded once more, as it was saved, since the one
            that predicts fast cannot be asked.
        explainer: for that model.
        max_rows: how many rows are explained at most.
        log: also gets a line where batches are made smaller.
    """
    rows = most_confident_errors(scored_run.scored)[:max_rows]
    if len(rows) == 0:
        return Explanations()
    if scored_run.averaged_with:
        log(SCREEN["no_explanations"].fill(reason=SCREEN["average"]))
        return Explanations(problem="average")
    try:
        limit = RowLimit(log=log, equal_lengths=explainer.equal_lengths)
        segments = _segments(scored_run, explainer, rows, limit)
        return _of_rows_that_fit(rows, segments, log)
    except (UserError, OSError, MemoryError, RuntimeError) as error:
        out_of_memory = is_out_of_memory(error)
        reason = _first_line(message_of(error))
    if out_of_memory:
        release_memory()
        if not reason.en.startswith("out of memory"):
            reason = OUT_OF_MEMORY.fill(reason=reason)
    log(SCREEN["no_explanations"].fill(reason=reason))
    return Explanations(problem="no_memory" if out_of_memory else "failed", reason=reason)


def _first_line(message: Text) -> Text:
    english, chinese = ([*words.strip().splitlines(), ""][0] for words in (message.en, message.zh))
    return Text(english, chinese)


def _of_rows_that_fit(rows: np.ndarray, segments: list[SegmentedTexts | None], log: Log) -> Explanations:
    """Return the explanations of these rows, some of which may have no segments, or all; say how many are left out."""
    of_rows = zip(rows.tolist(), segments, strict=False)  # there may be none for any row
    explained = {row: of_row for row, of_row in of_rows if of_row is not None}
    left_out = len(segments) - len(explained)
    if left_out:
        log(SCREEN["too_long"].fill(rows=count_of(left_out, "row")))
    return Explanations(explained, left_out)


def most_confident_errors(scored: ScoredSet | ScoredLabelSets) -> np.ndarray:
    """Return the numbers of the rows that are wrong, the most confident ones first."""
    errors = np.flatnonzero(~scored.right)
    return errors[np.argsort(-scored.confidence[errors], kind="stable")]


def _segments(
    scored_run: ScoredRun, explainer: Explainer, rows: np.ndarray, limit: RowLimit
) -> list[SegmentedTexts | None]:
    """Load the model and return the segments of each of these rows, [] if it or its tokenizer cannot tell them.

    A row that does not fit the memory has None.

    A function of its own, so that nothing of the model is held once it has failed.
    """
    scored = scored_run.scored
    texts = scored_run.table.frame.drop(columns="label").to_numpy()[rows]
    contrasts = scored.contrasts[rows]
    model = load_saved_classifier(scored_run.model_dir, scored_run.run).model
    scored_run.model_files.check()
    model.to(explainer.device)
    return attribute(model, explainer.encoder, [tuple(row) for row in texts], contrasts, limit)
