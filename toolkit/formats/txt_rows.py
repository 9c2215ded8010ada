"""Read txt files: a text a line, with its label on either side of a tab, as fastText writes it, or between `_!_`."""

from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import fmean
from typing import TextIO, TypeAlias

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.files.source import Record, Source
from toolkit.files.texts import BAD_ROWS, REMARKS
from toolkit.formats.column_names import LABEL_NAMES, TEXT_NAMES, TITLES, plain_name
from toolkit.formats.header import header_of_repeated
from toolkit.formats.texts import TABLES

HEAD_CHARACTERS = 1 << 20
HEAD_LINES = 256  # that are looked at before the first is read: as many rows as a pipe is answered at once
FASTTEXT = "__label__"
TAB = "\t"
BARS = "_!_"
TOUTIAO = ("id", "code", "label", "text", "keywords")  # of the headlines that Toutiao's news are published as
MUCH_LONGER = 2  # times: a text than its label
ENOUGH_LINES = 10  # by which it can be told on which side the labels are
Line: TypeAlias = "tuple[int, str]"  # its number in the file, the first being 1, and what stands on it


def read_txt(name: str, stream: TextIO, lines_at_hand: int | None = None, names: Sequence[str] = ()) -> Source:
    """Open a txt file, of which kind its first lines tell; blank lines are no rows.

    Of a pipe no more than `lines_at_hand` are looked at, but one that is not blank in any case. `names` are text and
    label in their order, if that is known. Raises UserError for lines of which it cannot be known where the text is.
    """
    lines = enumerate(stream, 1)
    head = _first(lines, HEAD_LINES if lines_at_hand is None else min(lines_at_hand, HEAD_LINES))
    first_lines = [text.rstrip("\r\n") for _, text in head if text.strip()]
    numbered = ((number, text.rstrip("\r\n")) for number, text in chain(head, lines) if text.strip())
    source = _of_kind(name, first_lines, numbered, names)
    source.stream = stream
    return source


def _first(lines: Iterator[Line], count: int) -> list[Line]:
    """Take so many of the lines, fewer if they are very long, more up to the first that is not blank."""
    head = []
    characters = 0
    has_content = False
    for number, text in lines:
        head.append((number, text))
        characters += len(text)
        has_content = has_content or bool(text.strip())
        if has_content and (len(head) >= count or characters > HEAD_CHARACTERS):
            break
    return head


def names_columns(cells: Sequence[str]) -> bool:
    """Return whether cells are a header: whether one names a column of texts and one a column of labels."""
    names = {plain_name(cell) for cell in cells}
    return bool(names & (TEXT_NAMES | TITLES)) and bool(names & LABEL_NAMES)


def _of_kind(name: str, head: Sequence[str], lines: Iterator[Line], names: Sequence[str]) -> Source:
    """Return the source of the lines, whose first are `head`, none of them blank."""
    if names and head:
        return _text_and_label(name, head, lines, BARS if BARS in head[0] else TAB, names)
    if not head:
        return Source(name, "txt", ["text"], iter(()), has_fixed_columns=True)
    if is_fasttext(head):
        records = (_fasttext_record(number, line) for number, line in lines)
        return Source(name, "csv", ["label", "text"], records, has_fixed_columns=True, taken_for=["fastText"])
    if all(BARS in line for line in head):
        return _between_bars(name, head, lines)
    if TAB not in head[0]:
        records = (Record(number, {"text": line}) for number, line in lines)
        return Source(name, "txt", ["text"], records, has_fixed_columns=True)
    return _text_and_label(name, head, lines, TAB)


# -- a text and a label ----------------------------------------------------------------------------------------------


def _text_and_label(
    name: str, head: Sequence[str], lines: Iterator[Line], separator: str, names: Sequence[str] = ()
) -> Source:
    """Return the source of lines of a text and a label, in the order of `names`, or in whichever order they are."""
    shown = "<TAB>" if separator == TAB else separator
    missing = BAD_ROWS["no_separator"].fill(sign=REMARKS["tab"] if separator == TAB else separator)
    is_text_first = names[0] == "text" if names else _labels_come_last(head, separator)
    columns = ["label", "text"] if is_text_first is False else ["text", "label"]

    def record(number: int, line: str) -> Record:
        """Return the record of a line; a text may have the separator in it."""
        cells = line.split(separator, 1) if is_text_first is False else line.rsplit(separator, 1)
        if len(cells) < 2:
            return Record(number, None, missing, line)
        return Record(number, dict(zip(columns, cells, strict=True)))

    taken_for: list[str | Text] = [] if is_text_first and separator == TAB else [shown.join(columns)]
    if is_text_first is None:
        taken_for = [REMARKS["other_way"].fill(columns=shown.join(columns))]
    kind = "txt" if separator == TAB else "csv"
    return Source(name, kind, columns, (record(*line) for line in lines), has_fixed_columns=True, taken_for=taken_for)


def _labels_come_last(head: Sequence[str], separator: str) -> bool | None:
    """Return whether a line is a text and then its label, False for the other way round; None if it may be either.

    Labels come again and again and are shorter than texts. A few lines never say that the label stands first.
    """
    lines = [line for line in head if separator in line]
    label_last = [line.rpartition(separator) for line in lines]
    label_first = [line.partition(separator) for line in lines]
    last = _fit_as_labels([label for _, _, label in label_last], [text for text, _, _ in label_last])
    first = _fit_as_labels([label for label, _, _ in label_first], [text for _, _, text in label_first])
    if last != first and (last > first or len(lines) >= ENOUGH_LINES):
        return last > first
    return None


def _fit_as_labels(cells: Sequence[str], others: Sequence[str]) -> int:
    """Return how well the cells on one side of the separator fit as labels of what is on the other.

    2: they recur, and the others do not or are longer. 1: they are much shorter. 0: neither.
    """
    share = fmean(map(len, cells)) / max(fmean(map(len, others)), 1)
    if _recurs(cells) and (share < 1 or not _recurs(others)):
        return 2
    return int(share * MUCH_LONGER <= 1)


def _recurs(cells: Sequence[str]) -> bool:
    """Return whether one cell stands on two lines on average."""
    return len(set(cells)) * 2 <= len(cells)


# -- fastText --------------------------------------------------------------------------------------------------------


def is_fasttext(lines: Sequence[str]) -> bool:
    """Return whether most lines, none of them blank, begin or end with a label of fastText."""
    words = [line.split() for line in lines]
    return 2 * sum(line[0].startswith(FASTTEXT) or line[-1].startswith(FASTTEXT) for line in words) > len(lines)


def _fasttext_record(number: int, line: str) -> Record:
    """Return the record of a line of fastText, whose labels stand before the text or behind it.

    One label is a string. Several are a list, which is no label that can be learned.
    """
    text = line.strip()
    labels = []
    while text.startswith(FASTTEXT):
        word, *rest = text.split(maxsplit=1)
        labels.append(word.removeprefix(FASTTEXT))
        text = rest[0] if rest else ""
    words = text.split()
    while words and words[-1].startswith(FASTTEXT):
        last = words.pop()
        text = text.removesuffix(last).rstrip()
        labels.append(last.removeprefix(FASTTEXT))
    return Record(number, {"label": labels[0] if len(labels) == 1 else labels or None, "text": text})


# -- lines with _!_ --------------------------------------------------------------------------------------------------


def _between_bars(name: str, head: Sequence[str], lines: Iterator[Line]) -> Source:
    """Return the source of lines whose cells are separated by `_!_`; UserError if it cannot be known which is which."""
    cells = head[0].split(BARS)
    if names_columns(cells):
        next(lines)
        header = header_of_repeated(cells)
        columns = cells if header is None else header.columns
        records = (_cells_record(*line, columns) for line in lines)
        remark = REMARKS["bars_with_header"].fill(separator=BARS)
        return Source(name, "csv", columns, records, header=header, taken_for=[remark])
    if len(cells) == 2:
        return _text_and_label(name, head, lines, BARS)
    if len(cells) != len(TOUTIAO) or not cells[1].isdigit():
        raise UserError(TABLES["nameless_cells"].fill(name=name, count=len(cells), separator=BARS))
    remark = REMARKS["bars"].fill(separator=BARS, columns=BARS.join(("id", "code", "category", "title", "keywords")))
    records = (_cells_record(*line, TOUTIAO) for line in lines)
    return Source(name, "csv", list(TOUTIAO), records, has_fixed_columns=True, taken_for=[remark])


def _cells_record(number: int, line: str, columns: Sequence[str]) -> Record:
    """Return the record of a line of cells, with what is wrong where it has more or fewer than there are columns."""
    cells = line.split(BARS)
    if len(cells) != len(columns):
        return Record(number, None, BAD_ROWS["cells"].fill(cells=len(cells), columns=len(columns)), cells)
    return Record(number, dict(zip(columns, cells, strict=True)))
