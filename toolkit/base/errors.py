"""What the user got wrong, said in one line a problem and without a traceback."""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence

from toolkit.base.process import this_process

SHOWN = 10  # problems printed one by one before the rest become a count
EXIT_USER_ERROR = 2
EXIT_STOPPED = 75  # sysexits.h: a failure that is over when one tries again
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # they may come without a file's name
NO_MEMORY = (  # in the messages of RuntimeErrors: CPU, CUDA and mps, cuBLAS and cuDNN, C++, oneDNN (two, one vague)
    "can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED", "bad_alloc", "could not allocate",
    "could not create a primitive",
)  # fmt: skip
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


class Stopped(BaseException):
    """Ends a run that was asked to stop, in all processes together; the message says how to go on.

    No Exception, which libraries catch wherever a file may be damaged or a feature missing.
    """


def is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether an exception means that a device or the machine has too little memory."""
    told = isinstance(error, RuntimeError) and any(sign in str(error) for sign in NO_MEMORY)
    return told or isinstance(error, MemoryError)


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def heeded_signals(names: Sequence[str]) -> list[int]:
    """Return the numbers of those signals that can be handled here: the system has them and nobody has them ignored.

    They can be handled in the main thread alone; in others there are none.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


def run_script(main: Callable[[], None]) -> int:
    """Run a script's main() and return its exit status: 0, 2 for a user's mistake, 75 for Stopped, 130 for Ctrl-C.

    A missing package, a file that cannot be written and too little memory are 2 too. Any other exception is a defect
    of ours and keeps its traceback. Each of several processes ends at once: in an orderly end, threads that let go of
    what they have sent may want the interpreter that ends, and one that has failed could wait for others that wait
    for it.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a character must not end a run
        stream.reconfigure(errors="backslashreplace")
    if this_process().size == 1:
        for number in heeded_signals(("SIGTERM", "SIGUSR1", "SIGHUP")):  # of several processes the launcher ends all
            signal.signal(number, _stop)
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


def _stop(number: int, _) -> None:
    """Answer a signal where no step of training is under way: end in order, so that temporary files are removed."""
    name = signal.Signals(number).name
    raise Stopped(
        f"stopped by {name}; what was saved is whole; the same command begins again, main.py --resume goes on"
    )


def _run(main: Callable[[], None]) -> int:
    try:
        main()
    except UserError as error:
        return _end(EXIT_USER_ERROR, *error.lines())
    except Stopped as stopped:
        if this_process().is_main:
            print(stopped, file=sys.stderr, flush=True)
        return EXIT_STOPPED
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in {"", "toolkit", "utils"}:
            raise
        return _end(EXIT_USER_ERROR, f"the package {package!r} is not installed; README.md has the install command")
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _end(EXIT_USER_ERROR, f"out of memory ({first_line(error)})")
    except KeyboardInterrupt:
        return _end(EXIT_INTERRUPTED, "interrupted")
    except BrokenPipeError:  # the reader of our pipe has left, as `head` does; what is buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.filename is None and error.errno not in FULL:
            raise
        return _end(EXIT_USER_ERROR, f"{error.filename or 'the output'}: {error.strerror}")
    return 0


def _end(status: int, *problems: str) -> int:
    """Print the problems and return the exit status.

    Of several processes that make the same mistake the first one says it and the launcher then ends the others, so
    these wait a little before they speak.
    """
    process = this_process()
    if not process.is_main:
        time.sleep(FIRST_SPEAKS)
    for problem in problems:
        print(f"error: {'' if process.is_main else f'{process}: '}{problem}", file=sys.stderr, flush=True)
    return status
