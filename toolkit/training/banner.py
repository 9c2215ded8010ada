"""What main.py prints before it trains: the facts that decide how long it takes and how good the model can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from toolkit.base.languages import COMMA, LIST_COMMA, Text, count_of, joined, shortened
from toolkit.cli.console import Log, shown_label
from toolkit.compute.batches import padding_share, training_batches
from toolkit.data.tables import Table
from toolkit.files.source import short_repr
from toolkit.layers.fast_bert import packs
from toolkit.models.trained_part import TrainedPart
from toolkit.models.trust import pickles
from toolkit.runs.run_json import versions
from toolkit.tokens.dataset import TokenDataset, TokenFacts
from toolkit.tokens.trimming import Trimmed
from toolkit.tokens.windows import Windows
from toolkit.training.recipe import Recipe, recipe_lines
from toolkit.training.texts import LENGTHS, MACHINE, MODEL, ROWS, STEPS, VOCABULARY

MAX_LISTED = 20  # labels
MAX_REJECTED = 3  # rows of a file


def say_rows(log: Log, name: str, table: Table) -> None:
    """Say what became of the rows of a file, and why the first few of those that are left out are."""
    log.item(name, table.accounts())
    for row in table.rejected[:MAX_REJECTED]:
        log.item("", ROWS["left_out"].fill(place=row.place, reason=row.shown_reason))
    if len(table.rejected) > MAX_REJECTED:
        log.item("", ROWS["more_left_out"].fill(count=len(table.rejected) - MAX_REJECTED))


def say_held_out(log: Log, train: Table, valid: Table, copies: int, divided: int) -> None:
    """Say how many of the rows of a table were held out, and what was kept together for that.

    `copies` are the groups of rows that were kept together because of their texts, `divided` those that were not.
    """
    log.item("", ROWS["held_out"].fill(rows=count_of(len(valid.frame), "row")))
    if train.groups is not None and valid.groups is not None:
        groups = len({*train.groups} - {""})
        held_out = len({*valid.groups} - {""})
        line = ROWS["held_out_groups"].fill(held_out=held_out, groups=groups, column=short_repr(train.columns.group))
        log.item("", line)
    if copies:
        log.item("", ROWS["copies"].fill(groups=count_of(copies, "group")))
    if divided:
        log.item("", ROWS["divided"].fill(groups=count_of(divided, "group")))


def say_unused_names(log: Log, labels: Sequence[str]) -> None:
    """Say which labels --map_labels renames that no row has, if there are any."""
    if labels:
        log.item("", ROWS["unused_names"].fill(listed=joined(map(short_repr, labels), LIST_COMMA)))


def say_labels(log: Log, labels: Sequence[str], label_ids: np.ndarray) -> None:
    """Log how many rows each label has, label_ids (N,) or (N, C) bool."""
    is_of_one = label_ids.ndim == 1
    counts = (np.bincount(label_ids, minlength=len(labels)) if is_of_one else label_ids.sum(axis=0)).tolist()
    entries = [f"{shown_label(label)} {count:,}" for label, count in zip(labels, counts, strict=True)]
    log.item("labels", shortened(entries[:MAX_LISTED], len(entries), COMMA))


def say_lengths(log: Log, full_lengths: np.ndarray, max_length: int, truncation: str) -> None:
    """Log how long the rows are in tokens before truncation, full_lengths (N,), and what to do about long ones."""
    truncated_share = float((full_lengths > max_length).mean())
    _say_percentiles(log, full_lengths)
    log.item("", LENGTHS["truncated"].fill(max_length=max_length, share=truncated_share))
    if truncated_share > 0.05 and truncation != "head_tail":
        log.item("", LENGTHS["lost"])


def say_windows(log: Log, facts: TokenFacts, window_counts: np.ndarray, max_length: int, windows: Windows) -> None:
    """Log how long the rows are in tokens, and how many windows (N,) of at most `max_length` tokens they become."""
    _say_percentiles(log, facts.counts)
    longer = int((window_counts > 1).sum())
    line = LENGTHS["windows"].fill(
        longer=count_of(longer, "row"),
        rows=len(window_counts),
        max_length=max_length,
        windows=count_of(int(window_counts.sum()), "window"),
        stride=windows.stride,
    )
    log.item("", line)
    cut = int((facts.counts > facts.max_length).sum())
    if cut:
        most = count_of(windows.max_windows, "window")
        log.item("", LENGTHS["cut"].fill(windows=most, rows=count_of(cut, "row")))


def say_vocabulary(log: Log, trimmed: Trimmed) -> None:
    """Log how many tokens --trim_vocabulary has kept, and how many new texts will be split otherwise for that."""
    kept = len(trimmed.vocabulary.kept)
    log.item("vocabulary", VOCABULARY["kept"].fill(kept=kept, size=trimmed.vocabulary.size))
    log.item("", VOCABULARY["changed"].fill(share=trimmed.changed_share))
    log.item("", VOCABULARY["split"])


def _say_percentiles(log: Log, full_lengths: np.ndarray) -> None:
    shares = (50, 90, 99, 100)
    median, most, nearly_all, longest = np.percentile(full_lengths, shares, method="higher").astype(int).tolist()
    line = LENGTHS["percentiles"].fill(median=median, most=most, nearly_all=nearly_all, longest=longest)
    log.item("tokens", line)


def say_model(
    log: Log, name: str, source: str, weight_count: int, new_weights: Sequence[str], notes: Sequence[str | Text] = ()
) -> None:
    """Log which model is fine-tuned, which of its weights are new, and which files of its directory are not read.

    `notes` are what else there is to say of it.
    """
    log.item("model", MODEL["weights"].fill(name=name, count=weight_count))
    if new_weights:
        log.item("", MODEL["new"].fill(names=joined(new_weights, LIST_COMMA)))
    for note in notes:
        log.item("", note)
    unread = pickles(Path(source)) if Path(source).is_dir() else []
    if unread:
        log.item("", MODEL["unread"].fill(files=joined(unread, LIST_COMMA)))


def say_trained(log: Log, model: torch.nn.Module, part: TrainedPart) -> None:
    """Log which part of a model is trained, unless it is all of it."""
    if part.is_all:
        return
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    rest = MODEL["lora"] if part.kind == "lora" else MODEL["frozen"]
    log.item("trained", MODEL["trained_part"].fill(count=trained, part=str(part), rest=rest))


def say_recipe(log: Log, recipe: Recipe) -> None:
    """Log what of the recipe was chosen for the data and the model, and why."""
    for number, line in enumerate(recipe_lines(recipe)):
        log.item("" if number else "recipe", line)


@dataclass(frozen=True)
class StepCount:
    """What decides how many steps a run has."""

    epochs: int
    batch_size: int
    seed: int
    done_steps: int = 0
    micro_batch_size: int | None = None


def say_steps(
    log: Log,
    model: torch.nn.Module,
    dataset: TokenDataset,
    count: StepCount,
    padded: bool = True,
) -> float:
    """Log how many steps there will be on the training rows and which share of the tokens is padding, and return it.

    `padded` says whether batches are padded at all.
    """
    batch_size = count.batch_size
    batches = training_batches(dataset.row_lengths, batch_size, count.seed, epoch=0)
    shuffled = np.random.default_rng(count.seed).permutation(dataset.row_count)
    random_batches = [shuffled[i : i + batch_size] for i in range(0, len(shuffled), batch_size)]
    share = 0.0
    if padded and not packs(model):
        share = padding_share(dataset.lengths, _padded_together(dataset, batches, count.micro_batch_size))
    together = _padded_together(dataset, random_batches, count.micro_batch_size)
    share_in_random_order = padding_share(dataset.lengths, together)
    log.item("padding", STEPS["padding"].fill(share=share, random=share_in_random_order))
    steps = count.epochs * len(batches)
    line = STEPS["steps"].fill(steps=steps, steps_an_epoch=len(batches), rows=count_of(batch_size, "row"))
    if count.done_steps:
        line = joined([line, STEPS["done"].fill(done=count.done_steps)], "")
    log.item("steps", line)
    return round(share, 4)


def _padded_together(dataset: TokenDataset, batches: Sequence[np.ndarray], limit: int | None) -> list[np.ndarray]:
    """Return the numbers of the windows that go through the model together, given the rows of each batch.

    Where each row is one window these are the rows of a batch, whatever the `limit` of rows.
    """
    if not dataset.has_windows:
        return list(batches)
    parts: list[np.ndarray] = []
    for rows in batches:
        windows = dataset.windows_by_length(rows)
        parts += np.array_split(windows, -(-len(windows) // (limit or len(rows))))
    return parts


def say_machine(log: Log, model: torch.nn.Module, device: torch.device, processes: int, precision: str) -> None:
    """Log where the run computes, in which number format, and with which packages."""
    place = Text(str(device), str(device))
    if processes > 1:
        place = MACHINE["several"].fill(several=count_of(processes, "process"), device=device.type)
    elif isinstance(model, torch.nn.DataParallel):
        place = MACHINE["several"].fill(several=count_of(len(model.device_ids), "device"), device=str(device))
    line = MACHINE["place"].fill(place=place, precision=precision)
    if device.type == "cpu":
        threads = MACHINE["threads_each" if processes > 1 else "threads"]
        line = joined([line, threads.fill(threads=count_of(torch.get_num_threads(), "thread"))], "")
    installed = versions()
    line = MACHINE["versions"].fill(place=line, torch=installed["torch"], transformers=installed["transformers"])
    log.item("machine", line)
