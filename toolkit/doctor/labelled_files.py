"""The labelled files of a run: which there are, what is in them, and which rows are held out or left out.

A file is read by `read`, which takes (path, columns, encoding, on_bad_rows, keep_records) and returns its Table.
"""

from collections.abc import Callable, Collection
from contextlib import nullcontext, suppress
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.data.files import find_file, need_file
from toolkit.data.labels import learn_labels, split_table
from toolkit.data.rows import Columns
from toolkit.data.tables import Table
from toolkit.doctor.examine import examine, without_leaked
from toolkit.doctor.findings import Finding, say_findings
from toolkit.report.scores import score_columns
from toolkit.runs.banner import say_labels, say_lengths
from toolkit.tokens.dataset import TokenFacts


def read_data(
    read: Callable[..., Table],
    log: Log,
    given: dict[str, str | None],
    folder: str,
    columns: Columns,
    encoding: str | None,
    on_bad_rows: str,
    *,
    valid_ratio: float,
    seed: int,
    drop_leaked: bool,
    keep_records: bool = False,
) -> tuple[dict[str, Table], dict[str, Table], list[str]]:
    """Return the tables of the `given` files (train, valid, test), the one beside them, if any, and the labels.

    Where no training file is given, it is looked for in `folder`, as is one to validate on and one that only stands
    beside them. Without any to validate on, a share `valid_ratio` of the training rows is held out, chosen by `seed`.
    The test table keeps its records, the others if they are to `keep_records`.
    """
    train_file = need_file(given["train"], folder, "trainset", "--train_file")
    valid_file = given["valid"] or (None if given["train"] else find_file(folder, "validset"))
    files = given | {"train": train_file, "valid": valid_file}
    tables = read_tables(read, files, columns, encoding, on_bad_rows, tuple(files) if keep_records else ("test",))
    for name, table in tables.items():
        log.item("data" * (name == "train"), table.accounts())
    labels = learn_labels(tables["train"])
    if "test" in tables:
        score_columns(tables["test"].records, labels)
    if not valid_file:
        tables["train"], tables["valid"] = split_table(tables["train"], valid_ratio, seed)
        log.item("", f"{len(tables['valid'].frame):,} of these rows are held out to validate (--valid_ratio)")
    alone = given["train"] or given["test"]
    beside = read_beside(read, None if alone else folder, tables["train"].columns, encoding, drop_leaked)
    if drop_leaked:
        tables["train"] = without_leaked(tables | beside, log)
        labels = learn_labels(tables["train"])
    return tables, beside, labels


def read_tables(
    read: Callable[..., Table],
    files: dict[str, str | Path | None],
    columns: Columns,
    encoding: str | None,
    on_bad_rows: str,
    keep_records: Collection[str] = ("test",),
) -> dict[str, Table]:
    """Return the tables of several labelled files (None: no file); the first decides whether there are pairs.

    Those whose names are in `keep_records` keep their records. Raises UserError with what is wrong in any of them.
    """
    tables, problems, summaries = {}, [], []
    for name, file in files.items():
        try:
            if file is not None:
                tables[name] = read(Path(file), columns, encoding, on_bad_rows, name in keep_records)
                columns = tables[name].columns
        except UserError as error:
            problems += error.args
            summaries += [error.summary] * (len(error.args) > 1)
    if problems:
        raise UserError(*problems, summary="; ".join(filter(None, summaries)))
    return tables


def read_beside(
    read: Callable[..., Table], folder: str | None, columns: Columns, encoding: str | None, needed: bool
) -> dict[str, Table]:
    """Return, as "test", the testset.* of a folder, for a look at it; nothing if there is none, or none to be read.

    Where it is `needed`, one that cannot be read is a UserError.
    """
    with nullcontext() if needed else suppress(UserError):
        if found := folder and find_file(folder, "testset"):
            return {"test": read(Path(found), columns, encoding, "skip")}
    return {}


def look_at_data(
    log: Log,
    tables: dict[str, Table],
    tokens: dict[str, TokenFacts],
    labels: list[str],
    encoder,
    sets: dict,
    whole: bool,
) -> list[Finding]:
    """Say what is in the data and what is wrong with it, the `whole` of it or a line for each: return the findings.

    `tokens` and datasets, `sets`, are those that `encoder` made of the tables that are used.
    """
    say_labels(log, labels, sets["train"].label_ids)
    say_lengths(log, tokens["train"].counts, encoder.max_length, encoder.truncation)
    found = examine(tables, tokens)
    say_findings(log, found, whole)
    return found
