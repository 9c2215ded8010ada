"""Two runs scored on the same test rows: is the difference between them more than chance?

Shapes: N rows, C labels.
"""

import csv
import io
import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.base.errors import UserError, message_of
from toolkit.base.languages import COMMA, LIST_COMMA, count_of, joined
from toolkit.data.tables import Table, labels_of
from toolkit.evaluation.intervals import Difference, difference_intervals
from toolkit.evaluation.texts import COMPARISON, OTHER_RUN
from toolkit.models.trust import fingerprint_weights
from toolkit.predictions.writers import TextWriter
from toolkit.runs.texts import SCORES

ONE_LABEL_SCORES = ("accuracy", "macro_f1")
LABEL_SET_SCORES = ("micro_f1", "macro_f1")
SIGNIFICANT = 0.05  # a p value below it is said to be more than chance


@dataclass(frozen=True)
class OtherRun:
    """Another run: how it was named, and what it predicts for our table's rows, in order.

    That is the number (N,) of a label each, or where a row may have several which labels, (N, C) bool.
    """

    name: str
    predicted: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """How this run's predictions differ from those of another run for the same rows."""

    other: str
    rows: int
    only_ours_right: int
    only_theirs_right: int
    p_value: float
    differences: Mapping[str, Difference]  # by the names of the scores

    def as_json(self) -> dict[str, Any]:
        """Return it for metrics.json."""
        content = asdict(self)
        differences = content.pop("differences")
        return {**content, **differences}


class _NotComparable(Exception):
    """Why another run's scores cannot be compared with ours."""


@dataclass(frozen=True)
class _RunPaths:
    """Where the parts of another run are."""

    model_dir: Path
    test_dir: Path


def read_other(name: str | None, table: Table, labels: Sequence[str]) -> OtherRun | None:
    """Return the run that --compare names, if any: by its directory, or that of its model or of its test scores.

    Raises UserError if it was not scored, or not on this table as it is read here, or not with the model that it has.
    """
    if name is None:
        return None
    paths = _find_run(Path(name))
    try:
        predictions = _read_predictions(paths, table, labels)
        if table.columns.have_label_sets:
            return OtherRun(name, np.array([[label in names for label in labels] for names in predictions]))
        return OtherRun(name, np.array([labels.index(label) for names in predictions for label in names]))
    except _NotComparable as reason:
        problem = message_of(reason)
    except (FileNotFoundError, NotADirectoryError):
        problem = OTHER_RUN["no_scores"]
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        problem = OTHER_RUN["unreadable"].fill(reason=message_of(error))
    model_dir = shlex.quote(str(paths.model_dir))
    test_file = shlex.quote(str(table.path))
    command = f"python test_code.py --model_dir {model_dir} --test_file {test_file}"
    raise UserError(OTHER_RUN["problem"].fill(name=name, problem=problem, command=command))


def _find_run(directory: Path) -> _RunPaths:
    """Return the parts of a run that is named by its directory, or by that of its model or of its test scores."""
    has_scores = (directory / "metrics.json").is_file()
    is_part = has_scores or (directory / "run.json").is_file()
    run_dir = directory.parent if is_part else directory
    return _RunPaths(run_dir / "bert_classifier", directory if has_scores else run_dir / "test")


def _read_predictions(paths: _RunPaths, table: Table, labels: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the labels, one or several, that another run predicts for a table's rows.

    Raises _NotComparable if it was not scored on these.
    """
    scores = json.loads((paths.test_dir / "metrics.json").read_text(encoding="utf-8"))
    model = scores["model"]
    sha256 = scores["data"]["test"]["sha256"]
    other_labels = scores["labels"]
    model_dirs = [folder for folder in (paths.model_dir, Path(model["directory"])) if folder.is_dir()]
    if sha256 != table.sha256:
        raise _NotComparable(OTHER_RUN["other_file"].fill(file=table.path))
    if set(other_labels) != set(labels):
        theirs, ours = joined(other_labels, LIST_COMMA), joined(labels, LIST_COMMA)
        raise _NotComparable(OTHER_RUN["other_labels"].fill(theirs=theirs, ours=ours))
    if model_dirs and fingerprint_weights(model_dirs[0]) != model["sha256"]:
        raise _NotComparable(OTHER_RUN["other_model"].fill(folder=model_dirs[0]))
    for other in model.get("averaged_with", []):
        if Path(other["directory"]).is_dir() and fingerprint_weights(Path(other["directory"])) != other["sha256"]:
            raise _NotComparable(OTHER_RUN["other_model"].fill(folder=other["directory"]))
    separator = scores.get("label_separator")
    if (separator is not None) != table.columns.have_label_sets:
        raise _NotComparable(OTHER_RUN["other_kind"])
    predictions = _pair_rows(paths.test_dir / "predictions.csv", table, separator)
    if predictions is None:
        raise _NotComparable(OTHER_RUN["other_rows"].fill(file=table.path))
    return predictions


def _pair_rows(path: Path, table: Table, separator: str | None) -> list[tuple[str, ...]] | None:
    """Return the predictions of a predictions.csv in the order of a table's rows; None if it has other rows or labels.

    The `separator` stands between the labels of a prediction; None: it is one label.
    Rows are told apart by their line and, since a json array may stand on one line, by their texts and label. Rows that
    are alike in all of it may be paired in any order.
    """
    names = table.record_columns.names
    as_written = TextWriter("csv", names).encode(table.records).decode()
    written_names = [table.written_names.get(name, name) for name in names]
    cells = csv.reader(io.StringIO(as_written, newline=""))
    keys = [(str(line), *row) for line, row in zip(table.frame.index, cells, strict=True)]
    unpaired: dict[tuple[str, ...], list[dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            key = (row["line"], *(row[name] for name in written_names))
            unpaired.setdefault(key, []).append(row)
    if Counter(keys) != {key: len(rows) for key, rows in unpaired.items()}:
        return None
    paired = [unpaired[key].pop() for key in keys]
    predictions = [_labels_of_cell(row["prediction"], separator) for row in paired]
    pairs = zip(predictions, table.frame["label"], strict=True)
    is_right = [set(prediction) == set(labels_of(label)) for prediction, label in pairs]
    if is_right != [row["correct"] == "yes" for row in paired]:
        return None
    return predictions


def _labels_of_cell(cell: str, separator: str | None) -> tuple[str, ...]:
    """Return the labels of a prediction as it is written."""
    if separator is None:
        return (cell,)
    return tuple(cell.split(separator)) if cell else ()


def compare_runs(
    other: OtherRun | None, label_ids: np.ndarray, predicted: np.ndarray, label_count: int
) -> Comparison | None:
    """Return how our predictions compare with those of another run; None if there is no other run.

    Args:
        other: the other run.
        label_ids: (N,), of the true labels, or where a row may have several (N, C) bool, as all predictions then.
        predicted: (N,), our predictions.
        label_count: C.
    """
    if other is None:
        return None
    have_label_sets = label_ids.ndim == 2
    is_ours_right = predicted == label_ids
    is_theirs_right = other.predicted == label_ids
    if have_label_sets:
        is_ours_right = is_ours_right.all(axis=1)
        is_theirs_right = is_theirs_right.all(axis=1)
        # It imports scikit-learn, which takes seconds, and which most comparisons do without.
        from toolkit.evaluation.label_set_metrics import set_difference_intervals  # noqa: PLC0415

        differences = set_difference_intervals(label_ids, predicted, other.predicted)
    else:  # f1, the score of one label, is left out below, so any label will do
        differences = difference_intervals(label_ids, predicted, other.predicted, 0, label_count)
    only_ours_right = int((is_ours_right & ~is_theirs_right).sum())
    only_theirs_right = int((is_theirs_right & ~is_ours_right).sum())
    return Comparison(
        other=other.name,
        rows=len(label_ids),
        only_ours_right=only_ours_right,
        only_theirs_right=only_theirs_right,
        p_value=mcnemar(only_ours_right, only_theirs_right),
        differences={name: differences[name] for name in (LABEL_SET_SCORES if have_label_sets else ONE_LABEL_SCORES)},
    )


def mcnemar(only_ours_right: int, only_theirs_right: int) -> float:
    """Return the two-sided p value of McNemar's test (1947), the exact one; 1 where no row is right in one run only.

    The hypothesis is that of the rows which only one run has right, each run has half.
    """
    # scipy.stats takes half a second to import, which only a comparison has to wait for.
    from scipy.stats import binomtest  # noqa: PLC0415

    either = only_ours_right + only_theirs_right
    if not either:
        return 1.0
    return float(binomtest(only_ours_right, either, 0.5).pvalue)


def comparison_lines(comparison: Comparison | None, language: str = "en") -> list[str]:
    """Return a comparison as two lines to read, none where there is no comparison."""
    if comparison is None:
        return []
    p_value = comparison.p_value
    shown_p = "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.2g}"
    differences = [
        COMPARISON["score"].fill(name=SCORES[name], difference=COMPARISON["difference"].fill(**asdict(difference)))
        for name, difference in comparison.differences.items()
    ]
    scores = COMPARISON["scores"].fill(other=comparison.other, differences=joined(differences, COMMA))
    mcnemar_line = COMPARISON["mcnemar"].fill(
        p=shown_p,
        ours=count_of(comparison.only_ours_right, "row"),
        theirs=comparison.only_theirs_right,
        meaning=COMPARISON["more_than_chance" if p_value < SIGNIFICANT else "maybe_chance"],
    )
    return [scores[language], mcnemar_line[language]]
