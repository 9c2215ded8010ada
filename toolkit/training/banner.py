"""What main.py says before it trains: the facts that decide how long it takes and what comes out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from toolkit.base.languages import counted
from toolkit.cli.console import Log, one_line
from toolkit.cli.sections import TrainingOptions
from toolkit.compute.batches import padding_share, training_batches
from toolkit.models.fast_bert import packs
from toolkit.models.trust import pickles
from toolkit.runs.run_json import versions

LISTED = 20  # labels


def say_labels(log: Log, labels: Sequence[str], label_ids: np.ndarray) -> None:
    """Say how many rows each label has, label_ids (N,)."""
    counts = np.bincount(label_ids, minlength=len(labels)).tolist()
    listed = [f"{one_line(label)} {count:,}" for label, count in zip(labels, counts, strict=True)]
    log.item(
        "labels", ", ".join(listed[:LISTED]) + (f" and {len(listed) - LISTED} more" if len(listed) > LISTED else "")
    )


def say_lengths(log: Log, full: np.ndarray, max_length: int, truncation: str) -> None:
    """Say how long the rows are in tokens before truncation, full (N,), and what to do about long ones."""
    middle, most, nearly, longest = (int(np.percentile(full, share, method="higher")) for share in (50, 90, 99, 100))
    cut = float((full > max_length).mean())
    log.item("tokens", f"median {middle}, 90% {most}, 99% {nearly}, longest {longest}")
    log.item("", f"--max_length {max_length} truncates {cut:.1%} of the rows")
    if cut > 0.05 and truncation != "head_tail":
        log.item("", "many rows lose their end: a higher --max_length or --truncation head_tail may score better")


def say_model(log: Log, name: str, source: str, model: torch.nn.Module, new: Sequence[str]) -> None:
    """Say which model is fine-tuned, which of its weights are new, and which files of its directory are not read."""
    log.item("model", f"{name}, {sum(weight.numel() for weight in model.parameters()):,} weights")
    if new:
        log.item("", f"{', '.join(new)} are new: this model has yet to learn these labels")
    if Path(source).is_dir() and (unread := pickles(Path(source))):
        log.item("", f"not read, because pickles can run code: {', '.join(unread)}")


def say_steps(
    log: Log, model: torch.nn.Module, lengths: np.ndarray, options: TrainingOptions, done_steps: int
) -> float:
    """Say how many steps there will be, and say and return which share of them is padding; lengths (N,) in tokens."""
    batch_size = options.batch_size
    batches = training_batches(lengths, batch_size, options.seed, epoch=0)
    shuffled = np.random.default_rng(options.seed).permutation(len(lengths))
    at_random = padding_share(lengths, [shuffled[i : i + batch_size] for i in range(0, len(lengths), batch_size)])
    share = 0.0 if packs(model) else padding_share(lengths, batches)
    log.item("padding", f"{share:.1%} of the tokens (padded batches in random order: {at_random:.1%})")
    so_far = f", {done_steps:,} of them done" if done_steps else ""
    log.item(
        "steps",
        f"{options.epochs * len(batches):,} ({len(batches):,} an epoch), {counted(batch_size, 'row')} each{so_far}",
    )
    return round(share, 4)


def say_machine(log: Log, model: torch.nn.Module, device: torch.device, processes: int, precision: str) -> None:
    """Say on what the run computes."""
    found = versions()
    many = f"{len(model.device_ids)} devices, " if isinstance(model, torch.nn.DataParallel) else ""
    many = f"{processes} processes, " if processes > 1 else many
    count = torch.get_num_threads()
    threads = f", {count} thread{'s' * (count > 1)}{' each' * (processes > 1)}" if device.type == "cpu" else ""
    software = f"torch {found['torch']}, transformers {found['transformers']}"
    log.item("machine", f"{many}{device.type if processes > 1 else device} in {precision}{threads}, {software}")
