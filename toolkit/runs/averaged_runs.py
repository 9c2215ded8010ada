"""Several runs whose models are averaged: whether they go together, and what they are as one run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.base.languages import Text, beginning
from toolkit.cli.sections import ColumnOptions
from toolkit.runs.run_json import RunFacts, read_run
from toolkit.runs.texts import AVERAGING, KINDS_OF_TEXTS

MAX_LISTED = 5  # labels in an error


def read_runs(folders: Sequence[Path], options: ColumnOptions) -> list[RunFacts]:
    """Return the runs of some model directories, or of one; `options` say what columns are called.

    Raises UserError, naming two of them, if their models cannot be averaged: they have different labels, or read
    different texts.
    """
    runs = [read_run(folder) for folder in folders]
    for number, (folder, run) in enumerate(zip(folders, runs, strict=True)):
        if folder.resolve() in [other.resolve() for other in folders[:number]]:
            raise UserError(AVERAGING["twice"].fill(folder=folder))
        problem = _difference(runs[0], run, options)
        if problem is not None:
            raise UserError(AVERAGING["problem"].fill(first=folders[0], second=folder, problem=problem))
    return runs


def _difference(first: RunFacts, other: RunFacts, options: ColumnOptions) -> Text | None:
    """Return why two models cannot be averaged, None if they can."""
    if set(first.labels) != set(other.labels):
        return AVERAGING["labels"].fill(first=_listed(first.labels), second=_listed(other.labels))
    if first.columns.have_label_sets != other.columns.have_label_sets:
        return AVERAGING["label_sets"]
    if first.pairs != other.pairs:
        return AVERAGING["kinds"].fill(first=KINDS_OF_TEXTS[first.pairs], second=KINDS_OF_TEXTS[other.pairs])
    for option, named, own, others in (
        ("--text_column", options.text_column, first.columns.text, other.columns.text),
        ("--pair_column", options.pair_column, first.columns.text_pair, other.columns.text_pair),
    ):
        if named is None and own != others:
            return AVERAGING["column"].fill(first=repr(own), second=repr(others), option=option)
    return None


def _listed(labels: Sequence[str]) -> Text:
    return beginning([repr(label) for label in labels], MAX_LISTED)


def as_one_run(runs: Sequence[RunFacts]) -> RunFacts:
    """Return what some runs are as one: a single one itself; of several the first without what is of it alone.

    What the training files call labels is known of all of them. Whether the training rows are those of all is seen by
    the fingerprints of their files; if not, there are none.
    """
    first = runs[0]
    if len(runs) == 1:
        return first
    new_names: dict[str, str] = {}
    for run in reversed(runs):
        new_names |= run.new_label_names
    files = {run.data["train"].sha256 if "train" in run.data else "" for run in runs}
    return replace(
        first,
        base_model=" + ".join(dict.fromkeys(run.base_model for run in runs)),
        options=first.options | {"map_labels": new_names or None},
        data=first.data if len(files) == 1 else {},
        findings=first.findings if len(files) == 1 else None,
        metrics={},
        baselines=None,
        verdict=None,
        train_seconds=None,
        real_tokens_per_second=None,
    )
