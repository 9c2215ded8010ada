"""Predictions in another order than in their file: every row is there, as it stands, whatever is held at once."""

import json

import numpy as np
import pandas as pd
import pytest

from toolkit.base.errors import UserError
from toolkit.cli.options import inference_options
from toolkit.files.columns import Columns
from toolkit.predictions import ranked_file
from toolkit.predictions.added_columns import PredictedRows
from toolkit.predictions.outputs import open_predictions
from toolkit.predictions.ranked_file import RankedFile

LABELS = ["con", "pro"]
MADE_BY = {"model": "aa"}
COUNT = 23


def table() -> pd.DataFrame:
    return pd.DataFrame({"id": range(COUNT), "text": [f"text {number}" for number in range(COUNT)]})


def opened(*words: object, columns: Columns = Columns(label=None)) -> RankedFile:  # noqa: B008
    words = ("--rank", "uncertain", *words)
    return open_predictions(inference_options(list(map(str, words))), columns, LABELS, 4)


def predicted(rows) -> PredictedRows:
    """Return what is predicted of rows: a number that their text ends in says how sure it is."""
    numbers = np.array([int(row.text.split()[-1]) for row in rows], float)
    of_pro = 0.5 + numbers / 100
    probabilities = np.column_stack([1 - of_pro, of_pro])
    return PredictedRows(probabilities, probabilities.argmax(1), numbers % 2 == 1, (numbers * 7) % COUNT / COUNT)


def ranked(predictions: RankedFile) -> np.ndarray:
    """Predict all rows and write them in the order of their margins, which is returned."""
    for window in predictions.windows(MADE_BY):
        predictions.write(window, predicted(window.rows) if window.rows else PredictedRows.nothing(2))
    order = np.argsort(predictions.margins())
    predictions.put_in_order(order)
    predictions.finish()
    return order


READERS = {
    "csv": pd.read_csv,
    "json": pd.read_json,
    "jsonl": lambda file: pd.read_json(file, lines=True),
    "parquet": pd.read_parquet,
    "xlsx": pd.read_excel,
    "csv.gz": pd.read_csv,
}
WRITERS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "parquet": lambda frame, path: frame.to_parquet(path),
}


@pytest.mark.parametrize("output", READERS)
@pytest.mark.parametrize("source", ["csv", "parquet"])
@pytest.mark.parametrize("at_once", [5, 1000])
def test_every_format_has_the_rows_in_the_order_with_what_was_predicted(tmp_path, monkeypatch, output, source, at_once):
    for ending, package in (("parquet", "pyarrow"), ("xlsx", "openpyxl")):
        if ending in (source, output):
            pytest.importorskip(package)
    monkeypatch.setattr(ranked_file, "ROWS_AT_ONCE", at_once)
    WRITERS[source](table(), tmp_path / f"rows.{source}")
    path = tmp_path / f"out.{output}"
    words = ("--input_file", tmp_path / f"rows.{source}", "--output_file", path, "--abstain_below", 0.5)
    order = ranked(opened(*words))
    assert sorted((order * 7) % COUNT) == list(range(COUNT)) and (np.diff((order * 7) % COUNT) > 0).all()
    frame = READERS[output](path)
    assert frame["id"].astype(int).tolist() == order.tolist()
    assert frame["text"].tolist() == [f"text {number}" for number in order]
    np.testing.assert_allclose(frame["prob_pro"].astype(float), 0.5 + order / 100)
    assert frame["uncertain"].astype(bool).tolist() == (order % 2 == 1).tolist()
    assert frame["prediction"].isna().tolist() == (order % 2 == 1).tolist()
    assert {each.name for each in tmp_path.iterdir()} == {f"rows.{source}", f"out.{output}"}


def test_rows_that_cannot_be_used_stand_last_and_are_counted_once(tmp_path, capsys):
    lines = ["id,text", "a,text 3", "b,", "c,text 1", "d,", "e,text 2", "f,"]
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    words = ("--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "out.csv")
    ranked(opened(*words))
    frame = pd.read_csv(tmp_path / "out.csv")
    assert frame["id"].tolist() == ["c", "e", "a", "b", "d", "f"]
    assert frame["prediction"].isna().tolist() == [False] * 3 + [True] * 3
    assert "6 rows = 3 predicted + 3 without a prediction" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "out.rejected_rows.csv")) == 3


def test_a_run_that_was_killed_goes_on_and_writes_the_same_bytes(tmp_path):
    WRITERS["csv"](table(), tmp_path / "rows.csv")
    words = ("--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "whole.csv")
    ranked(opened(*words))
    for ending_at in ("predicting", "ordering"):
        cut = opened("--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "cut.csv", "--overwrite")
        for window in cut.windows(MADE_BY):
            if ending_at == "predicting" and window.number == 2:
                break
            cut.write(window, predicted(window.rows))
        if ending_at == "ordering":
            cut.put_in_order(np.arange(COUNT))
        cut.parts.lock.release()
        again = opened("--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "cut.csv", "--overwrite")
        ranked(again)
        assert again.fresh_count == (0 if ending_at == "ordering" else COUNT - 8)
        assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_parts_that_were_not_ranked_are_not_taken_for_ranked_ones(tmp_path):
    WRITERS["csv"](table(), tmp_path / "rows.csv")
    words = ["--input_file", str(tmp_path / "rows.csv"), "--output_file", str(tmp_path / "out.csv")]
    plain = open_predictions(inference_options(words), Columns(label=None), LABELS, 4)
    for window in plain.windows(MADE_BY):
        plain.write(window, predicted(window.rows))
    plain.parts.lock.release()
    again = opened(*words)
    ranked(again)
    assert again.fresh_count == COUNT


def test_texts_are_those_of_the_rows_asked_for_and_pairs_are_one(tmp_path):
    frame = table().assign(text_pair=[f"pair {number}" for number in range(COUNT)])
    WRITERS["jsonl"](frame, tmp_path / "rows.jsonl")
    columns = Columns(text_pair="text_pair", label=None)
    words = ("--input_file", tmp_path / "rows.jsonl", "--output_file", tmp_path / "out.jsonl")
    predictions = opened(*words, columns=columns)
    for window in predictions.windows(MADE_BY):
        predictions.write(window, predicted(window.rows))
    assert predictions.texts(np.array([20, 0, 7])) == ["text 20\0pair 20", "text 0\0pair 0", "text 7\0pair 7"]
    predictions.put_in_order(np.arange(COUNT)[::-1])
    predictions.finish()
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == list(range(COUNT))[::-1]


def test_no_row_at_all_gives_a_header(tmp_path):
    (tmp_path / "rows.csv").write_text("id,text\n", encoding="utf-8")
    ranked(opened("--input_file", tmp_path / "rows.csv", "--output_file", tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "id,text,prediction,prob_con,prob_pro\n"


@pytest.mark.parametrize("words", [["--input_file", "-"], ["--output_file", "-"]])
def test_what_is_written_as_it_comes_cannot_be_ranked(tmp_path, words, monkeypatch):
    WRITERS["csv"](table(), tmp_path / "unlabelled.csv")
    with pytest.raises(UserError, match="--rank writes no row before all are predicted"):
        opened("--data_dir", tmp_path, *words)


def test_one_text_cannot_be_ranked():
    with pytest.raises(UserError, match="--rank cannot be combined with --text"):
        opened("--text", "x")
