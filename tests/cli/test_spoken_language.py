import io
import sys

import pytest

from toolkit.cli.spoken_language import language_of_words, shows_chinese, spoken_language, system_language


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.Big5"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "POSIX"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zha_CN.UTF-8"}, "en"),  # Zhuang
        ({"LC_MESSAGES": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LC_ALL": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "zh_CN.UTF-8"}, "zh"),  # empty is not set
        ({"LC_CTYPE": "zh_CN.UTF-8"}, "en"),  # which is about characters, not messages
    ],
)
def test_the_first_variable_that_is_set_names_the_language(variables, language):
    assert system_language(variables) == language


def test_where_no_variable_is_set_the_system_names_it():
    assert system_language({}, "Chinese (Simplified)_China") == "zh"
    assert system_language({}, "zh_CN") == "zh"
    assert system_language({}, "English_United States") == "en"
    assert system_language({"LANG": "en_US"}, "zh_CN") == "en"


@pytest.mark.parametrize(
    ("encoding", "shows"),
    [("utf-8", True), ("cp936", True), ("gb18030", True), ("ascii", False), ("latin-1", False), ("cp1252", False)],
)
def test_a_stream_shows_chinese_if_its_encoding_has_the_characters(encoding, shows, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert shows_chinese(stream) == shows
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    for name in ("stdout", "stderr"):
        with monkeypatch.context() as patch:
            patch.setattr(sys, name, stream)
            assert spoken_language("auto") == ("zh" if shows else "en")
            assert [spoken_language(choice) for choice in ("en", "zh")] == ["en", "zh"]


def test_a_stream_of_characters_shows_all_of_them():
    assert shows_chinese(io.StringIO())
    assert shows_chinese(None)


def test_the_language_is_known_from_words_that_are_wrong_otherwise(tmp_path):
    words = tmp_path / "words"
    words.write_text("--language zh --epochs 3", encoding="utf-8")
    assert language_of_words(["--nonsense", "--language", "zh"]) == "zh"
    assert language_of_words(["--language=zh"]) == "zh"
    assert language_of_words([f"@{words}"]) == "zh"
    assert language_of_words([f"@{words}", "--language", "en"]) == "en"
    for others in ([], ["--language"], ["--language", "fr"], ["--lang", "zh"], ["@nowhere"]):
        assert language_of_words(others) == "en"
