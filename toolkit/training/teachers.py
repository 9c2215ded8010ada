"""What a run learns from the models that teach it: the probabilities that they give its rows, besides the labels.

N rows, L of them with labels, C labels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.base.errors import UserError
from toolkit.base.languages import Text, beginning
from toolkit.cli.console import shown_label
from toolkit.models.trust import fingerprint_weights
from toolkit.runs.run_json import RunFacts
from toolkit.runs.texts import KINDS_OF_TEXTS
from toolkit.training.texts import TEACHERS

TEACHERS_SHARE = 0.5  # of the target of a row that has a label
MAX_LISTED = 5  # labels in an error


def soft_targets(probabilities: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
    """Return what the model is to predict of some rows, (N, C): probabilities in fp32.

    `probabilities` (N, C) are those that the teachers give the rows, of which the first have the labels label_ids
    (L,). A row without a label has the teachers' probabilities as its target ("dark knowledge", Hinton et al. 2015,
    section 2); one with a label has those by the share TEACHERS_SHARE, and its label by the rest.
    """
    targets = probabilities.astype(np.float32)
    labelled = np.arange(len(label_ids))
    targets[labelled] *= TEACHERS_SHARE
    targets[labelled, label_ids] += 1 - TEACHERS_SHARE
    return targets


def check_teachers(folders: Sequence[Path], runs: Sequence[RunFacts], labels: Sequence[str], pairs: bool) -> None:
    """Raise UserError if a teacher has other labels than a run, or reads pairs of texts where the run does not."""
    for folder, run in zip(folders, runs, strict=True):
        if set(run.labels) != set(labels):
            of_teacher, own = _listed(run.labels), _listed(labels)
            raise UserError(TEACHERS["other_labels"].fill(folder=folder, theirs=of_teacher, own=own))
        if run.columns.have_label_sets:
            raise UserError(TEACHERS["label_sets"].fill(folder=folder))
        if run.pairs != pairs:
            of_teacher, own = KINDS_OF_TEXTS[run.pairs], KINDS_OF_TEXTS[pairs]
            raise UserError(TEACHERS["other_kind"].fill(folder=folder, theirs=of_teacher, own=own))


def _listed(labels: Sequence[str]) -> Text:
    return beginning([shown_label(label) for label in labels], MAX_LISTED)


def fingerprint_teachers(folders: Sequence[str]) -> dict[str, str]:
    """Return the sha256 of each teacher's weights by its directory, by which a resumed run knows it again."""
    return {folder: fingerprint_weights(Path(folder)) for folder in folders}
