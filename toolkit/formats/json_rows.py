"""Read json files: an array of objects, one object a line, or one object that is a table."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TextIO

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.files.source import Record, Source
from toolkit.files.texts import BAD_ROWS
from toolkit.formats.json_layouts import rows_of_object
from toolkit.formats.texts import JSON, JSON_REASONS

UNREADABLE = (ValueError, RecursionError)  # json's own errors are ValueErrors, as is a number of thousands of digits
HEAD_OBJECTS = 256  # whose keys are taken for the columns
BLOCK_CHARACTERS = 1 << 20  # read at once
MAX_LEVELS = 100  # few enough for whatever is done to a value later, in every version of Python


def read_json(name: str, stream: TextIO) -> Source:
    """Open a json file, whichever of the three kinds it is."""
    line = 1
    first = stream.read(1)
    while first.isspace():
        if first == "\n":
            line += 1
        first = stream.read(1)
    if first == "[":
        return _source(name, "json", _array(name, stream, line), stream)
    lines = [first + stream.readline()]
    value = _only_object(name, lines, stream, line) if first == "{" else None
    layout = None if value is None else rows_of_object(name, value)
    if layout is None:
        return read_jsonl(name, stream, lines, line)
    source = _source(name, "json", (_record(number, row) for number, row in enumerate(layout.rows, 1)), stream)
    source.unit = "row"
    source.header = layout.header
    source.taken_for.append(layout.remark)
    return source


def _only_object(name: str, lines: list[str], stream: TextIO, line: int) -> dict | None:
    """Return the object that is all there is in a file, None if the file has an object a line.

    `lines` has the first line, which is `line`; those that are read to know it are added. If the first is an object by
    itself they are read up to the next that is not blank, if it breaks off all of them. Raises UserError for an object
    over several lines that is damaged.
    """
    first = lines[0]
    if (value := _object(first)) is not None:
        while following := stream.readline():
            lines.append(following)
            if following.strip():
                return None
        return value
    if not _breaks_off(first):
        return None
    lines.extend(stream)
    try:
        value = json.loads("".join(lines))
    except UNREADABLE as error:
        if any(_object(text) is not None for text in lines):
            return None
        number = line + getattr(error, "lineno", 1) - 1
        raise UserError(JSON["invalid"].fill(name=name, line=number, reason=_reason(error))) from None
    return value if isinstance(value, dict) and not _is_too_deep(value) else None


def _object(text: str) -> dict | None:
    """Return the object that a text is, None if it is none."""
    try:
        value = json.loads(text)
    except UNREADABLE:
        return None
    return value if isinstance(value, dict) and not _is_too_deep(value) else None


def _breaks_off(text: str) -> bool:
    """Return whether a text is the beginning of a json value that goes on behind it."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text.rstrip())
    except UNREADABLE:
        return False
    return False


def read_jsonl(name: str, stream: TextIO, lines_read: Iterable[str] = (), line: int = 1) -> Source:
    """Open a file of one json object a line; `lines_read` were read before, the first of them being `line`."""
    lines = enumerate(chain(lines_read, stream), line)
    records = (_parse(number, text) for number, text in lines if text.strip())
    return _source(name, "jsonl", records, stream)


def _source(name: str, kind: str, records: Iterator[Record], stream: TextIO) -> Source:
    """Return the source; its columns are the keys of its first objects, in the order of their appearance."""
    head = list(islice(records, HEAD_OBJECTS))
    if kind == "json" and head and all(record.problem == BAD_ROWS["no_object"].fill(type="list") for record in head):
        raise UserError(JSON["nameless_lists"].fill(name=name))
    columns = list(dict.fromkeys(key for record in head for key in record.values or ()))
    columns_of_first = HEAD_OBJECTS if len(head) == HEAD_OBJECTS else None
    source = Source(name, kind, columns, chain(head, records), stream, columns_of_first=columns_of_first)
    source.cells_are_text = False
    return source


def _parse(line: int, text: str) -> Record:
    """Return the record of a line, with what is wrong where it is no json object."""
    try:
        return _record(line, json.loads(text))
    except UNREADABLE as error:
        return Record(line, None, BAD_ROWS["no_json"].fill(reason=_reason(error)), text.rstrip("\n"))


def _reason(error: Exception) -> Text:
    """Return why json cannot read a value."""
    if isinstance(error, RecursionError):
        return JSON["too_deep"]
    if not isinstance(error, json.JSONDecodeError):
        return JSON["long_number"]
    return Text(error.msg, JSON_REASONS.get(error.msg.split(": ")[0], error.msg))


def _record(line: int, value: object) -> Record:
    """Return the record of a json value, with what is wrong where it is no object."""
    if _is_too_deep(value):
        return Record(line, None, BAD_ROWS["no_json"].fill(reason=JSON["too_deep"]))
    if isinstance(value, dict):
        return Record(line, value)
    return Record(line, None, BAD_ROWS["no_object"].fill(type=type(value).__name__))


def _is_too_deep(value: object) -> bool:
    """Return whether a value is nested more than MAX_LEVELS deep, without going down by recursion."""
    level = [value]
    for _ in range(MAX_LEVELS + 1):
        nested = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list))]
        if not nested:
            return False
        level = list(chain.from_iterable(nested))
    return True


class _Scanner:
    """Decodes json values one after the other from a stream, holding little more than one of them in memory."""

    def __init__(self, name: str, stream: TextIO, line: int):
        self.name = name
        self.stream = stream
        self.line = line  # at `position`
        self.text = ""  # the part of the file that is in memory
        self.position = 0  # in `text`, of the next character

    def error(self, reason: Text) -> UserError:
        """Return the error to raise, with the file and the line."""
        return UserError(JSON["invalid"].fill(name=self.name, line=self.line, reason=reason))

    def _read_more(self, size: int) -> bool:
        """Read so many more characters; return whether there were any."""
        block = self.stream.read(size)
        self.text = self.text[self.position :] + block
        self.position = 0
        return bool(block)

    def _advance(self, position: int) -> None:
        self.line += self.text.count("\n", self.position, position)
        self.position = position

    def skip_one(self) -> None:
        """Go past the next character, which ends no line."""
        self.position += 1

    def peek(self) -> str:
        """Skip white space and return the next character, "" at the end of the file."""
        while self.position < len(self.text) or self._read_more(BLOCK_CHARACTERS):
            end = self.position
            while end < len(self.text) and self.text[end].isspace():
                end += 1
            self._advance(end)
            if end < len(self.text):
                return self.text[end]
        return ""

    def value(self) -> object:
        """Return the json value that begins at the next character; UserError if none does."""
        size = BLOCK_CHARACTERS
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self.text, self.position)
                # A value that ends with the text, such as a number, may go on behind it.
                if end < len(self.text) or not self._read_more(BLOCK_CHARACTERS):
                    self._advance(end)
                    return value
            except UNREADABLE as error:
                if not self._read_more(size):
                    raise self.error(_reason(error)) from None
            size *= 2


def _array(name: str, stream: TextIO, line: int) -> Iterator[Record]:
    """Yield the objects of a json array whose [ has been read on `line`; UserError where the array is broken."""
    scanner = _Scanner(name, stream, line)
    mark = scanner.peek()
    while mark != "]":
        scanner.peek()
        start = scanner.line
        yield _record(start, scanner.value())
        mark = scanner.peek()
        if mark != ",":
            break
        scanner.skip_one()
    if mark != "]":
        raise scanner.error(JSON["no_comma"])
    scanner.skip_one()
    if scanner.peek():
        raise scanner.error(JSON["goes_on"])
