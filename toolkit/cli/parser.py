"""The argument parser: one-line mistakes, no abbreviations, @files, and numbers that are in their range."""

import argparse
import difflib
import math
import os
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from toolkit.base.errors import UserError, message_of
from toolkit.base.languages import Text
from toolkit.cli.argparse_messages import in_both_languages, problem_of_argument
from toolkit.cli.texts import ARGUMENT_FILES, VALUES, WORDS

FREE_TEXT = {"--text", "--text_pair"}  # their value may begin with @ without naming an argument file
SURROGATE = re.compile("[\ud800-\udfff]")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows a default only where there is one worth reading, and a switch by what changes something."""

    def _get_help_string(self, action: argparse.Action) -> str:
        # Python 3.10 writes the default of a switch into its help by itself.
        text = (action.help or "").replace(" (default: %(default)s)", "")
        if action.default is True:
            return f"{text} (default: on)"
        if action.default in (None, False, argparse.SUPPRESS):
            return text
        if isinstance(action.default, list):
            return f"{text} (default: {' '.join(map(str, action.default))})"
        return f"{text} (default: %(default)s)"

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, argparse.BooleanOptionalAction) and action.default is False:
            return action.option_strings[0]
        return super()._format_action_invocation(action)


class _FullHelp(argparse.Action):
    """Prints the help of all options, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print it."""
        assert isinstance(parser, Parser)
        parser._print_message(parser.format_full_help(), sys.stdout)
        parser.exit()


@dataclass(frozen=True)
class Introduction:
    """What --help begins with: what the script does, commands to begin with, and the options that are used most."""

    description: str
    examples: Mapping[str, str]  # a command and what it is for
    common: Sequence[str]  # options by their first name
    file_option: str  # what takes a file
    text_option: str | None = None  # what takes a text


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that knows no abbreviations, reads @files and answers a mistake with one line.

    `check` raises UserError for options that do not go together. --help explains the options used most and names the
    others, --help_all explains all.
    """

    def __init__(
        self,
        introduction: Introduction,
        check: Callable[[argparse.Namespace], None] = lambda options: None,
        **kwargs: Any,
    ):
        super().__init__(
            allow_abbrev=False,
            exit_on_error=False,
            formatter_class=_Help,
            add_help=False,
            usage="%(prog)s [options]",
            description=introduction.description,
            **kwargs,
        )
        self.introduction = introduction
        self.check = check
        self.words: list[str] = []  # what was parsed last, argument files expanded
        group = self.add_argument_group("help")
        group.add_argument("-h", "--help", action="help", help="explain the options used most, and name the others")
        group.add_argument(
            "--help_all", action=_FullHelp, nargs=0, default=argparse.SUPPRESS, help="explain all options"
        )

    def format_help(self) -> str:
        """Return the help of the options used most, and the names of the others."""
        common = [self._option_string_actions[name] for name in self.introduction.common]
        formatter = self._begin_help()
        formatter.start_section("options used most")
        formatter.add_arguments(common)
        formatter.end_section()
        for group in self._action_groups:
            names = [action.option_strings[0] for action in group._group_actions if action not in common]
            if names and group.title != "help":
                formatter.start_section(f"more: {group.title}")
                formatter.add_text(" ".join(names))
                formatter.end_section()
        formatter.add_text(f"{self.prog} --help_all explains all options. {self.epilog or ''}")
        return formatter.format_help()

    def format_full_help(self) -> str:
        """Return the help of all options, group by group."""
        formatter = self._begin_help()
        for group in self._action_groups:
            formatter.start_section(group.title)
            formatter.add_arguments(group._group_actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _begin_help(self) -> argparse.HelpFormatter:
        """Return a formatter that has the usage, the description and the examples."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        formatter.start_section("examples")
        for command, purpose in self.introduction.examples.items():
            formatter.add_argument(argparse.Action([command], dest="", nargs=0, help=purpose))
        formatter.end_section()
        return formatter

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None
    ) -> argparse.Namespace:
        """Parse `args` (sys.argv by default); raise UserError for anything that does not fit."""
        self.words = expand_argument_files(sys.argv[1:] if args is None else args)
        for word in self.words:
            if SURROGATE.search(word):  # bytes that are no text in this system
                raise UserError(WORDS["no_text"].fill(word=repr(word)))
        try:
            namespace, unknown = self.parse_known_args(self.words)
        except argparse.ArgumentError as error:
            raise UserError(problem_of_argument(error)) from None
        if unknown:
            problems = [self._unknown_option(word) for word in unknown if word.startswith("-")]
            raise UserError(*problems or [self._stray_word(unknown[0])])
        self.check(namespace)
        return namespace

    def _unknown_option(self, word: str) -> Text:
        """Return what to say of an option that there is not."""
        near_names = difflib.get_close_matches(word.split("=")[0], self._option_string_actions, n=1)
        if near_names:
            return WORDS["unknown_near"].fill(word=word, near=near_names[0])
        return WORDS["unknown"].fill(word=word)

    def _stray_word(self, word: str) -> Text:
        """Return what to say of a word that no option stands before."""
        option = self.introduction.text_option
        if option is None or Path(word).exists():
            option = self.introduction.file_option
        return WORDS["unexpected"].fill(word=repr(word), option=option)

    def error(self, message: str) -> NoReturn:
        """Raise UserError in place of argparse's usage text."""
        raise UserError(in_both_languages(message))


def options_on_command_line(parser: Parser) -> dict[str, Any]:
    """Return the options that the parsed command line named, without those that have their default."""
    blank = argparse.Namespace(**{action.dest: ... for action in parser._actions})
    parser.parse_known_args(parser.words, namespace=blank)
    return {name: value for name, value in vars(blank).items() if value is not ...}


def expand_argument_files(words: Sequence[str]) -> list[str]:
    """Replace each @file by the words in it, read as a shell would; lines after # are comments."""
    expanded: list[str] = []
    for i, word in enumerate(words):
        if not word.startswith("@") or (i > 0 and words[i - 1] in FREE_TEXT):
            expanded.append(word)
            continue
        try:
            content = Path(path(word[1:])).read_text(encoding="utf-8-sig")
            if "\0" in content:
                raise ValueError(ARGUMENT_FILES["nul"])
            expanded += shlex.split(content, comments=True)
        except UnicodeDecodeError:
            raise UserError(ARGUMENT_FILES["problem"].fill(name=word[1:], reason=ARGUMENT_FILES["no_text"])) from None
        except (OSError, ValueError) as error:
            raise UserError(ARGUMENT_FILES["problem"].fill(name=word[1:], reason=message_of(error))) from None
    return expanded


class GatheredWords(argparse.Action):
    """Makes one value of all the words that follow an option, wherever it is given."""

    def gather(self, earlier: Any, words: list[str]) -> Any:
        """Return the value of some words, given the one that there is already: the default, or that of words before."""
        raise NotImplementedError

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Put the value of the words into the namespace."""
        earlier = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, self.gather(earlier, [str(word) for word in values or ()]))


def path(word: str) -> str:
    """Return a path with the home directory in the place of ~, which a shell leaves as it is in --output_dir=~/x."""
    return os.path.expanduser(word)  # noqa: PTH111 (a Path's raises for a user who does not exist)


def number(kind: type, least: float, most: float = math.inf, above: bool = False) -> Callable[[str], float]:
    """Return a parser of finite numbers in [least, most], or in (least, most] if `above`."""

    def parse(word: str) -> float:
        """Return the number that a word is; ArgumentTypeError if it is none within the bounds."""
        try:
            value = kind(word)
            float(value)  # a whole number may be too large for that, and so for us
        except (ValueError, OverflowError):
            problem = VALUES["no_whole_number" if kind is int else "no_number"]
            raise argparse.ArgumentTypeError(problem.fill(word=repr(word))) from None
        if not math.isfinite(value) or not least <= value <= most or (above and value == least):
            low = VALUES["above" if above else "at_least"].fill(least=least)
            bounds = low if most == math.inf else VALUES["between"].fill(low=low, most=most)
            raise argparse.ArgumentTypeError(VALUES["out_of_range"].fill(bounds=bounds, word=word))
        return value

    return parse
