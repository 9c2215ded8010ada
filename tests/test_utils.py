import copy
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertForSequenceClassification, PreTrainedModel

import utils
from tests.conftest import WORDS, bert_tokenizer, run_facts
from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.options import fine_tuning_options
from toolkit.cli.sections import ReadingOptions
from toolkit.compute.batches import training_batches
from toolkit.compute.device import unwrap
from toolkit.compute.machine import Machine, choose_machine
from toolkit.compute.memory import RowLimit
from toolkit.compute.precision import choose_precision
from toolkit.compute.processes import ALONE
from toolkit.data.labels import encode_labels, learn_labels, split_table
from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns
from toolkit.formats.json_rows import HEAD_OBJECTS
from toolkit.models.head_design import HeadDesign
from toolkit.models.heads import HeadChoice
from toolkit.models.pretrained import load_tokenizer
from toolkit.models.trained_part import TrainedPart, freeze
from toolkit.runs.run_json import table_facts
from toolkit.tokens.default_model import ChosenModel
from toolkit.tokens.encoder import make_encoder
from toolkit.tokens.probe import Fit
from toolkit.training.learner import Learner, StepSettings
from toolkit.training.loss import Loss
from toolkit.training.optimizer import Schedule, make_optimizer
from toolkit.training.training_data import TrainingData

CPU = torch.device("cpu")
FP32 = choose_precision("fp32", CPU)
EPSILON = 1e-4  # large, since AdamW would blow the rounding of gradients that should be zero up to whole steps
COLUMNS = Columns(text_pair=TEXT_PAIR_IF_PRESENT)
THINGS, JUDGEMENTS = ("food", "room", "lamp", "staff"), ("good", "bad", "nice", "awful", "xyz")
PAIRED = [(thing, word) for thing in THINGS for word in JUDGEMENTS]
TEXTS = [f"the {thing} was {'very ' * (i % 7)}{word} ." for i, (thing, word) in enumerate(PAIRED)]


def frame(texts, pairs=None, labels=None) -> pd.DataFrame:
    columns = {"text": texts} | ({"text_pair": pairs} if pairs else {}) | ({"label": labels} if labels else {})
    return pd.DataFrame(columns, index=pd.Index(range(2, 2 + len(texts)), name="line"), dtype=object)


def encoder_of(folder, pairs=False, max_length=None, truncation="longest_first"):
    new = utils.new_classifier(str(folder), ["con", "pro"], dropout=0.0)
    model, tokenizer = new.model, new.tokenizer
    return model, make_encoder(tokenizer, model.config, max_length, truncation, pairs)


def learner_of(model, micro_batch_size=None, max_grad_norm=1.0, rate=1e-3, precision=FP32) -> Learner:
    optimizer = make_optimizer(model, 0.01, (0.9, 0.999), EPSILON)
    settings = StepSettings(lambda step: rate, max_grad_norm)
    return Learner(model, optimizer, precision.scaler(), settings, Machine(CPU, precision), RowLimit(micro_batch_size))


def predict(model, batch_size: int, dataset) -> np.ndarray:
    return utils.predict_logits(utils.Predictor(model, Machine(CPU, FP32), batch_size), dataset)


def nothing(*_):
    pass


# -- reading ---------------------------------------------------------------------------------------------------------


def test_a_table_is_the_file_as_pandas_reads_it(reviews):
    table = utils.read_table(reviews / "trainset.csv", COLUMNS)
    expected = pd.read_csv(reviews / "trainset.csv", dtype=str, keep_default_na=False)
    assert table.frame["text"].tolist() == expected["text"].tolist()
    assert table.frame["label"].tolist() == expected["label"].tolist()
    assert list(table.frame.columns) == ["text", "label"]
    assert table.frame.index.tolist() == list(range(2, 62))
    assert str(table.accounts()).endswith("60 rows = 60 used + 0 rejected")


def test_bad_rows_stop_the_reading_with_their_lines_or_are_left_out(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n"two\nlines",a\n,b\nfine,\nlast,b\n')
    with pytest.raises(UserError) as caught:
        utils.read_table(path, COLUMNS)
    assert caught.value.lines()[:2] == [f"{path}, line 4: text is empty", f"{path}, line 5: label is empty"]
    table = utils.read_table(path, COLUMNS, ReadingOptions(None, "skip"))
    assert table.frame["text"].tolist() == ["two\nlines", "last"]
    assert [(row.line, str(row.reason)) for row in table.rejected] == [(4, "text is empty"), (5, "label is empty")]


def test_labels_that_the_training_file_lacks_are_listed_with_a_line(tmp_path, reviews):
    train = utils.read_table(reviews / "trainset.csv", COLUMNS)
    path = tmp_path / "test.csv"
    path.write_text("text,label\nx,pro\ny,maybe\nz,maybe\nq,never\n")
    with pytest.raises(UserError, match=r"3 rows with labels .*'maybe' \(line 3\), 'never' \(line 5\)"):
        encode_labels(utils.read_table(path, COLUMNS), learn_labels(train))


@pytest.mark.parametrize(
    ("labels", "message"), [(["a"] * 9, "two labels"), ([str(i) for i in range(99)], "label column")]
)
def test_labels_that_cannot_be_those_of_a_classifier_are_refused(tmp_path, labels, message):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"x,{label}\n" for label in labels))
    with pytest.raises(UserError, match=message):
        learn_labels(utils.read_table(path, COLUMNS))


def json_text(rows: list[dict], name: str) -> str:
    """Return rows as the json file of this name has them: an array or one object a line."""
    lines = [json.dumps(row) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n" if name == "rows.json" else "\n".join(lines) + "\n"


@pytest.mark.parametrize("before", [1, HEAD_OBJECTS - 1, HEAD_OBJECTS, HEAD_OBJECTS + 44])
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_a_text_pair_is_noticed_wherever_it_first_appears(tmp_path, name, before):
    rows = [{"text": f"a {i}", "label": "x"} for i in range(before)]
    rows += [{"text": "b", "text_pair": "c", "label": "y"}, {"text": "d", "text_pair": "", "label": "y"}]
    path, shift = tmp_path / name, 2 if name == "rows.json" else 1
    path.write_text(json_text(rows, name))
    with pytest.raises(UserError) as caught:
        utils.read_table(path, COLUMNS)
    assert str(caught.value.args[0]) == f"{path}, line {shift}: text_pair is empty"
    assert f"{before + 1:,} of {before + 2:,} rows cannot be used" in str(caught.value.summary)
    table = utils.read_table(path, COLUMNS, ReadingOptions(None, "skip"), keep_records=True)
    assert table.columns == Columns(text_pair="text_pair")
    assert table.frame[["text", "text_pair", "label"]].values.tolist() == [["b", "c", "y"]]
    assert table.records == [rows[before]]
    assert [row.line for row in table.rejected] == [*range(shift, before + shift), before + 1 + shift]


def test_a_text_pair_that_stands_in_a_bad_row_alone_is_noticed_too(tmp_path):
    rows = [{"text": f"a {i}", "label": "x"} for i in range(HEAD_OBJECTS)]
    rows.append({"text": "", "text_pair": "c", "label": "y"})
    (tmp_path / "rows.jsonl").write_text(json_text(rows, "rows.jsonl"))
    with pytest.raises(UserError, match="text_pair is empty"):
        utils.read_table(tmp_path / "rows.jsonl", COLUMNS)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_text_pair_in_the_last_of_many_rows_makes_pairs_in_other_formats(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    rows = pd.DataFrame({"text": ["a"] * 3000, "text_pair": [None] * 2999 + ["c"], "label": "x"})
    rows.to_csv(tmp_path / name, index=False) if name == "rows.csv" else rows.to_parquet(tmp_path / name)
    table = utils.read_table(tmp_path / name, COLUMNS, ReadingOptions(None, "skip"))
    assert (len(table.frame), len(table.rejected)) == (1, 2999)
    assert table.frame["text_pair"].tolist() == ["c"]


def test_a_split_loses_no_row(reviews):
    table = utils.read_table(reviews / "trainset.csv", COLUMNS)
    train, valid = split_table(table, 0.2, seed=1)
    assert sorted(train.frame.index.tolist() + valid.frame.index.tolist()) == table.frame.index.tolist()
    counts = table.frame["label"].value_counts()
    assert valid.frame["label"].value_counts().to_dict() == {name: round(n * 0.2) for name, n in counts.items()}


# -- the files of a run ----------------------------------------------------------------------------------------------


def read_labelled(folder, *options: str) -> utils.LabelledTables:
    """Read the labelled files of a folder as main.py does with these options."""
    options = fine_tuning_options(["--data_dir", str(folder), *options])
    return utils.read_labelled_tables(options.data, options.split_seed, Log(None))


def test_the_folders_testset_is_looked_at_only_if_it_can_be_read(reviews):
    assert set(read_labelled(reviews).examined) == {"train", "valid", "test"}
    assert set(read_labelled(reviews).used) == {"train", "valid"}
    train_file = str(reviews / "trainset.csv")
    assert set(read_labelled(reviews, "--train_file", train_file).examined) == {"train", "valid"}
    (reviews / "testset.csv").write_text("text\ngood\n")
    assert set(read_labelled(reviews).examined) == {"train", "valid"}
    with pytest.raises(UserError, match="label"):
        read_labelled(reviews, "--drop_leaked")
    (reviews / "testset.csv").unlink()
    assert set(read_labelled(reviews, "--drop_leaked").examined) == {"train", "valid"}


def test_the_problems_of_all_files_are_told_together(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\ngood,\n")
    (tmp_path / "b.csv").write_text("text,label\n,pro\n")
    files = {"train": tmp_path / "a.csv", "valid": None, "test": tmp_path / "b.csv"}
    with pytest.raises(UserError) as caught:
        utils.read_tables(files, Columns(), ReadingOptions(None, "stop"), ())
    assert [str(problem).split(": ")[-1] for problem in caught.value.args] == ["label is empty", "text is empty"]


@pytest.mark.parametrize("endings", [("txt", "csv"), ("csv", "txt"), ("txt", "txt")])
def test_a_txt_file_goes_with_a_file_whose_columns_have_other_names(tmp_path, endings):
    contents = {"txt": "good\tpro\nbad\tcon\n", "csv": "stars,review\npro,good\ncon,bad\n"}
    files = {name: tmp_path / f"{name}.{ending}" for name, ending in zip(("train", "valid"), endings, strict=True)}
    for path in files.values():
        path.write_text(contents[path.suffix[1:]])
    columns = Columns("review", None, "stars")
    tables = utils.read_tables(files, columns, ReadingOptions(None, "stop"), keep_records=tuple(files))
    for table in tables.values():
        assert table.columns == columns
        assert table.frame.to_dict("list") == {"text": ["good", "bad"], "label": ["pro", "con"]}
        assert table.named_records() == [{"review": "good", "stars": "pro"}, {"review": "bad", "stars": "con"}]
        assert table.records[0][table.record_columns.text] == "good"


@pytest.fixture
def trained_on(tmp_path) -> dict:
    """What run.json says of a training file that is there: 200 rows."""
    rows = "".join(f"review {i},{'ab'[i % 2]}\n" for i in range(200))
    (tmp_path / "t.csv").write_text(f"review,stars\n{rows}", encoding="gbk")
    train = {"file": str(tmp_path / "t.csv"), "sha256": fingerprint(tmp_path / "t.csv")}
    return {
        "data": {"train": train, "valid": {"file": "v.csv"}},
        "options": {"valid_ratio": 0.5, "seed": 1, "encoding": "gbk", "valid_file": None},
        "columns": {"text": "review", "text_pair": None, "label": "stars"},
    }


def test_of_a_saved_model_the_training_file_is_read_again_as_it_was_if_it_is_the_same(trained_on):
    run = run_facts(**trained_on)
    table = utils.read_training_table(run)
    assert table.frame["text"].tolist() == [f"review {i}" for i in range(200)]
    assert table.columns == Columns("review", None, "stars")
    path = Path(run.data["train"].file)
    path.write_text("other")
    assert utils.read_training_table(run) is None
    path.unlink()
    assert utils.read_training_table(run) is None
    assert utils.read_training_table(run_facts()) is None


def test_where_leaked_rows_were_left_out_of_training_the_table_is_not_known(trained_on):
    trained_on["options"]["drop_leaked"] = True
    assert utils.read_training_table(run_facts(**trained_on)) is None


@pytest.mark.parametrize("named", [True, False])
def test_rows_that_were_held_out_are_held_out_again(trained_on, named):
    trained_on["data"]["valid"] = trained_on["data"]["train"]
    trained_on["options"]["valid_file"] = "t.csv" if named else None
    rows = len(utils.read_training_table(run_facts(**trained_on)).frame)
    assert rows == 200 if named else 95 <= rows <= 105


def grouped_rows(rows: int, users: int) -> pd.DataFrame:
    """Return reviews of users, every eleventh of none, of which some are nearly equal to others."""
    random = np.random.default_rng(0)
    texts = [" ".join("".join(random.choice(list("abcdefghij"), 5)) for _ in range(10)) for _ in range(rows)]
    texts[7::10] = [text[:-1] + "z" for text in texts[3::10]]
    names = [f"u{number}" for number in random.integers(0, users, rows)]
    names[::11] = [""] * len(names[::11])
    return pd.DataFrame({"text": texts, "stars": random.integers(1, 4, rows), "user": names})


@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.jsonl", "t.parquet"])
def test_rows_of_a_group_are_held_out_together_whatever_the_file(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    rows = grouped_rows(300, 150)
    if name == "t.csv":
        rows.to_csv(tmp_path / name, index=False)
    elif name == "t.parquet":
        rows.to_parquet(tmp_path / name)
    else:
        rows.to_json(tmp_path / name, orient="records", lines=name.endswith("l"))
    words = ("--train_file", str(tmp_path / name), "--label_column", "stars", "--group_column", "user")
    read = read_labelled(tmp_path, *words)
    train, valid = (read.used[each] for each in ("train", "valid"))
    assert not {*train.groups} & {*valid.groups} - {""}
    assert sorted([*train.frame["text"], *valid.frame["text"]]) == sorted(rows["text"])
    for table in (train, valid):
        users = dict(zip(rows["text"], rows["user"], strict=True))
        assert table.groups.tolist() == [users[text] for text in table.frame["text"]]
    assert not {text[:-1] for text in train.frame["text"]} & {text[:-1] for text in valid.frame["text"]}
    counts = rows["stars"].astype(str).value_counts().to_dict()
    of_valid = valid.frame["label"].value_counts().to_dict()
    assert all(abs(of_valid[label] - count * 0.1) <= 1.5 for label, count in counts.items())
    assert train.columns.as_json() == {"text": "text", "text_pair": None, "label": "stars", "group": "user"}
    assert Columns.from_json(train.columns.as_json()) == train.columns


def test_what_was_kept_together_is_said(tmp_path, capsys):
    grouped_rows(300, 150).to_csv(tmp_path / "trainset.csv", index=False)
    options = fine_tuning_options(["--data_dir", str(tmp_path), "--group_column", "user", "--label_column", "stars"])
    read = utils.read_labelled_tables(options.data, options.split_seed, Log(sys.stdout))
    told = capsys.readouterr().out
    groups = [{*read.used[name].groups} - {""} for name in ("valid", "train")]
    said = f"{len(groups[0])} of {len(groups[0] | groups[1])} groups among them, each of them whole"
    assert f"{said} (--group_column 'user')" in told
    assert re.search(r"\d+ groups of equal or nearly equal texts kept on one side \(--keep_duplicates_together\)", told)
    apart = fine_tuning_options(
        ["--data_dir", str(tmp_path), "--label_column", "stars", "--no-keep_duplicates_together"]
    )
    read = utils.read_labelled_tables(apart.data, apart.split_seed, Log(sys.stdout))
    assert "kept on one side" not in capsys.readouterr().out
    pairs = [{text[:-1] for text in read.used[name].frame["text"]} for name in ("train", "valid")]
    assert pairs[0] & pairs[1]


def test_rows_that_are_left_out_leave_the_others_in_their_groups(tmp_path):
    rows = grouped_rows(100, 9)
    bad = pd.concat([rows, pd.DataFrame({"text": ["", "a b"], "stars": [1, ""], "user": ["u1", "u2"]})])
    bad = bad.sample(frac=1, random_state=0)
    bad.to_csv(tmp_path / "trainset.csv", index=False)
    words = ("--label_column", "stars", "--group_column", "user", "--on_bad_rows", "skip")
    read = read_labelled(tmp_path, *words)
    users = dict(zip(rows["text"], rows["user"], strict=True))
    for table in (read.used["train"], read.used["valid"]):
        assert table.groups.tolist() == [users[text] for text in table.frame["text"]]
    assert len(read.used["train"].rejected) == 2


def test_a_validation_file_need_not_have_the_column_of_the_group(tmp_path):
    rows = grouped_rows(60, 9)
    rows.to_csv(tmp_path / "trainset.csv", index=False)
    rows[["text", "stars"]].to_json(tmp_path / "validset.json", orient="records")
    rows.head(20).to_csv(tmp_path / "testset.csv", index=False)
    read = read_labelled(tmp_path, "--label_column", "stars", "--group_column", "user")
    assert [table.groups is None for table in read.examined.values()] == [False, True, False]


def test_where_each_group_has_a_label_of_its_own_nothing_can_be_held_out(tmp_path):
    rows = pd.DataFrame({"text": TEXTS, "label": list("ab") * 10, "user": list("uv") * 10})
    rows.to_csv(tmp_path / "trainset.csv", index=False)
    with pytest.raises(UserError, match=r"every group \(user\) has all rows of some label, so none can be held out"):
        read_labelled(tmp_path, "--group_column", "user")


def test_the_rows_held_out_are_read_again_from_the_record_of_the_run(tmp_path):
    grouped_rows(200, 30).to_csv(tmp_path / "trainset.csv", index=False)
    options = fine_tuning_options(["--data_dir", str(tmp_path), "--group_column", "user", "--label_column", "stars"])
    read = utils.read_labelled_tables(options.data, options.split_seed, Log(None))
    data = {name: facts.as_json() for name, facts in table_facts(read.used, {}).items()}
    content = {"data": data, "options": options.as_dict(), "columns": read.used["train"].columns.as_json()}
    content |= {"labels": read.labels, "positive_label": read.labels[1]}
    table = utils.read_training_table(run_facts(**content))
    assert table.frame.equals(read.used["train"].frame)
    assert table.groups.tolist() == read.used["train"].groups.tolist()
    data["valid"]["held_out"] = "AAAA"
    assert utils.read_training_table(run_facts(**content)) is None


# -- tokenizing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [False, True])
def test_tokens_are_those_of_the_tokenizer(english_bert, pairs):
    _, encoder = encoder_of(english_bert, pairs)
    seconds = TEXTS[::-1] if pairs else None
    tokenized = utils.tokenize(encoder, frame(TEXTS, seconds))
    dataset, full = tokenized.dataset, tokenized.full_lengths
    reference = encoder.tokenizer(TEXTS, seconds, padding=True, return_tensors="pt", return_token_type_ids=True)
    assert torch.equal(dataset.tensors[0].long(), reference["input_ids"])
    assert torch.equal(dataset.tensors[1].long(), reference["token_type_ids"])
    assert torch.equal(dataset.tensors[2], reference["attention_mask"].sum(1))
    assert full.tolist() == reference["attention_mask"].sum(1).tolist()
    assert dataset.tensors[0].dtype == torch.int32


def test_long_rows_are_cut_and_their_full_length_is_told(english_bert):
    _, encoder = encoder_of(english_bert, max_length=8)
    tokenized = utils.tokenize(encoder, frame(TEXTS))
    dataset, full = tokenized.dataset, tokenized.full_lengths
    reference = encoder.tokenizer(TEXTS, padding=True, truncation=True, max_length=8, return_tensors="pt")
    assert torch.equal(dataset.tensors[0].long(), reference["input_ids"])
    assert full.tolist() == [len(encoder.tokenizer(text)["input_ids"]) for text in TEXTS]


def test_a_model_without_token_types_gets_none(distilbert):
    model, encoder = encoder_of(distilbert, pairs=True)
    dataset = utils.tokenize(encoder, frame(TEXTS, TEXTS[::-1])).dataset
    assert dataset.tensors[1].shape == (len(TEXTS), 0)
    inputs, _ = utils.batch_tensors(dataset, np.arange(4), CPU)
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert model(**inputs).logits.shape == (4, 2)


def test_a_batch_is_as_long_as_its_longest_row(english_bert):
    _, encoder = encoder_of(english_bert)
    tokenized = utils.tokenize(encoder, frame(TEXTS), np.arange(len(TEXTS)) % 2)
    dataset, full = tokenized.dataset, tokenized.full_lengths
    inputs, label_ids = utils.batch_tensors(dataset, np.array([0, 3]), CPU)
    assert inputs["input_ids"].shape == (2, max(full[0], full[3]))
    assert inputs["attention_mask"].sum(1).tolist() == [full[0], full[3]]
    assert label_ids.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("max_length", "truncation", "message"),
    [(65, "longest_first", "65.*64"), (2, "longest_first", "too short"), (8, "only_second", "pairs")],
)
def test_lengths_that_make_no_sense_are_refused(english_bert, max_length, truncation, message):
    with pytest.raises(UserError, match=message):
        encoder_of(english_bert, max_length=max_length, truncation=truncation)


def test_no_row_is_too_long_for_only_first(english_bert):
    _, encoder = encoder_of(english_bert, pairs=True, max_length=10, truncation="only_first")
    tokenized = utils.tokenize(encoder, frame(["good food"] * 2, ["bad", "very " * 20]))
    dataset, full = tokenized.dataset, tokenized.full_lengths
    assert full.tolist() == [6, 25]
    assert dataset.tensors[2].tolist() == [6, 10]


# -- training --------------------------------------------------------------------------------------------------------


def slow_training(model, encoder, labels, batches, rate) -> None:
    """Train the way a textbook does: a row at a time, the mean of the gradients, transformers' own loss."""
    decay = [w for n, w in model.named_parameters() if not n.endswith("bias") and "LayerNorm" not in n]
    rest = [w for n, w in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    groups = [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.999), eps=EPSILON)
    model.train()
    for rows in batches:
        optimizer.zero_grad()
        for row in rows.tolist():
            encoded = encoder.tokenizer(TEXTS[row], return_tensors="pt")
            loss = model(**encoded, labels=torch.tensor([labels[row]])).loss
            (loss / len(rows)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


@pytest.mark.parametrize("micro_batch_size", [None, 1, 3, 100])
def test_training_is_that_of_a_loop_written_the_slow_way(english_bert, micro_batch_size):
    model, encoder = encoder_of(english_bert)
    reference = copy.deepcopy(model)
    labels = np.arange(len(TEXTS)) % 2
    tokenized = utils.tokenize(encoder, frame(TEXTS), labels)
    dataset, full = tokenized.dataset, tokenized.full_lengths
    batches = training_batches(full, 8, seed=0, epoch=0)  # 20 rows: two batches of 8, one of 4
    slow_training(reference, encoder, labels, batches, 1e-3)
    learner = learner_of(model, micro_batch_size)
    utils.train_one_epoch(learner, dataset, batches, nothing)
    assert learner.step == 3
    for (name, mine), theirs in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-4, msg=name)


LONG_TEXTS = [f"{'the lamp was bad . ' * (i % 5)}{text}" for i, text in enumerate(TEXTS)]


def overflowing(encoder, text: str, second: str | None = None) -> dict[str, torch.Tensor]:
    """Return the inputs of a model for the windows of a text, as transformers makes them."""
    encoded = encoder.tokenizer(
        text, second, truncation="longest_first" if second is None else "only_second", padding=True,
        max_length=encoder.max_length, stride=encoder.windows.stride, return_overflowing_tokens=True,
        return_token_type_ids=True, return_tensors="pt",
    )  # fmt: skip
    return {name: encoded[name] for name in ("input_ids", "attention_mask", "token_type_ids")}


def in_windows(folder, pairs: bool = False):
    model, encoder = encoder_of(folder, pairs, max_length=12)
    return model, encoder.with_windows(stride=3, max_windows=None)


@pytest.mark.parametrize("micro_batch_size", [None, 1, 5])
def test_a_row_of_several_windows_trains_by_the_mean_of_their_losses(english_bert, micro_batch_size):
    model, encoder = in_windows(english_bert)
    reference = copy.deepcopy(model)
    labels = np.arange(len(LONG_TEXTS)) % 2
    dataset = utils.tokenize(encoder, frame(LONG_TEXTS), labels).dataset
    assert set(dataset.window_counts.tolist()) == {1, 2, 3, 4}
    rows = np.array([3, 0, 19, 7, 12])
    weights = torch.tensor([0.5, 2.0])
    reference.train()
    for row in rows.tolist():
        logits = reference(**overflowing(encoder, LONG_TEXTS[row])).logits
        target = torch.full((len(logits),), labels[row])
        loss = torch.nn.functional.cross_entropy(logits, target)  # the mean over the windows
        (weights[labels[row]] * loss / weights[labels[rows]].sum()).backward()
    learner = learner_of(model, micro_batch_size, max_grad_norm=0.0)
    learner.settings = replace(learner.settings, loss=Loss(weights))
    learner.zero_grad = nothing  # so that the gradients of the step are left to look at
    losses = []
    utils.train_one_epoch(learner, dataset, [rows], lambda loss, *step: losses.append((loss, *step)))
    assert losses[0][1] == 5
    compared = 0
    for name, weight in reference.named_parameters():
        gradient = dict(model.named_parameters())[name].grad
        if gradient is not None and "word_embeddings" not in name:  # whose gradient is kept apart
            torch.testing.assert_close(gradient, weight.grad, atol=1e-6, rtol=1e-4, msg=name)
            compared += 1
    assert compared > 20


@pytest.mark.parametrize("shape", [{}, {"gamma": 2.0}, {"smoothing": 0.2}])
def test_the_windows_of_rows_weigh_together_what_rows_do(shape):
    logits = torch.randn(4, 3)
    label_ids = torch.tensor([0, 2, 1, 1])
    loss = Loss(torch.tensor([1.0, 2.0, 0.5]), **shape)
    twice = loss.sum(logits.repeat(2, 1), label_ids.repeat(2), torch.full((8,), 0.5))
    torch.testing.assert_close(twice, loss.sum(logits, label_ids))


def test_the_losses_that_are_reported_are_sums_over_all_rows(english_bert):
    model, encoder = encoder_of(english_bert)
    labels = np.arange(len(TEXTS)) % 2
    tokenized = utils.tokenize(encoder, frame(TEXTS), labels)
    dataset, full = tokenized.dataset, tokenized.full_lengths
    seen = []
    learner = learner_of(model, micro_batch_size=3, rate=0.0)
    utils.train_one_epoch(learner, dataset, training_batches(full, 8, 0, 0), lambda *step: seen.append(step))
    logits = predict(model, 4, dataset)
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels), reduction="sum")
    assert sum(loss.item() for loss, _, _ in seen) == pytest.approx(expected.item(), rel=1e-5)
    assert sorted(rows for _, rows, _ in seen) == [4, 8, 8]


def test_the_learning_rate_of_each_step_is_the_schedule_s(english_bert):
    model, encoder = encoder_of(english_bert)
    tokenized = utils.tokenize(encoder, frame(TEXTS), np.arange(len(TEXTS)) % 2)
    dataset, full = tokenized.dataset, tokenized.full_lengths
    learner = learner_of(model)
    learner.settings = StepSettings(Schedule(0.01, "linear", total_steps=6, warmup_ratio=0.5).learning_rate)
    rates = []
    for epoch in range(2):
        utils.train_one_epoch(learner, dataset, training_batches(full, 8, 0, epoch), lambda *s: rates.append(s[2]))
    assert rates == pytest.approx([0.0, 0.01 / 3, 0.02 / 3, 0.01, 0.02 / 3, 0.01 / 3])


def test_no_clipping_is_what_a_norm_of_zero_means(english_bert):
    steps = []
    for norm in (0.0, 1e9, 1e-9):
        model, encoder = encoder_of(english_bert)
        before = model.classifier.weight.detach().clone()
        tokenized = utils.tokenize(encoder, frame(TEXTS), np.arange(len(TEXTS)) % 2)
        dataset, full = tokenized.dataset, tokenized.full_lengths
        torch.manual_seed(0)
        model.classifier.weight.data.copy_(before)
        utils.set_seed(1)
        learner = learner_of(model, max_grad_norm=norm)
        learner.optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        utils.train_one_epoch(learner, dataset, training_batches(full, 8, 0, 0)[:1], nothing)
        steps.append((model.classifier.weight - before).norm().item())
    assert steps[2] < 1e-6 < steps[0]


def test_a_tiny_model_learns_the_reviews(english_bert, reviews):
    torch.manual_seed(0)
    model, encoder = encoder_of(english_bert)
    table = utils.read_table(reviews / "trainset.csv", COLUMNS)
    labels = encode_labels(table, ["con", "pro"])
    tokenized = utils.tokenize(encoder, table.frame, labels)
    dataset, full = tokenized.dataset, tokenized.full_lengths
    learner = learner_of(model, rate=2e-3)
    for epoch in range(16):
        utils.train_one_epoch(learner, dataset, training_batches(full, 8, 0, epoch), nothing)
    test = utils.read_table(reviews / "testset.csv", COLUMNS)
    expected = encode_labels(test, ["con", "pro"])
    logits = predict(model, 8, utils.tokenize(encoder, test.frame).dataset)
    assert (logits.argmax(1) == expected).mean() >= 0.9


# -- the start of a head ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["own", "mean"])
def test_a_head_begins_the_same_to_the_bit_whether_its_pooling_was_chosen_or_named(
    reviews, english_bert, pooling, monkeypatch
):
    words = ["--data_dir", str(reviews), "--model", str(english_bert), "--device", "cpu", "--precision", "fp32"]
    machine = choose_machine("cpu", "fp32", ALONE)
    losses = iter([0.0, 1.0] if pooling == "own" else [1.0, 0.0])
    monkeypatch.setattr(utils, "lowest_loss", lambda *_: next(losses))
    layers = []
    for named in ([], ["--pooling", pooling]):
        options = fine_tuning_options([*words, *named])
        data = utils.prepare_data(options, machine, Log(None))
        assert data.pooling == pooling
        utils.set_seed(1)
        new = utils.pretrained_classifier(options, data)
        if pooling == "mean":
            utils.pool_mean(new)
        utils.start_head(new.model, data, machine)
        layers.append(new.model.classifier)
    chosen, named = layers
    assert torch.equal(chosen.weight, named.weight)
    assert torch.equal(chosen.bias, named.bias)


# -- frozen layers -----------------------------------------------------------------------------------------------------


def partly_trained(folder, word: str, fast: bool = True, dropout: float = 0.0, design: HeadDesign | None = None):
    """Return a learner of a part of a model, and rows to train on and to validate with."""
    utils.set_seed(0)
    new = utils.new_classifier(
        str(folder), ["con", "pro"], dropout=dropout, fast=fast, choice=HeadChoice(design=design)
    )
    encoder = make_encoder(new.tokenizer, new.model.config, None, "longest_first", False)
    label_ids = np.arange(len(TEXTS)) % 2
    dataset = utils.tokenize(encoder, frame(TEXTS), label_ids).dataset
    frozen = freeze(new.model, TrainedPart.from_option(word))
    learner = replace(learner_of(new.model), frozen=frozen)
    fit = Fit(64, equal_lengths=False, precision="fp32")
    valid = dataset.select(np.arange(7))
    return learner, TrainingData(ChosenModel("base", str(folder)), ["con", "pro"], dataset, valid, fit)


@pytest.mark.parametrize("pooling", ["", "cls", "mean"])
@pytest.mark.parametrize("word", ["head", "top:1"])
def test_what_frozen_layers_give_is_kept_and_trains_the_same_weights(english_bert, word, pooling, capsys):
    design = HeadDesign(pooling, layers=1, dropout=0.0) if pooling else None
    of_first_tokens = word == "head" and pooling != "mean"
    learners = []
    for keeps in (False, True):
        learner, data = partly_trained(english_bert, word, design=design)
        if keeps:
            data = utils.keep_frozen_states(learner, data, 8, Log(sys.stdout))
            assert data.train.states.values.shape[0] == (len(TEXTS) if of_first_tokens else data.train.lengths.sum())
            learner.model.base_model._embedded = None  # from here on no token is looked at
        batches = training_batches(data.train.lengths, 8, 0, 0)
        utils.train_one_epoch(learner, data.train, batches, nothing)
        learners.append((learner.model, predict(learner.model, 4, data.valid)))
    assert (
        "frozen     what the frozen layers give is computed once and kept in memory, 0.0 MB\n"
        in capsys.readouterr().out
    )
    (model, logits), (other_model, other_logits) = learners
    np.testing.assert_allclose(other_logits, logits, rtol=0, atol=1e-4)
    for (name, weight), other in zip(model.named_parameters(), other_model.parameters(), strict=True):
        torch.testing.assert_close(other, weight, rtol=0, atol=1e-4, msg=name)


@pytest.mark.parametrize(
    ("word", "fast", "most", "line"),
    [
        ("top:1", True, 100, "computed anew in every epoch: what they give is more than 2 GiB"),
        ("top:1", False, None, "computed anew in every epoch; what they give is kept only of layers of BERT's kind"),
        ("all", True, None, ""),
    ],
)
def test_frozen_layers_whose_states_cannot_be_kept_are_said(english_bert, word, fast, most, line, capsys, monkeypatch):
    if most:
        monkeypatch.setattr("toolkit.tokens.hidden_states.MAX_BYTES", most)
    learner, data = partly_trained(english_bert, word, fast)
    assert utils.keep_frozen_states(learner, data, 8, Log(sys.stdout)) is data
    said = capsys.readouterr().out
    assert line in said
    assert bool(said) == bool(line)


# -- prediction ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_predictions_come_in_the_order_of_the_file(english_bert, batch_size):
    model, encoder = encoder_of(english_bert)
    dataset = utils.tokenize(encoder, frame(TEXTS)).dataset
    logits = predict(model, batch_size, dataset)
    model.eval()
    with torch.no_grad():
        one_by_one = [model(**encoder.tokenizer(text, return_tensors="pt")).logits[0] for text in TEXTS]
    np.testing.assert_allclose(logits, torch.stack(one_by_one).numpy(), atol=1e-5)


def test_bf16_predictions_are_near_those_in_fp32(english_bert):
    model, encoder = encoder_of(english_bert)
    dataset = utils.tokenize(encoder, frame(TEXTS)).dataset
    exact = predict(model, 8, dataset)
    rough = utils.predict_logits(utils.Predictor(model, Machine(CPU, choose_precision("bf16", CPU)), 8), dataset)
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).max() < 0.1


@pytest.mark.parametrize("pairs", [False, True])
def test_the_logits_of_a_long_row_are_the_mean_of_those_of_its_windows(english_bert, pairs):
    model, encoder = in_windows(english_bert, pairs)
    model.eval()
    seconds = LONG_TEXTS if pairs else None
    firsts = ["good ."] * len(LONG_TEXTS) if pairs else LONG_TEXTS
    dataset = utils.tokenize(encoder, frame(firsts, seconds)).dataset
    expected = []
    for row, text in enumerate(firsts):
        with torch.no_grad():
            logits = model(**overflowing(encoder, text, seconds[row] if pairs else None)).logits
        expected.append(logits.mean(0).numpy())
    for batch_size in (1, 3, 100):
        done = []
        predictor = utils.Predictor(model, Machine(CPU, FP32), batch_size)
        logits = utils.predict_logits(predictor, dataset, done.append)
        np.testing.assert_allclose(logits, np.stack(expected), atol=1e-5)
        assert sum(done) == len(LONG_TEXTS)
        assert logits.dtype == np.float32


def test_no_rows_give_no_logits(english_bert):
    model, encoder = encoder_of(english_bert)
    dataset = utils.tokenize(encoder, frame([])).dataset
    assert predict(model, 8, dataset).shape == (0, 2)


def test_a_model_in_dataparallel_trains_and_predicts_as_it_does_alone(english_bert):
    model, encoder = encoder_of(english_bert)
    alone = copy.deepcopy(model)
    wrapped = torch.nn.DataParallel(model)  # without a card it hands everything to the model
    tokenized = utils.tokenize(encoder, frame(TEXTS), np.arange(len(TEXTS)) % 2)
    dataset, full = tokenized.dataset, tokenized.full_lengths
    for each in (wrapped, alone):
        utils.train_one_epoch(learner_of(each), dataset, training_batches(full, 8, 0, 0), nothing)
    assert unwrap(wrapped) is model
    expected = predict(alone, 8, dataset)
    np.testing.assert_array_equal(predict(wrapped, 8, dataset), expected)


# -- the rest --------------------------------------------------------------------------------------------------------


def test_a_seed_makes_new_weights_the_same(english_bert):
    heads = []
    for seed in (1, 1, 2):
        utils.set_seed(seed)
        heads.append(utils.new_classifier(str(english_bert), ["a", "b", "c"], None).model.classifier.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_a_tokenizer_of_another_model_is_refused(tmp_path, english_bert):
    BertForSequenceClassification.from_pretrained(english_bert).save_pretrained(tmp_path)
    bert_tokenizer([*WORDS, "many", "more", "words"]).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="do not belong together"):
        utils.new_classifier(str(tmp_path), ["a", "b"], None)


def test_a_saved_model_s_weights_are_one_file_however_small_transformers_makes_them(
    tmp_path, english_bert, monkeypatch
):
    save = PreTrainedModel.save_pretrained

    def save_in_small_parts(self, *args, max_shard_size="30KB", **options):
        save(self, *args, max_shard_size=max_shard_size, **options)

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", save_in_small_parts)
    model, encoder = encoder_of(english_bert)
    model.save_pretrained(tmp_path / "parts")
    assert len(list((tmp_path / "parts").glob("model-*-of-*.safetensors"))) > 1
    monkeypatch.setattr(utils, "model_card", lambda run: "")
    utils.save_model(tmp_path / "model", model, encoder.tokenizer, run_facts())
    assert [path.name for path in (tmp_path / "model").glob("*.safetensors*")] == ["model.safetensors"]


def test_a_saved_model_is_the_model(tmp_path, english_bert):
    model, encoder = encoder_of(english_bert, max_length=20)
    entry = {"valid_loss": 0.5, "accuracy": 0.9, "macro_f1": 0.9, "mcc": 0.8}
    data = {"train": {"file": "t.csv", "rows": 2}, "valid": {"file": "v.csv", "rows": 2}}
    run = run_facts(labels=["con", "pro"], max_length=20, metrics=entry, data=data)
    utils.save_model(tmp_path / "model", model, encoder.tokenizer, run)
    saved = utils.load_model(tmp_path / "model", Machine(CPU, FP32))
    loaded, again, found = saved.model, saved.encoder, saved.run
    assert found == run
    assert again.max_length == 20
    for mine, theirs in zip(model.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert load_tokenizer(str(tmp_path / "model")).get_vocab() == encoder.tokenizer.get_vocab()
    utils.describe_model(tmp_path / "model", replace(run, labels=["con", "pro", "maybe"]))
    with pytest.raises(UserError, match="does not fit run.json"):
        utils.load_model(tmp_path / "model", Machine(CPU, FP32))
