"""The header of a table: its names, whether it is one at all, and names for the columns of a file without."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from toolkit.base.errors import UserError
from toolkit.base.languages import LIST_COMMA, Text, count_of, joined
from toolkit.files.source import Header, short_repr
from toolkit.files.texts import REMARKS
from toolkit.formats.column_names import Content, clean_name, is_known, screen_width
from toolkit.formats.dialects import EarlierFile, TableReading
from toolkit.formats.texts import TABLES

JUDGED_ROWS = 1000  # about as many as are looked at
FEW_ROWS = 3  # by fewer a header cannot be told from a row
LOOKED_AT = 100  # characters of a cell
LONG_NAME = 25  # columns of a screen; hardly a name is as long
MANY_MORE = 3  # times
SHORT_NAME = 20  # columns of a screen
SENTENCE = re.compile(r"[,.!?;，。！？；…]\s*\S|[.!?。！？…]$|(\S+\s+){4}")  # what is hardly in a name
NAME = re.compile(r"(?=.*[^\W\d_])[#_]?\w[\w .:/#()\[\]-]{0,38}")


class FirstRow(Enum):
    """What the first row of a file is."""

    HEADER = "header"
    ROW = "row"
    UNCLEAR = "unclear"


# -- the names -------------------------------------------------------------------------------------------------------


def make_header(name: str, line: int, cells: Sequence[str], is_doubtful: bool = False) -> Header:
    """Return the header that stands on a line of the file `name`; UserError if none of several columns has a name."""
    plain = [cell.strip() for cell in cells]
    if len(plain) > 1 and not any(plain):
        raise UserError(TABLES["unnamed_columns"].fill(name=name, line=line))
    names = _without_what_is_around(plain)
    repeated = frozenset(column for column, count in Counter(names).items() if count > 1)
    columns = _made_different(names)
    written = {column: cell for column, cell in zip(columns, cells, strict=True) if column != cell}
    return Header(line, columns, written, repeated, is_doubtful)


def header_of_repeated(names: Sequence[str]) -> Header | None:
    """Return the header of columns whose names stand on no line, as in parquet, if two have one name; else None."""
    repeated = frozenset(name for name, count in Counter(names).items() if count > 1)
    if not repeated:
        return None
    columns = _made_different(names)
    written = {column: name for column, name in zip(columns, names, strict=True) if column != name}
    return Header(None, columns, written, repeated)


def _without_what_is_around(plain: Sequence[str]) -> list[str]:
    """Return names cleaned, but for those that would then be called as another column is."""
    cleaned = [clean_name(cell) for cell in plain]
    counts = Counter(cleaned)
    as_it_stands = set(plain)
    return [
        cell if name != cell and (name in as_it_stands or counts[name] > 1 or not name) else name
        for cell, name in zip(plain, cleaned, strict=True)
    ]


def _made_different(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same: the second of two is called name.1, as pandas does."""
    taken = set(names)
    seen: Counter[str] = Counter()
    columns = []
    for name in names:
        column = name
        while seen[name] and column in taken:
            column = f"{name}.{seen[name]}"
            seen[name] += 1
        seen[name] += not seen[name]
        taken.add(column)
        columns.append(column)
    return columns


def tell_header(name: str, line: int, rows: Sequence[Sequence[str]], known: TableReading, unit: str = "line") -> Header:
    """Return the names of the columns of a table whose first rows are `rows`, the first of them on `line`.

    It is the header, or a row like the others, whose columns are named by what is in them. UserError if that is not
    clear, or a name is wanted that two columns have.
    """
    first = list(rows[0])
    if known.names:
        return given_names(name, known.names, len(first))
    if known.earlier is not None:
        if goes_on(rows, known.earlier, known.wanted):
            return Header(None, list(known.earlier.columns), {})
        known = replace(known, has_header=True)
    judged = FirstRow.HEADER if known.has_header is not False else FirstRow.ROW
    if known.has_header is None:
        judged = judge_first_row(rows, known.wanted)
    if judged is FirstRow.ROW:
        return Header(None, name_columns(name, rows, known.with_label), {})
    cells = first + [""] * _missing_names(rows)
    header = replace(make_header(name, line, cells, is_doubtful=judged is FirstRow.UNCLEAR), unit=unit)
    header.refuse_repeated(name, known.wanted)
    return header


def _missing_names(rows: Sequence[Sequence[str]]) -> int:
    """Return how many empty fields most rows have more at their end than the first, as where it lacks separators."""
    width = len(rows[0])
    longer = [len(row) - width for row in rows[1:] if len(row) > width and not any(row[width:])]
    return min(longer) if width > 1 and len(longer) * 2 > len(rows) - 1 else 0


# -- is it one? ------------------------------------------------------------------------------------------------------


def judge_first_row(rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> FirstRow:
    """Return what the first of the rows of a file is: a header, a row like those below, or either.

    It is a header if it has a name that is wanted or known, a word above numbers, or a short word above long texts. It
    is a row if it has a long text as those below, or a short value that stands below too.
    """
    first = [clean_name(cell) for cell in rows[0]]
    if {clean_name(name) for name in wanted} & set(first):
        return FirstRow.HEADER
    below = [row for row in _sample(rows[1:]) if list(row) != list(rows[0]) and len(row) == len(first)]
    columns = [Content.of([row[j] for row in below]) for j in range(len(first))]
    if len(first) > 1 and [cell for cell in first if cell] == [str(j) for j in range(sum(map(bool, first)))]:
        return FirstRow.HEADER  # as pandas writes it for columns without names
    is_row = any(_is_like(cell, content) for cell, content in zip(first, columns, strict=True))
    is_other = any(_is_unlike(cell, content) for cell, content in zip(first, columns, strict=True))
    if is_row:
        return FirstRow.UNCLEAR if is_other else FirstRow.ROW
    may_be_names = any(map(is_known, first)) or (len(first) > 1 and _are_names(first))  # a text may be one word too
    if len(rows) < FEW_ROWS or (is_other and may_be_names):
        return FirstRow.HEADER
    return FirstRow.UNCLEAR


def _sample(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """Return some rows from all over, since files may be sorted by their labels."""
    return rows[:: max(1, len(rows) // JUDGED_ROWS)]


def _are_names(cells: Sequence[str]) -> bool:
    """Return whether cells look like names: words without punctuation, no two the same."""
    names = [cell for cell in cells if cell]
    return len(set(names)) == len(names) and all(NAME.fullmatch(cell) for cell in names)


def _is_like(cell: str, below: Content) -> bool:
    """Return whether a cell is clearly a value of a column that has these below."""
    if below.recurs and not below.is_constant and cell in below.cells:
        return True
    width = screen_width(cell)
    is_text = width >= LONG_NAME or SENTENCE.search(cell[:LOOKED_AT]) is not None
    return below.is_long and is_text and width * 3 >= below.width


def _is_unlike(cell: str, below: Content) -> bool:
    """Return whether a cell is clearly no value of a column that has these below."""
    if not cell or not below.cells:
        return False
    if is_known(cell) and cell not in below.cells:
        return True
    if below.is_number:
        return not Content((cell,)).is_number
    width = screen_width(cell)
    return below.is_long and width <= SHORT_NAME and width * 3 < below.width


def goes_on(rows: Sequence[Sequence[str]], earlier: EarlierFile, wanted: Sequence[str]) -> bool:
    """Return whether a file goes on with the rows of an earlier one, its first row being no header but a row.

    It has no header if the first row is like the rows of both. One that may be either is none if it has a cell that
    is hardly a name.
    """
    first = list(rows[0])
    cells = [*first, *[""] * _missing_names(rows)]
    if sorted(map(clean_name, cells)) == sorted(map(clean_name, earlier.columns)):
        return False
    width = len(earlier.columns)
    if len(first) != width:  # a row that is damaged, or the header of another table
        return sum(len(row) == width for row in rows[1:]) * 2 > len(rows) - 1 and not any(map(is_known, first))
    columns = [Content.of([row[j] for row in earlier.rows]) for j in range(width)]
    pairs = list(zip(first, columns, strict=True))
    has_new_name = any(is_known(cell) and cell not in content.cells for cell, content in pairs)
    if not has_new_name and any(content.recurs and cell in content.cells for cell, content in pairs):
        return True
    judged = judge_first_row([first, *rows[1:], *earlier.rows], wanted)
    return judged is FirstRow.ROW or (judged is FirstRow.UNCLEAR and (width == 1 or not _are_names(first)))


# -- a file without --------------------------------------------------------------------------------------------------


def name_columns(name: str, rows: Sequence[Sequence[str]], with_label: bool) -> list[str]:
    """Return names for the columns of a file without a header, by what is in its rows: text, text_pair and label.

    Others are called column_1 and so on by their place. Raises UserError where it is not clear which are which.
    """
    width = len(rows[0])
    usual = [row for row in _sample(rows) if len(row) == width]
    contents = [Content.of([row[j] for row in usual]) for j in range(width)]
    labels = _label_columns(contents) if width > 1 else []
    texts = [j for j, content in enumerate(contents) if content.cells and j not in labels and not content.is_code]
    if len(texts) > 2:
        texts = [j for j in texts if contents[j].is_long]
    is_clear = len(labels) == 1 if with_label else len(labels) < 2
    if width > 1 and (not is_clear or not 1 <= len(texts) <= 2):
        example = ",".join(["label", "text", "other"][:width] + [f"column_{j + 1}" for j in range(3, width)])
        raise UserError(TABLES["unclear_columns"].fill(name=name, width=width, example=example))
    names = [f"column_{j + 1}" for j in range(width)]
    for j, role in zip(texts or [0], ("text", "text_pair"), strict=False):
        names[j] = role
    for j in labels:
        names[j] = "label"
    return names


def _label_columns(contents: Sequence[Content]) -> list[int]:
    """Return which columns may be the labels: those whose values recur.

    Of several it is the one that has numbers, if the others have many more different values, as short titles have. One
    with the same value everywhere is it only where there is no other.
    """
    recurring = [j for j, content in enumerate(contents) if content.recurs]
    candidates = [j for j in recurring if not contents[j].is_constant] or recurring
    numbers = [j for j in candidates if contents[j].is_number]
    others = [j for j in candidates if j not in numbers]
    if len(numbers) == 1 and all(
        len(set(contents[j].cells)) >= MANY_MORE * len(set(contents[numbers[0]].cells)) for j in others
    ):
        return numbers
    return candidates


def given_names(name: str, names: Sequence[str], width: int) -> Header:
    """Return the header of a file without one whose columns options name; UserError if they are not as many."""
    if len(names) != width:
        fields = count_of(width, "field")
        raise UserError(TABLES["other_count"].fill(name=name, count=len(names), fields=fields))
    return Header(None, list(names), {})


def described(names: Sequence[str]) -> Text:
    """Return in words that a file has no header, and what its columns are called."""
    listed = joined([short_repr(name)[1:-1] for name in names], LIST_COMMA)
    return REMARKS["no_header"].fill(names=listed)
