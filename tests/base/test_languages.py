from toolkit.base.languages import counted


def test_one_thing_is_counted_in_the_singular_and_any_other_number_in_the_plural():
    assert [counted(number, "row") for number in (0, 1, 2, 1200)] == ["0 rows", "1 row", "2 rows", "1,200 rows"]
