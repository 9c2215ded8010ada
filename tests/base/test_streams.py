"""Standard streams that are closed, or are not files, as those of notebooks."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.base.errors import UserError
from toolkit.base.streams import StandardOutput, is_terminal, prepare_streams, writes_utf8

ROOT = Path(__file__).resolve().parents[2]


class NotebookStream:
    """A stream that takes text and has nothing else of a file, like that of a notebook's kernel."""

    def __init__(self):
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.mark.skipif(os.name == "nt", reason="a shell closes the streams")
@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_file_gets_the_number_of_a_stream_that_is_closed(closing, tmp_path):
    code = (
        "import os, sys\nfrom toolkit.base.streams import prepare_streams\nprepare_streams()\n"
        f"number = os.open({str(tmp_path / 'file')!r}, os.O_CREAT | os.O_WRONLY)\n"
        "print('said'); print('said', file=sys.stderr); os.write(1, b'by number'); os.write(2, b'by number')\n"
        "sys.stdout.flush(); sys.stderr.flush()\n"
        "os.write(number, str(number).encode())\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    subprocess.run(f"exec {sys.executable} {script} {closing}", shell=True, check=True, capture_output=True,
                   env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert int((tmp_path / "file").read_text()) > 2


def test_a_stream_without_reconfigure_and_isatty_will_do(monkeypatch):
    stream = NotebookStream()
    monkeypatch.setattr(sys, "stdout", stream)
    prepare_streams()
    StandardOutput().write("好\n".encode())
    assert stream.text == "好\n"
    assert not is_terminal(stream)
    assert writes_utf8(stream)


@pytest.mark.parametrize(("encoding", "takes_all"), [("utf-8", True), ("utf_8_sig", True), ("gbk", False)])
def test_an_encoding_that_has_not_every_character_is_known(encoding, takes_all):
    assert writes_utf8(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is takes_all


def test_predictions_for_a_standard_output_that_is_closed_are_refused(monkeypatch):
    monkeypatch.setattr(sys, "__stdout__", None)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(UserError, match="standard output is closed"):
        StandardOutput()
