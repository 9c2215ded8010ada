"""Which rows may not stand on two sides of a split: those of one group, and those whose texts are copies.

Copies are equal or nearly equal, in the sense of the data doctor, and what is nearly equal to a copy is one too. So
texts that are all made from one template become one group of copies, and so do the rows of many users where each has a
text in common with another. If that has more than half of the rows of a label it is divided: what most texts of a label
are like new ones will be too, and kept together it would leave the label no fair part of its rows to validate on. Its
pieces are put together again of the most similar texts first, as long as they stay small (as Kruskal's algorithm does,
1956), so that most copies are still on one side.

Shapes: N rows, S groups that are never divided, T different texts, C labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import DisjointSet
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from toolkit.data.tables import Table, labels_of
from toolkit.doctor.comparison import Comparison, NearTexts
from toolkit.doctor.labelled_rows import LabelledRows

MAX_SHARE = 0.5  # of the rows of a label, that a group of copies may have
PIECE_SHARE = 0.1  # of the rows of a label, that a piece of a larger group may have
NO_LABEL = ""  # what stands for a row that may have several labels and has none
ALWAYS_KEPT = 50  # rows, up to which a group of copies is never divided


@dataclass(frozen=True)
class Together:
    """Which rows are kept together, and why."""

    numbers: np.ndarray  # (N,) the same for rows that are kept together
    copies: int  # groups that are kept together because their texts are equal or nearly equal
    divided: int  # groups of such texts that are too large


def rows_together(tables: Mapping[str, Table], comparison: Comparison | None) -> Together:
    """Return which rows of some tables, one after the other, are kept together.

    `comparison` is that of these tables or of more; None: rows with copies of one text are not kept together.
    """
    if comparison is None:
        return Together(_group_numbers(tables), 0, 0)
    return _with_copies(comparison.number(tables), comparison, _group_numbers(tables))


def kept_together(tables: Mapping[str, Table], comparison: Comparison | None) -> dict[str, np.ndarray]:
    """Return, by name, which rows (N,) of the tables "train" and "valid" no split may part: those of one number.

    `comparison` is as in rows_together.
    """
    numbers = rows_together({name: tables[name] for name in ("train", "valid")}, comparison).numbers
    train_rows = len(tables["train"].frame)
    return {"train": numbers[:train_rows], "valid": numbers[train_rows:]}


def kept_on_one_side(train: Table, comparison: Comparison | None) -> Together:
    """Return which rows of a training table are kept together where some are held out.

    All copies are divided if nothing could be held out without the last row of a label otherwise. `comparison` is as
    in rows_together.
    """
    together = rows_together({"train": train}, comparison)
    if together.copies and not _can_be_split(together.numbers, _labels_of_rows([train])):
        return Together(_group_numbers({"train": train}), 0, together.copies + together.divided)
    return together


def _group_numbers(tables: Mapping[str, Table]) -> np.ndarray:
    """Return the number (N,) of the group of each row, from 0 to S - 1; a row that is in no group is one."""
    names = np.concatenate([table.group_names for table in tables.values()])
    numbers = pd.factorize(names)[0]
    return pd.factorize(np.where(names == "", len(names) + np.arange(len(names)), numbers))[0]


def _with_copies(rows: LabelledRows, comparison: Comparison, groups: np.ndarray) -> Together:
    """Return which rows are kept together of groups (N,), and because their texts are copies."""
    labels = _labels_of_rows(rows.tables)
    text_ids, texts = pd.factorize(np.array(rows.normalized, object))
    near = _near_texts(texts, comparison)
    all_copies = _joined(groups, text_ids, near[["text", "earlier"]].to_numpy(np.int64))
    numbers = all_copies
    is_large = _are_too_large(all_copies, groups, labels)
    if is_large.any():
        equal = _joined(groups, text_ids)
        equal_is_large = _are_too_large(equal, groups, labels)
        units = _where(equal_is_large[equal], groups, equal)
        pieces = _small_pieces(units, text_ids, near, labels)
        numbers = _where(is_large[all_copies], pieces, all_copies)
    copies = int((_groups_within(numbers, groups) > 1).sum())
    divided = int((_groups_within(all_copies, numbers) > 1).sum())
    return Together(numbers, copies, divided)


def _labels_of_rows(tables: Sequence[Table]) -> csr_array:
    """Return which labels the rows of some tables have, (N, C), where to have none counts as one more label."""
    of_rows = [labels_of(label) or (NO_LABEL,) for table in tables for label in table.frame["label"]]
    label_ids = pd.factorize(np.array([label for names in of_rows for label in names], object))[0]
    ends = np.cumsum([0, *(len(names) for names in of_rows)])
    shape = (len(of_rows), int(label_ids.max()) + 1)
    return csr_array((np.ones(len(label_ids), np.int64), label_ids, ends), shape=shape)


def _where(condition: np.ndarray, numbers: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return numbers (N,) where a condition (N,) is met, and else other ones, from 0 and with none in common."""
    return pd.factorize(np.where(condition, numbers + len(numbers), others))[0]


def _near_texts(texts: np.ndarray, comparison: Comparison) -> pd.DataFrame:
    """Return which texts, numbered as they stand in `texts` (T,), are nearly equal: text, earlier, similarity."""
    number_of = {text: number for number, text in enumerate(texts)}
    near = [
        (number_of[text], number_of[earlier], similarity)
        for text, earlier, similarity in comparison.near
        if text in number_of and earlier in number_of
    ]
    return pd.DataFrame(near, columns=NearTexts._fields)


def _joined(groups: np.ndarray, text_ids: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
    """Return the number (N,) of each row's group where those are one that have a text, or those of a pair, in common.

    The texts (N,) are numbered; `near` are pairs of them (P, 2).
    """
    group_count = int(groups.max()) + 1
    nodes = group_count + int(text_ids.max()) + 1
    near = np.empty((0, 2), np.int64) if near is None else near
    begin = np.concatenate([groups, near[:, 0] + group_count])
    end = np.concatenate([text_ids, near[:, 1]]) + group_count
    graph = csr_array((np.ones(len(begin), np.int64), (begin, end)), shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1][groups]


def _small_pieces(units: np.ndarray, text_ids: np.ndarray, near: pd.DataFrame, labels: csr_array) -> np.ndarray:
    """Return units (N,) of rows put together where their texts are equal or nearly equal, as long as that stays small.

    A piece has ALWAYS_KEPT rows at most, or PIECE_SHARE of the rows of each of its labels.
    """
    by_text = np.argsort(text_ids, kind="stable")
    is_same = text_ids[by_text[1:]] == text_ids[by_text[:-1]]
    equal = np.stack([units[by_text[:-1]], units[by_text[1:]]], axis=1)[is_same]
    first_row = by_text[np.concatenate([[True], ~is_same])]  # (T,)
    near = near.sort_values("similarity", ascending=False, kind="stable")
    nearly_equal = units[first_row[near[["text", "earlier"]].to_numpy(np.int64)]]  # (P, 2)
    sizes = np.bincount(units).tolist()
    counts = _counts(units, labels)
    rarest = np.minimum.reduceat(_totals(labels)[counts.indices], counts.indptr[:-1])
    limits = np.maximum(ALWAYS_KEPT, PIECE_SHARE * rarest).tolist()
    pieces = DisjointSet(range(len(sizes)))
    for one, other in np.concatenate([equal, nearly_equal]).tolist():
        roots = pieces[one], pieces[other]
        size = sum(sizes[root] for root in roots)
        limit = min(limits[root] for root in roots)
        if roots[0] != roots[1] and size <= limit:
            pieces.merge(one, other)
            sizes[pieces[one]] = size
            limits[pieces[one]] = limit
    return np.array([pieces[unit] for unit in range(len(sizes))])[units]


def _groups_within(numbers: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return for each of `numbers` (N,) how many of `groups` (N,) have rows of it."""
    group_count = int(groups.max()) + 1
    pairs = np.unique(numbers.astype(np.int64) * group_count + groups)
    return np.bincount(pairs // group_count, minlength=int(numbers.max()) + 1)


def _totals(labels: csr_array) -> np.ndarray:
    """Return how many rows have each label, (C,)."""
    return labels.sum(axis=0)


def _counts(numbers: np.ndarray, labels: csr_array) -> csr_array:
    """Return how many rows of each label (N, C) each of `numbers` (N,) has."""
    rows = len(numbers)
    contains = csr_array((np.ones(rows, np.int64), (numbers, np.arange(rows))), shape=(int(numbers.max()) + 1, rows))
    return csr_array(contains @ labels)


def _are_too_large(numbers: np.ndarray, groups: np.ndarray, labels: csr_array) -> np.ndarray:
    """Return for each of `numbers` (N,) whether it has several groups, and too many of the rows of a label."""
    counts = _counts(numbers, labels)
    totals = _totals(labels)
    is_most = csr_array((counts.data > MAX_SHARE * totals[counts.indices], counts.indices, counts.indptr), counts.shape)
    has_most = is_most.sum(axis=1) > 0
    return has_most & (np.bincount(numbers) > ALWAYS_KEPT) & (_groups_within(numbers, groups) > 1)


def _can_be_split(numbers: np.ndarray, labels: csr_array) -> bool:
    """Return whether some group can be held out without the last row of a label."""
    counts = _counts(numbers, labels)
    totals = _totals(labels)
    is_all = csr_array((counts.data == totals[counts.indices], counts.indices, counts.indptr), counts.shape)
    return bool((is_all.sum(axis=1) == 0).any())
