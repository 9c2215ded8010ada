"""Rows whose labels are likely wrong: each is predicted by a model that has not seen it, and the predictions compared.

By confident learning (Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels",
section 3, by cleanlab): a row is a likely error if another label than its own is at least as probable as that label is,
on average, among the rows that have it. Labels that a model is seldom sure of thus need less to be suggested.

Shapes: N rows, those to train on before those to validate on; C labels.
"""

import gc
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.model_selection import StratifiedGroupKFold
from torch.utils.data import TensorDataset

from toolkit.base.disk import write_bytes
from toolkit.base.errors import UserError
from toolkit.cli.console import Log, one_line
from toolkit.compute.processes import Processes
from toolkit.data.writers import TextWriter, prediction_columns, with_predictions
from toolkit.doctor.examine import Rows
from toolkit.doctor.findings import SHOWN
from toolkit.evaluation.decision import softmax

FILE = "label_errors.csv"
SUGGESTED = "suggested_label"
FACTS = ("label_quality", "file", "line")


def assign_folds(label_ids: np.ndarray, texts: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Return the fold (N,) of each row, chosen by `seed`: each label's rows spread evenly, equal texts together.

    Raises UserError if the rows are too few for `count` folds. A label may have fewer rows than that.
    """
    groups = pd.factorize(np.array(texts, object))[0]
    if (most := np.bincount(label_ids).max()) < count or (most := groups.max() + 1) < count:
        raise UserError(f"--folds {count}: there are too few rows for that; {most} folds would do")
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed % 2**32)
    folds = np.empty(len(label_ids), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a label with fewer rows than folds
        for number, (_, held_out) in enumerate(splitter.split(label_ids, label_ids, groups)):
            folds[held_out] = number
    return folds


def label_quality(label_ids: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return for each row (N,) from 0 to 1 how likely its label is right: the probability that it is predicted with."""
    from cleanlab.rank import get_label_quality_scores

    return get_label_quality_scores(label_ids, probabilities, method="self_confidence")


def likely_errors(label_ids: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the numbers of the rows whose labels are likely wrong, the most suspicious one first."""
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a label with very few rows
        found = np.flatnonzero(find_label_issues(label_ids, probabilities, filter_by="confident_learning", n_jobs=1))
    return found[np.argsort(label_quality(label_ids, probabilities)[found], kind="stable")]


def join(one: TensorDataset, other: TensorDataset) -> TensorDataset:
    """Return the rows of two datasets as one; those of the narrower one are filled up with zeros, unseen by a model."""
    joined = []
    for pair in zip(one.tensors, other.tensors, strict=True):
        width = max(tensor.shape[-1] for tensor in pair)
        pair = [F.pad(tensor, (0, width - tensor.shape[1])) if tensor.ndim == 2 else tensor for tensor in pair]
        joined.append(torch.cat(pair))
    return TensorDataset(*joined)


class Folds:
    """The labelled rows of a run, in folds: iterates over what a Run works on, with a fold held out as "valid".

    `data` is what a Run works on, with all rows: tables, which the first process has, labels, datasets, encoder and
    findings. Raises UserError if the rows are too few, or have a column that label_errors.csv needs itself.
    """

    def __init__(self, folder: Path, log: Log, processes: Processes, data: tuple, count: int, seed: int):
        tables, self.labels, sets, self.encoder, _ = data
        self.path, self.log, self.processes = folder / FILE, log, processes
        self.dataset = join(sets["train"], sets["valid"])
        self.label_ids, folds = self.dataset.tensors[3].numpy(), None
        if processes.is_main:
            self.rows = Rows({name: tables[name] for name in ("train", "valid")})
            self.records = [record for table in self.rows.tables for record in table.named_records()]
            self.columns = list(dict.fromkeys(name for record in self.records for name in record))
            self.columns += prediction_columns(self.labels, self.columns, FACTS, SUGGESTED)
            folds = assign_folds(self.label_ids, self.rows.folded, count, seed).tolist()
            folder.mkdir(parents=True, exist_ok=True)  # before hours of training, if it cannot be made
        self.folds = np.array(processes.broadcast(folds))

    def __iter__(self) -> Iterator[tuple]:
        numbers = np.unique(self.folds)  # where many rows have one text, a fold may have none
        for place, number in enumerate(numbers, 1):
            held_out = self.folds == number
            self.log(f"fold {place} of {len(numbers)}: {held_out.sum():,} of {len(held_out):,} rows are held out")
            parts = {"train": np.flatnonzero(~held_out), "valid": np.flatnonzero(held_out)}
            sets = {
                name: TensorDataset(*(tensor[torch.from_numpy(rows)] for tensor in self.dataset.tensors))
                for name, rows in parts.items()
            }
            yield self._tables(parts["train"]), self.labels, sets, self.encoder, []
            gc.collect()  # a model and its optimizer, which are held in a circle, before the next are made

    def _tables(self, rows: np.ndarray) -> dict:
        """Return a fold's training table, in the first process: where each row stands is its index."""
        if not self.processes.is_main:
            return {}
        train, *others = self.rows.tables
        frame = pd.concat([table.frame for table in self.rows.tables])
        paths = dict.fromkeys(str(table.path) for table in (train, *others))
        return {"train": replace(train, path=Path(" and ".join(paths)), frame=frame.iloc[rows], records=[])}

    def write(self, logits: Sequence[np.ndarray]) -> None:
        """Write label_errors.csv, by the logits of each fold's rows, and say what is in it."""
        if not self.processes.is_main:
            return
        in_order = np.argsort(self.folds, kind="stable")  # as the folds' rows come one behind the other
        probabilities = np.empty((len(in_order), len(self.labels)))
        probabilities[in_order] = softmax(np.concatenate(logits))
        unseen = self._unseen()
        errors = [row for row in likely_errors(self.label_ids, probabilities).tolist() if not unseen[row]]
        write_bytes(self.path, self._csv(errors, probabilities))
        where = f", the most suspicious first: {self.path}" if errors else f"; {self.path} is empty"
        self.log.item("suspicious", f"{len(errors):,} of {len(unseen):,} rows are worth a second look{where}")
        for row in errors[:SHOWN]:
            suggested = one_line(self.labels[probabilities[row].argmax()])
            self.log.item("", f"    {self.rows.show(row)} looks like {suggested}")
        if unseen.any():
            self.log.item("", f"{unseen.sum():,} rows could not be judged: no other fold has their label")

    def _unseen(self) -> np.ndarray:
        """Return which rows (N,) bool were predicted by a model that had never seen their label."""
        counts = np.zeros((self.folds.max() + 1, len(self.labels)), int)
        np.add.at(counts, (self.folds, self.label_ids), 1)
        return (counts.sum(axis=0) == counts[self.folds])[np.arange(len(self.folds)), self.label_ids]

    def _csv(self, errors: Sequence[int], probabilities: np.ndarray) -> bytes:
        """Return label_errors.csv: the rows as they stand, the labels predicted for them, and where they stand."""
        quality = label_quality(self.label_ids, probabilities)
        records, of_errors = [self.records[row] for row in errors], probabilities[errors]
        rows = with_predictions(records, of_errors, of_errors.argmax(axis=1), self.labels, SUGGESTED)
        for row, values in zip(errors, rows, strict=True):
            file = str(self.rows.tables[self.rows.owner[row]].path)
            facts = (float(f"{quality[row]:.9g}"), file, self.rows.show(row).line)
            values |= dict(zip(FACTS, facts, strict=True))
        form = TextWriter("csv", self.columns)
        return form.header + form.encode(rows)
