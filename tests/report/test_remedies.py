"""What is advised follows from what a run shows."""

import math
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import run_facts
from toolkit.base.languages import LANGUAGES
from toolkit.cli.options import fine_tuning_options
from toolkit.data.tables import Table
from toolkit.files.columns import Columns
from toolkit.models.locate import EMBEDDED
from toolkit.report.remedies import Remedy, remedies
from toolkit.report.texts import REMEDIES

OPTIONS = {"epochs": 3, "learning_rate": 5e-5, "metric": "accuracy", "train": "all", "loss": "cross_entropy"}


def table(text: str) -> Table:
    frame = pd.DataFrame({"text": [text] * 3, "label": ["a", "b", "a"]}, dtype=object)
    return Table(Path("t.csv"), frame, [], [], Columns(), "1")


def advised(losses, labels: int = 2, rows: int = 2000, text: str = "some words", **changed) -> dict[str, Remedy]:
    """Return the remedies by their kinds for a run with these training losses."""
    options = OPTIONS | changed.pop("options", {})
    facts = {
        "labels": [str(label) for label in range(labels)],
        "positive_label": "1",
        "options": options,
        "data": {"train": {"file": "t.csv", "rows": rows}},
        "base_model": EMBEDDED,
    }
    history = [{"step": 10 * (i + 1), "train_loss": loss} for i, loss in enumerate(losses)]
    return {remedy.kind: remedy for remedy in remedies(run_facts(**facts | changed), history, table(text))}


def test_a_training_loss_that_is_still_high_asks_for_more_epochs():
    found = advised([0.65, 0.5, 0.4])
    assert list(found) == ["longer"]
    assert found["longer"].options == {"epochs": 6}
    assert found["longer"].sentence() == (
        "the training loss is still 0.40 (guessing has 0.69), so train longer: --epochs 6"
    )


def test_one_that_is_hardly_below_guessing_asks_for_a_higher_learning_rate_too():
    found = advised([0.69, 0.68, 0.6])
    assert list(found) == ["longer", "higher_rate"]
    assert found["higher_rate"].options == {"learning_rate": 1e-4}


def test_many_labels_ask_for_larger_steps_and_more_so_of_the_small_model():
    found = advised([4.3, 3.0, 2.0], labels=77, rows=9000)
    assert list(found) == ["longer", "rate_for_labels"]
    assert found["rate_for_labels"].options == {"learning_rate": 2e-4}
    other = advised([4.3, 3.0, 2.0], labels=77, rows=9000, base_model="org/large")
    assert other["rate_for_labels"].options == {"learning_rate": 1e-4}
    at_most = advised([4.3, 3.0, 2.0], labels=77, rows=9000, options={"learning_rate": 2e-4})
    assert list(at_most) == ["longer"]


def test_a_high_rate_at_which_nothing_is_learned_is_lowered():
    found = advised([0.8, 0.7, 0.693], options={"learning_rate": 1e-3})
    assert list(found) == ["longer", "lower_rate"]
    assert found["lower_rate"].options == {"learning_rate": 5e-5}


def test_rows_that_are_learned_and_teach_too_little_ask_for_more_of_them_or_another_model():
    assert list(advised([0.5, 0.2, 0.05])) == ["more_rows", "larger_model", "labels"]
    found = advised([0.5, 0.2, 0.05], text="房间很干净")
    assert list(found) == ["more_rows", "another_model", "labels"]
    assert found["another_model"].options == {"model": "hfl/chinese-bert-wwm"}
    known = advised([0.5, 0.2, 0.05], text="房间很干净", base_model="hfl/chinese-bert-wwm")
    assert "another_model" not in known


@pytest.mark.parametrize(("rows", "is_told"), [(150 * 15, True), (150 * 16, False)])
def test_few_rows_a_label_are_told(rows, is_told):
    assert ("few_rows" in advised([4.0, 0.1], labels=150, rows=rows)) == is_told


def test_characters_that_the_model_does_not_know_come_first():
    finding = {"kind": "unknown", "count": 3, "facts": {"share": 0.12, "file": "t.csv"}}
    found = advised([0.6, 0.5], text="房间很干净", findings=[finding])
    assert list(found) == ["language", "longer", "higher_rate"]
    assert found["language"].options == {"model": "hfl/chinese-bert-wwm"}
    assert "12.0% of the characters" in found["language"].sentence()


def test_of_a_part_that_was_trained_the_whole_is_advised():
    found = advised([0.69, 0.6], options={"train": "head"})
    assert list(found) == ["whole", "longer"]
    assert found["whole"].options == {"train": "all"}


@pytest.mark.parametrize("loss", ["focal", "label_smoothing"])
def test_a_loss_that_does_not_compare_with_guessing_is_judged_by_its_course(loss):
    assert list(advised([0.69, 0.6, 0.4], options={"loss": loss})) == ["still_falling"]
    assert list(advised([0.69, 0.4, 0.4], options={"loss": loss})) == ["more_rows", "larger_model", "labels"]


def test_of_an_old_run_or_one_whose_evaluations_are_gone_less_is_said():
    assert list(advised([], options={"epochs": None})) == ["larger_model", "labels"]
    assert list(advised([], metrics={"train_loss": 0.6})) == ["longer", "higher_rate"]
    assert remedies(run_facts(), [], None)


def test_advice_works_with_the_numbers_that_auto_came_to():
    options = fine_tuning_options(["--epochs", "7", "--learning_rate", "3e-5"]).as_dict()
    found = advised([0.69, 0.6, 0.5], options=options)
    assert {**found["longer"].options, **found["higher_rate"].options} == {"epochs": 14, "learning_rate": 6e-5}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", REMEDIES)
def test_every_remedy_has_a_sentence_in_each_language(kind, language):
    numbers = dict.fromkeys(["share", "loss", "chance", "rate", "before", "rows"], math.pi)
    facts = numbers | {"epochs": 6, "labels": 77, "least": 16, "model": "org/name", "part": "head"}
    if kind == "more_rows":
        facts["rows"] = 2000
    assert Remedy(kind, facts).sentence(language)
