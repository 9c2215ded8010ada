"""What is written for which rows; a row's prediction is made up from the length of its text."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.base.errors import UserError
from toolkit.cli.options import inference_options
from toolkit.data.prediction_file import Predictions, open_predictions, rejected_path
from toolkit.data.rows import Columns

LABELS = ["con", "pro"]
MADE_BY = {"model": {"run.json": "aa"}, "precision": "fp32"}
ROWS = ["id,text", *(f"{i},{'good ' * (i % 3 + 1)}" for i in range(10))]


def written(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def opened(*words: object, columns: Columns = Columns(label=None), window: int = 4) -> Predictions:  # noqa: B008
    return open_predictions(inference_options(list(map(str, words))), columns, LABELS, window)


def predict(predictions: Predictions, made_by: dict = MADE_BY, until: int | None = None) -> list[int]:
    """Write what is predicted of the windows before number `until`, and return the numbers of those windows."""
    numbers = []
    for window in predictions.windows(made_by):
        if window.number == until:
            predictions.parts.lock.release()
            return numbers
        of_pro = np.array([0.1 if len(row.text) % 2 else 0.9 for row in window.rows])
        predictions.advance(len(window.rows))
        predictions.write(window, np.column_stack([1 - of_pro, of_pro]), (of_pro > 0.5).astype(int))
        numbers.append(window.number)
    predictions.finish()
    return numbers


# -- a file -----------------------------------------------------------------------------------------------------------


def test_every_row_is_written_with_what_was_predicted_of_it(tmp_path, capsys):
    rows = written(tmp_path / "rows.csv", ROWS)
    predictions = opened("--input_file", rows, "--output_file", tmp_path / "p.csv")
    assert predictions.total == 10
    assert predict(predictions) == [0, 1, 2]
    given, found = pd.read_csv(rows), pd.read_csv(tmp_path / "p.csv")
    pd.testing.assert_frame_equal(found[["id", "text"]], given)
    of_pro = [0.1 if len(text) % 2 else 0.9 for text in given["text"]]
    assert found["prob_pro"].tolist() == of_pro
    np.testing.assert_allclose(found["prob_con"], 1 - np.array(of_pro), atol=1e-9)
    assert found["prediction"].tolist() == [LABELS[probability > 0.5] for probability in of_pro]
    said = capsys.readouterr().err
    assert f"{rows}: 10 rows = 10 predicted + 0 rejected\n" in said
    assert f"rows per second; the predictions are in {tmp_path / 'p.csv'}\n" in said
    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv", "p.csv"}


@pytest.mark.parametrize("name", ["p.csv", "p.json", "p.jsonl.gz", "p.parquet"])
def test_a_run_that_ended_early_is_gone_on_with_and_the_bytes_are_those_of_one_that_did_not(tmp_path, capsys, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    rows = written(tmp_path / "rows.csv", ROWS)
    predict(opened("--input_file", rows, "--output_file", tmp_path / "whole" / name))
    words = ("--input_file", rows, "--output_file", tmp_path / "cut" / name)
    assert predict(opened(*words), until=2) == [0, 1]
    capsys.readouterr()
    assert predict(opened(*words)) == [2]
    assert "10 rows = 10 predicted (8 of them by an earlier run) + 0 rejected" in capsys.readouterr().err
    assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "made_by"),
    [((), MADE_BY | {"model": {"run.json": "bb"}}), (("--batch_size", "7"), MADE_BY), (("--excel_safe",), MADE_BY)],
)
def test_windows_of_another_model_or_with_other_options_are_predicted_anew(tmp_path, more, made_by):
    words = ("--input_file", written(tmp_path / "rows.csv", ROWS), "--output_file", tmp_path / "p.csv")
    predict(opened(*words), until=2)
    assert predict(opened(*words, *more), made_by) == [0, 1, 2]


def test_what_decides_the_bytes_is_kept_beside_the_parts(tmp_path):
    words = ("--input_file", written(tmp_path / "rows.csv", ROWS), "--output_file", tmp_path / "p.csv")
    predict(opened(*words), until=1)
    found = json.loads((tmp_path / "p.csv.parts" / "made_from.json").read_text())
    options = ["batch_size", "encoding", "table", "on_bad_rows", "excel_safe", "fast", "calibrated", "threshold"]
    assert list(found) == ["input", "columns", "read_as", "output", *options, *MADE_BY]
    assert found["columns"] == {"text": "text", "text_pair": None, "label": None}
    assert found["read_as"] == ["csv", ["id", "text"]]


def test_an_input_that_changes_while_the_model_is_loaded_is_refused(tmp_path):
    rows = written(tmp_path / "rows.csv", ROWS)
    predictions = opened("--input_file", rows, "--output_file", tmp_path / "p.csv")
    written(rows, [*ROWS, "11,late"])
    with pytest.raises(UserError, match="changed while it was being read; start again"):
        predict(predictions)
    assert not (tmp_path / "p.csv.parts").exists()


def test_rows_that_cannot_be_used_are_listed_beside_the_output(tmp_path, capsys):
    rows = written(tmp_path / "rows.csv", [*ROWS[:3], "2,", *ROWS[3:], "11,x,y"])
    with pytest.raises(UserError):
        opened("--input_file", rows, "--output_file", tmp_path / "p.csv")
    predict(opened("--input_file", rows, "--output_file", tmp_path / "p.csv", "--on_bad_rows", "skip"))
    assert len(pd.read_csv(tmp_path / "p.csv")) == 10
    assert pd.read_csv(tmp_path / "p.rejected_rows.csv")["line"].tolist() == [4, 13]
    assert "12 rows = 10 predicted + 2 rejected" in capsys.readouterr().err


def test_what_is_in_the_way_is_left_alone(tmp_path):
    rows = written(tmp_path / "rows.csv", ROWS)
    words = ("--input_file", rows, "--output_file")
    for output in (rows, tmp_path / "." / "rows.csv"):
        with pytest.raises(UserError, match="is the input file"):
            opened(*words, output, "--overwrite")
    (tmp_path / "p.csv").write_text("mine")
    with pytest.raises(UserError, match="already exists; --overwrite replaces it"):
        opened(*words, tmp_path / "p.csv")
    predict(opened(*words, tmp_path / "p.csv", "--overwrite"))
    assert len(pd.read_csv(tmp_path / "p.csv")) == 10
    listed = written(tmp_path / "q.rejected_rows.csv", ROWS)
    with pytest.raises(UserError, match="q.rejected_rows.csv is the input file"):
        opened("--input_file", listed, "--output_file", tmp_path / "q.csv")


def test_an_output_that_is_not_named_is_beside_the_model_in_the_format_of_the_input(tmp_path):
    written(tmp_path / "unlabelled.tsv", ["text", "good"])
    predict(opened("--data_dir", tmp_path, "--model_dir", tmp_path / "run" / "model"))
    assert (tmp_path / "run" / "predictions.tsv").read_text().splitlines()[0] == "text\tprediction\tprob_con\tprob_pro"


def test_some_rows_can_be_had_before_all_of_them_are_predicted(tmp_path):
    predictions = opened("--input_file", written(tmp_path / "rows.csv", ROWS), "--output_file", tmp_path / "p.csv")
    assert [row.values["id"] for row in predictions.sample(4)] == ["0", "4", "8"]
    assert predict(predictions) == [0, 1, 2]


# -- standard output --------------------------------------------------------------------------------------------------


def test_a_file_may_go_to_standard_output(tmp_path, capsysbinary):
    rows = written(tmp_path / "rows.csv", ROWS)
    assert predict(opened("--input_file", rows, "--output_file", "-")) == [0]
    out, said = capsysbinary.readouterr()
    found = pd.read_csv(io.BytesIO(out))
    assert list(found.columns) == ["id", "text", "prediction", "prob_con", "prob_pro"]
    assert found["id"].tolist() == list(range(10))
    assert b"10 rows = 10 predicted + 0 rejected" in said


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_a_pipe_is_answered_in_its_format_a_window_at_a_time(monkeypatch, capsysbinary, kind):
    rows = [{"text": "good" * (i % 3 + 1), "n": i} for i in range(600)]
    text = json.dumps(rows) if kind == "json" else "\n".join(map(json.dumps, rows))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(text.encode()))))
    assert predict(opened("--input_file", "-", "--input_format", kind)) == [0, 1, 2]
    text = capsysbinary.readouterr().out.decode()
    found = json.loads(text) if kind == "json" else list(map(json.loads, text.splitlines()))
    assert [{"text": row["text"], "n": row["n"]} for row in found] == rows


def test_bad_rows_of_a_pipe_are_named_or_end_it(monkeypatch, capsysbinary):
    for words in ((), ("--on_bad_rows", "skip")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"good\nb\0d\nbad\n"))))
        predictions = opened("--input_file", "-", *words)
        if words:
            predict(predictions)
        else:
            with pytest.raises(UserError, match="line 2: text contains a NUL"):
                predict(predictions)
    out, said = capsysbinary.readouterr()
    assert [line.split(b"\t")[0] for line in out.splitlines()] == [b"good", b"bad"]
    assert b"left out: standard input, line 2: text contains a NUL character" in said
    assert b"standard input: 3 rows = 2 predicted + 1 rejected" in said


def test_a_pipe_cannot_be_compared_in_int8_unless_it_is_kept(tmp_path, monkeypatch):
    int8 = ("--input_file", "-", "--precision", "int8")
    with pytest.raises(UserError, match="for a pipe give an --output_file, or skip the check with --min_agreement 0"):
        opened(*int8)
    for words in ((*int8, "--min_agreement", "0"), (*int8, "--output_file", tmp_path / "p.txt")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"good\nbad\n"))))
        predict(opened(*words))


# -- one text ---------------------------------------------------------------------------------------------------------


def test_one_text_is_printed_as_json(capsysbinary):
    assert predict(opened("--text", "好 food")) == [0]
    out = capsysbinary.readouterr().out
    assert json.loads(out) == {"text": "好 food", "prediction": "pro", "prob_con": 0.1, "prob_pro": 0.9}
    assert "好".encode() in out


def test_a_pair_is_printed_with_both_texts(capsysbinary):
    predict(opened("--text", "a", "--text_pair", "b", columns=Columns(text_pair="title", label=None)))
    assert list(json.loads(capsysbinary.readouterr().out))[:3] == ["text", "text_pair", "prediction"]


@pytest.mark.parametrize(
    ("words", "pairs", "message"),
    [
        (["--text", "a", "--input_file", "b"], False, "--text prints its prediction and cannot be combined"),
        (["--text", "a", "--output_file", "b"], False, "--text prints its prediction and cannot be combined"),
        (["--text", "a", "--text_pair", "b"], False, "trained on single texts: leave out --text_pair"),
        (["--text", "a"], True, "trained on pairs: give --text_pair"),
        (["--text", " "], False, "--text is empty"),
        (["--text", "a", "--text_pair", ""], True, "--text_pair is empty"),
        (["--text", "a", "--precision", "int8"], False, "--min_agreement 0 skips the check"),
        (["--text_pair", "b"], True, "--text_pair needs --text"),
    ],
)
def test_what_makes_no_sense_with_one_text_is_refused(words, pairs, message):
    with pytest.raises(UserError) as caught:
        opened(*words, columns=Columns(text_pair="text_pair" if pairs else None, label=None))
    assert message in str(caught.value)


# -- the rows that are left out ---------------------------------------------------------------------------------------


def test_the_list_of_the_default_output_is_called_after_it(tmp_path):
    assert rejected_path(tmp_path / "predictions.csv") == tmp_path / "predictions.rejected_rows.csv"


def test_no_two_outputs_share_a_list_of_what_they_left_out(tmp_path):
    stems = ["preds", "preds.jan", "preds.feb", "preds.jan.feb", ".preds", "preds.csv", "preds.jsonl", "preds.csv.gz"]
    endings = [".csv", ".tsv", ".json", ".jsonl", ".txt", ".parquet", ".csv.gz", ".jsonl.gz", ".CSV"]
    outputs = {tmp_path / f"{stem}{ending}" for stem in stems for ending in endings}
    lists = {rejected_path(output) for output in outputs}
    assert len(lists) == len(outputs)
    assert not lists & outputs


def test_an_output_that_is_called_like_a_list_is_refused(tmp_path):
    with pytest.raises(UserError, match="are reserved for lists of rejected rows"):
        rejected_path(tmp_path / "preds.rejected_rows.csv")
