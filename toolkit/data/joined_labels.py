"""Whether the labels of rows are rather several labels with a separator between them, as in joy;anger."""

import shlex
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from toolkit.base.languages import Text
from toolkit.data.texts import JOINED

SEPARATORS = (";", "；", "|", "、", ",", "，")


class JoinedLabels(NamedTuple):
    """What stands between several labels in one cell, and such a cell."""

    separator: str
    example: str

    def hint(self, separator: str | None) -> Text:
        """Return what to do about it, after a problem; `separator` is the one that is looked for, None if none is."""
        own = shlex.quote(self.separator)
        if separator is None:
            return JOINED["several"].fill(separator=own)
        return JOINED["another"].fill(separator=own, looked_for=shlex.quote(separator))


def find_joined(labels: Iterable[str]) -> JoinedLabels | None:
    """Return how the labels of a training file look joined, None if they do not.

    They do where each part of most labels that hold a separator stands in another label too, or is one by itself.
    """
    distinct = sorted(set(labels))
    for separator in SEPARATORS:
        parts_of = {label: _parts(label, separator) for label in distinct}
        joined = [label for label, parts in parts_of.items() if len(parts) > 1]
        holders = Counter(part for parts in parts_of.values() for part in set(parts))
        made = [label for label in joined if all(part and holders[part] > 1 for part in parts_of[label])]
        if len(made) > 1 and 2 * len(made) > len(joined):
            return JoinedLabels(separator, made[0])
    return None


def find_joined_of(known: Iterable[str], unknown: Iterable[str]) -> JoinedLabels | None:
    """Return how labels that a training file does not have look joined of such that it has, None if they do not."""
    known_labels = set(known)
    distinct = sorted(set(unknown))
    for separator in SEPARATORS:
        joined = [label for label in distinct if separator in label]
        if not joined:
            continue
        known_parts = {part for label in known_labels for part in _parts(label, separator)}
        made = [label for label in joined if known_parts.issuperset(_parts(label, separator))]
        if 2 * len(made) > len(joined):
            return JoinedLabels(separator, made[0])
    return None


def _parts(label: str, separator: str) -> list[str]:
    return [part.strip() for part in label.split(separator)]
