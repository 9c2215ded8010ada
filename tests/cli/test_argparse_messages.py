"""What argparse says of a mistake is said in Chinese too, and in English as argparse says it."""

import argparse
import re

import pytest

from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.cli.argparse_messages import in_both_languages, problem_of_argument
from toolkit.cli.options import fine_tuning_options, inference_options
from toolkit.cli.parser import Introduction, Parser

MISTAKES = [  # with what each is about, which stays as it is in both languages
    (["--metric", "best"], ["--metric", "'best'", "accuracy", "loss"]),
    (["--metric"], ["--metric"]),
    (["--pair", "1"], ["--pair"]),
    (["--model_dir"], ["--model_dir"]),
    (["--no-fast=1"], ["--fast/--no-fast", "'1'"]),
    (["--rows", "ten"], ["--rows", "'ten'"]),
    (["--rows", "5", "--all"], ["--all", "--rows"]),
    ([], ["--needed"]),
]


def add_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--metric", choices=["accuracy", "loss"])
    parser.add_argument("--pair", nargs=2)
    parser.add_argument("--model_dir", nargs="+")
    parser.add_argument("--fast", action=argparse.BooleanOptionalAction)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--rows", type=int)
    group.add_argument("--all", action="store_true")
    parser.add_argument("--needed", required=True)
    return parser


def argparse_says(words: list[str], capsys: pytest.CaptureFixture) -> str:
    with pytest.raises(SystemExit):
        add_options(argparse.ArgumentParser(prog="script.py")).parse_args(words)
    return capsys.readouterr().err.splitlines()[-1].removeprefix("script.py: error: ")


@pytest.mark.parametrize(("words", "names"), MISTAKES)
def test_a_mistake_is_told_in_english_as_argparse_tells_it_and_in_chinese_without_an_english_word(words, names, capsys):
    with pytest.raises(UserError) as caught:
        add_options(Parser(Introduction("", {}, (), "--file"), prog="script.py")).parse_args(words)
    assert caught.value.lines("en") == [argparse_says(words, capsys)]
    (chinese,) = caught.value.lines("zh")
    for name in names:
        assert name in chinese
        chinese = chinese.replace(name, "")
    assert not re.search("[a-z]{2,}", chinese.replace("int", "").replace("no-fast", "")), chinese


@pytest.mark.parametrize(
    ("words", "chinese"),
    [
        ("--epochs", "参数 --epochs/--num_train_epochs：后面要有一个值"),
        ("--seed x", "参数 --seed：'x' 不是整数"),
        ("--warmup_ratio 2", "参数 --warmup_ratio/--warmup_proportion：应不小于 0、不大于 1，且是有限的数，而不是 2"),
        (
            "--separator ab",
            "参数 --separator：'ab' 不是 auto、comma、semicolon、tab、bar，也不是一个可以分隔字段的字符",
        ),
        ("--teacher t --class_weight balanced", "--teacher 不能与 --class_weight 同时使用"),
        ("--class_weight a=b", "--class_weight a=b：权重 'b' 不是数"),
        ("@nowhere.txt", "参数文件 nowhere.txt：没有这个文件或目录"),
        (
            "--map_labels nowhere.csv",
            (
                "--map_labels nowhere.csv：没有这个文件或目录；"
                "应是由旧名和新名组成的 json 对象，或 old、new 两列的 csv 文件"
            ),
        ),
    ],
)
def test_what_is_wrong_with_options_of_main_is_told_in_chinese(words, chinese):
    with pytest.raises(UserError) as caught:
        fine_tuning_options(words.split())
    assert caught.value.lines("zh") == [chinese]


def test_choices_of_infer_are_listed():
    with pytest.raises(UserError, match="invalid choice: 'xls'") as caught:
        inference_options(["--input_format", "xls"])
    assert all(kind in caught.value.lines("zh")[0] for kind in ("'xls'", "csv", "tsv", "json", "jsonl", "txt"))


def test_a_message_that_is_not_known_stays_as_it_is_in_both_languages():
    message = "something that a later version of Python says"
    assert in_both_languages(message) == Text(message, message)
    assert problem_of_argument(argparse.ArgumentError(None, message)) == Text(message, message)
