"""New names of labels, as --map_labels gives them: old=new words, or a csv or json file of old and new names."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from toolkit.base.errors import UserError, message_of
from toolkit.cli.parser import GatheredWords, path
from toolkit.cli.texts import LABEL_NAMES

EQUALS_SIGN = re.compile(r"(?<!\\)=")  # \= is part of a label
FILE_ENDINGS = (".csv", ".json")


class MapLabels(GatheredWords):
    """Makes a dict of the words of an option, added to that of the same option before."""

    def gather(self, earlier: Any, words: list[str]) -> dict[str, str]:
        """Return the new names by the old ones, those of earlier words among them."""
        names = dict(earlier) if isinstance(earlier, dict) else {}
        for word in words:
            names |= label_names(word)
        return names


def label_names(word: str) -> dict[str, str]:
    """Return the new names by the old ones that a word of --map_labels says; UserError if it says none."""
    if not EQUALS_SIGN.search(word) and word.lower().endswith(FILE_ENDINGS):
        return _names_of_file(word)
    old, new = split_at_equals(word)
    if not old or not new:
        raise UserError(LABEL_NAMES["word"].fill(word=word))
    return {old: new}


def split_at_equals(word: str) -> tuple[str, str]:
    r"""Return the label before the first = of a word and what is behind it, "" for nothing; in both \= stands for =."""
    label, value = (part.replace("\\=", "=").strip() for part in (*EQUALS_SIGN.split(word, maxsplit=1), "")[:2])
    return label, value


def _names_of_file(name: str) -> dict[str, str]:
    """Return the new names by the old ones of a csv file of two columns or a json object; UserError if it is none."""
    try:
        text = _decoded(Path(path(name)).read_bytes())
        if name.lower().endswith(".json"):
            pairs = list(json.loads(text).items())
        else:
            pairs = [tuple(row) for row in csv.reader(io.StringIO(text, newline="")) if row]
            pairs = pairs[1:] if pairs and pairs[0] == ("old", "new") else pairs
        names = {old.strip(): _label(new) for old, new in pairs}
    except (OSError, ValueError, AttributeError, csv.Error) as error:
        raise UserError(LABEL_NAMES["file"].fill(name=name, reason=message_of(error))) from None
    if not all([*names, *names.values()]):
        raise UserError(LABEL_NAMES["empty"].fill(name=name))
    return names


def _label(value: object) -> str:
    """Return a new name; ValueError if it is neither text nor a whole number."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(LABEL_NAMES["no_name"].fill(value=repr(value)))
    return str(value).strip()


def _decoded(data: bytes) -> str:
    """Return the text of a file in utf-8, or in GB18030, in which spreadsheets write Chinese."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")
