"""Files that are packed: gz, and zip of one file."""

import gzip
import io
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias, cast

from toolkit.base.errors import UserError
from toolkit.base.languages import LIST_COMMA, Text, shortened
from toolkit.files.source import format_of_name, short_repr
from toolkit.files.texts import ARCHIVES, REMARKS

# What reading a file raises that is damaged, cut, or packed in a way that Python does not know.
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
Bytes: TypeAlias = "io.BufferedReader | gzip.GzipFile"  # a zip's file is as good as the first for all that is done here
GZIP = b"\x1f\x8b"
ZIP = b"PK"
IS_ENCRYPTED = 0x1  # of a zip's flags
MAX_LISTED_FILES = 5  # of a zip, in an error
# Text is seldom packed to a tenth. What grows further than this to more than that was made to fill memory or disk.
MOST_GROWTH = 200
ALWAYS_FITS = 1 << 30  # bytes


@dataclass(frozen=True)
class Content:
    """The content of a file, unpacked if it is packed: `open` gives its bytes from the beginning, each time anew."""

    name: str  # of what is in it, whose ending may tell the format
    open: Callable[[], Bytes]
    path: Path | None = None  # where it lies as it is; None if it is packed
    remark: Text | None = None  # how it is packed, where its name does not say so
    is_workbook: bool = False  # a zip of the files that Excel writes

    def head(self, size: int) -> bytes:
        """Return its first bytes."""
        with self.open() as stream:
            return stream.read(size)

    def open_seekable(self) -> BinaryIO:
        """Return a stream in which one can go to any place; that of a packed file is a copy on disk without a name."""
        if self.path is not None:
            return self.path.open("rb")
        copy = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        try:
            with self.open() as stream:
                shutil.copyfileobj(stream, cast(BinaryIO, copy))
            copy.seek(0)
        except BaseException:
            copy.close()
            raise
        return cast(BinaryIO, copy)


def unpacked(path: Path) -> Content:
    """Return what is in a file; UserError for a zip of several files, of none, or with a password."""
    with path.open("rb") as stream:
        magic = stream.read(2)
    ending = path.suffix.lower()
    if ending == ".gz" or magic == GZIP:
        return _gunzipped(path)
    if ending == ".zip" or (magic == ZIP and zipfile.is_zipfile(path)):
        return _unzipped(path)
    return Content(str(path), lambda: path.open("rb"), path)


def _gunzipped(path: Path) -> Content:
    """Return what is in a gz file, whatever it is called."""
    if path.suffix.lower() == ".gz":
        return Content(str(path)[: -len(".gz")], lambda: gzip.open(path))
    return Content(str(path), lambda: gzip.open(path), remark=REMARKS["gzip"])


def _unzipped(path: Path) -> Content:
    """Return the one file that a zip holds, or the zip itself if it is a workbook."""
    with zipfile.ZipFile(path) as archive:
        files = [entry for entry in archive.infolist() if not _is_by_the_way(entry)]
        names = [entry.filename for entry in files]
        if "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names):
            return Content(str(path), lambda: path.open("rb"), path, is_workbook=True)
        if "content.xml" in names and "mimetype" in names:
            raise UserError(ARCHIVES["opendocument"].fill(path=path))
        if len(files) != 1:
            raise UserError(ARCHIVES["no_single_file"].fill(path=path, content=_listed(names)))
    (entry,) = files
    if entry.flag_bits & IS_ENCRYPTED:
        raise UserError(ARCHIVES["protected"].fill(path=path))
    refuse_bomb(str(path), files)
    is_told = format_of_name(path) is not None and format_of_name(path) == format_of_name(entry.filename)
    remark = None if is_told else REMARKS["zip"].fill(name=short_repr(entry.filename)[1:-1])
    return Content(entry.filename, lambda: _open_entry(path, entry), remark=remark)


def refuse_bomb(name: str, entries: Iterable[zipfile.ZipInfo]) -> None:
    """Raise UserError for a zip that grows as none of text does when it is unpacked."""
    for entry in entries:
        if entry.file_size > max(ALWAYS_FITS, MOST_GROWTH * entry.compress_size):
            size = entry.file_size / 1e9
            raise UserError(ARCHIVES["bomb"].fill(name=name, size=size, growth=MOST_GROWTH))


def _is_by_the_way(entry: zipfile.ZipInfo) -> bool:
    """Return whether an entry of a zip is a folder or what a Mac or Windows keeps for itself."""
    path = PurePosixPath(entry.filename)
    return entry.is_dir() or path.parts[:1] == ("__MACOSX",) or path.name.startswith(".") or path.name == "Thumbs.db"


def _listed(names: list[str]) -> Text:
    if not names:
        return ARCHIVES["no_file"]
    listed = shortened([short_repr(name) for name in names[:MAX_LISTED_FILES]], len(names), LIST_COMMA)
    return ARCHIVES["files"].fill(count=len(names), listed=listed)


def _open_entry(path: Path, entry: zipfile.ZipInfo) -> Bytes:
    """Open a file of a zip; the zip is closed with it."""
    with zipfile.ZipFile(path) as archive:
        return cast(io.BufferedReader, archive.open(entry))
