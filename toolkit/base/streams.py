"""Standard output and standard error, whatever they are: a terminal, a pipe, closed, or a stream of a notebook."""

import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import TextIO

from toolkit.base.errors import UserError
from toolkit.base.languages import Text

CLOSED_OUTPUT = Text(
    "standard output is closed; --output_file names a file", "标准输出已关闭；请用 --output_file 指定文件"
)


def prepare_streams() -> None:
    """Let no closed stream end the script, and no character that a terminal lacks."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # those of notebooks are not, and take every character
            stream.reconfigure(errors="backslashreplace")


def _open_closed_streams() -> None:
    """Replace standard streams that are closed, as for a daemon or under pythonw, by the null device.

    Their numbers are taken too: libraries print to 1 and 2 by number, and a model that is being written could have got
    one of these.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (it stays open to the end)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def is_terminal(stream: TextIO) -> bool:
    """Say whether somebody looks at a stream as it is written; streams that cannot tell are not terminals."""
    isatty: Callable[[], bool] | None = getattr(stream, "isatty", None)
    return isatty is not None and isatty()


def writes_utf8(stream: TextIO) -> bool:
    """Say whether a stream takes every character as it is."""
    encoding = getattr(stream, "encoding", None)  # None: a stream of characters and not of bytes
    return encoding is None or encoding.lower().replace("_", "-").startswith("utf")


class StandardOutput:
    """Standard output for bytes in utf-8; UserError if it is closed."""

    def __init__(self) -> None:
        if sys.__stdout__ is None and isinstance(sys.stdout, TextIOWrapper):  # the null device stands in its place
            raise UserError(CLOSED_OUTPUT)

    def write(self, content: bytes) -> None:
        """Write bytes, at once."""
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:
            sys.stdout.write(content.decode("utf-8"))
        else:
            buffer.write(content)
            buffer.flush()
