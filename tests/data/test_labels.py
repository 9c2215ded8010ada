import numpy as np

from toolkit.data.labels import stratified_sample


def test_the_rows_held_out_are_a_like_share_of_every_label_and_never_its_last_row():
    labels = np.array(["a"] * 100 + ["b"] * 10 + ["c"] * 2 + ["d"])
    held_out = stratified_sample(labels, 0.2, seed=3)
    assert {label: int(held_out[labels == label].sum()) for label in "abcd"} == {"a": 20, "b": 2, "c": 1, "d": 0}
    assert (held_out == stratified_sample(labels, 0.2, seed=3)).all()
    assert (held_out != stratified_sample(labels, 0.2, seed=4)).any()
