"""How a script ends: what it prints about an error, and its exit status."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType

from toolkit.base.errors import FULL, Stopped, UserError, first_line, is_out_of_memory, reason_of
from toolkit.base.interrupt import raise_on_interrupt
from toolkit.base.languages import Text, in_words
from toolkit.base.process import this_process
from toolkit.base.streams import prepare_streams
from toolkit.cli.spoken_language import language_of_words

EXIT_DEFECT = 1
EXIT_USER_ERROR = 2
EXIT_STOPPED = 75  # sysexits.h: a failure that is over when one tries again
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
ERROR = Text("error: {speaker}{problem}", "错误：{speaker}{problem}")
INTERRUPTED = Text("interrupted", "已中断")
STOPPED = Text(
    "stopped by {signal}; everything saved so far is complete; run the same command again, main.py with --resume",
    "因信号 {signal} 停止；已保存的内容都是完整的；请再次运行同一条命令，main.py 请加上 --resume",
)
NOT_INSTALLED = Text(
    "the package {package!r} is not installed; docs/installation.md has the commands",
    "没有安装软件包 {package!r}；安装命令见 docs/installation.zh-CN.md",
)
OUT_OF_MEMORY = Text("out of memory ({reason})", "内存不足（{reason}）")
THE_OUTPUT = Text("the output", "输出")
FAILED_FILE = Text("{file}: {reason}", "{file}：{reason}")
MAIN_HEAD_START = 6  # seconds before other processes speak; torchrun looks every 5 of them in its older versions


def begin_script() -> None:
    """Make the script end as run_script does from now on, also if something fails while its modules are imported."""
    raise_on_interrupt()
    prepare_streams()
    _prepare_signals()
    sys.excepthook = _end_early
    # A notebook names a backend of its own here, and matplotlib cannot be imported where that is not installed.
    os.environ["MPLBACKEND"] = "agg"


def _end_early(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """End the script by an exception that nobody has caught: the excepthook until run_script begins."""

    def fail() -> None:
        """Raise the exception again, for _exit_status to handle."""
        raise error

    try:
        status = _exit_status(fail)
    except BaseException:
        sys.__excepthook__(kind, error, trace)
        status = EXIT_DEFECT
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _prepare_signals() -> None:
    """Make signals end the script in an orderly way."""
    if this_process().size == 1:  # several processes are ended by their launcher
        for number in handleable_signals(("SIGTERM", "SIGUSR1", "SIGHUP")):
            signal.signal(number, _raise_stopped)


def run_script(main: Callable[[], None]) -> int:
    """Run a script's main() and return its exit status: 0, 2 for a user's mistake, 75 for Stopped, 130 for Ctrl-C.

    A missing package, a file that cannot be written and too little memory are 2 too. Any other exception is a defect
    of this project and keeps its traceback. Each of several processes ends by os._exit: while the interpreter shuts
    down, threads that release what they have sent may still need it, and a process that has failed could wait for
    others that wait for it.
    """
    prepare_streams()
    _prepare_signals()
    sys.excepthook = sys.__excepthook__
    if this_process().size == 1:
        return _exit_status(main)
    try:
        status = _exit_status(main)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        status = EXIT_DEFECT
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def handleable_signals(names: Sequence[str]) -> list[int]:
    """Return the numbers of those signals that can be handled here: the system has them, and they are not ignored.

    Only the main thread can handle signals; in other threads there are none.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


def _raise_stopped(number: int, _frame: FrameType | None) -> None:
    """Handle a signal outside of training: end in an orderly way, so that temporary files are removed."""
    name = signal.Signals(number).name
    raise Stopped(STOPPED.fill(signal=name))


def _exit_status(main: Callable[[], None]) -> int:
    """Run main(), print one line for each problem, and return the exit status; the exception of a defect is raised.

    The lines are in the language that the command asks for.
    """
    language = language_of_words(sys.argv[1:])
    try:
        main()
    except UserError as error:
        _say_problems(error.lines(language), language)
        return EXIT_USER_ERROR
    except Stopped as stopped:
        if this_process().is_main:
            print(in_words(stopped.args[0], language), file=sys.stderr, flush=True)
        return EXIT_STOPPED
    except KeyboardInterrupt:
        _say_problems([INTERRUPTED[language]], language)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our pipe has left, as `head` does; what is buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except Exception as error:
        problem = _problem_of_the_machine(error)
        if problem is None:
            raise
        _say_problems([problem[language]], language)
        return EXIT_USER_ERROR
    return 0


def _problem_of_the_machine(error: Exception) -> Text | None:
    """Return what the user can mend on the machine, such as a full disk; None for a defect of this project."""
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").split(".")[0]
        if package in {"", "toolkit", "utils"}:
            return None
        return NOT_INSTALLED.fill(package=package)
    if is_out_of_memory(error):
        return OUT_OF_MEMORY.fill(reason=first_line(error))
    if isinstance(error, OSError) and (error.filename is not None or error.errno in FULL):
        return FAILED_FILE.fill(file=error.filename or THE_OUTPUT, reason=reason_of(error))
    return None


def _say_problems(problems: Sequence[str], language: str) -> None:
    """Print a line for each problem on stderr.

    If several processes have the same problem, the main one prints it and the launcher then ends the others, so these
    wait a little before they print.
    """
    process = this_process()
    if not process.is_main:
        time.sleep(MAIN_HEAD_START)
    speaker = "" if process.is_main else f"{process}: "
    for problem in problems:
        print(ERROR.fill(speaker=speaker, problem=problem)[language], file=sys.stderr, flush=True)
