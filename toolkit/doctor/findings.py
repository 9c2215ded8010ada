"""A finding about the data: what it is, how many rows it concerns, examples, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.base.languages import PLACES, Text
from toolkit.cli.console import Log, one_line, shown_label
from toolkit.doctor.texts import FINDINGS, SAID, scripts_in_chinese, shown_file

MAX_EXAMPLES = 3  # of a finding
EXCERPT_LENGTH = 60  # characters of a text or label


def excerpt(text: str) -> str:
    """Return the beginning of a text on one line."""
    flat = one_line(text[: 10 * EXCERPT_LENGTH])
    return flat if len(flat) <= EXCERPT_LENGTH else flat[: EXCERPT_LENGTH - 1] + "…"


@dataclass(frozen=True)
class Location:
    """A row of a file."""

    file: str
    unit: str  # what its number counts: line or row; of a folder of texts: file
    line: int | str
    text: str
    label: str

    @property
    def words(self) -> Text:
        """Where it stands, and how it begins."""
        return SAID["location"].fill(
            file=shown_file(one_line(self.file)),
            place=PLACES[self.unit].fill(number=self.line),
            label=excerpt(shown_label(self.label)),
            text=excerpt(self.text),
        )

    def __str__(self) -> str:
        return str(self.words)


@dataclass(frozen=True)
class Finding:
    """Something about the data that a user would want to know.

    An example is a row, or several rows that have something in common.
    """

    kind: str  # a key of FINDINGS
    count: int  # rows, or what the texts of this kind count
    facts: dict[str, Any]  # that fill the gaps of its texts
    examples: list[list[Location]] = field(default_factory=list)

    def sentence(self, language: str = "en") -> str:
        """Return what was found."""
        return FINDINGS[self.kind].sentence[language].format(count=self.count, **self._facts_in(language))

    def advice(self, language: str = "en") -> str:
        """Return what to do about it."""
        return FINDINGS[self.kind].advice[language].format(count=self.count, **self._facts_in(language))

    def _facts_in(self, language: str) -> dict[str, Any]:
        """Return the facts, in which the names of scripts, and of held-out rows, are English."""
        files = {name: shown_file(self.facts[name])[language] for name in ("file", "other") if name in self.facts}
        if self.kind != "scripts" or language != "zh":
            return self.facts | files
        scripts = {name: scripts_in_chinese(self.facts[name]) for name in ("script", "others")}
        return self.facts | files | scripts

    def as_json(self) -> dict[str, Any]:
        """Return it for run.json, which travels with the model, so without the texts of the rows."""
        examples = [
            [{"file": row.file, "unit": row.unit, "line": row.line, "label": row.label} for row in example]
            for example in self.examples
        ]
        return {
            "kind": self.kind,
            "count": self.count,
            "what": self.sentence(),
            "advice": self.advice(),
            "facts": self.facts,
            "examples": examples,
        }


def say_findings(log: Log, findings: Sequence[Finding], detailed: bool) -> None:
    """Say what was found, a line for each finding; `detailed`: with examples and advice."""
    if not findings:
        log.item("findings", SAID["none"])
        return
    for number, finding in enumerate(findings):
        log.item("findings" if number == 0 else "", one_line(finding.sentence(log.language)))
        if detailed:
            _say_details(log, finding)
    if not detailed:
        log.item("", SAID["more"])


def _say_details(log: Log, finding: Finding) -> None:
    """Say a finding's examples and advice."""
    for row, *others in finding.examples:
        log.item("", SAID["row"].fill(row=row.words))
        for other in others:
            log.item("", SAID["same_row"].fill(row=other.words))
    log.item("", f"    -> {one_line(finding.advice(log.language))}")
