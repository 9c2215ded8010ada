import io

import numpy as np
import pytest

from toolkit.base.languages import LANGUAGES, Text
from toolkit.cli.console import ITEMS, Log, TrainingBar, bar, display_width, pad, shown_label


class Terminal(io.StringIO):
    """A stream that says it is a terminal, so that bars show themselves."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        ("好评", 4),
        ("a好b", 4),
        ("，。", 4),
        ("ＡＢ", 4),
        ("éü", 2),
        ("한국", 4),
        ("かな", 4),
        ("ｶﾅ", 2),
    ],
)
def test_a_wide_character_takes_two_columns(text, columns):
    assert display_width(text) == columns


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("好评", "好评"),
        ("two words", "two words"),
        ("a\nb", r"a\nb"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\u2028b\u3000c", r"a\u2028b\u3000c"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("C:\\n", "C:\\n"),
    ],
)
def test_a_label_stands_on_one_line_with_what_cannot_be_shown_escaped(label, shown):
    assert shown_label(label) == shown
    assert len(shown_label(label).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        ("abc", "abc   ", "   abc"),
        ("好评", "好评  ", "  好评"),
        ("", "      ", "      "),
        ("longer than", "longer than", "longer than"),
    ],
)
def test_a_text_is_filled_up_to_the_columns_that_a_terminal_shows(text, left, right):
    assert pad(text, 6) == left
    assert pad(text, 6, right=True) == right


def test_columns_of_chinese_and_english_stand_below_one_another():
    lines = [pad(name, 10) + pad(str(n), 5, right=True) for name, n in (("好评", 1), ("negative", 12345), ("中a", 20))]
    assert [display_width(line) for line in lines] == [15, 15, 15]


def test_lines_are_kept_until_there_is_a_file_for_them(tmp_path):
    stream = io.StringIO()
    log = Log(stream)
    log("first")
    log.item("labels", "差 1, 好 2")
    assert list(tmp_path.iterdir()) == []
    log.open(tmp_path / "train.log")
    log("second\nthird")
    log()
    expected = "first\nlabels     差 1, 好 2\nsecond\nthird\n\n"
    assert stream.getvalue() == expected
    assert (tmp_path / "train.log").read_text(encoding="utf-8") == expected


def test_a_log_speaks_its_language_and_its_names_are_as_wide_in_each(tmp_path):
    line = Text("3 rows", "3 行")
    logs = {language: Log(io.StringIO(), language) for language in LANGUAGES}
    for log in logs.values():
        log.open(tmp_path / f"{log.language}.log")
        log(line)
        for name in ITEMS:
            log.item(name, line)
    assert logs["zh"].stream.getvalue().startswith("3 行\n")
    assert (tmp_path / "zh.log").read_text(encoding="utf-8") == logs["zh"].stream.getvalue()
    for language, log in logs.items():
        lines = log.stream.getvalue().splitlines()[1:]
        assert {display_width(shown) - display_width(line[language]) for shown in lines} == {11}


def test_each_line_is_in_the_file_as_soon_as_it_is_said(tmp_path):
    log = Log(io.StringIO())
    log.open(tmp_path / "train.log")
    for count in range(1, 4):
        log(f"line {count}")
        assert (tmp_path / "train.log").read_text(encoding="utf-8").count("\n") == count


@pytest.mark.parametrize(("append", "content"), [(False, "new\n"), (True, "old\nnew\n")])
def test_a_log_replaces_the_old_one_or_goes_on_with_it(tmp_path, append, content):
    (tmp_path / "train.log").write_text("old\n", encoding="utf-8")
    log = Log(io.StringIO())
    log("new")
    log.open(tmp_path / "train.log", append=append)
    assert (tmp_path / "train.log").read_text(encoding="utf-8") == content


def test_a_bar_is_silent_where_there_is_no_terminal(capsys):
    with bar(100, "tokenizing", "rows") as progress:
        assert progress.disable
        progress.update(60)
        progress.refresh()
    assert capsys.readouterr() == ("", "")


def test_a_bar_shows_what_it_counts_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with bar(100, "tokenizing", "rows", initial=10) as progress:
        progress.start_t -= 60
        progress.last_print_t -= 60
        progress.update(50)
    assert "tokenizing" in terminal.getvalue()
    assert "60/100" in terminal.getvalue()


def test_the_training_bar_keeps_every_loss_and_shows_the_mean_of_the_last_fifty(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    progress, kept = TrainingBar(200, initial=100), []
    step = progress.stepper(kept)
    sums = np.random.default_rng(0).uniform(1, 20, 60).astype(np.float32)
    rows = [16] * 59 + [3]
    for i, (loss_sum, count) in enumerate(zip(sums, rows, strict=True)):
        if i == 59:  # draw now
            progress.bar.start_t -= 60
            progress.bar.last_print_t -= 60
            progress.bar.miniters = 1
        step(loss_sum, count, 2e-5)
    progress.close()
    assert kept == list(sums)
    mean = float(sum(float(value) for value in sums[10:])) / sum(rows[10:])
    assert progress.bar.n == 160
    assert progress.bar.postfix == f"loss {mean:.4f}, lr 2.00e-05"
    assert "training" in terminal.getvalue()


def test_the_training_bar_reads_no_loss_where_nothing_is_drawn(capsys):
    class Unread:
        """A loss on a GPU, which would have to wait for it."""

        def item(self):
            raise AssertionError("the loss was read")

    progress, kept = TrainingBar(10, initial=0), []
    step = progress.stepper(kept)
    losses = [Unread() for _ in range(10)]
    for loss in losses:
        step(loss, 16, 1e-5)
    progress.close()
    assert kept == losses
    assert capsys.readouterr() == ("", "")
