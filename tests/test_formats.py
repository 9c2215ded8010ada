"""Files as they come, found in data/ by their stem, through all three scripts: trained on, scored and predicted."""

import csv
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import infer
import main
import test_code
from toolkit.cli.exits import run_script

WORDS = ["the food was good", "the bed was bad", "the staff was very good", "the room was very bad"]
ROWS = [(f"{WORDS[i % 4]} {'and good' * (i % 3)}".strip(), "con" if i % 2 else "pro") for i in range(24)]
FRAME = pd.DataFrame(ROWS, columns=["text", "label"])


def xlsx(path: Path) -> None:
    pytest.importorskip("openpyxl")
    FRAME.to_excel(path.with_name(f"{path.name}.xlsx"), index=False)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path.with_name(f"{path.name}.csv.zip"), "w") as archive:
        archive.writestr("reviews.csv", FRAME.to_csv(index=False))


def split(path: Path) -> None:
    FRAME.to_json(path.with_name(f"{path.name}.json"), orient="split")


def fasttext(path: Path) -> None:
    path.with_name(f"{path.name}.txt").write_text("".join(f"__label__{label} {text}\n" for text, label in ROWS))


def label_first(path: Path) -> None:
    path.with_name(f"{path.name}.txt").write_text("".join(f"{label}\t{text}\n" for text, label in ROWS))


def doccano(path: Path) -> None:
    rows = [{"id": i, "text": text, "label": [label]} for i, (text, label) in enumerate(ROWS)]
    path.with_name(f"{path.name}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))


def label_studio(path: Path) -> None:
    tasks = []
    for text, label in ROWS:
        result = {"from_name": "sentiment", "type": "choices", "value": {"choices": [label]}}
        tasks.append({"id": len(tasks), "data": {"text": text}, "annotations": [{"result": [result]}]})
    path.with_name(f"{path.name}.json").write_text(json.dumps(tasks))


def folder(path: Path) -> None:
    for i, (text, label) in enumerate(ROWS):
        (path / label).mkdir(parents=True, exist_ok=True)
        (path / label / f"{i:02}.txt").write_text(text)


def dataset(path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    path.mkdir()
    features = {
        "label": {"names": ["con", "pro"], "_type": "ClassLabel"},
        "text": {"dtype": "string", "_type": "Value"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for i in range(2):
        part = FRAME[i * 12 : i * 12 + 12]
        table = pa.table({"text": part["text"].tolist(), "label": [int(label == "pro") for label in part["label"]]})
        table = table.replace_schema_metadata(metadata)
        with pa.ipc.new_stream(path / f"data-{i:05}-of-00002.arrow", table.schema) as writer:
            writer.write_table(table)
    (path / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": f"data-{i:05}-of-00002.arrow"} for i in range(2)]})
    )
    (path / "dataset_info.json").write_text("{}")


# what writes rows under a stem, what is said of them, the name of the predictions, and their columns
KINDS: dict[str, tuple[Callable[[Path], None], str, str, list[str]]] = {
    "a workbook": (xlsx, "", "predictions.xlsx", ["text", "label"]),
    "a zip": (zipped, "", "predictions.csv", ["text", "label"]),
    "json of pandas": (split, "json of pandas (split), ", "predictions.json", ["text", "label"]),
    "fastText": (fasttext, "fastText, ", "predictions.csv", ["label", "text"]),
    "label and text": (label_first, "label<TAB>text, ", "predictions.txt", []),
    "doccano": (
        doccano, "label from lists of one, as doccano writes them, ", "predictions.ndjson", ["id", "text", "label"]
    ),
    "Label Studio": (label_studio, "Label Studio, ", "predictions.csv", ["id", "text", "label"]),
    "one folder a label": (folder, "one folder a label, ", "predictions.csv", ["file", "text", "label"]),
    "a saved dataset": (
        dataset, "a dataset that save_to_disk wrote, label: names of its classes, ", "predictions.parquet",
        ["text", "label"],
    ),
}  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    return tmp_path


def run(capsys, module, *options) -> tuple[int, str]:
    """Run a script within this process and return its exit status and all that it says."""
    sys.argv = [module.__name__ + ".py", *map(str, options), "--device", "cpu"]
    status = run_script(lambda: module.main(module.read_options()))
    said = capsys.readouterr()
    return status, said.out + said.err


def read_any(path: Path) -> pd.DataFrame:
    if path.suffix == ".txt":
        lines = [line.split("\t") for line in path.read_text().splitlines()]
        return pd.DataFrame(lines, columns=["label", "text", "prediction", "prob_con", "prob_pro"])
    if path.suffix == ".ndjson":
        return pd.read_json(path, lines=True)
    readers = {".csv": pd.read_csv, ".json": pd.read_json, ".parquet": pd.read_parquet, ".xlsx": pd.read_excel}
    return readers[path.suffix](path)


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_every_kind_are_found_in_data_and_go_through_all_three_scripts(here, capsys, english_bert, kind):
    write, said, name, columns = KINDS[kind]
    (here / "data").mkdir()
    for stem in ("trainset", "validset", "testset", "unlabelled"):
        write(here / "data" / stem)
    status, log = run(capsys, main, "--model", english_bert, "--epochs", 1, "--max_unknown", 1)
    assert status == 0, log
    assert f": {said}24 rows = 24 used + 0 rejected" in log
    facts = json.loads((here / "output/bert_classifier/run.json").read_text())
    assert facts["labels"] == ["con", "pro"]
    status, log = run(capsys, test_code)
    assert status == 0, log
    with (here / "output/test/predictions.csv").open(encoding="utf-8", newline="") as stream:
        scored = list(csv.DictReader(stream))
    assert sorted(row["text"] for row in scored) == sorted(text for text, _ in ROWS)
    status, log = run(capsys, infer)
    assert status == 0, log
    found = read_any(here / "output" / name)
    if columns:
        assert list(found.columns) == [*columns, "prediction", "prob_con", "prob_pro"]
    assert sorted(zip(found["text"], found["label"], strict=True)) == sorted(ROWS)
    assert set(found["prediction"]) <= {"con", "pro"}
    assert (found["prob_con"].astype(float) + found["prob_pro"].astype(float)).tolist() == pytest.approx([1] * 24)


def test_several_files_and_a_folder_are_named_on_the_command_line(here, capsys, english_bert):
    for i in range(3):
        FRAME[i * 8 : i * 8 + 8].to_csv(f"part-{i}.csv", index=False)
    folder(here / "reviews")
    given = ("--train_file", "part-*.csv", "--valid_file", "reviews", "--test_file", "part-?.csv")
    status, log = run(capsys, main, *given, "--model", english_bert, "--epochs", 1, "--max_unknown", 1)
    assert status == 0, log
    assert "part-*.csv: 3 files, 24 rows = 24 used + 0 rejected" in log
    status, log = run(capsys, test_code, "--test_file", "reviews")
    assert status == 0, log
    with Path("output/test/predictions.csv").open(encoding="utf-8", newline="") as stream:
        assert {row["line"] for row in csv.DictReader(stream)} == {
            f"{label}/{i:02}.txt" for i, (_, label) in enumerate(ROWS)
        }
    page = Path("output/test/report.html").read_text(encoding="utf-8")
    assert "file con/" in page or "file pro/" in page
    status, log = run(capsys, infer, "--input_file", "part-*.csv")
    assert status == 0, log
    assert pd.read_csv("output/predictions.csv")["text"].tolist() == FRAME["text"].tolist()
    status, log = run(capsys, main, *given, "--check_data", "--model", english_bert, "--max_unknown", 1)
    assert status == 0, log
    assert "part-0.csv:2" in log


def test_bad_rows_of_such_files_are_named_and_listed_by_their_own_place(here, capsys, english_bert):
    folder(here / "reviews")
    (here / "reviews/con/99.txt").write_text(" ")
    given = ("--train_file", "reviews", "--model", english_bert, "--epochs", 1, "--max_unknown", 1)
    status, log = run(capsys, main, *given)
    assert (status, log.splitlines()[-1]) == (2, "error: reviews, file con/99.txt: text is empty")
    status, log = run(capsys, main, *given, "--on_bad_rows", "skip")
    assert status == 0, log
    listed = Path("output/rejected_rows.csv").read_text(encoding="utf-8").splitlines()
    assert listed[1].startswith("reviews,con/99.txt,text is empty,")
    status, log = run(capsys, infer, "--input_file", "reviews")
    assert status == 0, log
    found = pd.read_csv("output/predictions.csv")
    assert len(found) == 25
    assert found.set_index("file")["prediction"].isna().sum() == 1
