"""Which rows some models answer, by what they make of the rows that they were validated on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.sections import AbstentionOptions
from toolkit.evaluation.abstention import AnswerRule, ValidationSet, answers_line, find_least_energy, require_answers
from toolkit.evaluation.ensemble import Ensemble
from toolkit.evaluation.texts import ABSTENTION
from toolkit.runs.validation_scores import ValidationScores


def validation_set(ensemble: Ensemble, folders: Sequence[Path], option: str) -> ValidationSet:
    """Return what the models of some directories predict together of the rows that they were all validated on.

    Raises UserError, for the `option` that needs it, if it is not kept, or if the rows are not the same ones.
    """
    label_count = len(ensemble.labels)
    kept = [ValidationScores.read(folder, label_count, option) for folder in folders]
    for folder, scores in zip(folders, kept, strict=True):
        if scores.rows != kept[0].rows:
            raise UserError(ABSTENTION["other_rows"].fill(option=option, first=folders[0], other=folder))
    prediction = ensemble.together([scores.logits for scores in kept], np.zeros(len(kept[0].logits), int))
    decision = ensemble.decision
    predicted = decision.label_ids(prediction.logits)
    order = ensemble.members[0].order
    if predicted.ndim == 2:
        right = (predicted == kept[0].label_ids[:, order]).all(axis=1)
    else:
        right = predicted == np.argsort(order)[kept[0].label_ids]
    return ValidationSet(decision.confidence(prediction.logits), right, prediction.energies)


def answer_rule(ensemble: Ensemble, folders: Sequence[Path], options: AbstentionOptions, log: Log) -> AnswerRule | None:
    """Return which rows are answered, None for all, and say which threshold was found.

    Raises UserError if the rows that the models were validated on do not show the accuracy that is wanted.
    """
    if not options.is_wanted:
        return None
    least_energy = None
    least_probability = options.abstain_below or 0.0
    if options.abstain_unknown is not None:
        rows = validation_set(ensemble, folders, "--abstain_unknown")
        least_energy = find_least_energy(rows.energies, options.abstain_unknown)
    if options.abstain_for is not None:
        rows = validation_set(ensemble, folders, "--abstain_for").with_energy(least_energy)
        answers = require_answers(rows.probability, rows.right, options.abstain_for)
        log(answers_line(answers, options.abstain_for))
        least_probability = answers.threshold
    return AnswerRule(least_probability, least_energy)
