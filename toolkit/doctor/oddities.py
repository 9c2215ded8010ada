"""What is strange about the labels, lengths and languages of a data set, one check a function."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from toolkit.cli.console import shown_label
from toolkit.data.spellings import map_labels_option
from toolkit.data.split import random_parts
from toolkit.doctor.duplicates import folded_label
from toolkit.doctor.findings import Finding, excerpt
from toolkit.doctor.labelled_rows import LabelledRows
from toolkit.tokens.dataset import TokenFacts

MIN_LABEL_ROWS = 10  # training rows of a label
MAX_IMBALANCE = 10  # times as many rows as the rarest label has
MIN_SHARE = 0.01  # of a file's rows, for truncated rows, unknown characters and other scripts to be worth a word
MIN_OTHER_SCRIPT_ROWS = 3
MAX_LENGTH_RATIO = 10  # times the median length
MIN_ACCURACY_GAIN = 0.1  # by the length, over always predicting the most frequent label
MAX_LENGTH_SAMPLE = 20_000  # rows on which it is tried whether the length tells the label
MAX_TREE_LEAVES = 8  # ranges of length that the tree tells apart
MAX_LISTED_LABELS = 10


def uneven_labels(labels: Sequence[str]) -> Iterator[Finding]:
    """Yield labels of the training rows that are too rare or too frequent."""
    counts = Counter(labels)
    top_label, top_count = counts.most_common(1)[0]
    lowest_count = min(counts.values())
    yield from rare_labels(labels)
    if top_count >= MAX_IMBALANCE * lowest_count:
        facts = {
            "share": top_count / len(labels),
            "label": excerpt(shown_label(top_label)),
            "ratio": top_count / lowest_count,
        }
        yield Finding("imbalance", top_count, facts)


def rare_labels(labels: Sequence[str]) -> Iterator[Finding]:
    """Yield labels that few training rows have; `labels` are those of all rows."""
    counts = Counter(labels)
    rare = [f"{shown_label(label)} {count:,}" for label, count in counts.items() if count < MIN_LABEL_ROWS]
    if rare:
        yield Finding("few_rows", len(rare), {"labels": len(counts), "least": MIN_LABEL_ROWS, "listed": listed(rare)})


def spellings(labels: Sequence[str]) -> Iterator[Finding]:
    """Yield labels of the training rows that look like one label in several spellings, the most frequent one first."""
    counts = Counter(labels)
    spellings_of: dict[str, list[str]] = {}
    for label in counts:
        spellings_of.setdefault(folded_label(label), []).append(label)
    groups = [sorted(group, key=lambda label: -counts[label]) for group in spellings_of.values() if len(group) > 1]
    if groups:
        new_names = {label: usual for usual, *others in groups for label in others}
        groups_listed = [
            " = ".join(f"{excerpt(shown_label(label))} {counts[label]:,}" for label in group) for group in groups
        ]
        facts = {"rows": sum(counts[label] for label in new_names), "listed": listed(groups_listed)}
        facts["option"] = map_labels_option(new_names)
        yield Finding("spellings", len(groups), facts)


def missing_labels(training_labels: Sequence[str], labels: Sequence[str], file: str) -> Iterator[Finding]:
    """Yield the labels of the training rows that are not among the labels of another file's rows."""
    known = sorted(set(training_labels))
    missing = sorted(set(known) - set(labels))
    if missing:
        facts = {"labels": len(known), "file": file, "listed": listed([*map(shown_label, missing)])}
        yield Finding("missing_labels", len(missing), facts)


def sorted_by_label(labels: Sequence[str], file: str) -> Iterator[Finding]:
    """Yield that the rows of a file are in the order of their labels: the label changes far less often than by chance.

    By chance, a row has the label of the row before it with the sum of the squared shares of the labels.
    """
    changes = sum(label != previous for previous, label in zip(labels, labels[1:], strict=False))
    same_by_chance = sum((count / len(labels)) ** 2 for count in Counter(labels).values())
    changes_by_chance = (len(labels) - 1) * (1 - same_by_chance)
    if changes_by_chance >= MIN_LABEL_ROWS and changes < changes_by_chance / 3:
        facts = {"file": file, "runs": changes + 1, "expected": round(changes_by_chance) + 1}
        yield Finding("sorted", len(labels), facts)


def odd_lengths(rows: LabelledRows, table: int, tokens: TokenFacts) -> Iterator[Finding]:
    """Yield a table's rows without a known token, rows that are cut, very long rows, and its unknown characters."""
    file = rows.names[table]
    row_count = len(tokens.counts)
    median = int(np.median(tokens.counts))
    empty = np.flatnonzero(tokens.known <= 0)
    truncated = _longest_first(np.flatnonzero(tokens.counts > tokens.max_length), tokens.counts)
    long = _longest_first(np.flatnonzero(tokens.counts > MAX_LENGTH_RATIO * median), tokens.counts)
    first_row = rows.starts[table]
    if len(empty):
        yield Finding("empty", len(empty), {"file": file}, _examples(rows, first_row + empty))
    if len(truncated) and len(truncated) >= MIN_SHARE * row_count:
        facts = {"rows": row_count, "file": file, "max_length": tokens.max_length}
        yield Finding("truncated", len(truncated), facts, _examples(rows, first_row + truncated))
    if len(long):
        facts = {"file": file, "times": MAX_LENGTH_RATIO, "middle": median}
        yield Finding("long", len(long), facts, _examples(rows, first_row + long))
    if tokens.unknown_share >= MIN_SHARE:
        yield Finding("unknown", row_count, {"share": tokens.unknown_share, "file": file})


def other_scripts(
    rows: LabelledRows, table: int, scripts: Sequence[str | None], usual_script: str | None
) -> Iterator[Finding]:
    """Yield a table's rows that are not in the usual script; `scripts` has that of each row, None for no letters."""
    others = [number for number, script in enumerate(scripts) if script not in (None, usual_script)]
    if len(others) >= max(MIN_SHARE * len(scripts), MIN_OTHER_SCRIPT_ROWS):
        counts = Counter(scripts[number] for number in others)
        listed = ", ".join(f"{script} {count:,}" for script, count in counts.most_common())
        facts = {"rows": len(scripts), "file": rows.names[table], "script": usual_script or "none", "others": listed}
        yield Finding("scripts", len(others), facts, _examples(rows, rows.starts[table] + np.array(others)))


def most_frequent_script(scripts: Sequence[str | None]) -> str | None:
    """Return the script of most texts, None if none of them has letters."""
    counts = Counter(script for script in scripts if script)
    return max(counts, key=counts.__getitem__) if counts else None


def telling_length(labels: Sequence[str], counts: np.ndarray, together: np.ndarray | None = None) -> Iterator[Finding]:
    """Yield that a small decision tree tells the labels by the length alone, counts (N,) in tokens.

    Its accuracy is that of 5-fold cross-validation (Breiman et al. 1984, section 3.4); rows of one number in `together`
    (N,) are in one fold.
    """
    # scikit-learn takes seconds to import, and reading the data does without.
    from sklearn.model_selection import PredefinedSplit, cross_val_predict  # noqa: PLC0415
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415

    sample = np.random.default_rng(0).permutation(len(labels))[:MAX_LENGTH_SAMPLE]
    if len(sample) < 10 * MIN_LABEL_ROWS:
        return
    true_labels = np.array(labels, dtype=object)[sample]
    lengths = counts[sample, None]  # (N, 1)
    top_label, top_count = Counter(true_labels.tolist()).most_common(1)[0]
    share = top_count / len(sample)
    tree = DecisionTreeClassifier(max_leaf_nodes=MAX_TREE_LEAVES, min_samples_leaf=MIN_LABEL_ROWS, random_state=0)
    folds = random_parts(len(sample), 5, None if together is None else together[sample])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nearly as many labels as rows, which is a finding of its own
        predictions = cross_val_predict(tree, lengths, true_labels, cv=PredefinedSplit(folds))
    accuracy = float((predictions == true_labels).mean())
    if accuracy >= share + MIN_ACCURACY_GAIN:
        facts = {"score": accuracy, "label": excerpt(shown_label(top_label)), "share": share}
        yield Finding("length_tells", len(labels), facts)


def _longest_first(rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return row numbers by descending length; rows of one length keep their order."""
    return rows[np.argsort(-counts[rows], kind="stable")]


def _examples(rows: LabelledRows, numbers: np.ndarray) -> list:
    """Return the locations of the first few rows."""
    return rows.examples([[number] for number in numbers.tolist()])


def listed(names: Sequence[str]) -> str:
    """Return the first few names, and how many there are more."""
    line = ", ".join(map(excerpt, names[:MAX_LISTED_LABELS]))
    if len(names) > MAX_LISTED_LABELS:
        line += f" (+ {len(names) - MAX_LISTED_LABELS})"
    return line
