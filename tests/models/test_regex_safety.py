import re
import time

import pytest
from tokenizers import Regex

from toolkit.models.regex_safety import why_endless

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


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$"])
def test_what_is_refused_is_exponential_in_an_engine_that_backtracks(pattern):
    times = []
    for length in (12, 20):
        start = time.perf_counter()
        assert not re.match(pattern, "a" * length + "!")
        times.append(time.perf_counter() - start)
    assert times[1] > 10 * times[0]
    assert why_endless(pattern)
