"""Resuming a run: which of its options may change, and what must be as it was when it began."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.sections import FineTuningOptions, options_from
from toolkit.compute.processes import Processes
from toolkit.runs.checkpoint import SavedState, TrainerState, read_checkpoint, read_state, restore, resumed_with
from toolkit.runs.paths import refuse_to_overwrite
from toolkit.runs.run_json import RunFacts, TableFacts, VocabularyFacts
from toolkit.runs.texts import RESUMING, RUNS

# What --resume may change, because it does not say what a step does: where files are (that their content is the same is
# checked, as is the number format), how often to save, how a batch is cut to fit the memory, when to give up.
# docs/reliability.md lists it.
MAY_CHANGE = frozenset({
    "resume", "check_data", "output_dir", "overwrite", "device", "data_dir", "train_file", "valid_file", "test_file",
    "unlabelled_file", "precision",
    "save_steps", "micro_batch_size", "max_bad_steps", "tensorboard", "language", "report_language", "explain_rows",
    "merge",
})  # fmt: skip
MAY_GROW = frozenset({"epochs"})
BEFORE = {
    "pooling": "own",
    "head_start": "random",
    "keep_duplicates_together": False,
}  # what runs did that are older than these options


def resumed_options(
    options: FineTuningOptions, processes: Processes, log: Log, is_one_of_several: bool = False
) -> FineTuningOptions:
    """Return, in every process, the options of a run: with --resume those of its checkpoint, else `options` themselves.

    Raises UserError if the command line contradicts the checkpoint, or if something else is in the way of a run that
    has not begun; the runs of --seeds are checked for that together.
    """
    if not options.output.resume:
        return options
    values = processes.on_main(lambda: _resumed_options(options, log, is_one_of_several).as_dict())
    return options_from(FineTuningOptions, values, options.on_command_line)


def _resumed_options(options: FineTuningOptions, log: Log, is_one_of_several: bool) -> FineTuningOptions:
    """Read the checkpoint and return the options of the run; if no run has begun, say so."""
    folder = Path(options.output.output_dir)
    state = read_state(folder / "checkpoint")
    if state is None:
        if not is_one_of_several:
            refuse_to_overwrite(folder, options.output.overwrite)
        log.item("resume", RUNS["none_yet"].fill(folder=folder))
        return options_from(FineTuningOptions, options.as_dict() | {"resume": False}, options.on_command_line)
    return agreed_options(options, state.facts.options, MAY_GROW)


def agreed_options(options: FineTuningOptions, saved: Mapping[str, Any], may_grow: Set[str]) -> FineTuningOptions:
    """Return the options of a saved run, with the changes that the command line makes to them.

    Raises UserError if it changes one that is neither in MAY_CHANGE nor, growing, in `may_grow`.
    """
    saved = {**options.as_dict(), **BEFORE, **saved}  # an option that is newer than the saved run has its default
    named = {name: value for name, value in options.on_command_line.items() if value != "auto"}
    changed = {name: value for name, value in named.items() if value != saved[name]}
    problems = []
    for name, value in changed.items():
        grows = name in may_grow and saved[name] != "auto" and value > saved[name]
        if name not in MAY_CHANGE and not grows:
            problems.append(RUNS["changed"].fill(option=name, value=value, before=saved[name]))
    if problems:
        raise UserError(*problems)
    output = options.output
    of_this_command = {
        "output_dir": output.output_dir, "overwrite": output.overwrite, "language": output.language, "resume": True,
    }  # fmt: skip
    return options_from(FineTuningOptions, saved | changed | of_this_command, options.on_command_line)


def resume(folder: Path, trainer_state: TrainerState, facts: RunFacts | None, processes: Processes) -> SavedState:
    """Restore, in every process, the last save, which the main one reads, and return what else it holds.

    `facts` are those of the main process. Raises UserError if the save is damaged, or if the number format or the data
    has changed.
    """
    content = None
    tensors = None
    if processes.is_main:
        assert facts is not None, "the main process has the facts of the run"
        state, tensors = read_checkpoint(folder)
        _compare_vocabularies(state.facts.vocabulary, facts.vocabulary)
        check_unchanged(state.facts.precision, state.facts.data, facts)
        _compare_teachers(state.facts.teachers or {}, facts.teachers or {})
        content = resumed_with(state, facts).as_json()
    state = SavedState.from_json(processes.broadcast(content))
    restore(trainer_state, state, processes.broadcast_tensors(tensors) or {})
    return state


def check_unchanged(precision: str | None, data: Mapping[str, TableFacts], facts: RunFacts) -> None:
    """Raise UserError if the facts of a run differ from the number format or the data with which it began."""
    if precision != facts.precision:
        raise UserError(RESUMING["precision"].fill(before=precision, now=facts.precision))
    for name, now in facts.data.items():
        if name in data:  # a test file may be named later
            _compare_data(name, data[name], now)


def _compare_vocabularies(before: VocabularyFacts | None, now: VocabularyFacts | None) -> None:
    """Raise UserError if --trim_vocabulary leaves other tokens than when the run began."""
    if before is not None and now is not None and before.sha256 != now.sha256:
        raise UserError(RESUMING["vocabulary"])


def _compare_teachers(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise UserError if a model that the run learns from is no longer the one with which it began."""
    for folder, sha256 in now.items():
        if before.get(folder) != sha256:
            raise UserError(RESUMING["teacher"].fill(folder=folder))


def _compare_data(name: str, before: TableFacts, now: TableFacts) -> None:
    """Raise UserError if the rows or the tokens of a table are no longer those with which the run began."""
    if before.sha256 != now.sha256:
        if before.file == now.file:
            raise UserError(RESUMING["file"].fill(file=now.file))
        raise UserError(RESUMING["other_file"].fill(file=now.file, before=before.file, name=name))
    if before.rows != now.rows:
        raise UserError(RESUMING["rows"].fill(now=now.rows or 0, file=now.file, before=before.rows or 0))
    if before.tokens != now.tokens:
        raise UserError(RESUMING["tokens"].fill(file=now.file))
