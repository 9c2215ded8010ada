"""Read parquet and arrow files, and the folders in which the library datasets keeps its tables."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from toolkit.base.errors import CANNOT_BE_READ, UserError, first_line
from toolkit.base.languages import LIST_COMMA, joined
from toolkit.files.source import Closeable, Record, Source
from toolkit.files.texts import REMARKS
from toolkit.formats.header import header_of_repeated
from toolkit.formats.texts import TABLE_FILES

ROWS_AT_ONCE = 1024  # made into Python values
DATASETS_KEY = b"huggingface"  # of the schema's metadata, in which datasets describes the columns
ARROW_FILE = b"ARROW1"
# Besides what is damaged: dates beyond Python's (ValueError, OverflowError), unknown time zones (KeyError).
UNREADABLE_VALUES = (ValueError, OverflowError, KeyError)


class _Files:
    """Files that are closed together."""

    def __init__(self, files: Sequence[Closeable]):
        self.files = files

    def close(self) -> None:
        """Close them."""
        for file in self.files:
            file.close()


def read_parquet(name: str, file: str | BinaryIO) -> Source:
    """Open a parquet file; its records are numbered by row, the first being 1."""
    pa = _pyarrow(name, "parquet")
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415 (optional)

    try:
        parquet = ParquetFile(file)
    except pa.ArrowException as error:
        raise UserError(TABLE_FILES["no_parquet"].fill(name=name, reason=first_line(error))) from None
    closing: list[Closeable] = [parquet] if isinstance(file, str) else [parquet, file]
    return _source(name, parquet.schema_arrow, parquet.iter_batches(batch_size=ROWS_AT_ONCE), _Files(closing))


def read_arrow(name: str, files: Sequence[BinaryIO]) -> Source:
    """Open arrow files, which are read as one table; their records are numbered by row, the first being 1."""
    pa = _pyarrow(name, "arrow")
    try:
        readers = [_ArrowBatches(file) for file in files]
    except (pa.ArrowException, ValueError) as error:
        raise UserError(TABLE_FILES["no_arrow"].fill(name=name, reason=first_line(error))) from None
    schema = readers[0].schema
    if any(not reader.schema.equals(schema) for reader in readers):
        raise UserError(TABLE_FILES["other_columns"].fill(name=name))
    batches = (batch for reader in readers for batch in reader.batches())
    return _source(name, schema, batches, _Files(files))


class _ArrowBatches:
    """The batches of an arrow file, which is a stream, as datasets writes it, or has an index at its end."""

    def __init__(self, file: BinaryIO):
        from pyarrow import ipc  # noqa: PLC0415 (optional)

        self.has_index = file.read(len(ARROW_FILE)) == ARROW_FILE
        file.seek(0)
        self.reader = ipc.open_file(file) if self.has_index else ipc.open_stream(file)
        self.schema = self.reader.schema

    def batches(self) -> Iterator[Any]:
        """Yield them one after the other, cut into such as are made into Python values at once."""
        batches = map(self.reader.get_batch, range(self.reader.num_record_batches)) if self.has_index else self.reader
        for batch in batches:
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                yield batch.slice(start, ROWS_AT_ONCE)


def read_saved_dataset(path: Path) -> Source | None:
    """Open a folder that `save_to_disk` of datasets wrote, None if it is none; UserError for one of several tables."""
    splits = sorted(file.parent.name for file in path.glob("*/state.json"))
    if (path / "dataset_dict.json").is_file() and splits:
        listed = joined(splits, LIST_COMMA)
        raise UserError(TABLE_FILES["several_tables"].fill(folder=path, listed=listed, example=path / splits[0]))
    if not (path / "state.json").is_file():
        return None
    files = [path / name for name in _data_files(path / "state.json")]
    if not files:
        raise UserError(TABLE_FILES["no_dataset"].fill(folder=path))
    source = _read_opened(str(path), files)
    source.taken_for.insert(0, REMARKS["dataset"])
    return source


def _data_files(state: Path) -> list[str]:
    """Return the names of the files of rows that state.json has: in the folder itself, where others may lie too."""
    try:
        entries = json.loads(state.read_text(encoding="utf-8"))["_data_files"]
        names = [str(entry["filename"]) for entry in entries]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []
    return [name for name in names if Path(name).name == name]


def _read_opened(name: str, paths: Sequence[Path]) -> Source:
    """Open arrow files by their paths."""
    files: list[BinaryIO] = []
    try:
        files.extend(path.open("rb") for path in paths)
        return read_arrow(name, files)
    except BaseException:
        _Files(files).close()
        raise


def _pyarrow(name: str, kind: str) -> Any:
    """Return the package pyarrow; UserError if it is not installed."""
    try:
        import pyarrow  # noqa: PLC0415 (optional)
        import pyarrow.ipc  # noqa: PLC0415
    except ModuleNotFoundError:
        raise UserError(TABLE_FILES["package"].fill(name=name, kind=kind, package="pyarrow")) from None
    return pyarrow


def _source(name: str, schema: Any, batches: Iterable[Any], stream: Closeable) -> Source:
    """Return the source of a table, with the names of labels that datasets keeps beside their numbers."""
    header = header_of_repeated(schema.names)
    if header is not None:
        schema = _renamed(schema, header.columns)
        batches = _with_columns(batches, header.columns)
    names = {name: classes for name, classes in class_names(schema.metadata).items() if name in schema.names}
    records = _records(name, batches, names)
    source = Source(name, "parquet", schema.names, records, stream, unit="row", cells_are_text=False, header=header)
    source.arrow_schema = _with_names(schema, names)
    source.taken_for += [REMARKS["classes"].fill(column=column) for column in names]
    return source


def _renamed(schema: Any, columns: Sequence[str]) -> Any:
    """Return a schema with other names of its columns."""
    import pyarrow  # noqa: PLC0415 (optional)

    fields = [field.with_name(column) for field, column in zip(schema, columns, strict=True)]
    return pyarrow.schema(fields, schema.metadata)


def _with_columns(batches: Iterable[Any], columns: Sequence[str]) -> Iterator[Any]:
    """Yield batches with other names of their columns."""
    from pyarrow import RecordBatch  # noqa: PLC0415 (optional)

    for batch in batches:
        yield RecordBatch.from_arrays(batch.columns, names=list(columns))


def _records(name: str, batches: Iterable[Any], names: Mapping[str, Sequence[str]]) -> Iterator[Record]:
    """Yield the rows with their numbers; UserError where the file is damaged."""
    from pyarrow import ArrowException  # noqa: PLC0415 (optional)

    rows = (row for batch in batches for row in batch.to_pylist())
    try:
        for number, row in enumerate(rows, 1):
            for column, classes in names.items():
                row[column] = _class_name(row[column], classes)
            yield Record(number, row)
    except (ArrowException, *UNREADABLE_VALUES) as error:
        raise UserError(CANNOT_BE_READ.fill(file=name, reason=first_line(error))) from None


# -- the names of classes that datasets keeps ------------------------------------------------------------------------


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return the names of the classes of each column that is a ClassLabel of datasets; none of damaged metadata."""
    try:
        features = json.loads((metadata or {}).get(DATASETS_KEY, b"{}"))["info"]["features"]
        columns = {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    names = {}
    for name, column in columns.items():
        classes = column.get("names") if column.get("_type") == "ClassLabel" else None
        if isinstance(classes, list) and all(isinstance(label, str) for label in classes):
            names[name] = classes
    return names


def _class_name(value: object, classes: Sequence[str]) -> object:
    """Return the name of a class by its number; none for -1, by which datasets says that there is no label."""
    if not isinstance(value, int) or value >= len(classes):
        return value
    return None if value < 0 else classes[value]


def _with_names(schema: Any, names: Mapping[str, Sequence[str]]) -> Any:
    """Return the schema of the rows as they are read: columns whose numbers became names are strings."""
    import pyarrow  # noqa: PLC0415 (optional)

    for column in names:
        schema = schema.set(schema.get_field_index(column), pyarrow.field(column, pyarrow.string()))
    return schema.remove_metadata() if names else schema
