import sys

from tests.doctor.toy_tables import clean, table, tokens, unlike
from toolkit.cli.console import Log
from toolkit.doctor.examine import examine
from toolkit.doctor.findings import say_findings


def test_findings_are_said_in_lines_with_examples_only_where_asked(capsys):
    texts = unlike(100)
    findings = examine({"train": (rows := table("t", [*clean(texts), (texts[0], "a")]))}, {"train": tokens(rows)})
    say_findings(Log(sys.stdout), findings, detailed=False)
    short = capsys.readouterr().out
    assert short.count("\n") == 2
    assert texts[0][:20] not in short
    say_findings(Log(sys.stdout), findings, detailed=True)
    told = capsys.readouterr().out
    assert "t, line 102 (a):" in told
    assert "t, line 2 (a):" in told
    assert "remove them" in told
    say_findings(Log(sys.stdout), [], detailed=True)
    assert "none" in capsys.readouterr().out
