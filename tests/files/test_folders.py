import os
import sys
from pathlib import Path

import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.data.rows import read_rows
from toolkit.files.columns import Columns
from toolkit.formats.reading import open_source


def folder(path, **files: str | bytes):
    """Write texts; `a__b` is the file a/b.txt."""
    for name, content in files.items():
        file = path / f"{name.replace('__', '/')}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path, **kwargs) -> list[tuple]:
    with open_source(path, **kwargs) as source:
        return [(row.line, row.text, row.label) for row in read_rows(source, Columns())]


def test_one_folder_a_label_gives_a_text_a_file_in_the_order_of_their_paths(tmp_path):
    folder(tmp_path / "train", pos__2="good\nfood\n", neg__1="bad\r\n\r\n", pos__10="fine", neg__deeper__3="so so")
    with open_source(tmp_path / "train") as source:
        assert (source.format, source.columns, source.unit) == ("csv", ["file", "text", "label"], "file")
        assert [*map(str, source.taken_for)] == ["one folder a label"]
        assert [record.values["file"] for record in source.records] == [
            "neg/1.txt", "neg/deeper/3.txt", "pos/10.txt", "pos/2.txt"
        ]  # fmt: skip
    assert rows(tmp_path / "train") == [
        ("neg/1.txt", "bad", "neg"),
        ("neg/deeper/3.txt", "so so", "neg"),
        ("pos/10.txt", "fine", "pos"),
        ("pos/2.txt", "good\nfood", "pos"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_the_encoding_is_told_for_all_texts_together(tmp_path, encoding):
    texts = [f"第{i}间房很干净，早餐也不错" for i in range(20)]
    folder(tmp_path, **{f"{'好' if i % 2 else '差'}__{i:02}": text.encode(encoding) for i, text in enumerate(texts)})
    assert sorted((text, label) for _, text, label in rows(tmp_path)) == sorted(
        (text, "好" if i % 2 else "差") for i, text in enumerate(texts)
    )


def test_texts_of_another_encoding_among_utf_8_are_read_in_the_one_that_fits_them_all(tmp_path):
    texts = {
        "a__1": "房间很大，早餐很好".encode("gb18030"),
        "a__2": "房间很大",
        "b__3": "服务很差，很吵".encode("gb18030"),
        "b__4": "ok",
    }
    folder(tmp_path, **texts)
    assert [text for _, text, _ in rows(tmp_path)] == ["房间很大，早餐很好", "房间很大", "服务很差，很吵", "ok"]
    folder(tmp_path / "latin", a__1="café".encode("latin-1"), b__2=b"tea")
    assert [text for _, text, _ in rows(tmp_path / "latin", encoding="latin-1")] == ["café", "tea"]


def test_an_empty_text_and_one_with_nul_are_bad_rows_with_their_file(tmp_path):
    folder(tmp_path, pos__1="good", neg__2=" \n", neg__3="a\0b")
    with open_source(tmp_path) as source:
        bad = [str(row) for row in read_rows(source, Columns()) if hasattr(row, "reason")]
    assert bad == [
        f"{tmp_path}, file neg/2.txt: text is empty",
        f"{tmp_path}, file neg/3.txt: text contains a NUL character",
    ]


def test_texts_that_lie_together_have_no_labels(tmp_path):
    folder(tmp_path, b="two", a="one")
    with open_source(tmp_path) as source:
        assert source.columns == ["file", "text"]
        assert [*map(str, source.taken_for)] == ["a folder of texts"]
        assert [(row.line, row.text) for row in read_rows(source, Columns(label=None))] == [
            ("a.txt", "one"),
            ("b.txt", "two"),
        ]
    with open_source(tmp_path) as source, pytest.raises(UserError, match="no column 'label', only 'file', 'text'"):
        list(read_rows(source, Columns()))


def test_what_is_no_text_is_left_out_and_a_folder_without_labels_is_said(tmp_path):
    folder(tmp_path, pos__1="good", neg__2="bad", unsup__3="unknown", urls="http://x")
    (tmp_path / "labeledBow.feat").write_text("1 0:1")
    (tmp_path / "pos" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "pos" / "notes.md").write_text("notes")
    with open_source(tmp_path) as source:
        assert [*map(str, source.taken_for)] == ["one folder a label", "without unsup"]
        assert [record.values["file"] for record in source.records] == ["neg/2.txt", "pos/1.txt"]


def test_files_without_an_ending_are_texts_where_none_is_called_txt(tmp_path):
    for name in ("sci.space/100", "rec.autos/7"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"about {name}")
    assert rows(tmp_path) == [
        ("rec.autos/7", "about rec.autos/7", "rec.autos"),
        ("sci.space/100", "about sci.space/100", "sci.space"),
    ]


def test_a_folder_without_texts_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "empty" / "pos").mkdir(parents=True)
    with pytest.raises(UserError, match=r"empty: the folder is empty; one folder a label is expected"):
        open_source(tmp_path / "empty")
    (tmp_path / "tables").mkdir()
    for i in range(2):
        (tmp_path / "tables" / f"part-{i}.csv").write_text("text,label\na,x\n")
    with pytest.raises(
        UserError, match=r"tables: is a folder without texts; name a file of it, such as .*part-0.csv, or several by a"
    ):
        open_source(tmp_path / "tables")


def test_a_record_of_a_folder_can_be_read_with_any_names_of_columns(tmp_path):
    folder(tmp_path, pos__1="good", neg__2="bad")
    with open_source(tmp_path) as source:
        found = list(read_rows(source, Columns("review", None, "stars")))
    assert [(row.text, row.label) for row in found] == [("bad", "neg"), ("good", "pos")]
    with open_source(tmp_path) as source:
        assert len(seen(source)) == 2


@pytest.mark.parametrize("encoding", ["nonsense", "base64"])  # the second is a codec, but none of text
def test_an_encoding_that_there_is_not_is_refused_as_for_a_file(tmp_path, encoding):
    folder(tmp_path, pos__1="good", neg__2="bad")
    with (
        pytest.raises(UserError, match=f"--encoding {encoding}: unknown text encoding"),
        open_source(tmp_path, encoding) as source,
    ):
        seen(source)


NAME_IN_GBK = os.fsdecode("数据".encode("gbk")) if sys.platform == "linux" else ""  # others have no such names


@pytest.mark.skipif(not NAME_IN_GBK, reason="file names are text here")
def test_names_that_are_no_text_cost_no_row_but_are_no_labels(tmp_path):
    """As unzip leaves the names of a zip that was made on a Chinese Windows."""
    folder(tmp_path / "texts", pos__1="good", neg__1="bad")
    (tmp_path / "texts" / "pos" / f"{NAME_IN_GBK}.txt").write_text("nice")
    read = rows(tmp_path / "texts")
    assert [(text, label) for _, text, label in read] == [("bad", "neg"), ("good", "pos"), ("nice", "pos")]
    assert all(place.encode("utf-8") for place, _, _ in read)
    Path(tmp_path / "texts" / "pos").rename(tmp_path / "texts" / NAME_IN_GBK)
    with pytest.raises(UserError, match=r"texts: the folder \\\S+ has a name that is not utf-8 text, .* unzip -O GBK"):
        rows(tmp_path / "texts")
