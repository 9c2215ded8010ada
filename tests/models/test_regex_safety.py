import re
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from tokenizers import Regex

from toolkit.models.regex_safety import why_endless

Matcher = Callable[[int], Iterator[int]]

KNOWN = [  # of GPT-2, Llama 3, GPT-4o, DeepSeek, BLOOM, ALBERT, OLMo and some parts
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*",
    r" ?[^(\s|[.,!?…。，、।۔،])]+", r" {2,}",
    r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))", r"[一-龥぀-ゟ゠-ヿ]+",
]  # fmt: skip
HARMLESS = ["", "a", ".", r"\d", r"[\s]", "(?=a)b", "[]a]+", "[^]a]",
            "a{b", "a{,}", r"\(", r"\n\n+", "(?:a|b)?", "(ab){3}",
            "[[:punct:]]+[[:alpha:]]*", "[a-z&&[^b]]+", "(?i)a+", "(?<=x)a*", "a+?b", "a*+", r"\x{1F600}+",
            "(?<name>a)+", "a{3,1}b", "a{2}?b", "(?i)a+|b", "x(?i)a|b", "(?i)(?m)a"]  # fmt: skip
ENDLESS = ["(a+)+$", "(a|aa)+$", "(a*)*", "(?:a|b)*c", "((a{1,50}){1,50})$", "a{1,3}+z", "a**", "[a]+*",
           "(a?){30}a{30}",
           "(?:(?:a+)b?)*", r"(\w+\s?)+$", "((?:a)+b*)*", "(?>a+)+", "(?i)(a+)+", "(x(a|b)){5}", "a{1,2}{1,2}",
           "a?" * 30 + "a" * 30, "(a|a)" * 30, "a{0,50}" * 5,
           "a{1,0}" + "a?" * 30 + "a" * 30, "a{1}?" * 30 + "a" * 30, "(?:(?:a|aa){2,1}b?)+$",
           "a?" * 15 + "(?i)b|" + "a?" * 15 + "a" * 30, "(a?(?i)b|a?)+", "(?x)(a+) +$",
           "a*a*a*a*$", "(?=(a+)+$)a"]  # fmt: skip
STRANGE = [r"(.*)\1+", r"(?<n>a|\g<n>b)", r"\k<n>", "(?~ab)", "(?#x)a", "(?(1)a)", "(a", "a)", "[a", "[a[b]", "\\",
           "(?",            "(" * 60 + "a" + ")" * 60, "a" * 10_001,
           "a{" + "9" * 5000 + "}", "(?i", "(?i))", "((?i)a"]  # fmt: skip


@pytest.mark.parametrize("pattern", KNOWN + HARMLESS)
def test_a_pattern_of_a_known_tokenizer_or_one_without_choices_is_harmless(pattern):
    assert why_endless(pattern) is None
    Regex(pattern)  # it is one


@pytest.mark.parametrize("pattern", ENDLESS + STRANGE)
def test_a_pattern_that_can_match_in_too_many_ways_or_is_strange_is_not(pattern):
    assert why_endless(pattern)


class Backtracker:
    """Matches a pattern of characters, (), |, *, + and $ at the start of a text as a backtracking engine does.

    A matcher maps a position to the ends of its matches, in the order in which an engine tries them. `steps` counts the
    characters that were looked at.
    """

    def __init__(self, pattern: str, text: str):
        self.rest = list(pattern)
        self.text = text
        self.steps = 0
        self.end = next(self.alternatives()(0), None)  # of the match; None: there is none

    def alternatives(self) -> Matcher:
        choices = [self.sequence()]
        while self.rest[:1] == ["|"]:
            self.rest.pop(0)
            choices.append(self.sequence())
        return lambda start: (end for choice in choices for end in choice(start))

    def sequence(self) -> Matcher:
        matcher = nothing
        while self.rest and self.rest[0] not in "|)":
            matcher = followed_by(matcher, self.item())
        return matcher

    def item(self) -> Matcher:
        char = self.rest.pop(0)
        if char == "(":
            matcher = self.alternatives()
            assert self.rest.pop(0) == ")"
        elif char == "$":
            matcher = self.end_of_text
        else:
            matcher = partial(self.character, char)
        if self.rest[:1] in (["*"], ["+"]):
            least = 1 if self.rest.pop(0) == "+" else 0
            return partial(repeated, matcher, least)
        return matcher

    def character(self, char: str, start: int) -> Iterator[int]:
        self.steps += 1
        if self.text[start : start + 1] == char:
            yield start + 1

    def end_of_text(self, start: int) -> Iterator[int]:
        if start == len(self.text):
            yield start


def nothing(start: int) -> Iterator[int]:
    yield start


def followed_by(first: Matcher, second: Matcher) -> Matcher:
    return lambda start: (end for middle in first(start) for end in second(middle))


def repeated(matcher: Matcher, least: int, start: int) -> Iterator[int]:
    for end in matcher(start):
        if end > start:
            yield from repeated(matcher, least - 1, end)
    if least <= 0:
        yield start


REFUSED = ["(a+)+$", "(a|a)*$", "(a*b*)*$", "(a|aa)+$", "((a)*)*$"]
ACCEPTED = ["a+$", "a*a*$", "(a)*$", "(aa)*$", "(a)+b", "a|b", "(a|b)$", "ab*a*$"]


@pytest.mark.parametrize("pattern", REFUSED + ACCEPTED)
@pytest.mark.parametrize("text", ["", "a", "b", "aa", "ab", "aab", "aaaa!"])
def test_the_matcher_that_counts_finds_what_python_finds(pattern, text):
    match = re.match(pattern, text)
    assert Backtracker(pattern, text).end == (match.end() if match else None)


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_takes_exponentially_many_steps_is_refused(pattern):
    """Six characters more take over ten times as many steps, however many there were before."""
    steps = [Backtracker(pattern, "a" * length + "!").steps for length in (4, 10, 16)]
    assert steps[1] > 10 * steps[0]
    assert steps[2] > 10 * steps[1]
    assert why_endless(pattern)


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_what_is_accepted_takes_no_more_steps_than_a_polynomial_of_the_length(pattern):
    for length in (10, 20, 40):
        assert Backtracker(pattern, "a" * length + "!").steps <= (length + 2) ** 3
    assert why_endless(pattern) is None
