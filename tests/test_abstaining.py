"""infer.py leaves predictions empty that are unsure: by one model and by several, in every format, and on the way."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import infer
import utils
from tests.conftest import WORDS, run_facts, script
from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.base.process import this_process
from toolkit.cli.console import Log
from toolkit.cli.options import inference_options
from toolkit.cli.sections import AbstentionOptions
from toolkit.compute.machine import choose_machine
from toolkit.compute.processes import Processes
from toolkit.evaluation.abstention import find_answers
from toolkit.evaluation.answering import answer_rule
from toolkit.runs.validation_scores import FILE, ValidationScores

LABELS = ["x", "y", "z"]
PLAIN = ["--precision", "fp32", "--device", "cpu"]
VALIDATION_ROWS = 400


def saved(folder, pretrained, labels, seed: int, rows: str = "ab"):
    """Save a model with a random head, whose validation rows are right the more often the surer it is."""
    torch.manual_seed(seed)
    new = utils.new_classifier(str(pretrained), labels, None)
    with torch.no_grad():
        for name, weight in new.model.named_parameters():
            if "classifier" in name:
                weight.normal_(0, 0.5)
    draw = np.random.default_rng(0)
    truth = draw.choice(LABELS, VALIDATION_ROWS)
    label_ids = np.array([labels.index(label) for label in truth])
    logits = draw.normal(0, 1, (VALIDATION_ROWS, 3)).astype(np.float32)
    logits = logits[:, [LABELS.index(label) for label in labels]]
    logits[np.arange(VALIDATION_ROWS), label_ids] += 3 * draw.random(VALIDATION_ROWS) + seed / 10
    scores = {"accuracy": 0.5, "macro_f1": 0.5, "valid_loss": 1.0, "mcc": 0.1, "temperature": 0.8}
    data = {"train": {"file": "gone.csv", "rows": 9}, "valid": {"file": "gone.csv", "rows": 3}}
    run = run_facts(labels=labels, positive_label=labels[1], max_length=32, metrics=scores, data=data)
    utils.save_model(folder, new.model, new.tokenizer, run, ValidationScores(logits, label_ids, rows))
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory, english_bert):
    """Two models whose labels stand in other orders."""
    folder = tmp_path_factory.mktemp("models")
    return [
        saved(folder / "a" / "bert_classifier", english_bert, LABELS, 1),
        saved(folder / "b" / "bert_classifier", english_bert, ["z", "x", "y"], 2),
    ]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of 30 texts."""
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(WORDS, 1 + number % 9)) for number in range(30)]
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    pd.DataFrame({"id": range(30), "text": texts}).to_csv(path, index=False)
    return path


def inferred(models, rows, output, *words):
    options = ["--model_dir", *models, "--input_file", rows, "--output_file", output, "--overwrite", *PLAIN, *words]
    infer.main(inference_options(list(map(str, options))))
    return output


def test_predictions_below_the_probability_are_empty_and_said_to_be_uncertain(tmp_path, models, rows):
    plain = pd.read_csv(inferred(models[:1], rows, tmp_path / "plain.csv"))
    chances = plain[[f"prob_{label}" for label in LABELS]].max(axis=1)
    limit = float(chances.median())
    frame = pd.read_csv(inferred(models[:1], rows, tmp_path / "out.csv", "--abstain_below", limit))
    assert frame.columns.tolist() == ["id", "text", "prediction", "uncertain", *(f"prob_{label}" for label in LABELS)]
    assert frame["uncertain"].tolist() == (chances < limit).tolist()
    assert 0 < frame["uncertain"].sum() < 30
    assert frame["prediction"].isna().tolist() == frame["uncertain"].tolist()
    pd.testing.assert_frame_equal(frame.drop(columns=["prediction", "uncertain"]), plain.drop(columns="prediction"))
    answered = ~frame["uncertain"]
    assert frame["prediction"][answered].tolist() == plain["prediction"][answered].tolist()
    # Without probabilities of its own: the calibrated ones are compared.
    raw = pd.read_csv(inferred(models[:1], rows, tmp_path / "raw.csv", "--abstain_below", limit, "--no-calibrated"))
    assert raw["uncertain"].tolist() == frame["uncertain"].tolist()


@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet", "xlsx", "tsv", "csv.gz"])
def test_every_format_says_which_rows_are_uncertain(tmp_path, models, rows, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    if ending == "xlsx":
        pytest.importorskip("openpyxl")
    plain = pd.read_csv(inferred(models[:1], rows, tmp_path / "plain.csv", "--top_k", 2))
    words = ["--abstain_below", float(plain["top1_prob"].median()), "--top_k", 2]
    wanted = pd.read_csv(inferred(models[:1], rows, tmp_path / "out.csv", *words))
    path = inferred(models[:1], rows, tmp_path / f"out.{ending}", *words)
    read = {
        "json": pd.read_json,
        "jsonl": lambda file: pd.read_json(file, lines=True),
        "parquet": pd.read_parquet,
        "xlsx": pd.read_excel,
        "tsv": lambda file: pd.read_csv(file, sep="\t"),
        "csv.gz": pd.read_csv,
    }[ending]
    frame = read(path)
    assert frame["uncertain"].tolist() == wanted["uncertain"].tolist()
    assert frame["prediction"].isna().tolist() == wanted["uncertain"].tolist()
    assert 0 < wanted["uncertain"].sum() < 30


def test_a_threshold_for_an_accuracy_is_that_of_the_kept_rows_and_is_said(tmp_path, models, rows, capsys):
    frame = pd.read_csv(inferred(models[:1], rows, tmp_path / "out.csv", "--abstain_for", 0.8))
    kept = ValidationScores.read(models[0], 3, "")
    powers = np.exp(kept.logits.astype(float) / 0.8)
    chances = powers / powers.sum(axis=1, keepdims=True)
    answers = find_answers(chances.max(axis=1), kept.logits.argmax(axis=1) == kept.label_ids, 0.8)
    assert answers.threshold > 0
    assert (
        f"a probability of at least {answers.threshold:.4f}; {answers.share:.1%} of the 400" in capsys.readouterr().err
    )
    written = frame[[f"prob_{label}" for label in LABELS]].max(axis=1)
    assert frame["uncertain"].tolist() == (written < answers.threshold).tolist()


def test_of_several_labels_a_row_the_whole_set_has_to_be_right(tmp_path, english_bert, rows):
    sets = []
    draw = np.random.default_rng(0)
    truth = draw.random((VALIDATION_ROWS, 3)) < 0.4
    for name, labels in (("a", LABELS), ("b", ["z", "x", "y"])):
        order = [LABELS.index(label) for label in labels]
        logits = np.where(truth, 1, -1)[:, order] * draw.normal(4, 3, truth.shape).astype(np.float32)
        new = utils.new_classifier(str(english_bert), labels, None)
        metrics = {"thresholds": dict(zip(LABELS, [0.5, 0.4, 0.3], strict=True)), "temperature": 0.8}
        metrics |= dict.fromkeys(("micro_f1", "macro_f1", "sample_f1", "subset_accuracy", "valid_loss"), 0.5)
        data = {"train": {"file": "gone.csv", "rows": 9}, "valid": {"file": "gone.csv", "rows": 3}}
        columns = {"text": "text", "text_pair": None, "label": "label", "label_separator": ";"}
        run = run_facts(labels=labels, columns=columns, max_length=32, metrics=metrics, data=data)
        folder = tmp_path / name / "bert_classifier"
        scores = ValidationScores(logits.astype(np.float32), truth[:, order].astype(int), "same")
        utils.save_model(folder, new.model, new.tokenizer, run, scores)
        sets.append((folder, 1 / (1 + np.exp(-logits.astype(float) / 0.8)), order))
    mean = np.mean([probability[:, np.argsort(order)] for _, probability, order in sets], axis=0)
    for folders, probability in ((["a"], sets[0][1]), (["a", "b"], mean)):
        predicted = probability >= [0.5, 0.4, 0.3]
        chance = np.where(predicted, probability, 1 - probability).prod(axis=1)
        answers = find_answers(chance, (predicted == truth).all(axis=1), 0.8)
        rule = rule_of([tmp_path / name / "bert_classifier" for name in folders], abstain_for=0.8)
        assert 0 < answers.share < 1
        assert rule.probability == pytest.approx(answers.threshold)


def rule_of(models, **wanted):
    """Return the rule of some models for what is wanted, and the models."""
    words = ["--model_dir", *map(str, models), "--text", "x", *PLAIN]
    with Processes(this_process()) as processes:
        machine = choose_machine("cpu", "fp32", processes)
        ensemble = utils.load_ensemble(models, machine, inference_options(words).prediction, 8, Log(None))
    options = AbstentionOptions(**{"abstain_below": None, "abstain_for": None, "abstain_unknown": None} | wanted)
    return answer_rule(ensemble, models, options, Log(None))


def test_of_several_models_the_mean_of_what_they_made_of_the_same_rows_decides(models):
    chances, energies = [], []
    for model, labels in zip(models, (LABELS, ["z", "x", "y"]), strict=True):
        logits = ValidationScores.read(model, 3, "").logits.astype(float)
        powers = np.exp(logits / 0.8)
        chances.append((powers / powers.sum(axis=1, keepdims=True))[:, [labels.index(label) for label in LABELS]])
        energies.append(np.log(np.exp(logits).sum(axis=1)))
    mean = np.mean(chances, axis=0)
    energy = np.sort(np.mean(energies, axis=0))[40]
    known = np.mean(energies, axis=0) >= energy
    right = mean.argmax(axis=1) == ValidationScores.read(models[0], 3, "").label_ids
    answers = find_answers(mean.max(axis=1)[known], right[known], 0.9)
    rule = rule_of(models, abstain_for=0.9, abstain_unknown=0.1)
    assert rule.probability == pytest.approx(answers.threshold)
    assert rule.energy == pytest.approx(energy)


def test_models_with_other_validation_rows_and_models_without_are_refused(tmp_path, models, english_bert, rows):
    other = saved(tmp_path / "c" / "bert_classifier", english_bert, LABELS, 3, rows="other")
    with pytest.raises(UserError, match="have been validated on different rows; --abstain_below does without"):
        inferred([models[0], other], rows, tmp_path / "out.csv", "--abstain_for", 0.8)
    (other / FILE).unlink()
    with pytest.raises(UserError, match="an older main.py wrote the model"):
        inferred([other], rows, tmp_path / "out.csv", "--abstain_unknown", 0.05)
    inferred([other], rows, tmp_path / "out.csv", "--abstain_below", 0.5)


def test_an_accuracy_that_cannot_be_shown_is_one_line_and_writes_nothing(tmp_path, models, rows):
    with pytest.raises(UserError, match="the best that they show is"):
        inferred(models[:1], rows, tmp_path / "out.csv", "--abstain_for", 0.999)
    assert not list(tmp_path.iterdir())


def test_texts_unlike_the_validation_rows_are_uncertain(models):
    energies = np.log(np.exp(ValidationScores.read(models[0], 3, "").logits.astype(float)).sum(axis=1))
    rule = rule_of(models[:1], abstain_unknown=0.05)
    assert np.sort(energies)[20] == pytest.approx(rule.energy)  # 5% of 400
    uncertain = rule.uncertain(np.ones(VALIDATION_ROWS), energies + 1e-9)
    assert np.flatnonzero(uncertain).tolist() == sorted(np.argsort(energies)[:20].tolist())


def test_what_was_predicted_with_another_threshold_is_not_gone_on_with(tmp_path, models, rows, monkeypatch):
    whole = inferred(models[:1], rows, tmp_path / "whole.csv", "--abstain_below", 0.6)
    with monkeypatch.context() as patch:
        patch.setattr("toolkit.predictions.parts.Parts.join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            inferred(models[:1], rows, tmp_path / "out.csv", "--abstain_below", 0.4)
    assert inferred(models[:1], rows, tmp_path / "out.csv", "--abstain_below", 0.6).read_bytes() == whole.read_bytes()


def test_a_text_is_answered_or_not(models, capsys):
    words = ["--model_dir", models[0], "--abstain_below", 1, *PLAIN, "--text", "good"]
    infer.main(inference_options(list(map(str, words))))
    row = json.loads(capsys.readouterr().out)
    assert list(row) == ["text", "prediction", "uncertain", *(f"prob_{label}" for label in LABELS)]
    assert (row["prediction"], row["uncertain"]) == (None, True)


def test_a_pipe_is_answered_or_not(models):
    words = ["--model_dir", models[0], "--abstain_below", 1, *PLAIN, "--input_file", "-"]
    lines = script("infer.py", *words, input="good\nbad day\n").stdout.splitlines()
    assert [line.split("\t")[:3] for line in lines] == [["good", "", "true"], ["bad day", "", "true"]]


def test_the_rows_to_label_come_first_and_what_was_trained_on_last(tmp_path, models, rows, english_bert, capsys):
    frame = pd.read_csv(rows)
    plain = pd.read_csv(inferred(models[:1], rows, tmp_path / "plain.csv"))
    ranked = pd.read_csv(inferred(models[:1], rows, tmp_path / "out.csv", "--rank", "uncertain"))
    chances = np.sort(plain[[f"prob_{label}" for label in LABELS]].to_numpy(), axis=1)
    margins = (chances[:, -1] - chances[:, -2]).tolist()
    repeats = int(capsys.readouterr().err.split("stand last: ")[1].split(" ")[0])
    ids = ranked["id"].tolist()
    for part in (ids[: 30 - repeats], ids[30 - repeats :]):
        assert part == sorted(part, key=lambda number: margins[number])
    assert sorted(ids) == list(range(30))
    pd.testing.assert_frame_equal(ranked.sort_values("id").reset_index(drop=True), plain)
    # A model that was trained on what came first.
    labelled = tmp_path / "labelled.csv"
    frame.iloc[ids[:5]].assign(label="x").to_csv(labelled, index=False)
    facts = {"file": str(labelled), "rows": 5, "sha256": fingerprint(labelled)}
    run = json.loads((models[0] / "run.json").read_text(encoding="utf-8"))
    other = tmp_path / "other" / "bert_classifier"
    shutil.copytree(models[0], other)
    (other / "run.json").write_text(json.dumps(run | {"data": {"train": facts}}), encoding="utf-8")
    again = pd.read_csv(inferred([other], rows, tmp_path / "again.csv", "--rank", "uncertain"))["id"].tolist()
    assert set(ids[:5]) <= set(again[25 - repeats :]) and again[0] == ids[5]
