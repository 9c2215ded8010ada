"""What columns are called: their names without what cannot be seen, and which of them is the text, which the label."""

import re
import shlex
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from toolkit.base.errors import UserError
from toolkit.base.languages import Text, shortened
from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns
from toolkit.files.source import Source, short_repr
from toolkit.files.texts import PROBLEMS, REMARKS
from toolkit.formats.texts import TABLES

USUAL_NAMES = ("text", "text_pair", "label")
QUOTES = "\"'`“”‘’「」"
MAX_LISTED = 5  # candidates in an error

# Names that people give to the column of the text and of the label, in lower case and without what is between words.
# fmt: off
TEXT_NAMES = frozenset({
    "text", "texts", "sentence", "sentences", "review", "reviews", "content", "contents", "comment", "comments", "news",
    "body", "document", "message", "messages", "tweet", "utterance", "post", "passage", "article", "texta",
    "评论", "评价", "内容", "文本", "正文", "句子", "新闻", "留言", "微博", "弹幕",
})
TITLES = frozenset({"title", "titles", "headline", "headlines", "subject", "标题", "题目"})  # where nothing else is
LABEL_NAMES = frozenset({
    "label", "labels", "category", "categories", "sentiment", "target", "class", "classes", "labeldesc", "labelname",
    "classname", "categoryname", "polarity", "y", "emotion", "intent",
    "标签", "类别", "类", "分类", "情感", "情感倾向", "情绪", "意图",
})
RATINGS = frozenset({"rating", "ratings", "star", "stars", "score", "评分", "星级", "打分"})  # if their values recur
# fmt: on
PAIRS = (
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("texta", "textb"),
    ("text1", "text2"),
    ("premise", "hypothesis"),
    ("sentencea", "sentenceb"),
    ("句子1", "句子2"),
    ("问题1", "问题2"),
)  # fmt: skip
KNOWN = TEXT_NAMES | TITLES | LABEL_NAMES | RATINGS | {name for pair in PAIRS for name in pair} | {"textpair"}
LAST_WORDS_OF_TEXT = ("text", "body", "review", "content", "comment", "sentence", "评论", "内容", "文本", "正文")
LAST_WORDS_OF_LABEL = ("label", "category", "sentiment", "class", "标签", "类别")

FEW_ROWS = 3  # fewer say little of what is in a column
LOOKED_AT = 1000  # characters of a cell
LONG_TEXT = 15  # columns of a screen that half the cells of a column of texts have at least
SHORT_CELL = 40  # columns of a screen that a label has at most


def clean_name(cell: str) -> str:
    """Return a name without invisible characters, and without blanks and quotes around it."""
    visible = cell
    if not cell.isascii():
        visible = "".join(character for character in cell if unicodedata.category(character) != "Cf")
    return visible.strip().strip(QUOTES).strip()


def plain_name(name: str) -> str:
    """Return a name in one case and width, and without what stands between its words."""
    return re.sub(r"[\s_.-]+", "", unicodedata.normalize("NFKC", clean_name(name)).casefold())


def is_known(name: str) -> bool:
    """Return whether a name is one that people give to a text or a label."""
    return plain_name(name) in KNOWN


# -- what is in a column ---------------------------------------------------------------------------------------------


def screen_width(cell: str) -> int:
    """Return how many columns of a screen the beginning of a cell takes, two for a Chinese character."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in cell[:LOOKED_AT])


@dataclass(frozen=True)
class Content:
    """What is in a column, by some of its cells that are not empty."""

    cells: tuple[str, ...]

    @classmethod
    def of(cls, values: Sequence[object]) -> "Content":
        """Return the content of a column of these values."""
        cells = (str(value).strip() for value in values if isinstance(value, (str, int, float)))
        return cls(tuple(cell[:LOOKED_AT] for cell in cells if cell))

    @property
    def width(self) -> float:
        """Half of the cells have this width on a screen at least."""
        return median(map(screen_width, self.cells)) if self.cells else 0

    @property
    def is_long(self) -> bool:
        """Whether these may be texts: long, few of them the same, and not numbers, dates or codes."""
        return self.width >= LONG_TEXT and self.distinct_share > 0.5 and not self.is_code

    @property
    def distinct_share(self) -> float:
        """The share of the cells that are different."""
        return len(set(self.cells)) / max(1, len(self.cells))

    @property
    def recurs(self) -> bool:
        """Whether these may be labels: short, and half of the cells at least have a value that others have too."""
        if not self.cells or max(map(len, self.cells)) > SHORT_CELL:
            return False
        values = set(self.cells)
        counts = dict.fromkeys(values, 0)
        for cell in self.cells:
            counts[cell] += 1
        recurring = sum(count for count in counts.values() if count > 1)
        return recurring * 2 >= len(self.cells) and len(values) * 2 <= len(self.cells)

    @property
    def is_constant(self) -> bool:
        """Whether there is one value only."""
        return len(set(self.cells)) == 1

    @property
    def is_id(self) -> bool:
        """Whether every cell is another number or code."""
        return self.is_code and self.distinct_share == 1

    @property
    def is_number(self) -> bool:
        """Whether every cell is a number."""
        return bool(self.cells) and all(NUMBER.fullmatch(cell) for cell in self.cells)

    @property
    def is_code(self) -> bool:
        """Whether these are numbers, dates, addresses or such: no letters alone, and hardly a blank."""
        return bool(self.cells) and sum(map(_is_code, self.cells)) * 2 > len(self.cells)


NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?%?")


def _is_code(cell: str) -> bool:
    letters = sum(map(str.isalpha, cell))
    is_one_word = not re.search(r"\s", cell) and cell.isascii()
    return letters * 2 < len(cell) or (is_one_word and letters < len(cell) and screen_width(cell) >= 4)


# -- which column is which -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FoundColumns:
    """The columns of a file by the names they have there, and what has to be said of how they were found."""

    columns: Columns
    taken_for: list[str | Text]


def find_columns(source: Source, wanted: Columns) -> FoundColumns:
    """Return what the `wanted` columns are called in a file.

    A column that has the wanted name is taken, else text, label or text_pair, else the only one whose name, or whose
    content, is clearly that of a text or a label. One that is not found stays as it is wanted. Raises UserError, with
    the options that settle it, where there are two.
    """
    search = _Search(source, wanted)
    wanted = replace(wanted, group=search.group())
    if source.has_fixed_columns or not source.columns:
        return FoundColumns(replace(wanted, text_pair=search.second_text(wanted)), [])
    columns = search.pair() or replace(wanted, text=search.text())
    columns = replace(columns, text_pair=search.second_text(columns))
    columns = replace(columns, label=search.label(columns)) if columns.label is not None else columns
    roles = (("text", wanted.text, columns.text), ("second_text", wanted.text_pair, columns.text_pair),
             ("label", wanted.label, columns.label))  # fmt: skip
    taken_for: list[str | Text] = [
        REMARKS["column"].fill(role=REMARKS[role], column=short_repr(name))
        for role, before, name in roles
        if name not in (None, before, clean_name(before or ""))
        and (before, name) != (TEXT_PAIR_IF_PRESENT, "text_pair")
    ]
    return FoundColumns(columns, taken_for)


class _Search:
    """The search for the columns of a file."""

    def __init__(self, source: Source, wanted: Columns):
        self.source = source
        self.wanted = wanted
        self.plain = {name: plain_name(name) for name in source.columns}

    def by_name(self, role: str, wanted: str) -> str | None:
        """Return the column that has the wanted name or the usual one of its role, at least in another case."""
        for name in (wanted, clean_name(wanted), role):
            if name in self.source.columns:
                return name
        for name in (wanted, role):
            alike = [column for column in self.source.columns if self.plain[column] == plain_name(name)]
            if alike:
                return self.only(role, alike)
        return None

    def only(self, role: str, candidates: Sequence[str]) -> str:
        """Return the only candidate; UserError, with the options that settle it, where there are more."""
        if len(candidates) == 1:
            return candidates[0]
        option = "--pair_column" if role == "text_pair" else f"--{role}_column"
        listed = [f"{option} {_as_word(name)}" for name in candidates[:MAX_LISTED]]
        raise UserError(
            TABLES["candidates"].fill(
                name=self.source.name,
                wanted=short_repr(getattr(self.wanted, role)),
                count=len(candidates),
                role=role,
                options=shortened(listed, len(candidates), PROBLEMS["or"]),
            )
        )

    def pair(self) -> Columns | None:
        """Return the columns if two of them are clearly the texts of a pair, and neither is named otherwise."""
        wanted = self.wanted
        if {"text", "text_pair"} & set(wanted.named) or wanted.text_pair is None:
            return None
        if self.by_name("text", wanted.text) is not None:
            return None
        column_of = {plain: column for column, plain in self.plain.items()}
        for first, second in PAIRS:
            if first in column_of and second in column_of:
                return replace(wanted, text=column_of[first], text_pair=column_of[second])
        return None

    def text(self) -> str:
        """Return the column of the text."""
        if "text" in self.wanted.named:
            return self._as_named(self.wanted.text)
        taken = {self.wanted.text_pair, self.wanted.label, self.wanted.group}
        return (
            self.by_name("text", self.wanted.text)
            or self._known("text", TEXT_NAMES, LAST_WORDS_OF_TEXT, taken)
            or self._known("text", TITLES, (), taken)
            or self._by_content("text", lambda content: content.is_long, taken)
            or self.wanted.text
        )

    def second_text(self, columns: Columns) -> str | None:
        """Return the column of the second text, None where there is none."""
        name = columns.text_pair
        if name == TEXT_PAIR_IF_PRESENT:
            return "text_pair" if "text_pair" in self.source.columns else None
        if name is None or name in self.source.columns:
            return name
        if "text_pair" in self.wanted.named:
            return self._as_named(name)
        return self.by_name("text_pair", name) or name

    def label(self, columns: Columns) -> str:
        """Return the column of the label, which is none of the texts."""
        wanted = self.wanted.label or "label"
        if "label" in self.wanted.named:
            return self._as_named(wanted)
        taken = {columns.text, columns.text_pair, columns.group}
        return (
            self.by_name("label", wanted)
            or self._known("label", LABEL_NAMES, LAST_WORDS_OF_LABEL, taken)
            or self._rating(taken)
            or self._other_column(columns)
            or wanted
        )

    def group(self) -> str | None:
        """Return the column of the group; None where there is none, or need not be."""
        name = self.wanted.group
        if name is None:
            return None
        name = self._as_named(name)
        may_come_late = self.source.columns_of_first is not None
        if self.wanted.group_if_present and name not in self.source.columns and not may_come_late:
            return None
        return name

    def _as_named(self, name: str) -> str:
        """Return a name as it stands in the file, where invisible characters are all that is in the way."""
        cleaned = clean_name(name)
        return cleaned if name not in self.source.columns and cleaned in self.source.columns else name

    def _known(self, role: str, names: frozenset[str], last_words: Sequence[str], taken: set[str | None]) -> str | None:
        """Return the only column with one of these names, or whose name ends with one of these words."""
        free = [column for column in self.source.columns if column not in taken]
        candidates = [column for column in free if self.plain[column] in names]
        candidates = candidates or [column for column in free if last_words and _ends_with(column, last_words)]
        return self.only(role, candidates) if candidates else None

    def _by_content(self, role: str, fits: Callable[[Content], bool], taken: set[str | None]) -> str | None:
        """Return the only column whose content fits, None where there is none or the header may be a row."""
        if self.source.header_is_doubtful:
            return None
        candidates = [name for name, content in self._contents().items() if name not in taken and fits(content)]
        return self.only(role, candidates) if candidates else None

    def _rating(self, taken: set[str | None]) -> str | None:
        """Return the only column of ratings, such as stars; a score whose values hardly recur is no label."""
        contents = self._contents()
        free = [column for column in self.source.columns if column not in taken and self.plain[column] in RATINGS]
        known = [column for column in free if column in contents]
        candidates = [column for column in known if contents[column].recurs and not contents[column].is_constant]
        return self.only("label", candidates) if candidates else None

    def _other_column(self, columns: Columns) -> str | None:
        """Return the one column beside the texts whose values recur, if all others are empty or say which row it is."""
        contents = {} if self.source.header_is_doubtful else self._contents()
        others = {
            name: content for name, content in contents.items() if content.cells and name not in columns.read_names
        }
        recurring = [name for name, content in others.items() if content.recurs]
        are_ids = all(content.is_id for name, content in others.items() if name not in recurring)
        return recurring[0] if len(recurring) == 1 and are_ids else None

    def _contents(self) -> dict[str, Content]:
        """Return what is in the columns, by the first rows; nothing where these are too few to say."""
        rows = [record.values for record in self.source.peek() if record.values is not None]
        if len(rows) < FEW_ROWS:
            return {}
        return {column: Content.of([row.get(column) for row in rows]) for column in self.source.columns}


def _as_word(name: str) -> str:
    """Return a name as it is typed on a command line."""
    if re.fullmatch(r"[\w.-]+", name):
        return name
    return f'"{name}"' if re.fullmatch(r"[\w .,;:()/-]+", name) else shlex.quote(name)


def _ends_with(column: str, words: Sequence[str]) -> bool:
    """Return whether the last word of a name is one of `words`; Chinese is written without blanks between words."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", clean_name(column))
    last = re.split(r"[\s_.-]+", spaced.casefold())[-1]
    return last in words or any(not word.isascii() and last.endswith(word) for word in words)
