import pytest

from toolkit.data.scripts import MAX_CHARACTERS, main_script


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("the food was good", "Latin"),
        ("Größe und Übermut", "Latin"),
        ("очень вкусно", "Cyrillic"),
        ("房间很大，服务很好", "Chinese"),
        ("部屋はとても広い", "Japanese"),
        ("カタカナ", "Japanese"),
        ("방이 넓어요", "Korean"),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "Latin"),
        ("iPhone 很好用", "Chinese"),  # a word of Latin, three characters
        ("buy an iPhone 好", "Latin"),
        ("123 45, 67", None),
        ("😀 !!!", None),
        ("", None),
        ("1" * MAX_CHARACTERS + "abc", None),
        ("１" * MAX_CHARACTERS + "好", None),
    ],
)
def test_the_script_of_a_text_is_that_of_most_of_its_words(text, script):
    assert main_script(text) == script
