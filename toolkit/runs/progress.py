"""How far a run has come, and how well: its position, its evaluations, and which of them is the best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from toolkit.base.languages import Text
from toolkit.runs.texts import PROGRESS, SCORES


class Speed(NamedTuple):
    """How fast a run has trained."""

    train_seconds: float  # spent in training steps
    real_tokens_per_second: float  # padding left out


@dataclass
class Progress:
    """How far a run has come, and how well; saved with each checkpoint."""

    epoch: int = 0  # the current one, counted from 0
    batch: int = 0  # batches of it that are done
    step: int = 0
    loss_sum: float = 0.0  # since the last evaluation
    rows: int = 0  # since the last evaluation
    best_score: float | None = None
    best_loss: float | None = None  # of the best evaluation, on the validation rows; None: an older version ran it
    best_step: int = 0
    best_model: str = ""  # sha256 of its weights, noted when it is saved
    stale: int = 0  # evaluations since the best one
    train_seconds: float = 0.0
    real_tokens: int = 0  # padding left out
    bad_steps: int = 0  # those whose loss or gradient was not a number
    row_limit: int | None = None  # rows that a device holds at once, fewer where memory ran out; None: all of a batch
    history: list[dict] = field(default_factory=list)  # the objects of metrics.jsonl

    def steps_to_pause(self, batches: int, every: Sequence[int]) -> int:
        """Return the steps until the end of an epoch of `batches` or the next multiple of one of `every` (0: off)."""
        pauses = [batches - self.batch]
        for steps in every:
            if steps > 0:
                pauses.append(steps - self.step % steps)
        return min(pauses)

    def evaluation_due(self, batches: int, every: int) -> bool:
        """Say whether to evaluate before the next step: at the end of an epoch of `batches`, and `every` so many."""
        evaluated_step = self.history[-1]["step"] if self.history else 0
        is_pause = self.batch == batches or (every > 0 and self.step % every == 0)
        return is_pause and self.step > evaluated_step

    def epoch_done(self, batches: int, early_stopping: int) -> bool:
        """Say whether an epoch of `batches` is done, or the run, after so many evaluations without a better one."""
        stops_early = 0 < early_stopping <= self.stale
        return stops_early or (self.batch == batches and not self.evaluation_due(batches, every=0))

    def begin_epoch(self, epoch: int) -> None:
        """Note that an epoch begins, counted from 0."""
        self.epoch = epoch
        self.batch = 0

    def count(self, loss_sums: Sequence[float], lengths: Sequence, seconds: float) -> None:
        """Count steps that were taken: the sum of the losses of each, and the lengths in tokens of its rows (B,).

        They are added one by one, so that the sum does not depend on where a run was stopped. A loss that is NaN or
        infinite is left out, with its rows.
        """
        for loss_sum, rows in zip(loss_sums, lengths, strict=True):
            self.batch += 1
            self.step += 1
            self.real_tokens += int(rows.sum())
            if math.isfinite(loss_sum):
                self.loss_sum += loss_sum
                self.rows += len(rows)
        self.train_seconds += seconds

    def note(self, scores: dict[str, float], metric: str, steps_an_epoch: int, learning_rate: float) -> bool:
        """Note an evaluation and return whether it is the best so far in `metric`.

        Of two with the same score that with the lower validation loss is, and of these the earlier one.
        """
        score = scores[metric]
        entry = {
            "epoch": round(self.step / steps_an_epoch, 4),
            "step": self.step,
            "train_loss": self.loss_sum / self.rows if self.rows else None,
        }
        entry |= {"valid_loss" if name == "loss" else name: value for name, value in scores.items()}
        self.history.append(entry | {"learning_rate": learning_rate, "train_seconds": round(self.train_seconds, 3)})
        self.loss_sum = 0.0
        self.rows = 0
        if not self._is_better(score, metric, scores["loss"]):
            self.stale += 1
            return False
        self.stale = 0
        self.best_score = score
        self.best_loss = scores["loss"]
        self.best_step = self.step
        return True

    def _is_better(self, score: float, metric: str, loss: float) -> bool:
        """Say whether a score is better than the best so far, or as good with a lower loss."""
        if self.best_score is None:
            return True
        if score == self.best_score:
            return self.best_loss is not None and loss < self.best_loss
        return score < self.best_score if metric == "loss" else score > self.best_score

    def best(self) -> dict:
        """Return the entry of `history` that is the best."""
        return next(entry for entry in self.history if entry["step"] == self.best_step)

    def speed(self) -> Speed:
        """Return how fast the run has trained."""
        tokens_per_second = self.real_tokens / self.train_seconds if self.train_seconds else 0.0
        return Speed(round(self.train_seconds, 3), round(tokens_per_second, 1))

    def speed_words(self) -> Text:
        """Return the speed as words to read."""
        speed = self.speed()
        return PROGRESS["speed"].fill(seconds=speed.train_seconds, speed=speed.real_tokens_per_second)

    def last_line(self, metric: str, language: str = "en") -> str:
        """Return the last evaluation as a line to read."""
        entry = self.history[-1]
        mark = PROGRESS["best"][language] if entry["step"] == self.best_step else ""
        line = PROGRESS["evaluation"][language]
        return line.format(epoch=entry["epoch"], step=entry["step"], scores=_scores(entry, metric, language), mark=mark)

    def kept_line(self, metric: str, language: str = "en") -> str:
        """Return the best evaluation, whose model is kept, as a line to read."""
        entry = self.best()
        line = PROGRESS["kept"][language]
        return line.format(epoch=entry["epoch"], step=entry["step"], scores=_scores(entry, metric, language))


def _scores(entry: Mapping[str, Any], metric: str, language: str) -> str:
    """Return the scores of an evaluation in words, with that of `metric`."""
    names = ["train_loss", "valid_loss", "accuracy", "micro_f1", "macro_f1", metric]
    shown = [name for name in dict.fromkeys(names) if name in entry]
    return "  ".join(f"{SCORES[name][language]} {_number(entry[name], language)}" for name in shown)


def _number(value: float | None, language: str) -> str:
    return PROGRESS["no_number"][language] if value is None else f"{value:.4f}"
