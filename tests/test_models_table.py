import re

import pytest

from tests.conftest import ROOT
from tests.models.architectures import ARCHITECTURES
from tests.models_table import COLUMNS, Notes, main, markdown_table


def test_a_sentence_is_explained_once_below_the_table():
    notes = Notes()
    rows = {"A": ["no " + notes.refer("too old")], "B": ["no " + notes.refer("too new")], "C": [notes.refer("too old")]}
    lines = markdown_table(rows, notes).splitlines()
    assert lines[0] == f"| model | {' | '.join(COLUMNS)} |"
    assert lines[2:] == ["| A | no [1] |", "| B | no [2] |", "| C | [1] |", "", "- [1] too old", "- [2] too new"]


def test_a_model_that_is_not_there_is_said(capsys):
    with pytest.raises(SystemExit):
        main(["BRET"])
    assert "no model BRET; there are BERT, " in capsys.readouterr().err


def test_the_document_has_a_row_for_each_kind_of_model_and_explains_each_no():
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| (.*) \|$", text, re.MULTILINE))
    for architecture in ARCHITECTURES:
        cells = rows[architecture.name].split(" | ")
        assert len(cells) == len(COLUMNS)
        assert all(cell != "no" for cell in cells[:-1])
    assert set(re.findall(r"no (\[\d+\])", text)) == set(re.findall(r"^- (\[\d+\])", text, re.MULTILINE))
