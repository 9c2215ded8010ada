"""Whether windows beat truncation: write long texts, joined from short labelled ones, to train and score both ways.

    python benchmarks/long_texts.py SHORT_DIR LONG_DIR [--agree 0.7] [--sentences 12] [--rows 600]

SHORT_DIR has trainset.*, validset.* and testset.* of short texts. A long text is joined from several of one file, of
which a share, in random places, has the label of the long text and the others have another label: the beginning then
tells less than the whole does. Writes trainset.csv and testset.csv with N rows, validset.csv with a quarter of that.
"""

import argparse
import csv
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import utils  # noqa: E402
from toolkit.cli.sections import ReadingOptions  # noqa: E402
from toolkit.files.columns import Columns  # noqa: E402
from toolkit.files.source import find_file  # noqa: E402


def long_text(texts: dict[str, list[str]], label: str, sentences: int, agree: float, draw: random.Random) -> str:
    """Return a text of which a share `agree` of the sentences has the label."""
    others = [other for other in texts if other != label]
    agreeing = round(agree * sentences)
    labels = [label] * agreeing + [draw.choice(others) for _ in range(sentences - agreeing)]
    draw.shuffle(labels)
    return " ".join(draw.choice(texts[each]) for each in labels)


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("short_dir", type=Path)
    parser.add_argument("long_dir", type=Path)
    parser.add_argument("--agree", type=float, default=0.7, metavar="SHARE")
    parser.add_argument("--sentences", type=int, default=12, metavar="N")
    parser.add_argument("--rows", type=int, default=600, metavar="N")
    args = parser.parse_args()
    args.long_dir.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    for stem, rows in (("trainset", args.rows), ("validset", args.rows // 4), ("testset", args.rows)):
        table = utils.read_table(find_file(args.short_dir, stem), Columns(), ReadingOptions(None, "skip"))
        texts: dict[str, list[str]] = {}
        for text, label in zip(table.frame["text"], table.frame["label"], strict=True):
            texts.setdefault(label, []).append(text)
        with (args.long_dir / f"{stem}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["text", "label"])
            for number in range(rows):
                label = sorted(texts)[number % len(texts)]
                writer.writerow([long_text(texts, label, args.sentences, args.agree, draw), label])


if __name__ == "__main__":
    main()
