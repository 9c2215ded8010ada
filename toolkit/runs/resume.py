"""Go on with a run: what of it may change, and what has to be as it was when it began."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.sections import FineTuningOptions, options_from
from toolkit.compute.processes import Processes
from toolkit.runs.checkpoint import TrainerState, read_checkpoint, read_state, restore, resumed_with
from toolkit.runs.paths import refuse_to_overwrite
from toolkit.runs.progress import Progress


def may_grow(wanted: Any, saved: Any) -> bool:
    """Say whether a number is at least what it was."""
    return wanted >= saved


def _may_differ(wanted: Any, saved: Any) -> bool:
    return True


# What --resume may change, because it does not say what a step does: where files are (that their content is the same is
# checked, as is the number format), how often to save, how a batch is cut to fit the memory, when to give up.
# docs/reliability.md lists it.
MAY_CHANGE: dict[str, Callable[[Any, Any], bool]] = dict.fromkeys(
    ("resume", "check_data", "output_dir", "overwrite", "device", "data_dir", "train_file", "valid_file", "test_file",
     "precision", "save_steps", "micro_batch_size", "max_bad_steps", "tensorboard", "report_language", "explain_rows"),
    _may_differ,
) | {"epochs": may_grow}  # fmt: skip


def resumed_options(
    options: FineTuningOptions, processes: Processes, log: Log, is_one_of_several: bool = False
) -> FineTuningOptions:
    """Return, in every process, the options of a run: with --resume those of the checkpoint, else those given.

    Raises UserError if one on the command line says otherwise, or if something else is in the way; for one of several
    runs of a command they have seen to that together.
    """
    if not options.output.resume:
        return options
    values = processes.on_main(lambda: _resumed_options(options, log, is_one_of_several).as_dict())
    return options_from(FineTuningOptions, values, options.given)


def _resumed_options(options: FineTuningOptions, log: Log, is_one_of_several: bool) -> FineTuningOptions:
    """Read the checkpoint and return the options of the run; where no run has begun, say so."""
    folder = Path(options.output.output_dir)
    state = read_state(folder / "checkpoint")
    if state is None:
        if not is_one_of_several:
            refuse_to_overwrite(folder, options.output.overwrite)
        log.item("resume", f"no run has begun in {folder}, so this one begins")
        return options_from(FineTuningOptions, options.as_dict() | {"resume": False}, options.given)
    return agreed_options(options, state["options"], MAY_CHANGE)


def agreed_options(options: FineTuningOptions, saved: dict, may_change: dict[str, Callable]) -> FineTuningOptions:
    """Return the `saved` options of a run with what the command line says otherwise.

    Raises UserError if it does for one that may not change; `may_change` has a function of (given, saved) by name.
    """
    saved = options.as_dict() | saved  # an option that is newer than what is saved has its default
    changed = {name: value for name, value in options.given.items() if value != saved[name]}
    refused = [
        name for name, value in changed.items() if not may_change.get(name, lambda *_: False)(value, saved[name])
    ]
    if refused:
        raise UserError(*(f"--{name} {options.given[name]}: the run to resume has {saved[name]}" for name in refused))
    of_this_command = {"output_dir": options.output.output_dir, "overwrite": options.output.overwrite, "resume": True}
    return options_from(FineTuningOptions, saved | changed | of_this_command, options.given)


def resume(folder: Path, trainer_state: TrainerState, facts: dict, processes: Processes) -> Progress:
    """Go on, in every process, from the save that the main one reads; return how far it had come.

    Raises UserError if it is damaged, or if the number format or the data is no longer what it was.
    """
    saved = None
    tensors = None
    if processes.is_main:
        saved, tensors = read_checkpoint(folder)
        check_same(saved, facts)
        saved = resumed_with(saved, facts)
    saved = processes.broadcast(saved)
    return restore(trainer_state, saved, processes.broadcast_tensors(tensors) or {})


def check_same(state: dict, facts: dict) -> None:
    """Raise UserError if the number format or the data of a run is no longer what `state`, its save, says."""
    if state["precision"] != facts["precision"]:
        raise UserError(
            f"--resume: the run was in {state['precision']}, this machine would go on in {facts['precision']}; "
            f"--precision {state['precision']} keeps it"
        )
    for name, now in facts["data"].items():
        if name in state["data"]:  # a test file may be named later
            _compare_data(name, state["data"][name], now)


def _compare_data(name: str, before: dict, now: dict) -> None:
    """Raise UserError if the rows or the tokens of a table are no longer those that the run began with."""
    if before["sha256"] != now["sha256"]:
        if before["file"] == now["file"]:
            raise UserError(f"--resume: {now['file']} is not the file that the run began with")
        raise UserError(f"--resume: {now['file']} is not the same as {before['file']}, the run's --{name}_file")
    if before.get("rows") != now.get("rows"):
        raise UserError(
            f"--resume: {now['rows']:,} rows of {now['file']} are used, {before['rows']:,} when the run began; what "
            "--drop_leaked leaves out has changed with the other files"
        )
    if before.get("tokens") != now.get("tokens"):
        raise UserError(
            f"--resume: --model has changed: its tokenizer makes other tokens of {now['file']} than when the run began"
        )
