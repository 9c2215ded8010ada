"""What the user got wrong, said in one line a problem and without a traceback."""

import errno
import os
import sys
from collections.abc import Callable

SHOWN = 10  # problems printed one by one before the rest become a count
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


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
    traceback.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a character must not end a run
        stream.reconfigure(errors="backslashreplace")
    try:
        main()
    except UserError as error:
        for line in error.lines():
            print(f"error: {line}", file=sys.stderr)
        return EXIT_USER_ERROR
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in {"", "toolkit", "utils"}:
            raise
        print(f"error: the package {package!r} is not installed; README.md has the install command", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our pipe has left, as `head` does; what is buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        print(f"error: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        return EXIT_USER_ERROR
    return 0
