"""Write a data set of long reviews for the speed benchmarks: the sample data's, joined to texts of many lengths.

    python benchmarks/long_reviews.py DIR [--rows N]

The reviews of a text have one label. Lengths in words are drawn from a lognormal distribution with the median 150, cut
at 20 and 800, which is about how long texts of shops and forums are spread. Writes trainset.csv with N rows, and
validset.csv and testset.csv with a quarter of that.
"""

import argparse
import csv
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=800)
    args = parser.parse_args()
    reviews: dict[str, list[str]] = {}
    with (ROOT / "data" / "trainset.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            reviews.setdefault(row["label"], []).append(row["text"])
    draw = random.Random(0)
    args.folder.mkdir(parents=True, exist_ok=True)
    for stem, rows in (("trainset", args.rows), ("validset", args.rows // 4), ("testset", args.rows // 4)):
        with (args.folder / f"{stem}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["text", "label"])
            for _ in range(rows):
                label, words = draw.choice(sorted(reviews)), []
                wanted = min(max(draw.lognormvariate(5.0, 0.7), 20), 800)
                while len(words) < wanted:
                    words += draw.choice(reviews[label]).split()
                writer.writerow([" ".join(words), label])


if __name__ == "__main__":
    main()
