"""A model that infer.py --export wrote, as it lies in its model directory: whether it can predict here, and with what.

Nothing here needs torch, so that a machine which only predicts does without.
"""

import json
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.cli.console import Log
from toolkit.cli.sections import PredictionOptions
from toolkit.compute.memory import RowLimit
from toolkit.evaluation.ensemble import Ensemble, SavedPredictor, ensemble_of
from toolkit.models.model_files import EXPORTED
from toolkit.models.trust import fingerprint_weights, stray_files, weight_files
from toolkit.runs.run_json import RunFacts, read_run
from toolkit.serving.onnx_predictor import OnnxPredictor, OnnxSession
from toolkit.serving.texts import ENGINE
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.file_tokenizer import FileTokenizer

MODEL = "model.onnx"
QUANTIZED = "model_quantized.onnx"
EXPORT_FACTS = "export.json"  # what is noted below
PACKAGES = ("onnxruntime", "tokenizers")


@dataclass(frozen=True)
class TokenizerFacts:
    """A tokenizer.json that gives the tokens of the model, and what of it stands elsewhere."""

    sha256: str
    pad_token_id: int
    token_types: bool  # whether the model reads the types


@dataclass(frozen=True)
class ExportFacts:
    """What is noted of an export: from which weights it was written, and what has to be known to predict with it."""

    weights_sha256: str
    weight_files: dict[str, list[int]]  # by name, the bytes and the time of change in ns when it was written
    temperature: float  # by which the logits are divided
    tokenizer: TokenizerFacts | None  # None: no tokenizer.json gives the tokens of the model

    @classmethod
    def of(cls, folder: Path, temperature: float, tokenizer: TokenizerFacts | None) -> "ExportFacts":
        """Return what is noted of an export of the model in a directory."""
        return cls(fingerprint_weights(folder), _weight_files(folder), temperature, tokenizer)

    def as_json(self) -> dict[str, Any]:
        """Return the content of export.json."""
        return vars(self) | {"tokenizer": None if self.tokenizer is None else vars(self.tokenizer)}

    @classmethod
    def from_json(cls, content: Any) -> "ExportFacts":
        """Return what an export.json says; ValueError, KeyError or TypeError if an older version wrote it."""
        facts = cls(**{each.name: content[each.name] for each in fields(cls)})
        if type(facts.temperature) not in (int, float) or not 0 < facts.temperature < float("inf"):
            raise ValueError(facts.temperature)
        tokenizer = content["tokenizer"]
        return cls(
            facts.weights_sha256,
            dict(facts.weight_files),
            facts.temperature,
            None if tokenizer is None else TokenizerFacts(**tokenizer),
        )

    def are_of(self, folder: Path) -> bool:
        """Say whether a directory has the weights that were exported, or none, as where only the export was taken.

        Where the bytes and the time of change are those that were noted, the weights are not read for that.
        """
        files = _weight_files(folder)
        return not files or files == self.weight_files or fingerprint_weights(folder) == self.weights_sha256


def _weight_files(folder: Path) -> dict[str, list[int]]:
    """Return for each file of weights that is there its bytes and its time of change in ns."""
    statuses = {path.name: path.stat() for path in weight_files(folder) if path.is_file()}
    return {name: [status.st_size, status.st_mtime_ns] for name, status in statuses.items()}


def tokenizer_path(folder: Path, exported: Path) -> Path:
    """Return where the tokenizer.json of an exported model is: beside it, or in the model directory."""
    beside = exported / "tokenizer.json"
    return beside if beside.is_file() else folder / "tokenizer.json"


def read_facts(folder: Path) -> ExportFacts | None:
    """Return what is noted of the export in a model directory; None if an older version noted less, or nothing."""
    try:
        return ExportFacts.from_json(json.loads((folder / EXPORTED / EXPORT_FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def why_not_usable(folder: Path) -> Text | None:
    """Return why the model in a directory cannot predict as it was exported, None if it can."""
    for package in PACKAGES:
        if find_spec(package) is None:
            return ENGINE["package"].fill(package=package)
    exported = folder / EXPORTED
    if not (exported / MODEL).is_file():
        return ENGINE["not_exported"].fill(folder=folder)
    if problems := stray_files(exported):
        return problems[0]
    facts = read_facts(folder)
    if facts is None or not facts.are_of(folder):
        return ENGINE["other_weights"].fill(folder=folder, exported=exported)
    path = tokenizer_path(folder, exported)
    if facts.tokenizer is None or not path.is_file():
        return ENGINE["no_tokenizer"].fill(folder=folder)
    if fingerprint(path) != facts.tokenizer.sha256:
        return ENGINE["other_tokenizer"].fill(file=path, folder=folder)
    return None


def load_exported(folder: Path, batch_size: int, log: Log) -> SavedPredictor[OnnxPredictor]:
    """Return the exported model of a directory; `log` gets a line where the memory runs out.

    Raises UserError if it is damaged.
    """
    run = read_run(folder)
    facts = read_facts(folder)
    if facts is None or facts.tokenizer is None:
        raise UserError(ENGINE["other_weights"].fill(folder=folder, exported=folder / EXPORTED))
    encoder = file_encoder(tokenizer_path(folder, folder / EXPORTED), facts.tokenizer, run)
    limit = RowLimit(log=log, equal_lengths=bool(run.equal_lengths))
    session = OnnxSession(folder / EXPORTED / MODEL)
    predictor = OnnxPredictor(session, len(run.labels), facts.temperature, batch_size, limit)
    return SavedPredictor(encoder, predictor, run)


def file_encoder(path: Path, facts: TokenizerFacts, run: RunFacts) -> Encoder:
    """Return how texts are encoded for the model of a run by its tokenizer.json alone."""
    tokenizer = FileTokenizer(path, facts.pad_token_id)
    encoder = Encoder(tokenizer, run.max_length, run.truncation, run.pairs, facts.token_types)
    if run.stride is not None:
        encoder = encoder.with_windows(run.stride, run.max_windows)
    return encoder


def load_exported_ensemble(folders: list[Path], options: PredictionOptions, log: Log) -> Ensemble[OnnxPredictor]:
    """Return the exported models of some directories, or of one, as they predict together.

    Raises UserError for what is damaged, and for a threshold that makes no sense.
    """
    saved = [load_exported(folder, options.batch_size, log) for folder in folders]
    return ensemble_of(saved, log, options.calibrated, options.threshold)
