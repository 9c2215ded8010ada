"""What argparse says of a mistake, in Chinese too: its messages are told by their English words."""

import argparse
import re
import string

from toolkit.base.languages import Text

ARGUMENT = Text("argument {name}: {message}", "参数 {name}：{message}")
MESSAGES = (  # the English ones as argparse has them from Python 3.10 on
    Text("invalid choice: {value} (choose from {choices})", "不能是 {value}（可选 {choices}）"),
    Text("expected one argument", "后面要有一个值"),
    Text("expected at most one argument", "后面最多有一个值"),
    Text("expected at least one argument", "后面至少要有一个值"),
    Text("expected {number} argument", "后面要有 {number} 个值"),
    Text("expected {number} arguments", "后面要有 {number} 个值"),
    Text("ignored explicit argument {value}", "不带值，却写了 {value}"),
    Text("invalid {type} value: {value}", "{value} 不是有效的 {type}"),
    Text("not allowed with argument {other}", "不能与 {other} 同时使用"),
    Text("the following arguments are required: {names}", "缺少这些参数：{names}"),
    Text("one of the arguments {names} is required", "这些参数要有一个：{names}"),
    Text("unrecognized arguments: {words}", "没有这些选项：{words}"),
    Text("ambiguous option: {option} could match {names}", "{option} 不明确，可能是 {names}"),
)


def problem_of_argument(error: argparse.ArgumentError) -> Text:
    """Return what an error of argparse says of an argument.

    A converter of values, which argparse calls as the `type` of an option, says it in both languages by an
    ArgumentTypeError of a Text. argparse raises its own error while it handles that one.
    """
    cause = error.__context__
    if isinstance(cause, argparse.ArgumentTypeError) and isinstance(cause.args[0], Text):
        message = cause.args[0]
    else:
        message = in_both_languages(error.message)
    return message if error.argument_name is None else ARGUMENT.fill(name=error.argument_name, message=message)


def in_both_languages(message: str) -> Text:
    """Return a message of argparse in English and Chinese, or in English alone if it is none of MESSAGES."""
    for text in MESSAGES:
        match = re.fullmatch(_pattern(text.en), message, re.DOTALL)
        if match is not None:
            return Text(message, text.zh.format(**match.groupdict()))
    return Text(message, message)


def _pattern(template: str) -> str:
    """Return the regular expression of a text with gaps, which has a group for each gap."""
    parts = string.Formatter().parse(template)
    return "".join(re.escape(words) + (f"(?P<{gap}>.+?)" if gap else "") for words, gap, _, _ in parts)
