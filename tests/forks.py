"""Scripts in processes of their own that need not import torch anew: forked from one that has imported all of it."""

import contextlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from pathlib import Path

READ_AT_START = (
    "HF_",
    "PYTHONIO",
    "PYTHONHASH",
    "TRANSFORMERS_",
    "OMP_PROC",
    "MKL_",
    "LD_",
)  # by the interpreter and by packages
FORKS = multiprocessing.get_context("forkserver") if os.name != "nt" else None


def start_environment() -> dict[str, str]:
    """Return the environment of the tests, without what pytest and packages change in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "KMP_"))}


ENVIRONMENT = start_environment()


def can_fork(environment: dict[str, str]) -> bool:
    """Say whether a forked process is what a fresh one in this environment would be."""
    changed = {name for name, _ in ENVIRONMENT.items() ^ environment.items()}
    return FORKS is not None and not any(name.startswith(READ_AT_START) for name in changed)


class Forked:
    """A script in a forked process, with pipes of text for its streams: what subprocess.Popen would be.

    `words` are the script and its options; the Python code `before` is run first, as in a module of its own.
    """

    def __init__(self, words: list[str], folder: Path, environment: dict[str, str], before: str = ""):
        FORKS.set_forkserver_preload(["tests.preloaded"])
        given, self.stdin = _pipe(writes=True)
        said, self.stdout = _pipe(writes=False)
        erred, self.stderr = _pipe(writes=False)
        about = (list(words), str(folder), environment, before)
        self.args, self._process = words, FORKS.Process(target=_be_script, args=(given, said, erred, *about))
        self._process.start()
        for end in (given, said, erred):
            end.close()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, minus the signal if one has ended it, None while it lives."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status if it has ended."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit status."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def communicate(self, input: str = "", timeout: float | None = None) -> tuple[str, str]:
        """Give it its input, wait for its end and return what it wrote to stdout and stderr."""
        texts = {}
        readers = [
            threading.Thread(target=lambda name=name: texts.update({name: getattr(self, name).read()}), daemon=True)
            for name in ("stdout", "stderr")
        ]
        for reader in readers:
            reader.start()
        if not self.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.write(input)
                self.stdin.close()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        return texts["stdout"], texts["stderr"]

    def send_signal(self, number: int) -> None:
        """Send it a signal if it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send it SIGKILL."""
        self._process.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _pipe(writes: bool) -> tuple:
    """Return the child's end of a pipe, which can be sent to it, and ours as a text file."""
    ends = FORKS.Pipe(duplex=False)
    theirs, ours = ends if writes else ends[::-1]
    file = os.fdopen(os.dup(ours.fileno()), "w" if writes else "r", encoding="utf-8")
    ours.close()
    return theirs, file


def _be_script(given, said, erred, words: list[str], folder: str, environment: dict[str, str], before: str) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, end in enumerate((given, said, erred)):
        os.dup2(end.fileno(), number)
        end.close()
    sys.stdin = os.fdopen(os.dup(0), encoding="utf-8")
    for number, name in ((1, "stdout"), (2, "stderr")):
        setattr(sys, name, os.fdopen(os.dup(number), "w", encoding="utf-8", buffering=1))
    if "OMP_NUM_THREADS" in environment:
        import torch

        torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.argv = words
    sys.path[:0] = [str(Path(words[0]).resolve().parent), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    try:
        exec(before, {"__name__": "before"})
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit:
        raise
    except BaseException:
        sys.excepthook(*sys.exc_info())  # which the script may have replaced
        sys.exit(1)
