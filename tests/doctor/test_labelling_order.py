"""In which order rows are to be labelled."""

import numpy as np
import pytest

from toolkit.doctor.labelling_order import labelling_order, least_sure


def texts(count: int) -> list[str]:
    """Return texts that have little in common."""
    draw = np.random.default_rng(0)
    return [" ".join("".join(draw.choice(list("abcdefghij"), 6)) for _ in range(8)) for _ in range(count)]


def test_the_least_sure_rows_come_first_and_of_equal_ones_the_earlier():
    margins = np.array([0.5, 0.1, 0.9, 0.1, 0.3])
    assert least_sure(margins).tolist() == [1, 3, 4, 0, 2]
    order = labelling_order(margins, texts(5))
    assert (order.numbers.tolist(), order.repeats) == ([1, 3, 4, 0, 2], 0)


def test_a_row_that_equals_or_nearly_equals_one_before_it_stands_behind_all_others():
    ranked = texts(6)
    ranked[2] = ranked[0].upper()  # equal but for case
    ranked[4] = ranked[1] + " x"  # nearly equal
    order = labelling_order(np.arange(6) / 10, ranked)
    assert (order.numbers.tolist(), order.repeats) == ([0, 1, 3, 5, 2, 4], 2)


def test_of_rows_that_are_all_alike_one_stands_in_front():
    ranked = [texts(1)[0] + " " + "x" * number for number in range(5)]
    order = labelling_order(np.arange(5) / 10, [*ranked[:3], *texts(3)[1:], *ranked[3:]][:5])
    assert order.numbers.tolist() == [0, 3, 4, 1, 2]


def test_rows_that_are_labelled_already_stand_behind_all_others():
    ranked = texts(3)
    order = labelling_order(np.arange(3) / 10, ranked, {ranked[0].upper(), ranked[0] + "?"})
    assert (order.numbers.tolist(), order.repeats) == ([1, 2, 0], 1)


@pytest.mark.parametrize("checked", [0, 2])
def test_rows_behind_those_that_are_checked_keep_their_places(checked):
    ranked = [texts(1)[0]] * 5
    order = labelling_order(np.arange(5)[::-1] / 10, ranked[:checked])
    assert order.numbers.tolist() == ([4, 3, 2, 1, 0] if not checked else [4, 2, 1, 0, 3])


def test_every_row_is_there_once_whatever_is_alike():
    draw = np.random.default_rng(1)
    for _ in range(30):
        count = int(draw.integers(0, 40))
        ranked = [texts(5)[number] for number in draw.integers(0, 5, count)]
        order = labelling_order(draw.integers(0, 3, count).astype(float), ranked[: int(draw.integers(0, count + 1))])
        assert sorted(order.numbers.tolist()) == list(range(count))
        assert 0 <= order.repeats <= count
