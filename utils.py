"""The spine that main.py, test_code.py and infer.py share, in the order in which the data meets it.

Shapes: N rows of a file, B rows of a batch, L tokens of its longest row, C labels.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch.utils.data import TensorDataset

from toolkit.base.disk import filling, fingerprint, install_directory, write_bytes, write_json
from toolkit.base.errors import UserError
from toolkit.cli.console import bar
from toolkit.compute.batches import prediction_batches
from toolkit.compute.device import choose_device, device_count, thread_count, unwrap, wrap
from toolkit.compute.memory import RowLimit
from toolkit.compute.precision import Precision
from toolkit.compute.processes import ALONE, Processes
from toolkit.data.labels import encode_labels, learn_labels, split_table
from toolkit.data.reading import open_source
from toolkit.data.rows import TEXT_PAIR_IF_PRESENT, Columns, Rejected, Row, read_rows, stop_or_report
from toolkit.data.tables import Table, Tokens, to_frame
from toolkit.evaluation.decision import Decision, decision_of
from toolkit.evaluation.explain import attribute
from toolkit.evaluation.metrics import ScoredSet
from toolkit.models.fast_bert import make_fast
from toolkit.models.int8 import check_labels, make_int8
from toolkit.models.packed_linear import pack_linear_layers
from toolkit.models.pretrained import (
    has_token_types,
    load_classifier,
    load_config,
    load_tokenizer,
    longest_input,
    set_dropout,
)
from toolkit.runs.model_card import model_card
from toolkit.runs.run_json import read_run
from toolkit.tokens.truncation import kept_positions
from toolkit.tokens.unknown_characters import check_unknown, known_tokens
from toolkit.training.learner import GradientPass, Learner

__all__ = [  # of the spine, from other rooms
    "Learner", "Table", "choose_device", "encode_labels", "learn_labels", "split_table", "thread_count",
    "to_frame", "unwrap", "wrap",
]  # fmt: skip
TOKENIZE_AT_ONCE = 1000  # texts


# -- seed and device --------------------------------------------------------------------------------------------------


def set_seed(seed: int) -> None:
    """Seed every random number generator that a run draws from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


# -- files to rows ----------------------------------------------------------------------------------------------------


def read_table(
    path: Path,
    columns: Columns,
    encoding: str | None = None,
    on_bad_rows: str = "stop",
    keep_records: bool = False,
) -> Table:
    """Read a labelled csv, tsv, json, jsonl, txt or parquet file.

    The text_pair of `columns` may be TEXT_PAIR_IF_PRESENT. Raises UserError that lists the rows that cannot be used,
    unless `on_bad_rows` is "skip".
    """
    pair_if_present = columns.text_pair == TEXT_PAIR_IF_PRESENT
    with open_source(path, encoding) as source:
        if pair_if_present:
            columns = replace(columns, text_pair="text_pair" if "text_pair" in source.columns else None)
        rows = list(read_rows(source, columns))
    may_come_late = pair_if_present and columns.text_pair is None and source.columns_of_first is not None
    if may_come_late and any(isinstance(row.values, dict) and "text_pair" in row.values for row in rows):
        columns = replace(columns, text_pair="text_pair")
        return read_table(path, columns, encoding, on_bad_rows, keep_records)
    used = [row for row in rows if isinstance(row, Row)]
    rejected = [row for row in rows if isinstance(row, Rejected)]
    stop_or_report(rejected, len(rows), on_bad_rows)
    if not used:
        raise UserError(f"{path}: there are no rows{', only a header' * (source.format in ('csv', 'tsv'))}")
    frame = to_frame(used, unit=source.unit)
    frame = frame if columns.text_pair else frame.drop(columns="text_pair")
    records = [row.values for row in used] if keep_records else []
    return Table(Path(path), frame, rejected, records, columns, fingerprint(Path(path)))


# -- texts to tokens --------------------------------------------------------------------------------------------------


@dataclass
class Encoder:
    """A tokenizer and how it is used for one model: `pairs` of texts or single ones, cut to `max_length` tokens."""

    tokenizer: object
    max_length: int
    truncation: str
    pairs: bool
    token_types: bool  # the model tells the texts of a pair apart by token_type_ids


def make_encoder(tokenizer, config, model, max_length: int | None, truncation: str, pairs: bool) -> Encoder:
    """Return the Encoder for a model; `max_length` None means as many tokens as it can take.

    Raises UserError for a length that the model cannot take or that leaves no room, and a truncation without sense.
    """
    longest, special = longest_input(config, tokenizer), tokenizer.num_special_tokens_to_add(pairs)
    max_length = longest if max_length is None else max_length
    if max_length > longest:
        raise UserError(f"--max_length {max_length}: this model takes {longest} tokens at most")
    if max_length < special + 1 + pairs:
        raise UserError(f"--max_length {max_length}: {special} of them are special tokens, so no room for text is left")
    if truncation == "only_second" and not pairs:
        raise UserError("--truncation only_second is for pairs of texts; these are single ones")
    return Encoder(tokenizer, max_length, truncation, pairs, has_token_types(config, model))


def tokenize(
    encoder: Encoder, frame: pd.DataFrame, label_ids: np.ndarray | None = None, name: str = ""
) -> tuple[TensorDataset, np.ndarray]:
    """Tokenize a table and return its dataset, and the length (N,) in tokens of each row before it was cut.

    The dataset holds input_ids (N, L) int32, token_type_ids (N, L) uint8 or (N, 0) for a model without them, lengths
    (N,) int64 and label_ids (N,) int64 (-1 where there are none); L is the longest row's. `name` is for messages.
    """
    tokenizer, rows, full = encoder.tokenizer, [], []
    texts = frame["text"].tolist()
    pairs = frame["text_pair"].tolist() if encoder.pairs else None
    with bar(len(texts), f"tokenizing {name}".strip(), "rows") as progress_bar:
        for start in range(0, len(texts), TOKENIZE_AT_ONCE):
            part = slice(start, start + TOKENIZE_AT_ONCE)
            encoded = tokenizer(
                texts[part], pairs[part] if pairs else None, truncation=False, verbose=False,
                return_token_type_ids=encoder.token_types, return_attention_mask=False,
            )  # fmt: skip
            for i, ids in enumerate(encoded["input_ids"]):
                row = np.array([ids, encoded["token_type_ids"][i]] if encoder.token_types else [ids], np.int32)
                rows.append(row if len(ids) <= encoder.max_length else row[:, _kept(encoder, encoded, i, name)])
                full.append(len(ids))
            progress_bar.update(len(encoded["input_ids"]))
    lengths = np.array([row.shape[1] for row in rows], np.int64)
    input_ids = np.full((len(rows), lengths.max(initial=0)), tokenizer.pad_token_id, np.int32)
    token_type_ids = np.zeros(input_ids.shape if encoder.token_types else (len(rows), 0), np.uint8)
    for i, (ids, *types) in enumerate(rows):
        input_ids[i, : len(ids)] = ids
        if types:
            token_type_ids[i, : len(ids)] = types[0]
    label_ids = np.full(len(rows), -1) if label_ids is None else label_ids
    arrays = (input_ids, token_type_ids, lengths, label_ids.astype(np.int64))
    return TensorDataset(*map(torch.from_numpy, arrays)), np.array(full)


def encode_tables(
    encoder: Encoder, tables: dict[str, Table], labels: Sequence[str], max_unknown: float
) -> tuple[dict[str, TensorDataset], dict[str, Tokens]]:
    """Return, by name, the datasets of some tables and what there is to know of their tokens.

    Raises UserError for labels that are not among `labels`, and where too much of a text is unknown to the tokenizer.
    """
    sets, tokens, tokenizer = {}, {}, encoder.tokenizer
    label_ids = {name: encode_labels(table, labels) for name, table in tables.items()}
    for name, table in tables.items():
        share = check_unknown(tokenizer, table.texts, str(table.path), max_unknown)
        sets[name], counts = tokenize(encoder, table.frame, label_ids[name], str(table.path))
        input_ids, _, lengths, _ = sets[name].tensors
        known = known_tokens(tokenizer, input_ids.numpy(), lengths.numpy(), encoder.pairs)
        tokens[name] = Tokens(counts, known, share, encoder.max_length)
    return sets, tokens


def _kept(encoder: Encoder, encoded, i: int, name: str) -> Sequence[int]:
    """Return the positions of the tokens that stay in row `i` of what the tokenizer gave, which is too long."""
    length = len(encoded["input_ids"][i])
    if not encoder.tokenizer.is_fast:
        raise UserError(f"{name}: a row of {length} tokens, which a tokenizer without a fast version cannot truncate")
    return kept_positions(encoded.sequence_ids(i), encoder.max_length, encoder.truncation)


# -- batches ----------------------------------------------------------------------------------------------------------


def batch_tensors(dataset: TensorDataset, rows: np.ndarray, device: torch.device) -> tuple[dict, torch.Tensor]:
    """Return the model's inputs, each (B, L) int64 for the L of the longest of these rows, and label_ids (B,)."""
    input_ids, token_type_ids, lengths, label_ids = dataset[torch.from_numpy(rows)]
    longest = int(lengths.max())
    inputs = {
        "input_ids": input_ids[:, :longest].long(),
        "attention_mask": (torch.arange(longest) < lengths[:, None]).long(),
    }
    if token_type_ids.shape[1]:
        inputs["token_type_ids"] = token_type_ids[:, :longest].long()
    inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in inputs.items()}
    return inputs, label_ids.to(device, non_blocking=True)


# -- model ------------------------------------------------------------------------------------------------------------


def new_classifier(
    source: str, labels: Sequence[str], dropout: float | None, fast: bool = True
) -> tuple[torch.nn.Module, object, list]:
    """Return (model, tokenizer, names of its new weights) of a pretrained model with a head for these labels.

    If it is to be `fast`, it computes nothing that the head does not read.
    """
    config = load_config(source)
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: i for i, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    set_dropout(config, dropout)
    tokenizer = load_tokenizer(source)
    model, new = load_classifier(source, config)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise UserError(f"model {source}: its tokenizer has more tokens than the model; they do not belong together")
    if fast:
        make_fast(model)
    return model, tokenizer, new


# -- training ---------------------------------------------------------------------------------------------------------


def train_one_epoch(
    learner: Learner,
    dataset: TensorDataset,
    batches: Iterable[np.ndarray],
    on_step: Callable[[torch.Tensor, int, float], None],
) -> None:
    """Take a step for each of `batches`, row numbers of the global batches of an epoch or of a part of it.

    A step follows the gradient of the mean loss over its batch, however the batch is cut to fit the memory and shared
    among processes; one whose loss or gradient is not a number leaves the weights as they are. After each step
    `on_step` gets the sum of the losses (a tensor on the device; of several processes each has an estimate of which
    the sum is the mean), the number of rows, and the learning rate.
    """
    learner.model.train()
    lengths = dataset.tensors[2].numpy()
    for rows in batches:
        rate = learner.begin_step()
        for attempt in learner.attempts(rows):
            with attempt:
                mean_loss = torch.zeros((), device=learner.machine.device)
                for gradient_pass in learner.passes(rows, lengths):
                    mean_loss += _add_gradient(learner, dataset, gradient_pass)
        norm = learner.clip_gradient()
        learner.guard.check(learner.step, mean_loss, norm, rows)
        learner.scaler.step(learner.optimizer)
        learner.scaler.update()
        learner.zero_grad()
        learner.step += 1
        on_step(mean_loss * len(rows), len(rows), rate)


def _add_gradient(learner: Learner, dataset: TensorDataset, gradient_pass: GradientPass) -> torch.Tensor:
    """Go forward and backward through some rows of a batch and return their part of the loss.

    A function of its own, so that where the memory runs out nothing of the graph is held while the step is repeated.
    """
    inputs, label_ids = batch_tensors(dataset, gradient_pass.rows, learner.machine.device)
    with learner.gradient_sharing(gradient_pass), learner.machine.precision.autocast():
        logits = learner.model(**inputs).logits  # (B, C)
    loss = F.cross_entropy(logits.float(), label_ids, reduction="sum") * gradient_pass.weight
    learner.scaler.scale(loss).backward()
    return loss.detach()


# -- prediction -------------------------------------------------------------------------------------------------------


def broadcast_dataset(processes: Processes, dataset: TensorDataset | None = None) -> TensorDataset | None:
    """Return, in every process, the dataset that the first one gives, or the None that it gives."""
    tensors = processes.broadcast_tensors(None if dataset is None else dict(zip("0123", dataset.tensors, strict=True)))
    return None if tensors is None else TensorDataset(*tensors.values())


@torch.inference_mode()
def predict_logits(
    model: torch.nn.Module,
    dataset: TensorDataset,
    batch_size: int,
    precision: Precision,
    device: torch.device,
    processes: Processes = ALONE,
    limit: RowLimit | None = None,
    on_batch: Callable[[int], object] = lambda rows: None,
) -> np.ndarray:
    """Return the logits (N, C) in fp32 of a dataset, in its order; `on_batch` gets the rows of each finished batch.

    A batch that does not fit the memory is cut up. Of several processes, each of which has the whole dataset, each
    takes some of the batches, and the first one gets all logits. The batches do not depend on how many there are.
    """
    model.eval()
    limit, devices = limit or RowLimit(), device_count(model)
    inner = model if isinstance(model, torch.nn.DataParallel) else unwrap(model)
    lengths = dataset.tensors[2].numpy()
    logits = np.zeros((len(lengths), unwrap(model).config.num_labels), np.float32)
    for number, rows in enumerate(prediction_batches(lengths, batch_size)):
        for attempt in limit.attempts(-(-len(rows) // devices)) if number % processes.size == processes.rank else ():
            with attempt:
                for piece in limit.cut(rows, devices):
                    inputs, _ = batch_tensors(dataset, piece, device)
                    with precision.autocast():
                        output = inner(**inputs).logits
                    logits[piece] = output.float().cpu().numpy()
        on_batch(len(rows))
    return processes.reduce_to_main(logits)


def explainer(
    folder: Path, encoder: Encoder, table: Table, device: torch.device
) -> Callable[[np.ndarray, np.ndarray], list]:
    """Return a function of numbers of n rows of a table, and (n, 2) labels, to the segments of these rows' texts.

    Segments, as toolkit.evaluation.explain has them, say what spoke for the first label and what for the second.
    """
    texts = table.frame.drop(columns="label").to_numpy()

    def explain(rows: np.ndarray, contrasts: np.ndarray) -> list:
        """Load the model once more, as it was saved, and ask it."""
        model, _ = load_classifier(str(folder))
        return attribute(model.to(device), encoder, [tuple(texts[row]) for row in rows], contrasts)

    return explain


def help_predict(model: torch.nn.Module, processes: Processes, **how) -> None:
    """Take part in the first process's predictions until it shares None instead of a dataset."""
    while (dataset := broadcast_dataset(processes)) is not None:
        predict_logits(model, dataset, processes=processes, **how)


def check_int8(
    model: torch.nn.Module,
    encoder: Encoder,
    frame: pd.DataFrame,
    decision: Decision,
    least: float,
    processes: Processes,
    **how,
) -> str:
    """Return how many rows keep the label of fp32 in int8, predicted by this process alone; UserError if too few do."""
    sample = tokenize(encoder, frame)[0]
    return check_labels(model, lambda: decision.label_ids(predict_logits(model, sample, **how)), least)


def score_table(
    model: torch.nn.Module,
    encoder: Encoder,
    table: Table,
    labels: list[str],
    decision: Decision,
    processes: Processes = ALONE,
    **how,
) -> ScoredSet:
    """Predict the labels of a table that the first process has and score them, while the others are in help_predict.

    `decision` says how logits become probabilities and predictions; `how` as predict_logits.
    """
    label_ids = encode_labels(table, labels)
    dataset, tokens = tokenize(encoder, table.frame, label_ids, str(table.path))
    broadcast_dataset(processes, dataset)
    with bar(len(dataset), "scoring", "rows") as progress_bar:
        logits = predict_logits(model, dataset, processes=processes, on_batch=progress_bar.update, **how)
    return ScoredSet(logits, label_ids, tokens, labels, decision)


# -- model directory --------------------------------------------------------------------------------------------------


def save_model(folder: Path, model: torch.nn.Module, tokenizer, run: dict, waits: bool = False) -> None:
    """Replace a model directory by one with this model, its tokenizer, run.json and the model card, in one go.

    If it `waits`, it stays beside the old one until install_directory is called.
    """
    with filling(folder) as new:
        unwrap(model).save_pretrained(new)
        tokenizer.save_pretrained(new)
        describe_model(new, run)
    if not waits:
        install_directory(folder)


def describe_model(folder: Path, run: dict) -> None:
    """Write run.json and the model card into a model directory."""
    write_json(folder / "run.json", run)
    write_bytes(folder / "README.md", model_card(run).encode())


def load_model(
    folder: Path, device: torch.device, precision: Precision, fast: bool = True
) -> tuple[torch.nn.Module, Encoder, dict]:
    """Return (model on its device or devices, encoder, run.json) of a model directory that main.py wrote.

    If it is to be `fast`, it computes nothing that the head does not read, and its weights are laid out to predict.
    Raises UserError if the directory is not one or is damaged.
    """
    run = read_run(folder)
    tokenizer = load_tokenizer(str(folder))
    model, new = load_classifier(str(folder))
    if new or model.config.num_labels != len(run["labels"]):
        raise UserError(f"{folder}: model.safetensors does not fit run.json ({len(new)} weights are missing)")
    if fast:
        make_fast(model)
        pack_linear_layers(model.to(device), precision.dtype)
    if precision.name == "int8":
        make_int8(model)
    pairs = run["columns"]["text_pair"] is not None
    encoder = make_encoder(tokenizer, model.config, model, run["max_length"], run["truncation"], pairs)
    return wrap(model, device, dtype=precision.dtype), encoder, run


def score_saved(
    folder: Path, model: torch.nn.Module, table: Table | None, fast: bool = True, processes: Processes = ALONE, **how
) -> ScoredSet | None:
    """Score a table with the model directory that the first process wrote; None in the others.

    These, which may not see the directory, get its weights into their `model`.
    """
    if processes.is_main:
        model, encoder, run = load_model(folder, how["device"], how["precision"], fast)
    inner = unwrap(model)
    if processes.size > 1:
        weights = {name: tensor.cpu() for name, tensor in inner.state_dict().items()} if processes.is_main else None
        inner.load_state_dict(processes.broadcast_tensors(weights))
    if not processes.is_main:
        if fast:
            pack_linear_layers(inner, how["precision"].dtype)  # as load_model did in the first
        return help_predict(inner, processes, **how)
    found = score_table(model, encoder, table, run["labels"], decision_of(run), processes=processes, **how)
    broadcast_dataset(processes, None)
    return found
