import io
from dataclasses import replace

import pytest

from tests.runs.test_checkpoint import FACTS, parts
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.options import fine_tuning_options
from toolkit.compute.processes import ALONE
from toolkit.runs.checkpoint import begin_checkpoint, save_checkpoint
from toolkit.runs.progress import Progress
from toolkit.runs.resume import MAY_CHANGE, MAY_GROW, resume, resumed_options
from toolkit.runs.run_json import RunFacts, TableFacts

# -- options ----------------------------------------------------------------------------------------------------------


def resumed(folder, saved: dict, *words: str) -> dict:
    """Return the options of a run that was begun with `saved` and is resumed with these words."""
    saved_options = {**fine_tuning_options([]).as_dict(), **saved}
    begin_checkpoint(folder / "checkpoint", replace(FACTS, options=saved_options))
    options = fine_tuning_options(["--output_dir", str(folder), "--resume", *words])
    return resumed_options(options, ALONE, Log(io.StringIO())).as_dict()


CHANGES = {  # (saved, on the command line) of each option that may change
    "epochs": (3, "5"), "device": ("auto", "cpu"), "data_dir": ("data", "elsewhere"), "train_file": (None, "t.csv"),
    "valid_file": ("v.csv", "w.csv"), "test_file": ("a.csv", "b.csv"), "save_steps": (0, "7"),
    "micro_batch_size": (None, "4"), "max_bad_steps": (10, "0"), "precision": ("auto", "fp32"),
    "report_language": ("en", "zh"), "explain_rows": (20, "0"),
    "language": ("en", "zh"), "merge": (None, "whole"), "unlabelled_file": ("u.csv", "v.csv"),
}  # fmt: skip
REFUSED = {
    "epochs": (3, "2"), "batch_size": (16, "8"), "learning_rate": (5e-5, "0.0001"), "seed": (42, "7"),
    "model": (None, "other"), "max_length": (None, "64"), "dropout": (None, "0.0"),
    "split_seed": (None, "7"), "seeds": (1, "2"),
    "metric": ("accuracy", "loss"), "eval_steps": (0, "5"), "early_stopping": (0, "2"),
    "scheduler": ("linear", "cosine"),
    "warmup_ratio": (0.1, "0.2"), "weight_decay": (0.01, "0.0"), "max_grad_norm": (1.0, "0.5"),
    "adam_beta1": (0.9, "0.8"), "adam_beta2": (0.999, "0.99"), "adam_epsilon": (1e-8, "1e-06"),
    "text_column": ("text", "t"), "label_column": ("label", "l"), "pair_column": (None, "p"), "encoding": (None, "gbk"),
    "on_bad_rows": ("stop", "skip"), "valid_ratio": (0.1, "0.3"), "truncation": ("longest_first", "head_tail"),
    "long_texts": ("truncate", "windows"), "stride": (16, "8"), "max_windows": (None, "4"),
    "positive_label": (None, "pro"), "max_unknown": (0.2, "1.0"), "threshold": (None, "0.3"),
    "train": ("head", "top:2"), "lora_rank": (8, "4"), "lora_alpha": (16, "8"), "lora_dropout": (0.0, "0.1"),
    "pooling": ("own", "mean"), "head_start": ("probe", "random"),
    "head": ("model", "cls"), "loss": ("cross_entropy", "focal"),
    "folds": (5, "7"), "group_column": (None, "user"),
    "separator": (",", ";"), "escape": ("auto", "none"), "columns": (None, "label,text"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_an_option_that_does_not_say_what_a_step_does_may_change(tmp_path, name):
    before, word = CHANGES[name]
    options = resumed(tmp_path, {name: before}, f"--{name}", word)
    assert str(options[name]) == word
    assert options["resume"] is True


def test_the_lines_are_in_the_language_of_the_command_that_resumes(tmp_path):
    assert resumed(tmp_path, {"language": "zh"})["language"] == "auto"


@pytest.mark.parametrize("name", REFUSED)
def test_an_option_that_says_what_a_step_does_may_not_and_both_values_are_named(tmp_path, name):
    before, word = REFUSED[name]
    with pytest.raises(UserError) as caught:
        resumed(tmp_path, {name: before}, f"--{name}", word)
    assert caught.value.lines() == [f"--{name} {word}: the run to resume has {before}"]


def test_labels_may_not_be_named_otherwise_but_in_the_same_way(tmp_path):
    names = {"0": "neg", "1": "pos"}
    assert resumed(tmp_path / "a", {"map_labels": names}, "--map_labels", "1=pos", "0=neg")["map_labels"] == names
    with pytest.raises(UserError, match="--map_labels {'0': 'neg'}: the run to resume has {'0': 'neg', '1': 'pos'}"):
        resumed(tmp_path / "b", {"map_labels": names}, "--map_labels", "0=neg")


def test_every_option_is_known_to_change_or_not():
    options = set(fine_tuning_options([]).as_dict())
    untested = {"resume", "output_dir", "overwrite", "check_data", "fast", "drop_leaked"}
    untested |= {
        "keep_duplicates_together",
        "find_label_errors",
        "tensorboard",
        "map_labels",
        "keep_head",
        "no_header",
        "multi_label",
        "trim_vocabulary",
    }
    untested |= {
        "head_layers",
        "head_dropout",
        "focal_gamma",
        "label_smoothing",
        "class_weight",
        "teacher",
        "label_separator",
        "label_columns",
    }  # need another option
    assert set(CHANGES) | set(REFUSED) | untested == options
    assert (MAY_CHANGE | MAY_GROW) - untested == set(CHANGES)


@pytest.mark.parametrize("name", ["fast", "drop_leaked", "trim_vocabulary", "keep_duplicates_together"])
def test_a_switch_that_says_what_a_step_does_may_not_change_either(tmp_path, name):
    with pytest.raises(UserError, match=f"--{name} False: the run to resume has True"):
        resumed(tmp_path, {name: True}, f"--no-{name}")


def test_the_options_of_the_save_win_over_defaults_and_several_differences_are_told_together(tmp_path):
    found = resumed(tmp_path / "a", {"batch_size": 7, "learning_rate": 0.5, "seed": 3})
    assert (found["batch_size"], found["learning_rate"], found["seed"]) == (7, 0.5, 3)
    same = resumed(tmp_path / "b", {"batch_size": 7, "epochs": 3}, "--batch_size", "7", "--epochs", "3")
    assert same["batch_size"] == 7
    with pytest.raises(UserError) as caught:
        resumed(tmp_path / "c", {"epochs": 3}, "--batch_size", "9", "--seed", "1", "--epochs", "9")
    assert caught.value.lines() == [
        "--batch_size 9: the run to resume has 16", "--seed 1: the run to resume has 42",
    ]  # fmt: skip


def test_what_was_chosen_for_the_run_stays_although_the_command_says_auto_again(tmp_path):
    chosen = {"epochs": 20, "learning_rate": 1e-4, "pooling": "mean", "truncation": "head_tail"}
    again = resumed(tmp_path, chosen, "--epochs", "auto", "--learning_rate", "auto", "--pooling", "auto")
    assert {name: again[name] for name in chosen} == chosen


def test_a_run_that_is_older_than_the_recipe_goes_on_as_it_began(tmp_path):
    saved = {**fine_tuning_options([]).as_dict(), "epochs": 3}
    del saved["pooling"], saved["head_start"]
    begin_checkpoint(tmp_path / "checkpoint", replace(FACTS, options=saved))
    options = fine_tuning_options(["--output_dir", str(tmp_path), "--resume"])
    older = resumed_options(options, ALONE, Log(io.StringIO())).model
    assert (older.pooling, older.head_start) == ("own", "random")


def test_a_run_that_is_older_than_what_keeps_duplicates_together_holds_out_the_same_rows(tmp_path):
    saved = {**fine_tuning_options([]).as_dict()}
    del saved["keep_duplicates_together"], saved["group_column"]
    begin_checkpoint(tmp_path / "checkpoint", replace(FACTS, options=saved))
    options = fine_tuning_options(["--output_dir", str(tmp_path), "--resume"])
    older = resumed_options(options, ALONE, Log(io.StringIO())).data
    assert (older.keep_duplicates_together, older.group_column) == (False, None)


def test_a_run_that_was_moved_goes_on_where_it_is(tmp_path):
    found = resumed(tmp_path / "moved", {"output_dir": "where/it/was"})
    assert found["output_dir"] == str(tmp_path / "moved")


def test_where_no_run_has_begun_resume_begins_one(tmp_path):
    stream = io.StringIO()
    options = fine_tuning_options(["--resume", "--output_dir", str(tmp_path)])
    assert resumed_options(options, ALONE, Log(stream)).output.resume is False
    assert f"there is no run in {tmp_path} yet, so a new one begins" in stream.getvalue()


# -- data and number format -------------------------------------------------------------------------------------------


def of_data(**digests: str) -> RunFacts:
    return of_tables(**{name: TableFacts(f"{name}.csv", 40, digest, "11") for name, digest in digests.items()})


def of_tables(**tables: TableFacts) -> RunFacts:
    return replace(FACTS, data=tables)


@pytest.mark.parametrize(
    ("before", "now", "named"),
    [
        ({"train": "aa"}, {"train": "bb"}, "train.csv"),
        ({"train": "aa", "valid": "cc"}, {"train": "aa", "valid": "dd"}, "valid.csv"),
        ({"train": "aa", "test": "cc"}, {"train": "aa", "test": "dd"}, "test.csv"),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_changed_data_is_refused(tmp_path, before, now, named, begun):
    state = parts(0)
    if begun:
        begin_checkpoint(tmp_path, of_data(**before))
    else:
        save_checkpoint(tmp_path, state, Progress(), of_data(**before))
    with pytest.raises(UserError) as caught:
        resume(tmp_path, state, of_data(**now), ALONE)
    assert caught.value.lines() == [f"--resume: {named} has changed since the run began"]


def test_a_file_that_was_moved_and_is_the_same_is_accepted(tmp_path):
    save_checkpoint(tmp_path, parts(0), Progress(step=4), of_data(train="aa"))
    moved = of_tables(train=TableFacts("elsewhere/t.csv", 40, "aa", "11"))
    assert resume(tmp_path, parts(1), moved, ALONE).progress.step == 4


def test_a_test_file_may_be_named_later(tmp_path):
    save_checkpoint(tmp_path, parts(0), Progress(step=4), of_data(train="aa"))
    assert resume(tmp_path, parts(1), of_data(train="aa", test="cc"), ALONE).progress.step == 4


def test_another_file_in_the_place_of_one_that_is_not_named_is_told_with_both_names(tmp_path):
    save_checkpoint(tmp_path, parts(0), Progress(step=4), of_data(train="aa", valid="bb"))
    table = TableFacts("moved/train.csv", 40, "aa", "11")
    with pytest.raises(UserError) as caught:
        resume(tmp_path, parts(1), of_tables(train=table, valid=table), ALONE)
    assert caught.value.lines() == ["--resume: moved/train.csv is not the same as valid.csv, the run's --valid_file"]


def test_other_tokens_of_the_same_file_are_refused(tmp_path):
    save_checkpoint(tmp_path, parts(0), Progress(step=4), of_data(train="aa"))
    changed = of_tables(train=TableFacts("train.csv", 40, "aa", "22"))
    with pytest.raises(UserError, match="--model has changed: its tokenizer turns train.csv into other tokens than"):
        resume(tmp_path, parts(1), changed, ALONE)


def test_other_rows_of_the_same_file_are_refused_with_the_likely_cause(tmp_path):
    save_checkpoint(tmp_path, parts(0), Progress(step=4), of_data(train="aa"))
    changed = of_tables(train=TableFacts("train.csv", 38, "aa", "22"))
    with pytest.raises(UserError, match="38 rows of train.csv are used, but 40 when the run began; --drop_leaked"):
        resume(tmp_path, parts(1), changed, ALONE)


def test_another_number_format_is_refused_with_both_names(tmp_path):
    save_checkpoint(tmp_path, parts(0), Progress(), FACTS)
    with pytest.raises(UserError, match="used fp32, but this machine would continue in bf16; --precision fp32 keeps"):
        resume(tmp_path, parts(0), replace(FACTS, precision="bf16"), ALONE)
