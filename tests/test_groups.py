"""A run on rows that belong together, as a user starts, resumes and scores it, in one process and in several."""

import json
import re
from pathlib import Path

import pandas as pd

from tests.conftest import TOO_LONG, processes, script

SMALL = ("--learning_rate", "3e-3", "--batch_size", "8", "--seed", "1", "--device", "cpu", "--precision", "fp32",
         "--pooling", "own", "--head_start", "random", "--group_column", "user")  # fmt: skip


def written(reviews: Path, folder: Path) -> pd.DataFrame:
    """Write the rows of the reviews with users, who have rows in the testset too; return the training rows."""
    for name in ("trainset", "testset"):
        rows = pd.read_csv(reviews / f"{name}.csv")
        rows["user"] = [f"u{number * 7 % 12}" if number % 5 else "" for number in range(len(rows))]
        rows.to_csv(folder / f"{name}.csv", index=False)
    return pd.read_csv(folder / "trainset.csv", keep_default_na=False)


def run_json(output: Path) -> dict:
    return json.loads((output / "bert_classifier" / "run.json").read_text())


def test_groups_are_held_out_whole_by_one_process_and_by_several_resumed_and_looked_at_again(
    reviews, english_bert, tmp_path
):
    rows = written(reviews, tmp_path)
    run = ("--data_dir", tmp_path, "--model", english_bert, *SMALL)
    done = script("main.py", *run, "--output_dir", tmp_path / "one", "--epochs", "1")
    users = set(rows["user"]) - {""}
    assert f" of {len(users)} groups among them, each of them whole (--group_column 'user')" in done.stdout
    assert re.search(r"\d+ of 20 rows of testset.csv are of groups that trainset.csv has too \(user; ", done.stdout)
    one = run_json(tmp_path / "one")
    assert one["columns"]["group"] == one["options"]["group_column"] == "user"
    with processes(2, "main.py", *run, "--output_dir", tmp_path / "two", "--epochs", "1") as running:
        said = [process.communicate(timeout=TOO_LONG) for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert run_json(tmp_path / "two")["data"] == one["data"]
    script("main.py", "--resume", "--output_dir", tmp_path / "one", "--epochs", "2")
    assert run_json(tmp_path / "one")["data"] == one["data"]
    refused = script("main.py", "--resume", "--output_dir", tmp_path / "one", "--group_column", "label", status=2)
    assert "--group_column label: the run to resume has user" in refused.stderr
    model = ("--model_dir", tmp_path / "one" / "bert_classifier", "--device", "cpu")
    script("test_code.py", *model, "--data_dir", tmp_path)
    scores = json.loads((tmp_path / "one" / "test" / "metrics.json").read_text())
    assert scores["baselines"]["tfidf"]  # by the rows that were not held out
    assert "group_leak" in [finding["kind"] for finding in scores["findings"]]
    assert "groups_leaked" in [piece["kind"] for piece in scores["advice"]]
    script("infer.py", *model, "--input_file", reviews / "unlabelled.csv", "--output_file", tmp_path / "answers.csv")


def test_a_txt_file_has_no_column_of_groups(english_bert, tmp_path):
    (tmp_path / "trainset.txt").write_text("good food\tpro\nbad food\tcon\n" * 5)
    run = ("--data_dir", tmp_path, "--model", english_bert, "--output_dir", tmp_path / "out", *SMALL)
    refused = script("main.py", *run, status=2)
    file = tmp_path / "trainset.txt"
    assert refused.stderr.splitlines() == [
        f"error: {file}: no column 'user', only 'text', 'label'; a txt file is text<TAB>label"
    ]
    assert not (tmp_path / "out").exists()
