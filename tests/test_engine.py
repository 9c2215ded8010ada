"""infer.py with a model that it exported: the answers of torch, without torch, and torch where that cannot be."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from packaging.requirements import Requirement

import infer
import utils
from tests.conftest import ROOT, WORDS, needs_onnx, run_facts
from tests.versions import tomllib
from toolkit.base.errors import UserError
from toolkit.cli.options import inference_options
from toolkit.runs.validation_scores import ValidationScores
from toolkit.serving.engine import takes_onnx
from toolkit.serving.exported_model import why_not_usable

ONE_LABEL = {"text": "text", "text_pair": None, "label": "label"}
PAIRS = {"text": "question", "text_pair": "answer", "label": "label"}
LABEL_SETS = {**ONE_LABEL, "label_separator": ","}
LABELS = ["x", "y", "z"]
SCORES = {"accuracy": 0.5, "macro_f1": 0.5, "micro_f1": 0.5, "subset_accuracy": 0.5, "valid_loss": 1.0, "mcc": 0.1}
DATA = {"train": {"file": "gone.csv", "rows": 9}, "valid": {"file": "gone.csv", "rows": 3}}  # of which the card tells
KINDS = {  # what of run.json makes a model one of a kind
    "texts": {
        "columns": ONE_LABEL,
        "labels": LABELS[:2],
        "stride": 2,
        "max_windows": 3,
        "metrics": {"temperature": 0.6, "threshold": 0.55},
    },
    "pairs": {
        "columns": PAIRS,
        "truncation": "head_tail",
        "metrics": {"temperature": 1.7, "bias": {"x": 0.3, "y": -0.4, "z": 0}},
    },
    "label sets": {
        "columns": LABEL_SETS,
        "positive_label": "",
        "metrics": {"temperature": 2.0, "thresholds": {"x": 0.6, "y": 0.5, "z": 0.4}},
    },
}


class Exported(NamedTuple):
    """A model that was exported, and a file of rows for it."""

    model: Path
    rows: Path


def write_rows(path: Path, columns: dict, count: int = 30) -> Path:
    draw = np.random.default_rng(1)
    names = [columns["text"]] + ([columns["text_pair"]] if columns["text_pair"] else [])
    content = {name: [" ".join(draw.choice(WORDS, 1 + (7 * i) % 25)) for i in range(count)] for name in names}
    pd.DataFrame({"id": range(count), **content}).to_csv(path, index=False)
    return path


def saved_model(folder: Path, pretrained: Path, kind: str) -> Path:
    """Save a model with a random head that reads twelve tokens at once, and what it made of its validation rows."""
    torch.manual_seed(0)
    run = run_facts(**{"labels": LABELS, "max_length": 12, "data": DATA} | KINDS[kind])
    run.metrics.update(SCORES)
    new = utils.new_classifier(str(pretrained), run.labels, None)
    with torch.no_grad():
        new.model.classifier.weight.normal_(0, 2)
    logits = np.random.default_rng(0).normal(0, 1, (40, len(run.labels))).astype(np.float32)
    truth = logits > 0 if kind == "label sets" else logits.argmax(axis=1)
    utils.save_model(folder, new.model, new.tokenizer, run, ValidationScores(logits, truth, "some"))
    return folder


@pytest.fixture(scope="session")
def export(once, english_bert):
    """A function that returns an exported model of a kind, made once for all processes of the tests."""

    def exported(kind: str) -> Exported:
        def make(folder: Path) -> str:
            model = saved_model(folder / "bert_classifier", english_bert, kind)
            rows = write_rows(folder / "rows.csv", KINDS[kind]["columns"])
            words = ["--model_dir", model, "--export", "onnx", "--input_file", rows, "--min_agreement", "0"]
            infer.main(inference_options(list(map(str, words))))
            return str(folder)

        folder = Path(once(f"exported {kind}", make))
        return Exported(folder / "bert_classifier", folder / "rows.csv")

    return exported


def inferred(model: Path, rows: Path, output: Path, *words: object) -> pd.DataFrame:
    """Return what infer.py writes in this process, in fp32."""
    options = ["--model_dir", model, "--input_file", rows, "--output_file", output, "--precision", "fp32", *words]
    infer.main(inference_options(list(map(str, options))))
    return pd.read_csv(output)


@needs_onnx
@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_write_the_same_labels_and_the_same_probabilities(export, kind, tmp_path):
    exported = export(kind)
    unsure = ["--abstain_below", "0.35"] if kind == "label sets" else ["--abstain_unknown", "0.3"]
    for number, words in enumerate(([], ["--no-calibrated", "--batch_size", "4"], unsure)):
        torch_says = inferred(*exported, tmp_path / f"torch{number}.csv", "--engine", "torch", *words)
        onnx_says = inferred(*exported, tmp_path / f"onnx{number}.csv", "--engine", "onnx", *words)
        numbers = [name for name in torch_says if name.startswith("prob_")]
        assert len(numbers) >= 2
        assert onnx_says[numbers].to_numpy() == pytest.approx(torch_says[numbers].to_numpy(), abs=1e-5)
        assert onnx_says.drop(columns=numbers).equals(torch_says.drop(columns=numbers))
        assert torch_says["prediction"].nunique(dropna=False) > 1


# -- a machine that only predicts --------------------------------------------------------------------------------------


def requirements() -> list[Requirement]:
    """Return what requirements-infer.txt asks for."""
    lines = (ROOT / "requirements-infer.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]


def with_what_they_need(names: list[str]) -> set[str]:
    """Return the names of packages with those of all that they depend on."""
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            asked_for = map(Requirement, metadata.requires(name) or [])
            waiting += [each.name for each in asked_for if each.marker is None or each.marker.evaluate({"extra": ""})]
    return needed


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """An environment of its own: a folder with the packages of requirements-infer.txt and of what these need."""
    folder = tmp_path_factory.mktemp("site-packages")
    for name in with_what_they_need([each.name for each in requirements()]):
        package = metadata.distribution(name)
        tops = {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}
        for top in tops:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(package.locate_file(top))))
    return folder


def run_alone(packages: Path, *words: object, input: str = "", before: str = "", status: int = 0):
    """Run infer.py with no other packages than those of a folder; `before` is Python code that is run first."""
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport infer\n{before}\n"
    code += "from toolkit.cli.exits import run_script\nsys.exit(run_script(lambda: infer.main(infer.read_options())))"
    environment = {"PYTHONPATH": str(packages), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, *map(str, words)],
        env=environment, input=input, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done


# Lets a part of the output have eight rows, and ends the process before the third of them, as a kill would.
KILLED = """
import os
infer.WINDOW = 8
parts = []
predict = infer.Ensemble.predict
def counted(*given):
    parts.append(1)
    return predict(*given) if len(parts) < 3 else os._exit(9)
infer.Ensemble.predict = counted
"""
needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own on Windows")


@needs_links
@needs_onnx
def test_without_torch_a_file_is_predicted_and_gone_on_with_after_a_kill(export, alone, tmp_path):
    model, rows = export("texts")
    options = ["--model_dir", model, "--input_file", rows, "--output_file", tmp_path / "alone.csv"]
    run_alone(alone, *options, before=KILLED, status=9)
    said = run_alone(alone, *options, before="infer.WINDOW = 8").stderr
    assert "30 rows = 30 predicted (16 of them by an earlier run)" in said
    expected = inferred(model, rows, tmp_path / "torch.csv", "--engine", "torch")
    written = pd.read_csv(tmp_path / "alone.csv")
    assert written[["id", "text", "prediction"]].equals(expected[["id", "text", "prediction"]])
    assert written["prob_x"].to_numpy() == pytest.approx(expected["prob_x"].to_numpy(), abs=1e-5)


@needs_links
@needs_onnx
def test_without_torch_a_pair_is_answered_at_once(export, alone, tmp_path):
    model, rows = export("pairs")
    expected = inferred(model, rows, tmp_path / "torch.csv", "--engine", "torch").iloc[7]
    words = ["--text", expected["question"], "--text_pair", expected["answer"]]
    taken_along = tmp_path / "model"
    shutil.copytree(model / "onnx", taken_along / "onnx")
    for name in ("run.json", "tokenizer.json"):
        shutil.copy(model / name, taken_along / name)
    answer = json.loads(run_alone(alone, "--model_dir", taken_along, *words).stdout)
    assert answer["prediction"] == expected["prediction"]
    assert [answer[f"prob_{label}"] for label in LABELS] == pytest.approx(
        [expected[f"prob_{label}"] for label in LABELS], abs=1e-5
    )


@needs_links
@needs_onnx
def test_without_torch_a_pipe_gets_sets_of_labels_and_other_work_is_refused_in_a_line(export, alone, tmp_path):
    model, rows = export("label sets")
    expected = inferred(model, rows, tmp_path / "torch.csv", "--engine", "torch")
    options = ["--model_dir", model, "--input_file", "-", "--input_format", "csv"]
    written = pd.read_csv(StringIO(run_alone(alone, *options, input=rows.read_text(encoding="utf-8")).stdout))
    assert written["prediction"].equals(expected["prediction"])
    assert written["prob_z"].to_numpy() == pytest.approx(expected["prob_z"].to_numpy(), abs=1e-5)
    refused = run_alone(alone, "--model_dir", model, "--text", "a", "--precision", "bf16", status=2).stderr
    assert re.fullmatch(r"error: torch is not installed.*--precision bf16.*\n", refused)


def test_the_requirements_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [Requirement(each) for each in project["dependencies"] + project["optional-dependencies"]["onnx"]]
    bounds = {each.name: each.specifier for each in named if each.marker is None}
    for each in requirements():
        assert each.specifier == bounds.get(each.name, each.specifier)
        assert str(each.specifier).startswith(">=")


# -- which engine ------------------------------------------------------------------------------------------------------
def options_for(model: Path, *words: str):
    return inference_options(["--model_dir", str(model), *words])


def reason_not_to(model: Path) -> str:
    return str(why_not_usable(model))


@needs_onnx
def test_few_rows_are_predicted_by_the_exported_model_and_many_by_torch(export):
    model, _ = export("texts")
    for rows, has_torch, expected in ((1, True, True), (0, True, True), (10**6, True, False), (10**6, False, True)):
        assert takes_onnx(options_for(model), 1, rows, has_torch) == expected
    assert takes_onnx(options_for(model, "--engine", "onnx"), 1, 10**6, has_torch=True)
    assert not takes_onnx(options_for(model, "--engine", "torch"), 1, 1, has_torch=True)


@needs_onnx
@pytest.mark.parametrize(
    ("words", "processes", "told"),
    [
        (["--precision", "int8"], 1, "--precision int8"),
        (["--device", "cuda"], 1, "--device cuda"),
        (["--no-fast"], 1, "--no-fast"),
        (["--rank", "uncertain"], 1, "--rank"),
        ([], 2, "one process"),
    ],
)
def test_what_an_exported_model_cannot_do_is_left_to_torch_or_refused(export, words, processes, told):
    model, _ = export("texts")
    assert not takes_onnx(options_for(model, *words), processes, 1, has_torch=True)
    with pytest.raises(UserError, match=f"^--engine onnx: .*{told}"):
        takes_onnx(options_for(model, *words, "--engine", "onnx"), processes, 1, has_torch=True)
    with pytest.raises(UserError, match=f"^torch is not installed.*{told}"):
        takes_onnx(options_for(model, *words), processes, 1, has_torch=False)


@needs_onnx
def test_an_export_is_used_where_it_is_that_of_the_weights_and_of_the_tokenizer(export, tmp_path):
    model = tmp_path / "bert_classifier"
    shutil.copytree(export("texts").model, model)
    weights = model / "model.safetensors"
    os.utime(weights, (1, 1))
    assert why_not_usable(model) is None
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "was written from other weights" in reason_not_to(model)
    weights.unlink()
    assert why_not_usable(model) is None
    tokenizer = model / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert "is not what it was when the model was exported" in reason_not_to(model)
    tokenizer.unlink()
    assert "no tokenizer.json" in reason_not_to(model)
    facts = model / "onnx" / "export.json"
    facts.write_text('{"weights_sha256": "0", "temperature": 1.0}', encoding="utf-8")
    assert "or by an older version" in reason_not_to(model)
    (model / "onnx" / "model.onnx").unlink()
    assert f"{model} has no exported model" in reason_not_to(model)


@needs_onnx
def test_a_damaged_export_is_an_error(export, tmp_path):
    model = tmp_path / "bert_classifier"
    shutil.copytree(export("texts").model, model)
    (model / "onnx" / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"model\.onnx: cannot be read"):
        infer.main(options_for(model, "--text", "a"))
