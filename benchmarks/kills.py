"""Runs that are killed at random instants until they get through, against runs that are not.

    python benchmarks/kills.py [--kills N] [--seed S]

main.py saves after every step and evaluates after every second one, so that most of its time goes into writing. It is
started with --resume and killed by kill -9 after a random time, again and again; after each kill the model directory,
if there is one yet, must be whole. Some of the runs train further from a model of ours and replace it, which must be
there all the time. Once a run gets through, all that it has left must be what a run without kills
leaves, to the last bit and the last file. Prints the counts, and fails if one differs.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from safetensors.torch import load_file  # noqa: E402

from benchmarks.forked import clock, differences, fork, make_data, options, result, wait  # noqa: E402
from toolkit.runs.run_json import read_run  # noqa: E402

REPLACES = "in the place of its model"  # a setting that begins with a model of ours, and replaces it
SETTINGS = {  # what is run, by name
    "plain": (),
    "micro-batches and dropout": ("--micro_batch_size", 3, "--dropout", 0.3),
    "bf16 and early stopping": ("--precision", "bf16", "--early_stopping", 3, "--metric", "loss"),
    REPLACES: ("--overwrite",),
}


def killed(words: list[str], log: Path, seconds: float) -> int | None:
    """Run main.py, kill it after some seconds, and return its exit status, None if it was killed."""
    process, end = fork(words, log), clock() + seconds
    while clock() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.0005)
    os.kill(process, signal.SIGKILL)
    status = wait(process)
    return None if status == -signal.SIGKILL else status


def words_of(folder: Path, setting: str) -> list[str]:
    """Return the options of a run in a setting, with what it replaces in its place."""
    output = folder / "output"
    often = ("--epochs", 3, "--save_steps", 1, "--eval_steps", 2, *SETTINGS[setting], "--resume")
    words = options(folder / "data", output, *often)
    if setting != REPLACES:
        return words
    shutil.copytree(folder / "first", output)
    shutil.rmtree(output / "checkpoint")  # else that run would be resumed
    return [*words, "--model", str(output / "bert_classifier")]


def look(output: Path, had_model: bool) -> str:
    """Return where in its course a killed run was; fail if its model is not whole, or gone if it `had_model`."""
    model = output / "bert_classifier"
    if (output / ".bert_classifier.old").is_dir() and not model.is_dir():
        model = output / ".bert_classifier.old"  # between two renames; it gets its name back from whoever looks for it
    if model.is_dir() or had_model:
        read_run(model)
        load_file(model / "model.safetensors")
    left = [path.name for path in output.rglob(".*") if path.name != ".lock"]
    return "in the middle of a write" if left else "between writes" if output.exists() else "before the run began"


def main() -> int:
    """Kill runs until there were as many as asked for, and return 1 if one has ended differently."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw, started, wrong, kills, runs, where = random.Random(args.seed), clock(), 0, 0, 0, Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder / "data", rows=24)
        output, log, expected, seconds = folder / "output", folder / "log", {}, {}
        if wait(fork(options(folder / "data", folder / "first", "--epochs", 1), log)):
            raise SystemExit(log.read_text())
        for setting in SETTINGS:
            words = words_of(folder, setting)
            began = clock()
            if wait(fork(words, log)):
                raise SystemExit(log.read_text())
            seconds[setting], expected[setting] = clock() - began, result(output)
            shutil.rmtree(output)
        while kills < args.kills:
            setting = draw.choice([*SETTINGS])
            words = words_of(folder, setting)
            log.unlink()
            before, began = kills, clock()
            while (status := killed(words, log, draw.uniform(0, 1.2 * seconds[setting]))) is None:
                kills += 1
                where[look(output, setting == REPLACES)] += 1
            if status:
                raise SystemExit(log.read_text())
            if kills == before:  # how long a run takes changes with what else the machine does
                seconds[setting] = clock() - began
            runs += 1
            if found := differences(expected[setting], result(output)):
                wrong += 1
                print(setting, found, flush=True)
            shutil.rmtree(output)
    places = ", ".join(f"{count} {place}" for place, count in sorted(where.items()))
    print(f"{kills} kills ({places}) of {runs} runs: {wrong} ended differently; {clock() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
