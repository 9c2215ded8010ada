"""Tell a regular expression that could take for ever to match from one that could not.

The expressions of a tokenizer are matched by backtracking (Oniguruma, Ruby's syntax), which tries every way in which a
text can be matched. There are exponentially many where a repeat holds something that can match in several ways:
another repeat, or alternatives (Kirrage, Rathnayake and Thielecke, Static Analysis for Regular Expression
Denial-of-Service Attacks, 2013). That is refused here, harmless cases too; known tokenizers have none.
"""

import re

LONGEST = 10_000  # characters of an expression; those of known tokenizers have some hundreds
DEEPEST = 50  # groups inside groups
OPEN_ENDED = 100  # ways to match that an open-ended repeat counts for
MOST_WAYS = 10**7  # three open-ended repeats in a row and some choices; known tokenizers have two

CLASS_NAME = re.compile(r"\[:\^?\w+:\]")
GROUP = re.compile(r"\((?:\?(?:[:=!>]|<[=!]|<\w+>|'\w+'|[imx-]+[:)]))?")
COUNT = re.compile(r"\{(\d*)(?:(,)(\d*))?\}")
ESCAPE = re.compile(r"\\(?:[pP]\{\^?\w+\}|x\{[0-9A-Fa-f ]+\}|[^gk1-9])", re.DOTALL)


def why_endless(pattern: str) -> str | None:
    """Return what could make matching a pattern endless, None if it is harmless."""
    if len(pattern) > LONGEST:
        return f"it is {len(pattern):,} characters long"
    try:
        return _read(pattern)
    except IndexError:
        return "it cannot be read"


def _read(pattern: str) -> str | None:
    """Read a pattern from left to right, counting the ways in which it can match, roughly.

    A level of groups is [ways of its finished alternatives, ways of the one being read].
    """
    levels, item, at = [[0, 1]], 0, 0  # `item`: ways of what was just read, 0 where there is nothing to repeat
    while at < len(pattern):
        char = pattern[at]
        if char in "*+?{" and item and (found := _quantifier(pattern, at)):
            least, most, at = found
            if most > 1 and item > 1:
                return "a repeat holds another repeat or alternatives"
            ways = min(most - least + 1, OPEN_ENDED)
            item, levels[-1][1] = item * ways, levels[-1][1] * ways
        elif char == "(":
            opening = GROUP.match(pattern, at)
            if pattern.startswith("(?", at) and len(opening[0]) == 1:
                return f"it uses {pattern[at : at + 4]!r}"
            if not opening[0].endswith(")"):  # else these are options for what follows
                levels.append([0, 1])
            item, at = 0, opening.end()
        elif char == ")":
            item, at = sum(levels.pop()), at + 1
            levels[-1][1] *= item
        elif char == "|":
            levels[-1] = [sum(levels[-1]), 1]
            item, at = 0, at + 1
        elif char == "\\" and not ESCAPE.match(pattern, at):
            return f"it uses {pattern[at : at + 2]!r}"
        else:
            item, at = 1, _end_of_character(pattern, at)
        if levels[-1][1] > MOST_WAYS:
            return "it has too many repeats or alternatives in a row"
        if len(levels) > DEEPEST:
            return f"it has more than {DEEPEST} groups inside each other"
    return None if len(levels) == 1 else "it cannot be read"


def _end_of_character(pattern: str, at: int) -> int:
    """Return the position behind the character, escape or character class that begins at a position."""
    if pattern[at] == "[":
        return _end_of_class(pattern, at)
    return ESCAPE.match(pattern, at).end() if pattern[at] == "\\" else at + 1


def _quantifier(pattern: str, at: int) -> tuple[float, float, int] | None:
    """Return (least, most, position behind it) of the quantifier at a position, None if it is a plain brace."""
    if pattern[at] == "{":
        count = COUNT.match(pattern, at)
        if not count or not (count[1] or count[3]):
            return None
        least = int(count[1] or 0)
        most = least if not count[2] else int(count[3]) if count[3] else float("inf")
        end = count.end()
        return least, most, end + (pattern[end : end + 1] == "?")
    least, most = {"*": (0, float("inf")), "+": (1, float("inf")), "?": (0, 1)}[pattern[at]]
    return least, most, at + 1 + (pattern[at + 1 : at + 2] in ("?", "+"))


def _end_of_class(pattern: str, at: int) -> int:
    """Return the position behind the character class that begins at a position; classes may hold classes."""
    depth = 0
    while True:
        if name := CLASS_NAME.match(pattern, at):
            at = name.end()
            continue
        char = pattern[at]
        if char == "[":
            depth += 1
            at += 1 + (pattern[at + 1] == "^")
            at += pattern[at] == "]"  # a bracket that comes first stands for itself
            continue
        depth -= char == "]"
        at += 2 if char == "\\" else 1
        if not depth:
            return at
