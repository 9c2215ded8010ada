"""Tables that are one json object: as pandas writes them, or an object with the list of rows in it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from toolkit.base.errors import UserError
from toolkit.base.languages import LIST_COMMA, Text, joined
from toolkit.files.source import Header, short_repr
from toolkit.files.texts import REMARKS
from toolkit.formats.column_names import TEXT_NAMES, plain_name
from toolkit.formats.header import header_of_repeated
from toolkit.formats.texts import JSON

MAX_LISTED_KEYS = 5  # in an error
SPLIT_KEYS = {"columns", "index", "data", "index_names", "column_names"}


@dataclass(frozen=True)
class Layout:
    """The rows of a table that is one json object, and what is said of how they stand there."""

    rows: list[dict]
    remark: Text
    header: Header | None = None  # where two columns have one name


def rows_of_object(name: str, value: dict) -> Layout | None:
    """Return the rows of a table that is one object, None if the object is none; UserError for one of several tables.

    See pandas, DataFrame.to_json, orient. `name` is that of the file.
    """
    if _is_row(value):
        return None
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list) and value.keys() <= SPLIT_KEYS:
        return _split(name, value["columns"], value["data"])
    if isinstance(value.get("schema"), dict) and _is_list_of_objects(value.get("data")):
        return Layout(value["data"], REMARKS["pandas_table"])
    values = value.values()
    if value and all(isinstance(item, dict) for item in values):
        return _of_objects(value)
    if value and all(isinstance(item, list) for item in values) and not any(map(_is_list_of_objects, values)):
        return _of_lists(value)
    return _list_within(name, value)


def _is_row(value: Mapping[str, object]) -> bool:
    """Return whether an object is a row itself: whether it has a text, or is a task of Label Studio."""
    has_text = any(isinstance(item, str) for key, item in value.items() if plain_name(key) in TEXT_NAMES)
    return has_text or (isinstance(value.get("data"), dict) and "annotations" in value)


def _split(name: str, columns: Sequence, rows: Iterable) -> Layout:
    """Return the rows of a list of columns and a list of lists."""
    names = list(map(str, columns))
    header = header_of_repeated(names)
    if header is not None:
        names = header.columns
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(names):
            raise UserError(JSON["other_width"].fill(name=name, number=number, width=len(names)))
    return Layout([dict(zip(names, row, strict=True)) for row in rows], REMARKS["pandas_split"], header)


def _of_objects(value: Mapping[str, dict]) -> Layout:
    """Return the rows of an object of objects: one a column with its rows by their index, or one a row by its index."""
    keys = [*dict.fromkeys(chain.from_iterable(value.values()))]
    are_columns = _are_numbers(keys) or len(value) <= len(keys)
    if _are_numbers(value) or not are_columns:
        return Layout(list(value.values()), REMARKS["pandas_index"])
    rows = [{column: cells.get(key) for column, cells in value.items()} for key in keys]
    return Layout(rows, REMARKS["pandas_columns"])


def _of_lists(value: Mapping[str, list]) -> Layout | None:
    """Return the rows of an object of lists, one a column; None if they are not as long as each other."""
    if len({len(cells) for cells in value.values()}) > 1:
        return None
    return Layout(list(_zipped(value)), REMARKS["json_list"])


def _zipped(value: Mapping[str, list]) -> Iterator[dict]:
    for cells in zip(*value.values(), strict=True):
        yield dict(zip(value, cells, strict=True))


def _list_within(name: str, value: Mapping[str, object]) -> Layout | None:
    """Return the rows of the only list of objects in an object, None if it has none; UserError if it has several."""
    lists = {key: item for key, item in value.items() if _is_list_of_objects(item)}
    if len(lists) > 1:
        keys = joined(map(short_repr, list(lists)[:MAX_LISTED_KEYS]), LIST_COMMA)
        raise UserError(JSON["several_lists"].fill(name=name, keys=keys))
    for key, rows in lists.items():
        assert isinstance(rows, list)
        return Layout(rows, REMARKS["list_of_object"].fill(name=short_repr(key)))
    return None


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _are_numbers(keys: Iterable[str]) -> bool:
    return all(key.isdigit() for key in keys)
