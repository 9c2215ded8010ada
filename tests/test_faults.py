"""What may happen to a run, done to real processes: signals, full and read-only disks, too little memory, and more."""

import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import torch.distributed.run
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from benchmarks.forked import differences, result
from benchmarks.small_chinese_bert import wordpiece_tokenizer
from tests.base.test_disk import holder
from tests.conftest import ROOT, WORDS, ended, processes, script, started, wait_for
from toolkit.cli.exits import EXIT_STOPPED
from toolkit.runs.checkpoint import read_state

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts and limits are Linux's here")
# Lets a script take only so much more memory, in megabytes, from when the first rows go through the model on.
LIMITED = """
import re, resource
import utils

batch_tensors = utils.batch_tensors

def limited(*args):
    utils.batch_tensors = batch_tensors
    now = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (now + (MEGABYTES << 20),) * 2)
    return batch_tensors(*args)

utils.batch_tensors = limited
"""
# What hooks of ours begin with: something of a script replaced, so that what happens to it does so at a certain place.
HOOKED = """
import functools, os, signal
import utils
"""


def options(reviews: Path, model: Path, output: Path, *more: object) -> list[str]:
    usual = {"data_dir": reviews, "model": model, "output_dir": output, "test_file": reviews / "testset.csv"}
    rates = {"learning_rate": "3e-3", "batch_size": 8, "epochs": 12, "precision": "fp32", "device": "cpu"}
    rates |= {"pooling": "own", "head_start": "random"}  # no pass before the first step, so that hooks can count
    given = [str(word) for name, value in {**usual, **rates}.items() for word in (f"--{name}", value)]
    return given + [str(word) for word in more]


def evaluated(output: Path) -> bool:
    return (output / "metrics.jsonl").exists()


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, english_bert):
    """What a run leaves that nothing happens to, by the folder of its data."""
    found = {}

    def run(reviews: Path) -> dict:
        if "result" not in found:
            output = tmp_path_factory.mktemp("undisturbed") / "output"
            script("main.py", *options(reviews, english_bert, output))
            found["result"] = result(output)
        return found["result"]

    return run


def same_but_for_places(expected: dict, found: dict) -> list[str]:
    """Return what differs between two results whose data lies in different folders."""
    return [
        name for name in differences(expected, found) if not name.endswith(("run.json", "state.json", "metrics.json"))
    ]


# -- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1], ids=lambda number: number.name)
def test_a_run_that_a_signal_stops_says_how_to_go_on_and_comes_to_the_same_end(
    reviews, english_bert, tmp_path, undisturbed, number
):
    output = tmp_path / "out put"
    with started("main.py", *options(reviews, english_bert, output)) as process:
        wait_for(process, lambda: evaluated(output))
        process.send_signal(number)
        _, error = process.communicate(timeout=120)
    assert process.returncode == EXIT_STOPPED, error
    step = read_state(output / "checkpoint").progress.step
    assert 8 <= step < 96
    line = re.fullmatch(rf"stopped by {number.name}; step {step} is saved. To continue: python (.*)\n", error)
    script(*shlex.split(line[1]))
    assert same_but_for_places(undisturbed(reviews), result(output)) == []


IN_AN_EVALUATION = """
predict_logits, evaluations = utils.predict_logits, []

def patched(predictor, dataset, on_batch):
    evaluations.append(1)
    def told(rows):
        if len(evaluations) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        on_batch(rows)
    return predict_logits(predictor, dataset, told)

utils.predict_logits = patched
"""


def test_an_evaluation_is_not_waited_for_and_is_done_anew(reviews, english_bert, tmp_path, undisturbed):
    output = tmp_path / "o"
    done = script(
        "main.py", *options(reviews, english_bert, output), before=HOOKED + IN_AN_EVALUATION, status=EXIT_STOPPED
    )
    assert "stopped by SIGTERM; step 16 is saved" in done.stderr
    assert [entry["step"] for entry in read_state(output / "checkpoint").progress.history] == [8]
    script("main.py", "--output_dir", output, "--resume")
    assert same_but_for_places(undisturbed(reviews), result(output)) == []


TWICE = """
add_gradient = utils._add_gradient

def patched(learner, *rest):
    if learner.step == 20:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    return add_gradient(learner, *rest)

utils._add_gradient = patched
"""


def test_a_second_interrupt_ends_a_run_at_once_and_the_last_save_is_whole(reviews, english_bert, tmp_path, undisturbed):
    output = tmp_path / "o"
    done = script("main.py", *options(reviews, english_bert, output), before=HOOKED + TWICE, status=130)
    assert done.stderr == "error: interrupted\n"
    assert read_state(output / "checkpoint").progress.step == 16
    script("main.py", "--output_dir", output, "--resume")
    assert same_but_for_places(undisturbed(reviews), result(output)) == []


@contextmanager
def torchrun(count: int, *words: object):
    """Start a script by torchrun, told to pass on SIGUSR1 where it can, as a list of the one process that it is."""
    passes_on = ["--signals_to_handle", "SIGTERM,SIGUSR1"] if PASSES_ON else []
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", count, *passes_on]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(list(map(str, [*command, ROOT / words[0], *words[1:]])), cwd=ROOT, **pipes) as process:
        try:
            yield [process]
        finally:
            process.terminate()


PASSES_ON = "--signals_to_handle" in inspect.getsource(torch.distributed.run)
STARTS = [(processes, "SIGUSR1"), (processes, "SIGTERM"), (torchrun, "SIGUSR1" if PASSES_ON else "SIGTERM")]


def test_a_signal_to_one_of_two_processes_or_to_torchrun_stops_both_and_they_go_on_to_the_same_end(
    reviews, english_bert, tmp_path
):
    output, steps = tmp_path / "o", [0]

    def saved() -> int:
        state = read_state(output / "checkpoint") if (output / "checkpoint").is_dir() else None
        return state.progress.step if state else 0

    for start, name in STARTS:
        with start(2, "main.py", *options(reviews, english_bert, output, "--resume")) as begun:
            wait_for(begun[-1], lambda: saved() > steps[-1])
            begun[-1].send_signal(getattr(signal, name))
            ends = ended(begun)
        assert all(status != 0 for status, _ in ends)
        errors = "".join(error for _, error in ends)
        said = re.findall(
            r"stopped by (\w+); step (\d+) is saved\. To continue: the same launcher and main\.py", errors
        )
        assert said == [(name, str(saved()))], errors
        assert "error: " not in errors
        steps.append(saved())
    assert steps == sorted(set(steps))
    assert steps[-1] < 96
    for folder, more in ((output, ["--resume"]), (tmp_path / "whole", [])):
        with processes(2, "main.py", *options(reviews, english_bert, folder, *more)) as begun:
            ends = ended(begun)
        assert [status for status, _ in ends] == [0, 0], ends
    assert same_but_for_places(result(tmp_path / "whole"), result(output)) == []


def test_a_signal_before_the_training_begins_leaves_nothing(reviews, english_bert, tmp_path):
    with started("main.py", *options(reviews, english_bert, tmp_path / "o")) as process:
        process.stdout.readline()  # what data is read
        process.terminate()
        _, error = process.communicate(timeout=120)
    assert (process.returncode, error.count("\n")) == (EXIT_STOPPED, 1), error
    assert error.startswith("stopped by SIGTERM")
    assert not (tmp_path / "o").exists()


def test_a_stopped_inference_keeps_its_parts_and_no_temporary_file(reviews, english_bert, tmp_path):
    output = tmp_path / "o"
    script("main.py", *options(reviews, english_bert, output, "--epochs", 1))
    (tmp_path / "tmp").mkdir()
    rows = "".join(f"the food was good {i}\n" for i in range(20_000))
    words = ["--model_dir", output / "bert_classifier", "--input_file", "-", "--output_file", tmp_path / "p" / "p.tsv"]
    with started("infer.py", *words, environment={"TMPDIR": str(tmp_path / "tmp")}) as process:
        process.stdin.write(rows)
        process.stdin.close()
        wait_for(process, lambda: (tmp_path / "p" / "p.tsv.parts" / "0000001").exists())
        process.terminate()
        _, error = process.communicate(timeout=120)
    assert process.returncode == EXIT_STOPPED, error
    assert names(tmp_path / "p") >= {"p.tsv.parts/0000000", "p.tsv.parts/0000001"}
    assert list((tmp_path / "tmp").iterdir()) == []
    assert "of them by an earlier run" in script("infer.py", *words, input=rows).stderr


# -- disks and files --------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own: a folder, and a function that mounts it anew with these options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(how: str) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", how, "tmpfs", folder], capture_output=True, encoding="utf-8"
        )
        if done.returncode:
            pytest.skip(f"no disk may be mounted here ({done.stderr.strip()})")

    yield folder, mount
    subprocess.run(["umount", "-l", folder], capture_output=True)


@LINUX
def test_a_full_disk_ends_a_run_in_one_line_and_with_room_it_goes_on_to_the_same_end(
    reviews, english_bert, disk, undisturbed
):
    folder, mount = disk
    mount("size=560k")  # enough for a model and a save of the state, but not for two saves
    output = folder / "o"
    done = script("main.py", *options(reviews, english_bert, output), status=2)
    assert re.fullmatch(r"error: .*No space left on device.*\n", done.stderr), done.stderr
    assert not [name for name in names(output) if Path(name).name.startswith(".") and name != ".lock"]
    read_state(output / "checkpoint")
    mount("remount,size=20m")
    script("main.py", "--output_dir", output, "--resume")
    assert same_but_for_places(undisturbed(reviews), result(output)) == []


@LINUX
def test_a_disk_that_cannot_be_written_to_is_one_line(reviews, english_bert, disk):
    folder, mount = disk
    mount("ro,size=1m")
    done = script("main.py", *options(reviews, english_bert, folder / "o"), status=2)
    assert re.fullmatch(rf"error: {folder}/o: Read-only file system\n", done.stderr), done.stderr


@LINUX
def test_a_log_that_cannot_be_written_to_ends_a_run_in_one_line(reviews, english_bert, tmp_path):
    output = tmp_path / "o"
    output.mkdir()
    (output / "train.log").symlink_to("/dev/full")
    done = script("main.py", *options(reviews, english_bert, output), status=2)
    assert re.fullmatch(r"error: .*No space left on device\n", done.stderr), done.stderr
    assert (output / "checkpoint" / "state.json").exists()
    (output / "train.log").unlink()
    script("main.py", "--output_dir", output, "--resume", "--epochs", 12)


@LINUX
def test_a_file_that_may_not_grow_so_large_ends_a_run_in_one_line(reviews, english_bert, tmp_path, undisturbed):
    output = tmp_path / "o"
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))"
    done = script("main.py", *options(reviews, english_bert, output), status=2, before=small)
    assert re.fullmatch(r"error: .*File too large.*\n", done.stderr), done.stderr
    assert not [name for name in names(output) if Path(name).name.startswith(".") and name != ".lock"]
    assert not (output / "bert_classifier").exists()
    script("main.py", "--output_dir", output, "--resume")
    assert same_but_for_places(undisturbed(reviews), result(output)) == []


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory, english_bert) -> Path:
    """The model directory of a run of one epoch on two rows."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "t.csv").write_text("text,label\nthe food was good,pro\nthe bed was bad,con\n")
    words = {"train_file": folder / "t.csv", "valid_file": folder / "t.csv", "model": english_bert, "epochs": 1}
    script(
        "main.py",
        "--output_dir",
        folder / "o",
        *(word for name, value in words.items() for word in (f"--{name}", value)),
    )
    return folder / "o" / "bert_classifier"


def rows_of(path: Path, count: int, *more: str) -> Path:
    lines = ["id,text", *(f"{i},the food was {'very ' * (i % 9)}good" for i in range(count)), *more]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def inference(model_dir: Path, given: Path, output: Path) -> list[object]:
    return ["--model_dir", model_dir, "--input_file", given, "--output_file", output, "--device", "cpu"]


@LINUX
@pytest.mark.parametrize(("room", "parts"), [("450k", 1), ("1600k", 3)])
def test_a_full_disk_ends_an_inference_in_one_line_and_with_room_it_goes_on(model_dir, disk, tmp_path, room, parts):
    folder, mount = disk
    mount(f"size={room}")
    words = inference(model_dir, rows_of(tmp_path / "rows.csv", 12_000), folder / "p.csv")
    done = script("infer.py", *words, status=2)
    assert re.fullmatch(r"error: .*No space left on device\n", done.stderr), done.stderr
    kept = {".lock", "made_from.json", *(f"{number:07d}" for number in range(parts))}
    assert names(folder / "p.csv.parts") == kept
    assert not (folder / "p.csv").exists()
    mount("remount,size=20m")
    done = script("infer.py", *words)
    assert f"({min(4096 * parts, 12_000):,} of them by an earlier run)" in done.stderr
    script("infer.py", *inference(model_dir, tmp_path / "rows.csv", tmp_path / "p.csv"))
    assert (folder / "p.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()
    assert names(folder) == {"p.csv"}


def test_an_input_that_is_gone_in_the_middle_is_one_line_and_the_parts_stay(model_dir, tmp_path):
    given, copy = rows_of(tmp_path / "rows.csv", 9_000, "9000,"), tmp_path / "copy.csv"
    shutil.copy(given, copy)
    words = [*inference(model_dir, given, tmp_path / "p.csv"), "--on_bad_rows", "skip"]
    with started("infer.py", *words) as process:
        wait_for(process, lambda: (tmp_path / "p.csv.parts" / "0000000").exists())
        given.unlink()
        _, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (2, f"error: {given}: cannot be read (No such file or directory)\n")
    assert not (tmp_path / "p.csv").exists()
    assert "0000000" in names(tmp_path / "p.csv.parts")
    shutil.copy(copy, given)
    assert "by an earlier run" in script("infer.py", *words).stderr
    assert (tmp_path / "p.csv").read_text(encoding="utf-8").count("\n") == 9_001


@LINUX
def test_a_second_inference_into_a_file_is_refused_until_the_first_is_dead(model_dir, tmp_path):
    words = inference(model_dir, rows_of(tmp_path / "rows.csv", 9_000), tmp_path / "p.csv")
    with started("infer.py", *words) as process:
        wait_for(process, lambda: (tmp_path / "p.csv.parts" / "0000000").exists())
        process.send_signal(signal.SIGSTOP)
        done = script("infer.py", *words, status=2)
        assert done.stderr.startswith(f"error: {tmp_path / 'p.csv.parts'}: another run is writing there")
        assert done.stderr.count("\n") == 1
        process.kill()
    assert "by an earlier run" in script("infer.py", *words).stderr
    assert (tmp_path / "p.csv").read_text(encoding="utf-8").count("\n") == 9_001


# Gives a model directory another FILE, from OTHER, after its run.json was read and before the model is loaded.
REPLACED = """
import shutil
from pathlib import Path
import utils

load_model = utils.load_model

def patched(folder, *more):
    shutil.copy(Path(OTHER) / FILE, Path(folder) / FILE)
    return load_model(folder, *more)

utils.load_model = patched
"""


@pytest.mark.parametrize("name", ["run.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("given", ["file", "text", "test_code.py"])
def test_a_model_that_is_replaced_while_it_is_read_is_refused(model_dir, tmp_path, name, given):
    ours, other = (shutil.copytree(model_dir, tmp_path / folder) for folder in ("ours", "other"))
    (other / "run.json").write_bytes(b" " + (other / "run.json").read_bytes())
    rows = rows_of(tmp_path / "rows.csv", 10)
    (tmp_path / "test.csv").write_text("text,label\nthe food,pro\nthe bed,con\n")
    words = {
        "file": ["infer.py", *inference(ours, rows, tmp_path / "p.csv")],
        "text": ["infer.py", "--model_dir", ours, "--text", "the food", "--device", "cpu"],
        "test_code.py": ["test_code.py", "--model_dir", ours, "--test_file", tmp_path / "test.csv", "--device", "cpu"],
    }[given]
    before = REPLACED.replace("OTHER", repr(str(other))).replace("FILE", repr(name))
    done = script(*words, status=2, before=before)
    assert done.stderr == f"error: --model_dir {ours}: the model was replaced while it was read; start again\n"
    assert not (tmp_path / "p.csv").exists()
    assert not (tmp_path / "p.csv.parts").exists()
    script(*words)


ONE_PART = """
from toolkit.predictions.parts import Parts

write = Parts.write

def patched(self, number, data):
    write(self, number, data)
    os._exit(9)

Parts.write = patched
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows forks nothing")
def test_the_parts_of_an_input_are_not_taken_for_those_of_the_same_bytes_read_otherwise(model_dir, tmp_path):
    lines = ["text", *(f"the food was {'very ' * (i % 9)}good" for i in range(5_000))]
    given = "\n".join(lines) + "\n"
    words = ["--model_dir", model_dir, "--input_file", "-", "--output_file", tmp_path / "p.csv", "--device", "cpu"]
    script("infer.py", *words, "--input_format", "txt", input=given, before=HOOKED + ONE_PART, status=9)
    done = script("infer.py", *words, "--input_format", "csv", input=given)
    assert "5,000 rows = 5,000 predicted + 0 rejected" in done.stderr
    found = (tmp_path / "p.csv").read_text().splitlines()
    assert found[0].startswith("text,prediction,")
    assert [line.split(",")[0] for line in found] == lines


def test_data_may_be_deleted_while_a_run_goes_on(reviews, english_bert, tmp_path, undisturbed):
    output = tmp_path / "o"
    with started("main.py", *options(reviews, english_bert, output)) as process:
        wait_for(process, lambda: evaluated(output))
        expected = undisturbed(shutil.copytree(reviews, tmp_path / "copy"))
        shutil.rmtree(reviews)
        _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert same_but_for_places(expected, result(output)) == []


# -- memory and numbers -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """A data folder of 256 rows of 55 tokens, all of which are one batch."""
    folder = tmp_path_factory.mktemp("many")
    rows = [
        (f"{'very ' * 50}{('good', 'bad')[i % 2]} {('food', 'room', 'bed')[i % 3]}", ("pro", "con")[i % 2])
        for i in range(256)
    ]
    for name, part in (("trainset", rows), ("validset", rows), ("testset", rows)):
        (folder / f"{name}.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in part))
    return folder


@pytest.fixture(scope="module")
def wide(tmp_path_factory) -> Path:
    """A BERT whose memory is in few large tensors, which a process gives back to the system when they are freed."""
    folder = tmp_path_factory.mktemp("wide")
    config = BertConfig(
        vocab_size=len(WORDS) + 5, hidden_size=16, num_hidden_layers=2, num_attention_heads=1, intermediate_size=8192,
        max_position_embeddings=4096,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    wordpiece_tokenizer(WORDS, positions=4096).save_pretrained(folder)
    return folder


def limited(megabytes: int, name: str, *words: object, status: int = 0) -> subprocess.CompletedProcess:
    """Run a script that may take so much more memory than its packages do."""
    return script(name, *words, status=status, before=LIMITED.replace("MEGABYTES", str(megabytes)))


@LINUX
def test_a_batch_that_does_not_fit_the_memory_is_cut_up_with_the_same_result(many, wide, tmp_path):
    words = ["--batch_size", 256, "--epochs", 2, "--dropout", 0]
    free, tight = tmp_path / "free", tmp_path / "tight"
    script("main.py", *options(many, wide, free, *words))
    untested = [word for word in options(many, wide, tight, *words) if not word.endswith(("test_file", "testset.csv"))]
    done = limited(1000, "main.py", *untested)  # loading the model to test it takes threads, which take memory too
    said = re.findall(r"out of memory with ([\d,]+) rows at once; continuing with ([\d,]+)", done.stdout)
    assert said
    assert said[0] == ("256", "128")
    found = [
        [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()] for output in (free, tight)
    ]
    for one, other in zip(*found, strict=True):
        assert one["step"] == other["step"]
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-4)
        assert one["valid_loss"] == pytest.approx(other["valid_loss"], abs=1e-4)
    saved = read_state(tight / "checkpoint")
    assert saved.progress.row_limit == int(said[-1][1].replace(",", ""))
    assert saved.facts.options["micro_batch_size"] is None
    assert json.loads((tight / "bert_classifier" / "run.json").read_text())["options"]["micro_batch_size"] is None
    for name, file in (("test_code.py", "--test_file"), ("infer.py", "--input_file")):
        more = ["--output_dir", tmp_path] if name == "test_code.py" else ["--output_file", tmp_path / "p.csv"]
        model = ["--model_dir", free / "bert_classifier", "--batch_size", 256, "--device", "cpu"]
        done = limited(400, name, *model, file, many / "testset.csv", *more)
        assert "out of memory with 256 rows at once; continuing with 128" in done.stdout + done.stderr


@LINUX
def test_a_row_that_does_not_fit_the_memory_by_itself_is_one_line(wide, tmp_path):
    text = "the food " * 2000
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"{text}{w},{w}\n" for w in ("good", "bad") * 2))
    given = {"train_file": tmp_path / "t.csv", "valid_file": tmp_path / "t.csv", "model": wide}
    given |= {"pooling": "own", "head_start": "random"}
    more = [str(word) for name, value in given.items() for word in (f"--{name}", value)]
    done = limited(60, "main.py", *more, "--output_dir", tmp_path / "o", "--precision", "fp32", status=2)
    said = re.findall(r"out of memory with (\d) rows at once; continuing with (\d)", done.stdout)
    assert said == [("4", "2"), ("2", "1")]
    line = r"error: out of memory with a single row at once \(.*memory.*\); a smaller --max_length needs less\n"
    assert re.fullmatch(line, done.stderr), done.stderr


# Something happens where a model is loaded to explain errors: the second of test_code.py, of each seed main.py's third,
# after the one that main.py loads to try what it needs.
EXPLAINING = """
import re, resource
import transformers

loader, loads = transformers.AutoModelForSequenceClassification, []
from_pretrained = loader.from_pretrained

def patched(*words, **options):
    loads.append(1)
    if len(loads) <= TRIED or (len(loads) - TRIED) % LOADS:
        return from_pretrained(*words, **options)
    HAPPENS

loader.from_pretrained = patched
"""
TRIED = {"main.py": 1, "test_code.py": 0}
LOADS = {"main.py": 3, "test_code.py": 2}
# Only so much more memory can be had from then on, in megabytes.
TIGHT = r"""
    loaded = from_pretrained(*words, **options)
    now = int(re.search(r"VmSize:\s+(\d+)", open("/proc/self/status").read())[1]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (now + (MEGABYTES << 20),) * 2)
    return loaded
"""
MARKED = re.compile('<span class="word [pn][1-5]">')


def explaining(name: str, happens: str) -> str:
    """Return code that does something where a script has its errors explained."""
    return (
        EXPLAINING.replace("TRIED", str(TRIED[name]))
        .replace("LOADS", str(LOADS[name]))
        .replace("    HAPPENS", happens.strip("\n"))
    )


def turned(path: Path) -> Path:
    """Write a copy of a labelled file in which every label is the other one, so that a good model has errors."""
    copy = path.with_name("turned.csv")
    other = {"pro": "con", "con": "pro"}
    rows = [line.rpartition(",") for line in path.read_text().splitlines()]
    copy.write_text("".join(f"{text},{other.get(label, label)}\n" for text, _, label in rows))
    return copy


def test_memory_that_runs_out_while_errors_are_explained_costs_the_report_its_words_and_nothing_else(
    reviews, english_bert, tmp_path
):
    test_file, output = turned(reviews / "testset.csv"), tmp_path / "o"
    words = ["--epochs", 2, "--seeds", 2, "--test_file", test_file, "--report_language", "zh"]
    hook = explaining("main.py", "    raise MemoryError")
    done = script("main.py", *options(reviews, english_bert, output, *words), before=hook)
    line = re.compile(r"^report\.html comes without explanations: out of memory .*MemoryError.*$", re.MULTILINE)
    assert len(line.findall(done.stdout)) == 2
    assert [run["seed"] for run in json.loads((output / "seeds.json").read_text())["runs"]] == [42, 43]
    words = ["--model_dir", output / "bert_classifier", "--test_file", test_file, "--device", "cpu", "--output_dir"]
    script("test_code.py", *words, tmp_path / "free")
    hook = explaining("test_code.py", "    raise MemoryError")
    done = script("test_code.py", *words, tmp_path / "short", before=hook)
    assert len(line.findall(done.stdout)) == 1
    english, chinese = "No words are marked: there was too little memory", "没有标出起作用的词：内存不足"
    expected = {output: (False, False, True), tmp_path / "short": (False, True, False)}
    for folder, signs in {**expected, tmp_path / "free": (True, False, False)}.items():
        page = (folder / "test" / "report.html").read_text(encoding="utf-8")
        assert (bool(MARKED.search(page)), english in page, chinese in page) == signs
        assert page.count('class="wrong"') > 5
    scored = [(tmp_path / name / "test" / "predictions.csv").read_bytes() for name in ("short", "free")]
    assert scored[0] == scored[1]


@LINUX
def test_with_little_memory_errors_are_explained_a_few_at_once_and_a_row_that_is_too_long_not_at_all(
    many, wide, tmp_path
):
    short, long, output = turned(many / "testset.csv"), tmp_path / "long.csv", tmp_path / "o"
    long.write_text("text,label\n" + "".join(f"{'the food ' * 1500}{word},{word}\n" for word in ("pro", "con")))
    tight = TIGHT.replace("MEGABYTES", "150")
    line = re.compile(r"^report\.html comes without explanations: out of memory with a single row.*$", re.MULTILINE)

    def marked(folder: Path) -> bool:
        return bool(MARKED.search((folder / "test" / "report.html").read_text(encoding="utf-8")))

    words = options(many, wide, output, "--epochs", 1, "--batch_size", 32, "--test_file", long)
    done = script("main.py", *words, before=explaining("main.py", tight))
    assert (len(line.findall(done.stdout)), marked(output)) == (1, False)
    for file, lines in ((short, 0), (long, 1)):
        words = ["--model_dir", output / "bert_classifier", "--output_dir", tmp_path / file.stem, "--device", "cpu"]
        done = script("test_code.py", *words, "--test_file", file, before=explaining("test_code.py", tight))
        assert (len(line.findall(done.stdout)), marked(tmp_path / file.stem)) == (lines, not lines)
        assert ("out of memory with 18 rows at once; continuing with 9" in done.stdout) == (not lines)


# Says what is held of training when a model is loaded to score the test file; of several processes, when each gets it.
HELD = """
import gc, sys
import torch, transformers
from toolkit.layers.touched_rows import TouchedRows

def say():
    objects = gc.get_objects()
    held = {type(each).__name__ for each in objects if issubclass(type(each), KINDS)}
    weights = [each for each in objects if type(each) is torch.nn.Parameter and not each.is_meta]
    gradients = sum(weight.grad is not None for weight in weights)
    print(f"held: {sorted(held)}, {gradients} gradients, weights: {bool(weights)}", file=sys.stderr)

KINDS = (TouchedRows, torch.optim.Optimizer, torch.nn.parallel.DistributedDataParallel, torch.nn.DataParallel)
loader, module, loads = transformers.AutoModelForSequenceClassification, torch.nn.Module, []
from_pretrained, load_state_dict = loader.from_pretrained, module.load_state_dict

def patched(*words, **options):
    loads.append(1)
    if len(loads) == 3:  # after those that try it and train it
        say()
    return from_pretrained(*words, **options)

def patched_too(self, *words, **options):
    say()
    return load_state_dict(self, *words, **options)

loader.from_pretrained, module.load_state_dict = patched, patched_too
"""


def test_nothing_of_training_is_held_when_the_test_file_is_scored(reviews, english_bert, tmp_path):
    words = options(reviews, english_bert, tmp_path / "alone", "--epochs", 2)
    done = script("main.py", *words, before=HELD)
    assert "held: [], 0 gradients, weights: False\n" in done.stderr
    words = options(reviews, english_bert, tmp_path / "two", "--epochs", 2)
    with processes(2, "main.py", *words, before=HELD) as begun:
        ends = ended(begun)
    assert [status for status, _ in ends] == [0, 0], ends
    said = [re.findall("held: .*", error) for _, error in ends]
    nothing = "held: [], 0 gradients, weights: "
    assert said == [[nothing + "False"], [nothing + "True"]]  # into these come the best weights


BROKEN = """
from transformers import BertForSequenceClassification as Model

forward = Model.forward

@functools.wraps(forward)
def patched(self, input_ids=None, **rest):
    found = forward(self, input_ids=input_ids, **rest)
    if self.training and self.config.vocab_size == TOKENS:
        bad = (input_ids == WORD).any(1)[:, None]
        found.logits = found.logits.masked_fill(bad, float("nan"))
    return found

Model.forward = patched
"""


def test_the_rows_of_steps_that_are_no_number_are_named_with_their_lines(reviews, english_bert, tmp_path):
    lines = (reviews / "trainset.csv").read_text().splitlines()
    for number in (5, 40):
        lines[number - 1] = lines[number - 1].replace("the ", "we ")
    (reviews / "trainset.csv").write_text("\n".join(lines) + "\n")
    tokenizer = AutoTokenizer.from_pretrained(english_bert)
    texts = [text for name in ("trainset", "validset") for text in pd.read_csv(reviews / f"{name}.csv")["text"]]
    used = {number for ids in tokenizer(texts)["input_ids"] for number in ids} | set(tokenizer.all_special_ids)
    word = sorted(used).index(tokenizer.convert_tokens_to_ids("we"))  # a run numbers the tokens that its texts have
    hook = HOOKED + BROKEN.replace("WORD", str(word)).replace("TOKENS", str(len(used)))
    output = tmp_path / "o"
    words = ["--epochs", 2, "--max_bad_steps", 99]
    done = script("main.py", *options(reviews, english_bert, output, *words), before=hook)
    named = [[int(line) for line in found.split(", ")] for found in re.findall(r"its rows: .* lines (.*)", done.stdout)]
    assert all(len(batch) in (4, 8) for batch in named)
    assert all({5, 40} & {*batch} for batch in named)
    assert sorted(line for batch in named for line in batch if line in (5, 40)) == [5, 5, 40, 40]
    progress = read_state(output / "checkpoint").progress
    assert (progress.bad_steps, progress.step) == (len(named), 16)
    assert progress.history[-1]["train_loss"] > 0
    words = ["--epochs", 2, "--max_bad_steps", 0]
    done = script("main.py", *options(reviews, english_bert, tmp_path / "none", *words), before=hook, status=2)
    assert re.fullmatch(r"error: .* in 1 step \(--max_bad_steps 0\); .*\n", done.stderr)
    progress = read_state(tmp_path / "none" / "checkpoint").progress
    assert progress.bad_steps == 1
    assert 0 < progress.step < 8  # what was learned until then is not lost
    words = ["--output_dir", tmp_path / "none", "--resume", "--max_bad_steps", 99]
    script("main.py", *words, before=hook)
    assert same_but_for_places(result(output), result(tmp_path / "none")) == []


def test_a_run_whose_losses_are_no_numbers_names_their_rows_and_gives_up(reviews, english_bert, tmp_path):
    wild = ["--learning_rate", "1e30", "--warmup_ratio", 0, "--max_grad_norm", 0, "--max_bad_steps", 2]
    done = script("main.py", *options(reviews, english_bert, tmp_path / "o", *wild), status=2)
    assert re.fullmatch(r"error: the loss or its gradient was not a number in 3 steps .*\n", done.stderr), done.stderr
    log = (tmp_path / "o" / "train.log").read_text(encoding="utf-8")
    said = re.findall(
        r"step (\d+): the loss or its gradient is not a number.*\n +its rows: .*trainset.csv, lines ([\d, ]+)\n", log
    )
    assert [step for step, _ in said] == ["2", "3", "4"]
    for _, lines in said:
        assert len(set(lines.split(", "))) in (4, 8)  # the last batch is short
        assert {*map(int, lines.split(", "))} <= {*range(2, 62)}
    read_state(tmp_path / "o" / "checkpoint")


# -- two runs, one directory ------------------------------------------------------------------------------------------


def test_a_second_run_into_a_directory_is_refused_until_the_first_is_dead(reviews, english_bert, tmp_path, undisturbed):
    output = tmp_path / "o"
    with started("main.py", *options(reviews, english_bert, output)) as process:
        wait_for(process, lambda: evaluated(output))
        process.send_signal(signal.SIGSTOP)  # it is busy for as long as this takes
        for more in (["--resume"], ["--overwrite"]):
            done = script("main.py", *options(reviews, english_bert, output, *more), status=2)
            assert (
                done.stderr
                == f"error: {output}: another run is writing there; wait for it to end, or choose another directory\n"
            )
        process.kill()
    script("main.py", "--output_dir", output, "--resume")
    assert same_but_for_places(undisturbed(reviews), result(output)) == []


IN_THE_MIDDLE = """
import time
from pathlib import Path
from toolkit.report import results

write_scores = results.write_scores

def patched(folder, *rest, **how):
    written = write_scores(folder, *rest, **how)
    Path(folder, "waiting").touch()
    time.sleep(600)

results.write_scores = patched
"""


def test_scores_are_written_by_one_process_at_a_time_and_the_second_is_refused(
    reviews, english_bert, model_dir, tmp_path
):
    folder = tmp_path / "o" / "test"
    words = ["--model_dir", model_dir, "--data_dir", reviews, "--output_dir", tmp_path / "o", "--device", "cpu"]
    with started("test_code.py", *words, before=IN_THE_MIDDLE) as process:
        wait_for(process, (folder / "waiting").exists)
        before = names(folder)
        line = f"error: {folder}: another run is writing there; wait for it to end, or choose another directory\n"
        done = script("test_code.py", *words, status=2)
        assert done.stderr == line
        done = script("main.py", *options(reviews, english_bert, tmp_path / "o", "--epochs", 1), status=2)
        assert done.stderr == line
        assert names(folder) == before
        assert names(tmp_path / "o") == {".lock", "test", *(f"test/{name}" for name in before)}
        process.kill()
    script("test_code.py", *words)
    assert names(folder) == (before | {"report.html"})


def test_a_run_whose_scores_are_in_the_way_of_others_keeps_its_model_and_scores_it_later(
    reviews, english_bert, tmp_path
):
    output = tmp_path / "o"
    with started("main.py", *options(reviews, english_bert, output)) as process:
        wait_for(process, lambda: evaluated(output))
        (output / "test").mkdir()
        with holder(output / "test") as other:
            _, error = process.communicate(timeout=120)
            other.stdin.close()
    assert (
        error
        == f"error: {output / 'test'}: another run is writing there; wait for it to end, or choose another directory\n"
    )
    assert names(output / "test") == {".lock"}
    script("main.py", "--output_dir", output, "--resume")
    assert names(output / "test") >= {"metrics.json", "predictions.csv", "report.html"}


def test_scores_that_are_refused_leave_nothing_behind(reviews, model_dir, tmp_path):
    (reviews / "testset.csv").write_text("text,label\nthe food,neither\n")
    words = ["--model_dir", model_dir, "--data_dir", reviews, "--output_dir", tmp_path / "o", "--device", "cpu"]
    script("test_code.py", *words, status=2)
    assert not (tmp_path / "o").exists()


# -- a run in the place of another ------------------------------------------------------------------------------------

AT_STEP = """
add_gradient = utils._add_gradient

def patched(learner, *rest):
    if learner.step == STEP:
        os.kill(os.getpid(), signal.SIGNAL)
    return add_gradient(learner, *rest)

utils._add_gradient = patched
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory, english_bert):
    """What training further from a model of ours comes to where it does not replace it: a function of the data."""
    made = {}

    def run(reviews: Path) -> tuple[Path, dict]:
        if not made:
            folder = tmp_path_factory.mktemp("own")
            script("main.py", *options(reviews, english_bert, folder / "first", "--epochs", 1))
            further = options(reviews, folder / "first" / "bert_classifier", folder / "further", "--epochs", 3)
            script("main.py", *further)
            made["further"] = (folder / "first", result(folder / "further"))
        return made["further"]

    return run


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("step", "name"), [(3, "SIGTERM"), (3, "SIGKILL"), (20, "SIGKILL")])
def test_training_further_from_the_model_of_a_run_in_its_place_goes_on_from_wherever_it_was_stopped(
    reviews, english_bert, tmp_path, own, step, name
):
    first, expected = own(reviews)
    output = shutil.copytree(first, tmp_path / "o")
    before, files = content(output / "bert_classifier"), names(output)
    words = options(reviews, output / "bert_classifier", output, "--epochs", 3, "--overwrite")
    hook = HOOKED + AT_STEP.replace("STEP", str(step), 1).replace("SIGNAL", name)
    status = EXIT_STOPPED if name == "SIGTERM" else -signal.SIGKILL
    done = script("main.py", *words, before=hook, status=status)
    if step < 8:  # before the first evaluation, what was there is there still and is whole
        assert content(output / "bert_classifier") == before
        assert files >= names(output) - {f"checkpoint/state-{step + 1}.safetensors"}
    else:
        assert content(output / "bert_classifier") != before
    for other, more in (
        ("test_code.py", ["--output_dir", tmp_path]),
        ("infer.py", ["--output_file", tmp_path / "p.csv"]),
    ):
        script(other, "--model_dir", output / "bert_classifier", "--data_dir", reviews, "--device", "cpu", *more)
    if name == "SIGTERM":
        script(*shlex.split(done.stderr.partition("To continue: python ")[2]))
    else:
        script("main.py", "--output_dir", output, "--resume")
    assert same_but_for_places(expected, result(output)) == []


def test_several_runs_that_begin_with_the_model_that_the_best_of_them_replaces_all_begin_with_it(
    reviews, english_bert, tmp_path, own
):
    first, _ = own(reviews)
    output, several = shutil.copytree(first, tmp_path / "o"), ["--epochs", 2, "--seeds", 2, "--seed", 1]
    before = content(output / "bert_classifier")
    further = first / "bert_classifier"
    script("main.py", *options(reviews, further, tmp_path / "further", *several))
    words = options(reviews, output / "bert_classifier", output, *several, "--overwrite")
    for step, seed in ((12, 1), (3, 2)):
        hook = HOOKED + AT_STEP.replace("STEP", str(step), 1).replace("SIGNAL", "SIGKILL")
        hook = hook.replace("learner.step ==", f"learner.settings.seed == {seed} and learner.step ==")
        script("main.py", *words, before=hook, status=-signal.SIGKILL)
        assert content(output / "bert_classifier") == before
        words = ["--output_dir", output, "--resume"]
    script("main.py", *words)
    differing = same_but_for_places(result(tmp_path / "further"), result(output))
    assert {name for name in differing if not name.endswith("train.log")} == {"seeds.json"}  # it names the places


# -- the two checks of resuming, a few cases of each ------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [("resume.py", "--cases", "6"), ("kills.py", "--kills", "12")], ids=lambda words: words[0]
)
def test_stopped_and_killed_runs_come_to_the_same_end(command):
    name, *words = command
    assert re.search(r"\b0 (differ|ended differently)", script(f"benchmarks/{name}", *words).stdout)
