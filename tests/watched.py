"""Run Python scripts under an audit hook that notes in a file what no script of ours may do.

python tests/watched.py CASES.json [PRELOAD...]: for each case, {"log", "watched", "writable", "stdout", "stderr",
"command"}, the command (a script and its options) is run in a process of its own, forked once the modules PRELOAD are
imported, which takes longer than a case. Its log gets a line for each socket that is opened, each process that is
started, each class that a pickle asks for, each file of the directory `watched` that is run, imported or loaded as a
library, and each file that is written outside of the `writable` directories. Prints the exit statuses as json.
"""

import importlib
import json
import os
import runpy
import sys
from pathlib import Path

PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn")
SOCKETS = ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto", "socket.gethostbyname")
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate")


def watch(log: str, watched: str, writable: list[str]) -> None:
    """Install the hook."""
    note = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    watched, open_for = os.path.realpath(watched), [os.path.realpath(path) for path in writable]

    def within(path, folders) -> bool:
        try:
            path = os.path.realpath(os.fsdecode(path))
        except (TypeError, ValueError):
            return False
        return any(path == folder or path.startswith(folder + os.sep) for folder in folders)

    def hook(event: str, args: tuple) -> None:
        bad = event in SOCKETS or event.startswith(PROCESSES) or event == "pickle.find_class"
        if event == "exec":
            bad = within(getattr(args[0], "co_filename", ""), [watched])
        elif event == "compile":
            bad = args[1] is not None and within(args[1], [watched])
        elif event == "import":
            bad = bool(args[1]) and within(args[1], [watched])
        elif event == "ctypes.dlopen":
            bad = bool(args[0]) and within(args[0], [watched])
        elif event == "open" and isinstance(args[0], (str, bytes)):
            writes = (
                args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(args[2], int) else "r" not in args[1]
            )
            bad = writes and not within(args[0], open_for)
        elif event in CHANGES and isinstance(args[0], (str, bytes)):
            beside = Path(f"/proc/self/fd/{args[-1]}")  # where it is named by a directory that is open
            bad = not within(beside.resolve() / os.fsdecode(args[0]) if beside.exists() else args[0], open_for)
        if bad:
            os.write(note, f"{event} {args!r}\n".encode(errors="replace"))

    sys.addaudithook(hook)


def run(case: dict) -> int:
    """Run a case in a process of its own and return its exit status, minus the signal if one has killed it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(case[name], os.O_WRONLY | os.O_CREAT), number)
        sys.argv = case["command"]
        watch(case["log"], case["watched"], case["writable"])
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())  # which the script may have replaced
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    cases = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path.insert(0, str(Path.cwd()))
    for module in sys.argv[2:]:
        importlib.import_module(module)
    print(json.dumps([run(case) for case in cases]))
