"""Where the seconds of a run go: imports, reading, the data doctor, training, scores, the report and the rest.

    python benchmarks/run_parts.py DIR [DIR ...] [--rounds R] [--epochs E] [--script test_code.py]

DIR holds trainset.*, validset.* and testset.*. main.py fine-tunes the embedded model on it for E epochs and scores the
test set, in a process of its own; with --script test_code.py a model that main.py has fine-tuned is scored instead.
What the main thread is at is looked up a hundred times a second; the time since the last look, of the wall and of the
processor, counts for the innermost function that PARTS names. Prints medians of the rounds, in seconds.
"""

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
INTERVAL = 0.01  # seconds
TRAINING = "training steps"
EVALUATIONS = "evaluations"  # of the validation rows, which choose the best epoch
PARTS = {
    "reading": ("read_options", "read_labelled_tables", "read_test_set", "read_training_table"),
    "choosing the model": ("choose_model", "resolve_model"),
    "splitting": ("hold_out_rows",),
    "data doctor": ("compare_texts", "kept_together", "kept_on_one_side", "examine", "say_findings", "leaks"),
    "tokenizing": ("tokenize_labelled", "tokenize", "trim_vocabulary", "leave_out_unused_tokens"),
    "loading models": ("new_classifier", "load_model", "fit_model", "begin_training"),
    "linear probes": ("choose_pooling", "start_head"),
    TRAINING: ("train_one_epoch",),
    EVALUATIONS: ("evaluate",),
    "saving": ("save_model", "save", "install_directory", "describe_model"),
    "baselines": ("simple_answers", "baseline_lines"),
    "intervals": ("score_intervals", "difference_intervals", "share_interval"),
    "test set": ("score_table",),
    "test scores": ("write_scores", "judge", "advise"),
    "explanations": ("explain_errors",),
    "curves": ("draw",),
    "report": ("write_report",),
}
PART_OF = {function: part for part, functions in PARTS.items() for function in functions}


def part_of(frame: FrameType | None) -> str:
    """Return the part that the innermost function with a name of PARTS belongs to."""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith("<frozen importlib"):
            return "imports"
        if code.co_name in PART_OF and code.co_filename.startswith(str(ROOT)):
            return PART_OF[code.co_name]
        frame = frame.f_back
    return "other"


class Sampler:
    """Looks up what the main thread is at, in a thread of its own."""

    def __init__(self):
        self.wall: Counter[str] = Counter()
        self.processor: Counter[str] = Counter()
        self._main_thread = threading.get_ident()
        self._seen = (0.0, 0.0)
        self._wall_before = time.perf_counter()

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(INTERVAL)
            self.look()

    def look(self) -> None:
        """Count the time since the last look for what the main thread is at."""
        now = (time.perf_counter() - self._wall_before, time.process_time())
        part = part_of(sys._current_frames()[self._main_thread])
        self.wall[part] += now[0] - self._seen[0]
        self.processor[part] += now[1] - self._seen[1]
        self._seen = now


def run_one(script: str, options: list[str], result: Path) -> None:
    """Run a script in this process, and write the seconds of its parts."""
    sampler = Sampler()
    sampler.start()
    sys.path.insert(0, str(ROOT))
    sys.argv = [script, *options]
    try:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    finally:
        sampler.look()
        result.write_text(json.dumps({"wall": sampler.wall, "processor": sampler.processor}), encoding="utf-8")


def measure(script: str, options: list[str], result: Path) -> dict[str, dict[str, float]]:
    """Return the seconds of the parts of a script, by clock and part, from a process of its own."""
    command = [sys.executable, __file__, "--one", str(result), script, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    return json.loads(result.read_text(encoding="utf-8"))


def print_table(name: str, rounds: list[dict[str, dict[str, float]]]) -> None:
    """Print the medians of the rounds, longest part first, and the share of what is not training."""
    medians = {
        clock: {
            part: statistics.median(seconds[clock].get(part, 0.0) for seconds in rounds)
            for part in {part for seconds in rounds for part in seconds[clock]}
        }
        for clock in ("processor", "wall")
    }
    print(f"\n{name}\n\n| part | processor, s | wall, s |", "|---|---|---|", sep="\n")
    for part, seconds in sorted(medians["processor"].items(), key=lambda entry: -entry[1]):
        print(f"| {part} | {seconds:.2f} | {medians['wall'].get(part, 0.0):.2f} |")
    for name, training in (
        ("not training steps", [TRAINING]),
        ("neither steps nor evaluations", [TRAINING, EVALUATIONS]),
    ):
        shares = [statistics.median(rest_share(seconds[clock], training) for seconds in rounds) for clock in medians]
        print(f"| {name} | {shares[0]:.1%} | {shares[1]:.1%} |", flush=True)


def rest_share(seconds: dict[str, float], training: list[str]) -> float:
    """Return the share of the seconds of all parts that those of `training` do not have."""
    return 1 - sum(seconds.get(part, 0.0) for part in training) / sum(seconds.values())


def main() -> None:
    """Run the rounds of each directory and print a table for each."""
    if sys.argv[1:2] == ["--one"]:
        run_one(sys.argv[3], sys.argv[4:], Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", default="3", help="a number, or auto")
    parser.add_argument(
        "--test", action=argparse.BooleanOptionalAction, default=True, help="main.py scores the test set"
    )
    parser.add_argument("--script", choices=["main.py", "test_code.py"], default="main.py")
    args = parser.parse_args()
    for folder in args.folders:
        with tempfile.TemporaryDirectory() as temporary:
            output = Path(temporary) / "output"
            fitting = ["--data_dir", str(folder), "--output_dir", str(output), "--epochs", args.epochs]
            fitting += ["--device", "cpu", "--overwrite"]
            scoring = ["--model_dir", str(output / "bert_classifier"), "--device", "cpu"]
            test_file = next(folder.glob("testset.*"))
            result = Path(temporary) / "seconds.json"
            if args.script == "main.py":
                options = [*fitting, "--test_file", str(test_file)] if args.test else fitting
            else:
                measure("main.py", fitting, result)
                options = [*scoring, "--test_file", str(test_file)]
            print_table(
                f"{args.script}, {folder.name}", [measure(args.script, options, result) for _ in range(args.rounds)]
            )


if __name__ == "__main__":
    main()
