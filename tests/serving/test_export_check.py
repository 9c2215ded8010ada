"""Whether what an exported model answers is near enough to what the model answers."""

from pathlib import Path

import numpy as np
import pytest

from toolkit.base.errors import UserError
from toolkit.evaluation.decision import Decision
from toolkit.evaluation.label_set_decision import LabelSetDecision
from toolkit.serving.export_check import ExportCheck

LOGITS = np.array([[2.0, -1.0, 0.0], [0.0, 0.5, 0.1], [-1.0, 0.0, 3.0], [1.0, 0.9, -2.0]], np.float32)
CHECK = ExportCheck.of(LOGITS, Decision(threshold=0.9))  # which other programs do not know
CHANGED = LOGITS[[0, 1, 2, 3]].copy()
CHANGED[3] = [0.9, 1.0, -2.0]  # another label


def test_probabilities_that_differ_by_rounding_are_the_same():
    line = CHECK.check_exact(LOGITS + 1e-6 * np.array([1, 0, 0], np.float32), Path("onnx"), 1_500_000)
    assert str(line).startswith("onnx/model.onnx: 1.5 MB; 4 of 4 rows keep the label".replace("/", Path("/").root))


@pytest.mark.parametrize("difference", [1e-4, np.nan])
def test_probabilities_that_differ_by_more_are_an_error(difference):
    with pytest.raises(UserError, match="of 4 rows, the exported model gives probabilities that differ"):
        CHECK.check_exact(LOGITS + difference * np.array([1, 0, 0], np.float32), Path("onnx"), 1)


@pytest.mark.parametrize(("least", "kept"), [(0.75, True), (0.76, False), (0, True), (1, False)])
def test_int8_is_kept_if_enough_rows_have_the_same_label(least, kept):
    comparison = CHECK
    assert comparison.same_labels(CHANGED) == 3
    assert comparison.keeps_labels(CHANGED, least) == kept
    line = str(comparison.judge_int8(CHANGED, least, Path("onnx"), 10_000_000))
    assert ("3 of 4 rows keep the label" in line) == kept
    assert ("is not written" in line) != kept


@pytest.mark.parametrize("calibrated", [True, False])
def test_of_several_labels_a_set_is_kept_by_the_thresholds_of_the_run(calibrated):
    own = LabelSetDecision((0.6, 0.5, 0.5), temperature=2.0, written_temperature=2.0 if calibrated else 1.0)
    logits = np.array([[1.0, -3.0, 2.0], [-2.0, 0.1, -1.0]], np.float32)
    of_file = logits / own.written_temperature
    comparison = ExportCheck.of(of_file, own)
    assert comparison.decision.label_ids(of_file).tolist() == own.label_ids(logits).tolist()
    assert comparison.same_labels(of_file) == 2
    assert comparison.same_labels(of_file + np.array([0, -0.2, 0], np.float32)) == 1
    assert comparison.decision.probabilities(of_file) == pytest.approx(1 / (1 + np.exp(-of_file)))
