import numpy as np
import pytest

from toolkit.compute.batches import (
    WINDOW,
    micro_batches,
    padding_share,
    prediction_batches,
    training_batches,
)

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


@pytest.mark.parametrize("micro", [None, 1, 2, 3, 7, 8, 1000])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
def test_the_micro_batches_of_all_processes_are_the_batch_and_weigh_what_its_mean_does(size, micro):
    for count in [*range(1, 20), 64, 65, 127]:
        rows = np.random.default_rng(count).permutation(500)[:count]
        parts = [micro_batches(rows, rank, size, micro) for rank in range(size)]
        everything = [each for part in parts for each in part]
        used = [each.rows.tolist() for each in everything if each.weight > 0]
        assert sorted(sum(used, [])) == sorted(rows.tolist())
        weights = [sum(len(each.rows) * each.weight for each in part) for part in parts]
        assert sum(weights) / size == pytest.approx(1)
        assert len({each.weight for each in everything if each.weight > 0}) == 1  # every row counts alike
        assert len({len(part) for part in parts}) == 1
        assert max(len(each.rows) for each in everything) <= (micro or count)
        rows_of_each = [sum(len(each.rows) for each in part if each.weight) for part in parts]
        assert max(rows_of_each) - min(rows_of_each) <= 1


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("micro", [None, 1, 3])
def test_micro_batches_of_equal_lengths_are_the_same_batch(size, micro):
    lengths = np.random.default_rng(1).integers(3, 9, 500)
    for count in [*range(1, 12), 64, 127]:
        rows = np.random.default_rng(count).permutation(500)[:count]
        parts = [micro_batches(rows, rank, size, micro, lengths) for rank in range(size)]
        everything = [each for part in parts for each in part]
        used = [each.rows.tolist() for each in everything if each.weight > 0]
        assert sorted(sum(used, [])) == sorted(rows.tolist())
        assert {each.weight for each in everything if each.weight > 0} == {size / count}
        assert all(len(set(lengths[each.rows])) == 1 for each in everything)
        assert len({len(part) for part in parts}) == 1
        assert max(len(each.rows) for each in everything) <= (micro or count)


def test_prediction_batches_of_equal_lengths_have_every_row_once_and_no_more_than_asked_for():
    lengths = np.random.default_rng(0).integers(3, 40, WINDOW + 500)
    batches = prediction_batches(lengths, 16, equal_lengths=True)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(len(set(lengths[batch])) == 1 and len(batch) <= 16 for batch in batches)
    assert len(batches) < len(lengths) / 8
    assert prediction_batches(lengths[:0], 16, equal_lengths=True) == []


def as_lists(rows: np.ndarray, rank: int, size: int, micro: int | None) -> list[tuple[list[int], float]]:
    return [(each.rows.tolist(), each.weight) for each in micro_batches(rows, rank, size, micro)]


@pytest.mark.parametrize("micro", [None, 1, 5])
def test_a_process_that_a_small_batch_leaves_without_rows_takes_one_that_counts_for_nothing(micro):
    rows = np.array([17, 4])
    assert [as_lists(rows, rank, 4, micro) for rank in range(4)] == [
        [([17], 2.0)], [([4], 2.0)], [([17], 0.0)], [([17], 0.0)],
    ]  # fmt: skip


def test_a_process_with_fewer_rows_than_the_others_fills_up_with_one_that_counts_for_nothing():
    rows = np.array([7, 5, 3, 9, 1])
    assert as_lists(rows, 0, 2, 1) == [([7], 0.4), ([3], 0.4), ([1], 0.4)]
    assert as_lists(rows, 1, 2, 1) == [([5], 0.4), ([9], 0.4), ([7], 0.0)]


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
