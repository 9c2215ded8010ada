"""What becomes of bad input: a table of files and options, and the right result or the one line that refuses them.

The expected rows and messages are written out by hand. A file is read as main.py reads it; where anything in it cannot
be used, main.py itself is run, which must say exactly that, end with status 2 and leave nothing behind.
"""

import gzip
import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import infer
import main
import test_code
import utils
from tests.conftest import script
from toolkit.base.errors import UserError
from toolkit.cli.exits import run_script
from toolkit.cli.options import fine_tuning_options
from toolkit.files.columns import Columns

TEN_MB = 10_000_000
TINY = b"text,label\na,x\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x10\x00\x00\x00\x10\x08\x06\x00\x00\x00\x1f\xf3\xffa"
TWO = [(2, "a", "x"), (3, "b", "y")]
UNCLOSED = "a quoted field is never closed"
AFTER_QUOTE = 'text follows a closing quote (a quote inside a quoted field is written "")'
NO_TEXT = "FILE is neither utf-8, GB18030 nor UTF-16 text; --encoding can name another encoding"
NO_PIPE = "FILE: a pipe or a device cannot be read twice; save it as a file first"
NO_OBJECT = 'where an object such as {"text": ...} belongs'


def odd_byte(byte: str, column: str = "text") -> str:
    hint = "(--encoding can name another)"
    return f"{column} contains byte 0x{byte}, which is not valid in the encoding of this file {hint}"


@dataclass
class File:
    """A training file, what of it is used and what is not. FILE in a message stands for its path."""

    content: bytes | Callable[[], bytes]
    name: str = "rows.csv"
    options: Sequence[str] = ()
    used: Sequence[tuple] | None = None  # (line, text, label) or (line, text, text_pair, label)
    bad: Sequence[tuple[int, str]] = ()  # (line, why)
    refused: str = ""  # why the whole file is
    beside: dict[str, bytes] = field(default_factory=dict)  # other files of the folder


def table(*lines: str, header: str = "text,label", end: str = "\n") -> str:
    """Return the text of a csv file."""
    return end.join([header, *lines]) + end


def parquet(**columns) -> Callable[[], bytes]:
    """Return what makes the bytes of a parquet file of pyarrow arrays, or of lists that become such."""

    def make() -> bytes:
        pa = pytest.importorskip("pyarrow")
        from pyarrow.parquet import write_table

        arrays = {name: value(pa) if callable(value) else pa.array(value) for name, value in columns.items()}
        write_table(pa.table(arrays), stream := io.BytesIO())
        return stream.getvalue()

    return make


def damaged(make: Callable[[], bytes], start: int, end: int | None) -> Callable[[], bytes]:
    """Return what makes the same file without the bytes from `start` to `end`."""
    return lambda: (whole := make())[:start] + (b"" if end is None else whole[end:])


GOOD_PARQUET = parquet(text=["a", "b"], label=["x", "y"])
CHINESE = table("房间很好,好评", "早餐很差,差评")
CHINESE_ROWS = [(2, "房间很好", "好评"), (3, "早餐很差", "差评")]
RARE = table("𠮷野家很好吃,好评", "房间很差,差评")  # a character that GB18030 writes with four bytes
RARE_ROWS = [(2, "𠮷野家很好吃", "好评"), (3, "房间很差", "差评")]

# fmt: off
ENCODINGS = {
    "utf-8": File(CHINESE.encode(), used=CHINESE_ROWS),
    "utf-8 with a BOM": File(CHINESE.encode("utf-8-sig"), used=CHINESE_ROWS),
    "a BOM before a quoted header": File(b'\xef\xbb\xbf"text","label"\na,x\nb,y\n', used=TWO),
    "a BOM before json lines": File(b'\xef\xbb\xbf{"text": "a", "label": "x"}\n', "rows.jsonl", used=[(1, "a", "x")],
        refused="FILE: every row has the label 'x'; a classifier needs at least two labels"),
    "a BOM before a json array": File('\ufeff[{"text": "a", "label": "x"},\n{"text": "b", "label": "y"}]'.encode(),
        "rows.json", used=[(1, "a", "x"), (2, "b", "y")]),
    "a BOM before a txt file": File("\ufeffa\tx\nb\ty\n".encode(), "rows.txt", used=[(1, "a", "x"), (2, "b", "y")]),
    "a BOM named by --encoding utf-8": File(b"\xef\xbb\xbftext,label\na,x\nb,y\n", options=["--encoding", "utf-8"],
        used=TWO),
    "GBK": File(CHINESE.encode("gbk"), used=CHINESE_ROWS),
    "GBK tab-separated": File(CHINESE.replace(",", "\t").encode("gbk"), "rows.tsv", used=CHINESE_ROWS),
    "GBK text<TAB>label": File("房间很好\t好评\n早餐很差\t差评\n".encode("gbk"), "rows.txt",
        used=[(1, "房间很好", "好评"), (2, "早餐很差", "差评")]),
    "GBK json": File(
        '[{"text": "房间很好", "label": "好评"},\n {"text": "早餐很差", "label": "差评"}]'.encode("gbk"), "rows.json",
        used=[(1, "房间很好", "好评"), (2, "早餐很差", "差评")]),
    "GB18030 with a character of four bytes": File(RARE.encode("gb18030"), used=RARE_ROWS),
    "GB18030 with a BOM": File(("\ufeff" + RARE).encode("gb18030"), used=RARE_ROWS),
    "a character of four bytes where --encoding gbk has none is a bad row": File(RARE.encode("gb18030"),
        options=["--encoding", "gbk"], used=[(3, "房间很差", "差评")], bad=[(2, odd_byte("95"))]),
    "UTF-16 LE with a BOM": File(b"\xff\xfe" + CHINESE.encode("utf-16-le"), used=CHINESE_ROWS),
    "UTF-16 BE with a BOM": File(b"\xfe\xff" + CHINESE.encode("utf-16-be"), used=CHINESE_ROWS),
    "UTF-16 LE without a BOM": File(CHINESE.encode("utf-16-le"), used=CHINESE_ROWS),
    "UTF-16 BE without a BOM": File(CHINESE.encode("utf-16-be"), used=CHINESE_ROWS),
    "UTF-16 with a BOM that --encoding utf-16-le names": File(b"\xff\xfe" + CHINESE.encode("utf-16-le"),
        options=["--encoding", "utf-16-le"], used=CHINESE_ROWS),
    "UTF-16 json lines with emoji": File(
        b"\xff\xfe" + '{"text": "好😀", "label": 1}\r\n{"text": "b", "label": 0}\r\n'.encode("utf-16-le"), "rows.jsonl",
        used=[(1, "好😀", "1"), (2, "b", "0")]),
    "UTF-16 text<TAB>label": File("\ufeffa\tx\r\nb\ty\r\n".encode("utf-16-le"), "rows.txt",
        used=[(1, "a", "x"), (2, "b", "y")]),
    "UTF-32 with a BOM": File(CHINESE.encode("utf-32"), used=CHINESE_ROWS),
    "packed GBK": File(gzip.compress(CHINESE.encode("gbk")), "rows.csv.gz", used=CHINESE_ROWS),
    "packed UTF-16": File(gzip.compress(CHINESE.encode("utf-16")), "rows.csv.gz", used=CHINESE_ROWS),
    "one GBK line in a utf-8 file is a bad row": File(
        b"\n".join([*[line.encode() for line in CHINESE.split("\n")[:3]], "早餐,x".encode("gbk"), b"b,y", b""]),
        used=[*CHINESE_ROWS, (5, "b", "y")], bad=[(4, odd_byte("D4"))]),
    "a utf-8 line of an odd number of characters in a GBK file is a bad row": File(
        "\n".join(["text,label", *["房间干净，服务很好,好评"] * 3]).encode("gbk") + "\n差,差评\n".encode(),
        used=[(line, "房间干净，服务很好", "好评") for line in (2, 3, 4)], bad=[(5, odd_byte("AE"))]),
    "Latin-1 is refused, for it may be anything": File(
        table(*["café crème,x", "à côté,y", "très bien,x"]).encode("latin-1"), refused=NO_TEXT),
    "Latin-1 that --encoding names": File(table("café,x", "côté,y").encode("latin-1"),
        options=["--encoding", "latin-1"], used=[(2, "café", "x"), (3, "côté", "y")]),
    "Shift JIS that --encoding names": File(table("よい,x", "わるい,y").encode("shift_jis"),
        options=["--encoding", "shift_jis"], used=[(2, "よい", "x"), (3, "わるい", "y")]),
    "Windows-1252 that --encoding names, with a byte it lacks": File(b"text,label\n\x80 5,x\nb\x81,y\n",
        options=["--encoding", "cp1252"], used=[(2, "€ 5", "x")], bad=[(3, odd_byte("81"))]),
    "an --encoding that there is not": File(table("a,x").encode(), options=["--encoding", "utf-9"],
        refused="--encoding utf-9: unknown text encoding (try utf-8, gb18030 or utf-16)"),
    "an --encoding that is not about text": File(table("a,x").encode(), options=["--encoding", "base64"],
        refused="--encoding base64: unknown text encoding (try utf-8, gb18030 or utf-16)"),
    "a picture": File(PNG, refused=NO_TEXT),
    "random bytes": File(bytes(range(1, 256)) * 3, refused=NO_TEXT),
    "a picture called .jsonl": File(PNG, "rows.jsonl", refused=NO_TEXT),
    "a utf-8 file that is cut within its last character": File(table("很好,x", "差,y", "c,好").encode()[:-2],
        used=[(2, "很好", "x"), (3, "差", "y")], bad=[(4, odd_byte("E5", "label"))]),
    "one odd byte in a file that is else ASCII": File(table(*["a,x"] * 20).encode() + b"caf\xe9,x\n",
        used=[(line, "a", "x") for line in range(2, 22)], bad=[(22, odd_byte("E9"))]),
    "one odd byte in a file of three lines, which may be of any encoding": File(b"text,label\ncaf\xe9,x\nb,y\n",
        refused=NO_TEXT),
    "a GB18030 file that is cut within its last character": File(
        table("房间很好,好评", "早餐很差,差评", "服务,很好").encode("gb18030")[:-2], used=CHINESE_ROWS,
        bad=[(4, odd_byte("BA", "label"))]),
    "a UTF-16 file that is cut within its last character": File(
        b"\xff\xfe" + "text,label\na,x\nb,y\nc,z".encode("utf-16-le")[:-1], used=TWO,
        bad=[(4, "label contains an incomplete character")]),
    "half of a surrogate pair in UTF-16": File(
        b"\xff\xfe" + "text,label\na,x\nb\ud83d,y\n".encode("utf-16-le", "surrogatepass"), used=[(2, "a", "x")],
        bad=[(3, "text contains an incomplete character")]),
    "surrogates in utf-8 are damage": File(
        "text,label\n早餐吃得很好，房间很大,x\n".encode() + b"\xed\xa0\xbd\xed\xb8\x80,y\n"
        + "房间里的电脑很差，服务也很差,y\n".encode(),
        used=[(2, "早餐吃得很好，房间很大", "x"), (4, "房间里的电脑很差，服务也很差", "y")], bad=[(3, odd_byte("ED"))]),
    "damage in a column that is not used": File("text,label,note\n很好,x,可以\n差,y,".encode() + b"\xff\n",
        used=[(2, "很好", "x")], bad=[(3, odd_byte("FF", "note"))]),
}

NULS = {
    "NUL in a csv text": File(b"text,label\na\x00,x\nb,y\n", used=[(3, "b", "y")],
        bad=[(2, "contains a NUL character")]),
    "NUL in a csv label": File(b"text,label\na,x\x00\nb,y\n", used=[(3, "b", "y")],
        bad=[(2, "contains a NUL character")]),
    "NUL in a quoted csv text": File(b'text,label\n"a\x00",x\nb,y\n', used=[(3, "b", "y")],
        bad=[(2, "contains a NUL character")]),
    "NUL in a tsv text": File(b"text\tlabel\na\x00\tx\nb\ty\n", "rows.tsv", used=[(3, "b", "y")],
        bad=[(2, "contains a NUL character")]),
    "NUL in a txt file": File(b"a\x00\tx\nb\ty\n", "rows.txt", used=[(2, "b", "y")],
        bad=[(1, "text contains a NUL character")]),
    "NUL in another column": File(b"text,label,id\na,x,\x00\nb,y,1\n", used=[(3, "b", "y")],
        bad=[(2, "contains a NUL character")]),
    "NUL in the header": File(b"text,label\x00\na,x\n", refused="FILE, line 1: contains a NUL character"),
    "nothing but NUL": File(bytes(1000), refused="FILE, line 1: contains a NUL character"),
    "10 MB of NUL packed into 10 kB": File(gzip.compress(bytes(TEN_MB)), "rows.csv.gz",
        refused="FILE, line 1: contains a NUL character"),
    "a disk's NULs at the end": File(b"text,label\na,x\nb,y\n" + bytes(100), used=TWO,
        bad=[(4, "contains a NUL character")]),
    "NUL on the second line of a quoted text": File(b'text,label\na,x\n"b\nc\0",y\nb,y\n',
        used=[(2, "a", "x"), (5, "b", "y")], bad=[(3, "contains a NUL character")]),
    "an escaped NUL in json": File(b'{"text": "a\\u0000", "label": 1}\n{"text": "b", "label": 0}\n', "rows.jsonl",
        used=[(2, "b", "0")], bad=[(1, "text contains a NUL character")]),
    "a raw NUL in json": File(b'{"text": "a\x00", "label": 1}\n{"text": "b", "label": 0}\n', "rows.jsonl",
        used=[(2, "b", "0")], bad=[(1, "not valid json (Invalid control character at)")]),
}

LINES = {
    "Windows line ends": File(table("a,x", "b,y", end="\r\n").encode(), used=TWO),
    "line ends of old Macs": File(table("a,x", "b,y", end="\r").encode(), used=TWO),
    "line ends of old Macs in a txt file": File(b"a\tx\r\rb\ty\r", "rows.txt", used=[(1, "a", "x"), (3, "b", "y")]),
    "line ends of old Macs in json lines": File(b'{"text": "a", "label": 1}\r{"text": "b", "label": 0}\r', "rows.jsonl",
        used=[(1, "a", "1"), (2, "b", "0")]),
    "line ends of three kinds": File(b"text,label\r\na,x\nb,y\rc,x\r\n,y\n", used=[*TWO, (4, "c", "x")],
        bad=[(5, "text is empty")]),
    "no line end at the end": File(b"text,label\na,x\nb,y", used=TWO),
    "blank lines are no rows": File(b"\n\ntext,label\n\na,x\n   \n\nb,y\n\n", used=[(5, "a", "x"), (8, "b", "y")]),
    "blank lines in json": File(b'\n\n{"text": "a", "label": 1}\n\n{"text": "b", "label": 0}\n\n', "rows.jsonl",
        used=[(3, "a", "1"), (5, "b", "0")]),
    "blank lines before a json array": File(b'\n \n[\n\n{"text": "a", "label": 1},\n{"text": "b",\n"label": 0}]\n',
        "rows.json", used=[(5, "a", "1"), (6, "b", "0")]),
    "blank lines before json lines called .json": File(b'\n \n{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n',
        "rows.json", used=[(3, "a", "1"), (4, "b", "0")]),
    "a million blank lines before json": File(
        b"\n" * 1_000_000 + b'{"text": "a", "label": 1}\n{"text": "", "label": 0}', "rows.json",
        used=[(1_000_001, "a", "1")], bad=[(1_000_002, "text is empty")]),
    "signs that some editors take for line ends": File(
        table("a\u2028b\u2029c,x", "d\x85e\x0bf\x0cg\x1ch,y", ",x").encode(),
        used=[(2, "a\u2028b\u2029c", "x"), (3, "d\x85e\x0bf\x0cg\x1ch", "y")], bad=[(4, "text is empty")]),
    "signs that some editors take for line ends in json": File(
        '{"text": "a\u2028b\x85c", "label": 1}\n{"text": "d\u2029e", "label": 0}\n{"text": ""}\n'.encode(),
        "rows.jsonl", used=[(1, "a\u2028b\x85c", "1"), (2, "d\u2029e", "0")], bad=[(3, "text is empty")]),
    "signs that some editors take for line ends in a txt file": File("a\x85b\x0bc\tx\nd\u2028e\x0cf\ty\ng\n".encode(),
        "rows.txt", used=[(1, "a\x85b\x0bc", "x"), (2, "d\u2028e\x0cf", "y")],
        bad=[(3, "no tab between text and label, although the first line has one")]),
    "line breaks within quotes are kept as they stand": File(b'text,label\r\n"a\r\nb\nc",x\r\n,x\r\nb,y\r\n',
        used=[(2, "a\r\nb\nc", "x"), (6, "b", "y")], bad=[(5, "text is empty")]),
}

QUOTES = {
    "a quote that never closes": File(b'text,label\na,x\n"b,y\nc,x\nd,y\n',
        used=[(2, "a", "x"), (4, "c", "x"), (5, "d", "y")], bad=[(3, UNCLOSED)]),
    "a quote that never closes on the last line": File(b'text,label\na,x\nb,y\n"c,x', used=TWO, bad=[(4, UNCLOSED)]),
    "a quote that never closes in the header": File(b'"text,label\na,x\n', refused=f"FILE, line 1: {UNCLOSED}"),
    "50,000 lines that each open a quote": File(b"text,label\na,x\n" + b'x","y\n' * 50_000 + b"b,y\n",
        used=[(2, "a", "x"), (50_003, "b", "y")], bad=[(line, UNCLOSED) for line in range(3, 50_003)]),
    "50,000 lines of tsv that each open a quote": File(b"text\tlabel\n" + b'x"\t"y\n' * 50_000 + b'z"\ty\n\tx\n',
        "rows.tsv", bad=[(50_003, "text is empty")],
        used=[*[(line, 'x"', '"y') for line in range(2, 50_002)], (50_002, 'z"', "y")]),
    "text after a closing quote": File(b'text,label\n"a" b,x\nb,y\n', used=[(3, "b", "y")], bad=[(2, AFTER_QUOTE)]),
    "a stray quote before a field of two lines": File(b'text,label\n"a,x\n"b\nc",y\nd,x\n',
        used=[(3, "b\nc", "y"), (5, "d", "x")], bad=[(2, AFTER_QUOTE)]),
    "inches": File(b'text,label\na 5" disk,x\nb,y\n', used=[(2, 'a 5" disk', "x"), (3, "b", "y")]),
    "nothing but quotes": File(b'text,label\n"""""",x\nb,y\n"",y\n', used=[(2, '""', "x"), (3, "b", "y")],
        bad=[(4, "text is empty")]),
    "quotes of a tsv file that was written without quoting": File(b'text\tlabel\n"a" is\tx\n"b\ty\n', "rows.tsv",
        used=[(2, '"a" is', "x"), (3, '"b', "y")]),
    "quotes of a txt file are text": File(b'"a"\tx\n"b\ty\n', "rows.txt", used=[(1, '"a"', "x"), (2, '"b', "y")]),
    "single quotes are text": File(b"text,label\n'a,'x\n'b',y\n", used=[(2, "'a", "'x"), (3, "'b'", "y")]),
}

COLUMNS = {
    "ragged rows": File(b"text,label\na\na,x\na,x,\nb,y\n,,\n", used=[(3, "a", "x"), (5, "b", "y")],
        bad=[(2, "1 field where the header has 2"), (4, "3 fields where the header has 2"),
        (6, "3 fields where the header has 2")]),
    "a comma that should have been quoted": File(b"text,label\ngood, cheap,x\nb,y\n", used=[(3, "b", "y")],
        bad=[(2, "3 fields where the header has 2")]),
    "two columns of one name": File(b"text,label,text\na,x,b\n", refused="FILE, line 1: two columns are called 'text'"),
    "two columns of one name but for blanks": File(b"text,label, label \na,x,y\n",
        refused="FILE, line 1: two columns are called 'label'"),
    "two columns without a name are not used": File(b"text,label,,\na,x,,\nb,y,,\n,y,,\n", used=TWO,
        bad=[(4, "text is empty")]),
    "unused columns of one name": File(b"id,text,label,id\n1,a,x,1\n2,b,y,2\n3,,y,3\n", used=TWO,
        bad=[(4, "text is empty")]),
    "one column without a name, as pandas writes its index": File(b",text,label\n0,a,x\n1,b,y\n", used=TWO),
    "a hundred thousand columns of one name": File(b"," * 100_000 + b"\n",
        refused="FILE, line 1: two columns are called ''"),
    "a text column of another name that is clear": File(b"review,label\na,x\nb,y\n,y\n", used=TWO,
        bad=[(4, "review is empty")]),
    "two columns that may be the text": File(b"review,comment,label\na,b,x\n",
        refused=("FILE: no column 'text', and 2 that may be the text: --text_column review or --text_column comment "
        "says which")),
    "no text column": File(b"foo,label\na,x\n",
        refused="FILE: no column 'text', only 'foo', 'label'; --text_column can name another"),
    "no label column": File(b"text,stars\na,x\n",
        refused="FILE: no column 'label', only 'text', 'stars'; --label_column can name another"),
    "no header": File(b"a,x\nb,y\n", refused="FILE: no column 'text', only 'a', 'x'; --text_column can name another"),
    "semicolons": File(b"text;label\na;x\nb;y\n;x\n", used=TWO, bad=[(4, "text is empty")]),
    "semicolons where commas are named": File(b"text;label\na;x\n", options=["--separator", "comma"],
        refused="FILE: no column 'text', only 'text;label'; --text_column can name another"),
    "a column in another case": File(b"Text,label\na,x\nb,y\n,y\n", used=TWO, bad=[(4, "Text is empty")]),
    "a missing column among a thousand": File(",".join(f"c{i}" for i in range(1000)).encode() + b"\n",
        refused=(f"FILE: no column 'text', only {', '.join(repr(f'c{i}') for i in range(20))}, "
        "...; --text_column can name another")),
    "columns that are named otherwise": File(b"review,stars\na,1\nb,2\n",
        options=["--text_column", "review", "--label_column", "stars"], used=[(2, "a", "1"), (3, "b", "2")]),
    "a pair column that is named and missing": File(b"text,label\na,x\n", options=["--pair_column", "other"],
        refused="FILE: no column 'other', only 'text', 'label'; --pair_column can name another"),
    "pairs of texts": File(b"text,text_pair,label\na,c,x\nb,d,y\n,d,y\nb,,y\n",
        used=[(2, "a", "c", "x"), (3, "b", "d", "y")], bad=[(4, "text is empty"), (5, "text_pair is empty")]),
    "one column as text and label": File(b"text,label\na,x\n", options=["--label_column", "text"],
        refused="FILE: --text_column and --label_column both name 'text'"),
    "one column as both texts of a pair": File(b"text,label\na,x\n", options=["--pair_column", "text"],
        refused="FILE: --text_column and --pair_column both name 'text'"),
    "blanks around the header's names and around labels": File(b" text , label\na, x \nb,x\nc,y\t\n",
        used=[(2, "a", "x"), (3, "b", "x"), (4, "c", "y")]),
    "a txt file without labels": File(b"a\nb\n", "rows.txt",
        refused="FILE: no column 'label', only 'text'; a txt file is text<TAB>label"),
    "a json file without the column": File(b'[{"foo": "a", "label": 1}]', "rows.json",
        refused="FILE: no column 'text', only 'foo', 'label'; --text_column can name another"),
    "a json file with a column of another name that is clear": File(
        b'[{"review": "a", "label": 1},\n{"review": "", "label": 1}]', "rows.json", used=[(1, "a", "1")],
        bad=[(2, "review is empty")]),
    "a json file of one object with the rows within": File(
        b'{"version": 2, "data": [{"text": "a", "label": "x"},\n{"text": "b", "label": "y"}]}', "rows.json",
        used=[(1, "a", "x"), (2, "b", "y")],
        refused="FILE: every label has only one row, so none can be held out; give a --valid_file"),
    "a json file of one object with two lists of rows": File(
        b'{"train": [{"text": "a", "label": 1}], "test": [{"text": "b", "label": 0}]}', "rows.json",
        refused="FILE: holds several lists of objects ('train', 'test'); put the one that is meant into its own file"),
    "a json array of lists": File(b'[["a", 1],\n["b", 0]]', "rows.json",
        refused="FILE: its rows are lists without names of columns; pandas names them with orient='records'"),
    "json rows that lack a key": File(
        b'{"text": "a", "label": 1}\n{"label": 0}\n{"text": "b"}\n{}\n{"text": "c", "label": 0}\n', "rows.jsonl",
        used=[(1, "a", "1"), (5, "c", "0")], bad=[(2, "text is empty"), (3, "label is empty"), (4, "text is empty")]),
}

EMPTY = {
    "an empty csv file": File(b"", refused="FILE, line 1: the file is empty"),
    "an empty tsv file": File(b"", "rows.tsv", refused="FILE, line 1: the file is empty"),
    "an empty json file": File(b"", "rows.json", refused="FILE: there are no rows"),
    "an empty jsonl file": File(b"", "rows.jsonl", refused="FILE: there are no rows"),
    "an empty txt file": File(b"", "rows.txt",
        refused="FILE: no column 'label', only 'text'; a txt file is text<TAB>label"),
    "an empty parquet file": File(b"", "rows.parquet", refused="FILE: not a parquet file (..."),
    "an empty gz file": File(b"", "rows.csv.gz", refused="FILE, line 1: the file is empty"),
    "nothing, packed": File(gzip.compress(b""), "rows.csv.gz", refused="FILE, line 1: the file is empty"),
    "nothing but a BOM": File(b"\xef\xbb\xbf", refused="FILE, line 1: the file is empty"),
    "nothing but blank lines": File(b"\n  \r\n\t\n", refused="FILE, line 1: the file is empty"),
    "an empty json array": File(b" [ ] ", "rows.json", refused="FILE: there are no rows"),
    "only a header": File(b"text,label\n", refused="FILE: there are no rows, only a header"),
    "only a header, in tsv": File(b"text\tlabel", "rows.tsv", refused="FILE: there are no rows, only a header"),
    "a parquet file without rows": File(
        parquet(text=lambda pa: pa.array([], pa.string()),
        label=lambda pa: pa.array([], pa.string())), "rows.parquet",
        refused="FILE: there are no rows"),
    "a validation file with only a header": File(table("a,x", "b,y").encode(), options=["--valid_file", "valid.csv"],
        used=TWO, beside={"valid.csv": b"text,label\n"}, refused="valid.csv: there are no rows, only a header"),
    "an empty validation file": File(table("a,x", "b,y").encode(), options=["--valid_file", "valid.csv"], used=TWO,
        beside={"valid.csv": b""}, refused="valid.csv, line 1: the file is empty"),
    "a test file with only a header": File(table("a,x", "b,y").encode(), options=["--test_file", "test.csv"], used=TWO,
        beside={"test.csv": b"text,label\n"}, refused="test.csv: there are no rows, only a header"),
    "texts that are empty or blank": File(
        table('"",x', "  ,x", "\t,x", "\u3000\xa0,x", '"\n",x', "a,x", "b,y").encode(),
        used=[(8, "a", "x"), (9, "b", "y")], bad=[(2, "text is empty"), (3, "text is empty"), (4, "text is empty"),
        (5, "text is empty"), (6, "text is empty")]),
}

LABELS = {
    "one label in all rows": File(table("a,x", "b,x").encode(), used=[(2, "a", "x"), (3, "b", "x")],
        refused="FILE: every row has the label 'x'; a classifier needs at least two labels"),
    "one row of each label and none to validate": File(table("a,x", "b,y").encode(), used=TWO,
        refused="FILE: every label has only one row, so none can be held out; give a --valid_file"),
    "labels that only the validation file has": File(table("a,x", "b,y").encode(),
        options=["--valid_file", "valid.csv"], used=TWO,
        beside={"valid.csv": b"text,label\nc,x\nd,z\ne,z\nf,\xe5\xa5\xbd\n"},
        refused="valid.csv: 3 rows with labels that the training data does not have: 'z' (line 3), '好' (line 5); "
        "--on_bad_rows skip leaves them out"),
    "labels that only the test file has": File(table("a,x", "b,y").encode(),
        options=["--valid_file", "rows.csv", "--test_file", "test.jsonl"], used=TWO,
        beside={"test.jsonl": b'{"text": "a", "label": 7}\n'},
        refused="test.jsonl: 1 row with labels that the training data does not have: '7' (line 1)"),
    "labels that differ in case are two": File(table("a,x", "b,X", "c,").encode(), used=[(2, "a", "x"), (3, "b", "X")],
        bad=[(4, "label is empty")]),
    "labels that differ in their Unicode form are one": File(table("a,caf\u00e9", "b,cafe\u0301", "c,").encode(),
        used=[(2, "a", "caf\u00e9"), (3, "b", "caf\u00e9")], bad=[(4, "label is empty")]),
    "more labels than half of the rows": File(table(*[f"t{i},l{i}" for i in range(60)]).encode(),
        used=[(i + 2, f"t{i}", f"l{i}") for i in range(60)],
        refused="FILE: 60 different labels in 60 rows; is this the label column?"),
    "a label of 10 MB is not repeated in full": File(table(f"a,{'x' * TEN_MB}").encode(), used=[(2, "a", "x" * TEN_MB)],
        refused=f"FILE: every row has the label '{'x' * 37}...{'x' * 38}'; a classifier needs at least two labels"),
    "labels of every kind in json": File(
        b"\n".join(b'{"text": "a", "label": %s}' % label for label in
        (b"1", b'"1"', b"1.0", b'" 1 "', b"-3", b"true", b"false", b'"NA"', b'"None"', b"1e2", b"0.5",
        b"null", b"NaN", b"-Infinity", b"[1]", b'{"a": 1}', b'""', b'"\\n"', b"[]", b"1e400")),
        "rows.jsonl", used=[(1, "a", "1"), (2, "a", "1"), (3, "a", "1"), (4, "a", "1"), (5, "a", "-3"),
        (6, "a", "true"), (7, "a", "false"), (8, "a", "NA"), (9, "a", "None"), (10, "a", "100"), (11, "a", "0.5")],
        bad=[(12, "label is empty"), (13, "label is empty"),
        (14, "label is -inf; labels are strings or numbers"), (15, "label is [1]; labels are strings or numbers"),
        (16, "label is {'a': 1}; labels are strings or numbers"), (17, "label is empty"), (18, "label is empty"),
        (19, "label is []; labels are strings or numbers"), (20, "label is inf; labels are strings or numbers")]),
    "a whole number of five thousand digits": File(
        b'{"text": "a", "label": %s}\n{"text": "b", "label": 2}\n' % (b"7" * 5000), "rows.jsonl", used=[(2, "b", "2")],
        bad=[(1, "not valid json (a number with thousands of digits)")]),
    "texts that are no strings in json": File(
        b"\n".join(b'{"text": %s, "label": 1}' % text
        for text in (b"12", b"1.5", b"null", b"true", b"[]", b'{"a": "b"}', b"NaN")),
        "rows.jsonl", used=[(1, "12", "1"), (2, "1.5", "1")], bad=[(3, "text is empty"),
        (4, "text is a bool, not a string"), (5, "text is a list, not a string"), (6, "text is a dict, not a string"),
        (7, "text is empty")]),
    "labels in csv are text": File(table("a,1.0", "b,True", "c,NA", "d,nan", "e,0.5", "f,").encode(),
        used=[(2, "a", "1.0"), (3, "b", "True"), (4, "c", "NA"), (5, "d", "nan"), (6, "e", "0.5")],
        bad=[(7, "label is empty")]),
}

JSON = {
    "nested json in another column": File(
        b'{"text": "a", "label": 1, "meta": {"x": [1, {"y": null}]}}\n{"text": "b", "label": 0}\n{}', "rows.jsonl",
        used=[(1, "a", "1"), (2, "b", "0")], bad=[(3, "text is empty")]),
    "json that is nested a hundred thousand deep": File(
        b'{"text": "a", "label": 1}\n{"text": "b", "label": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "rows.jsonl",
        used=[(1, "a", "1")], bad=[(2, "not valid json (nested too deeply)")]),
    "json that is nested five hundred deep, in an array": File(
        b'[{"text": "a", "label": 1},\n{"text": "b", "x": ' + b'{"x":' * 500 + b"1" + b"}" * 500 + b"}]", "rows.json",
        used=[(1, "a", "1")], bad=[(2, "not valid json (nested too deeply)")]),
    "of two equal keys the last counts, as in every reader of json": File(
        b'{"text": "a", "text": "b", "label": 1, "label": 0}\n{"text": ""}', "rows.jsonl", used=[(1, "b", "0")],
        bad=[(2, "text is empty")]),
    "a truncated last line": File(b'{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n{"text": "c", "la',
        "rows.jsonl", used=[(1, "a", "1"), (2, "b", "0")],
        bad=[(3, "not valid json (Unterminated string starting at)")]),
    "a truncated array": File(b'[{"text": "a", "label": 1},\n{"text": "b', "rows.json",
        refused="FILE, line 2: not valid json (Unterminated string starting at)"),
    "an array without its closing bracket": File(b'[{"text": "a", "label": 1},\n{"text": "b", "label": 0}\n',
        "rows.json", refused="FILE, line 3: not valid json (a comma or the closing bracket is missing)"),
    "an array with a comma at its end": File(b'[{"text": "a", "label": 1},\n]', "rows.json",
        refused="FILE, line 2: not valid json (Expecting value)"),
    "an array without a comma between": File(b'[{"text": "a", "label": 1}\n{"text": "b", "label": 0}]', "rows.json",
        refused="FILE, line 2: not valid json (a comma or the closing bracket is missing)"),
    "text after an array": File(b'[{"text": "a", "label": 1}]\n[]', "rows.json",
        refused="FILE, line 2: not valid json (text follows the array)"),
    "an array of other things than objects": File(b'[{"text": "a", "label": 1},\n["b", 0],\n"c",\nnull,\n7]',
        "rows.json", used=[(1, "a", "1")], bad=[(2, f"a json list {NO_OBJECT}"), (3, f"a json str {NO_OBJECT}"),
        (4, f"a json NoneType {NO_OBJECT}"), (5, f"a json int {NO_OBJECT}")]),
    "an object over several lines outside an array": File(b'{\n"text": "a", "label": 1\n}', "rows.json",
        bad=[(1, "not valid json (Expecting property name enclosed in double quotes)"),
        (2, "not valid json (Extra data)"), (3, "not valid json (Expecting value)")]),
    "two objects on a line": File(b'{"text": "a", "label": 1}{"text": "b", "label": 0}\n{"text": "c", "label": 0}\n',
        "rows.jsonl", used=[(2, "c", "0")], bad=[(1, "not valid json (Extra data)")]),
    "single quotes, as Python prints a dict": File(b"{'text': 'a', 'label': 1}\n", "rows.jsonl",
        bad=[(1, "not valid json (Expecting property name enclosed in double quotes)")]),
    "half a character in a json text": File(
        b'{"text": "a\\ud83d", "label": 1}\n{"text": "\\ude00\\ud83d", "label": 0}\n{"text": "c", "label": 0}',
        "rows.jsonl", used=[(3, "c", "0")],
        bad=[(1, "text contains an incomplete character"), (2, "text contains an incomplete character")]),
    "half a character in another column is data": File(
        b'{"text": "a", "label": 1, "x": "\\ud83d"}\n{"text": "", "label": 0}', "rows.jsonl", used=[(1, "a", "1")],
        bad=[(2, "text is empty")]),
    "an escaped emoji in json": File(b'{"text": "\\ud83d\\ude00", "label": 1}\n{"text": ""}', "rows.jsonl",
        used=[(1, "😀", "1")], bad=[(2, "text is empty")]),
    "a csv file called .json": File(b"text,label\na,x\n", "rows.json",
        bad=[(1, "not valid json (Expecting value)"), (2, "not valid json (Expecting value)")]),
}

LONG = {
    "a text of 10 MB in csv": File(b"text,label\n" + b"a" * TEN_MB + b",x\n,y\nb,y\n",
        used=[(2, "a" * TEN_MB, "x"), (4, "b", "y")], bad=[(3, "text is empty")]),
    "a quoted text of 10 MB with a million lines": File(
        b'text,label\n"' + b"abcdefghi\n" * (TEN_MB // 10) + b'",x\n,y\nb,y\n',
        used=[(2, "abcdefghi\n" * (TEN_MB // 10), "x"), (1_000_004, "b", "y")], bad=[(1_000_003, "text is empty")]),
    "a text of 10 MB in json lines": File(b'{"text": "' + b"a" * TEN_MB + b'", "label": 1}\n{"text": "", "label": 0}\n',
        "rows.jsonl", used=[(1, "a" * TEN_MB, "1")], bad=[(2, "text is empty")]),
    "a text of 10 MB in a json array": File(
        b'[{"text": "' + b"a" * TEN_MB + b'", "label": 1},\n{"text": "", "label": 0}]\n', "rows.json",
        used=[(1, "a" * TEN_MB, "1")], bad=[(2, "text is empty")]),
    "a text of 10 MB in a txt file": File(b"a" * TEN_MB + b"\tx\n\ty\nb\ty\n", "rows.txt",
        used=[(1, "a" * TEN_MB, "x"), (3, "b", "y")], bad=[(2, "text is empty")]),
    "a GBK text of 10 MB": File(("text,label\n" + "房间" * (TEN_MB // 4) + ",x\n,y\n").encode("gbk"),
        used=[(2, "房间" * (TEN_MB // 4), "x")], bad=[(3, "text is empty")]),
    "a column name of 10 MB is not repeated in full": File(b"a" * TEN_MB + b",label\n",
        refused=f"FILE: no column 'text', only '{'a' * 37}...{'a' * 38}', 'label'; --text_column can name another"),
}

FILES = {
    "a name without an ending": File(table("a,x", "b,y", ",x").encode(), "rows", used=TWO, bad=[(4, "text is empty")]),
    "a picture without an ending": File(PNG, "rows", refused=NO_TEXT),
    "a csv file called .xlsx": File(table("a,x").encode(), "rows.xlsx",
        refused="FILE: not an Excel workbook (File is not a zip file)"),
    "a file that is gz in name only": File(table("a,x").encode(), "rows.gz",
        refused="FILE: cannot be read (Not a gzipped file (b'te'))"),
    "packed nothing called parquet": File(b"", "rows.parquet.gz", refused="FILE: not a parquet file (..."),
    "an ending in capitals": File(table("a,x", "b,y", ",x").encode(), "ROWS.CSV", used=TWO, bad=[(4, "text is empty")]),
    "a name in Chinese with blanks": File(table("a,x", "b,y", ",x").encode(), "数据 😀.csv", used=TWO,
        bad=[(4, "text is empty")]),
    "gz that is cut": File(gzip.compress(table(*["a,x"] * 999).encode())[:-9], "rows.csv.gz",
        refused="FILE: cannot be read (Compressed file ended before the end-of-stream marker was reached)"),
    "gz that is no gz": File(table("a,x").encode(), "rows.csv.gz",
        refused="FILE: cannot be read (Not a gzipped file (b'te'))"),
    "gz whose checksum is wrong": File(gzip.compress(TINY)[:-8] + bytes(8), "rows.csv.gz",
        refused=f"FILE: cannot be read (CRC check failed 0x0 != {zlib.crc32(TINY):#x})"),
    "two gz files joined, as `cat` does": File(gzip.compress(b"text,label\na,x\n") + gzip.compress(b"b,y\n,x\n"),
        "rows.csv.gz", used=TWO, bad=[(4, "text is empty")]),
    "a csv file called .parquet": File(table("a,x").encode(), "rows.parquet", refused="FILE: not a parquet file (..."),
    "a workbook called .csv": File(b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0" + bytes(range(256)),
        refused="FILE, line 1: contains a NUL character"),
    "parquet": File(GOOD_PARQUET, "rows.parquet", used=[(1, "a", "x"), (2, "b", "y")]),
    "parquet without its end": File(damaged(GOOD_PARQUET, -10, None), "rows.parquet",
        refused="FILE: not a parquet file (..."),
    "parquet of odd texts and labels": File(
        parquet(text=lambda pa: pa.array(["a", "b", None, "", " ", "c", "d\0"]).dictionary_encode(),
            label=lambda pa: pa.array([1.0, 0.5, 1.0, 1.0, 1.0, None, 1.0])),
        "rows.parquet", used=[(1, "a", "1"), (2, "b", "0.5")], bad=[
        (3, "text is empty"), (4, "text is empty"), (5, "text is empty"), (6, "label is empty"),
        (7, "text contains a NUL character")]),
    "parquet of lists": File(parquet(text=[["a"], ["b"]], label=["x", "y"]), "rows.parquet",
        bad=[(1, "text is a list, not a string"), (2, "text is a list, not a string")]),
    "parquet of bytes": File(parquet(text=[b"a", b"b"], label=["x", "y"]), "rows.parquet",
        bad=[(1, "text is a bytes, not a string"), (2, "text is a bytes, not a string")]),
    "parquet of dates": File(parquet(text=["a"], label=lambda pa: pa.array([19000], pa.date32())), "rows.parquet",
        bad=[(1, "label is datetime.date(2022, 1, 8); labels are strings or numbers")]),
    "parquet of dates beyond Python's": File(
        parquet(text=["a"], label=["x"], day=lambda pa: pa.array([10**8], pa.date32())), "rows.parquet",
        refused="FILE: cannot be read (..."),
    "parquet of decimals": File(parquet(text=["a"], label=lambda pa: pa.array([1]).cast(pa.decimal128(20, 1))),
        "rows.parquet", used=[(1, "a", "1")],
        refused="FILE: every row has the label '1'; a classifier needs at least two labels"),
    "parquet of truth values": File(parquet(text=["a", "b", None], label=[True, False, None]), "rows.parquet",
        used=[(1, "a", "true"), (2, "b", "false")], bad=[(3, "text is empty")]),
}
# fmt: on

# What stands where the training file should: what makes it, and what is said.
# fmt: off
PLACES = {
    "no file": (lambda path: None, "FILE: cannot be read (No such file or directory)"),
    "a directory": (Path.mkdir, "FILE: cannot be read (Is a directory)"),
    "a pipe, which would never end": (os.mkfifo, NO_PIPE),
    "a device without end": (lambda path: path.symlink_to("/dev/zero"),
        NO_PIPE),
    "a device without content": (lambda path: path.symlink_to(os.devnull),
        NO_PIPE),
    "a link to nothing": (lambda path: path.symlink_to("nowhere.csv"),
        "FILE: cannot be read (No such file or directory)"),
    "a link to itself": (lambda path: path.symlink_to(path.name),
        "FILE: cannot be read (Too many levels of symbolic links)"),
    "a directory called .parquet": (Path.mkdir, "FILE: cannot be read (..."),
    "no file called .parquet": (lambda path: None, "FILE: cannot be read (..."),
}
# fmt: on

# Options for two good files of two labels, and what is said.
# fmt: off
OPTIONS = {
    "a length without room for text": (["--max_length", "2"],
        "--max_length 2: too short to hold text beside the special tokens (2); raise it"),
    "a length without room for both texts": (["--max_length", "4", "--pair_column", "other"],
        "--max_length 4: too short to hold text beside the special tokens (3); raise it"),
    "no length": (["--max_length", "0"],
        "argument --max_length/--max_seq_length: must be at least 1 and finite, not 0"),
    "a length beyond the model's": (["--max_length", "65"], "--max_length 65: this model takes at most 64 tokens"),
    "batches of no rows": (["--batch_size", "0"], "argument --batch_size: must be at least 1 and finite, not 0"),
    "batches of less than no rows": (["--batch_size", "-1"],
        "argument --batch_size: must be at least 1 and finite, not -1"),
    "batches of half rows": (["--batch_size", "1.5"], "argument --batch_size: '1.5' is not a whole number"),
    "no epochs": (["--epochs", "0"], "argument --epochs/--num_train_epochs: must be at least 1 and finite, not 0"),
    "an endless learning rate": (["--learning_rate", "inf"],
        "argument --learning_rate: must be above 0 and finite, not inf"),
    "a learning rate that is too large for a number": (["--learning_rate", "1e999"],
        "argument --learning_rate: must be above 0 and finite, not 1e999"),
    "a learning rate that is no number": (["--learning_rate", "nan"],
        "argument --learning_rate: must be above 0 and finite, not nan"),
    "a learning rate in words": (["--learning_rate", "fast"], "argument --learning_rate: 'fast' is not a number"),
    "no learning rate": (["--learning_rate", "0"], "argument --learning_rate: must be above 0 and finite, not 0"),
    "all rows held out": (["--valid_ratio", "1"],
        "argument --valid_ratio: must be above 0 and at most 0.9 and finite, not 1"),
    "an option without its value": (["--epochs"], "argument --epochs/--num_train_epochs: expected one argument"),
    "an option that there is not": (["--epoch", "1"], "unknown option --epoch; did you mean --epochs?"),
    "a word that belongs to nothing": (["rows.csv"],
        "unexpected argument 'rows.csv'; did you mean --train_file 'rows.csv'?"),
    "an argument file that there is not": (["@args"],
        "argument file args: [Errno 2] No such file or directory: 'args'"),
    "an argument file with NUL": (["@nul.args"], "argument file nul.args: contains a NUL character"),
    "an argument file with a quote that never closes": (["@open.args"],
        "argument file open.args: No closing quotation"),
    "a name that is not utf-8": (["--test_file", "\udcff.csv"],
        "'\\udcff.csv' is not utf-8 text; rename the file"),
    "a positive label that there is not": (["--positive_label", "z"], "--positive_label z: the labels are x, y"),
}
# fmt: on

TABLE = ENCODINGS | NULS | LINES | QUOTES | COLUMNS | EMPTY | LABELS | JSON | LONG | FILES


def put(folder: Path, file: File) -> Path:
    """Write a case's files and return the path of the training file."""
    content = file.content() if callable(file.content) else file.content
    for name, text in {file.name: content, **file.beside}.items():
        (folder / name).write_bytes(text)
    return Path(file.name)


def everything(folder: Path) -> dict[str, bytes | None]:
    """Return what is in a folder, names and contents."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def run(capsys, module, *options) -> tuple[int, list[str]]:
    """Run a script within this process and return its exit status and the lines of stderr."""
    sys.argv = [module.__name__ + ".py", *map(str, options)]
    status = run_script(lambda: module.main(module.read_options()))
    return status, capsys.readouterr().err.splitlines()


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory; sys.argv is as it was at the end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    return tmp_path


def read(path: Path, options: Sequence[str]):
    """Read a training file as main.py does with these options, leaving out what cannot be used."""
    data = fine_tuning_options(list(options)).data
    columns = Columns.to_train_on(data.columns)
    return utils.read_tables({"train": path}, columns, replace(data.reading, on_bad_rows="skip"), ())["train"]


def expected_lines(file: File, path: Path) -> list[str]:
    """Return what main.py has to say about a file that it refuses."""
    if not file.bad:
        return [f"error: {file.refused.replace('FILE', str(path))}"]
    lines = [f"error: {path}, {'row' if path.suffix == '.parquet' else 'line'} {line}: {why}" for line, why in file.bad]
    total = len(file.bad) + len(file.used or ())
    summary = f"error: {path}: {len(lines):,} of {total:,} rows cannot be used (--on_bad_rows skip leaves them out)"
    return [*lines[:10], summary] if len(lines) > 1 else lines


@pytest.mark.parametrize("case", TABLE)
def test_each_row_is_read_as_it_was_meant_or_reported_with_its_line(here, case):
    file = TABLE[case]
    path = put(here, file)
    if file.used is None:
        with pytest.raises(UserError):
            read(path, file.options)
        return
    found = read(path, file.options)
    assert list(found.frame.itertuples(name=None)) == list(file.used)
    assert [(row.line, str(row.reason)) for row in found.rejected] == list(file.bad)


@pytest.mark.parametrize(
    "case", [case for case, file in TABLE.items() if (file.bad or file.refused) and case not in [*LONG][2:]]
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line_a_problem_and_leaves_nothing(
    here, capsys, english_bert, case
):
    path = put(here, TABLE[case])
    before = everything(here)
    given = ["--train_file", path, "--model", english_bert, "--output_dir", "out", "--max_unknown", "1", "--device"]
    status, lines = run(capsys, main, *given, "cpu", *TABLE[case].options)
    expected = expected_lines(TABLE[case], path)
    if expected[0].endswith("(..."):  # what another library says, which changes with its versions
        assert lines[0].endswith(")")
        lines[0] = lines[0][: lines[0].index("(")] + "(..."
    assert (status, lines) == (2, expected)
    assert everything(here) == before


@pytest.mark.parametrize("case", PLACES)
def test_what_is_no_file_is_refused_in_one_line_and_leaves_nothing(here, capsys, english_bert, case):
    make, said = PLACES[case]
    path = Path("rows.parquet" if case.endswith(".parquet") else "rows.csv")
    make(path)
    before = list(here.iterdir())
    status, lines = run(capsys, main, "--train_file", path, "--model", english_bert, "--output_dir", "out")
    if said.endswith("(..."):
        lines[0] = lines[0][: lines[0].index("(")] + "(..."
    assert (status, lines) == (2, [f"error: {said.replace('FILE', str(path))}"])
    assert list(here.iterdir()) == before


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_that_makes_no_sense_is_refused_in_one_line_and_leaves_nothing(here, capsys, english_bert, case):
    options, said = OPTIONS[case]
    Path("rows.csv").write_bytes(b"text,label,other\nthe food was good,x,a\nthe bed was bad,y,b\n")
    Path("nul.args").write_bytes(b"--epochs \0")
    Path("open.args").write_bytes(b"--epochs '1")
    before = everything(here)
    given = ["--train_file", "rows.csv", "--valid_file", "rows.csv", "--model", english_bert, "--output_dir", "out"]
    status, lines = run(capsys, main, *given, "--device", "cpu", *options)
    assert (status, lines) == (2, [f"error: {said}"])
    assert everything(here) == before


@pytest.mark.parametrize(
    "case",
    ["labels of every kind in json", "10 MB of NUL packed into 10 kB"],
)
def test_a_process_of_its_own_refuses_it_in_the_same_words(here, english_bert, case):
    path = put(here, TABLE[case])
    before = everything(here)
    options = ["--train_file", path, "--model", english_bert, "--output_dir", "out", *TABLE[case].options]
    done = script("main.py", *options, status=2, cwd=here)
    assert done.stderr.splitlines() == expected_lines(TABLE[case], path)
    assert everything(here) == before


@pytest.mark.parametrize("case", ["batches of no rows", "an endless learning rate", "an argument file with NUL"])
def test_a_process_of_its_own_refuses_an_option_in_the_same_words(here, case):
    Path("nul.args").write_bytes(b"--epochs \0")
    done = script("main.py", *OPTIONS[case][0], status=2, cwd=here)
    assert done.stderr == f"error: {OPTIONS[case][1]}\n"
    assert list(everything(here)) == ["nul.args"]


FOOD, BED = "the food was good", "the bed was bad"

# Files that can be trained on, and their labels in order.
# fmt: off
TRAINED = {
    "a label with one row": (File(table(*[f"{FOOD},x"] * 8, f"{BED},y", *[f"{BED},z"] * 4).encode(),
        options=["--valid_ratio", "0.2"], used=[*[(line, FOOD, "x") for line in range(2, 10)], (10, BED, "y"),
        *[(line, BED, "z") for line in range(11, 15)]]), ["x", "y", "z"]),
    "texts that are signs of the tokenizer, emoji, from right to left, or invisible": (
        File("[SEP]\t1\n[CLS] [PAD] [UNK] [MASK]\t0\n😀👨\u200d👩\u200d👧\t1\nمكان رائع جدا\t0\n"
        "\u202eabc\u202c\t1\n\u200b\t0\n\x01\t1\ne\u0301\u0301\t0\n\ufffd\t1\n".encode(),
        "rows.txt", used=[(1, "[SEP]", "1"), (2, "[CLS] [PAD] [UNK] [MASK]", "0"), (3, "😀👨\u200d👩\u200d👧", "1"),
        (4, "مكان رائع جدا", "0"), (5, "\u202eabc\u202c", "1"), (6, "\u200b", "0"), (7, "\x01", "1"),
        (8, "e\u0301\u0301", "0"), (9, "\ufffd", "1")]), ["0", "1"]),
    "three tokens a row": (File(table(f"{FOOD},x", f"{BED},y").encode(), options=["--max_length", "3"],
        used=[(2, FOOD, "x"), (3, BED, "y")]), ["x", "y"]),
    "labels with signs that csv, json and a terminal mind": (
        File(table(f'{FOOD},"a,b"', f'{FOOD},"say ""no"""', f'{FOOD},"two\nlines"',
        f"{BED},=1+1", f"{BED},NA", f"{BED},好\x1b[31m", f"{BED},X", f"{BED},x", f"{BED},10", f"{BED},9").encode(),
        used=[(2, FOOD, "a,b"), (3, FOOD, 'say "no"'), (4, FOOD, "two\nlines"), (6, BED, "=1+1"), (7, BED, "NA"),
        (8, BED, "好\x1b[31m"), (9, BED, "X"), (10, BED, "x"), (11, BED, "10"), (12, BED, "9")]),
        ["10", "9", "=1+1", "NA", "X", "a,b", 'say "no"', "two\nlines", "x", "好\x1b[31m"]),
    "two hundred labels": (File(table(*[f"{FOOD},{i % 200}" for i in range(400)]).encode(),
        used=[(i + 2, FOOD, str(i % 200)) for i in range(400)]), [str(i) for i in range(200)]),
    "pairs of texts in UTF-16 json": (
        File(json.dumps([{"text": FOOD, "text_pair": "[SEP]", "label": True},
        {"text": BED, "text_pair": "😀", "label": False, "more": {"a": [None]}}], ensure_ascii=False).encode("utf-16"),
        "rows.json", used=[(1, FOOD, "[SEP]", "true"), (1, BED, "😀", "false")]), ["false", "true"]),
    "packed GBK": (File(gzip.compress(CHINESE.encode("gbk")), "rows.csv.gz", used=CHINESE_ROWS), ["好评", "差评"]),
    "semicolons without a header, the label first": (
        File("".join(f"x;{FOOD} {i}\ny;{BED}, {i}\n" for i in range(4)).encode(),
        used=[(i + 1, f"{(FOOD, f'{BED},')[i % 2]} {i // 2}", "xy"[i % 2]) for i in range(8)]), ["x", "y"]),
    "parquet": (File(GOOD_PARQUET, "rows.parquet", used=[(1, "a", "x"), (2, "b", "y")]), ["x", "y"]),
}
# fmt: on


@pytest.mark.parametrize("case", TRAINED)
def test_what_can_be_used_goes_through_all_three_scripts(here, capsys, english_bert, case):
    file, labels = TRAINED[case]
    path = put(here, file)
    given = [
        "--train_file",
        path,
        "--model",
        english_bert,
        "--output_dir",
        "output",
        "--max_unknown",
        "1",
        "--epochs",
        "1",
    ]
    valid = () if "--valid_ratio" in file.options else ("--valid_file", path)
    assert run(capsys, main, *given, *valid, "--device", "cpu", *file.options)[0] == 0
    facts = json.loads(Path("output/bert_classifier/run.json").read_text(encoding="utf-8"))
    assert facts["labels"] == labels
    assert facts["data"]["train"]["rows"] + (0 if valid else facts["data"]["valid"]["rows"]) == len(file.used)
    assert run(capsys, test_code, "--test_file", path, "--device", "cpu")[0] == 0
    scores = json.loads(Path("output/test/metrics.json").read_text(encoding="utf-8"))
    support = {label: sum(row[-1] == label for row in file.used) for label in labels}
    assert {label: found["support"] for label, found in scores["per_class"].items()} == support
    all_labels = ["--output_file", "found.jsonl", "--top_k", "0", "--device", "cpu"]
    assert run(capsys, infer, "--input_file", path, *all_labels)[0] == 0
    found = [json.loads(line) for line in Path("found.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["text"] for row in found] == [row[1] for row in file.used]
    for row in found:
        shares = [row[f"prob_{label}"] for label in labels]
        assert sum(shares) == pytest.approx(1)
        assert row["prediction"] == labels[shares.index(max(shares))]


def test_each_file_may_call_its_columns_otherwise_and_keeps_all_of_them_as_they_stand(here, capsys, english_bert):
    Path("train.csv").write_text(f"id;\u200breview;sentiment;id;;\n1;{FOOD};x;1;;\n2;{BED};y;2;;\n", encoding="utf-8")
    Path("test.csv").write_text(f"n|\u2018text\u2019|label|n\n1|{FOOD}|x|a\n2|{BED}|y|b\n", encoding="utf-8")
    Path("new.csv").write_text(f"n,comment ,n,,\n1,{FOOD},a,,\n2,{BED},b,,\n", encoding="utf-8")
    Path("texts.csv").write_text(f'"{FOOD}, as always"\n"{BED}, as always"\n"{FOOD}, they say"\n', encoding="utf-8")
    given = [
        "--train_file",
        "train.csv",
        "--valid_file",
        "test.csv",
        "--test_file",
        "test.csv",
        "--model",
        english_bert,
    ]
    assert (
        run(capsys, main, *given, "--output_dir", "output", "--max_unknown", "1", "--epochs", "1", "--device", "cpu")[0]
        == 0
    )
    facts = json.loads(Path("output/bert_classifier/run.json").read_text(encoding="utf-8"))
    assert facts["columns"] == {"text": "review", "text_pair": None, "label": "sentiment"}
    own = "n,\u2018text\u2019,label,n,"
    assert Path("output/test/predictions.csv").read_text(encoding="utf-8").startswith(own)
    assert (
        run(
            capsys,
            test_code,
            "--test_file",
            "test.csv",
            "--compare",
            "output",
            "--output_dir",
            "again",
            "--device",
            "cpu",
        )[0]
        == 0
    )
    assert Path("again/test/predictions.csv").read_text(encoding="utf-8").startswith(own)
    for name, header in (
        ("new.csv", "n,comment ,n,,,prediction,prob_x,prob_y"),
        ("texts.csv", "text,prediction,prob_x,prob_y"),
    ):
        status, lines = run(capsys, infer, "--input_file", name, "--output_file", f"found_{name}", "--device", "cpu")
        assert status == 0, lines
        written = Path(f"found_{name}").read_text(encoding="utf-8").splitlines()
        assert written[0] == header
        assert len(written) == len(Path(name).read_text(encoding="utf-8").splitlines()) + (name == "texts.csv")


def test_a_text_of_10_mb_is_trained_on_as_its_beginning(here, capsys, english_bert):
    Path("short.csv").write_text(table(f"{FOOD},x", f"{BED},y"))
    Path("long.csv").write_text(table(f"{FOOD} {'good' * (TEN_MB // 4)},x", f"{BED},y"))
    given = ["--train_file", "long.csv", "--valid_file", "short.csv", "--model", english_bert, "--output_dir", "output"]
    assert run(capsys, main, *given, "--max_unknown", "1", "--epochs", "1", "--device", "cpu")[0] == 0
    assert json.loads(Path("output/bert_classifier/run.json").read_text())["data"]["train"]["rows"] == 2


def test_rows_that_are_left_out_are_listed_as_they_stand(here, capsys, english_bert):
    Path("rows.csv").write_bytes(b'text,label\na,x\nb,y\n,x\n"c,y\nd,x,\ne\0,y\n' + "好,\n".encode())
    given = ["--train_file", "rows.csv", "--valid_file", "rows.csv", "--model", english_bert, "--on_bad_rows", "skip"]
    assert (
        run(capsys, main, *given, "--output_dir", "output", "--max_unknown", "1", "--epochs", "1", "--device", "cpu")[0]
        == 0
    )
    listed = Path("output/rejected_rows.csv").read_text(encoding="utf-8").splitlines()
    assert listed[0] == "file,line,reason,row"
    assert listed[1:] == 2 * [
        'rows.csv,4,text is empty,"{""text"": """", ""label"": ""x""}"',
        'rows.csv,5,a quoted field is never closed,"[""\\""c,y""]"',
        'rows.csv,6,3 fields where the header has 2,"[""d"", ""x"", """"]"',
        'rows.csv,7,contains a NUL character,"[""e\\u0000,y""]"',
        'rows.csv,8,label is empty,"{""text"": ""好"", ""label"": """"}"',
    ]


@pytest.mark.parametrize(
    "case",
    [case for case, file in TABLE.items() if file.used and file.bad and not file.options and "10 MB" not in case][::6],
)
def test_the_other_scripts_refuse_the_same_rows_in_the_same_words(here, capsys, english_bert, case):
    Path("good.csv").write_bytes(b"text,label\nthe food was good,x\nthe bed was bad,y\n")
    given = ["--train_file", "good.csv", "--valid_file", "good.csv", "--model", english_bert, "--output_dir", "output"]
    assert run(capsys, main, *given, "--epochs", "1", "--device", "cpu")[0] == 0
    path = put(here, TABLE[case])
    before = everything(here)
    assert run(capsys, test_code, "--test_file", path, "--on_bad_rows", "stop") == (
        2,
        expected_lines(TABLE[case], path),
    )
    assert everything(here) == before
    about_texts = [f"error: {path}, line {line}: {why}" for line, why in TABLE[case].bad if "label" not in why]
    status, lines = run(capsys, infer, "--input_file", path, "--on_bad_rows", "stop")
    errors = [line for line in lines if line.startswith("error: ") and "rows cannot be used" not in line]
    assert errors == about_texts[:10]
    assert (status, everything(here) == before) == ((2, True) if about_texts else (0, False))
