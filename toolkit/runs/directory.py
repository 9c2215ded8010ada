"""What a run leaves in its directory while it trains. Of several processes only the first one writes."""

from pathlib import Path
from typing import Protocol

from toolkit.base.disk import DirectoryLock, install_directory, recover, replacing, write_json_lines
from toolkit.cli.console import Log
from toolkit.data.rows import write_rejected
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


class SeveralRuns(Protocol):
    """What RunDirectory knows of several runs of one command, toolkit.runs.seeds.Seeds."""

    folder: Path

    def begin(self, facts: dict) -> None:
        """Note that all have begun or go on."""


class RunDirectory:
    """The run directory; in a process that is not to write, nothing here does anything.

    A context, in which no other run can write to it. Raises UserError if another does. If it is one of several runs of
    a command, `seeds` is what they belong to, which has its own lock.

    The model of an earlier run, which --overwrite replaces, stays until the first model of this one takes its place, so
    that it can be what this run begins with, and a good model is there at any time.
    """

    def __init__(self, folder: Path, writes: bool, seeds: "SeveralRuns | None" = None):
        self.paths = RunPaths(folder)
        self.writes = writes
        self.seeds = seeds
        self.resumed_by = seeds.folder if seeds else folder  # the --output_dir with which it is resumed
        # One of several runs is under the lock of all from the start; its own one is for whoever resumes it alone.
        self.lock = DirectoryLock(folder, writes)
        self.event_file: EventFile | None = None
        self.replaced_seeds: list[int] = []  # of earlier runs, whose models stay until this one has one

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
        """Say whether the history is written for TensorBoard too; UserError if it is and its package is missing."""
        if wanted and self.writes:
            self.event_file = EventFile(self.paths.tensorboard_dir)

    def open(self, log: Log, tables: dict, facts: dict, resume: bool = False) -> None:
        """Make the directory, free of the records of an earlier run, and note that the run `facts` has begun.

        If it is to `resume`, go on in it instead. `log` is written to train.log from now on, and the rows that `tables`
        leave out to rejected_rows.csv. Raises UserError if a run has got in the way since the start, if the model of
        the run to resume is gone, or if scores are being written where they would have to go.
        """
        if not self.writes:
            return
        if self.seeds:
            self.seeds.begin(facts)
        self.lock.take()
        if resume:
            self._go_on(facts)
        else:
            self._begin(facts)
        log.open(self.paths.log_file, append=resume)
        rejected = [row for table in tables.values() for row in table.rejected]
        write_rejected(self.paths.rejected_file, rejected)

    def _begin(self, facts: dict) -> None:
        """Note that a run has begun, in one go, and remove the records of an earlier one."""
        paths = self.paths
        if not self.seeds:  # else all their directories were looked at when the first of them began
            refuse_to_overwrite(paths.folder, facts["options"]["overwrite"])
        self.replaced_seeds = earlier_seeds(paths.folder, facts["options"].get("model"))
        settle_earlier(paths, self.replaced_seeds)
        with DirectoryLock(paths.test_dir):
            sweep_run(paths)
            checkpoint.begin_checkpoint(paths.checkpoint_dir, self._noted(facts))
            self._remove_earlier_records()
        remove_empty(paths)

    def _go_on(self, facts: dict) -> None:
        """Make the directory what it was at the last save, whatever has ended the run since."""
        paths = self.paths
        checkpoint.clean_checkpoint(paths.checkpoint_dir)
        checkpoint.note_options(paths.checkpoint_dir, facts)
        settle_model(paths)
        need_model(paths)
        sweep_run(paths)
        state = checkpoint.need_state(paths.checkpoint_dir)
        self.replaced_seeds = state.get("replaces", [])
        if state["tensors"] is None:  # it may have been ended before all records of an earlier run were removed
            with DirectoryLock(paths.test_dir):
                self._remove_earlier_records()
            remove_empty(paths)
        paths.seeds_file.unlink(missing_ok=True)  # several runs were to replace this one, and had not begun
        self._remove_earlier_models(checkpoint.saved_progress(paths.checkpoint_dir))

    def _noted(self, facts: dict) -> dict:
        """Return what is kept beside the progress of a run: `facts`, and what earlier runs have yet to be removed."""
        return facts | {"replaces": self.replaced_seeds} if self.replaced_seeds else facts

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
            self.replaced_seeds = []
            checkpoint.forget_replaced(self.paths.checkpoint_dir)

    def save(self, state: checkpoint.TrainerState, progress: Progress, facts: dict) -> None:
        """Replace the checkpoint, and the model if a better one waits.

        A new best model waits beside the old one until the checkpoint that tells of it is written, so that the two
        never disagree, whenever the process is killed. Its fingerprint is noted in `progress`.
        """
        if not self.writes:
            return
        paths = self.paths
        new_best = weights_fingerprint(waiting_model(paths.model_dir))
        if new_best:
            progress.best_model = new_best
        try:
            checkpoint.save_checkpoint(paths.checkpoint_dir, state, progress, self._noted(facts))
        except BaseException:
            settle_model(paths)  # which of the two it is to be depends on how far the checkpoint has come
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
        if self.event_file:  # where no evaluation was left when they were first asked for
            self.event_file.write(progress.history)
