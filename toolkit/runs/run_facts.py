"""The facts of a run that travel with its model: what becomes run.json."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from toolkit.data.rows import Columns

# The keys of run.json in their order; what a run does not know yet, or an older one did not write, is left out.
ORDER = (
    "precision", "device", "processes", "base_model", "labels", "positive_label", "columns", "max_length", "truncation",
    "options", "data", "findings", "padding_share", "baselines", "metrics", "train_seconds", "real_tokens_per_second",
    "versions",
)  # fmt: skip
NEEDED = ("base_model", "labels", "positive_label", "columns", "max_length", "truncation")
OBJECTS = ("options", "data", "metrics", "versions")  # empty where they are missing


@dataclass(frozen=True)
class RunFacts:
    """What a run is made of, and what it has come to."""

    base_model: str  # the pretrained model, as the user named it
    labels: list[str]
    positive_label: str
    columns: Columns
    max_length: int  # tokens
    truncation: str
    precision: str | None = None
    device: str | None = None
    processes: int | None = None
    options: dict[str, Any] = field(default_factory=dict)  # by their names
    data: dict[str, dict[str, Any]] = field(default_factory=dict)  # by table: file, rows, sha256, tokens (sha256)
    findings: list[dict[str, Any]] | None = None  # of the data doctor
    padding_share: float | None = None
    baselines: dict[str, Any] | None = None  # scores of simple methods, by table and method
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

    def with_facts(self, **facts: Any) -> "RunFacts":
        """Return the facts with some more of them."""
        return replace(self, **facts)

    def as_json(self) -> dict[str, Any]:
        """Return the content of run.json."""
        content = {name: getattr(self, name) for name in ORDER}
        content["columns"] = self.columns.as_json()
        return {name: value for name, value in content.items() if value is not None and not _is_missing(name, value)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "RunFacts":
        """Return the facts that a run.json holds; ValueError if it is not one that main.py writes."""
        _check(content)
        known = {each.name for each in fields(cls)}
        facts = {name: value for name, value in content.items() if name in known}
        return cls(**facts | {"columns": Columns.from_json(content["columns"])})


def _is_missing(name: str, value: Any) -> bool:
    """Say whether an object of run.json has nothing in it yet."""
    return name in ("metrics", "versions") and not value


def _check(content: Mapping[str, Any]) -> None:
    """Raise ValueError if a run.json is not what the scripts can go by."""
    for name in NEEDED:
        if name not in content:
            raise ValueError(f"it has no {name}")
    columns = content["columns"]
    if not isinstance(columns, dict) or not {"text", "text_pair", "label"} <= set(columns):
        raise ValueError("its columns are not those of a classifier")
    labels = content["labels"]
    are_labels = isinstance(labels, list) and {type(label) for label in labels} == {str}
    are_names = isinstance(columns["text"], str) and all(
        name is None or isinstance(name, str) for name in columns.values()
    )
    is_right = {
        "base_model": isinstance(content["base_model"], str),
        "labels": are_labels and len(set(labels)) == len(labels),
        "columns": are_names,
        "max_length": type(content["max_length"]) is int and content["max_length"] > 0,
        "truncation": isinstance(content["truncation"], str),
    }
    is_right |= {name: isinstance(content.get(name, {}), dict) for name in OBJECTS}
    for name, right in is_right.items():
        if not right:
            raise ValueError(f"its {name} is not what main.py writes")
    if content["positive_label"] not in labels:
        raise ValueError("its positive_label is none of its labels")
