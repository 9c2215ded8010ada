import json

import pytest

from toolkit.base.errors import UserError
from toolkit.cli.options import fine_tuning_options, scoring_options


def names(*words: str) -> dict[str, str] | None:
    return fine_tuning_options(["--map_labels", *map(str, words)]).data.map_labels


def test_words_give_old_and_new_names_and_may_be_given_in_turns():
    words = ["--map_labels", "0=neg", "1=pos", "--epochs", "1", "--map_labels=-1=very bad"]
    options = fine_tuning_options(words)
    assert options.data.map_labels == {"0": "neg", "1": "pos", "-1": "very bad"}
    assert options.on_command_line["map_labels"] == options.data.map_labels
    assert options.as_dict()["map_labels"] == options.data.map_labels
    assert scoring_options(words[:3]).map_labels == {"0": "neg", "1": "pos"}
    assert fine_tuning_options([]).data.map_labels is None


def test_the_first_equals_sign_parts_the_names_unless_it_is_escaped():
    assert names("a=b=c", r"x\=y=z") == {"a": "b=c", "x=y": "z"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.csv", "old,new\n0,差评\n1,好评\n".encode()),
        ("names.csv", "0,差评\r\n1,好评\r\n".encode("utf-8-sig")),
        ("names.csv", "0,差评\r\n1,好评\r\n".encode("gb18030")),
        ("NAMES.CSV", '"0","差评"\n\n"1","好评"\n'.encode()),
        ("names.json", json.dumps({"0": "差评", "1": "好评"}).encode()),
        ("names.json", '{"0": " 差评", "1": "好评"}'.encode("utf-8-sig")),
    ],
)
def test_a_file_gives_names(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert names(tmp_path / name) == {"0": "差评", "1": "好评"}


@pytest.mark.parametrize("word", ["a", "a=", "=b", "=", " = ", "names.txt"])
def test_a_word_that_names_nothing_is_refused(word):
    with pytest.raises(UserError, match="should be OLD=NEW, or a csv or json file of old and new names"):
        names(word)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.csv", b"a,b,c\n"),
        ("names.csv", b"a\n"),
        ("names.csv", b"a,\n"),
        ("names.json", b"[]"),
        ("names.json", b'{"a": ["b"]}'),
        ("names.json", b'{"a": true}'),
        ("names.json", b"{"),
        ("names.csv", b"\xff\xff\xff"),
    ],
)
def test_a_file_that_gives_none_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        names(tmp_path / name)
    (line,) = caught.value.lines()
    assert line.startswith(f"--map_labels {tmp_path / name}: ")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        names(tmp_path / "names.csv")
