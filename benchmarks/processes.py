"""Speed of training by two processes against one, each with one thread: python benchmarks/processes.py DIR

DIR holds trainset.* and validset.*. Each round runs main.py three ways, one after the other: one process; two processes
that train one model together; and two processes that know nothing of each other, at the same time, which is what the
machine itself gives. The efficiency is the tokens a second of two processes, padding left out, over twice those of one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONE = [sys.executable]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def start(launcher: list[str], where: Path, options: list[str]) -> subprocess.Popen:
    """Start main.py with one thread a process."""
    command = [*launcher, str(ROOT / "main.py"), "--output_dir", str(where), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def tokens_a_second(launchers: list[list[str]], options: list[str]) -> float:
    """Run main.py by each of the launchers at the same time and return the tokens a second of all together."""
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder, str(number)) for number in range(len(launchers))]
        started = [start(launcher, where, options) for launcher, where in zip(launchers, folders, strict=True)]
        for process in started:
            _, problems = process.communicate()
            if process.returncode:
                sys.exit(problems.decode())
        runs = [json.loads((where / "bert_classifier" / "run.json").read_text()) for where in folders]
        return sum(run["real_tokens_per_second"] for run in runs)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", help="as main.py's")
    parser.add_argument("--batch_size", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--precision", default="fp32")
    args = parser.parse_args()
    print("| batch size | one process | two together | two apart | efficiency | of what the machine gives |")
    print("|---|---|---|---|---|---|")
    for batch_size in args.batch_size:
        options = ["--data_dir", str(args.folder), "--epochs", "1", "--device", "cpu", "--precision", args.precision]
        options += ["--batch_size", str(batch_size), *(["--model", args.model] if args.model else [])]
        found = {"one": [], "together": [], "apart": []}
        for _ in range(args.rounds):
            for name, launchers in (("one", [ONE]), ("together", [TWO]), ("apart", [ONE, ONE])):
                found[name].append(tokens_a_second(launchers, options))
        one, together, apart = (statistics.median(found[name]) for name in ("one", "together", "apart"))
        print(
            f"| {batch_size} | {one:,.0f} | {together:,.0f} | {apart:,.0f} | {together / (2 * one):.3f} "
            f"| {together / apart:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
