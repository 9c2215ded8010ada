"""Tiny runs of the scripts by the hundred: each in a process of its own, forked from one that has all imports."""

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch.distributed import TCPStore  # noqa: E402
from tqdm import tqdm  # noqa: E402
from transformers import BertConfig, BertForSequenceClassification  # noqa: E402

import infer  # noqa: E402
import main  # noqa: E402
from benchmarks.small_chinese_bert import wordpiece_tokenizer  # noqa: E402
from toolkit.cli.console import TrainingBar  # noqa: E402
from toolkit.cli.exits import run_script  # noqa: E402

WORDS = [f"w{number}" for number in range(40)]
TOO_LONG = 600  # seconds
PLACES = rb'<header>.*?</header>|<section id="facts">.*?</section>'  # of report.html
TIMES = ("train_seconds", "real_tokens_per_second")  # all that may differ between two runs
torch.set_num_threads(1)


def make_data(folder: Path, rows: int = 40) -> None:
    """Write trainset, validset and testset of rows of 1 to 12 words, and a random BERT that knows these in model/."""
    folder.mkdir(parents=True)
    for number, name in enumerate(("trainset", "validset", "testset")):
        lines = ["text,label"]
        for row in range(rows if number == 0 else rows // 3):
            words = [WORDS[(row * 7 + 3 * i + number) % len(WORDS)] for i in range(1 + (row * 5) % 12)]
            lines.append(f"{' '.join(words)},{'odd' if row % 2 else 'even'}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = wordpiece_tokenizer(WORDS, positions=32)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, initializer_range=0.2,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")


def options(data: Path, output: Path, *more: object) -> list[str]:
    """Return the options of a run on the data of make_data."""
    given = {"data_dir": data, "model": data / "model", "test_file": data / "testset.csv", "output_dir": output}
    usual = {"batch_size": 8, "learning_rate": 2e-3, "device": "cpu", **given}
    return [str(word) for name, value in usual.items() for word in (f"--{name}", value)] + list(map(str, more))


def fork(words: Sequence[str], log: Path, at: int = 0, number: int = 0, environment: dict | None = None) -> int:
    """Start main.py with these options in a process of its own and return its number; what it says goes to `log`.

    After its step `at` it sends itself the signal `number`.
    """
    process = os.fork()
    if process == 0:
        _begin(["main.py", *words], log)
        os.environ |= environment or {}
        _run_main(at, number)
    return process


def _run_main(at: int, number: int) -> NoReturn:
    """Run main.py in a forked process, which sends itself the signal `number` after its step `at` (0: never)."""
    if at:
        stepper = TrainingBar.stepper

        def counted(bar: TrainingBar, losses: list):
            on_step = stepper(bar, losses)

            def step(*what) -> None:
                on_step(*what)
                bar.steps = getattr(bar, "steps", 0) + 1
                if bar.steps == at:
                    os.kill(os.getpid(), number)

            return step

        TrainingBar.stepper = counted
    _end(lambda: main.main(main.read_options()))


def fork_infer(words: Sequence[str], log: Path) -> int:
    """Start infer.py with these options in a process of its own and return its number; what it says goes to `log`."""
    process = os.fork()
    if process == 0:
        _begin(["infer.py", *words], log)
        _end(lambda: infer.main(infer.read_options()))
    return process


def _begin(words: list[str], log: Path) -> None:
    """Make a forked process one of a script with these words on its command line."""
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    tqdm.set_lock(threading.RLock())  # its own is shared by forked processes, and one that is killed may hold it
    sys.argv = words


def _end(script: Callable[[], None]) -> NoReturn:
    """Run a script in a forked process and end it with the script's exit status."""
    status = 1
    try:
        status = run_script(script)
    finally:
        sys.stdout.flush()
        os._exit(status)


def wait(process: int) -> int:
    """Wait for a process and return its exit status, or the signal that ended it as a negative number."""
    for _ in range(int(TOO_LONG / 0.005)):
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    raise SystemExit(f"process {process} has not ended in {TOO_LONG} seconds")


def keep_store() -> int:
    """Start a process that keeps a store for others, as torchrun does, and return its port; it ends when we do.

    A store has threads, beside which none of our processes may be forked.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    if os.fork() == 0:
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        os.write(writer, str(store.port).encode())
        os.close(writer)
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        return int(stream.read())


class Launcher:
    """Runs main.py in one or several processes that meet as they do under torchrun."""

    def __init__(self):
        self.port, self.runs = keep_store(), 0

    def run(self, words: Sequence[str], log: Path, processes: int = 1, at: int = 0, number: int = 0) -> list[int]:
        """Return the exit statuses of the processes; the last of them sends itself the signal `number` after step `at`.

        If that is SIGKILL all are killed, as torchrun does.
        """
        self.runs += 1
        common = {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self.port), "WORLD_SIZE": str(processes),
            "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": str(self.runs),
        }  # fmt: skip
        started = []
        for rank in range(processes):
            place = common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {}
            started.append(fork(words, log, at if rank == processes - 1 else 0, number, place))
        statuses = [wait(started.pop())]
        if statuses[0] == -signal.SIGKILL:
            for process in started:
                os.kill(process, signal.SIGKILL)
        return statuses + [wait(process) for process in started]


def result(output: Path) -> dict:
    """Return all that a finished run has left: tensors, and the content of other files but for the time it took."""
    found = {}
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output).as_posix()
        if path.is_dir():
            found[name] = None
        elif path.suffix == ".safetensors":
            found[name] = load_file(path)
        elif path.suffix in (".json", ".jsonl"):
            found[name] = [_timeless(json.loads(line)) for line in _values(path)]
        elif path.suffix == ".html":  # but for where the model is, and how the run was made
            found[name] = re.sub(PLACES, b"", path.read_bytes(), flags=re.DOTALL)
        elif name not in ("train.log", "bert_classifier/README.md"):  # they tell of restarts and of times
            found[name] = path.read_bytes()
    return found


def _values(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return text.splitlines() if path.suffix == ".jsonl" else [text]


def _timeless(value):
    """Return a json value without times, and without what tells how often a run was started and where it is."""
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    if not isinstance(value, dict):
        return value
    left_out = (*TIMES, "sha256", "output_dir", "directory", "resume", "overwrite", "_name_or_path")
    return {name: _timeless(item) for name, item in value.items() if name not in left_out}


def differences(expected: dict, found: dict) -> list[str]:
    """Return the names of what differs between two results, tensors to the last bit."""
    names = [*expected, *(name for name in found if name not in expected)]
    return [
        name for name in names if name not in expected or name not in found or not _same(expected[name], found[name])
    ]


def _same(one, other) -> bool:
    if isinstance(one, dict) and all(isinstance(value, torch.Tensor) for value in one.values()):
        return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    return one == other


def clock() -> float:
    """Return seconds that only differences of mean something."""
    return time.monotonic()
