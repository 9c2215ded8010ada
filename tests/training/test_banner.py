import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

from toolkit.cli.console import Log
from toolkit.data.rows import Rejected
from toolkit.data.tables import Table
from toolkit.files.columns import Columns
from toolkit.tokens.dataset import TokenFacts, dataset_of
from toolkit.tokens.windows import Windows
from toolkit.training.banner import (
    StepCount,
    say_labels,
    say_lengths,
    say_machine,
    say_model,
    say_rows,
    say_steps,
    say_unused_names,
    say_windows,
)


def lines(say, *facts) -> list[str]:
    """Return what is printed of some facts, without the names that stand in front."""
    stream = io.StringIO()
    say(Log(stream), *facts)
    return [line[11:] for line in stream.getvalue().splitlines()]


def test_labels_are_listed_with_their_rows_and_many_of_them_not_all():
    assert lines(say_labels, ["con", "pro", "none"], np.array([0, 1, 1])) == ["con 1, pro 2, none 0"]
    (line,) = lines(say_labels, [str(number) for number in range(25)], np.arange(25))
    assert line.startswith("0 1, 1 1, ")
    assert line.endswith(", 19 1 and 5 more")
    assert lines(say_labels, ["a b", "a\nb", "a\tb"], np.array([0, 1, 2])) == [r"a b 1, a\nb 1, a\tb 1"]


def test_names_of_labels_that_no_row_has_are_told():
    assert lines(say_unused_names, []) == []
    assert lines(say_unused_names, ["2", "x\ny"]) == [r"--map_labels: no row has the label '2', 'x\ny'"]


def test_the_rows_of_a_file_are_told_and_why_the_first_few_are_left_out():
    rejected = [Rejected("t.csv", "line", line, f"label is '{line}\n'", {}) for line in range(2, 7)]
    frame = pd.DataFrame({"text": ["a"], "label": ["x"]})
    (first, *others) = lines(say_rows, "data", Table(Path("t.csv"), frame, rejected, [], Columns(), ""))
    assert first == "t.csv: 6 rows = 1 used + 5 rejected"
    assert others == [*(f"    left out: line {line}: label is '{line} '" for line in (2, 3, 4)), "    and 2 more"]


@pytest.mark.parametrize("truncation", ["longest_first", "head_tail"])
def test_the_lengths_are_told_and_what_helps_where_many_rows_are_truncated(truncation):
    lengths = np.arange(1, 101)
    options = "--max_length, --truncation head_tail or --long_texts windows"
    advice = f"many rows lose their end: a higher {options} may score better"
    expected = ["median 51, 90% 91, 99% 100, longest 100", "--max_length 90 truncates 10.0% of the rows"]
    if truncation != "head_tail":
        expected.append(advice)
    assert lines(say_lengths, lengths, 90, truncation) == expected
    assert advice not in lines(say_lengths, lengths, 95, truncation)


def test_new_weights_are_named_and_files_that_are_not_read(tmp_path):
    assert lines(say_model, "a/b", "a/b", 1240, []) == ["a/b, 1,240 weights"]
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    assert lines(say_model, "m", str(tmp_path), 1240, ["classifier.weight", "classifier.bias"]) == [
        "m, 1,240 weights",
        "classifier.weight, classifier.bias are new: this model has yet to learn these labels",
        "not read, because pickles can run code: pytorch_model.bin",
    ]


def test_the_steps_are_those_of_all_epochs_and_the_padding_is_that_of_the_batches():
    count = StepCount(epochs=3, batch_size=4, seed=42, done_steps=2)
    lengths = np.array([5, 5, 5, 5, 9, 9, 9, 9, 2, 2])  # rows of one length come together
    dataset = dataset_of([np.zeros(length) for length in lengths], None, 0)
    stream = io.StringIO()
    model = SimpleNamespace(base_model=None)  # one that pads
    share = say_steps(Log(stream), model, dataset, count)
    padding, steps = (line[11:] for line in stream.getvalue().splitlines())
    assert padding.startswith(f"{share:.1%} of the tokens (padded batches in random order: ")
    assert steps == "9 (3 an epoch), 4 rows each, 2 of them done"


def test_windows_are_told_and_padded_with_those_of_like_length():
    counts = np.array([40, 12, 5, 100])
    windows = Windows(stride=2, max_windows=4)
    facts = TokenFacts(counts, counts, 0.0, 10 + 3 * 6)
    assert lines(say_windows, facts, np.array([4, 2, 1, 4]), 10, windows)[1:] == [
        "--long_texts windows: 3 rows of 4 are longer than 10; all rows become 11 windows, overlapping by 2",
        "longer than 4 windows (--max_windows): 2 rows, of which as many are read, evenly spaced",
    ]
    count = StepCount(epochs=3, batch_size=4, seed=42)
    row_ids = np.repeat(np.arange(4), [4, 2, 1, 5])
    lengths = [10, 10, 10, 5, 10, 5, 5, 10, 10, 10, 10, 5]  # of a batch of 12 windows, four times four and never mixed
    dataset = dataset_of([np.zeros(length) for length in lengths], None, 0, np.zeros(4, int), row_ids)
    share = say_steps(Log(None), SimpleNamespace(base_model=None), dataset, count)
    assert share == 0
    assert say_steps(Log(None), SimpleNamespace(base_model=None), dataset, replace(count, micro_batch_size=12)) > 0


@pytest.mark.parametrize(
    ("device", "processes", "expected"),
    [
        ("cpu", 1, "cpu in fp32, {threads}"), ("cpu", 2, "2 processes, cpu in fp32, {threads} each"),
        ("cuda:1", 1, "cuda:1 in fp32"), ("cuda:1", 2, "2 processes, cuda in fp32"),
    ],
)  # fmt: skip
def test_the_machine_is_told_with_its_threads_and_packages(device, processes, expected):
    count = torch.get_num_threads()
    threads = "1 thread" if count == 1 else f"{count} threads"
    (line,) = lines(say_machine, torch.nn.Linear(1, 1), torch.device(device), processes, "fp32")
    place = expected.format(threads=threads)
    assert line.startswith(f"{place}, torch {torch.__version__.split('+')[0]}")
    assert line.endswith(f", transformers {transformers.__version__}")
