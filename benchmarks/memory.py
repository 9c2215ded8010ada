"""Peak memory of infer.py against the number of rows it reads and writes.

    python benchmarks/memory.py --rows 10000 1000000

The rows are drawn from the sample data's words, the model is tiny and random: what is measured is the way of the rows
through infer.py. Prints a table of rows, size of the input, and peak resident memory of the process (Linux and macOS).
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from small_chinese_bert import build  # noqa: E402

INFER = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def make_rows(path: Path, count: int) -> None:
    """Write a csv of `count` rows of 3 to 30 words."""
    with (ROOT / "data" / "trainset.csv").open(encoding="utf-8", newline="") as stream:
        words = [word for row in csv.DictReader(stream) for word in row["text"].split()]
    draw = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["id", "text"])
        for number in range(count):
            start = draw.randrange(len(words) - 30)
            writer.writerow([number, " ".join(words[start : start + draw.randint(3, 30)])])


def make_model(folder: Path) -> None:
    """Write a model directory with a tiny random model."""
    build(folder, (ROOT / "data" / "trainset.csv").read_text(encoding="utf-8"), layers=1, hidden=32, positions=256)
    columns = {"text": "text", "text_pair": None, "label": "label"}
    run = {"base_model": "tiny", "labels": ["no", "yes"], "positive_label": "yes", "columns": columns}
    (folder / "run.json").write_text(json.dumps({**run, "max_length": 128, "truncation": "longest_first"}))


def peak(model: Path, rows: Path, output: Path) -> float:
    """Return the peak resident memory of infer.py in MiB."""
    command = [
        ROOT / "infer.py",
        "--model_dir",
        model,
        "--input_file",
        rows,
        "--output_file",
        output,
        "--device",
        "cpu",
    ]
    measured = [sys.executable, "-c", INFER, sys.executable, *map(str, command), "--batch_size", "64"]
    done = subprocess.run(measured, check=True, stdout=subprocess.PIPE, encoding="utf-8")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return int(done.stdout.split()[-1]) / unit


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    args = parser.parse_args()
    lines = ["| rows | input, MB | peak memory, MiB | against the first |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        model, first = Path(folder, "model"), None
        make_model(model)
        for count in args.rows:
            rows, output = Path(folder, f"{count}.csv"), Path(folder, f"{count}-predictions.csv")
            make_rows(rows, count)
            used = peak(model, rows, output)
            with output.open(encoding="utf-8", newline="") as stream:
                written = sum(1 for _ in csv.reader(stream)) - 1
            if written != count:
                raise SystemExit(f"{written:,} of {count:,} rows were written")
            first = first or used
            lines.append(f"| {count:,} | {rows.stat().st_size / 1e6:.1f} | {used:.0f} | {used / first:.3f} |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
