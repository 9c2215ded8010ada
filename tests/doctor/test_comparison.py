from dataclasses import replace

from tests.doctor.toy_tables import clean, table, unlike
from toolkit.doctor import comparison
from toolkit.doctor.comparison import compare_texts, nearly_equal_rows
from toolkit.doctor.labelled_rows import number_rows


def changed(text: str, letters: str) -> str:
    return text[: -len(letters)] + letters


def test_a_comparison_holds_for_parts_of_the_tables_too():
    texts = unlike(20)
    rows = clean([*texts, changed(texts[3], "qqq"), changed(texts[4], "rrr")])
    train, test = table("t", rows), table("e", clean([changed(texts[3], "sss")]))
    compared = compare_texts({"train": train, "test": test})
    assert nearly_equal_rows(number_rows({"train": train}), compared) == [(20, 3), (21, 4)]
    held_out = [3, 4, 21]
    rest, valid = train.frame.drop(train.frame.index[held_out]), train.frame.iloc[held_out]
    tables = {"train": replace(train, frame=rest), "valid": replace(train, frame=valid), "test": test}
    rows = compared.number(tables)
    texts_of = [(rows.texts[row], rows.texts[earlier]) for row, earlier in nearly_equal_rows(rows, compared)]
    assert texts_of == [
        (texts[3], changed(texts[3], "qqq")),
        (changed(texts[4], "rrr"), texts[4]),
        (changed(texts[3], "sss"), changed(texts[3], "qqq")),
        (changed(texts[3], "sss"), texts[3]),
    ]
    assert rows.normalized == number_rows(tables).normalized


def test_of_very_many_texts_some_of_the_training_texts_are_compared_and_all_others(monkeypatch):
    monkeypatch.setattr(comparison, "MAX_COMPARED_TEXTS", 60)
    texts = unlike(40)
    train = table("t", clean(texts + [changed(text, "qqq") for text in texts]))
    test = table("e", clean([changed(text, "rrr") for text in texts]))
    compared = compare_texts({"train": train, "test": test})
    found = nearly_equal_rows(compared.number({"train": train, "test": test}), compared)
    in_train = {earlier for _, earlier in found}
    assert in_train <= set(range(0, 80, 4))
    assert len({row for row, _ in found if row >= 80}) == 10
