"""Two runs scored on the same test rows: is the difference between them more than chance?

N rows, C labels.
"""

import csv
import io
import json
import shlex
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.data.tables import Table
from toolkit.data.writers import TextWriter
from toolkit.evaluation.intervals import difference_intervals

CHANCE = 0.05  # below it a p value is said to be more than chance


class OtherRun(NamedTuple):
    """Another run: how it was named, and its predictions, (N,) label numbers of the rows of our table in its order."""

    name: str
    answers: np.ndarray


def read_other(given: str | None, table: Table, labels: list[str]) -> OtherRun | None:
    """Return the run that --compare names, if any: its directory, or that of its model or of its test scores.

    Raises UserError if it was not scored, or not on this table as it is read here, or not with the model that it has.
    """
    if given is None:
        return None
    place = Path(given)
    run = place.parent if any((place / name).is_file() for name in ("metrics.json", "run.json")) else place
    folder = place if (place / "metrics.json").is_file() else run / "test"
    how = f"python test_code.py --model_dir {shlex.quote(str(run / 'bert_classifier'))}"
    how += f" --test_file {shlex.quote(str(table.path))}"
    try:
        scores = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        model, digest, names = scores["model"], scores["data"]["test"]["sha256"], scores["labels"]
        there = [where for where in (run / "bert_classifier", Path(model["directory"])) if where.is_dir()]
        if digest != table.sha256:
            problem = f"it was scored on another file than {table.path}; score it on this"
        elif set(names) != set(labels):
            problem = f"its labels are {', '.join(names)}, those of this model {', '.join(labels)}; score it again"
        elif there and fingerprint(there[0] / "model.safetensors") != model["sha256"]:
            problem = f"its scores are not those of the model in {there[0]}; score it again"
        elif (answers := _pair(folder / "predictions.csv", table)) is None:
            problem = f"other rows or labels of {table.path} were scored; score it again"
        else:
            return OtherRun(given, np.array([labels.index(answer) for answer in answers]))
    except (FileNotFoundError, NotADirectoryError):
        problem = "it has no test scores; score it first"
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        problem = f"its scores cannot be read ({error}); score it again"
    raise UserError(f"--compare {given}: {problem}: {how}")


def _pair(path: Path, table: Table) -> list[str] | None:
    """Return the predictions of a predictions.csv in the order of a table's rows; None if it has other rows or labels.

    Rows are told apart by their line and, since a json array may stand on one, by their texts and label. Of rows that
    are alike in all of it any may be the other's.
    """
    names = table.record_columns.names
    rows = csv.reader(io.StringIO(TextWriter("csv", names).encode(table.records).decode(), newline=""))
    keys = [(str(line), *row) for line, row in zip(table.frame.index, rows, strict=True)]
    waiting: dict[tuple, list[str]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            waiting.setdefault((row["line"], *(row[name] for name in names)), []).append(row)
    if Counter(keys) != {key: len(those) for key, those in waiting.items()}:
        return None
    found = [waiting[key].pop() for key in keys]
    right = [row["prediction"] == label for row, label in zip(found, table.frame["label"], strict=True)]
    return [row["prediction"] for row in found] if right == [row["correct"] == "yes" for row in found] else None


def compare_runs(other: OtherRun | None, label_ids: np.ndarray, ours: np.ndarray, count: int) -> dict:
    """Return what metrics.json says of another run beside ours; {} for None.

    label_ids and ours, our predictions, are (N,) numbers of `count` labels.
    """
    if other is None:
        return {}
    ours_right, theirs_right = ours == label_ids, other.answers == label_ids
    only_ours, only_theirs = int((ours_right & ~theirs_right).sum()), int((theirs_right & ~ours_right).sum())
    found = {
        "other": other.name,
        "rows": len(label_ids),
        "only_ours_right": only_ours,
        "only_theirs_right": only_theirs,
        "p_value": mcnemar(only_ours, only_theirs),
    }
    differences = difference_intervals(label_ids, ours, other.answers, positive=0, count=count)  # f1 is left out
    return {"comparison": found | {name: differences[name] for name in ("accuracy", "macro_f1")}}


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """Return the p value of McNemar's test (1947), the exact one: of the rows that one alone has right, half each.

    It is two-sided, and 1 where there are no such rows.
    """
    from scipy.stats import binomtest  # here, since importing it takes a second that only a comparison need wait

    both = only_ours + only_theirs
    return float(binomtest(only_ours, both, 0.5).pvalue) if both else 1.0


def comparison_lines(found: dict) -> list[str]:
    """Return what compare_runs found, as it stands in metrics.json, as two lines to read, none where it is missing."""
    if "comparison" not in found:
        return []
    found = found["comparison"]
    accuracy, macro_f1 = (
        "{difference:+.4f} (95% interval {low:+.4f} to {high:+.4f})".format(**found[name])
        for name in ("accuracy", "macro_f1")
    )
    p = found["p_value"]
    meaning = "more than chance explains" if p < CHANCE else "no more than chance may explain"
    rows = f"{found['only_ours_right']:,} rows only this run has right, {found['only_theirs_right']:,} only the other"
    return [
        f"against {found['other']}: accuracy {accuracy}, macro f1 {macro_f1}",
        f"McNemar {'p < 0.0001' if p < 0.0001 else f'p = {p:.2g}'}: {rows}; {meaning}",
    ]
