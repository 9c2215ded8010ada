import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from toolkit.base.errors import UserError
from toolkit.base.lock import LOCK, lock_directory

HOLDS = """
import sys, time
from pathlib import Path
from toolkit.base.lock import lock_directory

lock = lock_directory(Path(sys.argv[1]))
print("taken", flush=True)
sys.stdin.read()
"""


def holder(folder) -> subprocess.Popen:
    """Start a process that takes the lock of a directory and keeps it until its standard input ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], cwd=ROOT, **pipes)
    assert process.stdout.readline() == "taken\n"
    return process


def test_a_directory_is_locked_against_another_process_until_that_ends(tmp_path):
    with holder(tmp_path) as process:
        with pytest.raises(UserError) as caught:
            lock_directory(tmp_path)
        (line,) = caught.value.lines()
        assert line.startswith(f"{tmp_path}: another run is writing there")
        process.stdin.close()
        assert process.wait() == 0
    lock_directory(tmp_path).release()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_process_that_is_killed_leaves_no_lock_though_its_file_may_stay(tmp_path):
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / LOCK).exists()
    lock_directory(tmp_path).release()


def test_a_lock_is_free_again_once_it_is_released(tmp_path):
    lock_directory(tmp_path).release()
    again = lock_directory(tmp_path)
    with pytest.raises(UserError):
        lock_directory(tmp_path)  # not even the same process has it twice
    again.release()


def test_two_directories_are_locked_each_by_itself(tmp_path):
    locks = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        locks.append(lock_directory(tmp_path / name))
    for lock in locks:
        lock.release()


def test_a_file_of_the_lock_s_name_that_a_crash_left_is_no_lock(tmp_path):
    (tmp_path / LOCK).write_text("12345")
    lock_directory(tmp_path).release()
