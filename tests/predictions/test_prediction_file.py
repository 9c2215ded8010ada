"""What is written for which rows; a row's prediction is made up from the length of its text."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.base.errors import UserError
from toolkit.cli.options import inference_options
from toolkit.files.columns import Columns
from toolkit.predictions.added_columns import PredictedRows
from toolkit.predictions.outputs import open_predictions
from toolkit.predictions.prediction_file import Predictions, rejected_path

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
        predictions.write(window, PredictedRows(np.column_stack([1 - of_pro, of_pro]), (of_pro > 0.5).astype(int)))
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
        opened("--input_file", rows, "--output_file", tmp_path / "p.csv", "--on_bad_rows", "stop")
    predict(opened("--input_file", rows, "--output_file", tmp_path / "p.csv", "--on_bad_rows", "skip"))
    assert len(pd.read_csv(tmp_path / "p.csv")) == 10
    assert pd.read_csv(tmp_path / "p.rejected_rows.csv")["line"].tolist() == [4, 13]
    assert "12 rows = 10 predicted + 2 rejected" in capsys.readouterr().err


BAD_ROWS = {  # a file, and the texts of its rows, None for those that cannot be used
    "empty.csv": (b'id,text\n1,good\n2,\n3,bad good\n', ["good", None, "bad good"]),
    "ragged.csv": (b'id,text\n1,good\n2,x,y\n3\n4,"a\nb"\n5,"c\n', ["good", None, None, "a\nb", None]),
    "bytes.csv": ("id,text\n1,很好吃\n2,".encode() + b"\xff\n3,food\n", ["很好吃", None, "food"]),
    "nul.tsv": (b"id\ttext\n1\tgood\n2\tb\0d\n3\tfood\n", ["good", None, "food"]),
    "joined.csv": (b"id,text\n1,good\nid,text\n2,food\n", ["good", None, "food"]),
    "all_in_a_window.tsv": (b"id\ttext\n" + b"1\t \n" * 6 + b"7\tgood\n", [None] * 6 + ["good"]),
    "rows.jsonl": (b'{"text": "a"}\n{"text": null, "n": 1}\n{"n": 2}\n[1]\n{"text"\n{"text": "b"}\n',
                   ["a", None, None, None, None, "b"]),
    "rows.json": (b'[{"text": "a", "n": 1}, {"text": ""}, 7, {"text": "b"}]', ["a", None, None, "b"]),
    "rows.txt": (b"good\nb\0d\nfood\n", ["good", None, "food"]),
}  # fmt: skip


def cells(path: Path) -> list[dict]:
    """Return the rows of a file that infer.py wrote, with None for an empty cell."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path).astype(object).where(lambda frame: frame.notna(), None).to_dict("records")
    if path.suffix in (".csv", ".tsv", ".txt"):
        names = ["text", "prediction", "prob_con", "prob_pro"] if path.suffix == ".txt" else None
        separator = "," if path.suffix == ".csv" else "\t"
        frame = pd.read_csv(path, sep=separator, names=names, dtype=str, keep_default_na=False)
        return [{name: cell or None for name, cell in row.items()} for row in frame.to_dict("records")]
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", BAD_ROWS)
@pytest.mark.parametrize("output", ["as the input", "p.jsonl", "p.parquet", "p.csv"])
def test_a_row_that_cannot_be_used_is_given_back_without_a_prediction(tmp_path, capsys, name, output):
    content, texts = BAD_ROWS[name]
    path = tmp_path / name
    path.write_bytes(content)
    written_to = tmp_path / (f"p{path.suffix}" if output == "as the input" else output)
    if written_to.suffix == ".parquet":
        pytest.importorskip("pyarrow")
    predict(opened("--input_file", path, "--output_file", written_to))
    found = cells(written_to)
    assert [row["prediction"] is not None for row in found] == [text is not None for text in texts]
    assert [row["text"] for row in found if row["prediction"] is not None] == [text for text in texts if text]
    for row in found:
        shares = [row["prob_con"], row["prob_pro"]]
        assert shares == [None, None] if row["prediction"] is None else sum(map(float, shares)) == pytest.approx(1)
    bad = texts.count(None)
    rows = f"{len(texts)} rows = {len(texts) - bad} predicted + {bad} without a prediction"
    said = capsys.readouterr().err
    assert f"{path}: {rows}\n" in said.replace("tab-separated, ", "")
    listed = pd.read_csv(rejected_path(written_to))
    assert len(listed) == bad
    assert f"{rejected_path(written_to)} says why " in said


def test_what_can_be_told_of_a_bad_row_stands_in_its_columns(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"id,text,note\n1,good,x\n2,,y\n3,a,b,c\n4\n5,a,b\0\n")
    predict(opened("--input_file", path, "--output_file", tmp_path / "p.csv"))
    rows = [[row[name] for name in ("id", "text", "note")] for row in cells(tmp_path / "p.csv")]
    assert rows[:4] == [["1", "good", "x"], ["2", None, "y"], ["3", "a", "b"], ["4", None, None]]


@pytest.mark.parametrize("name", ["p.csv", "p.json", "p.parquet"])
def test_a_run_with_bad_rows_that_ended_early_ends_in_the_same_bytes(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    lines = [ROWS[0], *(line if i % 3 else f"{i}," for i, line in enumerate(ROWS[1:])), *["x,"] * 9, "11,late"]
    rows = written(tmp_path / "rows.csv", lines)
    assert predict(opened("--input_file", rows, "--output_file", tmp_path / "whole" / name)) == [0, 1, 2, 3, 4]
    words = ("--input_file", rows, "--output_file", tmp_path / "cut" / name)
    predict(opened(*words), until=3)
    assert predict(opened(*words)) == [3, 4]
    assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(cells(tmp_path / "cut" / name)) == len(lines) - 1


def test_a_pair_without_its_second_text_is_given_back_too(tmp_path, capsys):
    rows = written(tmp_path / "rows.csv", ["text,other", "a,b", "c,", ",d", "e,f"])
    predict(opened("--input_file", rows, "--output_file", tmp_path / "p.csv", columns=Columns("text", "other", None)))
    assert [row["prediction"] is None for row in cells(tmp_path / "p.csv")] == [False, True, True, False]
    assert pd.read_csv(tmp_path / "p.rejected_rows.csv")["reason"].tolist() == ["other is empty", "text is empty"]


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_a_row_of_a_pipe_that_cannot_be_used_is_answered_and_named(monkeypatch, capsysbinary, kind):
    texts = ["good", "", "bad"] * 200
    rows = [{"n": i, "text": text} for i, text in enumerate(texts)]
    content = {
        "json": json.dumps(rows),
        "jsonl": "\n".join(map(json.dumps, rows)),
        "csv": "n,text\n" + "".join(f"{row['n']},{row['text']}\n" for row in rows),
    }[kind]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content.encode()))))
    predict(opened("--input_file", "-", "--input_format", kind))
    out, said = capsysbinary.readouterr()
    if kind == "csv":
        found = pd.read_csv(io.BytesIO(out), keep_default_na=False).to_dict("records")
    else:
        found = json.loads(out) if kind == "json" else [json.loads(line) for line in out.splitlines()]
    assert [row["n"] for row in found] == list(range(600))
    assert [bool(row["prediction"]) for row in found] == [bool(text) for text in texts]
    assert said.count(b"no prediction: standard input, line ") == 200
    assert b"600 rows = 400 predicted + 200 without a prediction" in said


def test_a_file_of_which_no_row_can_be_used_is_refused_all_the_same(tmp_path):
    rows = written(tmp_path / "rows.csv", ["id,text", "1,", "2,"])
    with pytest.raises(UserError) as caught:
        opened("--input_file", rows, "--output_file", tmp_path / "p.csv")
    assert caught.value.lines()[-1] == f"{rows}: 2 of 2 rows cannot be used"


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
    for words in (("--on_bad_rows", "stop"), ("--on_bad_rows", "skip")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"good\nb\0d\nbad\n"))))
        predictions = opened("--input_file", "-", *words)
        if "skip" in words:
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


# -- an input with predictions of its own -----------------------------------------------------------------------------

OLD = {"prediction": "pro", "prob_con": 0.25, "prob_pro": 0.75}


def own_output(path: Path) -> Path:
    """Write rows as infer.py does, with predictions of another model."""
    rows = [{"id": i, "text": "good " * (i % 3 + 1), **OLD} for i in range(10)]
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        pd.DataFrame(rows).to_parquet(path, index=False)
    elif path.suffix == ".xlsx":
        pytest.importorskip("openpyxl")
        pd.DataFrame(rows).to_excel(path, index=False)
    else:
        pd.DataFrame(rows).to_csv(path, index=False)
    return path


def read_any(path: Path) -> pd.DataFrame:
    readers = {".csv": pd.read_csv, ".json": pd.read_json, ".parquet": pd.read_parquet, ".xlsx": pd.read_excel}
    return readers[path.suffix](path)


@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet", ".xlsx"])
def test_own_output_as_input_is_refused_with_both_ways_forward(tmp_path, ending):
    rows = own_output(tmp_path / f"rows{ending}")
    with pytest.raises(UserError) as caught:
        opened("--input_file", rows, "--output_file", tmp_path / f"p{ending}")
    assert caught.value.lines() == [
        f"{rows}: already has the columns 'prediction', 'prob_con', 'prob_pro'; "
        "--overwrite replaces them, --prediction_prefix new_ keeps both"
    ]
    assert [path.name for path in tmp_path.iterdir()] == [rows.name]


@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet", ".xlsx"])
def test_own_output_is_replaced_with_overwrite(tmp_path, capsys, ending):
    rows = own_output(tmp_path / f"rows{ending}")
    output = tmp_path / f"p{ending}"
    predict(opened("--input_file", rows, "--output_file", output, "--overwrite"))
    found = read_any(output)
    assert list(found.columns) == ["id", "text", "prediction", "prob_con", "prob_pro"]
    of_pro = [0.1 if len(text) % 2 else 0.9 for text in read_any(rows)["text"]]
    assert found["prob_pro"].tolist() == pytest.approx(of_pro)
    assert found["prediction"].tolist() == [LABELS[probability > 0.5] for probability in of_pro]
    assert "the columns 'prediction', 'prob_con', 'prob_pro' are replaced (--overwrite)" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet", ".xlsx"])
def test_own_output_is_kept_beside_the_new_one_with_a_prefix(tmp_path, ending):
    rows = own_output(tmp_path / f"rows{ending}")
    output = tmp_path / f"p{ending}"
    predict(opened("--input_file", rows, "--output_file", output, "--prediction_prefix", "new_"))
    found = read_any(output)
    pd.testing.assert_frame_equal(found[list(read_any(rows).columns)], read_any(rows))
    assert list(found.columns)[5:] == ["new_prediction", "new_prob_con", "new_prob_pro"]
    assert found["new_prob_pro"].tolist() == pytest.approx([0.1 if len(text) % 2 else 0.9 for text in found["text"]])
    with pytest.raises(UserError, match="'new_prediction', .*--prediction_prefix new_new_ keeps both"):
        opened("--input_file", output, "--output_file", tmp_path / f"q{ending}", "--prediction_prefix", "new_")


@pytest.mark.parametrize("ending", ["parquet", "csv", "xlsx", "json"])
def test_columns_of_one_name_of_a_parquet_file_are_all_given_back(tmp_path, ending):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    arrays = [pa.array([1, 2]), pa.array(["a", "b"]), pa.array(["p", "q"])]
    source = tmp_path / "rows.parquet"
    parquet.write_table(pa.Table.from_arrays(arrays, names=["id", "text", "id"]), source)
    output = tmp_path / f"out.{ending}"
    predict(opened("--input_file", source, "--output_file", output))
    if ending == "csv":  # in cells names may be the same, and stay
        with output.open(encoding="utf-8", newline="") as stream:
            assert list(csv.reader(stream))[0][:4] == ["id", "text", "id", "prediction"]
    frame = read_any(output)
    assert frame.columns.tolist()[:4] == ["id", "text", "id.1", "prediction"]  # pandas calls them so, too
    assert frame["id"].tolist() == [1, 2]
    assert frame["id.1"].tolist() == ["p", "q"]


def test_probabilities_of_a_model_with_other_labels_are_replaced_too(tmp_path):
    lines = ["prob_id,text,prediction,prob_a,prob_b,note", "1,good,a,0.5,0.5,x"]
    rows = written(tmp_path / "rows.csv", lines)
    predict(opened("--input_file", rows, "--output_file", tmp_path / "p.csv", "--overwrite"))
    found = pd.read_csv(tmp_path / "p.csv")
    assert list(found.columns) == ["prob_id", "text", "note", "prediction", "prob_con", "prob_pro"]


def test_a_column_that_only_begins_alike_is_kept(tmp_path):
    rows = written(tmp_path / "rows.csv", ["text,prediction,topic,prob_con", "good,pro,food,0.5"])
    predict(opened("--input_file", rows, "--output_file", tmp_path / "p.csv", "--overwrite"))
    found = pd.read_csv(tmp_path / "p.csv")
    assert list(found.columns) == ["text", "topic", "prediction", "prob_con", "prob_pro"]
    assert found["topic"].tolist() == ["food"]


def test_a_text_is_never_replaced(tmp_path):
    rows = written(tmp_path / "rows.csv", ["id,prediction", "1,good"])
    with pytest.raises(UserError, match="would replace the column 'prediction'; --prediction_prefix new_ keeps both"):
        opened(
            "--input_file", rows, "--output_file", tmp_path / "p.csv", "--overwrite",
            columns=Columns("prediction", label=None),
        )  # fmt: skip


def test_own_output_through_a_pipe_and_to_standard_output(tmp_path, monkeypatch, capsysbinary):
    rows = own_output(tmp_path / "rows.csv")
    for words in (("--overwrite",), ("--prediction_prefix", "new_")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(rows.read_bytes()))))
        predict(opened("--input_file", "-", "--input_format", "csv", *words))
        through_pipe = capsysbinary.readouterr().out
        predict(opened("--input_file", rows, "--output_file", "-", *words))
        assert capsysbinary.readouterr().out == through_pipe
        added = [f"{'' if words[1:] == () else 'new_'}{name}" for name in OLD]
        assert list(pd.read_csv(io.BytesIO(through_pipe)).columns)[-3:] == added


def test_a_row_without_a_prediction_loses_its_old_one_too(tmp_path):
    rows = written(
        tmp_path / "rows.csv", ["id,text,prediction,prob_con,prob_pro", "1,good,pro,0.1,0.9", "2,,pro,0.1,0.9"]
    )
    predict(opened("--input_file", rows, "--output_file", tmp_path / "p.csv", "--overwrite"))
    found = pd.read_csv(tmp_path / "p.csv")
    assert found["id"].tolist() == [1, 2]
    assert found.loc[1, ["prediction", "prob_con", "prob_pro"]].isna().all()


@pytest.mark.parametrize("name", ["rows.xlsx", "rows?.csv", "texts"])
def test_a_run_over_other_kinds_of_input_that_ended_early_is_gone_on_with(tmp_path, capsys, name):
    frame = pd.DataFrame({"text": ["good " * (i % 3 + 1) for i in range(10)]})
    if name == "rows.xlsx":
        pytest.importorskip("openpyxl")
        frame.to_excel(tmp_path / name, index=False)
    elif name == "texts":
        (tmp_path / name).mkdir()
        for i, text in enumerate(frame["text"]):
            (tmp_path / name / f"{i}.txt").write_text(text)
    else:
        for i in range(2):
            frame[i * 5 : i * 5 + 5].to_csv(tmp_path / f"rows{i}.csv", index=False)
    output = tmp_path / f"out{'.xlsx' if name == 'rows.xlsx' else '.csv'}"
    words = ("--input_file", tmp_path / name, "--output_file", output)
    assert predict(opened(*words), until=2) == [0, 1]
    capsys.readouterr()
    assert predict(opened(*words)) == [2]
    assert "10 rows = 10 predicted (8 of them by an earlier run) + 0 rejected" in capsys.readouterr().err
    found = read_any(output)
    assert [text.strip() for text in found["text"]] == [text.strip() for text in frame["text"]]
    assert found["prob_pro"].tolist() == pytest.approx([0.1 if len(text) % 2 else 0.9 for text in found["text"]])


def test_an_output_among_the_files_that_are_read_is_refused(tmp_path):
    for i in range(2):
        written(tmp_path / f"rows{i}.csv", ROWS)
    with pytest.raises(UserError, match="rows1.csv is the input file"):
        opened("--input_file", tmp_path / "rows?.csv", "--output_file", tmp_path / "rows1.csv", "--overwrite")
