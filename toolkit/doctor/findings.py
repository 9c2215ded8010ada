"""What the data doctor can find, and how it is told: what it is, how many rows, examples, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from toolkit.cli.console import Log, one_line
from toolkit.doctor.texts import TEXTS

SHOWN = 3  # examples
EXCERPT = 60  # characters of a text


def excerpt(text: str) -> str:
    """Return the beginning of a text on one line."""
    flat = one_line(text[: 10 * EXCERPT])
    return flat if len(flat) <= EXCERPT else flat[: EXCERPT - 1] + "…"


@dataclass(frozen=True)
class Location:
    """A row of a file."""

    file: str
    unit: str  # what its number counts: line, object or row
    line: int
    text: str
    label: str

    def __str__(self) -> str:
        return f'{one_line(self.file)}, {self.unit} {self.line} ({excerpt(self.label)}): "{excerpt(self.text)}"'


@dataclass(frozen=True)
class Finding:
    """Something about the data that a user would want to know: `count` rows, `facts` that its texts tell.

    An example is a row, or the rows that have something in common.
    """

    kind: str  # a key of TEXTS
    count: int
    facts: dict
    examples: list[list[Location]] = field(default_factory=list)

    def what(self, language: str = "en") -> str:
        """Return what was found in a sentence."""
        return TEXTS[self.kind][language][0].format(count=self.count, **self.facts)

    def advice(self, language: str = "en") -> str:
        """Return what to do about it in a sentence."""
        return TEXTS[self.kind][language][1].format(count=self.count, **self.facts)

    def as_json(self) -> dict:
        """Return it for run.json, which travels with the model, so without the texts."""
        told = {"kind": self.kind, "count": self.count, "what": self.what(), "advice": self.advice()}
        names = ("file", "unit", "line", "label")
        places = [[{name: getattr(place, name) for name in names} for place in each] for each in self.examples]
        return {**told, "facts": self.facts, "examples": places}


def say_findings(log: Log, findings: Sequence[Finding], whole: bool) -> None:
    """Say what was found; the `whole` of it with examples and advice, else a line for each."""
    if not findings:
        log.item("findings", "none: no duplicates, leaks or conflicting labels, and nothing else that looks wrong")
    for number, finding in enumerate(findings):
        log.item("findings" * (number == 0), one_line(finding.what()))
        for row, *others in finding.examples if whole else ():
            log.item("", f"    {row}")
            for other in others:
                log.item("", f"      = {other}")
        if whole:
            log.item("", f"    -> {one_line(finding.advice())}")
    if findings and not whole:
        log.item("", "--check_data shows examples and says what to do")
