import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import utils
from tests.conftest import ended, processes
from toolkit.compute.machine import Machine
from toolkit.compute.memory import RowLimit
from toolkit.compute.precision import choose_precision
from toolkit.models.head_design import HeadDesign
from toolkit.models.heads import HeadChoice
from toolkit.tokens.encoder import make_encoder
from toolkit.training.learner import Learner, StepSettings
from toolkit.training.pass_graphs import PassGraphs

CPU = torch.device("cpu")
FP32 = choose_precision("fp32", CPU)
EPSILON = 1e-4  # large, since AdamW would blow the rounding of gradients that should be zero up to whole steps
RATE = 1e-3
LABELS = ["con", "pro", "so so"]  # one more than the saved head has, so that each process draws a head of its own
TEXTS = [f"the {thing} was {'very ' * (i % 5)}{word} ." for i, thing in enumerate(("food", "room", "lamp", "staff"))
         for word in ("good", "bad", "nice", "awful")]  # fmt: skip
RUNS = [  # (rows of the global batch, rows of a micro batch) of each step
    [(5, 1), (16, 3), (1, 2), (7, 3), (3, 100)],
    [(1, None), (2, 1), (16, None), (3, 1)],  # begins with a batch of which the second process has no row
    [(5, 2), (16, 3), (1, None), (3, 1)],
]
HEADS = [None, None, {"pooling": "mean", "layers": 1, "dropout": 0.0}]
LOSSES = [((1.0, 1.0, 1.0), 0.0), ((1.0, 1.0, 1.0), 0.0), ((0.5, 3.0, 1.5), 0.2)]  # weights of the labels, smoothing
TRAINS = """
import json, sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from toolkit.tokens.dataset import TokenDataset

import utils
from toolkit.cli.exits import run_script
from toolkit.base.process import this_process
from toolkit.compute.machine import choose_machine
from toolkit.compute.processes import Processes
from toolkit.compute.device import unwrap
from toolkit.models.head_design import HeadDesign
from toolkit.models.heads import HeadChoice
from toolkit.tokens.dataset import broadcast_dataset
from toolkit.training.learner import Learner, StepSettings
from toolkit.training.loss import Loss
from toolkit.training.optimizer import make_optimizer


def main():
    folder, process = Path(sys.argv[1]), this_process()
    plan = json.loads((folder / "plan.json").read_text())
    tensors = load_file(folder / "dataset.safetensors")
    dataset = TokenDataset(*(tensors[name] for name in "0123"))
    with Processes(process) as processes:
        machine = choose_machine("cpu", "fp32", processes)
        dataset = broadcast_dataset(processes, dataset if processes.is_main else None)
        for number, steps in enumerate(plan["runs"]):
            utils.set_seed(processes.rank)  # other weights in each process
            design = HeadDesign.from_json(plan["heads"][number])
            choice = HeadChoice(design=design)
            model = utils.new_classifier(plan["model"], plan["labels"], dropout=0.0, choice=choice).model
            model.extra = torch.nn.Linear(4, 4)
            optimizer = make_optimizer(model, 0.01, (0.9, 0.999), plan["epsilon"])
            weights, smoothing = plan["losses"][number]
            settings = StepSettings(lambda step: plan["rate"], loss=Loss(torch.tensor(weights), smoothing=smoothing))
            wrapped = machine.wrap_for_training(model)
            learner = Learner(wrapped, optimizer, machine.precision.scaler(), settings, machine)
            losses = []
            for rows, learner.limit.rows in steps:
                utils.train_one_epoch(learner, dataset, [np.array(rows)], lambda loss, *_: losses.append(loss))
            assert unwrap(learner.model) is model
            model.loss_sums = torch.nn.Parameter(torch.tensor(processes.all_reduce_mean(losses)))
            save_file(model.state_dict(), folder / f"{number}-{processes.rank}.safetensors")


sys.exit(run_script(main))
"""
SHORT = """
import json, sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from toolkit.tokens.dataset import TokenDataset

import utils
from toolkit.cli.exits import run_script
from toolkit.base.process import this_process
from toolkit.compute.machine import choose_machine
from toolkit.compute.memory import RowLimit
from toolkit.compute.processes import Processes
from toolkit.compute.device import unwrap
from toolkit.tokens.dataset import broadcast_dataset
from toolkit.training.learner import Learner, StepSettings
from toolkit.training.optimizer import make_optimizer


def make_short(model, most, where, late, until):
    "Let the memory run out for more than `most` rows, from the forward pass of number `late` to that of `until`."
    passes = []

    def run_out(rows):
        if rows > most and late < len(passes) <= until:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    def before(module, args, inputs):
        passes.append(len(inputs["input_ids"]))
        if where == "forward":
            run_out(passes[-1])

    def behind(module, args, output):
        if where == "backward" and output.requires_grad:
            output.register_hook(lambda gradient, rows=passes[-1]: run_out(rows))

    model.register_forward_pre_hook(before, with_kwargs=True)
    model.bert.encoder.layer[0].intermediate.register_forward_hook(behind)


def run(plan, scenario, dataset, machine, said):
    "Train as a scenario says, in as many stretches, each with a learner of its own; return the model and the steps."
    utils.set_seed(1)
    model = utils.new_classifier(plan["model"], plan["labels"], scenario["dropout"]).model
    if scenario["short"] == machine.processes.rank:
        make_short(model, scenario["most"], scenario["where"], scenario["late"], scenario["until"])
    kept, step, settings = None, 0, StepSettings(lambda step: plan["rate"], seed=3)
    for stretch in scenario["stretches"]:
        optimizer = make_optimizer(model, 0.01, (0.9, 0.999), plan["epsilon"])
        if kept is not None:
            optimizer.load_state_dict(kept)
        wrapped, scaler = machine.wrap_for_training(model), machine.precision.scaler()
        limit = RowLimit(scenario["micro"], log=lambda words: said.append(str(words)))
        learner = Learner(wrapped, optimizer, scaler, settings, machine, limit, step)
        batches = [np.array(rows) for rows in stretch]
        utils.train_one_epoch(learner, dataset, batches, lambda *step: None)
        kept, step = optimizer.state_dict(), learner.step
    return model, step


def main():
    folder, process = Path(sys.argv[1]), this_process()
    plan = json.loads((folder / "plan.json").read_text())
    tensors = load_file(folder / "dataset.safetensors")
    dataset, told = TokenDataset(*(tensors[name] for name in "0123")), {}
    with Processes(process) as processes:
        machine = choose_machine("cpu", "fp32", processes)
        for name, scenario in plan["scenarios"].items():
            said = []
            model, step = run(plan, scenario, dataset, machine, said)
            save_file(dict(model.state_dict()), folder / f"{name}-{processes.rank}.safetensors")
            told[name] = [step, said]
    (folder / f"{process.rank}.json").write_text(json.dumps(told))


sys.exit(run_script(main))
"""


def small_learner(seed: int = 0, **options) -> Learner:
    model = torch.nn.Sequential(torch.nn.Linear(3, 50), torch.nn.Dropout(0.5))
    optimizer = torch.optim.SGD([{"params": model[0].weight, "lr": 7.0}, {"params": model[0].bias}], lr=9.0)
    settings = StepSettings(lambda step: 0.5 / (1 + step), seed=seed)
    return Learner(model, optimizer, FP32.scaler(), settings, Machine(CPU, FP32), **options)


# -- one process alone -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("micro_batch_size", [None, 1, 2, 3, 7, 8, 100])
@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_the_passes_of_a_process_alone_are_all_rows_once_and_weigh_one(count, micro_batch_size):
    rows = np.random.default_rng(0).permutation(100)[:count]
    learner = small_learner(limit=RowLimit(micro_batch_size))
    passes = list(learner.passes(rows, np.arange(1, 101)))
    assert sorted(np.concatenate([each.rows for each in passes]).tolist()) == sorted(rows.tolist())
    assert sum(len(each.rows) * each.weight for each in passes) == pytest.approx(1)
    assert len({each.weight for each in passes}) == 1
    assert max(len(each.rows) for each in passes) <= (micro_batch_size or count)
    for each in passes:
        with learner.gradient_sharing(each):  # there is no other process, so none of them is special
            pass
    assert not learner.has_shared


def test_a_step_has_the_learning_rate_of_its_number_in_every_group_of_weights():
    learner = small_learner()
    for step in (0, 1, 4):
        learner.step = step
        assert learner.begin_step() == 0.5 / (1 + step)
        assert [group["lr"] for group in learner.optimizer.param_groups] == [0.5 / (1 + step)] * 2
    assert learner.step == 4  # it counts the steps that are done, and none was


def dropped(learner: Learner, step: int) -> list[list[bool]]:
    """Return which outputs are dropped in the forward passes of a step."""
    learner.step = step
    passes = []
    for _ in learner.passes(np.arange(2), np.ones(2, np.int64)):
        passes.append((learner.model[1](torch.ones(200)) == 0).tolist())
    return passes


def test_what_a_step_drops_depends_on_the_seed_and_its_number_alone():
    first = dropped(small_learner(seed=5, limit=RowLimit(1)), 3)
    assert len(first) == 2
    assert first[0] != first[1]
    again = small_learner(seed=5, limit=RowLimit(1))
    dropped(again, 2)
    torch.rand(17)
    assert dropped(again, 3) == first
    assert dropped(again, 4) != first
    assert dropped(small_learner(seed=6, limit=RowLimit(1)), 3) != first


def test_a_process_alone_has_passes_without_an_extra_row_and_knows_what_has_fitted():
    learner, lengths = small_learner(limit=RowLimit(2)), np.array([3, 9, 5, 4, 2])
    for _ in range(2):
        assert [len(each.rows) for each in learner.passes(np.arange(5), lengths)] == [2, 2, 1]


# -- two processes ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(english_bert):
    new = utils.new_classifier(str(english_bert), LABELS, dropout=0.0)
    model, tokenizer = new.model, new.tokenizer
    encoder = make_encoder(tokenizer, model.config, None, "longest_first", pairs=False)
    return utils.tokenize(encoder, pd.DataFrame({"text": TEXTS}), np.arange(len(TEXTS)) % 3).dataset


@pytest.fixture(scope="module")
def batches() -> list[list[np.ndarray]]:
    """The row numbers of each step of each run."""
    draw = np.random.default_rng(0)
    return [[draw.permutation(len(TEXTS))[:size] for size, _ in run] for run in RUNS]


@pytest.fixture(scope="module")
def trained(once, english_bert, dataset, batches) -> list[list[dict]]:
    """The weights that each of two processes has after each run."""

    def make(folder: Path) -> str:
        runs = [[(rows.tolist(), micro) for rows, (_, micro) in zip(*run, strict=True)]
                for run in zip(batches, RUNS, strict=True)]  # fmt: skip
        plan = {"model": str(english_bert), "labels": LABELS, "runs": runs, "losses": LOSSES, "heads": HEADS,
                "rate": RATE, "epsilon": EPSILON}  # fmt: skip
        (folder / "plan.json").write_text(json.dumps(plan))
        save_file({str(i): tensor for i, tensor in enumerate(dataset.tensors)}, folder / "dataset.safetensors")
        (folder / "worker.py").write_text(TRAINS, encoding="utf-8")
        with processes(2, folder / "worker.py", folder) as started:
            ends = ended(started)
        assert [status for status, _ in ends] == [0, 0], ends
        return str(folder)

    folder = Path(once("two processes", make))
    return [[load_file(folder / f"{run}-{rank}.safetensors") for rank in range(2)] for run in range(len(RUNS))]


def plain_training(model, dataset, batches, weights, smoothing) -> list[float]:
    """Train row by row as one would without a toolkit, and return the mean loss times the rows of each step."""
    model.train()
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
         {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0}],
        lr=RATE, betas=(0.9, 0.999), eps=EPSILON,
    )  # fmt: skip
    sums = []
    for rows in batches:
        optimizer.zero_grad()
        logits, labels = [], dataset.tensors[3][rows]
        for row in rows.tolist():
            ids, types, length, _ = (tensor[row] for tensor in dataset.tensors)
            inputs = {"input_ids": ids[None, :length].long(), "token_type_ids": types[None, :length].long()}
            logits.append(model(**inputs).logits)
        cross_entropy = torch.nn.CrossEntropyLoss(torch.tensor(weights), label_smoothing=smoothing)
        loss = cross_entropy(torch.cat(logits), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        sums.append(loss.item() * len(rows))
    return sums


@pytest.mark.parametrize("run", range(len(RUNS)))
def test_two_processes_learn_what_one_learns_from_the_same_batches(english_bert, dataset, batches, trained, run):
    utils.set_seed(0)
    design = HeadDesign.from_json(HEADS[run])
    model = utils.new_classifier(
        str(english_bert), LABELS, dropout=0.0, fast=False, choice=HeadChoice(design=design)
    ).model
    model.extra = torch.nn.Linear(4, 4)
    before = copy.deepcopy(model.state_dict())
    sums = plain_training(model, dataset, batches[run], *LOSSES[run])
    found = dict(trained[run][0])
    np.testing.assert_allclose(found.pop("loss_sums").numpy(), sums, rtol=1e-4)
    assert set(found) == set(before)
    for name, expected in model.state_dict().items():
        torch.testing.assert_close(found[name], expected, atol=2e-5, rtol=0, msg=name)
    changed = {name for name in before if not torch.equal(found[name], before[name])}
    last = "classifier.weight" if design is None else "pooling_head.scores.weight"
    assert {last, "bert.encoder.layer.0.attention.self.query.weight"} <= changed
    assert not {"extra.weight", "extra.bias"} & changed


@pytest.mark.parametrize("run", range(len(RUNS)))
def test_two_processes_have_the_same_weights_to_the_last_bit(trained, run):
    first, second = trained[run]
    assert set(first) == set(second)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


# -- several processes that are short of memory, or that go on -------------------------------------------------------

PLAIN = {"short": None, "most": 0, "where": "", "late": 0, "until": 10**9, "micro": None, "dropout": 0.0, "cut": []}
SCENARIOS = {
    "undisturbed": {},
    "first step, rank 1": {"short": 1, "most": 2, "where": "forward"},
    "first step, rank 0": {"short": 0, "most": 2, "where": "forward"},
    "backward, rank 1": {"short": 1, "most": 2, "where": "backward"},
    "backward, rank 0": {"short": 0, "most": 2, "where": "backward"},
    "the very first pass, rank 1": {"short": 1, "most": 0, "where": "forward", "until": 1},
    "the very first pass, rank 0": {"short": 0, "most": 0, "where": "forward", "until": 1},
    "a later, larger piece, rank 1": {"short": 1, "most": 4, "where": "backward"},
    "a later, larger piece, rank 0": {"short": 0, "most": 4, "where": "forward"},
    "the last piece, in its forward pass, rank 1": {"short": 1, "most": 1, "where": "forward", "late": 5, "micro": 2},
    "one of several pieces, rank 1": {"short": 1, "most": 1, "where": "backward", "late": 3, "micro": 2},
    "with dropout": {"dropout": 0.3, "micro": 3},
    "with dropout, cut": {"dropout": 0.3, "micro": 3, "cut": [3]},
    "with dropout, cut often": {"dropout": 0.3, "micro": 3, "cut": [1, 2, 5]},
}
OF_THREE = ["undisturbed", "first step, rank 1", *(name for name in SCENARIOS if "dropout" in name)]
CASES = [*((2, name) for name in SCENARIOS), *((3, name) for name in OF_THREE)]  # processes, scenario
SIZES = [8, 4, 3, 16, 14, 1, 12]  # rows of the global batches; where the 16 come, no piece was so large before


def start(folder, count: int, model, dataset, chosen: dict) -> list[tuple[int, str]]:
    """Run scenarios in so many processes and return how they ended; their weights and notes are in `folder`."""
    draw = np.random.default_rng(2)
    batches, scenarios = [draw.permutation(len(TEXTS))[:size].tolist() for size in SIZES], {}
    for name, changes in chosen.items():
        scenario = PLAIN | changes
        bounds = [0, *scenario.pop("cut"), len(SIZES)]
        scenarios[name] = scenario | {"stretches": [batches[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]}
    plan = {"model": str(model), "labels": LABELS, "scenarios": scenarios, "rate": RATE, "epsilon": EPSILON}
    (folder / "plan.json").write_text(json.dumps(plan))
    save_file({str(i): tensor for i, tensor in enumerate(dataset.tensors)}, folder / "dataset.safetensors")
    (folder / "worker.py").write_text(SHORT, encoding="utf-8")
    with processes(count, folder / "worker.py", folder) as started:
        return ended(started)


@pytest.fixture(scope="module")
def short(tmp_path_factory, english_bert, dataset) -> dict[int, tuple[list[dict], object]]:
    """For each number of processes, what each noted in every scenario, and the folder with their weights."""
    found = {}
    for count in (2, 3):
        folder = tmp_path_factory.mktemp(f"short of {count}")
        chosen = {name: SCENARIOS[name] for of, name in CASES if of == count}
        ends = start(folder, count, english_bert, dataset, chosen)
        assert [status for status, _ in ends] == [0] * count, ends
        found[count] = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(count)], folder
    return found


def weights_of(folder, name: str, rank: int) -> dict[str, torch.Tensor]:
    return load_file(folder / f"{name}-{rank}.safetensors")


@pytest.mark.parametrize(("count", "name"), CASES)
def test_all_processes_end_with_the_same_weights_whichever_was_short_of_memory(short, count, name):
    told, folder = short[count]
    first = weights_of(folder, name, 0)
    for rank in range(1, count):
        other = weights_of(folder, name, rank)
        assert all(torch.equal(tensor, other[key]) for key, tensor in first.items())
    assert [each[name][0] for each in told] == [len(SIZES)] * count
    rank = SCENARIOS[name].get("short")
    assert [bool(each[name][1]) for each in told] == [rank == each for each in range(count)]


@pytest.mark.parametrize(("count", "name"), [case for case in CASES if "dropout" not in case[1]])
def test_too_little_memory_in_one_process_changes_nothing_but_the_rounding(short, count, name):
    _, folder = short[count]
    found, expected = weights_of(folder, name, 0), weights_of(folder, "undisturbed", 0)
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, atol=1e-5, rtol=0, msg=key)


@pytest.mark.parametrize(("count", "name"), [case for case in CASES if "cut" in case[1]])
def test_a_run_that_goes_on_takes_the_steps_of_one_that_was_not_stopped_to_the_bit(short, count, name):
    _, folder = short[count]
    found, expected = weights_of(folder, name, 0), weights_of(folder, "with dropout", 0)
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    other = weights_of(folder, "undisturbed", 0)
    assert not torch.equal(other["classifier.weight"], expected["classifier.weight"])


def test_memory_that_runs_out_while_a_gradient_is_shared_ends_all_with_one_line(tmp_path, english_bert, dataset):
    late = {"short": 1, "most": 1, "where": "backward", "late": 5, "micro": 2}  # a piece no larger than one that fitted
    (first, first_said), (second, second_said) = start(tmp_path, 2, english_bert, dataset, {"shared": late})
    assert second == 2
    assert first not in (0, None)
    lines = [line for line in (first_said + second_said).splitlines() if line.startswith("error:")]
    assert len(lines) == 1, first_said + second_said
    assert (
        "out of memory while the processes shared a gradient; continue with --resume and a smaller --micro_batch_size"
        in lines[0]
    )
    assert "Traceback" not in first_said + second_said


def test_recordings_give_their_memory_back_when_it_runs_out():
    learner = small_learner()
    learner.graphs = PassGraphs()
    attempts = 0
    for attempt in learner.attempts(np.arange(4)):
        with attempt:
            attempts += 1
            if attempts == 1:
                raise MemoryError
    assert attempts == 2
    assert learner.graphs is None


def test_passes_are_recorded_on_a_card_alone():
    assert small_learner().graphs is None
    assert small_learner().length_step == 1
