"""What a cell of a row says: a text, a label or several, a group, or why it cannot be used."""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal

from toolkit.base.languages import Text
from toolkit.data.spellings import number_label, plain_label
from toolkit.data.texts import CELLS
from toolkit.files.columns import Columns
from toolkit.files.source import short_repr

CHOICES = '{"choices":'  # how a cell begins in which Label Studio has several of them
SURROGATE = re.compile("[\ud800-\udfff]")
SINGLE_VALUES = (bool, int, float, Decimal)
SET_OR_NOT = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}  # of a label


class Unusable(Exception):
    """The reason why a row cannot be used."""

    def __init__(self, reason: Text):
        super().__init__(reason)
        self.reason = reason


def text_of(values: Mapping, column: str) -> str:
    """Return a text; numbers are texts too."""
    value = values.get(column)
    if _is_empty(value):
        raise _unusable_cell("empty", column)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _unusable_cell("no_text", column, type=type(value).__name__)
    check_characters(value, column)
    return value


def labels_of_row(values: Mapping, columns: Columns) -> str | tuple[str, ...]:
    """Return the label of a row, or its labels where a row may have several; Unusable if a cell makes no sense."""
    if columns.label_columns:
        return tuple(plain_label(column) for column in columns.label_columns if _is_set(values.get(column), column))
    assert columns.label is not None, "rows without labels are not asked for them"
    if columns.label_separator is None:
        return _label(values, columns.label)
    return _label_set(values.get(columns.label), columns.label, columns.label_separator)


def _label_set(value: object, column: str, separator: str) -> tuple[str, ...]:
    """Return the different labels of a cell: those of a list, or of a text with the separator between them.

    An empty cell has none, nor have the empty parts of one.
    """
    if isinstance(value, str) and value.startswith(CHOICES):
        value = _parsed(value)
    if isinstance(value, Mapping):
        value = value.get("choices")
    parts: list[object] = [value]
    if isinstance(value, str):
        parts = [*value.split(separator)]
    elif isinstance(value, list):
        parts = value
    return tuple(dict.fromkeys(_label({column: part}, column) for part in parts if not _is_empty(part)))


def _parsed(value: str) -> object:
    """Return what Label Studio writes into a cell as json, or the cell as it is if it is none."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def is_indicator(value: object) -> bool:
    """Return whether a cell says whether a row has a label: 0, 1, true or false."""
    return str(value).strip().casefold() in SET_OR_NOT


def _is_set(value: object, column: str) -> bool:
    """Return what the cell of a label's column says; Unusable if it is neither yes nor no."""
    word = str(value).strip().casefold()
    if word not in SET_OR_NOT:
        raise _unusable_cell("empty" if _is_empty(value) else "neither", column, value=short_repr(value))
    return SET_OR_NOT[word]


def _label(values: Mapping, column: str) -> str:
    """Return a label as a string: 1, 1.0 and "1" are one label, true is "true"."""
    value = values.get(column)
    if _is_empty(value):
        raise _unusable_cell("empty", column)
    if _are_several_labels(value):
        raise _unusable_cell("several_labels", column, value=short_repr(value))
    if isinstance(value, SINGLE_VALUES) and value not in (math.inf, -math.inf):
        return _in_words(value)
    if not isinstance(value, str):
        raise _unusable_cell("no_label", column, value=short_repr(value))
    check_characters(value, column)
    label = plain_label(value)
    if not label:
        raise _unusable_cell("empty", column)
    return label


def _in_words(value: bool | int | float | Decimal) -> str:
    """Return a truth value or a finite number as a string."""
    return str(value).lower() if isinstance(value, bool) else number_label(value)


def group_of(values: Mapping, column: str) -> str:
    """Return a group as a string, 1 and 1.0 alike; "" for an empty cell, whose row is in no group."""
    value = values.get(column)
    if _is_empty(value):
        return ""
    if isinstance(value, SINGLE_VALUES) and value not in (math.inf, -math.inf):
        return _in_words(value)
    return plain_label(str(value))


def _are_several_labels(value: object) -> bool:
    """Return whether a cell has several labels: a list of them, or the object in which Label Studio writes choices."""
    if isinstance(value, str):
        return value.startswith(CHOICES)
    if isinstance(value, dict):
        return isinstance(value.get("choices"), list)
    return isinstance(value, list) and len(value) > 1


def _is_empty(value: object) -> bool:
    """Return whether a cell has no value: none, not a number, or blanks alone."""
    is_nan = value != value
    return value is None or is_nan or (isinstance(value, str) and not value.strip())


def check_characters(value: str, column: str) -> None:
    """Raise Unusable for a cell with a NUL, half a character or a byte that could not be decoded."""
    if "\0" in value:
        raise _unusable_cell("nul", column)
    surrogate = SURROGATE.search(value)
    if surrogate is None:
        return
    code = ord(surrogate.group())
    if not 0xDC80 <= code <= 0xDCFF:
        raise _unusable_cell("incomplete", column)
    raise _unusable_cell("undecoded", column, byte=code - 0xDC00)


def _unusable_cell(problem: str, column: str, **facts: object) -> Unusable:
    """Return what to raise for a cell with one of the problems of CELLS."""
    name = short_repr(column)[1:-1]  # as it stands, if it is of an ordinary length
    return Unusable(CELLS[problem].fill(column=name, **facts))
