"""The recipe of a run: what the options that are `auto` come to for the rows, labels and model at hand, and why.

The rules were chosen by benchmarks/recipe.py; docs/recipe.md has what it measured.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.base.languages import LIST_COMMA, Text, count_of, joined
from toolkit.cli.sections import TrainingOptions
from toolkit.models.trained_part import rate_factor
from toolkit.training.texts import RECIPE

FEWEST_STEPS = 400  # of a run: with 3 epochs small sets have too few (Zhang et al. 2021, section 5.1)
FEWEST_EPOCHS = 3
MOST_EPOCHS = 20
RATE_OF_BASE = 5e-5  # learning rate of a model whose hidden states have the size of BERT-base's
SIZE_OF_BASE = 768
SMALLEST_RATE = 2e-5
LARGEST_RATE = 3e-4
FEWEST_EVALUATIONS = 10
FEWEST_STEPS_BETWEEN = 100  # evaluations, each of which may save the model
EVALUATION_COST = 1 / 3  # of a row, in training steps' rows: a forward pass without a backward one
EVALUATION_SHARE = 0.1  # of the time of the steps that evaluations may take beyond those at the ends of epochs
PATIENCE = 0.5  # share of the epochs without improvement after which a run of many epochs stops


@dataclass(frozen=True)
class Circumstances:
    """What a recipe is chosen by."""

    train_rows: int
    valid_rows: int
    hidden_size: int  # values of a hidden state of the model
    keeps_best: bool = True  # whether the best evaluation of the run counts, and not its last one


@dataclass(frozen=True)
class Recipe:
    """What a run goes by where options may be `auto`."""

    epochs: int
    learning_rate: float
    eval_steps: int  # 0: at the end of each epoch alone
    early_stopping: int  # evaluations; 0: off
    reasons: Mapping[str, Text] = field(default_factory=dict)  # by the names of the options that were auto

    def values(self) -> dict[str, Any]:
        """Return the values of the options by their names."""
        return {name: value for name, value in vars(self).items() if name != "reasons"}


def choose_recipe(options: TrainingOptions, circumstances: Circumstances) -> Recipe:
    """Return the recipe of a run; options that are not auto keep their values."""
    of_rows = count_of(circumstances.train_rows, "training row")
    reasons: dict[str, Text] = {}
    steps_per_epoch = -(-circumstances.train_rows // options.batch_size)
    epochs = options.epochs
    if isinstance(epochs, str):
        epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, -(-FEWEST_STEPS // steps_per_epoch)))
        reasons["epochs"] = of_rows
    rate = options.learning_rate
    if isinstance(rate, str):
        rate = _learning_rate(circumstances.hidden_size) * rate_factor(options.train or "all")
        reasons["learning_rate"] = RECIPE["hidden_size"].fill(size=circumstances.hidden_size)
    eval_steps = options.eval_steps
    if isinstance(eval_steps, str):
        eval_steps = _eval_steps(epochs, steps_per_epoch, circumstances)
        reasons["eval_steps"] = count_of(circumstances.valid_rows, "validation row")
    early_stopping = options.early_stopping
    if isinstance(early_stopping, str):
        early_stopping = _patience(epochs, steps_per_epoch, eval_steps) if circumstances.keeps_best else 0
        reasons["early_stopping"] = of_rows
    return Recipe(epochs, rate, eval_steps, early_stopping, reasons)


def recipe_lines(recipe: Recipe) -> list[Text]:
    """Return what of a recipe was chosen, and for which data and model; no line if the options say it all."""
    if not recipe.reasons:
        return []
    often = RECIPE["every_epoch"]
    if recipe.eval_steps:
        often = RECIPE["every_steps"].fill(steps=count_of(recipe.eval_steps, "step"))
    line = RECIPE["values"].fill(epochs=count_of(recipe.epochs, "epoch"), rate=recipe.learning_rate, often=often)
    if recipe.early_stopping:
        patience = RECIPE["patience"].fill(evaluations=count_of(recipe.early_stopping, "evaluation"))
        line = joined([line, patience], "")
    return [line, RECIPE["chosen_for"].fill(reasons=joined(dict.fromkeys(recipe.reasons.values()), LIST_COMMA))]


def _learning_rate(hidden_size: int) -> float:
    """Return the learning rate for a model: the narrower it is, the higher."""
    rate = min(LARGEST_RATE, max(SMALLEST_RATE, RATE_OF_BASE * SIZE_OF_BASE / hidden_size))
    return float(f"{rate:.1g}")


def _eval_steps(epochs: int, steps_per_epoch: int, circumstances: Circumstances) -> int:
    """Return after how many steps to evaluate besides the ends of epochs; 0 where those are enough, or all one can."""
    wanted = FEWEST_EVALUATIONS - epochs
    trained_rows = epochs * circumstances.train_rows
    affordable = int(EVALUATION_SHARE * trained_rows / max(1.0, EVALUATION_COST * circumstances.valid_rows))
    if min(wanted, affordable) <= 0:
        return 0
    steps = max(FEWEST_STEPS_BETWEEN, math.ceil(epochs * steps_per_epoch / (epochs + min(wanted, affordable))))
    return steps if steps < steps_per_epoch else 0


def _patience(epochs: int, steps_per_epoch: int, eval_steps: int) -> int:
    """Return after how many evaluations without improvement to stop; 0, never, for runs of few epochs."""
    if epochs < FEWEST_EVALUATIONS:
        return 0
    evaluations = epochs if eval_steps == 0 else epochs * steps_per_epoch // eval_steps
    return math.ceil(PATIENCE * evaluations)
