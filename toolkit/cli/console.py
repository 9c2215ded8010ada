"""What a run prints: lines on the screen and in train.log, and progress bars."""

import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm
from wcwidth import wcswidth

from toolkit.base.languages import Text, in_words
from toolkit.base.process import this_process

ITEM_WIDTH = 10  # columns of the names of facts
ITEMS: dict[str, Text] = {  # names of facts
    "": Text("", ""),
    "data": Text("data", "数据"),
    "findings": Text("findings", "数据检查"),
    "frozen": Text("frozen", "冻结层"),
    "labels": Text("labels", "标签"),
    "loss": Text("loss", "损失"),
    "machine": Text("machine", "设备"),
    "model": Text("model", "模型"),
    "padding": Text("padding", "填充"),
    "recipe": Text("recipe", "训练方案"),
    "resume": Text("resume", "续训"),
    "seed": Text("seed", "种子"),
    "steps": Text("steps", "步数"),
    "suspicious": Text("suspicious", "可疑标签"),
    "teacher": Text("teacher", "教师模型"),
    "tokens": Text("tokens", "词元数"),
    "trained": Text("trained", "训练部分"),
    "unlabelled": Text("unlabelled", "无标注"),
    "vocabulary": Text("vocabulary", "词表"),
}
UNITS: dict[str, Text] = {  # what a bar counts
    "rows": Text("rows", "行"),
    "steps": Text("steps", "步"),
}
TRAINING = Text("training", "训练")
STATE = Text("loss {loss:.4f}, lr {rate:.2e}", "损失 {loss:.4f}，学习率 {rate:.2e}")
JOINERS = "\u200c\u200d"  # of the parts of an emoji, and of letters of some scripts


def one_line(text: str) -> str:
    """Return a text without line breaks and what else a terminal would obey instead of showing it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shown_label(label: str) -> str:
    r"""Return a label on one line, with escapes for what a terminal would obey: a line break is shown as \n.

    So two labels that differ never look the same. What joins the parts of an emoji stays as it is.
    """
    return "".join(c if c.isprintable() or c in JOINERS else c.encode("unicode_escape").decode() for c in label)


def display_width(text: str) -> int:
    """Return the columns that a text takes on a terminal, where a Chinese character takes two."""
    width = wcswidth(text)
    return width if width >= 0 else len(text)  # it has a character that moves the cursor


def pad(text: str, width: int, right: bool = False) -> str:
    """Return a text padded with spaces to `width` columns; `right` aligns it on the right."""
    blanks = " " * (width - display_width(text))
    if right:
        return blanks + text
    return text + blanks


class Log:
    """Prints lines on a stream, and keeps them until there is a file for them, so that a refused run leaves no file.

    With None for a stream it prints nothing; all processes but the main one have such a log. What is a Text is printed
    in the log's language, en or zh.
    """

    def __init__(self, stream: TextIO | None, language: str = "en"):
        self.stream = stream
        self.language = language
        self.file: Path | None = None
        self.unwritten: list[str] = []  # lines that are not yet in a file

    def __call__(self, words: str | Text = "") -> None:
        """Print a line."""
        if self.stream is None:
            return
        line = in_words(words, self.language)
        with tqdm.external_write_mode(file=self.stream):
            print(line, file=self.stream, flush=True)
        self.unwritten.append(line)
        self._write()

    def item(self, name: str, words: str | Text) -> None:
        """Print a line of a table of facts; `name` is one of ITEMS."""
        self(f"{pad(ITEMS[name][self.language], ITEM_WIDTH)} {in_words(words, self.language)}")

    def bar(self, total: int, activity: str | Text, unit: str) -> tqdm:
        """Return a progress bar in the log's language."""
        return bar(total, activity, unit, language=self.language)

    def include(self, other: "Log") -> None:
        """Take in the lines of another log that has no file; they are not printed again."""
        self.unwritten += other.unwritten
        self._write()

    def open(self, path: Path, append: bool = False) -> None:
        """Write to a file from now on, beginning with the lines printed so far."""
        self.file = path
        if not append:
            path.write_text("", encoding="utf-8")
        self._write()

    def _write(self) -> None:
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.writelines(line + "\n" for line in self.unwritten)
            self.unwritten.clear()


def bar(total: int, activity: str | Text, unit: str, initial: int = 0, language: str = "en") -> tqdm:
    """Return a progress bar on stderr, which the main process shows after a second, and on a terminal only.

    `unit` is one of UNITS.
    """
    only_on_a_terminal = None  # what tqdm's `disable` calls so
    return tqdm(
        total=total,
        initial=initial,
        desc=in_words(activity, language),
        unit=f" {UNITS[unit][language]}",
        disable=only_on_a_terminal if this_process().is_main else True,
        delay=1,
        leave=False,
        file=sys.stderr,
        dynamic_ncols=True,
    )


class TrainingBar:
    """A progress bar over the steps of a run, with the mean loss of the last 50 of them and the learning rate."""

    def __init__(self, total: int, initial: int, language: str = "en"):
        self.language = language
        self.bar = bar(total, TRAINING, "steps", initial, language)
        self.recent: deque[tuple[Any, int]] = deque(maxlen=50)

    def stepper(self, losses: list) -> Callable:
        """Return a function to call after each step, which also appends the sum of its losses to `losses`.

        That sum is a tensor and is read only when the bar is drawn, so that a GPU need not wait.
        """

        def step(loss_sum: Any, rows: int, learning_rate: float) -> None:
            """Count a step and note its losses."""
            losses.append(loss_sum)
            self.recent.append((loss_sum, rows))
            if self.bar.update(1):
                loss = sum(loss.item() for loss, _ in self.recent) / sum(rows for _, rows in self.recent)
                self.bar.set_postfix_str(STATE.fill(loss=loss, rate=learning_rate)[self.language], refresh=False)

        return step

    def close(self) -> None:
        """Take the bar off the screen."""
        self.bar.close()
