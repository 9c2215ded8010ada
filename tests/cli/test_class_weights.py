import json

import pytest

from toolkit.base.errors import UserError
from toolkit.cli.options import fine_tuning_options


def weights(*words: str) -> str | dict[str, float]:
    return fine_tuning_options(["--class_weight", *words]).training.loss.class_weight


def test_words_are_a_name_or_weights_of_labels_which_may_be_given_in_turns():
    assert fine_tuning_options([]).training.loss.class_weight == "none"
    assert [weights("none"), weights("balanced")] == ["none", "balanced"]
    assert weights("bad=2", "very good = 0.5", "balanced=3") == {"bad": 2, "very good": 0.5, "balanced": 3}
    options = fine_tuning_options(["--class_weight=-1=2.5", "--epochs", "1", "--class_weight=0=1e1"])
    assert options.training.loss.class_weight == {"-1": 2.5, "0": 10}
    assert options.on_command_line["class_weight"] == {"-1": 2.5, "0": 10}
    assert json.loads(json.dumps(options.as_dict()))["class_weight"] == {"-1": 2.5, "0": 10}
    assert weights("a=2", "--class_weight", "balanced") == "balanced"


def test_an_escaped_equals_sign_is_part_of_a_label():
    assert weights(r"a\=b=3") == {"a=b": 3}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["half"], "half: should be none, balanced, or LABEL=WEIGHT"),
        (["balanced", "a=1"], "balanced: should be none"),
        (["=2"], "=2: should be"),
        (["a="], "a=: should be"),
        (["a=b=2"], "'b=2' is not a number"),
        (["a=much"], "'much' is not a number"),
        (["a=0"], "must be above 0"),
        (["a=-1"], "must be above 0"),
        (["a=nan"], "finite"),
        (["a=1", "a=2"], "has a weight already"),
    ],
)
def test_what_is_no_weight_is_refused_in_a_line(words, problem):
    with pytest.raises(UserError, match=problem) as caught:
        weights(*words)
    assert str(caught.value.args[0]).startswith("--class_weight ")
