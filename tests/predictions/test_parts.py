import json
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import interrupted
from toolkit.base.errors import UserError
from toolkit.predictions.parts import Parts
from toolkit.predictions.writers import TextWriter

MADE_FROM = {"input": "aa", "read_as": ["csv", ["text"]]}
WINDOWS = [b"a\n", b"b\n", b"c\n"]


@pytest.fixture
def form() -> TextWriter:
    return TextWriter("csv", ["text"])


def write(output, form, made_from: dict = MADE_FROM) -> list[int]:
    """Write the windows that are not there yet, join them, and return which those were."""
    parts = Parts(output, made_from)
    try:
        fresh = [number for number in range(3) if not parts.path(number).exists()]
        for number in fresh:
            parts.write(number, WINDOWS[number])
        parts.join(3, form)
    finally:
        parts.lock.release()
    return fresh


def test_windows_become_the_output_and_nothing_stays_beside_it(tmp_path, form):
    assert write(tmp_path / "p.csv", form) == [0, 1, 2]
    assert (tmp_path / "p.csv").read_bytes() == form.header + b"".join(WINDOWS)
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


@pytest.mark.parametrize("changed", [{"input": "bb"}, {"read_as": ["txt", ["text"]]}, {"more": 1}])
def test_parts_of_something_else_are_made_anew(tmp_path, form, changed):
    parts = Parts(tmp_path / "p.csv", MADE_FROM)
    parts.write(0, b"old\n")
    parts.lock.release()
    assert write(tmp_path / "p.csv", form, MADE_FROM | changed) == [0, 1, 2]
    assert b"old" not in (tmp_path / "p.csv").read_bytes()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    folder = tmp_path / "reviews.csv.parts"
    folder.mkdir()
    (folder / "part-1.csv").write_text("mine")
    with pytest.raises(UserError, match="already exists and is not infer.py's"):
        Parts(tmp_path / "reviews.csv", MADE_FROM)
    assert (folder / "part-1.csv").read_text() == "mine"


def finished(output: Path) -> list[int]:
    """Return the windows that the parts of an output hold."""
    folder = output.with_name(f"{output.name}.parts")
    if (folder / "made_from.json").exists():
        assert json.loads((folder / "made_from.json").read_text()) == MADE_FROM
    return [number for number in range(3) if (folder / f"{number:07d}").exists()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")
@pytest.mark.parametrize("fails", [False, True])
def test_whenever_it_ends_the_next_run_finds_the_finished_windows_and_writes_the_same_bytes(tmp_path, form, fails):
    output = tmp_path / "run" / "p.csv"
    whole, seen = form.header + b"".join(WINDOWS), set()
    for _ in interrupted(lambda: write(output, form), lambda: shutil.rmtree(output.parent, ignore_errors=True), fails):
        windows, was_there = finished(output), output.exists()
        assert not was_there or output.read_bytes() == whole
        seen.add(len(windows))
        fresh = write(output, form)
        assert was_there or fresh == [number for number in range(3) if number not in windows]
        assert output.read_bytes() == whole
        assert [path.name for path in output.parent.iterdir()] == ["p.csv"]
    assert seen == {0, 1, 2, 3}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of a process need fork")
@pytest.mark.parametrize("fails", [False, True])
def test_runs_that_end_ever_later_one_after_the_other_get_there_in_the_end(tmp_path, form, fails):
    output = tmp_path / "run" / "p.csv"
    before: list[int] = []
    for _ in interrupted(lambda: write(output, form), lambda: output.unlink(missing_ok=True), fails):
        assert not output.exists() or output.read_bytes() == form.header + b"".join(WINDOWS)
        assert output.exists() or set(before) <= set(finished(output))
        before = [] if output.exists() else finished(output)
    assert output.read_bytes() == form.header + b"".join(WINDOWS)
    assert [path.name for path in output.parent.iterdir()] == ["p.csv"]
