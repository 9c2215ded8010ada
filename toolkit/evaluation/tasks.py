"""What a model is to say of a text, one label or any number of them: how its logits are read and scored, by one name.

N rows, C labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from toolkit.cli.sections import TrainingOptions
from toolkit.evaluation.decision import (
    AverageDecision,
    Decision,
    decision_of,
    decision_of_average,
    find_positive_id,
    mean_logits,
)
from toolkit.evaluation.label_set_decision import (
    LabelSetDecision,
    average_label_set_decision,
    label_set_decision_of,
    mean_sigmoid_logits,
)
from toolkit.evaluation.scored_set import ScoredLabelSets, ScoredSet
from toolkit.runs.run_json import RunFacts

if TYPE_CHECKING:  # it imports pandas, which a machine that only predicts does without
    from toolkit.data.tables import Table


@dataclass(frozen=True)
class RowsToScore:
    """What was predicted of N labelled rows."""

    logits: np.ndarray  # (N, C)
    label_ids: np.ndarray  # (N,), or where rows may have several labels (N, C) bool
    token_counts: np.ndarray  # (N,), of each row before it is truncated
    longest_read: int | None  # tokens of a row that are all read


AnyDecision: TypeAlias = Decision | LabelSetDecision


class Answers(Protocol):
    """What simple methods answer to the rows of a table."""

    def scores(self, table: "Table") -> dict[str, dict[str, float]]:
        """Return for each method its scores on the labelled table, in the form of run.json."""


class Task(Protocol):
    """What a model is to say of a text; each method is for both kinds."""

    @property
    def positive_label(self) -> str:
        """The label that f1, ROC curves and a threshold are for; nothing where they are for none alone."""

    def quick_scores(
        self, logits: np.ndarray, label_ids: np.ndarray, together: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Return what an evaluation during training reports of logits (N, C).

        Rows of one number in `together` (N,) are not parted where something is chosen by cross-validation.
        """

    def decision_of(self, run: RunFacts, calibrated: bool = True, threshold: float | None = None) -> AnyDecision:
        """Return how a run turns logits into probabilities and predictions; UserError for what makes no sense in it."""

    def decision_of_average(self, runs: Sequence[RunFacts], threshold: float | None = None) -> AverageDecision:
        """Return how the mean probabilities of some runs become predictions."""

    def simple_answers(self, train: "Table | None", tables: Mapping[str, "Table"]) -> Mapping[str, Answers]:
        """Return, for each of `tables` but `train` itself, what simple methods answer that have learned from `train`.

        Without a training table there are no answers.
        """

    def mean_logits(self, probabilities: Sequence[np.ndarray]) -> np.ndarray:
        """Return logits (N, C) that stand for the mean of some probabilities, each (N, C)."""

    def scored(self, rows: RowsToScore, decision: Any) -> ScoredSet | ScoredLabelSets:
        """Return predicted rows ready to be scored; `decision` is one of decision_of or decision_of_average."""


@dataclass(frozen=True)
class OneLabelTask:
    """Each row has one label, and the model gives one probability distribution over all."""

    labels: list[str]
    positive_id: int = 1  # number of the label that f1 and a threshold are for
    threshold: float | str | None = None
    metric: str = "accuracy"

    @property
    def positive_label(self) -> str:
        """The label that f1, ROC curves and a threshold are for."""
        return self.labels[self.positive_id]

    def quick_scores(
        self, logits: np.ndarray, label_ids: np.ndarray, together: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Return what an evaluation during training reports; label_ids (N,)."""
        from toolkit.evaluation.metrics import DecisionSettings, quick_scores  # noqa: PLC0415 - slow, and infer.py does without

        settings = DecisionSettings(self.positive_id, self.threshold, self.metric, self.labels)
        return quick_scores(logits, label_ids, settings, together)

    def decision_of(self, run: RunFacts, calibrated: bool = True, threshold: float | None = None) -> Decision:
        """Return the Decision of a run.json; a `threshold` that is given replaces the run's."""
        return decision_of(run, calibrated, threshold)

    def decision_of_average(self, runs: Sequence[RunFacts], threshold: float | None = None) -> AverageDecision:
        """Return the Decision for the mean probabilities of some runs."""
        return decision_of_average(runs, threshold)

    def simple_answers(self, train: "Table | None", tables: Mapping[str, "Table"]) -> Mapping[str, Answers]:
        """Return the SimpleAnswers of each table."""
        from toolkit.evaluation.baselines import simple_answers  # noqa: PLC0415 - slow, and infer.py does without

        return simple_answers(train, tables)

    def mean_logits(self, probabilities: Sequence[np.ndarray]) -> np.ndarray:
        """Return logits (N, C) whose softmax is the mean of some probabilities."""
        return mean_logits(probabilities)

    def scored(self, rows: RowsToScore, decision: Decision) -> ScoredSet:
        """Return predicted rows ready to be scored."""
        return ScoredSet(rows.logits, rows.label_ids, rows.token_counts, self.labels, decision, rows.longest_read)


@dataclass(frozen=True)
class LabelSetTask:
    """A row may have several labels, or none, and the model gives a probability for each by itself."""

    labels: list[str]
    threshold: float | str | None = None
    metric: str = "micro_f1"

    @property
    def positive_label(self) -> str:
        """Nothing: a threshold is for every label."""
        return ""

    def quick_scores(
        self, logits: np.ndarray, label_ids: np.ndarray, together: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Return what an evaluation during training reports; label_ids (N, C) bool."""
        from toolkit.evaluation.label_set_metrics import LabelSetSettings, quick_label_set_scores  # noqa: PLC0415 - as above

        settings = LabelSetSettings(self.labels, self.threshold, self.metric)
        return quick_label_set_scores(logits, label_ids, settings, together)

    def decision_of(self, run: RunFacts, calibrated: bool = True, threshold: float | None = None) -> LabelSetDecision:
        """Return the LabelSetDecision of a run.json; a `threshold` that is given replaces the run's."""
        return label_set_decision_of(run, calibrated, threshold)

    def decision_of_average(self, runs: Sequence[RunFacts], threshold: float | None = None) -> AverageDecision:
        """Return the LabelSetDecision for the mean probabilities of some runs."""
        return average_label_set_decision(runs, threshold)

    def simple_answers(self, train: "Table | None", tables: Mapping[str, "Table"]) -> Mapping[str, Answers]:
        """Return the LabelSetAnswers of each table."""
        from toolkit.evaluation.label_set_baselines import label_set_answers  # noqa: PLC0415 - as above

        return label_set_answers(train, tables, self.labels)

    def mean_logits(self, probabilities: Sequence[np.ndarray]) -> np.ndarray:
        """Return logits (N, C) whose sigmoid is the mean of some probabilities."""
        return mean_sigmoid_logits(probabilities)

    def scored(self, rows: RowsToScore, decision: LabelSetDecision) -> ScoredLabelSets:
        """Return predicted rows ready to be scored."""
        return ScoredLabelSets(rows.logits, rows.label_ids, rows.token_counts, self.labels, decision, rows.longest_read)


def training_task(labels: list[str], several_labels: bool, options: TrainingOptions) -> Task:
    """Return the task of a run that is trained; UserError for options that do not go with the labels."""
    if several_labels:
        return LabelSetTask(labels, options.threshold, options.metric)
    positive_id = find_positive_id(labels, options.positive_label, options.metric, options.threshold)
    return OneLabelTask(labels, positive_id, options.threshold, options.metric)


def task_of(run: RunFacts) -> Task:
    """Return the task of a finished run."""
    return LabelSetTask(run.labels) if run.columns.have_label_sets else OneLabelTask(run.labels)
