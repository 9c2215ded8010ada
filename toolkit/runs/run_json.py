"""What a run is made of and how it went: the record RunFacts, and the run.json of a model directory that holds it."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.base.disk import recover
from toolkit.base.errors import CANNOT_BE_READ, UserError, message_of
from toolkit.base.languages import Text
from toolkit.files.columns import Columns
from toolkit.models.head_design import HeadDesign
from toolkit.models.texts import RUN_JSON
from toolkit.models.trust import pickles, stray_files
from toolkit.runs.held_out import pack_rows
from toolkit.runs.texts import MODEL_DIRECTORY

if TYPE_CHECKING:  # they import pandas and torch, which takes seconds; a mistake is answered before that
    from torch.utils.data import TensorDataset

    from toolkit.data.tables import Table

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pandas", "scikit-learn", "safetensors")


@dataclass(frozen=True)
class TableFacts:
    """Which rows a run was made from: those of a labelled file. An older run.json may say less."""

    file: str = ""
    rows: int | None = None  # those that were used
    sha256: str = ""  # of the file
    tokens: str | None = None  # sha256 of the token ids, lengths and labels; None: of a table that was not tokenized
    held_out: str | None = (
        None  # which rows of the file these are, where others are trained on (toolkit/runs/held_out.py)
    )

    def as_json(self) -> dict[str, Any]:
        """Return the facts of a table as they stand in run.json."""
        return {name: value for name, value in vars(self).items() if value not in (None, "")}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TableFacts":
        """Return the facts of a table from run.json; ValueError if they are something else."""
        if not isinstance(content, dict):
            raise ValueError(RUN_JSON["not_ours"].fill(name="data"))
        return cls(**{each.name: content[each.name] for each in fields(cls) if each.name in content})


@dataclass(frozen=True)
class TrainedFacts:
    """Which part of a base model was trained, where the model directory holds that part alone."""

    part: str  # as --train has it
    base: str  # the base model's directory on the machine that trained, or its name where it is none
    base_sha256: str  # of its weights
    lora_scale: float | None = None  # what the product of LoRA's two matrices is multiplied by

    def as_json(self) -> dict[str, Any]:
        """Return the facts as they stand in run.json."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> "TrainedFacts | None":
        """Return the facts from run.json, None if it has none; ValueError if they are something else."""
        if content is None:
            return None
        if not isinstance(content, dict) or {type(content.get(name)) for name in ("part", "base", "base_sha256")} != {
            str
        }:
            raise ValueError(RUN_JSON["not_ours"].fill(name="trained"))
        scale = content.get("lora_scale")
        if scale is not None and (isinstance(scale, bool) or not isinstance(scale, (int, float))):
            raise ValueError(RUN_JSON["not_ours"].fill(name="trained"))
        return cls(content["part"], content["base"], content["base_sha256"], scale)


@dataclass(frozen=True)
class VocabularyFacts:
    """What --trim_vocabulary left of a model's vocabulary."""

    tokens: int
    tokens_before: int
    sha256: str  # of the ids that were kept
    changed_share: float  # of the validation rows, those that have a token that no training row has

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> "VocabularyFacts | None":
        """Return the facts from run.json, None if it has none; ValueError if they are something else."""
        if content is None:
            return None
        names = {each.name for each in fields(cls)}
        if not isinstance(content, dict) or set(content) != names:
            raise ValueError(RUN_JSON["not_ours"].fill(name="vocabulary"))
        return cls(**content)


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a run is made of, and how it went; in the order of run.json.

    None, or nothing, is what the run does not know yet, or what an older one did not write.
    """

    precision: str | None = None
    device: str | None = None
    processes: int | None = None
    base_model: str  # the pretrained model, as the user named it
    trained: TrainedFacts | None = None  # None: the directory holds a whole model
    vocabulary: VocabularyFacts | None = None  # None: the whole one of the pretrained model
    teachers: dict[str, str] | None = None  # sha256 of the weights of the models that it learned from, by directory
    head: HeadDesign | None = None  # None: that of the model's architecture
    labels: list[str]
    positive_label: str = ""  # nothing where rows may have several labels
    columns: Columns
    max_length: int  # tokens
    truncation: str
    stride: int | None = None  # tokens that a window shares with the one before; None: long rows are truncated
    max_windows: int | None = None  # of a row
    equal_lengths: bool | None = None  # whether the rows of a batch have one length, as padding would change scores
    options: dict[str, Any] = field(default_factory=dict)  # by their names
    recipe: dict[str, str] | None = None  # why options that were auto have their values, by their names
    data: dict[str, TableFacts] = field(default_factory=dict)  # by table: train, valid, test
    findings: list[dict[str, Any]] | None = None  # of the data doctor
    padding_share: float | None = None
    baselines: dict[str, Any] | None = None  # scores of simple methods, by table and method
    verdict: dict[str, Any] | None = None  # where simple methods are better: in what, and what may help
    metrics: dict[str, Any] = field(default_factory=dict)  # of the best evaluation
    train_seconds: float | None = None
    real_tokens_per_second: float | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def pairs(self) -> bool:
        """Whether the model classifies pairs of texts."""
        return self.columns.text_pair is not None

    @property
    def new_label_names(self) -> dict[str, str]:
        """What --map_labels of the run calls labels, by what they are called in its files."""
        new_names = self.options.get("map_labels")
        return dict(new_names) if isinstance(new_names, dict) else {}

    def as_json(self) -> dict[str, Any]:
        """Return the content of run.json."""
        content = dict(vars(self))
        content["columns"] = self.columns.as_json()
        content["trained"] = None if self.trained is None else self.trained.as_json()
        content["vocabulary"] = None if self.vocabulary is None else vars(self.vocabulary)
        content["data"] = {name: table.as_json() for name, table in self.data.items()}
        content["head"] = None if self.head is None else self.head.as_json()
        for name in ("metrics", "versions", "positive_label"):
            if not content[name]:
                del content[name]
        return {name: value for name, value in content.items() if value is not None}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "RunFacts":
        """Return the facts that a run.json holds; ValueError if it is not one that main.py writes."""
        _check(content)
        known = {each.name: content[each.name] for each in fields(cls) if each.name in content}
        known["columns"] = Columns.from_json(content["columns"])
        known["trained"] = TrainedFacts.from_json(content.get("trained"))
        known["vocabulary"] = VocabularyFacts.from_json(content.get("vocabulary"))
        known["head"] = HeadDesign.from_json(content.get("head"))
        known["data"] = {name: TableFacts.from_json(table) for name, table in content.get("data", {}).items()}
        return cls(**known)


def _check(content: Mapping[str, Any]) -> None:
    """Raise ValueError if a run.json is not what the scripts can go by."""
    for each in fields(RunFacts):
        is_needed = each.default is MISSING and each.default_factory is MISSING
        if is_needed and each.name not in content:
            raise ValueError(MODEL_DIRECTORY["missing"].fill(name=each.name))
    columns = content["columns"]
    if not isinstance(columns, dict) or not {"text", "text_pair", "label"} <= set(columns):
        raise ValueError(MODEL_DIRECTORY["columns"])
    labels = content["labels"]
    are_labels = isinstance(labels, list) and {type(label) for label in labels} == {str}
    names = [name for role, name in columns.items() if role != "label_columns"]
    label_columns = columns.get("label_columns", [])
    are_names = isinstance(columns["text"], str) and all(name is None or isinstance(name, str) for name in names)
    are_columns = isinstance(label_columns, list) and all(isinstance(name, str) for name in label_columns)
    is_right = {
        "base_model": isinstance(content["base_model"], str),
        "labels": are_labels and len(set(labels)) == len(labels),
        "columns": are_names and are_columns,
        "max_length": type(content["max_length"]) is int and content["max_length"] > 0,
        "truncation": isinstance(content["truncation"], str),
        "teachers": isinstance(content.get("teachers"), dict | None),
        "stride": _is_count_or_none(content.get("stride"), least=0),
        "max_windows": _is_count_or_none(content.get("max_windows"), least=1),
    }
    for name in ("options", "data", "metrics", "versions"):
        is_right[name] = isinstance(content.get(name, {}), dict)
    for name, right in is_right.items():
        if not right:
            raise ValueError(RUN_JSON["not_ours"].fill(name=name))
    if "label_separator" not in columns and content.get("positive_label") not in labels:
        raise ValueError(MODEL_DIRECTORY["positive_label"])


def _is_count_or_none(value: Any, least: int) -> bool:
    return value is None or (type(value) is int and value >= least)


def read_run(model_dir: Path, option: str = "--model_dir") -> RunFacts:
    """Return the run.json of the model directory that `option` names; UserError if main.py did not write it."""
    path = model_dir / "run.json"
    recover(model_dir)
    try:
        if model_dir.is_dir() and (problems := _foreign_files(model_dir)):
            raise UserError(
                *(MODEL_DIRECTORY["problem"].fill(option=option, folder=model_dir, problem=each) for each in problems)
            )
        return RunFacts.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        problem = MODEL_DIRECTORY["no_run_json" if model_dir.is_dir() else "no_directory"]
        raise UserError(MODEL_DIRECTORY["none"].fill(option=option, folder=model_dir, problem=problem)) from None
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise UserError(CANNOT_BE_READ.fill(file=path, reason=message_of(error))) from None


def _foreign_files(model_dir: Path) -> list[Text]:
    """Return what is wrong with files that main.py never puts into a model directory, so that somebody else did."""
    problems = stray_files(model_dir)
    for name in pickles(model_dir):
        problems.append(MODEL_DIRECTORY["pickle"].fill(file=name))
    return problems


# -- where the facts are from -----------------------------------------------------------------------------------------


def table_facts(tables: Mapping[str, "Table"], datasets: Mapping[str, "TensorDataset"]) -> dict[str, TableFacts]:
    """Return the facts of each table by its name, with the fingerprint of its dataset if it has one."""
    facts = {}
    for name, table in tables.items():
        tokens = tensors_fingerprint(datasets[name]) if name in datasets else None
        held_out = None if table.held_out is None else pack_rows(table.held_out)
        facts[name] = TableFacts(str(table.path), len(table.frame), table.sha256, tokens, held_out)
    return facts


def tensors_fingerprint(dataset: "TensorDataset") -> str:
    """Return the sha256 of the tensors of a dataset in hex."""
    digest = hashlib.sha256()
    for tensor in dataset.tensors:
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of python and of the packages that decide a result."""
    by_package = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            by_package[package] = version(package)
        except PackageNotFoundError:
            by_package[package] = "missing"
    return by_package
