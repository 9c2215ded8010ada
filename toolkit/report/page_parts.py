"""What is listed in report.html, from the content of metrics.json and run.json: findings, and facts of the run."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from toolkit.doctor.findings import Finding
from toolkit.report.texts import LABEL_SET_PAGE, PAGE
from toolkit.runs.run_json import RunFacts

# Control characters, turned directions and halves of characters.
STRANGE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
# What is raised by a run.json of another version, or one that was written by hand.
UNEXPECTED = (LookupError, TypeError, ValueError)
Json = Mapping[str, Any]


@dataclass(frozen=True)
class PageFinding:
    """Something that was found in the data, in the language of the page."""

    sentence: str
    advice: str
    places: list[str]  # examples, as file and line


class Fact(NamedTuple):
    """A line of a table of facts."""

    name: str
    value: str


def clean(value: object) -> str:
    """Return a text without what a page cannot hold or would obey instead of showing it."""
    return STRANGE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def list_findings(test_findings: Sequence[Json] | None, run: RunFacts, language: str) -> list[PageFinding]:
    """Return what was found in the test set, and in the data when the model was trained, each once."""
    training_findings = run.findings if isinstance(run.findings, list) else []
    entries = [*(test_findings or []), *training_findings]
    by_sentence: dict[str, PageFinding] = {}
    for entry in entries:
        finding = _page_finding(entry, language)
        if finding is not None:
            by_sentence.setdefault(finding.sentence, finding)
    return list(by_sentence.values())


def _page_finding(entry: Json, language: str) -> PageFinding | None:
    """Return a finding of run.json or metrics.json, None if it is not one."""
    try:
        finding = Finding(entry["kind"], entry["count"], entry["facts"])
        places = [" = ".join("{file}:{line}".format(**row) for row in example) for example in entry["examples"]]
        return PageFinding(finding.sentence(language), finding.advice(language), places)
    except UNEXPECTED:
        return None


def list_facts(scores: Json, run: RunFacts, language: str) -> list[Fact]:
    """Return what the run is made of, as far as run.json has it; the names are those of texts.FACTS."""
    values: dict[str, Callable[[], str]] = {
        "model": lambda: " + ".join(entry["directory"] for entry in _models(scores)),
        "base_model": lambda: run.base_model,
        "weights": lambda: " + ".join(entry["sha256"] for entry in _models(scores)),
        "test": lambda: _data_file(scores["data"]["test"], language),
        "train": lambda: _data_file(run.data["train"].as_json(), language),
        "valid": lambda: _data_file(run.data["valid"].as_json(), language),
        "time": lambda: _training_time(run, language),
        "machine": lambda: _machine(run),
        "max_length": lambda: _max_length(run, language),
        "threshold": lambda: _threshold(scores, language),
        "versions": lambda: ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    facts = []
    for name, value in values.items():
        with suppress(*UNEXPECTED):
            facts.append(Fact(name, value()))
    return facts


def _models(scores: Json) -> list[Json]:
    """Return what metrics.json says of the model, or of each of those whose mean was scored."""
    return [scores["model"], *scores["model"].get("averaged_with", [])]


def _data_file(entry: Json, language: str) -> str:
    digest = entry["sha256"][:12] + "…"
    return PAGE["rows_of"][language].format(file=entry["file"], rows=entry["rows"], sha256=digest)


def _training_time(run: RunFacts, language: str) -> str:
    """Return how long the training took; TypeError where that is not known."""
    return PAGE["trained"][language].format(
        seconds=run.train_seconds, speed=run.real_tokens_per_second, padding=run.padding_share
    )


def _machine(run: RunFacts) -> str:
    if run.device is None or run.precision is None:
        raise ValueError("the machine is not known")
    return f"{run.device}, {run.precision}"


def _max_length(run: RunFacts, language: str) -> str:
    if run.stride is not None:
        return PAGE["windows_of"][language].format(length=run.max_length, stride=run.stride, most=run.max_windows)
    return PAGE["length_of"][language].format(length=run.max_length, truncation=run.truncation)


def _threshold(scores: Json, language: str) -> str:
    if "per_label" in scores:
        thresholds = [entry["threshold"] for entry in scores["per_label"].values()]
        return LABEL_SET_PAGE["thresholds_of"][language].format(low=min(thresholds), high=max(thresholds))
    if scores["threshold"] is not None:
        return f"{scores['threshold']:.4f}"
    bias = scores.get("bias")
    if bias is None:
        return PAGE["no_threshold"][language]
    return PAGE["bias_of"][language].format(low=min(bias.values()), high=max(bias.values()))
