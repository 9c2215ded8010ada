import errno
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
from safetensors import SafetensorError

from tests.conftest import ROOT, interrupted
from toolkit.base.disk import (
    LOCK_FILE,
    DirectoryLock,
    filling,
    fingerprint,
    install_directory,
    lock_directory,
    recover,
    replacing,
    sweep,
    write_bytes,
    write_json,
    write_json_lines,
)
from toolkit.base.errors import UserError

HOLDS = """
import sys, time
from pathlib import Path
from toolkit.base.disk import lock_directory

lock = lock_directory(Path(sys.argv[1]))
print("taken", flush=True)
sys.stdin.read()
"""
VALUES = [{"a": 1, "房": [1.5, None, True]}, {"text": 'line\nbreak, "quote", 😀\u2028'}, {}]


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("before", [None, b"old and longer than the new content"])
def test_a_file_holds_the_new_bytes_and_nothing_lies_beside_it(tmp_path, before):
    path = tmp_path / "file.bin"
    if before is not None:
        path.write_bytes(before)
    write_bytes(path, b"new\r\n\0\xff")
    assert path.read_bytes() == b"new\r\n\0\xff"
    assert names(tmp_path) == ["file.bin"]


def test_a_file_that_is_replaced_is_a_new_one_so_that_an_open_reader_keeps_the_old(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"old" * 100_000)
    with path.open("rb") as reader:
        assert reader.read(3) == b"old"
        write_bytes(path, b"new")
        assert reader.read() == b"old" * 99_999
    assert path.read_bytes() == b"new"


def test_what_a_killed_run_left_is_written_over(tmp_path):
    (tmp_path / ".file.txt.new").write_bytes(b"half of a long fi")
    write_bytes(tmp_path / "file.txt", b"new")
    assert (tmp_path / "file.txt").read_bytes() == b"new"
    assert names(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("value", [*VALUES, [], "text", 3, None])
def test_json_is_read_back_by_the_json_module(tmp_path, value):
    write_json(tmp_path / "value.json", value)
    content = (tmp_path / "value.json").read_bytes().decode("utf-8")
    assert json.loads(content) == value
    assert content.endswith("\n")


def test_json_is_written_to_be_read_by_people(tmp_path):
    write_json(tmp_path / "value.json", {"标签": "好"})
    assert (tmp_path / "value.json").read_text(encoding="utf-8") == '{\n  "标签": "好"\n}\n'


def test_json_lines_are_one_object_a_line(tmp_path):
    write_json_lines(tmp_path / "values.jsonl", VALUES)
    lines = (tmp_path / "values.jsonl").read_bytes().decode("utf-8").split("\n")
    assert [json.loads(line) for line in lines[:-1]] == VALUES
    assert lines[-1] == ""
    assert lines[0] == '{"a": 1, "房": [1.5, null, true]}'
    write_json_lines(tmp_path / "values.jsonl", [])
    assert (tmp_path / "values.jsonl").read_bytes() == b""


def test_a_value_that_json_cannot_hold_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "value.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "value.json", {"a": object()})
    assert json.loads((tmp_path / "value.json").read_text(encoding="utf-8")) == {"a": 1}
    assert names(tmp_path) == ["value.json"]


def replace_directory(folder, fill) -> None:
    with filling(folder) as new:
        fill(new)
    install_directory(folder)


def fill_with(**files: str):
    def fill(folder):
        assert names(folder) == []
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")

    return fill


def test_a_directory_is_made_with_its_parents(tmp_path):
    replace_directory(tmp_path / "a" / "b" / "model", fill_with(config="1"))
    assert (tmp_path / "a" / "b" / "model" / "config").read_text(encoding="utf-8") == "1"
    assert names(tmp_path / "a" / "b") == ["model"]


def test_a_directory_is_replaced_and_keeps_nothing_of_the_old_one(tmp_path):
    folder = tmp_path / "model"
    replace_directory(folder, fill_with(config="1", stale="1"))
    (folder / "inner").mkdir()
    replace_directory(folder, fill_with(config="2"))
    assert names(folder) == ["config"]
    assert (folder / "config").read_text(encoding="utf-8") == "2"
    assert names(tmp_path) == ["model"]


def test_a_directory_that_cannot_be_filled_leaves_the_old_one_whole(tmp_path):
    folder = tmp_path / "model"
    replace_directory(folder, fill_with(config="1", weights="1"))

    def fail(new):
        (new / "config").write_text("2", encoding="utf-8")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        replace_directory(folder, fail)
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == {"config": "1", "weights": "1"}
    replace_directory(folder, fill_with(config="3"))
    assert names(folder) == ["config"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("left", [[".model.new"], [".model.old"], [".model.new", ".model.old"]])
@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_replacement_left_is_cleared_away(tmp_path, left, there):
    for name in [*left, *["model"] * there]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "stale").write_text("0", encoding="utf-8")
    replace_directory(tmp_path / "model", fill_with(config="1"))
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["config"]


# -- at any instant --------------------------------------------------------------------------------------------------

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")


@needs_fork
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_file_is_the_old_or_the_new_one_at_whatever_instant_its_writing_ends(tmp_path, before, fails):
    path, seen = tmp_path / "run" / "file", []

    def prepare() -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        (tmp_path / "run").mkdir()
        if before is not None:
            path.write_bytes(before)

    for _ in interrupted(lambda: write_bytes(path, b"new"), prepare, fails):
        seen.append(path.read_bytes() if path.exists() else None)
        sweep(path)
        assert names(tmp_path / "run") == ["file"] * path.exists()
    assert set(seen) <= {before, b"new"}
    assert before in seen
    assert path.read_bytes() == b"new"
    assert len(seen) >= 2


@needs_fork
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("before", [None, "1"])
def test_a_directory_is_the_old_or_the_new_one_at_whatever_instant_its_writing_ends(tmp_path, before, fails):
    folder, seen = tmp_path / "run" / "model", []

    def prepare() -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        (tmp_path / "run").mkdir()
        if before is not None:
            fill_with(config=before, weights=before)(folder.mkdir() or folder)

    for _ in interrupted(lambda: replace_directory(folder, fill_with(config="2", weights="2")), prepare, fails):
        recover(folder)
        found = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} if folder.exists() else None
        seen.append(found and found["config"])
        assert found is None or found == {"config": seen[-1], "weights": seen[-1]}
        sweep(folder)
        assert names(tmp_path / "run") == ["model"] * folder.exists()
    assert set(seen) <= {before, "2"}
    assert before in seen
    assert folder.joinpath("weights").read_text(encoding="utf-8") == "2"
    assert len(seen) >= 5


def test_a_file_that_cannot_be_written_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        with pytest.raises(type(error)), replacing(tmp_path / "file") as new:
            new.write_bytes(b"half")
            raise error
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_that_only_safetensors_notices_is_one_line(tmp_path):
    with pytest.raises(UserError) as caught, filling(tmp_path / "model") as new:
        (new / "model.safetensors").write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert caught.value.lines() == [
        f"{tmp_path / 'model'}: cannot be written (Error while serializing: I/O error: No space left on device "
        "(os error 28))"
    ]
    assert names(tmp_path) == []


def test_a_full_disk_that_only_the_tokenizers_notice_is_one_line_and_other_exceptions_are_not(tmp_path):
    with pytest.raises(UserError) as refused, filling(tmp_path / "model"):
        raise Exception("No space left on device (os error 28)")
    assert refused.value.lines() == [f"{tmp_path / 'model'}: cannot be written (No space left on device (os error 28))"]
    with pytest.raises(Exception, match="another") as caught, filling(tmp_path / "model"):
        raise Exception("another")
    assert type(caught.value) is Exception
    assert names(tmp_path) == []


def test_a_directory_may_have_directories_in_it(tmp_path):
    with filling(tmp_path / "model") as new:
        (new / "additional_chat_templates" / "deep").mkdir(parents=True)
        (new / "additional_chat_templates" / "deep" / "tool.jinja").touch(mode=0o600)
    install_directory(tmp_path / "model")
    found = tmp_path / "model" / "additional_chat_templates" / "deep" / "tool.jinja"
    assert os.name == "nt" or found.stat().st_mode & 0o400


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_folder_that_cannot_be_waited_for_is_not_unless_its_disk_is_broken(tmp_path, monkeypatch, number):
    fsync = os.fsync

    def patched(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", patched)
    with nullcontext() if number != errno.EIO else pytest.raises(OSError):
        write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o007])
def test_files_of_a_directory_may_be_read_by_whom_the_umask_lets(tmp_path, umask):
    before = os.umask(umask)
    try:
        with filling(tmp_path / "model") as new:
            (new / "weights").touch(mode=0o600)
        assert new.joinpath("weights").stat().st_mode & 0o777 == 0o666 & ~umask
    finally:
        os.umask(before)


def test_sweeping_removes_what_is_half_and_gives_back_what_is_whole(tmp_path):
    (tmp_path / ".file.new").write_bytes(b"half")
    (tmp_path / "file").write_bytes(b"whole")
    for name in (".model.new", ".model.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config").write_text(name, encoding="utf-8")
    for name in ("file", "model", "not there"):
        sweep(tmp_path / name)
    assert names(tmp_path) == ["file", "model"]
    assert (tmp_path / "model" / "config").read_text(encoding="utf-8") == ".model.old"


# -- the lock on a directory -------------------------------------------------------------------------------------------


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
    assert (tmp_path / LOCK_FILE).exists()
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
    (tmp_path / LOCK_FILE).write_text("12345")
    lock_directory(tmp_path).release()


def test_a_directory_that_is_not_there_yet_is_made_and_locked_where_the_work_begins(tmp_path):
    folder = tmp_path / "deep" / "folder"
    with DirectoryLock(folder) as lock:
        assert not folder.parent.exists()
        lock.take()
        lock.take()
        with pytest.raises(UserError):
            lock_directory(folder)
    lock_directory(folder).release()


def test_a_directory_that_was_locked_before_is_locked_from_the_start(tmp_path):
    lock_directory(tmp_path).release()
    (tmp_path / LOCK_FILE).touch()
    with DirectoryLock(tmp_path):
        with pytest.raises(UserError):
            lock_directory(tmp_path)
        with pytest.raises(UserError), DirectoryLock(tmp_path):
            pass
    lock_directory(tmp_path).release()


def test_a_process_that_is_not_to_write_locks_nothing_and_makes_nothing(tmp_path):
    held = lock_directory(tmp_path)
    for folder in (tmp_path, tmp_path / "missing"):
        with DirectoryLock(folder, writes=False) as lock:
            lock.take()
    assert not (tmp_path / "missing").exists()
    held.release()


# -- the fingerprint of a file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (2 << 20) + 3])
def test_a_fingerprint_is_the_sha256_of_the_bytes(tmp_path, size):
    data = np.random.default_rng(size).bytes(size)
    (tmp_path / "file").write_bytes(data)
    assert fingerprint(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_one_changed_byte_changes_the_fingerprint(tmp_path):
    (tmp_path / "a").write_bytes(b"text,label\na,1\n")
    (tmp_path / "b").write_bytes(b"text,label\na,2\n")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")
