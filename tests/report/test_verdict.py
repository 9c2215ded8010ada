import shlex

import pytest

from tests.conftest import run_facts
from toolkit.cli.options import fine_tuning_options
from toolkit.report.verdict import judge
from toolkit.runs.run_json import RunFacts

SIMPLE = {
    "valid": {
        "most_frequent_label": {"accuracy": 0.6, "macro_f1": 0.3},
        "tfidf": {"accuracy": 0.8, "macro_f1": 0.7},
    }
}

RECIPE = ("--epochs", "3", "--learning_rate", "5e-5")  # as run.json has them, never auto


def judged(tmp_path, accuracy: float, macro_f1: float, *words: str, baselines=SIMPLE, losses=(0.69, 0.6)):
    options = fine_tuning_options(["--output_dir", str(tmp_path / "output"), *RECIPE, *words])
    run = run_facts(
        metrics={"accuracy": accuracy, "macro_f1": macro_f1, "train_loss": losses[-1]},
        options=options.as_dict(),
        baselines=baselines,
        data={"train": {"file": "t.csv", "rows": 2000}},
    )
    history = [{"step": i, "train_loss": loss} for i, loss in enumerate(losses)]
    return judge(run, history, None, options)


def test_a_model_that_is_as_good_as_simple_methods_has_no_verdict(tmp_path):
    assert judged(tmp_path, 0.8, 0.1) is None  # macro F1 did not choose it
    assert judged(tmp_path, 0.9, 0.7, "--metric", "macro_f1") is None
    assert judged(tmp_path, 0.1, 0.1, baselines={}) is None
    assert judged(tmp_path, 0.1, 0.1, baselines=None) is None


def test_a_model_of_several_labels_a_row_has_none_since_what_would_help_it_is_not_known(tmp_path):
    options = fine_tuning_options(["--multi_label", "--metric", "macro_f1", *RECIPE])
    columns = {"text": "text", "text_pair": None, "label": "label", "label_separator": ";"}
    simple = {"valid": {"tfidf": {"micro_f1": 0.8, "macro_f1": 0.8}}}
    run = run_facts(columns=columns, metrics={"macro_f1": 0.1}, options=options.as_dict(), baselines=simple)
    assert judge(run, [], None, options) is None


def test_one_that_is_worse_has_the_scores_what_may_help_and_the_command(tmp_path):
    verdict = judged(tmp_path, 0.75, 0.5, "--train_file", "my rows.csv")
    first, *others, last = verdict.lines()
    assert first == (
        "warning: on the validation rows this model is worse than TF-IDF and a linear classifier: "
        "accuracy 0.7500, not 0.8000"
    )
    assert others[0].startswith("what may help: the training loss is still 0.60")
    assert last == (
        "to try it: python main.py --train_file 'my rows.csv' --epochs 6 --learning_rate 0.0001 "
        f"--output_dir {tmp_path / 'output_2'}"
    )
    fine_tuning_options(shlex.split(verdict.command)[2:])  # it can be read


def test_each_score_that_is_below_is_told_and_the_best_simple_method_counts(tmp_path):
    verdict = judged(tmp_path, 0.5, 0.2, "--metric", "macro_f1")
    assert [(each.metric, each.method) for each in verdict.shortfalls] == [("macro_f1", "tfidf"), ("accuracy", "tfidf")]
    only = {"valid": {"most_frequent_label": {"accuracy": 0.6, "macro_f1": 0.3}}}
    (shortfall,) = judged(tmp_path, 0.5, 0.2, baselines=only).shortfalls
    assert (shortfall.method, shortfall.simple) == ("most_frequent_label", 0.6)


def test_where_no_option_helps_the_command_looks_at_the_labels(tmp_path):
    verdict = judged(tmp_path, 0.5, 0.2, losses=(0.3, 0.01))
    assert [remedy.kind for remedy in verdict.remedies] == ["more_rows", "larger_model", "labels"]
    assert "--find_label_errors" in verdict.command


@pytest.mark.parametrize("there", [["output_2"], ["output_2", "output_3"]])
def test_the_command_writes_where_nothing_is(tmp_path, there):
    for name in there:
        (tmp_path / name).mkdir()
    verdict = judged(tmp_path, 0.5, 0.2)
    assert f"--output_dir {tmp_path / 'output'}_{len(there) + 2} " in verdict.command + " "


def test_one_of_several_seeds_is_tried_again_beside_all_of_them(tmp_path):
    verdict = judged(tmp_path, 0.5, 0.2, "--output_dir", str(tmp_path / "output" / "seed-42"), "--seed", "42")
    assert f"--output_dir {tmp_path / 'output_2'} " in verdict.command + " "


def test_run_json_keeps_it(tmp_path):
    verdict = judged(tmp_path, 0.75, 0.5)
    content = verdict.as_json()
    assert content["worse_than_simple"] == [
        {"metric": "accuracy", "model": 0.75, "method": "tfidf", "simple": 0.8},
    ]
    assert [entry["kind"] for entry in content["advice"]] == ["longer", "higher_rate"]
    assert [entry["options"] for entry in content["advice"]] == [{"epochs": 6}, {"learning_rate": 1e-4}]
    assert str(tmp_path) not in str(content)  # it does not depend on where the run is
    run = run_facts(verdict=content)
    assert RunFacts.from_json(run.as_json()) == run
