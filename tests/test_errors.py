import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.errors import UserError, run_script

ROOT = Path(__file__).resolve().parent.parent


def fails_with(error: BaseException):
    def main():
        raise error

    return main


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_ten_problems_are_listed_one_by_one(count):
    assert UserError(*(f"line {i}" for i in range(count))).lines() == [f"line {i}" for i in range(count)]


@pytest.mark.parametrize(("count", "last"), [(11, "... and 1 more"), (1234, "... and 1,224 more")])
def test_more_than_ten_problems_are_ten_and_a_count(count, last):
    lines = UserError(*(f"line {i}" for i in range(count))).lines()
    assert lines == [*(f"line {i}" for i in range(10)), last]


def test_a_summary_stands_below_several_problems_and_takes_the_place_of_the_count():
    assert UserError("a", summary="one of three").lines() == ["a"]
    assert UserError("a", "b", summary="two of three").lines() == ["a", "b", "two of three"]
    assert UserError(*"abcdefghijkl", summary="12 of 30").lines() == [*"abcdefghij", "12 of 30"]


def test_a_problem_is_one_line_whatever_it_holds():
    assert UserError("first\nsecond\r\nthird", 4).lines() == ["first second third", "4"]


def test_a_mistake_of_the_user_is_one_line_on_stderr_and_status_2(capsys):
    assert run_script(fails_with(UserError("data/trainset.csv, line 17: label is empty"))) == 2
    assert capsys.readouterr() == ("", "error: data/trainset.csv, line 17: label is empty\n")


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
        "import sys\nfrom toolkit.errors import run_script\n"
        "sys.exit(run_script(lambda: [print('row', i) for i in range(100_000)]))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout.readline().split() == [b"row", b"0"]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
