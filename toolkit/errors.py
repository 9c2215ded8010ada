"""What the user got wrong, said in one line a problem and without a traceback."""

import errno
import os
import sys
import time
from collections.abc import Callable

from toolkit.launch import our_place

SHOWN = 10  # problems printed one by one before the rest become a count
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
FIRST_SPEAKS = 6  # seconds; torchrun looks every 5 of them in its older versions


class UserError(Exception):
    """One or more mistakes that the user can mend; each argument is printed as one `error: ...` line.

    `summary` is a last line that is printed below several of them.
    """

    def __init__(self, *problems: object, summary: str = ""):
        super().__init__(*problems)
        self.summary = summary

    def lines(self) -> list[str]:
        """Return the printed lines: the first ten problems, then how many there are."""
        lines = [" ".join(str(problem).splitlines()) for problem in self.args]
        if len(lines) > SHOWN:
            return [*lines[:SHOWN], self.summary or f"... and {len(lines) - SHOWN:,} more"]
        return [*lines, self.summary] if self.summary and len(lines) > 1 else lines


def run_script(main: Callable[[], None]) -> int:
    """Run a script's main() and return its exit status: 0, 2 for a user's mistake, 130 for Ctrl-C.

    A missing package and a file that cannot be written are too. Any other exception is a defect of ours and keeps its
    traceback. Each of several processes ends at once: in an orderly end, threads that let go of what they have sent may
    want the interpreter that ends, and one that has failed could wait for others that wait for it.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a character must not end a run
        stream.reconfigure(errors="backslashreplace")
    if our_place().size == 1:
        return _run(main)
    try:
        status = _run(main)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        status = 1
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _run(main: Callable[[], None]) -> int:
    try:
        main()
    except UserError as error:
        return _end(EXIT_USER_ERROR, *error.lines())
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in {"", "toolkit", "utils"}:
            raise
        return _end(EXIT_USER_ERROR, f"the package {package!r} is not installed; README.md has the install command")
    except KeyboardInterrupt:
        return _end(EXIT_INTERRUPTED, "interrupted")
    except BrokenPipeError:  # the reader of our pipe has left, as `head` does; what is buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        return _end(EXIT_USER_ERROR, f"{error.filename or 'the output'}: {error.strerror}")
    return 0


def _end(status: int, *problems: str) -> int:
    """Print the problems and return the exit status.

    Of several processes that make the same mistake the first one says it and the launcher then ends the others, so
    these wait a little before they speak.
    """
    place = our_place()
    if not place.is_first:
        time.sleep(FIRST_SPEAKS)
    for problem in problems:
        print(f"error: {'' if place.is_first else f'{place}: '}{problem}", file=sys.stderr, flush=True)
    return status
