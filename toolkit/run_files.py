"""What a run leaves in its directory while it trains. Of several processes only the first one writes."""

from pathlib import Path

from toolkit import checkpoint
from toolkit.atomic import replacing, write_json_lines
from toolkit.console import Log
from toolkit.curves import draw_curves
from toolkit.journal import Journal
from toolkit.lock import LOCK, lock_directory
from toolkit.rows import write_rejected
from toolkit.run_info import clear_run, sweep_run


class RunFiles:
    """The run directory; in a process that is not to write, nothing here does anything.

    A context, in which no other run can write to it. Raises UserError if another does.
    """

    def __init__(self, folder: Path, writes: bool):
        self.folder, self.writes, self.lock = folder, writes, None
        self.model_dir, self.checkpoint_dir, self.test_dir = (
            folder / name for name in ("bert_classifier", "checkpoint", "test")
        )

    def __enter__(self):
        if self.writes and (self.folder / LOCK).exists():  # else the directory is left as it is until the run begins
            self.lock = lock_directory(self.folder)
        return self

    def __exit__(self, *_):
        if self.lock is not None:
            self.lock.release()

    def open(self, log: Log, tables: dict, about: dict | None) -> None:
        """Make the directory, free of an earlier run, and note that the run `about` has begun; with None go on in it.

        `log` is written to train.log from now on, and the rows that `tables` leave out to rejected_rows.csv.
        """
        if not self.writes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = self.lock or lock_directory(self.folder)
        sweep_run(self.folder)
        if about is not None:
            clear_run(self.folder)
            checkpoint.begin_checkpoint(self.checkpoint_dir, about)
        checkpoint.clean_checkpoint(self.checkpoint_dir)
        log.open(self.folder / "train.log", append=about is None)
        rejected = [row for table in tables.values() for row in table.rejected]
        write_rejected(self.folder / "rejected_rows.csv", rejected)

    def save(self, state: tuple, journal: Journal, about: dict) -> None:
        """Replace the checkpoint; `state` is (unwrapped model, optimizer, scaler)."""
        if self.writes:
            checkpoint.save_checkpoint(self.checkpoint_dir, *state, journal, about)

    def write_history(self, journal: Journal) -> None:
        """Replace metrics.jsonl."""
        if self.writes:
            write_json_lines(self.folder / "metrics.jsonl", journal.history)

    def draw(self, journal: Journal, metric: str) -> None:
        """Replace curves.png."""
        if self.writes:
            with replacing(self.folder / "curves.png") as new:
                draw_curves(new, journal.history, metric, journal.best_step)
