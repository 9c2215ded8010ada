"""A card in under ten minutes: whether everything computes there what it should, and how fast.

    python benchmarks/gpu.py [--only checks steps training prediction] [--results gpu.json] [--rounds R]

Checks: training and prediction in fp32, bf16 and fp16 against each other and against the CPU, heads and trained parts,
micro-batches, memory that runs out for real, DataParallel and DistributedDataParallel of one card, whether a run can be
repeated and resumed to the last bit and otherwise how far it comes. Speed: the steps of one loop, recorded as CUDA
graphs, launched kernel by kernel, and with transformers' own layers; whole trainings of this project against
Hugging Face Trainer as it comes and with all that makes it fast, for a BERT as large as BERT-base and one as large as
BERT-large; and prediction against the same model in bf16 over padded batches. Everything is made here: random words,
random weights. Without a card the checks run on the CPU, and nothing is timed. Trainer needs the package accelerate.

Prints tables, and ends with exit status 1 if a check fails.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from benchmarks import forked  # noqa: E402  (imports main, so that processes forked from here start at once)

PARTS = ("checks", "steps", "training", "prediction")
HAS_CARD = (
    subprocess.run(
        [sys.executable, "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())"], check=False
    ).returncode
    == 0
)  # asked in another process: one that has used a card cannot be forked
DEVICE = "cuda" if HAS_CARD else "cpu"
CLOSE = 1e-4  # of probabilities and losses in fp32, whose sums are added up in another order
ROUGHLY = 0.05  # of losses in 16 bits
PLACES = {  # where infer.py is asked
    "card": ("--device", DEVICE, "--precision", "fp32"),
    "processor": ("--device", "cpu", "--precision", "fp32"),
    "chosen": (),
}
AT_ONCE = min(16, os.cpu_count() or 1)  # processes
RUN_LIMIT = 300  # seconds
SIZES = {"base": (12, 768, 12), "large": (24, 1024, 16)}  # layers, width, heads
SPEED_ROWS = {"base": 3200, "large": 1600}
VOCABULARY = 30_000
BATCH_SIZE = 32
PREDICTED_ROWS = 2048
TIMED_STEPS = 30  # of a round
STEP_ROUNDS = 4  # of which the first warms up
PREDICTED_AT_ONCE = (32, 256)  # rows


# -- checks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """What a check has shown."""

    name: str
    passed: bool
    seen: str


@dataclass(frozen=True)
class ToyRun:
    """A run of main.py on the toy data that other checks look at."""

    name: str
    options: tuple[object, ...]


SAME_CHOICES = ("--dropout", 0, "--epochs", 2, "--pooling", "own", "--head_start", "random")  # only rounding differs
RUNS = (
    ToyRun("fp32", (*SAME_CHOICES, "--precision", "fp32")),
    ToyRun("fp32 on the CPU", (*SAME_CHOICES, "--precision", "fp32", "--device", "cpu")),
    ToyRun("bf16", (*SAME_CHOICES, "--precision", "bf16")),
    ToyRun("fp16", (*SAME_CHOICES, "--precision", "fp16")),
    ToyRun("micro-batches of 3", (*SAME_CHOICES, "--precision", "fp32", "--micro_batch_size", 3)),
    ToyRun("--no-fast", (*SAME_CHOICES, "--precision", "fp32", "--no-fast")),
    ToyRun("dropout", ("--epochs", 4)),
    ToyRun("dropout once more", ("--epochs", 4)),
    ToyRun("--head cls", ("--epochs", 2, "--head", "cls")),
    ToyRun("--head mean", ("--epochs", 2, "--head", "mean")),
    ToyRun("--head mlp", ("--epochs", 2, "--head", "mlp")),
    ToyRun("--train head", ("--epochs", 2, "--train", "head")),
    ToyRun("--train top:1", ("--epochs", 2, "--train", "top:1")),
    ToyRun("--long_texts windows", ("--epochs", 2, "--long_texts", "windows", "--max_length", 8, "--stride", 2)),
    ToyRun("--loss focal, weights", ("--epochs", 2, "--loss", "focal", "--class_weight", "balanced")),
    ToyRun("--pooling mean", ("--epochs", 2, "--pooling", "mean", "--head_start", "probe")),
)
LORA_RUN = ToyRun("--train lora", ("--epochs", 2, "--train", "lora"))


def runs() -> list[ToyRun]:
    """Return the runs of the checks that this machine can do: fp16 needs a card, LoRA the package peft."""
    chosen = [run for run in RUNS if HAS_CARD or run.name != "fp16"]
    try:
        import peft  # noqa: F401
    except ImportError:
        return chosen
    return [*chosen, LORA_RUN]


def output_of(folder: Path, name: str) -> Path:
    """Return the output directory of a run."""
    return folder / "output" / name.replace(" ", "_").replace(":", "_").replace(",", "")


def toy_run(folder: Path, run: ToyRun, at: int = 0, number: int = 0, more: Sequence[object] = ()) -> int:
    """Start a run of main.py, which may end itself by a signal after some step, and return its process."""
    output = output_of(folder, run.name)
    output.parent.mkdir(exist_ok=True)
    words = forked.options(folder / "toy", output, "--device", DEVICE, *run.options, *more)
    return forked.fork(words, output.with_suffix(".log"), at, number)


def history(folder: Path, name: str) -> list[dict]:
    """Return the evaluations of a run."""
    lines = (output_of(folder, name) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def losses(folder: Path, name: str) -> np.ndarray:
    """Return the training and the validation loss of each evaluation of a run."""
    return np.array([[entry["train_loss"], entry["valid_loss"]] for entry in history(folder, name)])


def weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """Return the weights that a run has saved."""
    files = sorted((output_of(folder, name) / "bert_classifier").glob("*.safetensors"))
    return {f"{file.name}/{name}": weight for file in files for name, weight in load_file(file).items()}


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Return the largest difference between two weights of one name."""
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in one)


def check_runs(folder: Path) -> Iterator[Check]:
    """Train on the toy data in many ways, all at once, and compare what came of them."""
    statuses = in_processes({run.name: partial(toy_run, folder, run) for run in runs()})
    failed = [name for name, status in statuses.items() if status]
    for name in failed:
        log = output_of(folder, name).with_suffix(".log").read_text().strip().splitlines()
        yield Check(f"{name}: main.py", False, log[-1] if log else "it failed and said nothing")
    for name in ("fp32 on the CPU", "micro-batches of 3", "--no-fast", "bf16", "fp16"):
        if name in statuses and not {name, "fp32"} & set(failed):
            yield compare_losses(folder, name, ROUGHLY if name in ("bf16", "fp16") else CLOSE)
    if not {"dropout", "dropout once more"} & set(failed):
        difference = largest_difference(weights(folder, "dropout"), weights(folder, "dropout once more"))
        equal = "to the last bit" if difference == 0 else f"to {difference:.1e} of a weight"
        yield Check("the same run twice is the same", difference < 1e-2, equal)
    yield from check_answers(folder, [name for name in statuses if name not in failed])


def compare_losses(folder: Path, name: str, tolerance: float) -> Check:
    """Compare the losses of a run with those of the one in fp32."""
    own = losses(folder, name)
    expected = losses(folder, "fp32")
    difference = float(np.abs(own - expected).max())
    passed = difference <= tolerance
    seen = f"largest difference {difference:.1e}"
    if not passed:
        seen += f": {own.round(3).tolist()} and not {expected.round(3).tolist()}"
    return Check(f"{name}: losses as in fp32", passed, seen)


def check_answers(folder: Path, names: Sequence[str]) -> Iterator[Check]:
    """Let infer.py answer on the card and on the CPU by each model, in fp32, and compare; then in what it chooses."""
    starts = {(name, place): partial(fork_infer, folder, name, place) for name in names for place in PLACES}
    statuses = in_processes(starts)
    for name in names:
        broken = [place for place in PLACES if statuses[name, place]]
        if broken:
            log = answers(folder, name, broken[0]).with_suffix(".log")
            yield Check(f"{name}: infer.py", False, log.read_text().strip()[-300:])
            continue
        on_card, on_cpu, chosen = (probabilities(answers(folder, name, place)) for place in PLACES)
        difference = np.abs(on_card - on_cpu).max()
        of_chosen = np.abs(chosen - on_cpu).max()
        seen = f"largest difference of a probability {difference:.1e}, in the format it chooses {of_chosen:.1e}"
        yield Check(f"{name}: answers as on the CPU", bool(difference <= CLOSE and of_chosen <= ROUGHLY), seen)


def in_processes(starts: dict[Any, Callable[[], int]]) -> dict[Any, int]:
    """Start processes by functions that return their numbers, a few at a time; return their exit statuses, by name."""
    statuses = {}
    running: dict[Any, int] = {}
    for name, start in starts.items():
        if len(running) == AT_ONCE:
            first = next(iter(running))
            statuses[first] = forked.wait(running.pop(first))
        running[name] = start()
    return statuses | {name: forked.wait(process) for name, process in running.items()}


def answers(folder: Path, name: str, place: str) -> Path:
    """Return where the answers of a model that was asked in one of PLACES are written."""
    return output_of(folder, name) / f"answers_{place}.csv"


def probabilities(path: Path) -> np.ndarray:
    """Return the probabilities (N, C) of a file of predictions."""
    frame = pd.read_csv(path)
    return frame[[name for name in frame if name.startswith("prob_")]].to_numpy()


def fork_infer(folder: Path, name: str, place: str) -> int:
    """Start infer.py in a process of its own and return its number."""
    output = answers(folder, name, place)
    model_dir = output_of(folder, name) / "bert_classifier"
    words = ["--model_dir", model_dir, "--input_file", folder / "toy" / "testset.csv", "--output_file", output]
    words += PLACES[place]
    return forked.fork_infer(list(map(str, words)), output.with_suffix(".log"))


def check_resume(folder: Path) -> Iterator[Check]:
    """Kill a run and stop one, resume both, and compare what comes of them with the run that was left alone."""
    before = largest_difference(weights(folder, "dropout"), weights(folder, "dropout once more"))
    for name, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGTERM)):
        run = ToyRun(name, ("--epochs", 4))
        forked.wait(toy_run(folder, run, at=8, number=number))
        status = forked.wait(toy_run(folder, run, more=("--resume",)))
        if status:
            log = output_of(folder, name).with_suffix(".log").read_text().strip()
            yield Check(f"a run that was {name} is resumed", False, log[-300:])
            continue
        difference = largest_difference(weights(folder, "dropout"), weights(folder, name))
        seen = "the same to the last bit" if difference == 0 else f"largest difference of a weight {difference:.1e}"
        yield Check(f"a run that was {name} is resumed", difference <= max(10 * before, 1e-2 * bool(before)), seen)


# -- checks that need a card ------------------------------------------------------------------------------------------


def apart(name: str) -> Check:
    """Run one of the checks below in a process of its own, which may use the card as it likes."""
    command = [sys.executable, __file__, "--one", name]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=RUN_LIMIT, check=False)
    if done.returncode:
        return Check(name, False, done.stderr.strip()[-300:])
    return Check(**json.loads(done.stdout.splitlines()[-1]))


def gradients(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Return the gradients of a loss of a model, which are then forgotten."""
    logits = model(**inputs).logits
    torch.nn.functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device) % 2).backward()
    found = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
    model.zero_grad()
    return found


def small_model(dropout: float = 0.0) -> torch.nn.Module:
    """Return a small BERT of this project's fast kind on the card, which drops nothing."""
    from transformers import BertConfig, BertForSequenceClassification

    from toolkit.layers.fast_bert import make_fast

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=1000,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    model = BertForSequenceClassification(config)
    make_fast(model)
    return model.to(DEVICE)


def some_inputs(rows: int = 12, tokens: int = 20) -> dict[str, torch.Tensor]:
    """Return input_ids and attention_mask (B, L) of rows of different lengths on the card."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 1000, (rows, tokens), generator=generator)
    lengths = torch.randint(3, tokens + 1, (rows,), generator=generator)
    mask = (torch.arange(tokens) < lengths[:, None]).long()
    return {"input_ids": ids.to(DEVICE), "attention_mask": mask.to(DEVICE)}


def same_gradients(name: str, model: torch.nn.Module, wrapped: torch.nn.Module) -> Check:
    """Compare the gradients of a model with those by its wrapper."""
    inputs = some_inputs()
    expected = gradients(model, inputs)
    pairs = zip(gradients(wrapped, inputs), expected, strict=True)
    difference = max(float((one - other).abs().max()) for one, other in pairs)
    return Check(name, difference < 1e-5, f"largest difference of a gradient {difference:.1e}")


def data_parallel() -> Check:
    """Compare DataParallel over the card taken twice, each with a part of the rows, with the model alone."""
    from torch.nn import DataParallel

    model = small_model()
    return same_gradients("DataParallel, the card taken twice", model, DataParallel(model, device_ids=[0, 0]))


def data_parallel_formats() -> Check:
    """See that each thread of DataParallel computes in the number format of autocast, as on several cards."""
    from torch.nn import DataParallel

    from toolkit.compute import device

    model = small_model()
    wrapped = device._spread(model, torch.bfloat16)
    wrapped = DataParallel(model, device_ids=[0, 0])
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        dtype = wrapped(**some_inputs()).logits.dtype
    return Check("DataParallel in bf16", dtype == torch.bfloat16, f"logits in {dtype}")


def distributed() -> Check:
    """Compare DistributedDataParallel over nccl in a group of one process with the model alone."""
    import torch.distributed as dist

    from toolkit.compute import device

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(20_000 + os.getpid() % 20_000)}
    backend = "nccl" if HAS_CARD else "gloo"
    dist.init_process_group(backend, rank=0, world_size=1)
    model = small_model()
    target = torch.device(DEVICE, 0) if HAS_CARD else torch.device("cpu")
    check = same_gradients(f"DistributedDataParallel over {backend}", model, device._distribute(model, target))
    dist.destroy_process_group()
    return check


def scaler() -> Check:
    """See that fp16's scaler leaves out a step whose gradient overflows, lowers its scale, and takes the next one."""
    from toolkit.compute.precision import choose_precision
    from toolkit.training.optimizer import make_optimizer

    model = small_model()
    precision = choose_precision("fp16", torch.device(DEVICE))
    optimizer = make_optimizer(model, 0.01, (0.9, 0.999), 1e-8)
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    grad_scaler = precision.scaler()
    before = [weight.detach().clone() for weight in model.parameters()]
    taken = []
    for factor in (1e9, 1.0):
        with precision.autocast():
            loss = model(**some_inputs()).logits.float().pow(2).sum() * factor
        grad_scaler.scale(loss).backward()
        grad_scaler.unscale_(optimizer)
        scale = grad_scaler.get_scale()
        grad_scaler.step(optimizer)
        grad_scaler.update()
        optimizer.zero_grad()
        changed = any(not torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
        taken.append((changed, grad_scaler.get_scale() < scale))
    seen = f"overflow: weights changed {taken[0][0]}, scale lowered {taken[0][1]}; next step taken {taken[1][0]}"
    return Check("fp16: a step that overflows is left out", taken == [(False, True), (True, False)], seen)


def recorded_passes() -> Check:
    """See that steps by CUDA graphs are, to the last bit, those that are launched kernel by kernel."""
    import utils
    from toolkit.compute.machine import choose_machine
    from toolkit.compute.processes import ALONE
    from toolkit.tokens.dataset import dataset_of
    from toolkit.training.learner import Learner, StepSettings
    from toolkit.training.optimizer import make_optimizer

    draws = np.random.default_rng(0)
    token_ids = [draws.integers(5, 1000, length).astype(np.int32) for length in draws.integers(3, 40, 64)]
    dataset = dataset_of(token_ids, None, 0, draws.integers(0, 2, 64))
    machine = choose_machine(DEVICE, "bf16", ALONE)
    trained = []
    recorded = 0
    for records in (True, False):
        model = small_model(dropout=0.1)
        optimizer = make_optimizer(model, 0.01, (0.9, 0.999), 1e-8)
        learner = Learner(model, optimizer, machine.precision.scaler(), StepSettings(lambda step: 1e-3), machine)
        if not records:
            learner.graphs = None
        batches = [np.arange(64)[start::8] for start in range(8)] * 6
        losses: list[torch.Tensor] = []
        utils.train_one_epoch(learner, dataset, batches, lambda loss, *_, losses=losses: losses.append(loss))
        recorded = max(recorded, len(learner.graphs or ()))
        trained.append([*model.parameters(), *losses])
    difference = max(float((one - other).abs().max()) for one, other in zip(*trained, strict=True))
    seen = f"{recorded} shapes recorded, largest difference of a weight or loss {difference:.1e}"
    return Check("recorded passes train as others do", recorded > 0 and difference == 0, seen)


def out_of_memory() -> Check:
    """Let a batch not fit the memory that is left of the card, and compare the run with one that has it all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_texts(folder, rows=600, mean=200)
        write_model(folder / "model", (4, 512, 8))
        options = ["--data_dir", folder, "--model", folder / "model", "--batch_size", 256, "--epochs", 2]
        options += ["--dropout", 0, "--learning_rate", 1e-4, "--device", DEVICE, "--pooling", "own", "--head_start"]
        options += ["random", "--precision", "fp32"]
        logs = {}
        for case in ("all", "little"):
            with little_memory(case == "little"):
                command = [sys.executable, ROOT / "main.py", "--output_dir", folder / case, *options]
                done = subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", check=False)
            logs[case] = done.stdout + done.stderr
            if done.returncode:
                return Check("out of memory", False, logs[case][-300:])
        shown = [line for line in logs["little"].splitlines() if "out of memory with" in line]
        ends = [(folder / case / "metrics.jsonl").read_text().splitlines()[-1] for case in logs]
        one, other = (json.loads(end)["train_loss"] for end in ends)
    seen = f"{shown[0].strip() if shown else 'it did not run out'}; loss {other:.5f}, with all memory {one:.5f}"
    passed = bool(shown) and "out of memory with" not in logs["all"] and abs(one - other) < 1e-3
    return Check("out of memory: smaller micro-batches, the same result", passed, seen)


@contextmanager
def little_memory(wanted: bool) -> Iterator[None]:
    """Hold all but a few gigabytes of the card for a while, if that is wanted."""
    held = None
    if wanted:
        free, _ = torch.cuda.mem_get_info()
        held = torch.empty(max(0, free - (3 << 30)), dtype=torch.uint8, device=DEVICE)
    try:
        yield
    finally:
        del held
        torch.cuda.empty_cache()


CARD_CHECKS: dict[str, Callable[[], Check]] = {
    "data_parallel": data_parallel,
    "data_parallel_formats": data_parallel_formats,
    "distributed": distributed,
    "scaler": scaler,
    "recorded_passes": recorded_passes,
    "out_of_memory": out_of_memory,
}


def all_checks() -> list[Check]:
    """Run all checks that this machine can do, and print each as it is known."""
    checks: list[Check] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        forked.make_data(folder / "toy", rows=96)
        for part in (check_runs, check_resume):
            for check in part(folder):
                checks.append(check)
                say(check)
    for name in CARD_CHECKS if HAS_CARD else ("distributed",):
        checks.append(apart(name))
        say(checks[-1])
    return checks


def say(check: Check) -> None:
    """Print a check."""
    print(f"| {'ok' if check.passed else 'FAILED'} | {check.name} | {check.seen} |", flush=True)


# -- speed ------------------------------------------------------------------------------------------------------------


def write_texts(folder: Path, rows: int, mean: int) -> None:
    """Write trainset.csv and validset.csv of random words, some of which tell the label, most rows near `mean` words.

    Lengths are spread as those of real texts are: log-normal, from a third to three times the mean.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draws = random.Random(0)
    for name, count in (("trainset", rows), ("validset", 64), ("testset", 64)):
        lines = ["text,label"]
        for _ in range(count):
            length = round(mean * min(3.0, max(0.33, draws.lognormvariate(-0.15, 0.55))))
            label = draws.randrange(2)
            words = [f"w{draws.randrange(200 + 100 * label, 2000)}" for _ in range(max(2, length))]
            lines.append(f"{' '.join(words)},{'odd' if label else 'even'}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_model(folder: Path, size: tuple[int, int, int]) -> None:
    """Write a BERT of random weights that knows the words of write_texts."""
    from transformers import BertConfig, BertForSequenceClassification

    from benchmarks.small_chinese_bert import wordpiece_tokenizer

    layers, width, heads = size
    tokenizer = wordpiece_tokenizer([f"w{number}" for number in range(VOCABULARY)], positions=512)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )
    with torch.device(DEVICE):
        model = BertForSequenceClassification(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@dataclass(frozen=True)
class StepTime:
    """How long a step took in one way of taking it."""

    name: str
    milliseconds: list[float]  # a step, of each round after the first
    tokens: float  # a step, padding left out
    peak_share: float  # of the card's measured peak of matrix products in its format, at the median


def step_times(size: str) -> list[StepTime]:
    """Time steps over random words: recorded, launched kernel by kernel, and with transformers' own layers."""
    from benchmarks.train import peak
    from toolkit.compute.machine import choose_machine
    from toolkit.compute.processes import ALONE

    machine = choose_machine(DEVICE, "auto", ALONE)
    highest = peak(machine.precision.dtype)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_texts(folder, TIMED_STEPS * BATCH_SIZE, mean=110)
        write_model(folder / "random", SIZES[size])
        names = ("recorded", "kernel by kernel", "transformers' layers")
        return [time_steps(name, folder, machine, highest) for name in names]


def time_steps(name: str, folder: Path, machine: Any, peak_of_card: float) -> StepTime:
    """Time steps in one of the ways of step_times, for the texts and the model of a folder."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    import utils
    from benchmarks.train import products
    from toolkit.layers.fast_bert import make_fast
    from toolkit.tokens.encoder import make_encoder
    from toolkit.training.learner import Learner, StepSettings
    from toolkit.training.optimizer import make_optimizer

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(folder / "random", dtype=torch.float32)
    if name != "transformers' layers":
        make_fast(model)
    frame = pd.read_csv(folder / "trainset.csv", dtype=str)
    tokenizer = AutoTokenizer.from_pretrained(folder / "random")
    encoder = make_encoder(tokenizer, model.config, 256, "longest_first", False)
    dataset = utils.tokenize(encoder, frame, np.arange(len(frame)) % 2).dataset
    model = machine.wrap_for_training(model)
    optimizer = make_optimizer(model, 0.01, (0.9, 0.999), 1e-8)
    learner = Learner(model, optimizer, machine.precision.scaler(), StepSettings(lambda step: 1e-5), machine)
    if name != "recorded":
        learner.graphs = None
    rounds = [time_epoch(learner, dataset, epoch) for epoch in range(STEP_ROUNDS)]
    operations = products(model.config, dataset.lengths) / TIMED_STEPS
    share = operations / statistics.median(rounds[1:]) / peak_of_card
    tokens = float(dataset.lengths.sum()) / TIMED_STEPS
    del model, optimizer, learner
    torch.cuda.empty_cache()
    return StepTime(name, [1e3 * seconds for seconds in rounds[1:]], tokens, share)


def time_epoch(learner: Any, dataset: Any, epoch: int) -> float:
    """Return the seconds that a step of an epoch takes."""
    import utils
    from toolkit.compute.batches import training_batches

    batches = training_batches(dataset.row_lengths, BATCH_SIZE, 0, epoch)
    torch.cuda.synchronize()
    started = time.perf_counter()
    utils.train_one_epoch(learner, dataset, batches, lambda *_: None)
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / len(batches)


def step_speed() -> str:
    """Return a table of the time of a step for both sizes."""
    lines = ["| model | | ms a step, by round | tokens a step | of the peak |", "|---|---|---|---|---|"]
    for size in SIZES:
        command = [sys.executable, __file__, "--one", f"steps {size}"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            lines.append(done.stderr.strip()[-800:])
            continue
        for entry in json.loads(done.stdout.splitlines()[-1]):
            step = StepTime(**entry)
            rounds = ", ".join(f"{each:.1f}" for each in step.milliseconds)
            lines.append(f"| {size} | {step.name} | {rounds} | {step.tokens:,.0f} | {step.peak_share:.0%} |")
    table = "\n".join(lines)
    print(table, flush=True)
    return table


def training_speed(rounds: int, peers: Sequence[str]) -> str:
    """Return the tables of benchmarks/train.py for both sizes."""
    tables = []
    for name, size in SIZES.items():
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            write_texts(folder, SPEED_ROWS[name], mean=110)
            write_model(folder / "random", size)
            command = [sys.executable, ROOT / "benchmarks" / "train.py", folder, "--model", folder / "random"]
            command += ["--rounds", rounds, "--batch_size", BATCH_SIZE, "--max_length", 256, "--peers", *peers]
            done = subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", check=False)
        tables.append(f"As large as BERT-{name}: {done.stdout if not done.returncode else done.stderr[-800:]}")
        print(tables[-1], flush=True)
    return "\n".join(tables)


@dataclass(frozen=True)
class PredictionTime:
    """How long a way of predicting took, and what it gave."""

    name: str
    batch_size: int  # rows
    seconds: float
    probabilities: list[list[float]]


def prediction_times(size: str, rounds: int) -> list[PredictionTime]:
    """Predict rows of random words by this project, and by the same model in bf16 and in fp32 over padded batches."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    import utils
    from toolkit.compute.machine import choose_machine
    from toolkit.compute.processes import ALONE
    from toolkit.layers.fast_bert import make_fast
    from toolkit.tokens.encoder import make_encoder

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_texts(folder, PREDICTED_ROWS, mean=110)
        write_model(folder / "random", SIZES[size])
        frame = pd.read_csv(folder / "trainset.csv", dtype=str)
        tokenizer = AutoTokenizer.from_pretrained(folder / "random")
        models = {
            name: AutoModelForSequenceClassification.from_pretrained(folder / "random", dtype=dtype).to(DEVICE).eval()
            for name, dtype in (("padded, bf16", torch.bfloat16), ("padded, fp32", torch.float32))
        }
        ours = AutoModelForSequenceClassification.from_pretrained(folder / "random", dtype=torch.float32)
    make_fast(ours)
    machine = choose_machine(DEVICE, "auto", ALONE)
    encoder = make_encoder(tokenizer, ours.config, 256, "longest_first", False)
    dataset = utils.tokenize(encoder, frame).dataset
    ours.to(DEVICE)
    times = []
    for batch_size in PREDICTED_AT_ONCE:
        predictor = utils.Predictor(ours, machine, batch_size)
        ways = {"this project": partial(utils.predict_logits, predictor, dataset)}
        for name, model in models.items():
            ways[name] = partial(padded_logits, model, dataset, batch_size)
        times += [timed(name, batch_size, predict, rounds) for name, predict in ways.items()]
    return times


def timed(name: str, batch_size: int, predict: Callable[[], np.ndarray], rounds: int) -> PredictionTime:
    """Return how long a way of predicting takes once it is warm, and what it gives."""
    seconds = []
    logits = predict()
    for _ in range(rounds):
        torch.cuda.synchronize()
        started = time.perf_counter()
        logits = predict()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    probabilities = torch.from_numpy(logits).softmax(1).tolist()
    return PredictionTime(name, batch_size, statistics.median(seconds), probabilities)


@torch.inference_mode()
def padded_logits(model: torch.nn.Module, dataset, batch_size: int) -> np.ndarray:
    """Return the logits (N, C) of a dataset in batches of its order, each padded to its longest row."""
    parts = []
    for start in range(0, len(dataset), batch_size):
        lengths = torch.from_numpy(dataset.lengths[start : start + batch_size])
        longest = int(lengths.max())
        ids = dataset.input_ids[start : start + batch_size, :longest].long().to(DEVICE)
        mask = (torch.arange(longest) < lengths[:, None]).long().to(DEVICE)
        parts.append(model(input_ids=ids, attention_mask=mask).logits.float().cpu())
    return torch.cat(parts).numpy()


def prediction_speed(rounds: int) -> str:
    """Return a table of the speed of prediction for both sizes."""
    lines = [
        "| model | rows at once | | rows a second | time | largest difference from fp32 |",
        "|---|---|---|---|---|---|",
    ]
    for size in SIZES:
        command = [sys.executable, __file__, "--one", f"predict {size}", "--rounds", str(rounds)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            lines.append(done.stderr.strip()[-800:])
            continue
        times = [PredictionTime(**entry) for entry in json.loads(done.stdout.splitlines()[-1])]
        exact = np.array(next(way.probabilities for way in times if way.name.endswith("fp32")))
        for way in times:
            first = next(other for other in times if other.batch_size == way.batch_size)
            difference = np.abs(np.array(way.probabilities) - exact).max()
            ratio = way.seconds / first.seconds
            speed = PREDICTED_ROWS / way.seconds
            lines.append(f"| {size} | {way.batch_size} | {way.name} | {speed:,.0f} | {ratio:.2f} | {difference:.1e} |")
    table = "\n".join(lines)
    print(table, flush=True)
    return table


# -- all --------------------------------------------------------------------------------------------------------------


def one(name: str, rounds: int) -> None:
    """Print as json what one check or measurement, in this process, has found."""
    if name.startswith("steps "):
        print(json.dumps([asdict(step) for step in step_times(name.removeprefix("steps "))]))
        return
    if name.startswith("predict "):
        times = prediction_times(name.removeprefix("predict "), rounds)
        print(json.dumps([asdict(way) for way in times]))
        return
    print(json.dumps(asdict(CARD_CHECKS[name]())))


def card_name() -> str:
    """Return the name of the card, asked for in another process."""
    code = "import torch; print(torch.cuda.get_device_name(0))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    """Run the parts that are wanted and this machine can do, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--peers", nargs="+", default=["this project", "Trainer, fastest", "Trainer, default"])
    parser.add_argument("--results", type=Path, help="a json file for what was found")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(args.one, args.rounds)
        return 0
    started = time.monotonic()
    print(f"{card_name() if HAS_CARD else 'no card: the checks run on the CPU'}, torch {torch.__version__}", flush=True)
    checks = all_checks() if "checks" in args.only else []
    steps = step_speed() if HAS_CARD and "steps" in args.only else ""
    training = training_speed(args.rounds, args.peers) if HAS_CARD and "training" in args.only else ""
    prediction = prediction_speed(3) if HAS_CARD and "prediction" in args.only else ""
    failed = [check.name for check in checks if not check.passed]
    passed = len(checks) - len(failed)
    print(f"{passed} of {len(checks)} checks passed, in {time.monotonic() - started:.0f} seconds")
    if args.results is not None:
        found = {
            "checks": [asdict(check) for check in checks],
            "steps": steps,
            "training": training,
            "prediction": prediction,
        }
        args.results.write_text(json.dumps(found, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
