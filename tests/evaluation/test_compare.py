import hashlib
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from tests.conftest import script
from toolkit.base.errors import UserError
from toolkit.data.tables import Table
from toolkit.evaluation.compare import OtherRun, compare_runs, comparison_lines, mcnemar, read_other
from toolkit.evaluation.intervals import Difference
from toolkit.files.columns import Columns

RATES = ("--learning_rate", "3e-3", "--batch_size", "8", "--device", "cpu", "--precision", "fp32", "--epochs", "2")


def exact(only_ours: int, only_theirs: int) -> float:
    """Return the chance that fair coins fall as unevenly as this, or more so, to either side."""
    count = only_ours + only_theirs
    uneven = max(only_ours, only_theirs)
    return min(1.0, 2 * sum(math.comb(count, k) for k in range(uneven, count + 1)) / 2**count)


def drawn(rows: int, labels: int, seed: int, right: tuple[float, float] = (0.8, 0.7)) -> list[np.ndarray]:
    """Return label_ids and two predictions that are right with these chances and often wrong together."""
    draw = np.random.default_rng(seed)
    true = draw.choice(labels, rows, p=np.arange(1, labels + 1) / np.arange(1, labels + 1).sum())
    luck = draw.random(rows)
    wrong = (true + draw.integers(1, labels, rows)) % labels
    return [true, *(np.where(luck * 0.5 + draw.random(rows) * 0.5 < share, true, wrong) for share in right)]


def macro_f1(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean of F1 over the labels that occur, label by label; scikit-learn is too slow to call so often."""
    found = []
    for label in np.union1d(true, predicted):
        hits = ((true == label) & (predicted == label)).sum()
        found.append(2 * hits / ((true == label).sum() + (predicted == label).sum()))
    return float(np.mean(found))


def differences(true: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Difference]:
    label_count = int(max(true.max(), ours.max(), theirs.max())) + 1
    comparison = compare_runs(OtherRun("other", theirs), true, ours, label_count)
    assert set(comparison.differences) == {"accuracy", "macro_f1"}
    return dict(comparison.differences)


# -- the statistics ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("only_ours", range(0, 40, 3))
@pytest.mark.parametrize("only_theirs", [0, 1, 5, 18, 60])
def test_the_p_value_is_the_exact_one_of_mcnemar(only_ours, only_theirs):
    assert mcnemar(only_ours, only_theirs) == pytest.approx(exact(only_ours, only_theirs))
    assert mcnemar(only_theirs, only_ours) == pytest.approx(mcnemar(only_ours, only_theirs))


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_the_differences_are_scikit_learn_s(labels):
    true, ours, theirs = drawn(60, labels, 1)
    true[true == labels - 1] = 0  # a label that is only predicted
    found = differences(true, ours, theirs)
    macro = [f1_score(true, each, average="macro", zero_division=0) for each in (ours, theirs)]
    assert found["accuracy"].difference == pytest.approx(accuracy_score(true, ours) - accuracy_score(true, theirs))
    assert found["macro_f1"].difference == pytest.approx(macro[0] - macro[1])
    assert all(each.low <= each.difference <= each.high for each in found.values())


@pytest.mark.parametrize("labels", [2, 4])
def test_the_interval_is_that_of_rows_drawn_one_by_one(labels):
    true, ours, theirs = drawn(300, labels, 2)
    draw, slow = np.random.default_rng(5), {"accuracy": [], "macro_f1": []}
    for _ in range(2000):
        rows = draw.integers(0, len(true), len(true))
        slow["accuracy"].append(accuracy_score(true[rows], ours[rows]) - accuracy_score(true[rows], theirs[rows]))
        macro = [macro_f1(true[rows], each[rows]) for each in (ours, theirs)]
        slow["macro_f1"].append(macro[0] - macro[1])
    for name, interval in differences(true, ours, theirs).items():
        low, high = np.quantile(slow[name], [0.025, 0.975])
        assert interval.low == pytest.approx(low, abs=0.015), name
        assert interval.high == pytest.approx(high, abs=0.015), name


def test_about_19_of_20_intervals_hold_the_true_difference():
    population = drawn(400_000, 3, 3)
    truth = {
        "accuracy": (population[0] == population[1]).mean() - (population[0] == population[2]).mean(),
        "macro_f1": f1_score(*population[:2], average="macro") - f1_score(*population[::2], average="macro"),
    }
    draw, held = np.random.default_rng(0), {"accuracy": 0, "macro_f1": 0}
    for _ in range(400):
        rows = draw.integers(0, len(population[0]), 250)
        for name, interval in differences(*(column[rows] for column in population)).items():
            held[name] += interval.low <= truth[name] <= interval.high
    assert all(0.92 <= count / 400 <= 0.98 for count in held.values()), held


def test_what_is_found_is_said_in_two_lines():
    true = np.repeat([0, 1], 50)
    ours, theirs = true.copy(), true.copy()
    theirs[:18] = 1
    ours[60:62] = 0
    comparison = compare_runs(OtherRun("other", theirs), true, ours, 2)
    assert (comparison.rows, comparison.only_ours_right, comparison.only_theirs_right) == (100, 18, 2)
    assert comparison.p_value == pytest.approx(exact(18, 2))
    first, second = comparison_lines(comparison)
    interval = f"{comparison.differences['accuracy'].low:+.4f} to {comparison.differences['accuracy'].high:+.4f}"
    assert first.startswith(f"against other: accuracy +0.1600 (95% interval {interval}), macro f1 +0.1")
    assert second == (
        "McNemar p = 0.0004: 18 rows right in this run only, 2 in the other only; more than chance would explain"
    )
    same = compare_runs(OtherRun("o", ours), true, ours, 2)
    assert [each.difference for each in same.differences.values()] == [0, 0]
    assert comparison_lines(same)[1] == (
        "McNemar p = 1: 0 rows right in this run only, 0 in the other only; may be no more than chance"
    )
    assert compare_runs(None, true, ours, 2) is None
    assert comparison_lines(None) == []


def test_sets_of_labels_are_compared_by_micro_and_macro_f1_and_by_the_rows_that_are_wholly_right():
    draw = np.random.default_rng(4)
    true = draw.random((250, 4)) < 0.3
    ours, theirs = (np.where(draw.random(true.shape) < right, true, ~true) for right in (0.9, 0.85))
    comparison = compare_runs(OtherRun("other", theirs), true, ours, 4)
    is_right = [(each == true).all(axis=1) for each in (ours, theirs)]
    only = [int((is_right[0] & ~is_right[1]).sum()), int((is_right[1] & ~is_right[0]).sum())]
    assert [comparison.only_ours_right, comparison.only_theirs_right] == only
    assert comparison.p_value == pytest.approx(exact(*only))
    assert set(comparison.differences) == {"micro_f1", "macro_f1"}
    for name, found in comparison.differences.items():
        average = name.removesuffix("_f1")
        scores = [f1_score(true, each, average=average) for each in (ours, theirs)]
        assert found.difference == pytest.approx(scores[0] - scores[1])
        slow = []
        for _ in range(1000):
            rows = draw.integers(0, len(true), len(true))
            drawn_scores = []
            for each in (ours, theirs):
                axis = 0 if average == "macro" else None
                hits = (each & true)[rows].sum(axis)
                drawn_scores.append(np.mean(2 * hits / (each[rows].sum(axis) + true[rows].sum(axis))))
            slow.append(drawn_scores[0] - drawn_scores[1])
        assert [found.low, found.high] == pytest.approx(np.quantile(slow, [0.025, 0.975]).tolist(), abs=0.02)
    first, _ = comparison_lines(comparison)
    assert first.startswith(f"against other: micro f1 {comparison.differences['micro_f1'].difference:+.4f} (95%")
    assert comparison.as_json()["macro_f1"]["low"] == comparison.differences["macro_f1"].low


# -- the other run ----------------------------------------------------------------------------------------------------

TEXTS = ["a", 'b,"c"\r\nd', "NA", "", "e"]


@pytest.fixture
def scored(tmp_path):
    """A run directory with test scores of five rows, and the table of these rows."""
    run = tmp_path / "a run"
    (run / "bert_classifier").mkdir(parents=True)
    (run / "bert_classifier" / "run.json").write_text("{}")
    (run / "test").mkdir()
    (run / "bert_classifier" / "model.safetensors").write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    noted = {
        "labels": ["con", "pro"],
        "model": {"directory": str(run / "bert_classifier"), "sha256": sha256},
        "data": {"test": {"sha256": "the file's"}},
    }
    (run / "test" / "metrics.json").write_text(json.dumps(noted))
    labels = ["pro", "con", "pro", "con", "con"]
    answers = ["pro", "pro", "con", "con", "con"]
    frame = pd.DataFrame({"text": TEXTS, "label": labels}, pd.Index([2, 3, 5, 6, 6], name="line"), dtype=object)
    records = [{"text": text, "label": label} for text, label in zip(TEXTS, labels, strict=True)]
    table = Table(Path("t.csv"), frame, [], records, Columns(), "the file's")
    written = frame.reset_index()
    written["prediction"], written["prob_con"] = answers, 0.5
    written["correct"] = np.where(written["label"] == written["prediction"], "yes", "no")
    written.iloc[::-1].to_csv(run / "test" / "predictions.csv", index=False, lineterminator="\n")
    return run, table


@pytest.mark.parametrize("below", [".", "test", "bert_classifier"])
def test_the_rows_are_paired_whatever_their_order_and_however_the_run_is_named(scored, below):
    run, table = scored
    other = read_other(str(run / below), table, ["con", "pro"])
    assert other.predicted.tolist() == [1, 1, 0, 0, 0]
    assert read_other(str(run / below), table, ["pro", "con"]).predicted.tolist() == [0, 0, 1, 1, 1]
    assert read_other(None, table, ["con", "pro"]) is None


def test_rows_on_one_line_are_told_apart_by_their_texts(scored):
    run, table = scored
    path = run / "test" / "predictions.csv"
    path.write_bytes(path.read_bytes().replace(b"6,e,con,con,0.5,yes", b"6,e,con,pro,0.5,no"))
    assert read_other(str(run), table, ["con", "pro"]).predicted.tolist() == [1, 1, 0, 0, 1]


def test_the_sets_of_another_run_are_parted_by_its_own_separator(scored):
    run, table = scored
    truth = [("con", "pro"), ("con",), (), ("con",), ("con",)]
    table = replace(
        table,
        frame=table.frame.assign(label=truth),
        records=[row | {"label": ";".join(names)} for row, names in zip(table.records, truth, strict=True)],
        columns=Columns(label_separator=";"),
    )
    predictions = ["con|pro", "", "", "pro|con", "con"]
    written = pd.DataFrame(table.records).assign(prediction=predictions, prob_con=0.5, line=table.frame.index)
    written["correct"] = ["yes", "no", "yes", "no", "yes"]
    written.to_csv(run / "test" / "predictions.csv", index=False, lineterminator="\n")
    noted = json.loads((run / "test" / "metrics.json").read_text())
    with pytest.raises(UserError, match="one of the two was scored with several labels a row"):
        read_other(str(run), table, ["con", "pro"])
    (run / "test" / "metrics.json").write_text(json.dumps(noted | {"label_separator": "|"}))
    predicted = read_other(str(run), table, ["pro", "con"]).predicted
    assert predicted.tolist() == [[True, True], [False] * 2, [False] * 2, [True, True], [False, True]]
    assert predicted.dtype == bool


def test_a_run_whose_model_is_gone_has_its_scores_still(scored):
    run, table = scored
    shutil.rmtree(run / "bert_classifier")
    assert read_other(str(run), table, ["con", "pro"]).predicted.tolist() == [1, 1, 0, 0, 0]


def spoil(run: Path, what: str) -> None:
    noted = json.loads((run / "test" / "metrics.json").read_text())
    predictions = (run / "test" / "predictions.csv").read_bytes()
    if what == "scores":
        shutil.rmtree(run / "test")
    elif what == "predictions":
        (run / "test" / "predictions.csv").unlink()
    elif what == "json":
        (run / "test" / "metrics.json").write_text("{")
    elif what == "model":
        (run / "bert_classifier" / "model.safetensors").write_bytes(b"others")
    elif what == "row":
        (run / "test" / "predictions.csv").write_bytes(b"\n".join(predictions.split(b"\n")[:-2]))
    elif what == "truth":
        changed = predictions.replace(b"6,e,con,con,0.5,yes", b"6,e,con,con,0.5,no")
        (run / "test" / "predictions.csv").write_bytes(changed)
    else:
        noted |= {"file": {"data": {"test": {"sha256": "x"}}}, "labels": {"labels": ["a", "con"]}}[what]
        (run / "test" / "metrics.json").write_text(json.dumps(noted))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("scores", "it has no test scores; score it first"), ("predictions", "it has no test scores; score it first"),
        ("json", "its scores cannot be read"), ("model", "its scores are not those of the model in"),
        ("file", "it was not scored on t.csv; score it on that file"),
        ("labels", "its labels are a, con, those of this model con, pro"),
        ("row", "other rows or labels of t.csv were scored"), ("truth", "other rows or labels of t.csv were scored"),
    ],
)  # fmt: skip
def test_scores_that_cannot_be_compared_are_refused_with_the_command_that_makes_them(scored, what, said):
    run, table = scored
    spoil(run, what)
    with pytest.raises(UserError) as caught:
        read_other(str(run), table, ["con", "pro"])
    (line,) = caught.value.lines()
    assert line.startswith(f"--compare {run}: {said}")
    assert line.endswith(f": python test_code.py --model_dir '{run / 'bert_classifier'}' --test_file t.csv")


def test_two_runs_are_compared_row_by_row(reviews, english_bert, tmp_path):
    rows = pd.read_csv(reviews / "testset.csv")
    rows.to_json(tmp_path / "test.json", orient="records")  # all on one line
    for name, seed in (("one", 1), ("two", 2)):
        words = ("--data_dir", reviews, "--model", english_bert, "--output_dir", tmp_path / name, "--seed", seed)
        script("main.py", *words, *RATES)
    test = ("--test_file", tmp_path / "test.json", "--device", "cpu")
    ours = ("test_code.py", *test, "--model_dir", tmp_path / "one" / "bert_classifier")
    refused = script(*ours, "--compare", tmp_path / "two", status=2)
    how = f"python test_code.py --model_dir {tmp_path / 'two' / 'bert_classifier'} --test_file {tmp_path / 'test.json'}"
    assert refused.stderr == f"error: --compare {tmp_path / 'two'}: it has no test scores; score it first: {how}\n"
    assert not (tmp_path / "one" / "test").exists()
    script(*how.split()[1:], "--device", "cpu")
    done = script(*ours, "--compare", tmp_path / "two")
    right = []
    for name in ("one", "two"):
        written = pd.read_csv(tmp_path / name / "test" / "predictions.csv", dtype=str)
        right.append(written.set_index("text")["correct"].eq("yes").sort_index())
    noted = json.loads((tmp_path / "one" / "test" / "metrics.json").read_text())["comparison"]
    only = [int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())]
    assert [noted["only_ours_right"], noted["only_theirs_right"]] == only
    assert noted["p_value"] == pytest.approx(exact(*only))
    assert noted["accuracy"]["difference"] == pytest.approx(right[0].mean() - right[1].mean())
    assert noted["other"] == str(tmp_path / "two")
    assert f"against {tmp_path / 'two'}: accuracy {right[0].mean() - right[1].mean():+.4f}" in done.stdout
    report = (tmp_path / "one" / "test" / "report.html").read_text(encoding="utf-8")
    assert f"<bdi>{tmp_path / 'two'}</bdi>" in report
    assert "comparison" not in json.loads((tmp_path / "two" / "test" / "metrics.json").read_text())
