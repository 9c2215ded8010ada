import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Runs a script that is interrupted when it first imports a module of a name, as by Ctrl-C at that moment.
INTERRUPTED = """
import builtins, os, runpy, signal, sys
script, module, *options = sys.argv[1:]
sys.argv = [script, *options]
plain_import = builtins.__import__

def interrupted_import(name, *others, **named):
    if name == module:
        os.kill(os.getpid(), signal.SIGINT)
    return plain_import(name, *others, **named)

builtins.__import__ = interrupted_import
runpy.run_path(script, run_name="__main__")
"""
SCRIPTS = ("main.py", "test_code.py", "infer.py")


def run(script: str, module: str, *options: str, **how) -> subprocess.CompletedProcess:
    """Run a script that is interrupted as it imports a module."""
    command = [sys.executable, "-c", INTERRUPTED, script, module, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, **how)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")
@pytest.mark.parametrize("script", SCRIPTS)
def test_an_interrupt_during_the_first_imports_ends_a_script_without_a_traceback(script):
    done = run(script, "toolkit.cli.exits", "--help")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")
def test_a_script_that_was_started_to_ignore_interrupts_goes_on():
    done = run(
        "infer.py", "toolkit.cli.exits", "--help", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    )
    assert done.returncode == 0
    assert done.stdout.startswith("usage: infer.py")


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX")
def test_an_interrupt_after_the_options_are_read_is_said_in_a_line(tmp_path):
    done = run("main.py", "utils", "--output_dir", str(tmp_path / "run"))
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")
    assert not (tmp_path / "run").exists()
