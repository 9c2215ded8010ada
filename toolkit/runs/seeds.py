"""Several runs of one command (--seeds): which of them are left to train, and what happens as they begin and end.

Each is an ordinary run, in <output_dir>/seed-<seed>. What they have come to is noted in seeds.json, so that all of them
can be resumed together; in the end the best of them takes the place in <output_dir> that a single run would have.
"""

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.base.disk import DirectoryLock, recover
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.options import LARGEST_SEED
from toolkit.cli.sections import FineTuningOptions, options_from
from toolkit.cli.spoken_language import spoken_language
from toolkit.compute.processes import Processes
from toolkit.runs.kept_run import drop_checkpoint, drop_model, place_run
from toolkit.runs.overwrite import (
    earlier_seeds,
    end_seed_run,
    remove_empty,
    remove_records,
    remove_seed_run,
    settle_earlier,
    sweep_run,
)
from toolkit.runs.paths import RunPaths, refuse_to_overwrite
from toolkit.runs.resume import agreed_options, check_unchanged
from toolkit.runs.run_json import RunFacts
from toolkit.runs.seeds_json import SeedsRecord, finished_run, read_seeds, seed_lines, write_seeds
from toolkit.runs.texts import RUNS, SEEDS

# Finished runs are not resumed, so that none of them can get more epochs than the others: --epochs may not grow.
MAY_GROW = frozenset({"seeds"})


class SeedToTrain(NamedTuple):
    """One of the runs that are left to train."""

    number: int  # among all runs, from 1
    seed: int
    replaces_another: bool  # a run that is none of these stands in its place


@dataclass(frozen=True)
class SeedsPlan:
    """What is left to do of several runs."""

    options: Mapping[str, Any]  # of the command, by their names
    runs_left: Sequence[SeedToTrain]

    def as_json(self) -> dict[str, Any]:
        """Return the plan as the main process sends it to the others."""
        return {"options": dict(self.options), "runs_left": [list(run) for run in self.runs_left]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SeedsPlan":
        """Return the plan that the main process has sent."""
        return cls(content["options"], [SeedToTrain(*run) for run in content["runs_left"]])


def each_seed(options: FineTuningOptions, processes: Processes) -> Iterator[tuple[FineTuningOptions, "Seeds | None"]]:
    """Yield, in every process, the options of each run of --seeds that is left to train, and the Seeds it belongs to.

    A single run has the options as they are, and None. Those of several are as if seed, output_dir and so on had been
    named on the command line. To check the data, only the first is yielded. Raises UserError if --resume does not fit
    the runs that there are, or if another process writes there.
    """
    language = spoken_language(options.output.language)
    log = Log(sys.stdout if processes.is_main else None, language)
    seeds = Seeds(Path(options.output.output_dir), processes.is_main and not options.data.check_data, language)
    plan = _plan_together(seeds, options, processes)
    if plan is None:
        yield options, None
        return
    of_all = options_from(FineTuningOptions, plan.options, options.on_command_line)
    for run in plan.runs_left:
        run_dir = str(seeds.paths.of_seed(run.seed).folder)
        own = of_all.with_values(seed=run.seed, seeds=1, split_seed=of_all.split_seed, output_dir=run_dir)
        resume = options.output.resume and not run.replaces_another
        log.item("seed", RUNS["seed_of"].fill(seed=run.seed, number=run.number, count=of_all.training.seeds))
        yield options_from(FineTuningOptions, own.as_dict() | {"resume": resume}, own.on_command_line), seeds
        seeds.finish_run(run.seed)
        log()
        gc.collect()  # parts of a run refer to each other, and the next one may need the memory
    seeds.finish_all(log)


def _plan_together(seeds: "Seeds", options: FineTuningOptions, processes: Processes) -> SeedsPlan | None:
    """Return, in every process, the plan that the main one makes; None for a single run."""
    content = None
    if processes.is_main:
        plan = seeds.plan(options)
        content = None if plan is None else plan.as_json()
    content = processes.broadcast(content)
    return None if content is None else SeedsPlan.from_json(content)


class Seeds:
    """Several runs of one command, with the record of them in seeds.json; in a process that does not write, neither."""

    def __init__(self, folder: Path, writes: bool, language: str = "en"):
        self.folder = folder
        self.paths = RunPaths(folder)
        self.writes = writes
        self.language = language  # of what is said in the end
        self.lock = DirectoryLock(folder, writes)
        self.has_begun = False
        self.added: Sequence[int] = ()  # seeds that had no run before
        self._record: SeedsRecord | None = None

    @property
    def record(self) -> SeedsRecord:
        """What the runs have come to, in the main process, once they are planned."""
        assert self._record is not None, "the main process has planned the runs"
        return self._record

    def plan(self, command: FineTuningOptions) -> SeedsPlan | None:
        """Return what is left to do, None for a single run; UserError if --resume does not fit the runs that there are.

        The model directory, from which the runs may begin, and the kept run of earlier ones are put in order first.
        """
        resume = command.output.resume
        is_single = self.paths.state_file.is_file()  # also if a single run has just begun to replace several
        resumes_several = resume and self.paths.seeds_file.is_file() and not is_single
        if command.training.seeds == 1 and not resumes_several:
            return None
        self.lock.take_if_used()
        if self.lock.is_taken:
            recover(self.paths.model_dir)
        if resumes_several:
            options = self._resume(command)
        elif resume and is_single:
            raise UserError(SEEDS["single"].fill(seeds=command.training.seeds))
        else:
            options = command
            if resume:
                refuse_to_overwrite(self.folder, command.output.overwrite)
        return self._plan(options, resumes_several, command.data.check_data)

    def _resume(self, command: FineTuningOptions) -> FineTuningOptions:
        """Read seeds.json, finish what a kill has interrupted, and return the options of all runs."""
        self._record = read_seeds(self.paths)
        options = agreed_options(command, self.record.options, MAY_GROW)
        self._refuse_replaced_model(options)
        self._place()
        self._end_earlier_runs()
        return options

    def _plan(self, options: FineTuningOptions, resumes_several: bool, only_first: bool) -> SeedsPlan:
        """Note the options and the seeds of all runs in the record, and return which runs are left."""
        training = options.training
        if training.seed + training.seeds - 1 > LARGEST_SEED:
            raise UserError(SEEDS["too_large"].fill(seeds=training.seeds, most=LARGEST_SEED))
        seeds = list(range(training.seed, training.seed + training.seeds))
        self._refuse_model_in_the_way(options.model.model, seeds)
        values = options.as_dict()
        finished = []
        self.has_begun = resumes_several
        self.added = seeds
        if resumes_several:
            finished = [run.seed for run in self.record.runs]
            self.added = [seed for seed in seeds if seed not in self.record.seeds]
            self._record = replace(self.record, options=values, metric=training.metric, seeds=seeds)
        else:
            self._record = SeedsRecord(options=values, metric=training.metric, seeds=seeds)
        runs = []
        for number, seed in enumerate(seeds, start=1):
            replaces_another = False
            if resumes_several and seed in self.added:
                replaces_another = self._holds_another_run(seed, options.output.overwrite)
            runs.append(SeedToTrain(number, seed, replaces_another))
        if only_first:
            return SeedsPlan(values, runs[:1])
        return SeedsPlan(values, [run for run in runs if run.seed not in finished])

    def _holds_another_run(self, seed: int, overwrite: bool) -> bool:
        """Say whether the directory of a seed holds a run that is none of these; UserError if it must stay."""
        paths = self.paths.of_seed(seed)
        refuse_to_overwrite(paths.folder, overwrite)
        return paths.hold_a_run

    def _refuse_replaced_model(self, options: FineTuningOptions) -> None:
        """Raise UserError for more seeds if the model with which all began was replaced by the best of the others."""
        seeds = options.training.seeds
        model = options.model.model
        grows = seeds > len(self.record.seeds)
        if grows and self.record.kept is not None and self.paths.hold_model(model):
            raise UserError(SEEDS["replaced_model"].fill(seeds=seeds, model=model))

    def _refuse_model_in_the_way(self, model: str | None, seeds: Sequence[int]) -> None:
        """Raise UserError if the model with which all runs begin is where one of them puts its own."""
        for seed in seeds:
            if self.paths.of_seed(seed).hold_model(model):
                raise UserError(SEEDS["model_in_the_way"].fill(model=model, seed=seed))

    def begin(self, facts: RunFacts) -> None:
        """Note in seeds.json that the runs have begun or are resumed; called before one of them, `facts`, writes.

        Raises UserError if another run has begun here in the meantime, or if the data is not that of the runs before.
        """
        self.lock.take()
        if self.has_begun:
            check_unchanged(self.record.precision, self.record.data, facts)
        else:
            refuse_to_overwrite(self.folder, self.record.options["overwrite"])
        for seed in self.added:
            refuse_to_overwrite(self.paths.of_seed(seed).folder, self.record.options["overwrite"])
        self.added = ()
        self._record = replace(self.record, precision=facts.precision, data=facts.data, kept=None, mean=None, sd=None)
        if not self.has_begun:
            self._note_beginning()
        if not self.record.runs:
            self._remove_earlier_records()
        self.has_begun = True
        self._write(replaces=[seed for seed in self.record.replaces if seed not in self.record.seeds])

    def _note_beginning(self) -> None:
        """Note in one go that the runs have begun, and which earlier ones they replace.

        The model in the place of the best one, with which the runs may begin, stays until that takes its place.
        """
        replaced = earlier_seeds(self.folder, self.record.options["model"])
        settle_earlier(self.paths, replaced)
        with DirectoryLock(self.paths.test_dir):  # if scores are being written there, nothing is touched
            sweep_run(self.paths)
            self._write(replaces=replaced)

    def _remove_earlier_records(self) -> None:
        with DirectoryLock(self.paths.test_dir):
            self._end_earlier_runs()
            self.paths.state_file.unlink(missing_ok=True)
            remove_records(self.paths)
        remove_empty(self.paths)
        self.paths.log_file.unlink(missing_ok=True)

    def _end_earlier_runs(self) -> None:
        """Make sure that none of the earlier runs that are replaced is taken for one of these."""
        if self.writes:
            for seed in self.record.replaces:
                end_seed_run(self.paths.of_seed(seed))

    def finish_run(self, seed: int) -> None:
        """Note what a finished run has come to, and remove its checkpoint and every model that is not the best."""
        if not self.writes:
            return
        self._record = self.record.with_run(finished_run(self.paths.of_seed(seed), seed))
        self._write()
        self._drop_weights()

    def finish_all(self, log: Log) -> None:
        """Note which run is kept, put it in its place, and say what all have come to."""
        if not self.writes:
            return
        self._record = self.record.completed()
        self._write()
        self._place()
        for line in self._lines():
            log(line)

    def _lines(self) -> list[str]:
        """Return what all runs have come to."""
        return seed_lines(self.record, self.folder, self.language)

    def _place(self) -> None:
        """Put the kept run, if there is one yet, in its place, or finish that; then remove the runs it replaces."""
        if self.record.kept is None or not self.writes:
            return
        self._drop_weights()
        kept = self.record.kept_run()
        place_run(self.paths.of_seed(kept.seed), self.paths, kept, self._lines())
        for seed in self.record.replaces:
            remove_seed_run(self.paths.of_seed(seed))
        if self.record.replaces:
            self._write(replaces=())

    def _drop_weights(self) -> None:
        """Remove the checkpoints of the finished runs, and their models except the best one; small files stay."""
        best = self.record.best_run()
        for run in self.record.runs:
            paths = self.paths.of_seed(run.seed)
            drop_checkpoint(paths)
            if run != best:
                drop_model(paths)

    def _write(self, replaces: Sequence[int] | None = None) -> None:
        """Replace seeds.json, with other seeds that are still to be removed if any are passed."""
        if replaces is not None:
            self._record = replace(self.record, replaces=replaces)
        write_seeds(self.paths, self.record)
