"""Texts that occur more than once: equal but for blanks, width, case and Chinese script, or nearly equal.

Two texts are nearly equal if the sets of their character n-grams overlap enough. Pairs that are likely to overlap are
found by MinHash with locality-sensitive hashing (Broder 1997; Leskovec et al. 2020, chapter 3; by datasketch), and are
then compared exactly.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from toolkit.data.spellings import likely_form

MIN_SIMILARITY = 0.7  # Jaccard similarity of the sets of n-grams from which on two texts are nearly equal
NGRAM_SIZE = 4  # characters
HAN_NGRAM_SIZE = 2  # characters, in texts that are mostly Chinese
BANDS = 25  # of the MinHash of a text; 99% of the pairs that are just similar enough agree in one of them
BAND_SIZE = 5
PERMUTATIONS = BANDS * BAND_SIZE
MAX_CHARACTERS = 10_000  # of a text, from its beginning, that are compared
ENOUGH_ALIKE = 8  # texts that one is nearly equal to: then later ones are no longer compared with it, but with those
MAX_CANDIDATES = 50  # likely pairs of a text that are compared exactly, the earliest ones first
HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
BLANK_BESIDE_HAN = re.compile(rf"(?<=[{HAN}]) | (?=[{HAN}])")
ANY_HAN = re.compile(f"[{HAN}]")
MULTIPLIERS = np.random.default_rng(0).integers(1, 2**63, NGRAM_SIZE, dtype=np.uint64) | np.uint64(1)


@cache
def _simplified() -> Callable[[str], str]:
    """Return what turns traditional characters into simplified ones."""
    from opencc import OpenCC  # noqa: PLC0415 - most texts have none of either

    return OpenCC("t2s").convert


def normalize(text: str) -> str:
    """Return a text without what makes no difference to a reader: width, case, blanks, traditional characters."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = " ".join(text.split())
    return BLANK_BESIDE_HAN.sub("", _simplified()(text)) if ANY_HAN.search(text) else text


def folded_label(label: str) -> str:
    """Return a label without what makes no difference to a reader, as of a text: of a number also its last zeros."""
    return normalize(likely_form(label))


def equal_groups(normalized: Sequence[str]) -> list[list[int]]:
    """Return the groups of numbers of equal texts, in the order of their first texts; each has two or more."""
    groups: dict[str, list[int]] = {}
    for number, text in enumerate(normalized):
        groups.setdefault(text, []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def ngram_hashes(text: str) -> np.ndarray:
    """Return the hashes (R,) uint32 of the distinct character n-grams of a normalized text, ascending.

    Of a long text only the beginning is read. A text that is shorter than an n-gram has one hash.
    """
    text = text[:MAX_CHARACTERS]
    size = HAN_NGRAM_SIZE if 2 * len(ANY_HAN.findall(text)) > len(text) else NGRAM_SIZE
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    if len(codes) < size:
        codes = np.pad(codes, (0, size - len(codes)))
    codes += np.uint64(1)
    count = len(codes) - size + 1
    sums = codes[:count] * MULTIPLIERS[0]
    for place in range(1, size):
        sums += codes[place : place + count] * MULTIPLIERS[place]
    return np.unique((sums >> np.uint64(32)).astype(np.uint32))


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Jaccard similarity of two sets of n-grams, given by their hashes."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)


class NearPair(NamedTuple):
    """The numbers of two texts that are nearly equal, and how similar they are."""

    number: int
    earlier: int
    similarity: float


def near_pairs(normalized: Sequence[str], table_of: Sequence[int]) -> Iterator[NearPair]:
    """Yield, for each text in turn, the earlier texts that it is nearly equal to.

    The texts are normalized and all different; `table_of` has the number of the table that each comes from. Texts that
    are nearly equal to several earlier ones of their own table are no longer compared with later ones: of many that are
    all alike, each is compared with the first few.
    """
    # With scipy.integrate, which it brings, it takes more than a second to import.
    from datasketch import MinHash, MinHashLSH  # noqa: PLC0415

    index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, BAND_SIZE))
    empty_sketch = MinHash(PERMUTATIONS, hashfunc=int)
    for number, text in enumerate(normalized):
        hashes = ngram_hashes(text)
        sketch = empty_sketch.copy()
        sketch.update_batch(hashes)
        alike_in_own_table = 0
        for candidate in sorted(index.query(sketch))[:MAX_CANDIDATES]:
            score = similarity(hashes, ngram_hashes(normalized[candidate]))
            if score >= MIN_SIMILARITY:
                yield NearPair(number, candidate, score)
                alike_in_own_table += table_of[candidate] == table_of[number]
        if alike_in_own_table < ENOUGH_ALIKE:
            index.insert(number, sketch, check_duplication=False)


def most_similar(pairs: Iterable[NearPair], table_of: Sequence[int]) -> list[tuple[int, int]]:
    """Return (number, earlier number) of pairs, for each number and each table the earlier one that is most similar.

    Of those that are equally similar it is the first.
    """
    best: dict[tuple[int, int], NearPair] = {}
    for pair in pairs:
        key = (pair.number, int(table_of[pair.earlier]))
        rival = best.get(key, pair)
        best[key] = max(pair, rival, key=lambda each: (each.similarity, -each.earlier))
    return sorted((pair.number, pair.earlier) for pair in best.values())
