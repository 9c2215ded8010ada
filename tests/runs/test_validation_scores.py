"""What is kept of the validation rows beside a model."""

import numpy as np
import pandas as pd
import pytest

from toolkit.base.errors import UserError
from toolkit.runs.validation_scores import FILE, MAX_VALUES, ValidationScores, fingerprint_rows


def scores(rows: int = 5, labels: int = 3) -> ValidationScores:
    draw = np.random.default_rng(0)
    return ValidationScores(draw.normal(size=(rows, labels)).astype(np.float32), draw.integers(0, labels, rows), "ab")


def test_what_was_saved_is_read_back(tmp_path):
    scores().save(tmp_path)
    read = ValidationScores.read(tmp_path, 3, "--x")
    assert np.array_equal(read.logits, scores().logits) and read.logits.dtype == np.float32
    assert np.array_equal(read.label_ids, scores().label_ids)
    assert read.rows == "ab"
    assert ValidationScores.find(tmp_path, 3).rows == "ab"


def test_of_very_many_rows_the_same_ones_are_kept_for_every_model(tmp_path):
    labels = MAX_VALUES // 4
    kept = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        ids = np.arange(10)
        ValidationScores(np.full((10, labels), seed, np.float32), ids, "ab").save(folder)
        assert (folder / FILE).stat().st_size < 4 * MAX_VALUES + 1000
        kept.append(ValidationScores.read(folder, labels, "--x").label_ids)
    assert len(kept[0]) == 4 and np.array_equal(kept[0], kept[1])


def test_a_directory_without_them_is_told_with_the_option_that_needs_them(tmp_path):
    assert ValidationScores.find(tmp_path, 3) is None
    with pytest.raises(UserError, match="^--abstain_for needs .*an older main.py wrote the model; train it again"):
        ValidationScores.read(tmp_path, 3, "--abstain_for")


@pytest.mark.parametrize("damage", ["cut", "labels", "infinite", "ids"])
def test_a_file_that_does_not_fit_is_one_line(tmp_path, damage):
    kept = scores()
    if damage == "infinite":
        kept.logits[1, 1] = np.inf
    if damage == "ids":
        kept.label_ids[0] = 3
    kept.save(tmp_path)
    if damage == "cut":
        (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-9])
    with pytest.raises(UserError, match="cannot be used"):
        ValidationScores.read(tmp_path, 4 if damage == "labels" else 3, "--x")


def test_rows_are_told_apart_by_texts_labels_and_order():
    frame = pd.DataFrame({"text": ["a", "b"], "text_pair": [None, None], "label": ["x", "y"]})
    other_text = frame.replace("a", "c")
    other_label = frame.replace("x", "y")
    prints = {fingerprint_rows(each) for each in (frame, other_text, other_label, frame[::-1])}
    assert len(prints) == 4
    assert fingerprint_rows(frame.set_axis([7, 9])) == fingerprint_rows(frame)
