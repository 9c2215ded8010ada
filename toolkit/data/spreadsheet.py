"""Cells that a spreadsheet shows as text and does not run as a formula."""

import re

# What begins a formula, full-width forms too, and what a spreadsheet may skip before it: blanks, what cannot be seen,
# quotes. See OWASP, CSV Injection.
BEGINS = "[=+\\-@＝＋－＠\u2212]"
SKIPPED = (
    '(?:[^\\S\t\r\n]|["\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff])*'
)
NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
FORMULA = re.compile(f"{SKIPPED}(?:{BEGINS}|[\t\r\n])")
# One whose separator is another than the file's, or that is confused by quotes, begins cells in the middle of ours.
INSIDE = {kind: re.compile(f"([{separators}])(?={SKIPPED}{BEGINS})") for kind, separators in
          {"csv": "\t\r\n;", "tsv": "\t\r\n;,"}.items()}  # fmt: skip


def harmless(cell: str, kind: str) -> str:
    """Return a cell of a csv or tsv file with ' before all that could begin a formula; numbers stay as they are."""
    if NUMBER.fullmatch(cell):
        return cell
    cell = INSIDE[kind].sub(r"\1'", cell)
    return "'" + cell if FORMULA.match(cell) else cell
