import copy
import json
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import utils
from tests.conftest import ended, processes
from toolkit.learner import Learner
from toolkit.precision import choose_precision

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
]
TRAINS = """
import json, sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import TensorDataset

import utils
from toolkit.errors import run_script
from toolkit.launch import our_place
from toolkit.precision import choose_precision
from toolkit.world import World


def main():
    folder, device, place = Path(sys.argv[1]), torch.device("cpu"), our_place()
    plan, precision = json.loads((folder / "plan.json").read_text()), choose_precision("fp32", device)
    tensors = load_file(folder / "dataset.safetensors")
    dataset = TensorDataset(*(tensors[name] for name in "0123"))
    with World(place) as world:
        dataset = utils.share_dataset(world, dataset if world.is_first else None)
        for number, steps in enumerate(plan["runs"]):
            utils.set_seed(world.rank)  # other weights in each process
            model = utils.new_classifier(plan["model"], plan["labels"], dropout=0.0)[0]
            model.extra = torch.nn.Linear(4, 4)
            optimizer = utils.make_optimizer(model, 0.01, (0.9, 0.999), plan["epsilon"])
            learner = utils.Learner(
                utils.wrap(model, device, world), optimizer, lambda step: plan["rate"], precision, precision.scaler(),
                device, world=world,
            )
            losses = []
            for rows, learner.micro_batch_size in steps:
                utils.train_one_epoch(learner, dataset, [np.array(rows)], lambda loss, *_: losses.append(loss))
            assert utils.unwrap(learner.model) is model
            model.loss_sums = torch.nn.Parameter(world.mean(torch.stack(losses)))
            save_file(model.state_dict(), folder / f"{number}-{world.rank}.safetensors")


sys.exit(run_script(main))
"""


def small_learner(seed: int = 0, **options) -> Learner:
    model = torch.nn.Sequential(torch.nn.Linear(3, 50), torch.nn.Dropout(0.5))
    optimizer = torch.optim.SGD([{"params": model[0].weight, "lr": 7.0}, {"params": model[0].bias}], lr=9.0)
    return Learner(model, optimizer, lambda step: 0.5 / (1 + step), FP32, FP32.scaler(), CPU, seed=seed, **options)


# -- one process alone -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("micro_batch_size", [None, 1, 2, 3, 7, 8, 100])
@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_the_pieces_of_a_process_alone_are_all_rows_once_and_weigh_one(count, micro_batch_size):
    rows = np.random.default_rng(0).permutation(100)[:count]
    pieces = list(small_learner(micro_batch_size=micro_batch_size).pieces(rows))
    assert sorted(np.concatenate([piece for piece, _, _ in pieces]).tolist()) == sorted(rows.tolist())
    assert sum(len(piece) * weight for piece, weight, _ in pieces) == pytest.approx(1)
    assert len({weight for _, weight, _ in pieces}) == 1
    assert max(len(piece) for piece, _, _ in pieces) <= (micro_batch_size or count)
    assert all(isinstance(context, nullcontext) for _, _, context in pieces)


def test_a_step_has_the_learning_rate_of_its_number_in_every_group_of_weights():
    learner = small_learner()
    for step in (0, 1, 4):
        learner.step = step
        assert learner.begin_step() == 0.5 / (1 + step)
        assert [group["lr"] for group in learner.optimizer.param_groups] == [0.5 / (1 + step)] * 2
    assert learner.step == 4  # it counts the steps that are done, and none was


def dropped(learner: Learner, step: int) -> list[list[bool]]:
    """Return which outputs are dropped in two forward passes of a step."""
    learner.step = step
    learner.begin_step()
    return [(learner.model[1](torch.ones(200)) == 0).tolist() for _ in range(2)]


def test_what_a_step_drops_depends_on_the_seed_and_its_number_alone():
    first = dropped(small_learner(seed=5), 3)
    assert first[0] != first[1]
    again = small_learner(seed=5)
    dropped(again, 2)
    torch.rand(17)
    assert dropped(again, 3) == first
    assert dropped(again, 4) != first
    assert dropped(small_learner(seed=6), 3) != first


# -- two processes ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(english_bert):
    model, tokenizer, _ = utils.new_classifier(str(english_bert), LABELS, dropout=0.0)
    encoder = utils.make_encoder(tokenizer, model.config, model, None, "longest_first", pairs=False)
    return utils.tokenize(encoder, pd.DataFrame({"text": TEXTS}), np.arange(len(TEXTS)) % 3)[0]


@pytest.fixture(scope="module")
def batches() -> list[list[np.ndarray]]:
    """The row numbers of each step of each run."""
    draw = np.random.default_rng(0)
    return [[draw.permutation(len(TEXTS))[:size] for size, _ in run] for run in RUNS]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, english_bert, dataset, batches) -> list[list[dict]]:
    """The weights that each of two processes has after each run."""
    folder = tmp_path_factory.mktemp("trained")
    runs = [[(rows.tolist(), micro) for rows, (_, micro) in zip(*run, strict=True)]
            for run in zip(batches, RUNS, strict=True)]  # fmt: skip
    plan = {"model": str(english_bert), "labels": LABELS, "runs": runs, "rate": RATE, "epsilon": EPSILON}
    (folder / "plan.json").write_text(json.dumps(plan))
    save_file({str(i): tensor for i, tensor in enumerate(dataset.tensors)}, folder / "dataset.safetensors")
    (folder / "worker.py").write_text(TRAINS, encoding="utf-8")
    with processes(2, folder / "worker.py", folder) as started:
        ends = ended(started)
    assert [status for status, _ in ends] == [0, 0], ends
    return [[load_file(folder / f"{run}-{rank}.safetensors") for rank in range(2)] for run in range(len(RUNS))]


def plain_training(model, dataset, batches) -> list[float]:
    """Train row by row as one would without a toolkit, and return the sums of the losses of each step."""
    model.train()
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
         {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0}],
        lr=RATE, betas=(0.9, 0.999), eps=EPSILON,
    )  # fmt: skip
    sums = []
    for rows in batches:
        optimizer.zero_grad()
        losses = []
        for row in rows.tolist():
            ids, types, length, label = (tensor[row] for tensor in dataset.tensors)
            inputs = {"input_ids": ids[None, :length].long(), "token_type_ids": types[None, :length].long()}
            losses.append(torch.nn.functional.cross_entropy(model(**inputs).logits, label[None]))
        torch.stack(losses).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        sums.append(sum(loss.item() for loss in losses))
    return sums


@pytest.mark.parametrize("run", range(len(RUNS)))
def test_two_processes_learn_what_one_learns_from_the_same_batches(english_bert, dataset, batches, trained, run):
    utils.set_seed(0)
    model = utils.new_classifier(str(english_bert), LABELS, dropout=0.0)[0]
    model.extra = torch.nn.Linear(4, 4)
    before = copy.deepcopy(model.state_dict())
    sums = plain_training(model, dataset, batches[run])
    found = dict(trained[run][0])
    np.testing.assert_allclose(found.pop("loss_sums").numpy(), sums, rtol=1e-4)
    assert set(found) == set(before)
    for name, expected in model.state_dict().items():
        torch.testing.assert_close(found[name], expected, atol=2e-5, rtol=0, msg=name)
    changed = {name for name in before if not torch.equal(found[name], before[name])}
    assert {"classifier.weight", "bert.encoder.layer.0.attention.self.query.weight"} <= changed
    assert not {"extra.weight", "extra.bias"} & changed


@pytest.mark.parametrize("run", range(len(RUNS)))
def test_two_processes_have_the_same_weights_to_the_last_bit(trained, run):
    first, second = trained[run]
    assert set(first) == set(second)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
