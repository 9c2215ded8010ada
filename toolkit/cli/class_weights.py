"""How much the rows of each label count in training, as --class_weight says: none, balanced, or label=weight words."""

import argparse
from collections.abc import Sequence
from typing import Any

from toolkit.base.errors import UserError, message_of
from toolkit.cli.label_names import split_at_equals
from toolkit.cli.parser import GatheredWords, number
from toolkit.cli.texts import CLASS_WEIGHTS

NAMES = ("none", "balanced")
_weight = number(float, 0, above=True)


class ClassWeightAction(GatheredWords):
    """Makes of the words of an option one of the names, or a dict of the weights by label."""

    def gather(self, earlier: Any, words: list[str]) -> str | dict[str, float]:
        """Return the weights, those of earlier words among them, or a name in their place."""
        weight = class_weight(words)
        if isinstance(earlier, dict) and isinstance(weight, dict):
            return earlier | weight
        return weight


def class_weight(words: Sequence[str]) -> str | dict[str, float]:
    """Return none, balanced, or the weights by label that the words of --class_weight say; UserError for others."""
    if len(words) == 1 and words[0] in NAMES:
        return words[0]
    weights: dict[str, float] = {}
    for word in words:
        label, weight = split_at_equals(word)
        if not label or not weight:
            raise UserError(CLASS_WEIGHTS["word"].fill(word=word))
        if label in weights:
            raise UserError(CLASS_WEIGHTS["twice"].fill(word=word))
        try:
            weights[label] = _weight(weight)
        except argparse.ArgumentTypeError as error:
            raise UserError(CLASS_WEIGHTS["weight"].fill(word=word, reason=message_of(error))) from None
    return weights
