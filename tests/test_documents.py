"""What must stay true of the whole: light imports before options are parsed, and documents that keep up with them."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.versions import tomllib
from toolkit.cli.options import inference_parser, scoring_parser, training_parser

SCRIPTS = ["main.py", "test_code.py", "infer.py"]
ROOMS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "toolkit").rglob("*.py"))
HEAVY = {"torch", "transformers", "pandas", "sklearn", "matplotlib", "pyarrow"}


def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_the_training_loop_stays_short():
    loop = next(
        n for n in ast.walk(tree_of("utils.py")) if isinstance(n, ast.FunctionDef) and n.name == "train_one_epoch"
    )
    first = next(node for node in loop.body if isinstance(node, ast.For))
    assert first.end_lineno - first.lineno < 40
    assert sum(isinstance(node, ast.If) for node in ast.walk(first)) <= 4


@pytest.mark.parametrize("words", [["--help"], ["--epoch", "3"]], ids=["help", "a mistake"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_help_and_a_mistake_are_answered_before_anything_heavy_is_imported(name, words):
    code = (
        "import runpy, sys\n"
        f"sys.argv = {[name, *words]!r}\n"
        "sys.excepthook = lambda *_: None\n"
        "import atexit, os\n"
        f"seen = lambda: print('heavy:', sorted({HEAVY!r} & set(sys.modules)), flush=True)\n"
        "atexit.register(seen)\n"
        "leave = os._exit\n"
        "os._exit = lambda status: (seen(), leave(status))\n"
        f"runpy.run_path({name!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.stdout.splitlines()[-1] == "heavy: []", done.stderr
    assert done.returncode == (0 if words == ["--help"] else 2)


def test_predicting_does_not_wait_for_what_only_training_and_reports_need():
    slow = {"sklearn", "matplotlib", "datasketch", "opencc"}
    code = f"import sys, utils; print(sorted({slow!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def options_of(parser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings if name.startswith("--")}


@pytest.mark.parametrize(
    "document", ["README.md", "README.zh-CN.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))]
)
def test_documents_name_options_that_exist(document):
    path = ROOT / document if (ROOT / document).exists() else ROOT / "docs" / document
    lines = re.findall(r"python (?:main|test_code|infer)\.py ([^\n&]*)", path.read_text(encoding="utf-8"))
    known = options_of(training_parser()) | options_of(scoring_parser()) | options_of(inference_parser())
    for line in lines:
        for option in re.findall(r"(?<![\w-])--[a-z][a-z_]+", line):
            assert option in known, f"{document}: {option}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_hides_a_package(name):
    assert name.removesuffix(".py") not in sys.stdlib_module_names


def test_the_two_readmes_show_the_same_commands_each_for_texts_in_its_language():
    commands = []
    for name in ("README.md", "README.zh-CN.md"):
        blocks = re.findall(r"```bash\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]
        commands.append([re.sub(r"\s+#.*|(?<=--text ).*", "", line) for line in lines])
    in_english, in_chinese = commands
    main_job = in_english[0].replace("--prod", "--prod -G multilingual")
    for script in ("main.py", "test_code.py", "infer.py"):
        main_job = main_job.replace(script, f"{script} --data_dir data/zh")
    assert in_chinese == [main_job, *in_english[1:]]


def storeys() -> list[list[str]]:
    """Return the wings of each storey, from the top, as the contract in pyproject.toml has them."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = content["tool"]["importlinter"]["contracts"][0]["layers"]
    return [[wing.strip().removeprefix("toolkit.") for wing in layer.split("|")] for layer in layers]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CONTRIBUTING.zh-CN.md"])
def test_the_picture_of_the_house_is_the_contract(name):
    picture = re.findall(r"```mermaid\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)[0]
    parts = re.findall(r"subgraph(.*?)end", picture, re.DOTALL)
    drawn = [re.findall(r'^ +(\w+)\["', part, re.MULTILINE) for part in parts]
    assert [*drawn, ["base"]] == storeys()
    assert "storey1 --> base --> libraries" in picture


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CONTRIBUTING.zh-CN.md"])
def test_each_wing_has_a_line(name):
    lines = re.findall(r"^toolkit/(\w+)/ ", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert lines == [wing for storey in storeys() for wing in storey]
    assert {*lines} == {path.parent.name for path in (ROOT / "toolkit").glob("*/__init__.py")}


@pytest.mark.parametrize("name", ["installation.md", "installation.zh-CN.md"])
def test_the_commands_for_plain_pip_install_what_pyproject_asks_for(name):
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    block = re.search(r"<!-- plain-pip -->\n```bash\n(.*?)```", text, re.DOTALL).group(1)
    words = [word for line in block.splitlines() for word in line.removeprefix("pip install").split()]
    packages = {word.partition("==")[0] for word in words if not word.startswith("--")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert packages == {"torch"} | {re.match(r"[\w-]+", line).group() for line in project["dependencies"]}


LINK = re.compile(r"\[[^\]]*\]\(([^)#:]*)(?:#([^)]*))?\)")


def anchors(path: Path) -> set[str]:
    """Return the names that a heading of a document can be linked by, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_a_document_leads_somewhere():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    for document in documents:
        for place, anchor in LINK.findall(document.read_text(encoding="utf-8")):
            target = document.parent / place if place else document
            assert target.exists(), f"{document.name}: {place}"
            if anchor:
                assert anchor in anchors(target), f"{document.name}: {place}#{anchor}"


def test_the_index_names_every_document():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    names = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in names if f"({name})" not in index} == set()
