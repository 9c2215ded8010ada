"""Commands that are ready to paste into a shell: one that trains as a run was trained, and one that uses its model."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.cli.options import fine_tuning_options, scoring_options
from toolkit.cli.sections import FineTuningOptions

OF_ONE_COMMAND = {"overwrite", "resume", "seeds"}  # that are not repeated


def training_command(options: FineTuningOptions, changes: Mapping[str, Any]) -> str:
    """Return the command of a run with other values of some options, by their names.

    It has the options that the run's own command had; of a run that was resumed, whose command had few, all that have
    not their default.
    """
    values = dict(options.on_command_line)
    if options.output.resume:
        defaults = fine_tuning_options([]).as_dict()
        values = {name: value for name, value in options.as_dict().items() if value != defaults[name]}
    values |= changes
    words = ["python", "main.py"]
    for name, value in values.items():
        if name not in OF_ONE_COMMAND and value is not None:
            words += _words(name, value)
    return shlex.join(words)


def next_command(model_dir: Path, data_dir: str, has_test_rows: bool) -> str:
    """Return the command that uses a model next: it scores the test rows of `data_dir`, or without any predicts."""
    usual = scoring_options([])
    words = ["python", "test_code.py" if has_test_rows else "infer.py"]
    if [str(model_dir)] != usual.model_dirs:
        words += _words("model_dir", model_dir)
    if data_dir != usual.data_dir:
        words += _words("data_dir", data_dir)
    return shlex.join(words)


def _words(name: str, value: object) -> list[str]:
    """Return the words that give an option a value."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, dict):
        entries = [f"{str(key).replace('=', chr(92) + '=')}={entry}" for key, entry in value.items()]
        if any(entry.startswith("-") for entry in entries):
            return [f"--{name}={entry}" for entry in entries]
        return [f"--{name}", *entries]
    word = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
    return [f"--{name}={word}"] if word.startswith("-") else [f"--{name}", word]
