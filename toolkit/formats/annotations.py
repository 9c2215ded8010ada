"""Exports of annotation tools, doccano and Label Studio, as rows of a text and a label."""

from collections.abc import Callable, Mapping, Sequence

from toolkit.files.source import Record, Source
from toolkit.files.texts import REMARKS

LABEL_LISTS = ("label", "labels")  # what doccano calls the list of a text's labels
ANNOTATIONS = ("annotations", "completions")  # of a task of Label Studio; the second in old versions


def flatten_annotations(source: Source) -> None:
    """Make the records of a json source that a tool exported such that a label is a string in a column of its own.

    Several labels of a text stay a list, which is no label that can be learned; none is None.
    """
    if source.format not in ("json", "jsonl"):
        return
    rows = [record.values for record in source.peek() if record.values is not None]
    if rows and all(map(_is_task, rows)):
        _flatten_tasks(source, rows)
        return
    for column in LABEL_LISTS:
        if rows and all(isinstance(row.get(column), list) for row in rows):
            _change(source, _with_only_label(column))
            source.taken_for.append(REMARKS["doccano"].fill(column=column))


def _with_only_label(column: str) -> Callable[[dict], dict]:
    """Return what makes the list of labels in a column the only one of them."""

    def change(row: dict) -> dict:
        """Return the row with its label."""
        return row | {column: _only(row.get(column))}

    return change


def _change(source: Source, change: Callable[[dict], dict]) -> None:
    """Change the values of a source's records that can be read."""
    records = source.records
    source.records = (_changed(record, change) for record in records)


def _changed(record: Record, change: Callable[[dict], dict]) -> Record:
    return record if record.values is None else record._replace(values=change(record.values))


def _only(labels: object) -> object:
    """Return the label of a list of one, None of none; what is anything else stays as it is."""
    if not isinstance(labels, list):
        return labels
    if not labels:
        return None
    return labels[0] if len(labels) == 1 and isinstance(labels[0], (str, int, float)) else labels


# -- Label Studio ----------------------------------------------------------------------------------------------------


def _is_task(row: Mapping) -> bool:
    """Return whether an object is a task of Label Studio with what was said of it."""
    return isinstance(row.get("data"), dict) and any(isinstance(row.get(name), list) for name in ANNOTATIONS)


def _flatten_tasks(source: Source, rows: Sequence[dict]) -> None:
    """Make rows of tasks: the columns of their data, and one for each question; the only one is called label."""
    questions = list(dict.fromkeys(name for row in rows for name in _choices(row)))
    only = questions[0] if len(questions) == 1 else None

    def row_of(task: dict) -> dict:
        """Return the row of a task."""
        answers = _choices(task)
        labels = {("label" if name == only else name): _only(answers.get(name, [])) for name in questions}
        others = {("label" if name == only else name): _only(choices) for name, choices in answers.items()}
        data = task["data"] if isinstance(task.get("data"), dict) else {}
        return {"id": task.get("id"), **data, **labels, **others}

    _change(source, row_of)
    source.columns = list(dict.fromkeys(name for row in rows for name in row_of(row)))
    source.format = "csv"  # in which the rows are written: nobody expects tasks back
    source.taken_for.append("Label Studio")


def _choices(task: Mapping) -> dict[str, list]:
    """Return the different choices that were made for a task, by the question; those of cancelled annotations not."""
    choices: dict[str, list] = {}
    for result in _results(task):
        chosen = result.get("value", {}).get("choices") if isinstance(result.get("value"), dict) else None
        if isinstance(chosen, list):
            of_question = choices.setdefault(str(result.get("from_name")), [])
            of_question += [choice for choice in chosen if choice not in of_question]
    return choices


def _results(task: Mapping) -> list[dict]:
    """Return the results of a task's annotations."""
    lists = (task.get(name) for name in ANNOTATIONS)
    annotations = [entry for entries in lists if isinstance(entries, list) for entry in entries]
    kept = [entry for entry in annotations if isinstance(entry, dict) and not entry.get("was_cancelled")]
    results = (entry.get("result") for entry in kept)
    return [
        result for entries in results if isinstance(entries, list) for result in entries if isinstance(result, dict)
    ]
