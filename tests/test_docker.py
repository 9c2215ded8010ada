"""The Dockerfiles and docs/docker.md: whatever they name exists. No image is built here."""

import ast
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.versions import tomllib
from toolkit.cli.options import inference_parser, scoring_parser, training_parser

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
PARSERS = {"main.py": training_parser, "test_code.py": scoring_parser, "infer.py": inference_parser}


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return each instruction of a Dockerfile and what it says, on one line."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def is_sent(name: str) -> bool:
    """Say whether .dockerignore lets a file or folder of the root into the build."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and fnmatch(name, pattern):
            sent = line.startswith("!")
    return sent


def copied(path: Path) -> list[str]:
    """Return the files and folders that a Dockerfile copies from the checkout."""
    return [name for said, rest in instructions(path) if said == "COPY" for name in rest.split()[:-1]]


def check_options(script: str, words: list[str]) -> None:
    """Check that the options among these words are options of a script."""
    known = {name for action in PARSERS[script]()._actions for name in action.option_strings}
    assert {word for word in words if word.startswith("--")} <= known


def commands(tool: str) -> list[list[str]]:
    """Return the words of each command of docs/docker.md that begins with these ones, also behind a pipe."""
    page = (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    return [shlex.split(line[line.index(tool) :]) for line in "".join(blocks).splitlines() if tool in line]


def entry_point(kind: str) -> list[str]:
    """Return the words that an image starts with."""
    (words,) = [rest for said, rest in instructions(ROOT / "docker" / f"{kind}.Dockerfile") if said == "ENTRYPOINT"]
    return ast.literal_eval(words)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_a_dockerfile_copies_what_exists_and_what_is_sent_to_the_build(path):
    assert copied(path)
    for name in copied(path):
        assert (ROOT / name).exists()
        assert is_sent(name)
    assert "toolkit" in copied(path)
    assert instructions(path)[0] == ("FROM", "python:3.12-slim")
    assert ("USER", "1000") in instructions(path)


@pytest.mark.parametrize("name", ["data", "output", ".git", ".venv", "tests", "docs", "benchmarks", "answers.csv"])
def test_nothing_else_is_sent_to_the_build(name):
    assert not is_sent(name)


def test_the_image_for_training_installs_groups_that_exist_by_files_that_it_has():
    path = ROOT / "docker" / "train.Dockerfile"
    assert {*PARSERS, "utils.py", "pyproject.toml", "pdm.lock"} <= {*copied(path)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (groups,) = [rest for said, rest in instructions(path) if said == "ARG" and rest.startswith("PDM_GROUPS=")]
    assert {*groups.partition("=")[2].strip('"').split(",")} <= {*project["project"]["optional-dependencies"]}


def test_the_image_for_predicting_starts_infer_with_options_that_it_has():
    path = ROOT / "docker" / "predict.Dockerfile"
    assert {"infer.py", "requirements-infer.txt"} <= {*copied(path)}
    assert entry_point("predict")[:2] == ["python", "infer.py"]
    check_options("infer.py", entry_point("predict"))


def test_documented_commands_build_these_files_and_run_scripts_with_options_that_they_have():
    for words in commands("docker build"):
        path = ROOT / words[words.index("-f") + 1]
        assert words[words.index("-t") + 1] == f"bert-classifier-{path.stem}"
        arguments = {rest.partition("=")[0] for said, rest in instructions(path) if said == "ARG"}
        assert {word.partition("=")[0] for word in words if "=" in word} <= arguments
    assert len(commands("docker run")) == 7
    for words in commands("docker run"):
        (start,) = [number for number, word in enumerate(words) if word.startswith("bert-classifier-")]
        kind = words[start].removeprefix("bert-classifier-")
        started = entry_point(kind) + words[start + 1 :]
        assert started[0] == "python"
        check_options(started[1], started[2:])
