"""The scripts as several processes, started by torchrun: the same answers as one process gives."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ROOT, TOO_LONG, WORDS, ended, processes, script, wait_for
from tests.models.architectures import BY_NAME, save
from toolkit.base.languages import counted

FAST = ("--learning_rate", "3e-3", "--seed", "1", "--device", "cpu", "--precision", "fp32")


def torchrun(count: int, *more) -> list[str]:
    """Return the command that starts so many processes of what is appended to it."""
    alone = [] if "--nnodes" in more else ["--standalone"]
    command = [sys.executable, "-m", "torch.distributed.run", *alone, "--nproc_per_node", str(count)]
    return [*command, *map(str, more)]


def launch(count: int, name: str, *options) -> subprocess.CompletedProcess:
    """Run a script in several processes, none of which may fail, and return what the first one says."""
    if count == 1:
        return script(name, *options)
    with processes(count, name, *options) as started:
        said = [process.communicate(timeout=TOO_LONG) for process in started]
    assert [process.returncode for process in started] == [0] * count, said
    assert [text for text, _ in said[1:]] == [""] * (count - 1)
    return subprocess.CompletedProcess([name, *options], 0, *said[0])


def fail(count: int, *command, torchrun_options=()) -> list[str]:
    """Run a command in several processes by torchrun, which must fail, and return its lines that say why."""
    whole = [*torchrun(count, *torchrun_options), *map(str, command)]
    done = subprocess.run(whole, capture_output=True, encoding="utf-8", cwd=ROOT, timeout=TOO_LONG)
    assert (done.returncode, done.stdout) == (1, ""), done.stdout + done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "bert_classifier" / "model.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture
def trained(once, reviews, english_bert) -> Path:
    """The run directory of one process; batches of 7 rows, which 2, 3 and 4 do not divide, the last of 4."""

    def make(folder: Path) -> str:
        train(1, reviews, english_bert, folder / "one")
        return str(folder / "one")

    return Path(once("one process", make))


def train(count: int, reviews: Path, model: Path, output: Path, *more) -> subprocess.CompletedProcess:
    data = ("--data_dir", reviews, "--test_file", reviews / "testset.csv", "--model", model, "--output_dir", output)
    exact = ("--dropout", "0", "--adam_epsilon", "1e-4", "--batch_size", "7", "--epochs", "2")
    return launch(count, "main.py", *data, *exact, *FAST, *more)


# -- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "micro_batch_size"), [(2, 2), (4, None)])
def test_the_model_does_not_depend_on_the_processes(trained, folder, reviews, english_bert, count, micro_batch_size):
    output = folder / f"by {count}"
    more = ("--micro_batch_size", micro_batch_size) if micro_batch_size else ()
    done = train(count, reviews, english_bert, output, *more)
    for name, expected in weights(trained).items():
        torch.testing.assert_close(weights(output)[name], expected, atol=1e-5, rtol=0, msg=name)
    for line, other in zip(*(read_lines(run / "metrics.jsonl") for run in (trained, output)), strict=True):
        for name in ("epoch", "step", "accuracy", "macro_f1", "mcc"):
            assert line[name] == other[name]
        assert line["train_loss"] == pytest.approx(other["train_loss"], abs=1e-5)
    scores = [json.loads((run / "test" / "metrics.json").read_text()) for run in (trained, output)]
    assert scores[0]["rows"] == scores[1]["rows"] == 20
    assert scores[0]["confusion_matrix"] == scores[1]["confusion_matrix"]
    assert done.stdout.count("best so far") >= 1
    assert done.stdout.count("trained for") == 1
    assert f"{count} processes, cpu in fp32, 1 thread each" in done.stdout
    assert (output / "train.log").read_text() == done.stdout


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_process_that_is_killed_is_started_again_and_the_run_goes_on_to_the_same_weights(
    reviews, english_bert, tmp_path
):
    options = ("--data_dir", reviews, "--model", english_bert, "--save_steps", "3", "--epochs", "40", *FAST)
    launch(2, "main.py", *options, "--output_dir", tmp_path / "whole")
    command = [*torchrun(2, "--max_restarts", 2), str(ROOT / "main.py"), *map(str, options), "--resume"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [*command, "--output_dir", str(tmp_path / "killed")], stdout=said, stderr=said, cwd=ROOT
        )
    state = tmp_path / "killed" / "checkpoint" / "state.json"
    while process.poll() is None and not (state.exists() and json.loads(state.read_text())["progress"]["step"] > 20):
        time.sleep(0.01)
    os.kill(children(process.pid)[1], signal.SIGKILL)
    assert process.wait(timeout=300) == 0, (tmp_path / "said").read_text()
    assert "so a new one begins" in (tmp_path / "said").read_text()
    assert "of them done" in (tmp_path / "said").read_text()
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, in the order of their numbers."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, encoding="utf-8", check=True)
    return sorted(map(int, found.stdout.split()))


# -- scoring and predicting -------------------------------------------------------------------------------------------


def test_scores_do_not_depend_on_the_processes(trained, reviews, tmp_path):
    options = ("--model_dir", trained / "bert_classifier", "--data_dir", reviews, "--device", "cpu")
    shown = [launch(count, "test_code.py", *options, "--output_dir", tmp_path / f"{count}").stdout for count in (1, 3)]
    assert (tmp_path / "1/test/predictions.csv").read_bytes() == (tmp_path / "3/test/predictions.csv").read_bytes()
    assert (tmp_path / "1/test/metrics.json").read_bytes() == (tmp_path / "3/test/metrics.json").read_bytes()
    assert shown[0].splitlines()[2:-2] == shown[1].splitlines()[2:-2]


@pytest.mark.parametrize(("rows", "count"), [(0, 3), (1, 2), (3, 4), (1000, 3), (1001, 2), (1001, 4)])
def test_predictions_are_the_same_bytes_whatever_the_processes(trained, folder, tmp_path, rows, count):
    given, plain = folder / f"{rows}.csv", folder / f"{rows}.predictions.csv"
    texts = (f"the {WORDS[20 + i % 15]} was {'very ' * (i % 9)}good" for i in range(rows))
    given.write_text("id,text\n" + "".join(f"{i},{text}\n" for i, text in enumerate(texts)), encoding="utf-8")
    options = ("--model_dir", trained / "bert_classifier", "--input_file", given, "--device", "cpu")
    if not plain.exists():
        launch(1, "infer.py", *options, "--output_file", plain)
    done = launch(count, "infer.py", *options, "--output_file", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_bytes() == plain.read_bytes()
    assert done.stderr.count(f"{counted(rows, 'row')} = {rows:,} predicted + 0 rejected") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_a_pipe_is_answered_by_several_processes(trained):
    model = ("--model_dir", trained / "bert_classifier", "--input_file", "-", "--device", "cpu")
    lines = "".join(f"the {word} was good\n" for word in WORDS[20:30])
    command = [*torchrun(2), str(ROOT / "infer.py"), *map(str, model)]
    done = subprocess.run(command, input=lines, capture_output=True, encoding="utf-8", cwd=ROOT, check=True)
    assert done.stdout == script("infer.py", *model, input=lines).stdout
    assert done.stdout.count("\n") == 10


@pytest.mark.skipif(os.name == "nt", reason="Windows removes a temporary file when its process has ended")
@pytest.mark.parametrize("killed", [False, True])
def test_however_several_processes_end_nothing_of_a_pipe_stays_in_the_temporary_directory(
    trained, tmp_path, monkeypatch, killed
):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    model, output = ("--model_dir", trained / "bert_classifier", "--device", "cpu"), tmp_path / "p.tsv"
    rows = "the food was good\n" * 9_000 + ("" if killed else "the \0 bed\n")
    words = ("--input_file", "-", "--output_file", output, "--on_bad_rows", "stop")
    with processes(2, "infer.py", *model, *words) as (first, _):
        if killed:
            first.stdin.write(rows)
            first.stdin.close()
            wait_for(first, (tmp_path / "p.tsv.parts" / "0000000").exists)
            first.kill()
            assert first.wait() == -signal.SIGKILL
        else:
            _, error = first.communicate(rows, timeout=TOO_LONG)
            assert (first.returncode, error.count("\n")) == (2, 1)
            assert error.startswith("error: standard input, line 9001: text contains a NUL character")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_several_processes_have_left_is_finished_by_one(trained, tmp_path):
    texts = "".join(f"the {WORDS[20 + i % 15]} was {'very ' * (i % 9)}good\n" for i in range(9_000))
    (tmp_path / "rows.csv").write_text("text\n" + texts, encoding="utf-8")
    options = ("--model_dir", trained / "bert_classifier", "--input_file", tmp_path / "rows.csv", "--device", "cpu")
    launch(1, "infer.py", *options, "--output_file", tmp_path / "whole.csv")
    command = [*torchrun(2), str(ROOT / "infer.py"), *map(str, options), "--output_file", str(tmp_path / "p.csv")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT)
    first = tmp_path / "p.csv.parts" / "0000000"
    while process.poll() is None and not first.exists():
        time.sleep(0.005)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    assert process.wait(timeout=120) != 0
    assert not (tmp_path / "p.csv").exists()
    done = launch(1, "infer.py", *options, "--output_file", tmp_path / "p.csv")
    assert "by an earlier run" in done.stderr
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


# -- mistakes ---------------------------------------------------------------------------------------------------------


def test_a_model_whose_batches_have_rows_of_one_length_does_not_depend_on_the_processes(reviews, tmp_path):
    model = save(BY_NAME["XLNet"], tmp_path / "model")
    options = ["--data_dir", reviews, "--model", model, "--epochs", "1", "--dropout", "0", "--precision", "fp32"]
    losses = []
    for count in (1, 2):
        output = tmp_path / str(count)
        with processes(count, "main.py", *options, "--max_unknown", "1", "--output_dir", output) as started:
            assert [status for status, _ in ended(started)] == [0] * count
        assert json.loads((output / "bert_classifier" / "run.json").read_text())["equal_lengths"]
        losses.append(json.loads((output / "metrics.jsonl").read_text())["valid_loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_mistake_is_said_once(reviews, english_bert, tmp_path):
    options = ("--model", english_bert, "--output_dir", tmp_path / "out", "--device", "cpu")
    assert len(fail(2, ROOT / "main.py", *options, "--batch_size", "0")) == 1
    with (reviews / "trainset.csv").open("a") as stream:
        stream.write(",pro\n")
    errors = fail(2, ROOT / "main.py", *options, "--data_dir", reviews)
    assert errors == [f"error: {reviews / 'trainset.csv'}, line 62: text is empty"]
    assert not (tmp_path / "out").exists()


def test_one_process_s_own_mistake_ends_all_and_says_which_it_was(trained, tmp_path):
    broken = shutil.copytree(trained / "bert_classifier", tmp_path / "broken")
    (broken / "model.safetensors").unlink()
    starter = tmp_path / "start.sh"
    starter.write_text(
        f'model="{trained / "bert_classifier"}"; [ "$RANK" = 1 ] && model="{broken}"\n'
        f'exec "{sys.executable}" "{ROOT}/infer.py" --model_dir "$model" --text "the food" --device cpu\n'
    )
    (error,) = fail(2, shutil.which("bash"), starter, torchrun_options=["--no_python"])
    assert error.startswith("error: process 1 on ")
    assert "no model.safetensors" in error


def test_a_mistake_that_all_processes_meet_together_is_said_once(trained, tmp_path):
    broken = shutil.copytree(trained / "bert_classifier", tmp_path / "igloo")  # a name that is none of gloo's
    weights_file = broken / "model.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:1000])
    (error,) = fail(2, ROOT / "infer.py", "--model_dir", broken, "--text", "the food", "--device", "cpu")
    assert "model.safetensors is damaged" in error


# -- machines ---------------------------------------------------------------------------------------------------------


def ip(*words) -> int:
    return subprocess.run(["ip", *map(str, words)], capture_output=True).returncode


@pytest.fixture
def two_machines():
    """The names of two network namespaces with an address of their own each, 10.77.0.1 and 10.77.0.2."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need ip and root")
    names = [f"machine{number}_{os.getpid()}" for number in (1, 2)]
    try:
        if any(ip("netns", "add", name) for name in names):
            pytest.skip("network namespaces cannot be made here")
        ends = [f"v{number}_{os.getpid()}" for number in (1, 2)]
        assert ip("link", "add", ends[0], "netns", names[0], "type", "veth", "peer", ends[1], "netns", names[1]) == 0
        for number, (name, end) in enumerate(zip(names, ends, strict=True), 1):
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", end)
            for device in ("lo", end):
                ip("-n", name, "link", "set", device, "up")
        yield dict(zip(names, ends, strict=True))
    finally:
        for name in names:
            found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, encoding="utf-8").stdout
            for pid in map(int, found.split()):
                os.kill(pid, signal.SIGKILL)
            ip("netns", "del", name)


def test_two_machines_train_one_model_and_one_that_dies_may_come_back(two_machines, reviews, english_bert, tmp_path):
    (first, second), output = two_machines, tmp_path / "output"
    options = ("--data_dir", reviews, "--model", english_bert, "--save_steps", "3", "--epochs", "60", *FAST)

    def start(name: str) -> subprocess.Popen:
        number = list(two_machines).index(name) + 1
        command = torchrun(
            1, "--nnodes", 2, "--max_restarts", 3, "--rdzv_backend", "c10d", "--rdzv_endpoint", "10.77.0.1:29400",
            "--rdzv_id", "job", "--local_addr", f"10.77.0.{number}",
            "--rdzv_conf", f"is_host={2 - number},keep_alive_interval=1,keep_alive_max_attempt=3",
        )  # fmt: skip
        script_and_options = [str(ROOT / "main.py"), *map(str, options), "--output_dir", str(output), "--resume"]
        names = {"GLOO_SOCKET_IFNAME": two_machines[name], "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
        with (tmp_path / f"{name}.log").open("a") as said:
            return subprocess.Popen(
                ["ip", "netns", "exec", name, *command, *script_and_options],
                stdout=said, stderr=said, cwd=ROOT, env=os.environ | names, start_new_session=True,
            )  # fmt: skip

    one, two = start(first), start(second)
    state = output / "checkpoint" / "state.json"
    while one.poll() is None and not (state.exists() and json.loads(state.read_text())["progress"]["step"] > 20):
        time.sleep(0.02)
    os.killpg(two.pid, signal.SIGKILL)
    subprocess.run(f"ip netns pids {second} | xargs -r kill -9", shell=True)
    two.wait()
    again = start(second)
    said = tmp_path / f"{first}.log"
    assert one.wait(timeout=200) == 0, said.read_text()
    assert again.wait(timeout=60) == 0
    assert "of them done" in (output / "train.log").read_text()
    assert read_lines(output / "metrics.jsonl")[-1]["epoch"] == 60
    whole = tmp_path / "whole"
    launch(2, "main.py", *options, "--output_dir", whole)
    assert all(torch.equal(weights(whole)[name], found) for name, found in weights(output).items())
