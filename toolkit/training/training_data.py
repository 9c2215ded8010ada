"""The data of a run, ready to train on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from toolkit.data.tables import Table
from toolkit.doctor.findings import Finding
from toolkit.models.vocabulary import Vocabulary
from toolkit.tokens.dataset import TokenDataset
from toolkit.tokens.default_model import ChosenModel
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.probe import Fit


@dataclass(frozen=True)
class TrainingData:
    """What a run works on; what is not for a step (tables, encoder, findings, together) the main process alone has."""

    model: ChosenModel  # the pretrained one
    labels: list[str]
    train: TokenDataset
    valid: TokenDataset
    fit: Fit  # how the model is to be used on this machine
    tables: dict[str, Table] = field(default_factory=dict)  # train, valid and, if it was named, test
    encoder: Encoder | None = None
    findings: Sequence[Finding] = ()
    together: Mapping[str, np.ndarray] = field(default_factory=dict)  # by table, (N,): no split parts rows of a number
    unlabelled: Table | None = None  # the rows at the end of `train` that only teachers have labelled
    vocabulary: Vocabulary | None = None  # which tokens of the model's are kept; None: all
    used: Vocabulary | None = None  # what of that stands in the datasets, whose ids are the places in it; None: all
    changed_share: float | None = None  # of new texts, that will be split otherwise for that, see Trimmed
    pairs: bool = False  # whether the model classifies pairs of texts
    pooling: str = "own"  # what of a text a new head reads, own or mean

    @property
    def several_labels(self) -> bool:
        """Whether a row may have several labels, or none."""
        return self.train.label_ids.ndim == 2

    @property
    def all_tables(self) -> dict[str, Table]:
        """The labelled tables, and the one without labels if there is one."""
        return self.tables if self.unlabelled is None else {**self.tables, "unlabelled": self.unlabelled}

    @property
    def training_rows_together(self) -> np.ndarray:
        """Which rows of `train` no split may part, (N,): those of one number; those without labels may be parted."""
        numbers = self.together.get("train", np.arange(0))
        more = self.train.row_count - len(numbers)
        return np.concatenate([numbers, numbers.max(initial=-1) + 1 + np.arange(more)])

    @property
    def trained_on(self) -> list[Table]:
        """The tables whose rows are those of `train`, one after the other."""
        return [table for name, table in self.all_tables.items() if name in ("train", "unlabelled")]

    @property
    def main_encoder(self) -> Encoder:
        """The encoder, in the main process."""
        assert self.encoder is not None, "only the main process has the encoder"
        return self.encoder
