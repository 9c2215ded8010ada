"""Damaged files by the hundred thousand: each must give rows or one line a problem, soon, and touch nothing.

    python benchmarks/fuzz_readers.py --files 100000 --seed 1
    python benchmarks/fuzz_readers.py --files 20000 --engine hypothesis
    python benchmarks/fuzz_readers.py --files 1000000 --engine atheris

Each file is read as main.py reads it (rows, labels, held-out part) and as infer.py does. Of every file that is read the
rows are those used and those rejected, in ascending order of lines, and texts and labels are fit for a tokenizer and a
json file. Reading may open no file to write, remove none, start nothing and reach for no network. Prints the counts;
with a failure the exit status is 1 and the file stays in the folder that is named.
"""

import argparse
import faulthandler
import gzip
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TIME_LIMIT = 10  # seconds a file
LONGEST_LINE = 4000  # characters of a message
MOST_FAILURES = 20
COLUMN_NAMES = ("text", "text_pair", "label")
ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".txt")
ENCODINGS = (
    *("utf-8", "utf-8", "utf-8", "utf-8-sig", "gbk", "gb18030"),
    *("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"),
)
NAMED = (  # by --encoding
    *("utf-8", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "shift_jis", "utf-7", "hz"),
    *("iso2022_jp", "idna", "punycode", "unicode_escape", "base64", "rot13", "undefined", "cp037", "big5hkscs"),
)
TEXTS = (
    *(
        "good",
        "the food was bad",
        "房间很好",
        "差",
        "𠮷野家",
        "😀👨\u200d👩\u200d👧",
        "مكان رائع",
        "[SEP]",
        "",
        "  ",
        "NA",
        "1",
        "0.5",
    ),
    *('say "no"', "a,b", "a\tb", "two\nlines", "CR\r\nLF", "a\u2028b\x85c\x0bd", "\ufeff", "a\0b", "e\u0301", "=1+1"),
    "x" * 300,
)
LABELS = ("x", "y", "1", "0", "好评", "差评", " x ", "", "true", "10")
TOKENS = (
    *(b'"', b'""', b'"""', b"'", b",", b"\t", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b'x","y\n', b'x"\t"y\n'),
    *(
        b"\0",
        b"\0\0\0",
        b"\xff",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"\xed\xa0\xbd",
        b"\x84\x31\x95\x33",
        b"\x81",
    ),
    *(b"\xe2\x80\xa8", b"\xc2\x85", b"\x0b", b"\x0c", b"\x1c", b"\x1a", b"\\u0000", b"\\ud83d", b"\\"),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b":",
        b"[]",
        b"{}",
        b"[" * 150,
        b'{"a":' * 99,
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"null",
        b"true",
    ),
    *(b"1.0", b"7" * 5000, b"text", b"label", b"text_pair"),
)


class Failure(BaseException):
    """Something that reading a file must not do; not an Exception, so that no reader takes it for its own."""


# -- what is checked --------------------------------------------------------------------------------------------------

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
TOUCHES = (
    *("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.utime"),
    *("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.putenv", "subprocess.", "shutil.", "tempfile."),
    *("socket.", "urllib."),
)
watching = False


def _audit(event: str, args: tuple) -> None:
    if not watching:
        return
    if event == "open" and ((isinstance(args[1], str) and set(args[1]) & set("wax+")) or (args[2] or 0) & WRITES):
        raise Failure(f"{args[0]} was opened to write")
    if event.startswith(TOUCHES):
        raise Failure(f"{event} {args}")


def _hang(*_) -> None:
    raise Failure(f"took more than {TIME_LIMIT} seconds")


@contextmanager
def watched() -> Iterator[None]:
    """Raise Failure if what is done within takes too long, writes, starts a process or opens a connection."""
    global watching
    if not hasattr(_audit, "is_there"):
        sys.addaudithook(_audit)  # there is no way to take it away again
        _audit.is_there = True
    before = signal.signal(signal.SIGALRM, _hang)
    signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT)
    watching = True
    try:
        yield
    finally:
        watching = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def require(condition: object, message: str) -> None:
    """Raise Failure unless `condition` holds."""
    if not condition:
        raise Failure(message)


def check_lines(error) -> None:
    """See that what a UserError prints is lines that a person can read."""
    require(error.lines(), "a UserError without a message")
    for line in [*error.lines("en"), *error.lines("zh")]:
        require(line.strip() and len(line.splitlines()) == 1, f"a message of {len(line.splitlines())} lines: {line!r}")
        require(len(line) <= LONGEST_LINE, f"a message of {len(line):,} characters: {line[:200]!r}")


def check_training(path: Path, encoding: str | None, tally: Counter) -> None:
    """Read a file as main.py does, with --on_bad_rows stop and skip, and see that the two agree."""
    import utils
    from toolkit.base.errors import UserError
    from toolkit.cli.sections import ReadingOptions
    from toolkit.data.labels import encode_labels, learn_labels, split_table
    from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns
    from toolkit.formats.reading import open_source

    columns = Columns(text_pair=TEXT_PAIR_IF_PRESENT)
    try:
        table = utils.read_tables({"train": path}, columns, ReadingOptions(encoding, "skip"), ())["train"]
    except UserError as error:
        check_lines(error)
        tally["refused"] += 1
        table = None
    try:
        strict = utils.read_tables({"train": path}, columns, ReadingOptions(encoding, "stop"), ())["train"]
        require(
            table and not any(row.stops for row in table.rejected) and strict.frame.equals(table.frame),
            "stop passes what skip rejects",
        )
    except UserError as error:
        check_lines(error)
        bad_rows = [] if table is None else [row.problem for row in table.rejected if row.stops]
        require(table is None or list(error.args) == bad_rows, "stop and skip reject different rows")
    if table is None:
        return
    with open_source(path, encoding) as source:
        records = sum(1 for _ in source.records)
    used, rejected = table.frame.index.tolist(), [row.line for row in table.rejected]
    require(len(used) + len(rejected) == records, f"{records} rows, {len(used)} used, {len(rejected)} rejected")
    one_line_each = source.format not in ("json", "parquet")  # objects of an array may share a line
    require(used == sorted(used) and rejected == sorted(rejected), "the lines do not ascend")
    require(not one_line_each or len({*used, *rejected}) == records, "two rows begin on one line")
    require(all(str(row.reason).strip() for row in table.rejected), "a row is rejected without a reason")
    check_cells([*table.texts, *table.frame["label"]])
    tally.update(read=1, used=len(used), rejected=len(rejected))
    try:
        labels = learn_labels(table)
        require(len(encode_labels(table, labels)) == len(used), "labels are lost")
        train, valid = split_table(table, 0.3, 1)
        require(sorted([*train.frame.index, *valid.frame.index]) == used, "rows are lost where some are held out")
        tally["learned"] += 1
    except UserError as error:
        check_lines(error)


def check_cells(cells: list[str]) -> None:
    """See that texts and labels are what a tokenizer and a utf-8 file take."""
    for cell in cells:
        require(isinstance(cell, str) and cell.strip() and "\0" not in cell, f"an unusable cell is used: {cell[:99]!r}")
        require(cell.encode("utf-8", "replace").decode() == cell, f"half a character is used: {cell[:99]!r}")


def check_inference(path: Path, encoding: str | None) -> None:
    """Read a file as infer.py does: once to count, once to use."""
    from toolkit.base.errors import UserError
    from toolkit.cli.sections import ReadingOptions
    from toolkit.data.rows import Rejected
    from toolkit.data.unlabelled import UnlabelledRows
    from toolkit.files.columns import Columns

    found = UnlabelledRows(str(path), Columns(label=None), ReadingOptions(encoding, "skip"), None)
    try:
        total, _, names = found.scan()
    except UserError as error:
        return check_lines(error)
    with found.open() as source:
        rows, rejected = [], []
        for row in found.read(source):
            (rejected if isinstance(row, Rejected) else rows).append(row)
    require(len(rows) == total and len(rejected) == found.rejected, "the second reading differs from the first")
    require(all(set(row.values) <= set(names) for row in rows), "a column appears that the first reading did not see")
    return check_cells([row.text for row in rows])


def check(folder: Path, name: str, data: bytes, encoding: str | None, tally: Counter, watch: bool = True) -> None:
    """Write one file into an empty folder and read it in every way; Failure or any other exception is a finding."""
    path = folder / name
    path.write_bytes(data)
    with watched() if watch else nullcontext():
        check_training(path, encoding, tally)
        check_inference(path, encoding)
    require(list(folder.iterdir()) == [path] and path.read_bytes() == data, "reading has changed the folder")
    path.unlink()


# -- files ------------------------------------------------------------------------------------------------------------


def random_json(draw: random.Random, depth: int = 0) -> object:
    """Return any json value."""
    kind = draw.random()
    if depth < 4 and kind < 0.15:
        return [random_json(draw, depth + 1) for _ in range(draw.randrange(4))]
    if depth < 4 and kind < 0.3:
        return {draw.choice((*COLUMN_NAMES, *TEXTS)): random_json(draw, depth + 1) for _ in range(draw.randrange(4))}
    return draw.choice(
        (*TEXTS, *LABELS, 0, 1, -7, 1.0, 0.5, 1e30, float("nan"), float("inf"), None, True, False, 10**40, "\ud83d")
    )


def random_rows(draw: random.Random) -> list[dict]:
    """Return some rows, most of them good."""
    tame = draw.random() < 0.5
    rows = []
    for _ in range(draw.choice((0, 1, 2, 5, 20, 60))):
        row = {"text": draw.choice(TEXTS[:8] if tame else TEXTS), "label": draw.choice(LABELS[:2] if tame else LABELS)}
        if draw.random() < 0.2:
            row = {"text_pair": draw.choice(TEXTS), **row}
        rows.append(row | ({"id": draw.randrange(99)} if draw.random() < 0.1 else {}))
    return rows


def as_text(draw: random.Random, ending: str) -> str:
    """Return the text of a file of this ending, well-formed or nearly so."""
    rows = random_rows(draw)
    end = draw.choice(("\n", "\n", "\r\n", "\r"))
    if ending == ".txt":
        return "".join(f"{row['text']}\t{row['label']}{end}" for row in rows)
    if ending in (".csv", ".tsv"):
        comma, odd = (",", "\t")[ending == ".tsv"], draw.random() < 0.2
        columns = ["text_pair"] * (rows != [] and "text_pair" in rows[0]) + ["text", "label"]
        draw.shuffle(columns)

        def field(value: str) -> str:
            bare = draw.random() < (0.5 if odd else 0.0) or not set(value) & {comma, '"', "\r", "\n"}
            return value if bare and draw.random() < 0.7 else '"' + value.replace('"', '""') + '"'

        lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
        return "".join(comma.join(map(field, line)) + end for line in lines)
    values = [random_json(draw) if draw.random() < 0.1 else row for row in rows]
    lines = [json.dumps(value, ensure_ascii=draw.random() < 0.5) for value in values]
    if ending == ".json" and draw.random() < 0.7:
        return "[" + draw.choice((",", ",\n", " , ")).join(lines) + "]" + end * draw.randrange(2)
    return "".join(line + end for line in lines)


def as_parquet(draw: random.Random) -> bytes:
    """Return a parquet file of columns of all types."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    size = draw.choice((1, 3, 40))
    texts = [draw.choice(TEXTS) for _ in range(size)]
    numbers = [draw.choice((0, 1, None)) for _ in range(size)]
    strings = [pa.array(texts), pa.array(texts).dictionary_encode(), pa.array(texts, pa.large_string())]
    integers = pa.array(numbers, pa.int32())
    odd = [integers, integers.cast(pa.float64()), integers.cast(pa.decimal128(20, 2)), integers.cast(pa.date32())]
    odd += [
        pa.array(numbers, pa.timestamp("ns", "Asia/Shanghai")),
        pa.array([10**8] * size, pa.date32()),
        pa.nulls(size),
    ]
    odd += [pa.array([text == "good" for text in texts]), pa.array([text.encode() for text in texts])]
    odd += [pa.array([[text] for text in texts]), pa.array([{"a": text} for text in texts])]

    def column(usual: list, share: float):
        return draw.choice(usual if draw.random() < share else odd)

    columns = {"text": column(strings, 0.8), "label": column([*strings, *odd[:2]], 0.8), "more": column(strings, 0.5)}
    write_table(pa.table(columns), stream := io.BytesIO(), compression=draw.choice(("none", "snappy", "gzip", "zstd")))
    return stream.getvalue()


def damage(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Return the bytes with a few changes of all kinds."""
    for _ in range(draw.choice((0, 0, 1, 1, 1, 2, 3, 9))):
        at, length = draw.randrange(len(data) + 1), draw.choice((1, 1, 2, 7, 60, 600))
        kind = draw.randrange(9)
        if kind == 0 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + draw.randbytes(length) + data[at:]
        elif kind == 2:
            data = data[:at] + data[at + length :]
        elif kind == 3:
            data = data[:at] + data[at : at + length] * draw.choice((2, 3, 50)) + data[at:]
        elif kind == 4:
            data = data[:at]
        elif kind == 5:
            data = data[:at] + other[draw.randrange(len(other) + 1) :]
        else:
            data = data[:at] + draw.choice(TOKENS) * draw.choice((1, 1, 1, 2, 30)) + data[at:]
    return data


def flip(draw: random.Random, data: bytes) -> bytes:
    """Return the bytes with a few bits turned over, which leaves more of a parquet file to read."""
    damaged = bytearray(data)
    for _ in range(draw.choice((0, 1, 1, 1, 2, 5))):
        damaged[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def warm_up(folder: Path) -> None:
    """Read some files unwatched: what is imported then may write its bytecode, and fill caches, as it likes."""
    for number in range(200):
        with suppress(Exception):
            check(folder, *make_file(0, number), Counter(), watch=False)


def make_file(seed: int, number: int) -> tuple[str, bytes, str | None]:
    """Return (name, content, --encoding) of a file; the same for the same numbers."""
    draw = random.Random(f"{seed} {number}")
    if draw.random() < 0.08:
        data = as_parquet(draw)
        return "rows.parquet", flip(draw, data) if draw.random() < 0.8 else damage(draw, data, b"PAR1"), None
    ending, written = draw.choice(ENDINGS), draw.choice(ENCODINGS)
    parts = [as_text(draw, ending).encode(written, draw.choice(("ignore", "replace"))) for _ in range(2)]
    data = damage(draw, parts[0], parts[1].decode(written, "replace").encode(draw.choice(ENCODINGS), "replace"))
    name = "rows" + (draw.choice(ENDINGS) if draw.random() < 0.05 else ending)
    if draw.random() < 0.1:
        name, data = name + ".gz", gzip.compress(data, 1, mtime=0)
        data = damage(draw, data, data) if draw.random() < 0.5 else data
    return name, data, draw.choice(NAMED) if draw.random() < 0.1 else None


# -- engines ----------------------------------------------------------------------------------------------------------


class Fuzz:
    """Checks files one after the other, counts them and keeps those that fail."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz_readers_"))
        self.tally, self.failures, self.slowest = Counter(), 0, 0.0
        (self.folder / "now").mkdir()
        print(f"the file being read is in {self.folder / 'now'}", flush=True)
        warm_up(self.folder / "now")
        self.started = time.perf_counter()

    def __call__(self, name: str, data: bytes, encoding: str | None) -> None:
        """Check one file; more than a few failures end it all."""
        started = time.perf_counter()
        self.tally["files"] += 1
        try:
            check(self.folder / "now", name, data, encoding, self.tally)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.failures += 1
            kept = self.folder / f"failure_{self.failures}_{encoding or 'any'}_{name}"
            shutil.move(self.folder / "now" / name, kept)
            print(f"{kept}: {''.join(traceback.format_exception(error))}", file=sys.stderr)
            if self.failures == MOST_FAILURES:
                sys.exit(self.report())
        self.slowest = max(self.slowest, time.perf_counter() - started)

    def report(self) -> int:
        """Print the counts, remove the folder unless a file is kept in it, and return the exit status."""
        found, seconds = self.tally, time.perf_counter() - self.started
        print(
            f"{found['files']:,} files: {found['read']:,} read, {found['refused']:,} refused; {self.failures} failed; "
            f"{found['used']:,} rows used, {found['rejected']:,} rejected; {found['learned']:,} files fit to train on; "
            f"{seconds:,.0f} s, the slowest file {self.slowest:.2f} s",
            flush=True,
        )
        if not self.failures:
            shutil.rmtree(self.folder)
        return int(self.failures > 0)


def with_mutations(files: int, seed: int) -> Fuzz:
    """Damage files that are well-formed or nearly so."""
    fuzz = Fuzz()
    for number in range(files):
        fuzz(*make_file(seed, number))
    return fuzz


def with_hypothesis(files: int, seed: int) -> Fuzz:
    """Let Hypothesis draw the files."""
    import hypothesis
    from hypothesis import strategies as st

    fuzz = Fuzz()
    cell = st.sampled_from([*TEXTS, *(token.decode("latin-1") for token in TOKENS)]) | st.text(max_size=8)
    value = cell | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(cell, max_size=2)
    lines = st.lists(st.lists(cell, min_size=1, max_size=3), max_size=6)
    objects = st.lists(st.fixed_dictionaries({"text": cell, "label": value}) | value, max_size=6)
    content = st.one_of(
        st.tuples(st.just(".csv"), lines.map(lambda rows: "\n".join(["text,label", *map(",".join, rows)]))),
        st.tuples(st.just(".tsv"), lines.map(lambda rows: "\n".join(["text\tlabel", *map("\t".join, rows)]))),
        st.tuples(st.just(".txt"), lines.map(lambda rows: "\n".join(map("\t".join, rows)))),
        st.tuples(st.just(".json"), objects.map(json.dumps)),
        st.tuples(st.just(".jsonl"), objects.map(lambda rows: "\n".join(map(json.dumps, rows)))),
        st.tuples(st.sampled_from(ENDINGS), st.text()),
    )

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=files, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(content, st.sampled_from(ENCODINGS), st.none() | st.sampled_from(NAMED), st.binary(max_size=9))
    def draw(file: tuple[str, str], written: str, named: str | None, more: bytes) -> None:
        data = file[1].encode(written, "replace") + (more if len(more) > 3 else b"")
        fuzz(f"rows{file[0]}", data, named)

    draw()
    return fuzz


def with_atheris(files: int, seed: int) -> Fuzz:
    """Let libFuzzer look for files that lead to code not yet reached; it does not return."""
    try:
        import atheris
    except ImportError:
        sys.exit("error: the package 'atheris' is not installed (pip install atheris, on Linux)")
    with atheris.instrument_imports(include=["toolkit"]):
        import toolkit.data.rows  # noqa: F401

    fuzz = Fuzz()
    corpus = fuzz.folder / "corpus"
    corpus.mkdir()
    for number in range(500):
        name, data, _ = make_file(seed, number)
        if not name.endswith((".gz", ".parquet")):
            (corpus / str(number)).write_bytes(bytes([ENDINGS.index(Path(name).suffix), 0]) + data)

    def one(data: bytes) -> None:
        if len(data) > 2:
            fuzz(f"rows{ENDINGS[data[0] % len(ENDINGS)]}", data[2:], NAMED[data[1] % 9] if data[1] > 200 else None)
        if fuzz.tally["files"] >= files:
            os._exit(fuzz.report())

    atheris.Setup([sys.argv[0], f"-seed={seed}", "-max_len=4096", "-verbosity=0", "-timeout=60", str(corpus)], one)
    atheris.Fuzz()
    return fuzz


def main() -> None:
    """Make the files, read them, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["mutate", "hypothesis", "atheris"], default="mutate")
    args = parser.parse_args()
    faulthandler.enable()
    sys.dont_write_bytecode = True
    engine = {"mutate": with_mutations, "hypothesis": with_hypothesis, "atheris": with_atheris}[args.engine]
    sys.exit(engine(args.files, args.seed).report())


if __name__ == "__main__":
    main()
