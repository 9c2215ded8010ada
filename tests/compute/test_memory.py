import copy
import gc

import numpy as np
import pandas as pd
import pytest
import torch
from transformers.modeling_outputs import SequenceClassifierOutput

import utils
from tests.base.test_errors import SHORT
from tests.conftest import WORDS
from toolkit.base.errors import TooLittleMemory
from toolkit.compute.batches import training_batches
from toolkit.compute.machine import Machine
from toolkit.compute.memory import RowLimit
from toolkit.compute.precision import choose_precision
from toolkit.tokens.encoder import make_encoder
from toolkit.training.learner import Learner, StepSettings
from toolkit.training.optimizer import make_optimizer

CPU = torch.device("cpu")
FP32 = choose_precision("fp32", CPU)
TEXTS = [f"the {WORDS[15 + i % 20]} was {'very ' * (i % 5)}{word} ." for i in range(10) for word in ("good", "bad")]


def fitting(most: int, rows: int, limit: RowLimit, error: BaseException = SHORT["CUDA"]) -> list[list[int]]:
    """Work on rows of which `most` fit at once; return the sizes of the pieces of each attempt, the last is through."""
    attempts = []
    for attempt in limit.attempts(rows):
        with attempt:
            attempts.append([])
            for piece in limit.cut(np.arange(rows)):
                attempts[-1].append(len(piece))
                if len(piece) > most:
                    raise error
    return attempts


@pytest.mark.parametrize("error", SHORT.values(), ids=SHORT.keys())
def test_the_rows_are_halved_until_they_fit_and_stay_so(error):
    said = []
    limit = RowLimit(log=lambda words: said.append(str(words)))
    assert fitting(3, 13, limit, error) == [[13], [7], [4, 3, 3, 3][:1], [2, 2, 2, 2, 2, 2, 1]]
    assert said == [
        "out of memory with 13 rows at once; continuing with 7",
        "out of memory with 7 rows at once; continuing with 4",
        "out of memory with 4 rows at once; continuing with 2",
    ]
    assert fitting(3, 100, limit) == [[2] * 50]
    assert len(said) == 3


def test_a_batch_smaller_than_the_limit_is_what_is_halved():
    limit = RowLimit(64)
    fitting(5, 9, limit)
    assert limit.rows == 5
    assert fitting(5, 64, limit) == [[5] * 12 + [4]]


def test_a_single_row_that_does_not_fit_ends_it_with_one_line():
    said, tries, limit = [], 0, RowLimit(log=lambda line: said.append(line))
    with pytest.raises(TooLittleMemory) as caught:
        for attempt in limit.attempts(4):
            with attempt:
                tries += 1
                raise SHORT["the CPU"]
    assert (tries, len(said)) == (3, 2)  # with 4, 2 and 1 rows
    (line,) = caught.value.lines()
    assert line.startswith("out of memory with a single row")


@pytest.mark.parametrize("error", [ValueError("ours"), RuntimeError("shapes"), KeyboardInterrupt()], ids=repr)
def test_another_error_is_not_tried_again(error):
    tries, limit = 0, RowLimit()
    with pytest.raises(type(error)):
        for attempt in limit.attempts(4):
            with attempt:
                tries += 1
                raise error
    assert (tries, limit.rows) == (1, None)


@pytest.mark.parametrize("most", [None, 1, 2, 3, 7, 100])
@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 5, 7, 20])
def test_pieces_are_all_rows_in_order_and_within_the_limit_of_every_device(most, devices, count):
    rows = np.random.default_rng(0).permutation(50)[:count]
    pieces = RowLimit(most).cut(rows, devices)
    assert np.concatenate(pieces).tolist() == rows.tolist()
    assert most is None or max(map(len, pieces)) <= most * devices


# -- in training and prediction --------------------------------------------------------------------------------------


class Greedy(torch.nn.Module):
    """A model for which a forward or backward pass of more than `most` rows is too much for the memory.

    With `late` only from the forward pass of that number on.
    """

    def __init__(self, model, most: int, where: str, error: BaseException, late: int = 0):
        super().__init__()
        self.model, self.most, self.where, self.error, self.late = model, most, where, error, late
        self.config, self.sizes, self.failed = model.config, [], 0

    def check(self, rows: int, where: str) -> None:
        if rows > self.most and where == self.where and len(self.sizes) > self.late:
            self.failed += 1
            raise type(self.error)(*self.error.args)  # a new one, since it holds what was being worked on

    def forward(self, **inputs):
        rows = len(inputs["input_ids"])
        self.sizes.append(rows)
        if self.where == "middle":  # behind the first layer, so that a part of the work is done
            hook = self.model.bert.encoder.layer[1].intermediate.register_forward_hook(
                lambda *_: self.check(rows, "middle")
            )
            with hook:
                logits = self.model(**inputs).logits
        else:
            logits = self.model(**inputs).logits
        self.check(rows, "forward")
        if logits.requires_grad and self.where == "backward":
            hidden = self.model.bert.encoder.layer[0].output.dense.weight
            logits = Watched.apply(logits, self, rows, hidden)
        return SequenceClassifierOutput(logits=logits)


class Watched(torch.autograd.Function):
    """Passes logits through; in the backward pass the memory may run out, when a part of the gradient is there."""

    @staticmethod
    def forward(ctx, logits, greedy, rows, weight):
        ctx.greedy, ctx.rows, ctx.weight = greedy, rows, weight
        return logits.clone()

    @staticmethod
    def backward(ctx, gradient):
        if ctx.rows > ctx.greedy.most:
            weight = ctx.weight
            weight.grad = torch.ones_like(weight) if weight.grad is None else weight.grad + 1  # half of a gradient
        ctx.greedy.check(ctx.rows, "backward")
        return gradient, None, None, None


@pytest.fixture(scope="module")
def given(english_bert):
    """A model without dropout, the dataset of TEXTS, and batches of 8, 8 and 4 rows."""
    new = utils.new_classifier(str(english_bert), ["con", "pro"], dropout=0.0)
    model, tokenizer = new.model, new.tokenizer
    encoder = make_encoder(tokenizer, model.config, None, "longest_first", pairs=False)
    tokenized = utils.tokenize(encoder, pd.DataFrame({"text": TEXTS}), np.arange(len(TEXTS)) % 2)
    dataset, lengths = tokenized.dataset, tokenized.full_lengths
    return model, dataset, sorted(training_batches(lengths, 8, seed=0, epoch=0), key=len, reverse=True)


def train(model, dataset, batches, limit: RowLimit, seed: int = 0) -> tuple[dict, Learner, list[float]]:
    """Train and return the weights, the learner and the sums of the losses."""
    optimizer, losses = make_optimizer(model, 0.01, (0.9, 0.999), 1e-4), []
    settings = StepSettings(lambda step: 1e-3, seed=seed)
    learner = Learner(model, optimizer, FP32.scaler(), settings, Machine(CPU, FP32), limit)
    utils.train_one_epoch(learner, dataset, batches, lambda loss, *_: losses.append(loss.item()))
    inner = model.model if isinstance(model, Greedy) else model
    return copy.deepcopy(inner.state_dict()), learner, losses


@pytest.mark.parametrize("where", ["forward", "middle", "backward"])
@pytest.mark.parametrize(("most", "micro", "device"), [(3, 2, "CUDA"), (5, 4, "the CPU"), (1, 1, "the CPU")])
def test_a_run_that_is_short_of_memory_is_the_run_with_smaller_pieces_from_the_start(given, where, most, micro, device):
    model, dataset, batches = given
    said = []
    greedy = Greedy(copy.deepcopy(model), most, where, SHORT[device])
    weights, learner, losses = train(greedy, dataset, batches, RowLimit(log=lambda words: said.append(str(words))))
    expected, other, its_losses = train(copy.deepcopy(model), dataset, batches, RowLimit(micro))
    assert learner.limit.rows == micro
    assert len(said) == greedy.failed == {2: 2, 4: 1, 1: 3}[micro]
    assert learner.step == other.step == len(batches)
    assert losses == its_losses
    for name, tensor in expected.items():
        assert torch.equal(weights[name], tensor), name
    whole, _, _ = train(copy.deepcopy(model), dataset, batches, RowLimit())
    for name, tensor in whole.items():
        torch.testing.assert_close(weights[name], tensor, atol=1e-5, rtol=0, msg=name)


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_memory_that_runs_out_in_the_third_of_several_pieces_repeats_the_whole_step(given, where):
    model, dataset, batches = given
    greedy = Greedy(copy.deepcopy(model), 1, where, SHORT["CUDA"], late=2)
    weights, learner, _ = train(greedy, dataset, batches[:1], RowLimit(2))
    assert greedy.sizes == [2, 2, 2, *[1] * 8]  # two pieces were through, the third failed, and all began anew
    expected, _, _ = train(copy.deepcopy(model), dataset, batches[:1], RowLimit(1))
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    assert learner.step == 1


def test_what_is_dropped_in_a_repeated_step_is_what_smaller_pieces_would_have_dropped(given):
    model, dataset, batches = copy.deepcopy(given[0]), given[1], given[2]
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    greedy = Greedy(copy.deepcopy(model), 4, "backward", SHORT["CUDA"])
    weights, _, _ = train(greedy, dataset, batches, RowLimit(), seed=5)
    expected, _, _ = train(copy.deepcopy(model), dataset, batches, RowLimit(4), seed=5)
    other, _, _ = train(copy.deepcopy(model), dataset, batches, RowLimit(4), seed=6)
    assert greedy.sizes == [8, 4, 4, 4, 4, 4]
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    assert not torch.equal(other["classifier.weight"], expected["classifier.weight"])


def test_predictions_that_are_short_of_memory_are_the_same_and_stay_in_order(given):
    model, dataset, _ = given
    said = []
    limit = RowLimit(log=lambda words: said.append(str(words)))
    expected = utils.predict_logits(utils.Predictor(model, Machine(CPU, FP32), 8), dataset)
    greedy = Greedy(model, 2, "forward", SHORT["the CPU"])
    done = []
    found = utils.predict_logits(utils.Predictor(greedy, Machine(CPU, FP32), 8, limit), dataset, done.append)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (limit.rows, len(said), greedy.failed) == (2, 2, 2)
    assert done == [8, 8, 4]


def test_a_graph_that_did_not_fit_is_let_go_of_before_the_next_try(given):
    model, dataset, batches = given
    greedy = Greedy(copy.deepcopy(model), 4, "backward", SHORT["CUDA"])
    alive, before = [], graphs()
    greedy.model.register_forward_pre_hook(lambda *_: alive.append(graphs() - before))
    train(greedy, dataset, batches[:1], RowLimit())
    assert greedy.sizes == [8, 4, 4]
    assert alive == [0, 0, 0]


def graphs() -> int:
    """Return how many tensors are alive that hold what a backward pass needs."""
    gc.collect()
    return sum(issubclass(type(each), torch.Tensor) and each.grad_fn is not None for each in gc.get_objects())
