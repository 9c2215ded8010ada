import shlex
from pathlib import Path

import pytest

from toolkit.cli.command import next_command, training_command
from toolkit.cli.options import fine_tuning_options
from toolkit.cli.sections import FineTuningOptions, options_from


def parsed(command: str) -> FineTuningOptions:
    """Return the options of a command as the shell would pass them."""
    python, script, *words = shlex.split(command)
    assert (python, script) == ("python", "main.py")
    return fine_tuning_options(words)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--train_file", "my rows.csv", "--learning_rate", "3e-05", "--epochs", "2", "--no-fast", "--drop_leaked"],
        ["--train_file=-odd-.csv", "--text_column", "评论", "--separator", "|", "--columns", "label,text"],
        ["--map_labels", "0=bad", "a\\=b=good one", "--class_weight", "x=2", "y=0.5", "--threshold", "auto"],
        ["--map_labels=-1=bad", "--map_labels=1=good", "--metric", "macro_f1", "--class_weight", "balanced"],
        ["--no_header", "--report_language", "zh", "--model", "it's", "--train", "top:3", "--dropout", "0.0"],
    ],
)
def test_the_command_means_the_same_but_for_what_is_changed(words):
    options = fine_tuning_options(words)
    changes = {"epochs": 9, "output_dir": "somewhere else", "learning_rate": 0.0002}
    assert parsed(training_command(options, changes)).as_dict() == options.as_dict() | changes
    assert parsed(training_command(options, {})).as_dict() == options.as_dict()


def test_what_belongs_to_one_command_is_not_repeated():
    options = fine_tuning_options(["--overwrite", "--seeds", "3", "--epochs", "2"])
    assert training_command(options, {}) == "python main.py --epochs 2"


def test_the_command_of_a_resumed_run_has_the_options_that_the_run_began_with():
    begun = fine_tuning_options(["--train_file", "rows.csv", "--epochs", "5", "--no-fast"])
    command = fine_tuning_options(["--resume"])
    resumed = options_from(FineTuningOptions, begun.as_dict() | {"resume": True}, command.on_command_line)
    assert parsed(training_command(resumed, {"seed": 7})).as_dict() == begun.as_dict() | {"seed": 7}


def test_the_next_command_names_what_is_not_where_it_usually_is():
    assert next_command(Path("output/bert_classifier"), "data", True) == "python test_code.py"
    assert next_command(Path("output/bert_classifier"), "data", False) == "python infer.py"
    command = next_command(Path("my runs/bert_classifier"), "data/zh", True)
    assert command == "python test_code.py --model_dir 'my runs/bert_classifier' --data_dir data/zh"
