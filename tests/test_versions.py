"""tests/versions.py, but for the installing itself."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from tests.conftest import ROOT
from tests.versions import (
    ENVIRONMENTS,
    SHOWN_PACKAGES,
    WITHOUT_DEPENDENCIES,
    Result,
    find_python,
    markdown_table,
    outcome_of,
    package_of,
    parse_arguments,
    pip_commands,
    read_requirements,
    run_tests,
)

OLDEST, *NEWEST = ENVIRONMENTS
VERSIONS = {"Python": "3.10.13", **dict.fromkeys(SHOWN_PACKAGES, "1.0"), "torch": "2.2.2+cpu"}


def test_what_is_installed_is_what_pyproject_asks_for_to_test(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["a>=1", "b<2; sys_platform == \'darwin\'"]\n'
        '[project.optional-dependencies]\nparquet = ["c"]\nother = ["d"]\n'
        '[dependency-groups]\ntest = ["e[x]>=3"]\nfuzz = ["f"]\n'
    )
    requirements = read_requirements(tmp_path / "pyproject.toml")
    assert requirements == ["a>=1", "b<2; sys_platform == 'darwin'", "c", "e[x]>=3"]
    assert [package_of(requirement) for requirement in requirements] == ["a", "b", "c", "e"]


def test_this_project_s_pyproject_has_what_the_program_counts_on():
    packages = [package_of(requirement) for requirement in read_requirements(ROOT / "pyproject.toml")]
    assert {"pytest", "pyarrow", "transformers", *WITHOUT_DEPENDENCIES} <= {*packages}
    assert "torch" not in packages


def test_the_oldest_environment_pins_the_lower_end_and_the_others_nothing():
    requirements = ["numpy>=1.24", "pandas", f"{WITHOUT_DEPENDENCIES[0]}>=0.1"]
    assert pip_commands(OLDEST, requirements, "torch==9", None) == [
        ["install", "torch==2.2.2"],
        ["install", "numpy>=1.24", "pandas", "transformers==4.43.0", "numpy==1.24.3"],
        ["install", "--no-deps", f"{WITHOUT_DEPENDENCIES[0]}>=0.1"],
    ]
    for environment in NEWEST:
        assert pip_commands(environment, requirements, "torch==9", "https://cpu") == [
            ["install", "--index-url", "https://cpu", "torch==9"],
            ["install", "numpy>=1.24", "pandas"],
            ["install", "--no-deps", f"{WITHOUT_DEPENDENCIES[0]}>=0.1"],
        ]


def test_the_pins_are_the_lower_end_that_the_documents_name():
    guide = " ".join((ROOT / "docs" / "installation.md").read_text(encoding="utf-8").split())
    assert "torch 2.2.2, transformers 4.43.0 and numpy 1.24 to today's releases, on Python 3.10 to 3.13" in guide
    assert OLDEST.pins == ("torch==2.2.2", "transformers==4.43.0", "numpy==1.24.3")
    assert [environment.python for environment in NEWEST] == ["3.10", "3.11", "3.12", "3.13"]


@pytest.mark.parametrize(
    ("prints", "status", "is_found"), [("3.99", 0, True), ("3.9", 0, False), ("", 127, False), ("3.99", 1, False)]
)
def test_only_a_python_that_starts_and_has_the_version_is_taken(tmp_path, monkeypatch, prints, status, is_found):
    program = tmp_path / "python3.99"
    program.write_text(f"#!/bin/sh\necho {prints}\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_python("3.99") == (str(program) if is_found else None)


def test_the_outcome_is_what_pytest_counts(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_a(): pass\n"
        "def test_b(): pass\n"
        "def test_c(): assert False\n"
        "def test_d(): pytest.skip()\n"
        "@pytest.fixture\n"
        "def broken(): raise ValueError\n"
        "def test_e(broken): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=report.xml", "test_it.py"]
    subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    outcome = outcome_of((tmp_path / "report.xml").read_text(encoding="utf-8"))
    assert outcome == "1 failed, 1 errors, 2 passed, 1 skipped"


def test_the_table_is_that_of_the_document():
    lines = markdown_table([Result("c0ffee", [], VERSIONS, "1163 passed", True)]).splitlines()
    assert lines[2] == "| 3.10.13 | 2.2.2 | 1.0 | 1.0 | 1.0 | 1.0 | 1163 passed |"
    document = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
    assert "\n".join(lines[:2]) in document


def test_a_result_is_kept_for_its_commit_and_its_arguments(tmp_path):
    kept = Result("c0ffee", ["-n", "0"], VERSIONS, "3 passed", True)
    (tmp_path / "result.json").write_text(json.dumps(asdict(kept)))
    assert run_tests(tmp_path, "c0ffee", ["-n", "0"]) == kept
    for commit, arguments in (("another", ["-n", "0"]), (None, ["-n", "0"]), ("c0ffee", [])):
        with pytest.raises(FileNotFoundError):  # it would run them, but there is no environment here
            run_tests(tmp_path, commit, arguments)


def test_what_follows_two_hyphens_is_pytest_s(capsys):
    args, pytest_arguments = parse_arguments(["oldest", "--torch", "torch==2.13.0", "--", "-n", "0", "tests/data"])
    assert (args.names, args.torch, args.torch_index) == (["oldest"], "torch==2.13.0", None)
    assert pytest_arguments == ["-n", "0", "tests/data"]
    with pytest.raises(SystemExit):
        parse_arguments(["newest"])
    assert "no environment newest; there are oldest, python3.10" in capsys.readouterr().err


def test_python_without_a_reader_of_toml_is_told_in_one_line():
    code = (
        "import argparse, runpy, shutil, subprocess, sys, xml.etree.ElementTree\n"
        "sys.version_info = (3, 10)\nsys.modules['tomli'] = None\n"
        "runpy.run_module('tests.versions', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.10 reads pyproject.toml by the package tomli (pip install tomli)")
    assert done.stderr.count("\n") == 1
