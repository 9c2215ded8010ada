"""On a console of a Chinese Windows (cp936), which lacks emoji, Korean and rare characters, no text ends a script."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, script
from tests.models.at_hand import save_at_hand

LABELS = {"好评": "좋아요😀", "差评": "𠮷差é"}
EMOJI = "\\U0001f600"
RARE = "\\U00020bb7"


@dataclass(frozen=True)
class Said:
    """What a script has written to its two streams, as a console shows it."""

    out: str
    err: str


@dataclass(frozen=True)
class Console:
    """A console whose streams take GBK alone, and raise an error for every other character."""

    folder: Path

    def run(self, *words, status: int = 0, input: str = "") -> Said:
        """Run a script in the console, and check its exit status and that it has said nothing of a defect."""
        said = Said(*(content.decode("gbk") for content in self.written(*words, status=status, input=input)))
        assert "Traceback" not in said.err
        return said

    def written(self, *words, status: int = 0, input: str = "") -> list[bytes]:
        """Run a script in the console, check its exit status, and return the bytes that it has written."""
        files = [self.folder / name for name in ("out", "err")]
        streams = [f"open({str(file)!r}, 'w', encoding='gbk', errors='strict', newline='')" for file in files]
        script(*words, status=status, input=input, before=f"import sys; sys.stdout, sys.stderr = {', '.join(streams)}")
        return [file.read_bytes() for file in files]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A data folder of texts, labels and names that GBK has not."""
    folder = tmp_path_factory.mktemp("data") / "데이터😀𠮷"
    folder.mkdir()
    with (ROOT / "data" / "zh" / "trainset.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["text"] + "😀한𠮷☃" * (number % 3 == 0), LABELS[row["label"]])
                for number, row in enumerate(csv.DictReader(stream))]  # fmt: skip
    for name, part in {"trainset": rows[:30], "validset": rows[30:40], "testset": rows[40:50]}.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("text", "label"), *part])
    texts = "\n".join(json.dumps({"text": text, "번호": "😀"}, ensure_ascii=False) for text, _ in rows[50:54])
    (folder / "unlabelled.jsonl").write_text(texts, encoding="utf-8")
    (folder / "bad😀.csv").write_text("text,label\n好,\n房间,没有这个😀标签\n", encoding="utf-8")
    return folder


def test_no_text_ends_a_script_in_a_console_of_gbk(data, tmp_path):
    console = Console(tmp_path)
    save_at_hand(tmp_path / "모델", "BertForMaskedLM", model_type="bert")
    output = tmp_path / "출력😀"
    options = ("--data_dir", data, "--max_unknown", "1", "--precision", "fp32")
    begun = console.run("main.py", "--model", tmp_path / "모델", "--output_dir", output, "--epochs", "1", *options).out
    assert f"{RARE}差\\xe9" in begun or f"{RARE}差é" in begun
    assert f"\\ucd9c\\ub825{EMOJI}" in begun
    trained = ("--model_dir", output / "bert_classifier")
    scored = console.run("test_code.py", *trained, "--data_dir", data, "--explain_rows", "0").out
    assert EMOJI in scored
    assert "accuracy" in scored
    answer = json.loads(console.run("infer.py", *trained, "--text", "房间😀한𠮷").out)
    assert answer["text"] == "房间😀한𠮷"
    assert answer["prediction"] in LABELS.values()
    asked = (data / "unlabelled.jsonl").read_text(encoding="utf-8")
    pipes = ("--input_file", "-", "--input_format", "jsonl", "--output_file", "-")
    piped, told = console.written("infer.py", *trained, *pipes, input=asked)
    assert b"4 rows = 4 predicted" in told
    rows = [json.loads(line) for line in piped.decode("utf-8").splitlines()]
    assert [(row["text"], row["번호"]) for row in rows] == [
        (row["text"], row["번호"]) for row in map(json.loads, asked.splitlines())
    ]
    wrong = console.run("test_code.py", *trained, "--test_file", data / "bad😀.csv", status=2).err
    assert f"没有这个{EMOJI}标签" in wrong


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            ("main.py", "--train_file", "{data}/bad😀.csv", "--output_dir", "{data}/x"),
            f"bad{EMOJI}.csv, line 2: label is",
        ),
        (("main.py", "--옵션😀"), f"unknown option --\\uc635\\uc158{EMOJI}"),
        (("test_code.py", "--model_dir", "{data}/모델"), "/\\ubaa8\\ub378: there is no such directory"),
        (("infer.py", "--model_dir", "{data}/모델", "--text", "𠮷"), "/\\ubaa8\\ub378: there is no such directory"),
        (("infer.py", "@{data}/옵션"), "argument file"),
    ],
)
def test_a_mistake_is_told_in_a_console_of_gbk_whatever_is_in_it(words, problem, data, tmp_path):
    said = Console(tmp_path).run(*(word.format(data=data) for word in words), status=2).err
    assert problem in said
    assert said.startswith("error: ")


@pytest.mark.parametrize("name", ["main.py", "test_code.py", "infer.py"])
def test_the_help_is_shown_in_a_console_of_gbk(name, tmp_path):
    assert "usage" in Console(tmp_path).run(name, "--help").out
