"""What would make a model better that is not better than simple methods, as far as its run shows it."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.data.scripts import main_script
from toolkit.data.tables import Table
from toolkit.models.locate import EMBEDDED
from toolkit.report.texts import REMEDIES
from toolkit.runs.run_json import RunFacts
from toolkit.tokens.unknown_characters import MODEL_FOR_SCRIPT, MULTILINGUAL_MODEL

MUCH_LOSS = 0.3  # of the loss of guessing: a model with more on its training rows has not learned them yet
LOSS_OF_GUESSING = 0.95  # of it
MOSTLY_GUESSING = 0.6  # of it
STILL_FALLING = 0.9  # of the training loss before, for a loss that does not compare with guessing
LEAST_EPOCHS = 3  # that are advised
FEW_ROWS = 16  # of a label
MANY_LABELS = 20  # whose scores begin so far from what they should be that small steps take long
HIGHEST_RATE = 2e-4  # that is advised
HIGH_RATE = 5e-4  # at which a pretrained model may forget what it knows
SCRIPTS = {"Chinese": "CJK", "Korean": "HANGUL", "Cyrillic": "CYRILLIC", "Arabic": "ARABIC"}


@dataclass(frozen=True)
class Remedy:
    """Something that would help; `kind` is a key of REMEDIES, `options` are those of main.py that it changes."""

    kind: str
    facts: dict[str, Any] = field(default_factory=dict)  # that fill the gaps of its texts
    options: dict[str, Any] = field(default_factory=dict)

    def sentence(self, language: str = "en") -> str:
        """Return why it would help, and how it is done."""
        return REMEDIES[self.kind][language].format(**self.facts)


def remedies(run: RunFacts, history: Sequence[Mapping[str, Any]], train: Table | None) -> list[Remedy]:
    """Return what would help a run, the likeliest first.

    Args:
        run: what it was made of; its options may lack what an older version did not write.
        history: its evaluations, as in metrics.jsonl; none if they are gone.
        train: its training rows, None if they are gone.
    """
    loss = _TrainingLoss.of(run, history)
    model = _model_for(train)
    helpful = list(_on_language(run, model))
    if loss is not None and loss.is_high:
        helpful += _on_high_loss(run, loss)
    rows = run.data["train"].rows if "train" in run.data else None
    if rows is not None and rows < FEW_ROWS * len(run.labels):
        helpful.append(Remedy("few_rows", {"rows": rows / len(run.labels), "least": FEW_ROWS}))
    if loss is None or not loss.is_high:
        helpful += _on_learned_rows(run, loss, model)
    return helpful


@dataclass(frozen=True)
class _TrainingLoss:
    """The mean loss on the training rows before the last evaluation."""

    value: float
    share: float | None  # of the loss of guessing; None for a loss that does not compare with it
    is_falling: bool

    @classmethod
    def of(cls, run: RunFacts, history: Sequence[Mapping[str, Any]]) -> "_TrainingLoss | None":
        """Return the loss of a run, None if it is not known."""
        entries = history or [run.metrics]
        losses = [entry["train_loss"] for entry in entries if isinstance(entry.get("train_loss"), float)]
        if not losses:
            return None
        is_plain = run.options.get("loss") in (None, "cross_entropy")
        is_falling = len(losses) > 1 and losses[-1] < STILL_FALLING * losses[-2]
        return cls(losses[-1], losses[-1] / _chance(run) if is_plain else None, is_falling)

    @property
    def is_high(self) -> bool:
        """Whether the training rows were not learned yet."""
        return self.is_falling if self.share is None else self.share > MUCH_LOSS


def _chance(run: RunFacts) -> float:
    """Return the cross entropy of guessing each label alike."""
    return math.log(max(2, len(run.labels)))


def _on_language(run: RunFacts, model: str | None) -> Iterator[Remedy]:
    """Yield another model if the tokenizer does not know the texts' characters."""
    for finding in run.findings or []:
        share = finding.get("facts", {}).get("share")
        if finding.get("kind") == "unknown" and isinstance(share, float):
            named = model if model not in (None, run.base_model) else MULTILINGUAL_MODEL
            yield Remedy("language", {"share": share, "model": named}, {"model": named})
            return


def _on_high_loss(run: RunFacts, loss: _TrainingLoss) -> Iterator[Remedy]:
    """Yield what helps a run that has not learned its training rows: more of the model, longer, in larger steps."""
    part = run.options.get("train") or "all"
    if part != "all":
        yield Remedy("whole", {"part": part}, {"train": "all"})
    epochs = run.options.get("epochs")
    if isinstance(epochs, int):
        more = max(2 * epochs, LEAST_EPOCHS)
        facts = {"loss": loss.value, "chance": _chance(run), "epochs": more}
        yield Remedy("longer" if loss.share is not None else "still_falling", facts, {"epochs": more})
    rate = run.options.get("learning_rate")
    if not isinstance(rate, float) or part != "all" or loss.share is None:
        return
    if loss.share > LOSS_OF_GUESSING and rate >= HIGH_RATE:
        yield Remedy("lower_rate", {"before": rate, "rate": HIGHEST_RATE / 4}, {"learning_rate": HIGHEST_RATE / 4})
        return
    has_many_labels = len(run.labels) > MANY_LABELS
    if rate < HIGHEST_RATE and (has_many_labels or loss.share > MOSTLY_GUESSING):
        times = 4 if has_many_labels and run.base_model == EMBEDDED else 2
        higher = min(times * rate, HIGHEST_RATE)
        facts = {"before": rate, "rate": higher, "labels": len(run.labels)}
        yield Remedy("rate_for_labels" if has_many_labels else "higher_rate", facts, {"learning_rate": higher})


def _on_learned_rows(run: RunFacts, loss: _TrainingLoss | None, model: str | None) -> Iterator[Remedy]:
    """Yield what helps a run that has learned its training rows, which do not teach it enough."""
    rows = run.data["train"].rows if "train" in run.data else None
    if loss is not None and rows is not None:
        yield Remedy("more_rows", {"loss": loss.value, "rows": rows})
    if model is not None and model != run.base_model:
        yield Remedy("another_model", {"model": model}, {"model": model})
    else:
        yield Remedy("larger_model")
    yield Remedy("labels")


def _model_for(train: Table | None) -> str | None:
    """Return a model of the script in which most texts are written, None where none is better than others."""
    if train is None:
        return None
    counts = Counter(map(main_script, train.frame["text"].iloc[:1000]))
    script = counts.most_common(1)[0][0]
    if script in (None, "Latin"):
        return None
    return MODEL_FOR_SCRIPT.get(SCRIPTS.get(script, ""), MULTILINGUAL_MODEL)
