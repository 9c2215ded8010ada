"""What rows of tokens a model takes on this machine, found by giving it some made-up ones before a run begins.

Some models' scores of a text change with the padding behind it, or from one time to the next; some take fewer tokens
than their configuration says; some cannot compute in a number format. Shapes: B rows, L tokens, C labels.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from toolkit.base.errors import UserError, is_out_of_memory, kind_and_line
from toolkit.base.languages import Text
from toolkit.compute.machine import Machine
from toolkit.models.texts import FIT
from toolkit.models.vocabulary import can_cut_embeddings
from toolkit.tokens.encoder import Encoder
from toolkit.tokens.texts import LENGTHS, MODEL

TEXT = "a"  # whose special tokens, and their types, those of the made-up rows are
SHORT_ROWS = (9, 15, 11, 11)  # tokens of the rows that are scored alone and together
SAME = 1e-4  # largest difference of such scores, relative to the largest one, that rounding may make
NOTHING = 1e-6  # difference of such scores that is rounding alone


@dataclass(frozen=True)
class Fit:
    """How a model is to be used on this machine."""

    max_length: int  # tokens
    equal_lengths: bool  # only rows of one length stand in a batch
    precision: str
    notes: tuple[Text, ...] = ()  # what of this has to be said
    has_table: bool = False  # its tokens are rows of a table, of which those that no text needs can be left out


@dataclass(frozen=True)
class MadeUpRow:
    """A row of random tokens between the special ones that a text, or a pair of texts, has."""

    input_ids: torch.Tensor  # (L,)
    token_type_ids: torch.Tensor  # (L,)


class _Reached(Exception):
    """The pass has come as far as it was to go."""


def probe(name: str, model: Any, encoder: Encoder, machine: Machine, may_shorten: bool = True) -> Fit:
    """Return how a classifier on the CPU is to be used; afterwards it is on the machine's device.

    Draws nothing that a run's random numbers would miss. Raises UserError, naming the model by `name`, if it cannot be
    used: it fails on any text, its scores of a text depend on those of others whatever the batches, or it fails in the
    number format that was asked for. `may_shorten` says whether fewer tokens than the encoder's max_length will do.
    """
    notes: list[Text] = []
    with _undisturbed(model):
        rows = [_made_up(encoder, length, number) for number, length in enumerate(SHORT_ROWS)]
        alone = _scored_alone(name, model, encoder, rows)
        max_length = _usable_length(model, encoder)
        if max_length < encoder.max_length:
            if not may_shorten:
                problem = LENGTHS["above_real_limit"]
                raise UserError(problem.fill(max_length=encoder.max_length, limit=max_length))
            notes.append(FIT["length"].fill(max_length=max_length))
        if not _agree(_score(model, encoder, rows[:1]), alone[:1]):
            raise UserError(MODEL["unsteady"].fill(name=name))
        equal_lengths = not _is_same_together(model, encoder, rows, alone)
        if equal_lengths:
            of_one_length = [row for row in rows if len(row.input_ids) == len(rows[-1].input_ids)]
            if not _is_same_together(model, encoder, of_one_length, alone[-len(of_one_length) :]):
                raise UserError(MODEL["of_batch"].fill(name=name))
            notes.append(FIT["padding"])
            rows = of_one_length
        model.to(machine.device)
        precision = _usable_precision(name, model, encoder, rows, machine)
    if precision != machine.precision.name:
        notes.append(FIT["precision"].fill(wanted=machine.precision.name, precision=precision))
    return Fit(max_length, equal_lengths, precision, tuple(notes), can_cut_embeddings(model))


def probe_precision(name: str, model: Any, encoder: Encoder, machine: Machine) -> str:
    """Return the number format in which a classifier on the machine's device predicts: the machine's, or fp32.

    Raises UserError if it does in neither, or not in the one that was asked for.
    """
    with _undisturbed(model), torch.no_grad():
        return _usable_precision(name, model, encoder, [_made_up(encoder, SHORT_ROWS[0])], machine)


@contextmanager
def _undisturbed(model: torch.nn.Module) -> Iterator[None]:
    """Leave a model and the random numbers afterwards as they were."""
    training = model.training
    cards = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=cards):
            yield
    finally:
        model.train(training)
        model.zero_grad(set_to_none=True)


# -- made-up rows -----------------------------------------------------------------------------------------------------


def _made_up(encoder: Encoder, length: int, seed: int = 0) -> MadeUpRow:
    """Return a row of so many tokens; of a pair, those of the first text are random.

    It has the special tokens too, so it may be longer than is asked for, but not than the encoder's max_length.
    """
    tokenizer = encoder.tokenizer
    encoded = encoder.encode([TEXT], [TEXT] if encoder.pairs else None)
    ids = list(encoded["input_ids"][0])
    types = list(encoded["token_type_ids"][0]) if encoder.token_types else [0] * len(ids)
    special = set(tokenizer.all_special_ids)
    usable = [number for number in range(len(tokenizer)) if number not in special]
    place = next((place for place, number in enumerate(ids) if number not in special), 0)
    count = max(1, min(length, encoder.max_length) - len(ids) + 1)
    draw = np.random.default_rng(seed)
    words = [usable[i] for i in draw.integers(len(usable), size=count)] if usable else ids[:1] * count
    ids[place : place + 1] = words
    types[place : place + 1] = types[place : place + 1] * count
    return MadeUpRow(torch.tensor(ids), torch.tensor(types))


def _inputs(encoder: Encoder, rows: Sequence[MadeUpRow], device: torch.device) -> dict[str, torch.Tensor]:
    """Return the inputs (B, L) of a model for some rows, padded on the right to the longest."""
    padding = encoder.tokenizer.pad_token_id
    pad = torch.nn.utils.rnn.pad_sequence
    inputs = {
        "input_ids": pad([row.input_ids for row in rows], batch_first=True, padding_value=padding),
        "attention_mask": pad([torch.ones_like(row.input_ids) for row in rows], batch_first=True),
    }
    if encoder.token_types:
        inputs["token_type_ids"] = pad([row.token_type_ids for row in rows], batch_first=True)
    return {name: tensor.to(device) for name, tensor in inputs.items()}


# -- what is tried ----------------------------------------------------------------------------------------------------


def _scored_alone(name: str, model: Any, encoder: Encoder, rows: Sequence[MadeUpRow]) -> torch.Tensor:
    """Return the scores (B, C) of rows that are scored one by one; UserError if that cannot be done."""
    try:
        scores = torch.cat([_score(model, encoder, [row]) for row in rows])
    except Exception as error:  # whatever it is that a model of another kind stumbles over
        if is_out_of_memory(error):
            raise
        problem = MODEL["no_scores"].fill(name=name, kind=type(model).__name__, reason=kind_and_line(error))
        raise UserError(problem) from None
    if not torch.isfinite(scores).all():
        raise UserError(MODEL["no_numbers"].fill(name=name))
    largest = float(scores.abs().max())
    if largest > 0 and float((scores.amax(0) - scores.amin(0)).max()) < NOTHING * largest:
        raise UserError(MODEL["blind"].fill(name=name))
    return scores


def _is_same_together(model: Any, encoder: Encoder, rows: Sequence[MadeUpRow], alone: torch.Tensor) -> bool:
    """Say whether rows in one batch get the scores (B, C) that they got alone."""
    try:
        return _agree(_score(model, encoder, rows), alone)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return False


def _score(model: Any, encoder: Encoder, rows: Sequence[MadeUpRow]) -> torch.Tensor:
    """Return the scores (B, C) of rows in one batch, in fp32."""
    model.eval()
    with torch.no_grad():  # what a model keeps of it, such as rotations, may be part of a backward pass later
        return model(**_inputs(encoder, rows, model.device)).logits.float()


def _agree(scores: torch.Tensor, expected: torch.Tensor) -> bool:
    return scores.shape == expected.shape and torch.allclose(
        scores, expected, rtol=0, atol=SAME * float(expected.abs().max())
    )


def _usable_length(model: Any, encoder: Encoder) -> int:
    """Return the largest length up to the encoder's at which the first layer can be reached and computed."""
    if _takes_length(model, encoder, encoder.max_length):
        return encoder.max_length
    low = len(_made_up(encoder, max(SHORT_ROWS)).input_ids)  # such a row was scored
    high = encoder.max_length
    while high - low > 1:
        middle = (low + high) // 2
        if _takes_length(model, encoder, middle):
            low = middle
        else:
            high = middle
    return low


def _takes_length(model: Any, encoder: Encoder, length: int) -> bool:
    """Say whether a row of so many tokens goes through the model up to the end of its first layer.

    Positions are looked up and masks are made before it; to compute the other layers too would take as long as a batch.
    """
    with _stopping_after_first_layer(model):
        try:
            _score(model, encoder, [_made_up(encoder, length)])
        except _Reached:
            return True
        except Exception as error:  # an index out of the table of positions, a mask that is too small
            return is_out_of_memory(error)  # what to do about that is known when there are such texts
    return True


@contextmanager
def _stopping_after_first_layer(model: torch.nn.Module) -> Iterator[None]:
    """Let a pass raise _Reached when it comes to any part of the second layer, or to the end of an only one."""
    lists = (part for part in model.modules() if isinstance(part, torch.nn.ModuleList) and len(part) > 0)
    layers = next((part for part in lists if not isinstance(part[0], torch.nn.ModuleList)), torch.nn.ModuleList())
    if len(layers) > 1:
        handles = [part.register_forward_pre_hook(_stop) for part in layers[1].modules()]
    else:
        handles = [layer.register_forward_hook(_stop) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _stop(*_: object) -> None:
    raise _Reached


def _usable_precision(name: str, model: Any, encoder: Encoder, rows: Sequence[MadeUpRow], machine: Machine) -> str:
    """Return the machine's number format if the model computes in it, else fp32 if nobody asked for the other one."""
    problem = _precision_problem(model, encoder, rows, machine)
    if problem is None:
        return machine.precision.name
    precision = machine.precision.name
    kind = type(model).__name__
    in_fp32 = machine.in_precision("fp32")
    if precision in ("fp32", "int8") or _precision_problem(model, encoder, rows, in_fp32) is not None:
        raise UserError(MODEL["unusable"].fill(name=name, kind=kind, problem=problem))
    if not machine.precision.is_automatic:
        raise UserError(MODEL["precision"].fill(precision=precision, kind=kind, problem=problem))
    return "fp32"


def _precision_problem(model: Any, encoder: Encoder, rows: Sequence[MadeUpRow], machine: Machine) -> str | Text | None:
    """Return what goes wrong with a pass over rows in a number format, None if nothing does.

    The pass goes backward as well, with dropout, where gradients are computed at all.
    """
    learns = torch.is_grad_enabled()
    model.train(learns)
    model.zero_grad(set_to_none=True)
    try:
        with machine.precision.autocast():
            scores = model(**_inputs(encoder, rows, machine.device)).logits
        if not torch.isfinite(scores).all():
            return MODEL["scores"]
        if learns:
            labels = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
            F.cross_entropy(scores.float(), labels).backward()
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return kind_and_line(error)
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    is_finite = all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
    if learns and machine.precision.name != "fp16" and not is_finite:  # in fp16 they are scaled first
        return MODEL["gradients"]
    return None
