"""Speed of tokenizing: utils.tokenize against the tokenizer itself, in turn in one run.

    python benchmarks/tokenizing.py FILE [FILE ...] [--model MODEL] [--rounds R]

A FILE is as main.py's --train_file. "as called by hand" is tokenizer(texts, pairs, truncation=True), "alone" is the
Rust tokenizer without Python's part, which is the least that can be. Prints medians: rows a second, and the ratio of
the time to that of the first.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import utils  # noqa: E402
from toolkit.data.labels import learn_labels  # noqa: E402
from toolkit.files.columns import TEXT_PAIR_IF_PRESENT, Columns  # noqa: E402
from toolkit.models.locate import resolve_model  # noqa: E402
from toolkit.tokens.encoder import make_encoder  # noqa: E402

COLUMNS = Columns(text_pair=TEXT_PAIR_IF_PRESENT)


def measure(file: Path, model: str | None, rounds: int) -> list[str]:
    """Return the lines of the table for a file."""
    table = utils.read_table(file, COLUMNS)
    labels = learn_labels(table)
    new = utils.new_classifier(resolve_model(model), labels, None)
    network, tokenizer = new.model, new.tokenizer
    pairs = "text_pair" in table.frame
    encoder = make_encoder(tokenizer, network.config, None, "longest_first", pairs)
    texts = [table.frame[name].tolist() for name in ("text", "text_pair")[: 1 + pairs]]
    rows = list(zip(*texts, strict=True)) if pairs else texts[0]
    ways = {
        "utils.tokenize": lambda: utils.tokenize(encoder, table.frame),
        "as called by hand": lambda: tokenizer(*texts, truncation=True, max_length=encoder.max_length),
        "alone": lambda: tokenizer.backend_tokenizer.encode_batch(rows),
    }
    found = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            found[name].append(time.perf_counter() - started)
    first, lines = next(iter(found.values())), []
    for name, seconds in found.items():
        ratio = statistics.median(one / ours for one, ours in zip(seconds, first, strict=True))
        lines.append(f"| {file.parent.name} | {name} | {len(rows) / statistics.median(seconds):,.0f} | {ratio:.2f} |")
    return lines


def main() -> None:
    """Measure each file and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--model", help="as main.py's")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print("| data | | rows a second | ratio of the time |", "|---|---|---|---|", sep="\n")
    for file in args.files:
        print("\n".join(measure(file, args.model, args.rounds)), flush=True)


if __name__ == "__main__":
    main()
