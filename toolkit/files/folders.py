"""Read a folder of texts, a file each, that lie in one folder a label or all together."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.files.encodings import detect_encoding, encoding_of_bom, error_handler, unknown_encoding
from toolkit.files.inputs import files_of_folder, text_of_name
from toolkit.files.likely_encodings import is_readable
from toolkit.files.source import Record, Source, format_of_name
from toolkit.files.texts import FOLDERS, REMARKS

UNLABELLED = frozenset({"unsup", "unlabeled", "unlabelled"})  # what a folder without labels is called among others
SAMPLE_BYTES = 1 << 20  # of texts that are not utf-8, in which their encoding is recognised


def read_folder(folder: Path, encoding: str | None) -> Source:
    """Open a folder of texts. Their columns are file, text and, if they lie in one folder a label, label.

    They are sorted by their paths, and a text that is not utf-8 has the encoding that fits all such texts. Raises
    UserError for a folder without texts.
    """
    files = list(files_of_folder(folder))
    in_folders = [file for file in files if len(file.relative_to(folder).parts) > 1]
    unlabelled = sorted({_label(folder, file) for file in in_folders} & UNLABELLED)
    texts = _texts([file for file in in_folders if _label(folder, file) not in unlabelled] or files)
    if not texts:
        raise _no_texts(folder, files)
    has_labels = len(texts[0].relative_to(folder).parts) > 1
    if has_labels:
        _refuse_names_that_are_no_text(folder, texts)
    columns = ["file", "text", "label"] if has_labels else ["file", "text"]
    source = Source(str(folder), "csv", columns, iter(()), unit="file", has_fixed_columns=True)
    source.records = _records(folder, texts, encoding, has_labels)
    source.taken_for.append(REMARKS["folder_of_labels" if has_labels else "folder_of_texts"])
    source.taken_for += [REMARKS["without"].fill(name=name) for name in unlabelled]
    return source


def _label(folder: Path, file: Path) -> str:
    return file.relative_to(folder).parts[0]


def _refuse_names_that_are_no_text(folder: Path, texts: Sequence[Path]) -> None:
    """Raise UserError if labels, the names of folders, are not utf-8, as of a zip that was made on Windows."""
    for label in sorted({_label(folder, file) for file in texts}):
        name = text_of_name(label)
        if name != label:
            raise UserError(FOLDERS["no_text"].fill(folder=folder, name=name))


def _texts(files: Sequence[Path]) -> list[Path]:
    """Return the files that are texts: those that end in .txt, or those of no known format if none does."""
    named = [file for file in files if file.suffix.lower() == ".txt"]
    return named or [file for file in files if format_of_name(file.name) is None]


def _no_texts(folder: Path, files: Sequence[Path]) -> UserError:
    """Return the error for a folder in which there are no texts."""
    if not files:
        return UserError(FOLDERS["empty"].fill(folder=folder, expected=FOLDERS["expected"]))
    pattern = f"{folder / '*'}{files[0].suffix}"
    return UserError(
        FOLDERS["no_texts"].fill(folder=folder, file=files[0], pattern=pattern, expected=FOLDERS["expected"])
    )


def _records(folder: Path, texts: Sequence[Path], encoding: str | None, has_labels: bool) -> Iterator[Record]:
    """Yield a record for each text, the line breaks at its end left out."""
    others = None if encoding is not None else _common_encoding(folder, texts)
    for path in texts:
        place = text_of_name(path.relative_to(folder).as_posix())
        data = path.read_bytes()
        values = {"file": place, "text": _decoded(data, encoding or _encoding(data, others)).rstrip("\r\n")}
        if has_labels:
            values["label"] = _label(folder, path)
        yield Record(place, values)


def _encoding(data: bytes, others: str | None) -> str:
    """Return the encoding of a text: that of its byte order mark, utf-8, or that of texts that are not (`others`)."""
    return encoding_of_bom(data) or ("utf-8" if others is None or is_readable(data, "utf-8") else others)


def _decoded(data: bytes, encoding: str) -> str:
    """Return a text; bytes that are none in its encoding become such characters as the row is refused for."""
    try:
        return data.decode(encoding, errors=error_handler(encoding))
    except LookupError:  # no such codec, or one that is not about text
        raise unknown_encoding(encoding) from None


def _common_encoding(folder: Path, texts: Sequence[Path]) -> str | None:
    """Return the encoding of the texts that are not utf-8 and have no byte order mark, None if there are none."""
    sample = io.BytesIO()
    for path in texts:
        data = path.read_bytes()
        if encoding_of_bom(data) is not None or is_readable(data, "utf-8"):
            continue
        sample.write(data + b"\n")
        if sample.tell() > SAMPLE_BYTES:
            break
    if not sample.tell():
        return None
    sample.seek(0)
    return detect_encoding(sample, str(folder))
