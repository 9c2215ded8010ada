import shlex
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.cli.options import fine_tuning_options
from toolkit.data.spellings import (
    LabelKind,
    certain_form,
    kind_of,
    likely_form,
    likely_spellings,
    map_labels_option,
    plain_label,
)


@pytest.mark.parametrize(
    ("spelled", "plain"),
    [
        ("  good\t", "good"),
        ("\u3000好评\u3000", "好评"),
        ("\xa0good\u2009", "good"),
        ("\ufeffgood", "good"),
        ("g\u200boo\u200dd\u200c", "good"),
        ("好\u200d评", "好评"),
        ("\u202agood\u202c", "good"),
        ("so\xadft", "soft"),
        ("e\u0301te\u0301", "été"),
        ("n\u0303", "ñ"),
        ("Ａ", "Ａ"),
        ("two  words", "two  words"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष", "क्\u200dष"),
        ("2.10", "2.10"),
        ("\u200b", ""),
    ],
)
def test_a_plain_label_lacks_what_nobody_can_see(spelled, plain):
    assert plain_label(spelled) == unicodedata.normalize("NFC", plain)


@given(st.text())
def test_what_is_plain_stays_so(label):
    assert plain_label(plain_label(label)) == plain_label(label)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["1", "2.0", "-3.5"], LabelKind.NUMBERS),
        (["0", "1"], LabelKind.NUMBERS),
        (["01", "02"], LabelKind.NAMES),
        (["1.0", "1.0.1"], LabelKind.NAMES),
        (["1.0", "x"], LabelKind.NAMES),
        (["1e3", "2"], LabelKind.NAMES),
        (["１", "2"], LabelKind.NAMES),
        (["True", "FALSE", "true"], LabelKind.TRUTH_VALUES),
        (["True", "False", "unknown"], LabelKind.NAMES),
        (["yes", "no"], LabelKind.NAMES),
    ],
)
def test_labels_are_numbers_or_truth_values_only_if_all_of_them_are(labels, kind):
    assert kind_of(labels) is kind


@pytest.mark.parametrize(
    ("label", "kind", "form"),
    [
        ("1.0", LabelKind.NUMBERS, "1"),
        ("1.000", LabelKind.NUMBERS, "1"),
        ("-0.0", LabelKind.NUMBERS, "0"),
        ("10", LabelKind.NUMBERS, "10"),
        ("4.5", LabelKind.NUMBERS, "4.5"),
        ("2.10", LabelKind.NUMBERS, "2.10"),
        ("1.0", LabelKind.NAMES, "1.0"),
        ("TRUE", LabelKind.TRUTH_VALUES, "true"),
        ("TRUE", LabelKind.NAMES, "TRUE"),
    ],
)
def test_only_what_is_certain_of_the_kind_of_a_column_is_made_one(label, kind, form):
    assert certain_form(label, kind) == form


@pytest.mark.parametrize(
    "spellings",
    [
        ("Positive", "positive", "POSITIVE", "ｐｏｓｉｔｉｖｅ", " positive"),
        ("1", "1.0", "１", "1.00"),
        ("2.1", "2.10", "2.100"),
        ("true", "True", "TRUE"),
        ("Straße", "STRASSE"),
        ("no  way", "no way", "no\u3000way"),
    ],
)
def test_spellings_that_differ_in_case_width_blanks_or_decimal_point_are_likely_one_label(spellings):
    assert len({likely_form(label) for label in spellings}) == 1


@pytest.mark.parametrize("labels", [("1", "10"), ("2.1", "2.01"), ("1.0", "1.0.0"), ("a b", "ab"), ("好", "差")])
def test_other_labels_stay_apart(labels):
    assert len({likely_form(label) for label in labels}) == len(labels)


def test_a_spelling_is_likely_a_known_label_only_where_there_is_one_alone():
    assert likely_spellings(["POS", "x", "B"], ["pos", "neg", "b", "Ｂ"]) == {"POS": "pos"}


ODD_NAMES = {
    "Positive": "positive", "-1": "neg", "@home": "home", "it's": "its", "a b": "a  b", "x=y": "x", "$HOME": "h",
    "好 评": "好评", '"': "quote", "a\tb": "ab", "*": "star",
}  # fmt: skip


@pytest.mark.parametrize(
    "names", [ODD_NAMES, {"1.0": "1", "0.0": "0"}, {"a": "b=c"}, {"Positive": "positive", "Negative": "negative"}]
)
def test_the_option_can_be_pasted_into_a_shell(names):
    assert fine_tuning_options(shlex.split(map_labels_option(names))).data.map_labels == names


def test_the_option_is_as_plain_as_it_can_be():
    assert map_labels_option({"Good": "good", "Bad": "bad"}) == "--map_labels Good=good Bad=bad"
