import argparse
import math

import pytest

from toolkit.base.errors import UserError
from toolkit.cli.parser import Introduction, Parser, number, options_on_command_line


@pytest.fixture
def parser() -> Parser:
    introduction = Introduction("Do it.", {"script.py": "do it"}, ("--epochs", "--name"), "--file", "--text")
    parser = Parser(introduction, prog="script.py")
    parser.add_argument("--epochs", "--num_train_epochs", type=number(int, 1), default=3, help="how often")
    parser.add_argument("--learning_rate", type=number(float, 0, above=True), default=5e-5, help="how fast")
    parser.add_argument("--text", help="a text")
    parser.add_argument("--text_pair", help="another text")
    parser.add_argument("--name", default="none", choices=["none", "some"], help="a name")
    parser.add_argument("--overwrite", action=argparse.BooleanOptionalAction, default=False, help="replace")
    return parser


def message(parser: Parser, *words: str) -> str:
    with pytest.raises(UserError) as caught:
        parser.parse_args(words)
    assert len(caught.value.lines()) == 1
    return caught.value.lines()[0]


def test_options_are_read_from_the_command_line_by_default(parser, monkeypatch):
    monkeypatch.setattr("sys.argv", ["script.py", "--epochs", "7", "--text=a b"])
    args = parser.parse_args()
    assert (args.epochs, args.text, args.learning_rate, args.overwrite) == (7, "a b", 5e-5, False)


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["--epoch", "5"], "unknown option --epoch; did you mean --epochs?"),
        (["--epohcs=5"], "unknown option --epohcs=5; did you mean --epochs?"),
        (["--learning-rate", "1"], "unknown option --learning-rate; did you mean --learning_rate?"),
        (["--num_train_epoch", "5"], "unknown option --num_train_epoch; did you mean --num_train_epochs?"),
        (["--no-overwite"], "unknown option --no-overwite; did you mean --no-overwrite?"),
        (["--zzz"], "unknown option --zzz; --help lists them all"),
        (["stray"], "unexpected argument 'stray'; did you mean --text 'stray'?"),
        (["--epochs", "2", "stray"], "unexpected argument 'stray'; did you mean --text 'stray'?"),
        ([__file__], f"unexpected argument {__file__!r}; did you mean --file {__file__!r}?"),
    ],
)
def test_a_mistyped_option_is_one_line_with_the_option_that_was_meant(parser, words, suggestion):
    assert message(parser, *words) == suggestion


def test_two_mistyped_options_are_two_lines(parser):
    with pytest.raises(UserError) as caught:
        parser.parse_args(["--epoch", "5", "--txt", "a"])
    assert [line.split(";")[0] for line in caught.value.lines()] == ["unknown option --epoch", "unknown option --txt"]


@pytest.mark.parametrize("word", ["--epo", "--learning", "--tex", "--over"])
def test_the_beginning_of_a_name_is_not_the_option(parser, word):
    assert message(parser, word, "1").startswith(f"unknown option {word}")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--epochs"], ["--epochs", "expected one argument"]),
        (["--epochs", "two"], ["--epochs", "'two' is not a whole number"]),
        (["--epochs", "0"], ["--epochs", "must be at least 1 and finite, not 0"]),
        (["--learning_rate", "fast"], ["--learning_rate", "'fast' is not a number"]),
        (["--learning_rate", "0"], ["--learning_rate", "must be above 0 and finite, not 0"]),
        (["--name", "other"], ["--name", "other", "none", "some"]),
        (["--overwrite=yes"], ["--overwrite"]),
    ],
)
def test_a_value_that_does_not_fit_is_one_line_that_names_the_option(parser, words, parts):
    said = message(parser, *words)
    assert all(part in said for part in parts), said


def test_help_shows_the_defaults_that_say_something(parser, capsys):
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help_all"])
    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "how often (default: 3)" in shown
    assert "how fast (default: 5e-05)" in shown
    assert "a name (default: none)" in shown
    assert "(default: None)" not in shown
    assert "(default: False)" not in shown


def test_help_explains_the_common_options_and_names_the_others(parser, capsys):
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--help"])
    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "usage: script.py [options] Do it. examples: script.py do it" in shown
    assert "how often (default: 3)" in shown
    assert "how fast" not in shown
    assert "--learning_rate --text --text_pair --overwrite script.py --help_all explains all options." in shown


@pytest.mark.parametrize(
    ("kind", "least", "most", "above", "right", "wrong"),
    [
        (int, 1, math.inf, False, ["1", "2", "1000000"], ["0", "-1", "1.5", "1e3", "", "one", "inf", "nan"]),
        (int, 0, math.inf, False, ["0", "1"], ["-1", "0.0"]),
        (float, 0, math.inf, True, ["1e-300", "5e-5", "3"], ["0", "-0.0", "-1", "nan", "inf", "1e400", "x", ""]),
        (float, 0, math.inf, False, ["0", "0.0", "1e10"], ["-1e-9", "nan", "inf", "-inf"]),
        (float, 0, 1, False, ["0", "0.5", "1", "1.0"], ["1.0001", "-0.1", "nan", "2"]),
        (float, 0, 0.9, True, ["0.1", "0.9"], ["0", "0.91", "1"]),
    ],
)
def test_numbers_are_taken_within_their_range_and_refused_outside(kind, least, most, above, right, wrong):
    parse = number(kind, least, most, above)
    assert [parse(word) for word in right] == [kind(word) for word in right]
    for word in wrong:
        with pytest.raises(argparse.ArgumentTypeError):
            parse(word)


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_whole_number_of_hundreds_of_digits_is_one_line_too(parser, digits):
    assert message(parser, "--epochs", "9" * digits).startswith("argument --epochs/--num_train_epochs: ")


def test_an_argument_file_stands_for_the_words_in_it(parser, tmp_path):
    file = tmp_path / "options.txt"
    file.write_text(
        "# a comment\n--epochs 7  # how often\n\n--text 'two words' --name\nsome\n--text_pair=\"第 二\"\n--overwrite\n",
        encoding="utf-8",
    )
    args = parser.parse_args(["--learning_rate", "1", f"@{file}"])
    assert vars(args) == {
        "epochs": 7,
        "learning_rate": 1.0,
        "text": "two words",
        "name": "some",
        "text_pair": "第 二",
        "overwrite": True,
    }


def test_of_the_same_option_twice_the_later_counts_wherever_it_stands(parser, tmp_path):
    file = tmp_path / "options.txt"
    file.write_text("--epochs 7", encoding="utf-8")
    assert parser.parse_args([f"@{file}", "--epochs", "9"]).epochs == 9
    assert parser.parse_args(["--epochs", "9", f"@{file}"]).epochs == 7


@pytest.mark.parametrize("option", ["--text", "--text_pair"])
def test_a_text_that_begins_with_an_at_sign_is_not_read_as_a_file(parser, tmp_path, option):
    file = tmp_path / "options.txt"
    file.write_text("--epochs 7", encoding="utf-8")
    name = option.removeprefix("--")
    for words in ([option, f"@{file}"], [f"{option}=@{file}"]):
        args = parser.parse_args(words)
        assert (getattr(args, name), args.epochs) == (f"@{file}", 3)


def test_an_argument_file_that_cannot_be_read_is_one_line(parser, tmp_path):
    (tmp_path / "quote.txt").write_text("--text 'never closed", encoding="utf-8")
    (tmp_path / "bytes.txt").write_bytes(b"--text \xff")
    for name in ("missing.txt", "quote.txt", "bytes.txt"):
        assert message(parser, f"@{tmp_path / name}").startswith(f"argument file {tmp_path / name}: ")
    assert message(parser, f"@{tmp_path}").startswith(f"argument file {tmp_path}: ")
    assert message(parser, f"@{tmp_path / 'bytes.txt'}").endswith("it is not utf-8 text; save it as utf-8")


def test_an_argument_file_may_begin_with_a_byte_order_mark(parser, tmp_path):
    (tmp_path / "options.txt").write_text("--epochs 7", encoding="utf-8-sig")
    assert parser.parse_args([f"@{tmp_path / 'options.txt'}"]).epochs == 7


def test_the_options_that_the_command_line_names_are_told_from_the_defaults(parser, tmp_path, monkeypatch):
    (tmp_path / "options.txt").write_text("--num_train_epochs 3", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["script.py", "--no-overwrite", f"@{tmp_path / 'options.txt'}"])
    parser.parse_args()
    (tmp_path / "options.txt").unlink()  # as a pipe, say, it can be read once
    assert options_on_command_line(parser) == {"overwrite": False, "epochs": 3}
    monkeypatch.setattr("sys.argv", ["script.py"])
    parser.parse_args()
    assert options_on_command_line(parser) == {}
