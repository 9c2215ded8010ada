import pytest

from toolkit.base.errors import UserError
from toolkit.cli.options import fine_tuning_options
from toolkit.models.head_design import HeadDesign


def design(*words: str) -> HeadDesign | None:
    return HeadDesign.from_options(fine_tuning_options([*words]).model)


def test_the_options_say_how_the_head_is_built():
    assert design() is None
    assert design("--head", "model", "--dropout", "0.3") is None
    assert design("--head", "cls") == HeadDesign("cls", 0, 0.1)
    assert design("--head", "mean", "--head_dropout", "0") == HeadDesign("mean", 0, 0.0)
    assert design("--head", "mlp") == design("--head", "mean", "--head_layers", "1") == HeadDesign("mean", 1, 0.1)
    assert design("--head", "mlp", "--head_layers", "3") == HeadDesign("mean", 3, 0.1)
    assert design("--head", "cls", "--head_layers", "2") == HeadDesign("cls", 2, 0.1)


def test_the_dropout_of_the_model_is_that_of_the_head_unless_it_has_its_own():
    assert design("--head", "cls", "--dropout", "0").dropout == 0
    assert design("--head", "cls", "--dropout", "0.5", "--head_dropout", "0.2").dropout == 0.2


@pytest.mark.parametrize("words", [["--head_layers", "2"], ["--head", "model", "--head_dropout", "0.1"]])
def test_what_is_for_another_head_is_refused(words):
    with pytest.raises(UserError, match="is for --head cls, mean and mlp, and this is --head model"):
        design(*words)


def test_a_design_is_kept_as_json():
    kept = HeadDesign("mean", 2, 0.25)
    assert kept.as_json() == {"pooling": "mean", "layers": 2, "dropout": 0.25}
    assert HeadDesign.from_json(kept.as_json()) == kept
    assert HeadDesign.from_json(None) is None


@pytest.mark.parametrize(
    "changes",
    [{"pooling": "max"}, {"pooling": None}, {"layers": -1}, {"layers": True}, {"layers": 10**9}, {"layers": 1.0},
     {"dropout": 1}, {"dropout": "0.1"}, {"dropout": None}, {"more": 1}],
)  # fmt: skip
def test_what_is_no_design_is_not_taken_for_one(changes):
    with pytest.raises(ValueError, match="its head is not what main.py writes"):
        HeadDesign.from_json({"pooling": "cls", "layers": 0, "dropout": 0.1} | changes)
    for other in ([], "cls", {}, {"pooling": "cls"}):
        with pytest.raises(ValueError, match="its head"):
            HeadDesign.from_json(other)
