"""How much the rows of each label count in training, as --class_weight says: none, balanced, or label=weight words."""

import argparse
from collections.abc import Sequence
from typing import Any

from toolkit.base.errors import UserError
from toolkit.cli.label_names import split_at_equals
from toolkit.cli.parser import number

NAMES = ("none", "balanced")
_weight = number(float, 0, above=True)


class ClassWeightAction(argparse.Action):
    """Makes of the words of an option one of the names, or a dict of the weights by label."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Add the weights to those that the namespace has already, or put a name in their place."""
        earlier = getattr(namespace, self.dest, None)
        weight = class_weight([str(word) for word in values or ()])
        if isinstance(earlier, dict) and isinstance(weight, dict):
            weight = earlier | weight
        setattr(namespace, self.dest, weight)


def class_weight(words: Sequence[str]) -> str | dict[str, float]:
    """Return none, balanced, or the weights by label that the words of --class_weight say; UserError for others."""
    if len(words) == 1 and words[0] in NAMES:
        return words[0]
    weights: dict[str, float] = {}
    for word in words:
        label, weight = split_at_equals(word)
        if not label or not weight:
            raise UserError(f"--class_weight {word}: should be none, balanced, or LABEL=WEIGHT for some of the labels")
        if label in weights:
            raise UserError(f"--class_weight {word}: the label has a weight already")
        try:
            weights[label] = _weight(weight)
        except argparse.ArgumentTypeError as error:
            raise UserError(f"--class_weight {word}: the weight {error}") from None
    return weights
