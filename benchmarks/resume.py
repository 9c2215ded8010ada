"""Runs that are stopped and resumed, against runs that are not: the last bit of every weight must agree.

    python benchmarks/resume.py [--cases N] [--seed S]

A case is a setting (precision, micro-batches, dropout, scheduler, early stopping, one or two processes), a step, and a
way to end there: a signal that main.py answers by saving, or kill -9, after which it is resumed from the checkpoint.
Prints how many cases differ in anything but times, and fails if one does.
"""

import argparse
import itertools
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.forked import Launcher, clock, differences, make_data, options, result  # noqa: E402
from toolkit.cli.exits import EXIT_STOPPED  # noqa: E402

SETTINGS = {
    "precision": ("fp32", "bf16"),
    "micro_batch_size": (None, 3),
    "dropout": (0.0, 0.3),
    "scheduler": ("linear", "cosine", "constant"),
    "early_stopping": (0, 2),
    "processes": (1, 2),
}
ENDS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL)


def words_of(data: Path, output: Path, setting: dict) -> list[str]:
    """Return the options of a run in a setting."""
    given = {name: value for name, value in setting.items() if name != "processes" and value is not None}
    more = [word for name, value in given.items() for word in (f"--{name}", value)]
    return options(data, output, *more, "--epochs", 4, "--save_steps", 3, "--eval_steps", 4, "--metric", "loss")


def run_case(launcher: Launcher, folder: Path, setting: dict, step: int, end: int, expected: dict) -> list[str]:
    """Stop a run after `step`, resume it, and return what differs from `expected`."""
    output, count, log = folder / "case", setting["processes"], folder / "case.log"
    words = words_of(folder / "data", output, setting)
    statuses = launcher.run(words, log, count, step, end)
    wanted = -end if end == signal.SIGKILL else EXIT_STOPPED
    if set(statuses) == {0}:
        raise SystemExit(f"the run ended before step {step}: {setting}")
    if wanted not in statuses or (end != signal.SIGKILL and set(statuses) != {wanted}):
        raise SystemExit(f"{setting} ended with {statuses}:\n{log.read_text()}")
    statuses = launcher.run([*words, "--resume"], log, count)
    if set(statuses) != {0}:
        raise SystemExit(f"{setting} went on to {statuses}:\n{log.read_text()}")
    found = differences(expected, result(output))
    shutil.rmtree(output)
    log.unlink()
    return found


def main() -> int:
    """Run the cases and return 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=288)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw, launcher, started = random.Random(args.seed), Launcher(), clock()
    settings = [dict(zip(SETTINGS, values, strict=True)) for values in itertools.product(*SETTINGS.values())]
    draw.shuffle(settings)
    each = -(-args.cases // len(settings))
    done, wrong, kinds = 0, [], Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder / "data")
        for setting in settings:
            if done >= args.cases:
                break
            reference, log = folder / "reference", folder / "reference.log"
            words = words_of(folder / "data", reference, setting)
            if set(launcher.run(words, log, setting["processes"])) != {0}:
                raise SystemExit(log.read_text())
            expected = result(reference)
            last = max(entry["step"] for entry in expected["metrics.jsonl"])
            shutil.rmtree(reference)
            for step in draw.sample(range(1, last), min(each, args.cases - done)):
                end = draw.choice(ENDS)
                found = run_case(launcher, folder, setting, step, end, expected)
                done, kinds = done + 1, kinds + Counter([end.name])
                if found:
                    wrong.append((setting, step, end.name, found))
                    print(*wrong[-1], flush=True)
    ways = ", ".join(f"{count} by {kind}" for kind, count in sorted(kinds.items()))
    print(f"{done} cases ({ways}): {len(wrong)} differ; {clock() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
