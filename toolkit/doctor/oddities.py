"""What is strange about the labels, lengths and languages of a data set, one check a function."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from toolkit.data.scripts import main_script
from toolkit.data.tables import Tokens
from toolkit.doctor.findings import SHOWN, Finding, Location, excerpt

FEW = 10  # rows of a label
UNEVEN = 10  # times as many rows as the rarest label has
SHARE = 0.01  # of the rows of a file, from which on truncation, unknown characters and other scripts are worth a word
LEAST = 3  # rows in another script
LONG = 10  # times the middle length
TELLING = 0.1  # more labels told by the length than by always saying the most frequent one
SAMPLE = 20_000  # rows on which it is tried what the length tells
LEAVES = 8  # lengths that it tells apart
LISTED = 10  # labels


def uneven_labels(labels: Sequence[str]) -> Iterator[Finding]:
    """Yield labels of the training rows that are too rare or too frequent."""
    counts = Counter(labels)
    most, frequent = counts.most_common(1)[0]
    rare = min(counts.values())
    few = [f"{label} {count:,}" for label, count in counts.items() if count < FEW]
    if few:
        yield Finding("few_rows", len(few), {"labels": len(counts), "least": FEW, "listed": _list(few)})
    if frequent >= UNEVEN * rare:
        facts = {"share": frequent / len(labels), "label": excerpt(most), "ratio": frequent / rare}
        yield Finding("imbalance", frequent, facts)


def missing_labels(labels: Sequence[str], there: Sequence[str], file: str) -> Iterator[Finding]:
    """Yield the labels of the training rows that do not occur in another file."""
    known = sorted(set(labels))
    missing = sorted(set(known) - set(there))
    if missing:
        facts = {"labels": len(known), "file": file, "listed": _list(missing)}
        yield Finding("missing_labels", len(missing), facts)


def sorted_by_label(labels: Sequence[str], file: str) -> Iterator[Finding]:
    """Yield that the rows of a file are in the order of their labels: far fewer changes than by chance."""
    changes = sum(one != other for one, other in zip(labels, labels[1:], strict=False))
    by_chance = (len(labels) - 1) * (1 - sum((count / len(labels)) ** 2 for count in Counter(labels).values()))
    if by_chance >= FEW and changes < by_chance / 3:
        yield Finding("sorted", len(labels), {"file": file, "runs": changes + 1, "expected": round(by_chance) + 1})


def odd_lengths(tokens: Tokens, file: str, show) -> Iterator[Finding]:
    """Yield rows without a known token, rows that are cut, rows of outlying length, and characters that are unknown.

    `show` returns the Location of the row with a number.
    """
    rows, middle = len(tokens.counts), int(np.median(tokens.counts))
    empty = np.flatnonzero(tokens.known <= 0)
    cut = np.flatnonzero(tokens.counts > tokens.max_length)
    outlying = np.flatnonzero(tokens.counts > LONG * middle)
    if len(empty):
        yield Finding("empty", len(empty), {"file": file}, _first(empty, show))
    if len(cut) and len(cut) >= SHARE * rows:
        longest = cut[np.argsort(-tokens.counts[cut], kind="stable")]
        facts = {"rows": rows, "file": file, "max_length": tokens.max_length}
        yield Finding("truncated", len(cut), facts, _first(longest, show))
    if len(outlying):
        longest = outlying[np.argsort(-tokens.counts[outlying], kind="stable")]
        yield Finding("long", len(outlying), {"file": file, "times": LONG, "middle": middle}, _first(longest, show))
    if tokens.unknown_share >= SHARE:
        yield Finding("unknown", rows, {"share": tokens.unknown_share, "file": file})


def other_scripts(scripts: Sequence[str | None], usual: str | None, file: str, show) -> Iterator[Finding]:
    """Yield rows in another script than the `usual` one."""
    others = [number for number, script in enumerate(scripts) if script not in (None, usual)]
    if len(others) >= max(SHARE * len(scripts), LEAST):
        counts = Counter(scripts[number] for number in others)
        listed = ", ".join(f"{script} {count:,}" for script, count in counts.most_common())
        facts = {"rows": len(scripts), "file": file, "script": usual or "none", "others": listed}
        yield Finding("scripts", len(others), facts, _first(others, show))


def scripts_of(texts: Sequence[str]) -> tuple[list[str | None], str | None]:
    """Return the script of each text, and that of most of them."""
    scripts = [main_script(text) for text in texts]
    counts = Counter(script for script in scripts if script)
    return scripts, max(counts, key=counts.__getitem__) if counts else None


def telling_length(labels: Sequence[str], counts: np.ndarray) -> Iterator[Finding]:
    """Yield that labels can be told by the length alone, counts (N,) in tokens: by a small decision tree.

    It is tried on rows that the tree has not seen, in five parts (Breiman et al. 1984, section 3.4).
    """
    chosen = np.random.default_rng(0).permutation(len(labels))[:SAMPLE]
    answers, lengths = np.array(labels, dtype=object)[chosen], counts[chosen, None]
    label, count = Counter(answers.tolist()).most_common(1)[0]
    share = count / len(answers)
    if len(answers) < 10 * FEW:
        return
    tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=FEW, random_state=0)
    parts = KFold(5, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nearly as many labels as rows, of which the user is told elsewhere
        score = float((cross_val_predict(tree, lengths, answers, cv=parts) == answers).mean())
    if score >= share + TELLING:
        yield Finding("length_tells", len(labels), {"score": score, "label": excerpt(label), "share": share})


def _first(rows, show) -> list[list[Location]]:
    return [[show(int(row))] for row in rows[:SHOWN]]


def _list(names: Sequence[str]) -> str:
    more = f" (+ {len(names) - LISTED})" if len(names) > LISTED else ""
    return ", ".join(map(excerpt, names[:LISTED])) + more
