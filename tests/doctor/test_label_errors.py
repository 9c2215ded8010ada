"""Rows whose labels are likely wrong: the folds, confident learning, and the whole search as a user runs it."""

import csv
import hashlib
import json
import random
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import TOO_LONG, processes, script, started, wait_for
from tests.doctor.toy_tables import clean, unlike
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.compute.processes import ALONE
from toolkit.data.tables import Table
from toolkit.doctor.comparison import compare_texts
from toolkit.doctor.label_errors import (
    Search,
    assign_folds,
    begin_search,
    judge_label_sets,
    label_quality,
    likely_errors,
    list_folds,
    prepare_error_list,
)
from toolkit.doctor.together import kept_together
from toolkit.files.columns import Columns
from toolkit.tokens.dataset import TokenDataset, concatenate

FAST = ("--learning_rate", "3e-3", "--batch_size", "8", "--dropout", "0", "--device", "cpu", "--precision", "fp32",
        "--pooling", "own", "--head_start", "random")  # fmt: skip
ADDED = ["suggested_label", "prob_con", "prob_pro", "label_quality", "file", "line"]
OTHER = {"pro": "con", "con": "pro"}


@pytest.fixture
def cleanlab():
    """The package; where it is not installed, what needs it is not tested."""
    return pytest.importorskip("cleanlab")


# -- folds ------------------------------------------------------------------------------------------------------------


def test_every_label_is_spread_evenly_over_the_folds():
    label_ids = np.repeat([0, 1, 2], [60, 25, 15])
    folds = assign_folds(label_ids, [f"text {i}" for i in range(100)], 5, seed=3)
    counts = np.array([[np.sum((folds == fold) & (label_ids == label)) for label in range(3)] for fold in range(5)])
    assert counts.tolist() == [[12, 5, 3]] * 5


def test_the_folds_are_a_pure_function_of_the_seed():
    label_ids, texts = np.arange(60) % 2, [f"text {i}" for i in range(60)]
    first, again, other = (assign_folds(label_ids, texts, 4, seed).tolist() for seed in (1, 1, 2**63 - 1))
    assert first == again != other


def test_equal_texts_are_in_one_fold_whatever_their_labels():
    draw = np.random.default_rng(0)
    texts, label_ids = [f"text {i}" for i in draw.integers(0, 60, 200)], draw.integers(0, 3, 200)
    folds = assign_folds(label_ids, texts, 5, seed=0)
    of_text = {}
    for text, fold in zip(texts, folds, strict=True):
        of_text.setdefault(text, set()).add(fold)
    assert set(map(len, of_text.values())) == {1}
    assert set(folds) == set(range(5))


def test_a_label_may_have_fewer_rows_than_there_are_folds():
    label_ids = np.array([0] * 20 + [1] * 3 + [2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds = assign_folds(label_ids, [str(i) for i in range(24)], 5, seed=0)
    assert len(set(folds[20:23])) == 3


@pytest.mark.parametrize(("texts", "most"), [("abcdef", 3), ("aabbaabb", 2)])
def test_too_few_rows_for_the_folds_are_an_error_that_says_how_many_would_do(texts, most):
    with pytest.raises(UserError, match=f"--folds 4: .* use --folds {most}"):
        assign_folds(np.arange(len(texts)) % 2, list(texts), 4, seed=0)


# -- confident learning -----------------------------------------------------------------------------------------------


def noisy(rows: int, labels: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return given label numbers, probabilities that tell the true ones well, and which of the given are wrong."""
    draw = np.random.default_rng(seed)
    true = draw.integers(0, labels, rows)
    scores = draw.normal(size=(rows, labels)) + 3 * np.eye(labels)[true]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    wrong = draw.random(rows) < 0.1
    return np.where(wrong, (true + draw.integers(1, labels, rows)) % labels, true), probabilities, wrong


def confident_errors(label_ids: np.ndarray, probabilities: np.ndarray) -> set[int]:
    """Find the errors as the paper has it (section 3: what lies off the confident joint's diagonal), the slow way."""
    rows, labels = probabilities.shape
    least = [np.mean([probabilities[i, j] for i in range(rows) if label_ids[i] == j]) for j in range(labels)]
    found = set()
    for number, (given, row) in enumerate(zip(label_ids, probabilities, strict=True)):
        sure = [j for j in range(labels) if row[j] >= least[j]]
        if sure and max(sure, key=lambda j: row[j]) != given and row.argmax() != given:
            found.add(number)
    return found


@pytest.mark.parametrize("labels", [2, 3])
def test_the_likely_errors_are_those_of_the_paper_s_definition(cleanlab, labels):
    label_ids, probabilities, wrong = noisy(400, labels, seed=labels)
    found = likely_errors(label_ids, probabilities)
    assert len(set(found)) == len(found)
    assert set(found) == confident_errors(label_ids, probabilities)
    assert wrong[found].mean() > 0.8
    assert wrong[found].sum() > 0.6 * wrong.sum()


def test_of_several_labels_a_row_each_is_judged_by_itself(cleanlab):
    draw = np.random.default_rng(3)
    true = draw.random((300, 4)) < [0.4, 0.3, 0.5, 0.2]
    logits = np.where(true, 2.0, -2.0) + draw.normal(size=true.shape)
    given = true ^ (draw.random(true.shape) < 0.05)
    given[:, 3] = False
    given[7, 3] = True  # in the first fold alone, so the other's model cannot judge it
    halves = [np.arange(300) < 150, np.arange(300) >= 150]
    folds = list_folds(halves[1].astype(int))
    found = judge_label_sets(folds, given, logits)
    probabilities = 1 / (1 + np.exp(-logits))
    expected = {
        (row, label)
        for label in range(3)
        for row in confident_errors(
            given[:, label].astype(int), np.stack([1 - probabilities[:, label], probabilities[:, label]], axis=1)
        )
    }
    changed = {(row, label) for row, label in np.argwhere(found.suggested != given).tolist() if label < 3}
    assert changed == expected
    planted = {(row, label) for row, label in np.argwhere(true != given).tolist() if label < 3}
    assert len(changed & planted) > 0.8 * len(planted)
    assert found.errors == sorted(found.errors, key=lambda row: found.quality[row])
    assert set(found.errors) == {row for row, _ in np.argwhere(found.suggested != given).tolist()}
    assert found.not_judged == 1
    assert found.suggested[7, 3]


def test_the_least_likely_label_comes_first(cleanlab):
    label_ids, probabilities, _ = noisy(300, 3, seed=0)
    given = probabilities[np.arange(300), label_ids]
    found = likely_errors(label_ids, probabilities)
    assert (np.diff(given[found]) >= 0).all()
    np.testing.assert_allclose(label_quality(label_ids, probabilities), given, atol=1e-6)


# -- a search without training ----------------------------------------------------------------------------------------


def search_of(
    folder: Path,
    train: list[tuple],
    valid: list[tuple],
    more: dict | None = None,
    count: int = 4,
    groups: list[str] | None = None,
) -> Search:
    """Return a search through rows (text, label), whose only token is the number of the row, counted through.

    `groups` are those of all rows.
    """
    labels = sorted({label for _, label in train})
    tables, sets, start = {}, {}, 0
    for name, part in (("train", train), ("valid", valid)):
        records = [{"text": text, "label": label, **(more or {})} for text, label in part]
        frame = pd.DataFrame(part, pd.Index(range(2, 2 + len(part)), name="line"), ["text", "label"], dtype=object)
        tables[name] = Table(Path(f"{name}.csv"), frame, [], records, Columns(), "")
        if groups is not None:
            tables[name].groups = np.array(groups[start : start + len(part)], object)
        ids = torch.tensor([labels.index(label) for _, label in part])
        numbers = torch.arange(start, start + len(part), dtype=torch.int32)[:, None]
        sets[name] = TokenDataset(numbers, torch.zeros(len(part), 0), torch.ones(len(part)).long(), ids)
        start += len(part)
    dataset = concatenate(sets["train"], sets["valid"])
    together = kept_together(tables, compare_texts(tables))
    return begin_search(ALONE, dataset, prepare_error_list(folder, tables, labels, together), count, seed=0)


def numbers_of(dataset: TokenDataset) -> list[int]:
    """Return the numbers of the rows of a dataset of a search_of()."""
    return dataset.input_ids.ravel().tolist()


def plain(count: int, start: int = 0) -> list[tuple[str, str]]:
    return [(f"text {i}", "ab"[i % 2]) for i in range(start, start + count)]


def test_each_row_is_held_out_once_and_is_then_no_training_row(tmp_path):
    search, seen = search_of(tmp_path, plain(30), plain(10, start=30)), []
    for fold in search.folds:
        train, valid = (numbers_of(search.datasets(fold)[name]) for name in ("train", "valid"))
        assert sorted(train + valid) == list(range(40))
        assert search.tables(fold)["train"].frame["text"].tolist() == [f"text {i}" for i in train]
        seen += valid
    assert sorted(seen) == list(range(40))


def test_folds_are_counted_as_they_are_whatever_number_was_asked_for():
    folds = list_folds(np.array([0, 3, 3, 1, 0]))
    assert [fold.held_out_rows.tolist() for fold in folds] == [[0, 4], [3], [1, 2]]
    assert [fold.training_rows.tolist() for fold in folds] == [[1, 2, 3], [0, 1, 2, 4], [0, 3, 4]]
    assert str(folds[2]) == "fold 3 of 3: 2 of 5 rows held out"


def test_a_process_that_has_no_tables_gets_the_same_folds_and_writes_nothing(tmp_path):
    search = search_of(tmp_path, plain(30), plain(10, start=30))
    other = Search(search.dataset, search.folds, None)
    fold = search.folds[0]
    assert other.tables(fold) == {}
    assert numbers_of(other.datasets(fold)["valid"]) == fold.held_out_rows.tolist()
    other.finish(Log(sys.stdout), [])
    assert list(tmp_path.iterdir()) == []


def test_texts_that_differ_in_nothing_a_reader_minds_are_held_out_together(tmp_path):
    rows = [*plain(30), ("TEXT  3", "a"), ("ｔｅｘｔ ３", "b"), ("臺灣 text", "a"), ("台湾text", "b")]
    for fold in search_of(tmp_path, rows, [(" text 3", "a"), *plain(5, start=50)]).folds:
        held_out = set(fold.held_out_rows.tolist())
        assert len({3, 30, 31, 34} & held_out) in (0, 4)
        assert len({32, 33} & held_out) in (0, 2)


def test_rows_of_a_group_are_held_out_together_whichever_file_they_are_in(tmp_path):
    groups = [f"u{number % 8}" if number % 5 else "" for number in range(40)]
    rows = clean(unlike(40))
    search = search_of(tmp_path, rows[:30], rows[30:], groups=groups)
    for fold in search.folds:
        trained, held_out = ({groups[row] for row in rows} - {""} for rows in (fold.training_rows, fold.held_out_rows))
        assert not trained & held_out
        table = search.tables(fold)["train"]
        assert table.groups.tolist() == [groups[row] for row in fold.training_rows]
        together = search.together(fold)
        assert [len(together[name]) for name in ("train", "valid")] == [len(table.frame), len(fold.held_out_rows)]
        assert not {*together["train"].tolist()} & {*together["valid"].tolist()}
    assert Search(search.dataset, search.folds, None).together(search.folds[0]) == {}


def write(search: Search, probability_of_b: np.ndarray) -> list[dict]:
    """Return the rows of label_errors.csv where each row is predicted so."""
    both = np.log(np.column_stack([1 - probability_of_b, probability_of_b]))
    logits = [both[numbers_of(search.datasets(fold)["valid"])] for fold in search.folds]
    search.finish(Log(None), logits)
    with search.error_list.path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_prediction_goes_to_its_row_whichever_file_and_fold_it_is_in(cleanlab, tmp_path):
    train, valid = plain(80), plain(20, start=80)
    chance = np.random.default_rng(1).uniform(0.02, 0.1, 100)
    sure = np.where(np.arange(100) % 2 == 1, 1 - chance, chance)
    for row in (12, 47, 90):
        sure[row] = 1 - sure[row]
    rows = write(search_of(tmp_path, train, valid), sure)
    assert {(row["file"], int(row["line"]), row["text"]) for row in rows} == {
        ("train.csv", 14, "text 12"), ("train.csv", 49, "text 47"), ("valid.csv", 12, "text 90")}  # fmt: skip
    for row in rows:
        number = int(row["text"].split()[1])
        assert (row["label"], row["suggested_label"]) == ("ab"[number % 2], "ba"[number % 2])
        assert float(row["prob_b"]) == pytest.approx(sure[number], abs=1e-8)
        assert float(row["label_quality"]) == pytest.approx(float(row[f"prob_{row['label']}"]), abs=1e-6)


def test_a_row_whose_label_no_model_has_seen_is_not_suspected(cleanlab, tmp_path, capsys):
    search = search_of(tmp_path, [*plain(40), ("rare", "c"), ("twice", "d"), ("Twice", "d")], plain(10, start=40))
    logits = np.array([[4.0, 0, -4, -4], [0, 4.0, -4, -4]])
    label_ids = search.dataset.label_ids
    search.finish(Log(sys.stdout), [logits[label_ids[fold.held_out_rows] % 2] for fold in search.folds])
    assert search.error_list.path.read_text().count("\n") == 1
    assert "3 rows not judged" in capsys.readouterr().out


def test_a_column_that_the_file_needs_itself_is_refused_before_anything_is_trained(tmp_path):
    for name in ("suggested_label", "prob_a", "label_quality", "file", "line"):
        with pytest.raises(UserError, match=name):
            search_of(tmp_path / "new", plain(40), plain(10, start=40), {name: "x"})
    assert not (tmp_path / "new").exists()


# -- main.py ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> tuple[Path, set[str]]:
    """A data folder of 200 short reviews with 12 wrong labels, and the ids of the rows that have them."""
    things = ["food", "soup", "room", "bed", "staff", "place", "phone", "lamp", "chair", "service"]
    words = {"pro": ["good", "great", "nice", "lovely", "superb"], "con": ["bad", "awful", "poor", "dirty", "broken"]}
    rows = [(f"the {thing} was {'very ' * times}{word}", label)
            for times in range(2) for thing in things for label in words for word in words[label]]  # fmt: skip
    rows = [rows[(i * 37) % len(rows)] for i in range(len(rows))]
    wrong = set(random.Random(3).sample(range(200), 12))
    folder = tmp_path_factory.mktemp("planted")
    lines = [{"id": f"r{i}", "text": text, "label": OTHER[label] if i in wrong else label}
             for i, (text, label) in enumerate(rows)]  # fmt: skip
    pd.DataFrame(lines[:160]).to_csv(folder / "trainset.csv", index=False)
    (folder / "validset.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[160:]))
    return folder, {f"r{i}" for i in wrong}


def options(data: Path, model: Path, output: Path, *more) -> tuple:
    return ("--data_dir", data, "--model", model, "--output_dir", output, "--find_label_errors", *FAST, *more)


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in folder.rglob("*") if p.is_file()}  # fmt: skip


def test_planted_label_errors_are_found_and_nothing_else_is_written(cleanlab, planted, english_bert, tmp_path):
    data, wrong = planted
    done = script("main.py", *options(data, english_bert, tmp_path / "out", "--folds", "3", "--epochs", "12"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["label_errors.csv"]
    found = pd.read_csv(tmp_path / "out" / "label_errors.csv")
    assert list(found.columns) == ["id", "text", "label", *ADDED]
    hit = found["id"].isin(wrong)
    assert hit.sum() >= 10
    assert hit.mean() > 0.6
    assert hit.head(5).all()
    assert found["label_quality"].is_monotonic_increasing
    assert (found["suggested_label"] == found["label"].map(OTHER)).all()
    assert (found["suggested_label"] == np.where(found["prob_pro"] > 0.5, "pro", "con")).all()
    np.testing.assert_allclose(found["prob_con"] + found["prob_pro"], 1, atol=1e-8)
    for row in found.itertuples():
        assert f"{row.text}" in Path(row.file).read_text().splitlines()[row.line - 1]
    assert f"{len(found)} of 200 rows worth a second look" in done.stdout
    assert done.stdout.count("looks like") == 3
    assert done.stdout.count(" looks like ") == done.stdout.count(", line ")


def test_the_probabilities_are_those_of_a_run_that_was_trained_without_the_rows(
    cleanlab, reviews, english_bert, tmp_path
):
    """Folds of an own making: what main.py and test_code.py say of a fold after training on the others."""
    apart = ("--folds", "2", "--no-keep_duplicates_together")
    script("main.py", *options(reviews, english_bert, tmp_path / "out", *apart, "--epochs", "1", "--seed", "5"))
    found = pd.read_csv(tmp_path / "out" / "label_errors.csv")
    assert len(found) > 0
    rows = pd.concat([pd.read_csv(reviews / f"{name}.csv") for name in ("trainset", "validset")], ignore_index=True)
    label_ids = (rows["label"] == "pro").to_numpy(int)
    folds, checked = assign_folds(label_ids, np.arange(len(rows)), 2, seed=5), 0
    for fold in range(2):
        data = tmp_path / f"fold {fold}"
        data.mkdir()
        rows[folds != fold].to_csv(data / "trainset.csv", index=False)
        for name in ("validset", "testset"):
            rows[folds == fold].to_csv(data / f"{name}.csv", index=False)
        plain_run = ("--data_dir", data, "--model", english_bert, "--output_dir", data / "out", *FAST)
        script("main.py", *plain_run, "--epochs", "1", "--seed", "5")
        script("test_code.py", "--model_dir", data / "out" / "bert_classifier", "--data_dir", data, "--no-calibrated",
               "--device", "cpu", "--precision", "fp32")  # fmt: skip
        both = found.merge(pd.read_csv(data / "out" / "test" / "predictions.csv"), on="text")
        np.testing.assert_allclose(both["prob_pro_x"], both["prob_pro_y"], atol=1e-5)
        checked += len(both)
    assert checked == len(found)


def test_a_run_that_is_there_is_left_as_it_is_and_an_earlier_list_is_replaced(
    cleanlab, reviews, english_bert, tmp_path
):
    output = tmp_path / "out"
    given = ("--data_dir", reviews, "--model", english_bert, "--output_dir", output, *FAST, "--epochs", "1")
    script("main.py", *given)
    before = digests(output)
    (output / "label_errors.csv").write_text("an earlier one")
    script("main.py", *given, "--find_label_errors", "--folds", "2")
    after = digests(output)
    assert (output / "label_errors.csv").read_text().startswith("text,label,suggested_label")
    after.pop("label_errors.csv")
    assert after == before
    script("main.py", *given, "--overwrite")
    assert (output / "label_errors.csv").exists()


def test_without_a_validation_file_the_rows_held_out_are_looked_at_too(cleanlab, planted, english_bert, tmp_path):
    (tmp_path / "trainset.csv").write_bytes((planted[0] / "trainset.csv").read_bytes())
    done = script("main.py", *options(tmp_path, english_bert, tmp_path / "out", "--folds", "2", "--epochs", "1"))
    assert "16 rows of these held out for validation" in done.stdout
    assert " of 160 rows worth a second look" in done.stdout
    found = pd.read_csv(tmp_path / "out" / "label_errors.csv")
    lines = (tmp_path / "trainset.csv").read_text().splitlines()
    assert [lines[row.line - 1] for row in found.itertuples()] == [
        f"{row.id},{row.text},{row.label}" for row in found.itertuples()
    ]


@pytest.mark.parametrize("txt", ["trainset", "validset"])
def test_a_txt_and_a_csv_file_are_joined_by_the_names_of_the_csv_file(cleanlab, planted, english_bert, tmp_path, txt):
    rows = pd.read_csv(planted[0] / "trainset.csv").rename(columns={"text": "review", "label": "stars"})
    for name, part in (("trainset", rows[:120]), ("validset", rows[120:])):
        if name == txt:
            lines = part["review"] + "\t" + part["stars"] + "\n"
            (tmp_path / f"{name}.txt").write_text("".join(lines))
        else:
            part.to_csv(tmp_path / f"{name}.csv", index=False)
    names = ("--text_column", "review", "--label_column", "stars", "--folds", "2", "--epochs", "1")
    script("main.py", *options(tmp_path, english_bert, tmp_path / "out", *names))
    found = pd.read_csv(tmp_path / "out" / "label_errors.csv")
    expected = ["review", "stars", "id"] if txt == "trainset" else ["id", "review", "stars"]
    assert list(found.columns) == [*expected, *ADDED]
    written = dict(zip(rows["review"], rows["stars"], strict=True))
    assert len(found) > 0
    assert {Path(file).suffix for file in found["file"]} == {".csv", ".txt"}
    assert all(written[row.review] == row.stars for row in found.itertuples())


def test_two_processes_find_what_one_finds(cleanlab, planted, english_bert, tmp_path):
    same = ("--folds", "2", "--epochs", "2", "--adam_epsilon", "1e-4")
    script("main.py", *options(planted[0], english_bert, tmp_path / "one", *same))
    with processes(2, "main.py", *options(planted[0], english_bert, tmp_path / "two", *same)) as running:
        said = [process.communicate(timeout=TOO_LONG) for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert said[1][0] == ""
    one, two = (pd.read_csv(tmp_path / name / "label_errors.csv") for name in ("one", "two"))
    assert one["id"].tolist() == two["id"].tolist()
    np.testing.assert_allclose(one["prob_pro"], two["prob_pro"], atol=1e-4)


def test_a_signal_ends_it_with_one_line_and_without_a_list(cleanlab, planted, english_bert, tmp_path):
    said = []
    with started("main.py", *options(planted[0], english_bert, tmp_path / "out", "--epochs", "500")) as process:
        wait_for(process, lambda: said.append(process.stdout.readline()) or said[-1].startswith("epoch 1"))
        process.send_signal(signal.SIGTERM)
        _, erred = process.communicate(timeout=TOO_LONG)
    assert process.returncode == 75
    assert erred == "stopped by SIGTERM; nothing of this work was kept; run the same command to start again\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_package_is_said_in_one_line_before_anything_is_read(tmp_path):
    missing = "import sys; sys.modules['cleanlab'] = None"
    given = ("--data_dir", tmp_path / "no data", "--output_dir", tmp_path / "out", "--find_label_errors")
    done = script("main.py", *given, status=2, before=missing)
    assert done.stderr == "error: --find_label_errors needs the package cleanlab (pip install cleanlab)\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--resume"], "--find_label_errors cannot be combined with --resume"),
        (["--check_data"], "--find_label_errors cannot be combined with --check_data"),
        (["--early_stopping", "2"], "--find_label_errors cannot be combined with --early_stopping"),
        (["--seeds", "2"], "--find_label_errors cannot be combined with --seeds"),
        (["--folds", "1"], "--folds"),
        (["--folds", "70"], "--folds 70: there are too few rows"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_leaves_nothing(cleanlab, reviews, english_bert, tmp_path, more, message):
    done = script("main.py", *options(reviews, english_bert, tmp_path / "out", *more), status=2)
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not (tmp_path / "out").exists()
