"""Scripts in processes of their own that need not import torch anew: forked from one that has imported the packages."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = ["torch", "transformers", "transformers.models.bert.modeling_bert", "pandas", "sklearn.metrics", "pyarrow",
            "matplotlib.figure", "matplotlib.backends.backend_agg", "safetensors.torch", "filelock"]  # fmt: skip
FORKS = multiprocessing.get_context("forkserver") if os.name != "nt" else None


def start_environment() -> dict[str, str]:
    """Return the environment of the tests, without what pytest and packages change in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "KMP_"))}


def run_forked(words: list[str], root: Path) -> subprocess.CompletedProcess:
    """Run a script with its options in the folder `root`, as subprocess.run would."""
    FORKS.set_forkserver_preload(PACKAGES)
    with tempfile.TemporaryDirectory() as folder:
        process = FORKS.Process(target=_be_script, args=(words, str(root), folder))
        process.start()
        process.join()
        texts = [(Path(folder) / name).read_text(encoding="utf-8") for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(words, process.exitcode, *texts)


def _be_script(words: list[str], root: str, folder: str) -> None:
    os.chdir(root)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT), number)
        setattr(sys, name, os.fdopen(os.dup(number), "w", encoding="utf-8", buffering=1))
    sys.argv, sys.path[:0] = words, [root]
    runpy.run_path(words[0], run_name="__main__")
