"""What the project says is said by Texts: each that is named is there, has gaps for its facts, and is used."""

import ast
import importlib
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from tests.conftest import ROOT, script
from toolkit.base.languages import Message, Text

FILES = [
    *sorted((ROOT / "toolkit").rglob("*.py")),
    *(ROOT / f"{name}.py" for name in ("utils", "main", "test_code", "infer")),
]
SPEAKING = {  # what is called with words for the user, by the last part of its name
    "UserError", "TooLittleMemory", "Stopped", "ArgumentTypeError", "_NotComparable", "_Unusable",
    "log", "item", "print",
}  # fmt: skip
DEFECTS = {"the machine is not known", "the main process gave no dataset"}  # of ValueErrors that no user meets
WORD = re.compile("[A-Za-z]{2,}")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path: Path) -> ModuleType:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return importlib.import_module(name.removesuffix(".__init__"))


# -- no bare strings ---------------------------------------------------------------------------------------------------


def plain_words(value: ast.expr) -> str:
    """Return the words of a str that an expression spells out, whatever is put into it; "" where there are none."""
    if isinstance(value, ast.Constant):
        return value.value if isinstance(value.value, str) else ""
    if isinstance(value, ast.JoinedStr):
        return " ".join(map(plain_words, value.values))
    if isinstance(value, (ast.GeneratorExp, ast.ListComp)):
        return plain_words(value.elt)
    if isinstance(value, ast.Starred):
        return plain_words(value.value)
    if isinstance(value, ast.IfExp):
        return plain_words(value.body) + plain_words(value.orelse)
    if isinstance(value, ast.BinOp):
        return plain_words(value.left) + plain_words(value.right)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in ("format", "join"):
        return plain_words(value.func.value)
    return ""


def bare_strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of each str that is raised or printed where a Text belongs."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name not in SPEAKING | {"ValueError"}:
            continue
        arguments = [*call.args[name == "item" :], *(keyword.value for keyword in call.keywords)]
        for words in map(plain_words, arguments):
            if WORD.search(words) and words not in DEFECTS:
                yield call.lineno, words


def test_every_error_and_every_line_that_is_printed_is_a_text():
    """What a variable holds is mypy's to check, by the parameters of UserError and Stopped."""
    for path in FILES:
        assert [*bare_strings(parsed(path))] == [], path


@pytest.mark.parametrize(
    "line",
    [
        'raise UserError("no file")', 'raise UserError(f"{path}: empty")', 'raise UserError(*(f"no {x}" for x in y))',
        'log("done " + name)', 'self.log.item("data", "rows of {}".format(n))', 'raise ValueError("wrong" if a else b)',
    ],
)  # fmt: skip
def test_a_bare_string_would_be_found(line):
    assert len([*bare_strings(ast.parse(line))]) == 1
    assert [
        *bare_strings(ast.parse('log.item("data", TABLES["rows"]); raise UserError(PROBLEM.fill(file="a b"))'))
    ] == []


# -- names and gaps ----------------------------------------------------------------------------------------------------


def gaps(text: Text) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text.en) if name}


def named_texts(node: ast.expr, module: ModuleType) -> list[Text]:
    """Return the texts that an expression such as PROBLEMS["empty"] or INTERRUPTED may be; KeyError for one too few."""
    if isinstance(node, ast.Name):
        text = getattr(module, node.id, None)
        return [text] if isinstance(text, Text) else []
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        table = getattr(module, node.value.id, None)
        if isinstance(table, dict) and table and all(isinstance(text, Text) for text in table.values()):
            keys = [node.slice.body, node.slice.orelse] if isinstance(node.slice, ast.IfExp) else [node.slice]
            return [table[key.value] for key in keys if isinstance(key, ast.Constant)]
    return []


def is_wrongly_filled(fill: ast.Call, text: Text) -> bool:
    """Say whether a text lacks a fact for a gap, or has none for a fact; of a choice of two texts one may."""
    facts = {keyword.arg for keyword in fill.keywords if keyword.arg is not None}
    is_open = len(facts) < len(fill.keywords)  # it has ** besides
    assert isinstance(fill.func, ast.Attribute)
    is_choice = isinstance(getattr(fill.func.value, "slice", None), ast.IfExp)
    return (not is_open and not gaps(text) <= facts) or (not is_choice and not facts <= gaps(text))


def test_every_text_that_is_named_is_there_and_filled_with_what_it_has_gaps_for():
    filled = 0
    for path in FILES:
        module = module_of(path)
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Subscript):
                named_texts(node, module)  # which raises KeyError for one that is not there
            if not isinstance(node, ast.Call):
                continue
            where = f"{path.name}, line {node.lineno}"
            if isinstance(node.func, ast.Attribute) and node.func.attr == "fill":
                for text in named_texts(node.func.value, module):
                    assert not is_wrongly_filled(node, text), where
                    filled += 1
            if getattr(node.func, "id", "") in SPEAKING | {"ValueError"}:
                for text in (text for argument in node.args for text in named_texts(argument, module)):
                    assert not gaps(text), f"{where}: not filled"
    assert filled > 300


def test_every_text_of_a_table_is_named_somewhere():
    words = set()
    for path in FILES:
        is_table = path.name == "texts.py"
        nodes = ast.walk(parsed(path))
        words |= {node.value for node in nodes if isinstance(node, ast.Constant) and not is_table}
    for path in FILES:
        if path.name != "texts.py" or path.parent.name == "report":  # whose texts are chosen by names put together
            continue
        for name, table in vars(module_of(path)).items():
            if name.isupper() and isinstance(table, dict) and isinstance([*table.values()][0], (Text, Message)):
                unused = [key for key in table if key not in words]
                assert unused == [], f"{path}: {name}"


# -- scripts -----------------------------------------------------------------------------------------------------------


def chinese_errors(name: str, *options: object) -> list[str]:
    """Return the lines on stderr of a script that refuses to run, all of which are errors in Chinese."""
    lines = script(name, *options, "--language", "zh", status=2).stderr.splitlines()
    assert lines
    assert all(line.startswith("错误：") for line in lines)
    return lines


def test_scripts_refuse_in_chinese_without_an_english_sentence(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    rows = pd.DataFrame({"text": ["一 二", "三 四"] * 10, "label": ["好", "坏"] * 10})
    rows.to_csv(data / "trainset.csv", index=False)
    model = tmp_path / "model"
    model.mkdir()
    (model / "pytorch_model.bin").touch()
    lines = [
        *chinese_errors("main.py", "--metric", "best"),
        *chinese_errors("main.py", "--data_dir", data, "--model", model, "--output_dir", tmp_path / "out"),
        *chinese_errors("main.py", "--data_dir", data, "--valid_file", data, "--output_dir", tmp_path / "out"),
        *chinese_errors("infer.py", "--model_dir", model, "--text", "一"),
    ]
    for line in lines:
        rest = line.replace(str(tmp_path), "")
        assert not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", rest), line
