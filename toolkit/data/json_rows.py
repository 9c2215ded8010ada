"""Read json files: an array of objects, or one object a line."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TextIO

from toolkit.base.errors import UserError
from toolkit.data.files import Record, Source

UNREADABLE = (ValueError, RecursionError)  # json's own errors are ValueErrors, as is a number of thousands of digits
HEAD = 256  # objects whose keys are taken for the columns
BLOCK = 1 << 20  # characters read at once
DEEPEST = 100  # levels; few enough for whatever is done to a value later, in every version of Python
TOO_DEEP = "nested too deeply"


def read_json(name: str, stream: TextIO) -> Source:
    """Open a json file, whichever of the two kinds it is."""
    line, first = 1, stream.read(1)
    while first.isspace():
        line, first = line + (first == "\n"), stream.read(1)
    if first != "[":
        return read_jsonl(name, stream, [first + stream.readline()], line)
    return _source(name, "json", _array(name, stream, line), stream)


def read_jsonl(name: str, stream: TextIO, started: Iterable[str] = (), line: int = 1) -> Source:
    """Open a file of one json object a line; `started` are lines that were already read, the first of them `line`."""
    lines = enumerate(chain(started, stream), line)
    return _source(name, "jsonl", (_parse(number, line) for number, line in lines if line.strip()), stream)


def _source(name: str, kind: str, records: Iterator[Record], stream: TextIO) -> Source:
    """Return the source; its columns are the keys of its first 256 objects, in the order of their appearance."""
    head = list(islice(records, HEAD))
    columns = list(dict.fromkeys(key for record in head for key in record.values or ()))
    first = HEAD if len(head) == HEAD else None
    return Source(name, kind, columns, chain(head, records), stream, columns_of_first=first)


def _parse(line: int, text: str) -> Record:
    try:
        return _record(line, json.loads(text))
    except UNREADABLE as error:
        return Record(line, None, f"not valid json ({_reason(error)})", text.rstrip("\n"))


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return TOO_DEEP
    return getattr(error, "msg", "a number with thousands of digits")


def _record(line: int, value: object) -> Record:
    if _is_too_deep(value):
        return Record(line, None, f"not valid json ({TOO_DEEP})")
    if isinstance(value, dict):
        return Record(line, value)
    return Record(line, None, f'a json {type(value).__name__} where an object such as {{"text": ...}} belongs')


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        nested = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list))]
        if not nested:
            return False
        level = list(chain.from_iterable(nested))
    return True


class _Scanner:
    """Decodes json values one after the other from a stream, holding little more than one of them in memory."""

    def __init__(self, name: str, stream: TextIO, line: int):
        self.name, self.stream, self.line = name, stream, line
        self.text, self.pos = "", 0

    def fail(self, message: str) -> UserError:
        """Return the error to raise, with the file and the line."""
        return UserError(f"{self.name}, line {self.line}: not valid json ({message})")

    def _more(self, size: int = BLOCK) -> bool:
        block = self.stream.read(size)
        self.text, self.pos = self.text[self.pos :] + block, 0
        return bool(block)

    def _advance(self, end: int) -> None:
        self.line += self.text.count("\n", self.pos, end)
        self.pos = end

    def peek(self) -> str:
        """Skip white space and return the next character, "" at the end of the file."""
        while self.pos < len(self.text) or self._more():
            end = self.pos
            while end < len(self.text) and self.text[end].isspace():
                end += 1
            self._advance(end)
            if end < len(self.text):
                return self.text[end]
        return ""

    def value(self) -> object:
        """Return the json value that begins at the next character."""
        size = BLOCK
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self.text, self.pos)
                if end < len(self.text) or not self._more():
                    self._advance(end)
                    return value
            except UNREADABLE as error:
                if not self._more(size):
                    raise self.fail(_reason(error)) from None
            size *= 2


def _array(name: str, stream: TextIO, line: int) -> Iterator[Record]:
    """Yield the objects of a json array whose [ has been read."""
    scan = _Scanner(name, stream, line)
    mark = scan.peek()
    while mark != "]":
        scan.peek()
        line = scan.line
        yield _record(line, scan.value())
        mark = scan.peek()
        if mark != ",":
            break
        scan.pos += 1
    scan.pos += 1
    if mark != "]":
        raise scan.fail("a comma or the closing bracket is missing")
    if scan.peek():
        raise scan.fail("text follows the array")
