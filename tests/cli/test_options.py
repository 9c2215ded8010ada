import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.base.errors import UserError
from toolkit.cli.options import (
    fine_tuning_options,
    inference_options,
    inference_parser,
    scoring_options,
    scoring_parser,
    training_parser,
)
from toolkit.cli.sections import flat

ROOT = Path(__file__).resolve().parents[2]
PARSERS = {"main.py": training_parser, "test_code.py": scoring_parser, "infer.py": inference_parser}
NAMES = {  # the names that scripts and documents rely on
    "main.py": """train_file valid_file test_file valid_ratio text_column pair_column label_column encoding on_bad_rows
        model max_length truncation dropout epochs batch_size micro_batch_size learning_rate weight_decay adam_beta1
        adam_beta2 adam_epsilon warmup_ratio scheduler max_grad_norm metric eval_steps early_stopping save_steps seed
        seeds split_seed
        precision device output_dir overwrite resume check_data""",
    "test_code.py": "model_dir test_file compare output_dir batch_size precision device",
    "infer.py": "model_dir input_file output_file text text_pair excel_safe batch_size precision device",
}


def actions(script: str) -> list[argparse.Action]:
    return PARSERS[script]()._actions


ALL = [
    pytest.param(action, id=f"{script} {action.option_strings[0]}") for script in PARSERS for action in actions(script)
]


@pytest.mark.parametrize("action", ALL)
def test_every_option_has_help_and_is_spelt_with_underscores(action):
    assert action.help and len(action.help.split()) > 2
    for name in action.option_strings:
        assert name == "-h" or "-" not in name.removeprefix("--no-").removeprefix("--"), name


@pytest.mark.parametrize("action", [case for case in ALL if case.values[0].default is None])
def test_an_option_without_a_default_says_what_happens_without_it(action):
    assert "(default: " in action.help or action.option_strings[0] in {"--text", "--text_pair"}


@pytest.mark.parametrize("script", PARSERS)
def test_the_full_help_explains_every_option(script):
    parser = PARSERS[script]()
    shown = " ".join(parser.format_full_help().split())
    assert parser.prog == script
    assert parser.description in shown
    for action in parser._actions:
        switched_off = isinstance(action, argparse.BooleanOptionalAction) and action.default is False
        assert all(name in shown for name in action.option_strings[: 1 if switched_off else None])
        assert " ".join(action.help.partition("%")[0].partition(" (default")[0].split()) in shown


@pytest.mark.parametrize("script", PARSERS)
def test_help_fits_a_hundred_lines_of_a_terminal_and_names_every_option(script, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    parser = PARSERS[script]()
    shown = parser.format_help()
    assert shown.count("\n") <= 100
    assert max(map(len, shown.splitlines())) <= 80
    for action in parser._actions:
        assert action.option_strings[0] in shown.split() or action.dest.startswith("help"), action.dest


@pytest.mark.parametrize("script", PARSERS)
def test_the_examples_of_help_are_commands_that_can_be_parsed(script):
    parser = PARSERS[script]()
    assert len(parser.introduction.examples) == 3
    for command in parser.introduction.examples:
        words = shlex.split(command)
        assert words[:2] == ["python", script]
        parser.parse_args(words[2:])


@pytest.mark.parametrize("script", PARSERS)
def test_the_names_that_others_rely_on_are_there(script):
    assert {f"--{name}" for name in NAMES[script].split()} <= {*PARSERS[script]()._option_string_actions}


@pytest.mark.parametrize("script", PARSERS)
def test_no_option_may_be_abbreviated(script):
    parser = PARSERS[script]()
    for name in parser._option_string_actions:
        short = name[:-1]
        if short not in parser._option_string_actions and short != "-":
            with pytest.raises(UserError, match=f"unknown option {short}"):
                parser.parse_args([short])


@pytest.mark.parametrize(
    ("alias", "value", "name", "meant"),
    [
        ("--model_name_or_path", "hfl/chinese-bert-wwm", "model", "hfl/chinese-bert-wwm"),
        ("--model_checkpoint", "some/model", "model", "some/model"),
        ("--num_train_epochs", "5", "epochs", 5),
        ("--max_seq_length", "128", "max_length", 128),
        ("--validation_file", "dev.csv", "valid_file", "dev.csv"),
        ("--dev_file", "dev.csv", "valid_file", "dev.csv"),
        ("--warmup_proportion", "0.2", "warmup_ratio", 0.2),
    ],
)
def test_names_known_from_elsewhere_are_accepted(alias, value, name, meant):
    by_alias = training_parser().parse_args([alias, value])
    assert getattr(by_alias, name) == meant
    assert by_alias == training_parser().parse_args([f"--{name}", value])


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("epochs", ["0", "-1", "1.5", "many", "9" * 400]),
        ("batch_size", ["0", "-16", "16.0"]),
        ("micro_batch_size", ["0", "-1"]),
        ("max_length", ["0", "-5", "long"]),
        ("learning_rate", ["0", "-1", "nan", "inf", "1e999"]),
        ("weight_decay", ["-0.1", "nan"]),
        ("adam_beta1", ["1", "-0.1", "1.5"]),
        ("adam_beta2", ["1", "-0.1", "1.5"]),
        ("adam_epsilon", ["0", "-1"]),
        ("warmup_ratio", ["1.1", "-0.1", "nan"]),
        ("max_grad_norm", ["-1", "inf"]),
        ("dropout", ["1", "-0.1", "nan"]),
        ("valid_ratio", ["0", "1", "-0.1"]),
        ("max_unknown", ["1.1", "-0.1"]),
        ("eval_steps", ["-1", "0.5"]),
        ("save_steps", ["-1"]),
        ("early_stopping", ["-1"]),
        ("seed", ["-1", "x", str(2**64)]),  # torch takes seeds below 2**64
        ("split_seed", ["-1", "x", str(2**64)]),
        ("seeds", ["0", "-1", "2.5", "1001"]),
        ("scheduler", ["Linear", ""]),
        ("truncation", ["middle"]),
        ("metric", ["precision"]),
        ("precision", ["fp8", "16"]),
        ("on_bad_rows", ["ignore"]),
    ],
)
def test_a_value_that_training_cannot_use_is_refused_in_one_line_that_names_the_option(option, wrong):
    for word in wrong:
        with pytest.raises(UserError) as caught:
            training_parser().parse_args([f"--{option}={word}"])
        assert len(caught.value.lines()) == 1
        assert f"--{option}" in caught.value.lines()[0]


@pytest.mark.parametrize(
    ("option", "right"),
    [
        ("epochs", [1]),
        ("batch_size", [1, 100_000]),
        ("learning_rate", [1e-9, 0.1]),
        ("weight_decay", [0.0, 0.1]),
        ("adam_beta1", [0.0, 0.999999]),
        ("warmup_ratio", [0.0, 1.0]),
        ("max_grad_norm", [0.0, 1.0]),
        ("dropout", [0.0, 0.9]),
        ("valid_ratio", [0.01, 0.9]),
        ("eval_steps", [0, 1]),
        ("early_stopping", [0, 3]),
        ("seed", [0, 42, 2**32]),
        ("scheduler", ["linear", "cosine", "constant"]),
        ("truncation", ["longest_first", "only_first", "only_second", "head_tail"]),
        ("precision", ["auto", "fp32", "bf16", "fp16"]),
        ("on_bad_rows", ["stop", "skip"]),
    ],
)
def test_the_ends_of_a_range_are_taken(option, right):
    assert [getattr(training_parser().parse_args([f"--{option}={value}"]), option) for value in right] == right


@pytest.mark.parametrize("script", ["test_code.py", "infer.py"])
def test_the_other_scripts_refuse_a_batch_of_no_rows(script):
    with pytest.raises(UserError, match="--batch_size"):
        PARSERS[script]().parse_args(["--batch_size", "0"])
    assert PARSERS[script]().parse_args(["--batch_size", "1"]).batch_size == 1


@pytest.mark.parametrize(
    ("script", "switch"),
    [("main.py", "overwrite"), ("main.py", "resume"), ("main.py", "check_data"), ("infer.py", "overwrite"),
     ("infer.py", "excel_safe")],
)  # fmt: skip
def test_a_switch_is_off_and_can_be_turned_on_and_off(script, switch):
    parse = PARSERS[script]().parse_args
    assert getattr(parse([]), switch) is False
    assert getattr(parse([f"--{switch}"]), switch) is True
    assert getattr(parse([f"--{switch}", f"--no-{switch}"]), switch) is False


@pytest.mark.parametrize("script", PARSERS)
def test_what_makes_a_model_fast_can_be_turned_off(script):
    parse = PARSERS[script]().parse_args
    assert [parse(words).fast for words in ([], ["--fast"], ["--no-fast"])] == [True, True, False]


def test_training_has_the_defaults_that_the_documents_give():
    args = vars(training_parser().parse_args([]))
    expected = {
        "data_dir": "data", "text_column": "text", "pair_column": None, "label_column": "label", "valid_ratio": 0.1,
        "model": None, "max_length": None, "epochs": "auto", "batch_size": 16, "learning_rate": "auto",
        "weight_decay": 0.01,
        "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "warmup_ratio": 0.1, "scheduler": "linear",
        "max_grad_norm": 1.0, "seed": 42, "precision": "auto", "device": "auto", "output_dir": "output",
        "on_bad_rows": "stop", "metric": "auto", "eval_steps": "auto", "early_stopping": "auto",
        "truncation": "auto", "pooling": "auto", "head_start": "auto",
    }  # fmt: skip
    assert {name: args[name] for name in expected} == expected


def test_the_options_of_a_run_can_be_kept_as_json():
    options = vars(training_parser().parse_args(["--overwrite", "--max_length", "64"]))
    assert json.loads(json.dumps(options)) == options


READERS = {"main.py": fine_tuning_options, "test_code.py": scoring_options, "infer.py": inference_options}


@pytest.mark.parametrize("script", PARSERS)
def test_the_sections_have_every_option_in_the_order_and_with_the_value_that_the_parser_gives_it(script):
    parsed = vars(PARSERS[script]().parse_args([]))
    values = flat(READERS[script]([]))
    if script == "infer.py":
        assert values.pop("label_column") is None  # of the section that it shares with the others
    if script == "main.py":
        assert list(values) == list(parsed)
        assert (parsed.pop("metric"), values.pop("metric")) == ("auto", "accuracy")
    assert values == parsed


def test_the_metric_goes_by_whether_a_row_has_several_labels():
    assert fine_tuning_options([]).training.metric == "accuracy"
    assert fine_tuning_options(["--multi_label"]).training.metric == "micro_f1"
    assert fine_tuning_options(["--multi_label", "--metric", "macro_f1"]).training.metric == "macro_f1"
    assert fine_tuning_options(["--multi_label"]).training.threshold == "auto"
    assert fine_tuning_options(["--multi_label", "--threshold", "0.5"]).training.threshold == 0.5
    assert fine_tuning_options([]).training.threshold is None


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--metric", "micro_f1"], "--metric micro_f1 is for --multi_label"),
        (["--label_columns", "joy", "anger"], "--label_columns is for --multi_label"),
        (["--label_separator", "|"], "--label_separator is for --multi_label"),
        (["--multi_label", "--metric", "accuracy"], "--metric accuracy is for one label a row"),
        (["--multi_label", "--class_weight", "balanced"], "does not support --class_weight"),
        (["--multi_label", "--loss", "focal"], "does not support --loss focal"),
        (["--multi_label", "--teacher", "x"], "does not support --teacher"),
        (["--multi_label", "--keep_head"], "does not support --keep_head"),
        (["--multi_label", "--positive_label", "x"], "does not support --positive_label"),
        (["--multi_label", "--label_columns", "a", "b", "a"], "a column is named twice"),
        (["--multi_label", "--label_columns", "a", "b", "--label_column", "c"], "cannot be combined"),
        (["--multi_label", "--label_separator", '"'], "cannot stand between labels"),
    ],
)
def test_options_that_do_not_go_with_several_labels_a_row_are_named(words, named):
    with pytest.raises(UserError, match=re.escape(named)):
        fine_tuning_options(words)


def test_other_values_are_as_if_they_had_stood_on_the_command_line():
    options = fine_tuning_options(["--epochs", "7", "--output_dir", "out"])
    assert options.on_command_line == {"epochs": 7, "output_dir": "out"}
    other = options.with_values(seed=5, output_dir="out/seed-5")
    assert (other.training.seed, other.output.output_dir, other.training.epochs) == (5, "out/seed-5", 7)
    assert other.on_command_line == {"epochs": 7, "output_dir": "out/seed-5", "seed": 5}
    assert options.output.output_dir == "out"


@pytest.mark.parametrize(("words", "seed"), [([], 42), (["--seed", "3"], 3), (["--seed", "3", "--split_seed", "0"], 0)])
def test_the_rows_are_held_out_by_split_seed_if_it_is_given(words, seed):
    assert fine_tuning_options(words).split_seed == seed


def test_options_are_known_without_loading_the_heavy_packages():
    code = (
        "import sys; from toolkit.cli.options import *; training_parser(), scoring_parser(), inference_parser(); "
        "print(sorted({'torch', 'transformers', 'pandas', 'numpy', 'sklearn', 'matplotlib'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "parser", [training_parser(), scoring_parser(), inference_parser()], ids=["main.py", "test_code.py", "infer.py"]
)
def test_every_path_may_begin_with_the_home_directory(parser, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    paths = [
        action for action in parser._actions if action.metavar in ("FILE", "DIR", "OTHER_RUN") and action.option_strings
    ]
    assert len(paths) >= 4

    def value(action: argparse.Action, *words: str) -> object:
        """Return what an option is given, of one that takes several the list of them."""
        others = ["--teacher", "x"] if action.dest == "unlabelled_file" else []
        return vars(parser.parse_args([*words, *others]))[action.dest]

    for action in paths:
        (name, *_) = action.option_strings
        home = str(tmp_path / "a place" / "x.csv")
        is_list = action.nargs == "+"
        assert value(action, f"{name}=~/a place/x.csv") == ([home] if is_list else home)
        assert value(action, f"{name}=./~") == (["./~"] if is_list else "./~")
        if is_list:
            assert value(action, name, "~/a place/x.csv", "there") == [home, "there"]
    (tmp_path / "words").write_text(f"{paths[0].option_strings[0]} elsewhere")
    assert value(paths[0], "@~/words") == "elsewhere"
