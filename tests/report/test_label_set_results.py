import numpy as np

from tests.evaluation.label_set_samples import LABELS, drawn, scored
from toolkit.evaluation.label_set_metrics import full_label_set_scores
from toolkit.report.label_set_results import label_set_lines


def test_the_scores_of_each_label_and_what_is_taken_for_what_are_lines_in_both_languages():
    scores = full_label_set_scores(scored(*drawn())) | {"baselines": {"tfidf": {"micro_f1": 0.25, "macro_f1": 0.125}}}
    for language, words in (("en", ["micro mean", "threshold", "is missed and"]), ("zh", ["微平均", "阈值", "漏掉"])):
        lines = label_set_lines(scores, language=language)
        assert [line.split()[0] for line in lines[1:6]] == LABELS
        assert all(any(word in line for line in lines) for word in words)
        entry = scores["per_label"]["c"]
        shown = f"{entry['precision']:.4f} {entry['recall']:.4f} {entry['f1']:.4f} {entry['support']} 0.5000"
        assert lines[3].split() == ["c", *shown.split()]
        assert "0.2500" in lines[-1]


def test_of_many_labels_the_first_are_printed():
    truth = np.eye(50, dtype=bool)
    many = scored(np.where(truth, 3.0, -3.0).astype(np.float32), truth)
    scores = full_label_set_scores(many.__class__(**{**vars(many), "labels": [f"l{i}" for i in range(50)]}))
    lines = label_set_lines(scores | {"baselines": {}})
    assert lines[31] == "... and 20 more labels, in metrics.json"
    assert not any("is missed" in line for line in lines)
