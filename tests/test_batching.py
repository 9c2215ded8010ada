import numpy as np
import pytest

from toolkit.batching import WINDOW, padding_share, prediction_batches, stratified_sample, training_batches

LENGTHS = np.random.default_rng(0).integers(3, 300, 1003)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 2000])
def test_an_epoch_sees_every_row_once_in_full_batches_but_one(batch_size):
    batches = training_batches(LENGTHS, batch_size, seed=1, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1003))
    assert sorted(map(len, batches))[1:] == [batch_size] * (len(batches) - 1)


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    def order(seed, epoch):
        np.random.random()  # the global generator must not matter
        return np.concatenate(training_batches(LENGTHS, 16, seed, epoch)).tolist()

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_batches_of_like_length_hold_little_padding():
    batches = training_batches(LENGTHS, 16, seed=1, epoch=0)
    slots = sum(max(LENGTHS[i] for i in batch) * len(batch) for batch in batches)
    assert padding_share(LENGTHS, batches) == pytest.approx(1 - LENGTHS.sum() / slots)
    at_random = np.array_split(np.random.default_rng(1).permutation(1003), 63)
    assert padding_share(LENGTHS, batches) < 0.1 < 0.3 < padding_share(LENGTHS, at_random)


def test_prediction_batches_are_sorted_within_windows_and_stay_inside_them():
    lengths = np.random.default_rng(0).integers(3, 300, 2 * WINDOW + 5)
    batches = prediction_batches(lengths, 100)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len({row // WINDOW for row in batch.tolist()}) == 1
    first_window = np.concatenate([batch for batch in batches if batch[0] < WINDOW])
    assert (np.diff(lengths[first_window]) <= 0).all()


def test_no_rows_make_no_batches():
    assert prediction_batches(np.array([], dtype=np.int64), 8) == []


def test_the_rows_held_out_are_a_like_share_of_every_label_and_never_its_last_row():
    labels = np.array(["a"] * 100 + ["b"] * 10 + ["c"] * 2 + ["d"])
    held_out = stratified_sample(labels, 0.2, seed=3)
    assert {label: int(held_out[labels == label].sum()) for label in "abcd"} == {"a": 20, "b": 2, "c": 1, "d": 0}
    assert (held_out == stratified_sample(labels, 0.2, seed=3)).all()
    assert (held_out != stratified_sample(labels, 0.2, seed=4)).any()
