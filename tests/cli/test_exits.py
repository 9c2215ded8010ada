import errno
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolkit.base.errors import Stopped, UserError
from toolkit.base.languages import Text
from toolkit.cli.exits import MAIN_HEAD_START, run_script

ROOT = Path(__file__).resolve().parents[2]


def fails_with(error: BaseException):
    def main():
        raise error

    return main


def test_a_mistake_of_the_user_is_one_line_on_stderr_and_status_2(capsys):
    assert run_script(fails_with(UserError("data/trainset.csv, line 17: label is empty"))) == 2
    assert capsys.readouterr() == ("", "error: data/trainset.csv, line 17: label is empty\n")


def test_a_mistake_is_told_in_the_language_of_the_command(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["main.py", "--language", "zh"])
    problems = [Text(f"line {number}", f"第 {number} 行") for number in range(11)]
    assert run_script(fails_with(UserError(*problems))) == 2
    assert capsys.readouterr().err.splitlines() == [
        *(f"错误：第 {number} 行" for number in range(10)),
        "错误：……另有 1 个",
    ]
    assert run_script(fails_with(Stopped(Text("stopped", "已停止")))) == 75
    assert run_script(fails_with(OSError(errno.ENOSPC, "No space left on device"))) == 2
    assert capsys.readouterr().err.splitlines() == ["已停止", "错误：输出：磁盘已满"]


def test_several_mistakes_are_a_line_each(capsys):
    assert run_script(fails_with(UserError("one", "two", summary="2 of 3"))) == 2
    assert capsys.readouterr().err.splitlines() == ["error: one", "error: two", "error: 2 of 3"]


def test_a_script_that_ends_well_has_status_0(capsys):
    assert run_script(lambda: print("done")) == 0
    assert capsys.readouterr() == ("done\n", "")


def test_a_package_that_is_not_installed_is_named(capsys):
    def main():
        import a_package_that_nobody_has.inside  # noqa: F401

    assert run_script(main) == 2
    assert capsys.readouterr().err.startswith("error: the package 'a_package_that_nobody_has' is not installed")


@pytest.mark.parametrize(
    "error",
    [ValueError("ours"), KeyError("ours"), ModuleNotFoundError("ours", name="toolkit.gone"), SystemExit(0)],
    ids=repr,
)
def test_what_is_no_mistake_of_the_user_is_not_hidden(error):
    with pytest.raises(type(error)):
        run_script(fails_with(error))


def test_an_interrupt_is_said_in_one_line_and_has_the_status_of_a_shell(capsys):
    assert run_script(fails_with(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_reader_of_our_pipe_that_leaves_early_is_no_error():
    code = (
        "import sys\nfrom toolkit.cli.exits import run_script\n"
        "sys.exit(run_script(lambda: [print('row', i) for i in range(100_000)]))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout.readline().split() == [b"row", b"0"]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


# -- one of several processes ----------------------------------------------------------------------------------------


def run_as(rank: int, body: str) -> tuple[int, list[str], float]:
    """Run a main() of these lines as one of two processes; return its status, what it says on stderr, its seconds."""
    code = (
        "import sys\nfrom toolkit.base.errors import UserError\nfrom toolkit.cli.exits import run_script\n"
        f"def main():\n    {body}\nsys.exit(run_script(main))"
    )
    command = [sys.executable, "-c", code]
    environment = os.environ | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT, env=environment, timeout=60)
    return done.returncode, done.stderr.splitlines(), time.monotonic() - started


def test_the_first_process_says_what_it_would_say_alone():
    assert run_as(0, "raise UserError('one', 'two')")[:2] == (2, ["error: one", "error: two"])


def test_another_process_lets_the_first_one_speak_and_then_says_who_it_is():
    status, lines, seconds = run_as(1, "raise UserError('one', 'two')")
    me = f"error: process 1 on {socket.gethostname()}: "
    assert (status, lines) == (2, [me + "one", me + "two"])
    assert seconds > MAIN_HEAD_START


@pytest.mark.parametrize("rank", [0, 1])
def test_a_defect_keeps_its_traceback_in_every_process(rank):
    status, lines, _ = run_as(rank, "raise ValueError('ours')")
    assert status == 1
    assert any("Traceback" in line for line in lines)
    assert lines[-1].endswith("ValueError: ours")


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_ends_well_has_status_0(rank):
    assert run_as(rank, "pass")[:2] == (0, [])


def test_a_process_that_fails_does_not_wait_for_its_threads():
    body = "import threading, time; threading.Thread(target=time.sleep, args=[600]).start(); raise UserError('full')"
    assert run_as(0, body)[:2] == (2, ["error: full"])


def test_a_script_that_a_notebook_starts_can_draw_without_the_packages_of_the_notebook():
    code = "from toolkit.cli.exits import begin_script; begin_script(); import matplotlib.figure; print('drawn')"
    environment = os.environ | {"MPLBACKEND": "module://no_such_package_inline.backend_inline"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "drawn\n", done.stderr
