"""What a run leaves in its directory while it trains. Of several processes only the first one writes."""

from pathlib import Path

from toolkit.base.disk import (
    LOCK_FILE,
    hidden_sibling,
    install_directory,
    lock_directory,
    replacing,
    sweep,
    write_json_lines,
)
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.data.rows import write_rejected
from toolkit.runs import checkpoint
from toolkit.runs.curves import draw_curves
from toolkit.runs.progress import Progress
from toolkit.runs.run_json import clear_run, refuse_to_overwrite, step_of_model, sweep_run
from toolkit.runs.scalars import Scalars


class RunDirectory:
    """The run directory; in a process that is not to write, nothing here does anything.

    A context, in which no other run can write to it. Raises UserError if another does. If it is one of several runs of
    a command, `whole` is what they belong to, which has its own lock, and `named` the directory that the user knows.
    """

    def __init__(self, folder: Path, writes: bool, whole=None):
        self.folder, self.writes, self.whole, self.lock = folder, writes, whole, None
        self.named, self.scalars = whole.folder if whole else folder, None
        self.model_dir, self.checkpoint_dir, self.test_dir = (
            folder / name for name in ("bert_classifier", "checkpoint", "test")
        )

    def __enter__(self):
        if (
            self.writes and not self.whole and (self.folder / LOCK_FILE).exists()
        ):  # else the directory is left as it is until the run begins
            self.lock = lock_directory(self.folder)
        return self

    def __exit__(self, *_):
        if self.scalars:
            self.scalars.close()
        if self.lock is not None:
            self.lock.release()

    def want_scalars(self, wanted: bool) -> None:
        """Say whether the history is written for TensorBoard too; UserError if it is and its package is missing."""
        if wanted and self.writes:
            self.scalars = Scalars(self.folder / "tensorboard")

    def open(self, log: Log, tables: dict, about: dict, resume: bool = False) -> None:
        """Make the directory, free of an earlier run, and note that the run `about` has begun; or go on in it.

        `log` is written to train.log from now on, and the rows that `tables` leave out to rejected_rows.csv. Raises
        UserError if a run has got in the way since the start, or the model of the run to resume is gone.
        """
        if not self.writes:
            return
        if self.whole:
            self.whole.begin(about)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = self.lock or lock_directory(self.folder)
        if resume:
            checkpoint.clean_checkpoint(self.checkpoint_dir)
            checkpoint.note_options(self.checkpoint_dir, about)
            self._settle_model()
            self._need_model()
        else:
            refuse_to_overwrite(self.folder, about["options"]["overwrite"])
        sweep_run(self.folder)
        if not resume:
            clear_run(self.folder)
            checkpoint.begin_checkpoint(self.checkpoint_dir, about)
        log.open(self.folder / "train.log", append=resume)
        rejected = [row for table in tables.values() for row in table.rejected]
        write_rejected(self.folder / "rejected_rows.csv", rejected)

    def save(self, state: tuple, progress: Progress, about: dict) -> None:
        """Replace the checkpoint, and the model if a better one waits; `state` is (unwrapped model, optimizer, scaler).

        A new best model waits beside the old one until the checkpoint that tells of it is written, so that the two
        never disagree, whenever the process is killed.
        """
        if self.writes:
            try:
                checkpoint.save_checkpoint(self.checkpoint_dir, *state, progress, about)
            finally:
                self._settle_model()

    def _settle_model(self) -> None:
        """Give the model that waits its place if it is the best one of the last save, else remove it."""
        if 0 < step_of_model(hidden_sibling(self.model_dir, "new")) == checkpoint.best_step(self.checkpoint_dir):
            install_directory(self.model_dir)
        sweep(self.model_dir)

    def _need_model(self) -> None:
        step = checkpoint.best_step(self.checkpoint_dir)
        if step and step_of_model(self.model_dir) != step:
            raise UserError(f"--resume: {self.model_dir} is not the best model of this run, that of step {step}")

    def write_history(self, progress: Progress) -> None:
        """Replace metrics.jsonl, and add to the event file if it is wanted."""
        if self.writes:
            write_json_lines(self.folder / "metrics.jsonl", progress.history)
        if self.scalars:
            self.scalars.write(progress.history)

    def draw(self, progress: Progress, metric: str) -> None:
        """Replace curves.png, and add to the event file if it is wanted."""
        if self.writes:
            with replacing(self.folder / "curves.png") as new:
                draw_curves(new, progress.history, metric, progress.best_step)
        if self.scalars:  # where no evaluation was left when they were first asked for
            self.scalars.write(progress.history)
