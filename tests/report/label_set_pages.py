"""metrics.json and report.html of rows that may have several labels, made without a model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tests.conftest import run_facts
from toolkit.data.tables import Table
from toolkit.evaluation.compare import Comparison
from toolkit.evaluation.label_set_decision import LabelSetDecision
from toolkit.evaluation.scored_set import ScoredLabelSets
from toolkit.files.columns import Columns
from toolkit.models.model_files import ModelFiles
from toolkit.report.explanations import Explanations
from toolkit.report.label_set_page import write_label_set_report
from toolkit.report.label_set_results import write_label_set_scores
from toolkit.report.scores import ScoredRun

COLUMNS = Columns(label_separator=";")


def scored_sets(rows: int, labels: list[str], noise: float = 2.0, seed: int = 0) -> ScoredLabelSets:
    """Return rows of which each label is there with a probability of 0.3, and logits that tell it apart with noise."""
    random = np.random.default_rng(seed)
    truth = random.random((rows, len(labels))) < 0.3
    logits = (np.where(truth, 2.0, -2.0) + random.normal(0, noise, truth.shape)).astype(np.float32)
    thresholds = tuple(np.linspace(0.3, 0.6, len(labels)).tolist())
    return ScoredLabelSets(logits, truth, random.integers(3, 40, rows), labels, LabelSetDecision(thresholds, 1.2, 1.2))


def written(
    folder: Path,
    found: ScoredLabelSets,
    language: str = "en",
    texts: list[str] | None = None,
    comparison: Comparison | None = None,
) -> tuple[dict, Path]:
    """Return what metrics.json has of a scored table, and its report.html."""
    names = [tuple(label for label, has in zip(found.labels, row, strict=True) if has) for row in found.label_ids]
    texts = [f"text {i}" for i in range(len(names))] if texts is None else texts
    frame = pd.DataFrame({"text": texts, "label": pd.Series(names, dtype=object)}, dtype=object)
    frame.index.name = "line"
    records = [
        {"text": text, "label": ";".join(row), "source": "ab"[i % 2]}
        for i, (text, row) in enumerate(zip(texts, names, strict=True))
    ]
    table = Table(Path("t.csv"), frame, [], records, COLUMNS, "0")
    model = folder / "bert_classifier"
    model.mkdir(parents=True)
    (model / "model.safetensors").touch()
    scores = {"micro_f1": 0.5, "macro_f1": 0.4, "subset_accuracy": 0.3, "train_loss": 0.3, "valid_loss": 0.3}
    history = [{"step": 10 * epoch, "epoch": float(epoch), **scores} for epoch in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in history))
    options = {"metric": "micro_f1", "epochs": 2}
    facts = run_facts(labels=found.labels, columns=COLUMNS.as_json(), options=options, metrics=history[0], findings=[])
    (model / "run.json").write_text(json.dumps(facts.as_json()))
    run = ScoredRun(found, table, facts, ModelFiles.in_directory(model), None, None, comparison)
    metrics = write_label_set_scores(folder / "test", run)
    write_label_set_report(folder / "test", run, metrics, Explanations(), language)
    return metrics, folder / "test" / "report.html"
