"""A linear probe, and the head that begins with it."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from toolkit.training.linear_probe import (
    FEW_PAIRS,
    FEW_ROWS,
    SHARE,
    LinearProbe,
    ProbedRows,
    _fit,
    fit_probe,
    probe_loss,
    starting_share,
    suits,
)


def clouds(rows: int, labels: int, seed: int = 0, spread: float = 1.0) -> ProbedRows:
    """Return rows of 8 values around a centre for each label, which are the same for every seed."""
    centres = 5 * np.random.default_rng(99).normal(size=(labels, 8)) + 3
    draw = np.random.default_rng(seed)
    label_ids = draw.integers(labels, size=rows)
    inputs = centres[label_ids] + draw.normal(scale=spread, size=(rows, 8)) * np.arange(1, 9)
    return ProbedRows(inputs.astype(np.float32), label_ids)


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_a_probe_gives_the_probabilities_of_logistic_regression(labels):
    rows = clouds(200, labels)
    scaled = ProbedRows(StandardScaler().fit_transform(rows.inputs), rows.label_ids)
    regression = LogisticRegression(C=0.03, max_iter=2000, tol=1e-6).fit(scaled.inputs, scaled.label_ids)

    logits = _fit(scaled, labels, 0.03).logits(scaled.inputs)

    probabilities = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    assert np.abs(probabilities - regression.predict_proba(scaled.inputs)).max() < 0.01


def test_the_weights_are_those_for_inputs_as_they_are():
    train, valid = clouds(300, 3), clouds(300, 3, seed=1)

    probe = fit_probe(train, valid, 3)

    accuracy = float((probe.logits(valid.inputs).argmax(1) == valid.label_ids).mean())
    reference = LogisticRegression(max_iter=2000).fit(train.inputs, train.label_ids)
    assert accuracy == pytest.approx(reference.score(valid.inputs, valid.label_ids), abs=0.03)
    assert probe.loss == pytest.approx(probe_loss(probe, valid), abs=1e-4)


def test_noise_makes_the_strength_small_and_its_absence_large():
    draw = np.random.default_rng(0)
    noise = [ProbedRows(draw.normal(size=(300, 8)).astype(np.float32), draw.integers(2, size=300)) for _ in range(2)]
    of_noise = fit_probe(*noise, 2)
    of_clouds = fit_probe(clouds(300, 2, spread=0.1), clouds(300, 2, seed=1, spread=0.1), 2)

    assert np.abs(of_noise.weight).max() < 0.1 < np.abs(of_clouds.weight).max()


def test_with_few_validation_rows_the_training_rows_are_held_out_in_turn():
    train = clouds(100, 2)
    wrong = ProbedRows(train.inputs[:2], 1 - train.label_ids[:2])

    probe = fit_probe(train, wrong, 2)

    accuracy = float((probe.logits(train.inputs).argmax(1) == train.label_ids).mean())
    assert accuracy > 0.9  # two wrong rows alone would have made the weights as small as can be
    assert (
        np.abs(probe.weight).max()
        > np.abs(fit_probe(train, ProbedRows(train.inputs, 1 - train.label_ids), 2).weight).max()
    )


def test_a_label_without_rows_is_the_least_likely():
    rows = clouds(100, 3)
    without = rows.select(rows.label_ids != 1)

    probe = fit_probe(without, without, 3)

    assert set(probe.logits(without.inputs).argmax(1)) <= {0, 2}
    assert np.isfinite(probe.weight).all()


def test_a_layer_begins_with_a_share_of_the_probe_and_predicts_the_same():
    probe = fit_probe(clouds(100, 3), clouds(300, 3, seed=1), 3)
    layer = torch.nn.Linear(8, 3)
    rows = clouds(50, 3, seed=2)

    probe.start(layer, 0.25)

    logits = layer(torch.from_numpy(rows.inputs)).detach().numpy()
    assert np.allclose(logits, 0.25 * probe.logits(rows.inputs), atol=1e-4)
    assert (logits.argmax(1) == probe.logits(rows.inputs).argmax(1)).all()


def test_tensors_hold_all_of_a_probe():
    probe = fit_probe(clouds(100, 3), clouds(300, 3, seed=1), 3)

    again = LinearProbe.from_tensors(probe.tensors())

    assert (again.weight == probe.weight).all()
    assert (again.bias == probe.bias).all()
    assert again.loss == probe.loss


def test_few_rows_of_a_label_begin_with_the_whole_probe():
    assert starting_share(FEW_ROWS * 10 - 1, 10) == 1.0
    assert starting_share(FEW_ROWS * 10, 10) == SHARE


def test_a_head_begins_with_a_probe_but_for_many_pairs():
    assert suits(1_000_000, pairs=False)
    assert suits(FEW_PAIRS - 1, pairs=True)
    assert not suits(FEW_PAIRS, pairs=True)


def test_of_rows_that_belong_together_none_is_learned_from_while_another_is_predicted():
    """Each row three times, with labels drawn by lot: what is learned by heart helps where they are parted."""
    draw = np.random.default_rng(0)
    inputs = np.repeat(draw.normal(size=(60, 200)).astype(np.float32), 3, axis=0)
    label_ids = np.repeat(draw.integers(0, 2, 60), 3)
    none = ProbedRows(inputs[:0], label_ids[:0])
    parted = fit_probe(ProbedRows(inputs, label_ids), none, 2)
    together = fit_probe(ProbedRows(inputs, label_ids, np.repeat(np.arange(60), 3)), none, 2)
    assert parted.loss < 0.4 < np.log(2) * 0.95 < together.loss
    alone = fit_probe(ProbedRows(inputs, label_ids, np.arange(180)), none, 2)
    assert alone.loss == parted.loss


# -- several labels a row ---------------------------------------------------------------------------------------------


def sets(rows: int, seed: int = 0) -> ProbedRows:
    """Return rows of 8 values, each of 4 labels by a line of its own, the last of which no row has."""
    lines = np.random.default_rng(99).normal(size=(4, 8))
    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(rows, 8))
    truth = inputs @ lines.T + draw.normal(size=(rows, 4)) > [0, 1, 3, 1e9]
    return ProbedRows(inputs.astype(np.float32) + 2, truth)


def test_a_probe_of_several_labels_is_logistic_regression_of_each_against_the_rest():
    rows = sets(300)
    scaled = ProbedRows(StandardScaler().fit_transform(rows.inputs), rows.label_ids)
    logits = _fit(scaled, 4, 0.3).logits(scaled.inputs)
    for label in range(3):
        regression = LogisticRegression(C=0.3, max_iter=2000, tol=1e-6).fit(scaled.inputs, rows.label_ids[:, label])
        expected = regression.decision_function(scaled.inputs)
        np.testing.assert_allclose(logits[:, label], expected, atol=0.05)
    assert (logits[:, 3] < -5).all()


def test_a_share_of_it_leaves_each_label_as_frequent_as_it_is():
    train, valid = sets(400), sets(400, seed=1)
    probe = fit_probe(train, valid, 4)
    assert probe.loss == pytest.approx(probe_loss(probe, valid), abs=1e-4)
    again = LinearProbe.from_tensors(probe.tensors())
    layer = torch.nn.Linear(8, 4)
    again.start(layer, 0.3)
    with torch.no_grad():
        frequency = torch.sigmoid(layer(torch.from_numpy(train.inputs))).mean(0).numpy()
    np.testing.assert_allclose(frequency, train.label_ids.mean(0), atol=0.08)
