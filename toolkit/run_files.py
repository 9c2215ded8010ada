"""What a run leaves in its directory while it trains. Of several processes only the first one writes."""

from collections.abc import Sequence
from pathlib import Path

from toolkit import checkpoint
from toolkit.atomic import write_json_lines
from toolkit.console import Log
from toolkit.curves import draw_curves
from toolkit.journal import Journal
from toolkit.rows import write_rejected
from toolkit.run_info import clear_run


class RunFiles:
    """The run directory; in a process that is not to write, nothing here does anything."""

    def __init__(self, folder: Path, writes: bool):
        self.folder, self.writes = folder, writes
        self.model_dir, self.checkpoint_dir, self.test_dir = (
            folder / name for name in ("bert_classifier", "checkpoint", "test")
        )

    def open(self, log: Log, rejected: Sequence, resume: bool) -> None:
        """Make the directory, free of an earlier run, or go on in it; `log` is written to train.log from now on."""
        if self.writes:
            if not resume:
                clear_run(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            log.open(self.folder / "train.log", append=resume)
            write_rejected(self.folder / "rejected_rows.csv", rejected)

    def begin(self, about: dict) -> None:
        """Note that a run has begun which --resume can go on with."""
        if self.writes:
            checkpoint.begin_checkpoint(self.checkpoint_dir, about)

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
            draw_curves(self.folder / "curves.png", journal.history, metric, journal.best_step)
