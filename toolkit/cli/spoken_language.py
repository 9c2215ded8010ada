"""In which language a script speaks: the one that --language names, else that of the system."""

import argparse
import locale
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from toolkit.base.errors import UserError
from toolkit.base.languages import LANGUAGES
from toolkit.cli.parser import expand_argument_files, path

VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # in the order of POSIX: the first that is set decides
CHINESE = re.compile(r"zh(?![a-z])|chinese", re.IGNORECASE)  # as in zh_CN.UTF-8, zh-Hant and Chinese (Simplified)_China
SAMPLE = "训练集，精确率：召回率"  # of what is printed in Chinese


def spoken_language(choice: str | None) -> str:
    """Return the language, en or zh, that --language `choice` (en, zh, or auto, which is also None) comes to.

    With auto it is Chinese if that is the system's language and both streams can show it.
    """
    if choice is not None and choice in LANGUAGES:
        return choice
    system_name = None
    if os.name == "nt":
        system_name = locale.getlocale()[0]
    is_chinese = system_language(os.environ, system_name) == "zh"
    return "zh" if is_chinese and shows_chinese(sys.stdout) and shows_chinese(sys.stderr) else "en"


def language_of_words(words: Sequence[str]) -> str:
    """Return the language that a script speaks with these words on its command line, be they right or wrong."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False, exit_on_error=False)
    parser.add_argument("--language", default="auto")
    choice = "auto"
    with suppress(UserError, argparse.ArgumentError, SystemExit):  # the script's own parser says what is wrong
        readable = [word for word in words if _can_be_read_twice(word)]
        choice = parser.parse_known_args(expand_argument_files(readable))[0].language
    return spoken_language(choice)


def _can_be_read_twice(word: str) -> bool:
    """Say whether a word is none that names an argument file, or one of a file that is no pipe."""
    return not word.startswith("@") or Path(path(word[1:])).is_file()


def system_language(environment: Mapping[str, str], system_name: str | None = None) -> str:
    """Return en or zh by the variables of POSIX or, where none of them is set, by the system's name of its language."""
    names = [environment[variable] for variable in VARIABLES if environment.get(variable)]
    name = names[0] if names else system_name or ""
    return "zh" if CHINESE.match(name) else "en"


def shows_chinese(stream: TextIO | None) -> bool:
    """Say whether a stream takes Chinese characters as they are."""
    encoding = getattr(stream, "encoding", None)  # None: a stream of characters and not of bytes
    if encoding is None:
        return True
    try:
        SAMPLE.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
