"""Time from a command to what a user waits for: the help, the first step of training, the first prediction.

    python benchmarks/startup.py [--rounds R]

Each command is a process of its own, in turn: --help of the three scripts; main.py --check_data on the sample data,
which is all that comes before the first step; infer.py --text, by torch and by the model as it was exported; and for
comparison `import torch, transformers` and transformers.pipeline on one text. The small model that predicts is random.
Prints medians and the best, in seconds, and the median of the processor's.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))

from memory import make_model  # noqa: E402

PIPELINE = "import sys, transformers; print(transformers.pipeline('text-classification', sys.argv[1])('a text'))"


def processor_seconds() -> float:
    """Return the seconds that processors have worked for the processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder))
        predict = [ROOT / "infer.py", "--model_dir", folder, "--text", "a text", "--device", "cpu"]
        export = [
            ROOT / "infer.py",
            "--model_dir",
            folder,
            "--export",
            "onnx",
            "--input_file",
            ROOT / "data/validset.csv",
        ]
        subprocess.run([sys.executable, *map(str, export)], check=True, capture_output=True, cwd=ROOT)
        commands = {
            "main.py --help": [ROOT / "main.py", "--help"],
            "test_code.py --help": [ROOT / "test_code.py", "--help"],
            "infer.py --help": [ROOT / "infer.py", "--help"],
            "import torch, transformers": ["-c", "import torch, transformers"],
            "main.py --check_data": [ROOT / "main.py", "--check_data", "--device", "cpu"],
            "infer.py --text, --engine torch": [*predict, "--engine", "torch"],
            "infer.py --text, exported": [*predict, "--engine", "onnx"],
            "transformers.pipeline": ["-c", PIPELINE, folder],
        }
        found = {name: [] for name in commands}
        processor = {name: [] for name in commands}
        for _ in range(args.rounds):
            for name, command in commands.items():
                started = time.perf_counter()
                before = processor_seconds()
                subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True, cwd=ROOT)
                found[name].append(time.perf_counter() - started)
                processor[name].append(processor_seconds() - before)
    print("| command | median, s | best, s | processor, s |", "|---|---|---|---|", sep="\n")
    for name, seconds in found.items():
        of_processor = statistics.median(processor[name])
        print(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | {of_processor:.2f} |")


if __name__ == "__main__":
    main()
