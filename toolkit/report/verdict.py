"""Whether a run is worse than simple methods on its validation rows, and what to do then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toolkit.cli.command import training_command
from toolkit.cli.console import display_width
from toolkit.cli.sections import FineTuningOptions
from toolkit.data.tables import Table
from toolkit.evaluation.texts import METHODS
from toolkit.report.remedies import Remedy, remedies
from toolkit.report.texts import VERDICT
from toolkit.runs.paths import RunPaths
from toolkit.runs.run_json import RunFacts
from toolkit.runs.texts import SCORES


@dataclass(frozen=True)
class Shortfall:
    """A score in which the best of the simple methods is above the model."""

    metric: str
    model: float
    method: str  # a key of METHODS
    simple: float


@dataclass(frozen=True)
class Verdict:
    """That a run is worse than simple methods, what would help, and the command that does it."""

    shortfalls: list[Shortfall]
    remedies: list[Remedy]
    command: str

    def lines(self, language: str = "en") -> Iterator[str]:
        """Yield it as lines to read."""
        for shortfall in self.shortfalls:
            yield VERDICT["worse"].fill(
                method=METHODS[shortfall.method],
                metric=SCORES[shortfall.metric],
                model=shortfall.model,
                simple=shortfall.simple,
            )[language]
        first_words = VERDICT["may_help"][language]
        for number, remedy in enumerate(self.remedies):
            words = first_words if number == 0 else " " * display_width(first_words)
            yield f"{words}{remedy.sentence(language)}"
        yield VERDICT["to_try"].fill(command=self.command)[language]

    def as_json(self) -> dict[str, Any]:
        """Return it for run.json, without the command, which depends on where the run is and whether it was resumed."""
        return {
            "worse_than_simple": [asdict(shortfall) for shortfall in self.shortfalls],
            "advice": [
                {"kind": remedy.kind, "what": remedy.sentence(), "options": remedy.options} for remedy in self.remedies
            ],
        }


def judge(
    run: RunFacts, history: Sequence[Mapping[str, Any]], train: Table | None, options: FineTuningOptions
) -> Verdict | None:
    """Return the verdict on a run by its validation scores and `baselines`, None if no simple method is above it.

    Accuracy is compared, and macro F1 too where that is what chose the model. `history` has the evaluations of the
    run, `train` its training rows.
    """
    if run.columns.have_label_sets:
        return None  # what would help has not been measured for them
    metrics = ["accuracy"]
    if run.options.get("metric") == "macro_f1":
        metrics.insert(0, "macro_f1")
    shortfalls = [shortfall for metric in metrics for shortfall in _shortfalls(run, metric)]
    if not shortfalls:
        return None
    helpful = remedies(run, history, train)
    changes: dict[str, Any] = {}
    for remedy in helpful:
        if "model" in changes:
            break  # what else would help was found with another model
        changes |= {name: value for name, value in remedy.options.items() if name not in changes}
    if not changes:
        changes["find_label_errors"] = True
    command = training_command(options, changes | {"output_dir": str(_next_directory(options))})
    return Verdict(shortfalls, helpful, command)


def _shortfalls(run: RunFacts, metric: str) -> Iterator[Shortfall]:
    """Yield the best of the simple methods if it is above the model's score on the validation rows."""
    methods = (run.baselines or {}).get("valid", {})
    score = run.metrics.get(metric)
    if not methods or not isinstance(score, float):
        return
    best = max(methods, key=lambda method: methods[method][metric])
    if score < methods[best][metric]:
        yield Shortfall(metric, score, best, methods[best][metric])


def _next_directory(options: FineTuningOptions) -> Path:
    """Return a run directory beside that of a run, or of all its seeds, that is not there yet."""
    folder = Path(options.output.output_dir)
    if RunPaths(folder.parent).of_seed(options.training.seed).folder == folder:
        folder = folder.parent
    number = 2
    while (candidate := folder.with_name(f"{folder.name}_{number}")).exists():
        number += 1
    return candidate
