"""What a run leaves in its directory while it trains. Of several processes only the main one writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from toolkit.base.disk import DirectoryLock, install_directory, recover, replacing, write_json_lines
from toolkit.cli.console import Log
from toolkit.data.rows import write_rejected
from toolkit.data.tables import Table
from toolkit.runs import checkpoint
from toolkit.runs.best_model import need_model, settle_model, waiting_model, weights_fingerprint
from toolkit.runs.history import EventFile, draw_curves
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
from toolkit.runs.progress import Progress
from toolkit.runs.run_json import RunFacts


class SeveralRuns(Protocol):
    """What RunDirectory knows of the runs of --seeds, toolkit.runs.seeds.Seeds."""

    folder: Path

    def begin(self, facts: RunFacts) -> None:
        """Note that they have begun or are resumed."""


class RunDirectory:
    """The run directory; in a process that does not write, its methods do nothing.

    A context in which no other run can write to the directory; UserError if another one does. If it is one of the runs
    of --seeds, `seeds` is all of them together, which have a lock of their own.

    The model of an earlier run, which --overwrite replaces, stays until the first model of this one takes its place, so
    that this run can begin with it, and so that there is a good model at any time.
    """

    def __init__(self, folder: Path, writes: bool, seeds: SeveralRuns | None = None):
        self.paths = RunPaths(folder)
        self.writes = writes
        self.seeds = seeds
        self.resumed_by = seeds.folder if seeds else folder  # the --output_dir with which it is resumed
        # The lock of --seeds protects each of its runs from the start; their own locks are for resuming one alone.
        self.lock = DirectoryLock(folder, writes)
        self.event_file: EventFile | None = None
        self.replaced_seeds: Sequence[int] = ()  # of earlier runs, whose models stay until this one has one

    def __enter__(self) -> "RunDirectory":
        if not self.seeds:
            self.lock.take_if_used()
        if self.lock.is_taken:
            recover(self.paths.model_dir)  # which may be what this run begins with
        return self

    def __exit__(self, *_: object) -> None:
        if self.event_file:
            self.event_file.close()
        self.lock.release()

    def want_event_file(self, wanted: bool) -> None:
        """Set whether the history is written for TensorBoard too; UserError if it is and the package is missing."""
        if wanted and self.writes:
            self.event_file = EventFile(self.paths.tensorboard_dir)

    def open(self, log: Log, tables: Mapping[str, Table], facts: RunFacts | None, resume: bool = False) -> None:
        """Make the directory, or remove the records of an earlier run from it, and note that this run has begun.

        With `resume`, make it what it was at the last save instead. From now on `log` is written to train.log too; the
        rows that `tables` leave out are written to rejected_rows.csv. `facts` are needed where this process writes.
        Raises UserError if another run has begun here in the meantime, if the model of the run to resume is gone, or
        if scores that would have to be removed are being written.
        """
        if not self.writes:
            return
        facts = _needed(facts)
        if self.seeds:
            self.seeds.begin(facts)
        self.lock.take()
        if resume:
            self._resume(facts)
        else:
            self._begin(facts)
        log.open(self.paths.log_file, append=resume)
        rejected = [row for table in tables.values() for row in table.rejected]
        write_rejected(self.paths.rejected_file, rejected)

    def _begin(self, facts: RunFacts) -> None:
        """Note in one go that a run has begun, and remove the records of an earlier one."""
        paths = self.paths
        if not self.seeds:  # else the directories of all were checked when the first of them began
            refuse_to_overwrite(paths.folder, facts.options["overwrite"])
        self.replaced_seeds = earlier_seeds(paths.folder, facts.options.get("model"))
        settle_earlier(paths, self.replaced_seeds)
        with DirectoryLock(paths.test_dir):
            sweep_run(paths)
            checkpoint.begin_checkpoint(paths.checkpoint_dir, facts, self.replaced_seeds)
            self._remove_earlier_records()
        remove_empty(paths)

    def _resume(self, facts: RunFacts) -> None:
        """Make the directory what it was at the last save, however the run ended after it."""
        paths = self.paths
        checkpoint.clean_checkpoint(paths.checkpoint_dir)
        checkpoint.note_facts(paths.checkpoint_dir, facts)
        settle_model(paths)
        need_model(paths)
        sweep_run(paths)
        state = checkpoint.need_state(paths.checkpoint_dir)
        self.replaced_seeds = state.replaced_seeds
        if state.tensors is None:  # it may have ended before all records of an earlier run were removed
            with DirectoryLock(paths.test_dir):
                self._remove_earlier_records()
            remove_empty(paths)
        paths.seeds_file.unlink(missing_ok=True)  # several runs were to replace this one, and had not begun
        self._remove_earlier_models(state.progress)

    def _remove_earlier_records(self) -> None:
        self.paths.seeds_file.unlink(missing_ok=True)
        remove_records(self.paths)
        for seed in self.replaced_seeds:
            end_seed_run(self.paths.of_seed(seed))

    def _remove_earlier_models(self, progress: Progress) -> None:
        """Remove what is left of the runs of several seeds that this one replaces, now that it has a model."""
        if self.replaced_seeds and progress.best_step:
            for seed in self.replaced_seeds:
                remove_seed_run(self.paths.of_seed(seed))
            self.replaced_seeds = ()
            checkpoint.forget_replaced(self.paths.checkpoint_dir)

    def save(self, state: checkpoint.TrainerState, progress: Progress, facts: RunFacts | None) -> None:
        """Replace the checkpoint, and the model if a better one waits.

        A new best model waits beside the old one until the checkpoint that tells of it is written, so that the two
        never disagree, whenever the process is killed. Its fingerprint is noted in `progress`. `facts` are needed
        where this process writes.
        """
        if not self.writes:
            return
        facts = _needed(facts)
        paths = self.paths
        new_best = weights_fingerprint(waiting_model(paths.model_dir))
        if new_best:
            progress.best_model = new_best
        try:
            checkpoint.save_checkpoint(paths.checkpoint_dir, state, progress, facts, self.replaced_seeds)
        except BaseException:
            settle_model(paths)  # which of the two models stays depends on whether the checkpoint was written
            raise
        if new_best:
            install_directory(paths.model_dir)
        self._remove_earlier_models(progress)

    def write_history(self, progress: Progress) -> None:
        """Replace metrics.jsonl, and add to the event file if it is wanted."""
        if self.writes:
            write_json_lines(self.paths.history_file, progress.history)
        if self.event_file:
            self.event_file.write(progress.history)

    def draw(self, progress: Progress, metric: str) -> None:
        """Replace curves.png, and add to the event file if it is wanted."""
        if self.writes:
            with replacing(self.paths.curves_file) as new:
                draw_curves(new, progress.history, metric, progress.best_step)
        if self.event_file:  # if it was asked for only after the last evaluation
            self.event_file.write(progress.history)


def _needed(facts: RunFacts | None) -> RunFacts:
    assert facts is not None, "the process that writes has the facts of the run"
    return facts
