import numpy as np
import pytest

from toolkit.runs.held_out import pack_rows, unpack_rows


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 1000])
def test_the_rows_held_out_are_what_they_were(rows):
    held_out = np.random.default_rng(rows).random(rows) < 0.3
    assert unpack_rows(pack_rows(held_out), rows).tolist() == held_out.tolist()


def test_a_tenth_of_many_rows_takes_little():
    held_out = np.random.default_rng(0).random(100_000) < 0.1
    assert len(pack_rows(held_out)) < 12_000


@pytest.mark.parametrize(
    "packed", ["", "?", "AAAA", 7, None, pack_rows(np.ones(17, bool)), pack_rows(np.ones(8, bool)), "é"]
)
def test_what_says_nothing_of_so_many_rows_is_refused(packed):
    with pytest.raises(ValueError, match="held out"):
        unpack_rows(packed, 10)
