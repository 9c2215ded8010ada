import json
import statistics

import pytest

from toolkit.base.errors import UserError
from toolkit.runs.paths import RunPaths
from toolkit.runs.seeds_json import SeedRun, SeedsRecord, finished_run, read_seeds, seed_lines, write_seeds

ACCURACY = {1: 0.5, 2: 0.75, 3: 1.0}
CONTENT = {
    "seeds": [1, 2, 3], "kept": None, "metric": "accuracy", "mean": None, "sd": None,
    "runs": [{"seed": 1, "step": 8, "accuracy": 0.5, "macro_f1": 0.25, "test_accuracy": 0.5, "test_macro_f1": 0.5}],
    "options": {"seed": 1, "seeds": 3}, "precision": "fp32",
    "data": {"train": {"file": "t.csv", "rows": 4, "sha256": "aa", "tokens": "bb"}}, "replaces": [7],
}  # fmt: skip


def record_of(accuracy: dict[int, float], metric: str = "accuracy", **test_scores: float) -> SeedsRecord:
    """Return the record of finished runs with these accuracies by seed, and a loss that is the smaller the better."""
    record = SeedsRecord(seeds=list(accuracy), metric=metric, options={})
    for seed in reversed(accuracy):  # they are put in order
        scores = {"accuracy": accuracy[seed], "macro_f1": 0.5, "valid_loss": 1 - accuracy[seed], **test_scores}
        record = record.with_run(SeedRun(seed, scores))
    return record


def test_what_is_written_is_read_again_and_stands_in_the_same_order(tmp_path):
    paths = RunPaths(tmp_path)
    paths.seeds_file.write_text(json.dumps(CONTENT))
    record = read_seeds(paths)
    write_seeds(paths, record)
    assert json.loads(paths.seeds_file.read_text()) == CONTENT
    assert list(json.loads(paths.seeds_file.read_text())) == list(CONTENT)
    assert read_seeds(paths) == record


def test_earlier_runs_are_named_only_while_there_are_any_to_remove(tmp_path):
    write_seeds(RunPaths(tmp_path), SeedsRecord.from_json(CONTENT | {"replaces": []}))
    assert "replaces" not in json.loads((tmp_path / "seeds.json").read_text())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"seeds": [1, 2]}', "it has no data"), ("{", "Expecting"), ("[]", "it has no data"), ("3", "not iterable"),
        (json.dumps(CONTENT | {"runs": [{"accuracy": 1.0}]}), "seed"), (json.dumps(CONTENT | {"data": []}), ""),
        (json.dumps(CONTENT | {"data": {"train": "t.csv"}}), "its data is not what main.py writes"),
    ],
)  # fmt: skip
def test_a_damaged_seeds_json_is_said_to_be_damaged(tmp_path, content, problem):
    (tmp_path / "seeds.json").write_text(content)
    with pytest.raises(UserError) as caught:
        read_seeds(RunPaths(tmp_path))
    assert str(caught.value).startswith(f"--resume: {tmp_path / 'seeds.json'} is damaged (")
    assert problem in str(caught.value)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_the_best_run_has_the_largest_score_or_the_smallest_loss_and_of_equals_the_smallest_seed(metric):
    assert record_of(ACCURACY, metric).best_run().seed == 3
    assert record_of({1: 0.5, 2: 0.75, 3: 0.75}, metric).best_run().seed == 2
    assert record_of({1: 0.5, 2: 0.5}, metric).best_run().seed == 1


def test_all_runs_together_have_a_mean_and_the_standard_deviation_of_a_sample():
    record = record_of(ACCURACY, metric="loss", test_accuracy=0.5, test_macro_f1=0.25).completed()
    assert [run.seed for run in record.runs] == [1, 2, 3]
    assert record.kept == 3
    assert record.kept_run().scores["accuracy"] == 1.0
    assert list(record.mean) == ["accuracy", "macro_f1", "valid_loss", "test_accuracy", "test_macro_f1"]
    assert record.mean["accuracy"] == 0.75
    assert record.sd["accuracy"] == pytest.approx(statistics.stdev(ACCURACY.values()))
    assert record.sd["macro_f1"] == 0


def test_a_score_of_the_test_file_that_a_run_lacks_is_left_out_of_the_mean():
    record = record_of(ACCURACY, test_accuracy=0.5, test_macro_f1=0.25)
    record = record.with_run(SeedRun(4, {"accuracy": 0.5, "macro_f1": 0.5}))
    assert list(record.completed().mean) == ["accuracy", "macro_f1"]


def test_the_lines_name_each_run_all_together_and_where_the_best_is(tmp_path):
    assert seed_lines(record_of({9: 0.5, 10: 1.0}).completed(), tmp_path) == [
        "seed 9     accuracy 0.5000  macro f1 0.5000",
        "seed 10    accuracy 1.0000  macro f1 0.5000",
        "mean ± sd  accuracy 0.7500 ± 0.3536  macro f1 0.5000 ± 0.0000",
        f"seed 10 has the best accuracy; its run is kept in {tmp_path}",
    ]


@pytest.mark.parametrize("is_tested", [False, True])
def test_a_finished_run_has_the_scores_of_its_best_evaluation_and_of_its_test_file(tmp_path, is_tested):
    paths = RunPaths(tmp_path)
    paths.model_dir.mkdir()
    metrics = {"step": 4, "accuracy": 0.5}
    paths.run_json.write_text(json.dumps({"metrics": metrics}))
    if is_tested:
        paths.test_dir.mkdir()
        (paths.test_dir / "metrics.json").write_text(json.dumps({"accuracy": 0.75, "macro_f1": 0.25, "rows": 4}))
        metrics |= {"test_accuracy": 0.75, "test_macro_f1": 0.25}
    assert finished_run(paths, 7) == SeedRun(7, metrics)
