"""Tell a regular expression that could take for ever to match from one that could not.

The expressions of a tokenizer are matched by backtracking (Oniguruma, Ruby's syntax), which tries every way in which a
text can be matched. There are exponentially many where a repeat holds something that can match in several ways:
another repeat, or alternatives (Kirrage, Rathnayake and Thielecke, Static Analysis for Regular Expression
Denial-of-Service Attacks, 2013). Such expressions are refused, harmless ones among them; known tokenizers have none.
"""

import re
from dataclasses import dataclass

from toolkit.base.languages import Text
from toolkit.models.texts import PATTERNS

MAX_PATTERN_LENGTH = 10_000  # characters of an expression; those of known tokenizers have some hundreds
MAX_DEPTH = 50  # groups inside groups
OPEN_ENDED_WAYS = 100  # ways to match that an open-ended repeat counts for
MAX_WAYS = 10**7  # three open-ended repeats in a row and some choices; known tokenizers have two

CLASS_NAME = re.compile(r"\[:\^?\w+:\]")
# The option x is left out: with it blanks mean nothing, and a quantifier behind one repeats what is before the blank.
GROUP = re.compile(r"\((?:(?!\?)|\?(?:[:=!>]|<[=!]|<\w+>|'\w+'|[im-]+[:)]))")
COUNT = re.compile(r"\{(\d*)(?:(,)(\d*))?\}")
ESCAPE = re.compile(r"\\(?:[pP]\{\^?\w+\}|x\{[0-9A-Fa-f ]+\}|[^gk1-9])", re.DOTALL)


def why_endless(pattern: str) -> Text | None:
    """Return what could make matching a pattern endless, None if it is harmless."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        return PATTERNS["long"].fill(length=len(pattern))
    try:
        return _Reader(pattern).problem()
    except (IndexError, ValueError):  # it ends too early, or a number has thousands of digits
        return PATTERNS["broken"]


@dataclass(frozen=True)
class _Quantifier:
    """How often an item may be repeated, and the position behind the quantifier."""

    least: int
    most: int | None  # None: without end
    end: int

    @property
    def repeats(self) -> bool:
        """Whether the item may be matched more than once."""
        return self.most is None or self.most > 1

    @property
    def ways(self) -> int:
        """How many numbers of repeats there are to choose from."""
        if self.most is None:
            return OPEN_ENDED_WAYS
        return min(self.most - self.least + 1, OPEN_ENDED_WAYS)


@dataclass
class _OpenGroup:
    """In how many ways the alternatives of a group match: the finished ones together, and the one being read."""

    finished: int = 0
    current: int = 1
    is_options: bool = False  # opened by options such as (?i), which ends where the group around it does

    @property
    def ways(self) -> int:
        """In how many ways the group matches if it ends here."""
        return self.finished + self.current


class _Reader:
    """Reads a pattern from left to right and counts, roughly, the ways in which it can match."""

    def __init__(self, pattern: str):
        self.pattern = pattern
        self.position = 0
        self.groups = [_OpenGroup()]  # the innermost is the last; the first is the pattern itself
        self.item_ways = 0  # of what was just read; 0 where there is nothing that a quantifier could repeat

    def problem(self) -> Text | None:
        """Return what could make matching endless, None if nothing; raises IndexError for a pattern that is broken."""
        while self.position < len(self.pattern):
            problem = self._read_next() or self._excess()
            if problem is not None:
                return problem
        self._close_options()
        return self._excess() if len(self.groups) == 1 else PATTERNS["broken"]

    def _excess(self) -> Text | None:
        """Return what there is too much of."""
        if self.groups[-1].current > MAX_WAYS:
            return PATTERNS["ways"]
        if len(self.groups) > MAX_DEPTH:
            return PATTERNS["deep"].fill(most=MAX_DEPTH)
        return None

    def _read_next(self) -> Text | None:
        """Read a quantifier, a parenthesis, a bar or a character, and return what is wrong with it."""
        char = self.pattern[self.position]
        if self.item_ways and char in "*+?{":
            quantifier = _quantifier(self.pattern, self.position)
            if quantifier is not None:
                return self._repeat_item(quantifier)
        if char == "(":
            return self._open_group()
        if char == ")":
            self._close_group()
            return None
        if char == "|":
            self._begin_alternative()
            return None
        return self._read_character(char)

    def _repeat_item(self, quantifier: _Quantifier) -> Text | None:
        if quantifier.repeats and self.item_ways > 1:
            return PATTERNS["repeats"]
        self.item_ways *= quantifier.ways
        self.groups[-1].current *= quantifier.ways
        self.position = quantifier.end
        return None

    def _open_group(self) -> Text | None:
        opening = GROUP.match(self.pattern, self.position)
        if opening is None:
            return PATTERNS["unsupported"].fill(part=repr(self.pattern[self.position : self.position + 4]))
        self.groups.append(_OpenGroup(is_options=opening[0].endswith(")")))
        self.item_ways = 0
        self.position = opening.end()
        return None

    def _close_options(self) -> None:
        """Close the groups that options opened: a(?i)b|c is a(?i:b|c)."""
        while self.groups[-1].is_options:
            ways = self.groups.pop().ways
            self.groups[-1].current *= ways

    def _close_group(self) -> None:
        self._close_options()
        self.item_ways = self.groups.pop().ways
        self.groups[-1].current *= self.item_ways
        self.position += 1

    def _begin_alternative(self) -> None:
        group = self.groups[-1]
        group.finished = group.ways
        group.current = 1
        self.item_ways = 0
        self.position += 1

    def _read_character(self, char: str) -> Text | None:
        """Read a character, an escape or a character class."""
        if char == "\\":
            escape = ESCAPE.match(self.pattern, self.position)
            if escape is None:
                return PATTERNS["unsupported"].fill(part=repr(self.pattern[self.position : self.position + 2]))
            self.position = escape.end()
        elif char == "[":
            self.position = _end_of_class(self.pattern, self.position)
        else:
            self.position += 1
        self.item_ways = 1
        return None


def _quantifier(pattern: str, position: int) -> _Quantifier | None:
    """Return the quantifier that begins at a position, None if it is a plain brace."""
    char = pattern[position]
    if char == "{":
        return _counted_quantifier(pattern, position)
    end = position + 1
    if pattern[end : end + 1] in ("?", "+"):  # lazy or possessive
        end += 1
    least = 1 if char == "+" else 0
    most = 1 if char == "?" else None
    return _Quantifier(least, most, end)


def _counted_quantifier(pattern: str, position: int) -> _Quantifier | None:
    """Return the quantifier {n}, {n,}, {,m} or {n,m} at the position of a brace, None if it is a plain brace."""
    count = COUNT.match(pattern, position)
    if count is None or not (count[1] or count[3]):
        return None
    end = count.end()
    if not count[2]:
        times = int(count[1])
        return _Quantifier(times, times, end)  # a question mark behind it is a quantifier of its own
    if pattern[end : end + 1] == "?":  # lazy
        end += 1
    least = int(count[1] or 0)
    if not count[3]:
        return _Quantifier(least, None, end)
    most = int(count[3])
    return _Quantifier(min(least, most), max(least, most), end)  # {3,1} is {1,3}, possessive


def _end_of_class(pattern: str, position: int) -> int:
    """Return the position behind the character class that begins at a position; classes may hold classes."""
    depth = 0
    while True:
        name = CLASS_NAME.match(pattern, position)
        if name is not None:
            position = name.end()
            continue
        char = pattern[position]
        if char == "[":
            depth += 1
            position += 1
            if pattern[position] == "^":
                position += 1
            if pattern[position] == "]":  # a bracket that comes first stands for itself
                position += 1
            continue
        if char == "]":
            depth -= 1
        position += 2 if char == "\\" else 1
        if depth == 0:
            return position
