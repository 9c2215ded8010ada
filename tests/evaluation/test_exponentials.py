"""Probabilities of logits in numpy, against those of scipy."""

import numpy as np
import pytest
from scipy import special

from toolkit.evaluation import exponentials

VALUES = np.vstack([np.random.default_rng(0).normal(0, 20, (50, 4)), [[0, 0, 0, 0], [1000, -1000, 999, 0]]])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (exponentials.softmax, lambda values: special.softmax(values, axis=1)),
        (exponentials.log_softmax, lambda values: special.log_softmax(values, axis=1)),
        (exponentials.log_sum_exp, lambda values: special.logsumexp(values, axis=1)),
        (exponentials.sigmoid, special.expit),
        (exponentials.log_sigmoid, special.log_expit),
    ],
)
def test_they_are_those_of_scipy(ours, theirs):
    with np.errstate(all="raise", under="ignore"):
        values = ours(VALUES)
    assert values == pytest.approx(theirs(VALUES), rel=1e-14, abs=1e-300)
    assert values.shape == theirs(VALUES).shape
