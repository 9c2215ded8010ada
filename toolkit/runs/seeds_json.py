"""What the runs of --seeds have come to: the record SeedsRecord, and the seeds.json that holds it."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from toolkit.base.disk import write_json
from toolkit.base.errors import UserError, message_of
from toolkit.cli.console import display_width, pad
from toolkit.runs.paths import RunPaths
from toolkit.runs.run_json import TableFacts
from toolkit.runs.texts import MODEL_DIRECTORY, RESUMING, RUNS, SCORES

TEST_SCORES = ("test_accuracy", "test_micro_f1", "test_macro_f1")  # of which one label a row and several have two each
NEEDED = ("seeds", "runs", "options", "metric", "precision", "data", "kept")


@dataclass(frozen=True)
class SeedRun:
    """What a finished run has come to."""

    seed: int
    scores: Mapping[str, Any]  # its best evaluation, and TEST_SCORES if there was a test file

    def as_json(self) -> dict[str, Any]:
        """Return the entry of a run in seeds.json."""
        return {"seed": self.seed, **self.scores}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "SeedRun":
        """Return what an entry of seeds.json says."""
        return cls(entry["seed"], {name: value for name, value in entry.items() if name != "seed"})


@dataclass(frozen=True, kw_only=True)
class SeedsRecord:
    """What the runs of --seeds have come to, in the order of seeds.json."""

    seeds: Sequence[int]
    kept: int | None = None  # the seed of the best run; None until all runs are finished
    metric: str  # the option
    mean: Mapping[str, float] | None = None  # by score; None until all runs are finished
    sd: Mapping[str, float] | None = None  # standard deviation of a sample: divided by the number of runs - 1
    runs: Sequence[SeedRun] = ()  # those that are finished, in the order of their seeds
    options: Mapping[str, Any]  # of the command
    precision: str | None = None  # None until the first run begins
    data: Mapping[str, TableFacts] = field(default_factory=dict)
    replaces: Sequence[int] = ()  # seeds of earlier runs that are still to be removed

    def as_json(self) -> dict[str, Any]:
        """Return the content of seeds.json."""
        content = dict(vars(self))
        content["runs"] = [run.as_json() for run in self.runs]
        content["data"] = {name: table.as_json() for name, table in self.data.items()}
        if not self.replaces:
            del content["replaces"]
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SeedsRecord":
        """Return what a seeds.json holds; ValueError, TypeError or LookupError if it is not one that main.py writes."""
        missing = sorted(set(NEEDED) - set(content))
        if missing:
            raise ValueError(MODEL_DIRECTORY["missing"].fill(name=missing[0]))
        known = {each.name: content[each.name] for each in fields(cls) if each.name in content}
        known["runs"] = [SeedRun.from_json(entry) for entry in content["runs"]]
        known["data"] = {name: TableFacts.from_json(table) for name, table in content["data"].items()}
        return cls(**known)

    @property
    def score(self) -> str:
        """The name of the score by which the best run is chosen."""
        return "valid_loss" if self.metric == "loss" else self.metric

    @property
    def score_names(self) -> list[str]:
        """The names of the scores that are printed; those of a test file if every run has them."""
        names = dict.fromkeys(["accuracy", "micro_f1", "macro_f1", self.score, *TEST_SCORES])
        return [name for name in names if all(name in run.scores for run in self.runs)]

    def best_run(self) -> SeedRun:
        """Return the best of the finished runs, of equals the one with the smallest seed."""
        by_seed = sorted(self.runs, key=lambda run: run.seed)
        choose = min if self.metric == "loss" else max
        return choose(by_seed, key=lambda run: run.scores[self.score])

    def kept_run(self) -> SeedRun:
        """Return the run that is kept."""
        return next(run for run in self.runs if run.seed == self.kept)

    def with_run(self, run: SeedRun) -> "SeedsRecord":
        """Return the record with one more finished run."""
        return replace(self, runs=sorted([*self.runs, run], key=lambda each: each.seed))

    def completed(self) -> "SeedsRecord":
        """Return the record with the mean and standard deviation over all runs, and the best one as the one to keep."""
        columns = {name: [run.scores[name] for run in self.runs] for name in self.score_names}
        return replace(
            self,
            kept=self.best_run().seed,
            mean={name: statistics.fmean(column) for name, column in columns.items()},
            sd={name: statistics.stdev(column) for name, column in columns.items()},
        )


def read_seeds(paths: RunPaths) -> SeedsRecord:
    """Return what seeds.json says; UserError if it is damaged."""
    path = paths.seeds_file
    try:
        return SeedsRecord.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UserError(RESUMING["damaged"].fill(path=path, reason=message_of(error))) from None


def write_seeds(paths: RunPaths, record: SeedsRecord) -> None:
    """Replace seeds.json."""
    write_json(paths.seeds_file, record.as_json())


def finished_run(paths: RunPaths, seed: int) -> SeedRun:
    """Return what the finished run of a seed, whose directory is `paths`, has come to."""
    scores = dict(_read_json(paths.run_json)["metrics"])
    test_metrics = paths.test_dir / "metrics.json"
    if test_metrics.is_file():
        test_scores = _read_json(test_metrics)
        for name in TEST_SCORES:
            if name.removeprefix("test_") in test_scores:
                scores[name] = test_scores[name.removeprefix("test_")]
    return SeedRun(seed, scores)


def seed_lines(record: SeedsRecord, folder: Path, language: str = "en") -> list[str]:
    """Return what all runs have come to as lines to read: one for each, one for all, and where the best is kept."""
    assert record.mean is not None
    assert record.sd is not None
    names = record.score_names
    rows = {
        RUNS["seed"].fill(seed=run.seed)[language]: [f"{run.scores[name]:.4f}" for name in names] for run in record.runs
    }
    rows[RUNS["mean"][language]] = [f"{record.mean[name]:.4f} ± {record.sd[name]:.4f}" for name in names]
    width = max(map(display_width, rows))
    lines = []
    for row, values in rows.items():
        cells = [f"{SCORES[name][language]} {value}" for name, value in zip(names, values, strict=True)]
        lines.append("  ".join([pad(row, width), *cells]))
    kept = RUNS["kept"].fill(seed=record.kept, score=SCORES[record.score], folder=folder)
    return [*lines, kept[language]]


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
