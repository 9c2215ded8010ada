"""Toy models and data, built anew for each session; nothing reaches for the network."""

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# One thread a process: pytest runs one worker a core, and more threads than cores only wait for each other.
os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
# The scripts speak English whatever the language of the machine.
os.environ.pop("LC_ALL", None)
os.environ["LC_MESSAGES"] = "C"

import pytest
import torch
from filelock import FileLock
from torch.distributed import TCPStore
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.small_chinese_bert import wordpiece_tokenizer  # noqa: E402
from tests.forks import Forked, can_fork, start_environment  # noqa: E402
from toolkit.base.torch_versions import exports_onnx  # noqa: E402
from toolkit.runs.run_json import RunFacts  # noqa: E402

TOO_LONG = 300  # seconds
HAS_ONNX = exports_onnx() and all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="the packages of the group onnx are missing, or torch is too old")
# Whoever starts the tests in the background has them ignore these, and so would all that they start.
for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if hasattr(signal, name):
        signal.signal(getattr(signal, name), handler)

WORDS = """
the a an it was is not very good great nice lovely superb fine bad awful poor dirty broken sad food soup room bed staff
place phone lamp chair service price and but too so again never always we they he she i un ##able ##ly ##s . , !
""".split()  # noqa: SIM905
CHINESE = (
    "的一是了我不在人有这他上大来到时要就以好差房间服务很酒店早餐干净脏吃喜欢讨厌买快慢电脑键盘，。！？再也不会推荐满意"
)


def run_facts(**content) -> RunFacts:
    """Return what run.json says of a run, of which some content is of interest."""
    labels = content.get("labels", ["a", "b"])
    plain = {
        "base_model": "x",
        "labels": labels,
        "positive_label": labels[min(1, len(labels) - 1)],
        "columns": {"text": "text", "text_pair": None, "label": "label"},
        "max_length": 64,
        "truncation": "longest_first",
    }
    return RunFacts.from_json(plain | content)


def bert_tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    """Return a BERT tokenizer of these words, for models of 64 positions."""
    return wordpiece_tokenizer(words, positions=64)


def tiny_bert(folder: Path, words: list[str]) -> Path:
    """Save a random BERT of two layers with a vocabulary of these words."""
    tokenizer = bert_tokenizer(words)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.2,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def english_bert(tmp_path_factory) -> Path:
    """A directory with a tiny BERT that knows some English words."""
    return tiny_bert(tmp_path_factory.mktemp("english"), WORDS)


@pytest.fixture(scope="session")
def chinese_bert(tmp_path_factory) -> Path:
    """A directory with a tiny BERT that knows the characters of the Chinese sample data."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "data" / "zh").iterdir()))
    return tiny_bert(tmp_path_factory.mktemp("chinese"), sorted({*text, *CHINESE} - {"\n", " "}))


@pytest.fixture(scope="session")
def distilbert(tmp_path_factory) -> Path:
    """A directory with a tiny DistilBERT, which has no token types."""
    folder, tokenizer = tmp_path_factory.mktemp("distilbert"), bert_tokenizer(WORDS)
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64
    )
    DistilBertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def reviews(tmp_path_factory) -> Path:
    """A data folder of short reviews that a tiny model can learn: 60 training, 20 validation, 20 test rows."""
    good = ["good", "great", "nice", "lovely", "superb"]
    bad = ["bad", "awful", "poor", "dirty", "broken"]
    things = ["food", "soup", "room", "bed", "staff", "place", "phone", "lamp", "chair", "service"]
    rows = [(f"the {t} was {'very ' * (i % 3)}{w}", label)
            for i, t in enumerate(things) for words, label in ((good, "pro"), (bad, "con")) for w in words]  # fmt: skip
    rows = [rows[(i * 37) % len(rows)] for i in range(len(rows))]
    folder = tmp_path_factory.mktemp("reviews")
    for name, part in (("trainset", rows[:60]), ("validset", rows[60:80]), ("testset", rows[80:])):
        lines = ["text,label", *(f"{text},{label}" for text, label in part)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "unlabelled.csv").write_text(
        "id,text\n" + "".join(f"{i},{r[0]}\n" for i, r in enumerate(rows)), encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], object]:
    """A function of a name and of what makes something in a folder of its own: that is made once for all processes.

    Returns what was made, which json can hold.
    """
    root = tmp_path_factory.getbasetemp()
    root = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "once"

    def get(name: str, make: Callable[[Path], object]) -> object:
        (root / name).mkdir(parents=True, exist_ok=True)
        with FileLock(root / name / "lock"):
            kept = root / name / "kept.json"
            if not kept.exists():
                folder = root / name / f"by {os.getpid()}"
                folder.mkdir()
                kept.write_text(json.dumps(make(folder)), encoding="utf-8")
            return json.loads(kept.read_text(encoding="utf-8"))

    return get


@pytest.fixture(scope="session")
def multilingual_home(once) -> Path:
    """A folder for the cache of the multilingual model, written in it by the first test that needs it."""
    return Path(once("multilingual", str))


Seen = namedtuple("Seen", "line values problem")


def seen(source) -> list[Seen]:
    """Return the records of a source without what stood in place of bad ones."""
    return [Seen(*record[:3]) for record in source.records]


FRESH = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path[0] = sys.argv[0].rpartition("/")[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@contextmanager
def started(
    name: str | Path, *options, before: str = "", environment: dict | None = None, cwd: Path = ROOT
) -> Iterator[Forked | subprocess.Popen]:
    """Start a script with pipes of text to its streams; it does not outlive this.

    `environment` has variables to change, `before` is Python code that is run first. Where it makes no difference, the
    process is forked from one that has imported the packages, which saves seconds.
    """
    words, environment = [str(ROOT / name), *map(str, options)], start_environment() | (environment or {})
    if can_fork(environment):
        process = Forked(words, cwd, environment, before)
    else:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, *(["-c", before + FRESH] if before else []), *words]
        process = subprocess.Popen(command, cwd=cwd, env=environment, encoding="utf-8", **pipes)
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: Forked | subprocess.Popen, there: Callable[[], bool]) -> None:
    """Wait until `there()` is true, while the process is alive."""
    while not there():
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)


def script(name: str, *options, status: int = 0, input: str = "", **how) -> subprocess.CompletedProcess:
    """Run a script as a user does, and check its exit status; `how` as in `started`."""
    with started(name, *options, **how) as process:
        said, erred = process.communicate(input, timeout=TOO_LONG)
    assert process.returncode == status, f"{name} {options} ended with {process.returncode}\n{said}\n{erred}"
    return subprocess.CompletedProcess([name, *options], process.returncode, said, erred)


@contextmanager
def processes(count: int, name: str | Path, *options, before: str = "") -> Iterator[list[Forked | subprocess.Popen]]:
    """Start a script as the processes of one run, which meet as they do under torchrun; none outlives this."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # torchrun keeps it for them, and so we do
    run = {
        "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(count), "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0",
    }  # fmt: skip
    with ExitStack() as stack:
        places = [run | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
        yield [stack.enter_context(started(name, *options, environment=place, before=before)) for place in places]


class Exported(NamedTuple):
    """What `infer.py --export onnx` leaves in `folder`/output/bert_classifier and says, and what infer.py writes."""

    folder: Path
    said: str
    predictions: Path  # as csv: of reviews, of a text that is truncated, and of DOCUMENTED_TEXTS


DOCUMENTED_TEXTS = ["the food was good", "the room was very dirty"]  # in docs/serving.md


@pytest.fixture
def exported(once, reviews, english_bert) -> Exported:
    """A tiny classifier of reviews whose logits are divided by 1.7, exported."""

    def make(folder: Path) -> list[str]:
        model_dir = folder / "output" / "bert_classifier"
        plain = ("--device", "cpu", "--precision", "fp32")
        words = ("--output_dir", folder / "output", "--epochs", "1", "--learning_rate", "3e-3", *plain)
        script("main.py", "--data_dir", reviews, "--model", english_bert, *words)
        run = json.loads((model_dir / "run.json").read_text(encoding="utf-8"))
        run["metrics"]["temperature"] = 1.7
        (model_dir / "run.json").write_text(json.dumps(run), encoding="utf-8")
        said = script("infer.py", "--model_dir", model_dir, "--export", "onnx", "--min_agreement", "0").stderr
        rows = (reviews / "unlabelled.csv").read_text(encoding="utf-8")
        rows += "".join(f"0,{text}\n" for text in ["the food was never good " * 30, *DOCUMENTED_TEXTS])
        (folder / "texts.csv").write_text(rows, encoding="utf-8")
        files = ("--input_file", folder / "texts.csv", "--output_file", folder / "predictions.csv")
        script("infer.py", "--model_dir", model_dir, *files, *plain, "--engine", "torch")
        return [str(folder), said, str(folder / "predictions.csv")]

    folder, said, predictions = once("exported", make)
    return Exported(Path(folder), said, Path(predictions))


FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree", "os.listdir"}


def interrupted(
    work: Callable[[], object], prepare: Callable[[], object], fails: bool, every: int = 1
) -> Iterator[int]:
    """Do some work in a copy of this process that dies as it does its first, second, ... thing to a file.

    Before each time, `prepare` is called. With `fails` the process lives and from then on every new file fails as if
    the disk were full. Of long works only `every` so manyth instant is tried. Yields the number of the thing; ends when
    the work gets through.
    """
    for instant in itertools.count(step=every):
        prepare()
        if (child := os.fork()) == 0:
            seen = itertools.count()

            def hook(event: str, args: tuple, seen=seen, instant=instant) -> None:
                if event in FILE_EVENTS and next(seen) >= instant:
                    if not fails:
                        os._exit(9)
                    if event != "open" or (isinstance(args[1], str) and not args[1].startswith("r")):
                        raise OSError(errno.ENOSPC, "No space left on device")

            sys.addaudithook(hook)
            try:
                work()
            except BaseException:
                os._exit(3)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 3 if fails else 9)
        if status == 0:
            return
        yield instant


def ended(processes: list) -> list[tuple[int, str]]:
    """Wait for processes and return the exit status of each and what it wrote to stderr."""
    errors = [process.communicate(timeout=TOO_LONG)[1] for process in processes]
    return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]
