"""Texts that stand more than once: the same but for blanks, width, case and Chinese script, or nearly the same.

Nearly the same are texts that share most of their runs of characters: pairs that are likely to (MinHash with
locality-sensitive hashing, Broder 1997; Leskovec et al. 2020, chapter 3; by datasketch) are compared exactly.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH
from opencc import OpenCC

ALIKE = 0.7  # Jaccard similarity of the sets of runs from which on texts are nearly the same
RUN, HAN_RUN = 4, 2  # characters of a run, in most scripts and in Chinese
BANDS, BAND = 25, 5  # of the MinHash of a text, one of which is the same in 99% of the pairs that are just ALIKE
PERMUTATIONS = BANDS * BAND
BEGINNING = 10_000  # characters of a text
COMPARED = 50  # texts, the earliest, with which one is compared where even more are likely to be nearly the same
HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
AROUND_HAN = re.compile(rf"(?<=[{HAN}]) | (?=[{HAN}])")
ANY_HAN = re.compile(f"[{HAN}]")
MULTIPLIERS = np.random.default_rng(0).integers(1, 2**63, RUN, dtype=np.uint64) | np.uint64(1)
_simplified = OpenCC("t2s").convert


def fold(text: str) -> str:
    """Return a text without what makes no difference to a reader: width, case, blanks, traditional characters."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = " ".join(text.split())
    return AROUND_HAN.sub("", _simplified(text)) if ANY_HAN.search(text) else text


def same(folded: Sequence[str]) -> list[list[int]]:
    """Return the groups of numbers of texts that are the same once folded, in order, each of two or more."""
    groups: dict[str, list[int]] = {}
    for number, text in enumerate(folded):
        groups.setdefault(text, []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def runs(text: str) -> np.ndarray:
    """Return the hashes (R,) uint32 of the different runs of characters of a folded text, in order of their value.

    Of a long text it is the beginning that counts.
    """
    text = text[:BEGINNING]
    size = HAN_RUN if 2 * len(ANY_HAN.findall(text)) > len(text) else RUN
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    if len(codes) < size:
        codes = np.pad(codes, (0, size - len(codes)))
    windows = np.lib.stride_tricks.sliding_window_view(codes, size)
    return np.unique((((windows + np.uint64(1)) * MULTIPLIERS[:size]).sum(1) >> np.uint64(32)).astype(np.uint32))


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Jaccard similarity of two sets of runs."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def near(folded: Sequence[str], owner: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (number, an earlier number) for each text that is nearly the same as one before it.

    The texts are folded and all different. Of the earlier ones of each `owner` it is the most similar of those that are
    themselves not nearly the same as an earlier one: of many that are all alike, each is compared with the first.
    """
    index, empty = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, BAND)), MinHash(PERMUTATIONS, hashfunc=int)
    for number, text in enumerate(folded):
        found, sketch = runs(text), empty.copy()
        sketch.update_batch(found)
        best: dict[int, tuple[float, int]] = {}
        for other in sorted(index.query(sketch))[:COMPARED]:
            like = (similarity(found, runs(folded[other])), -other)
            best[owner[other]] = max(best.get(owner[other], like), like)
        yield from ((number, -other) for like, other in best.values() if like >= ALIKE)
        if best.get(owner[number], (0.0, 0))[0] < ALIKE:
            index.insert(number, sketch, check_duplication=False)
