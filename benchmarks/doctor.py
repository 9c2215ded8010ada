"""What the data doctor finds of what was planted, and what it costs.

    python benchmarks/doctor.py DIR [DIR ...] [--planted N] [--seed S]

DIR holds trainset.*, validset.* and testset.*. Into copies of their tables are planted, N of each kind: training texts
repeated but for blanks, width, case or Chinese script; training texts nearly repeated (a word or a character replaced,
dropped or added; a part moved to the end); both kinds in the validation set, as leaks; and training texts repeated with
another label. A planted row that is found counts for recall, and a row that is found but was neither planted nor found
before planting against precision. Also prints the seconds that the doctor takes.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402
from opencc import OpenCC  # noqa: E402

from toolkit.data.tables import Table  # noqa: E402
from toolkit.doctor.comparison import compare_texts, nearly_equal_rows  # noqa: E402
from toolkit.doctor.duplicates import ANY_HAN  # noqa: E402
from toolkit.doctor.labelled_rows import LabelledRows  # noqa: E402

traditional = OpenCC("s2t").convert


def disguise(text: str, draw: random.Random) -> str:
    """Return a text that differs in nothing that a reader would mind."""
    wide = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
    ways: list[Callable[[str], str]] = [
        lambda text: f"  {text}\t",
        lambda text: text.replace(" ", "  "),
        str.upper,
        lambda text: text.translate(wide),
        lambda text: text,
    ]
    if ANY_HAN.search(text):
        ways.append(traditional)
    return draw.choice(ways)(text)


def alter(text: str, draw: random.Random) -> str:
    """Return a text with a small change: of a word, or of two characters where there are no words."""
    words, joint = (list(text), "") if ANY_HAN.search(text) else (text.split(), " ")
    size = max(1, len(words) // 12)
    at = draw.randrange(max(1, len(words) - size))
    way = draw.choice(["replace", "drop", "add", "move"])
    part = [draw.choice(words) for _ in range(size)]
    if way == "replace":
        words[at : at + size] = part
    elif way == "drop":
        del words[at : at + size]
    elif way == "add":
        words[at:at] = part
    else:
        words = words[size:] + words[:size]
    return joint.join(words)


def found_rows(tables: dict[str, Table]) -> tuple[LabelledRows, dict[str, set[tuple[int, int]]]]:
    """Return the rows of tables, and for each finding the rows, as (table, row of it), that are part of it."""
    comparison = compare_texts(tables)
    rows = comparison.number(tables)
    first: dict[str, int] = {}
    found: dict[str, set] = {"exact": set(), "leak": set(), "conflict": set(), "near": set(), "near leak": set()}
    labels: dict[str, set] = {}
    for row, text in enumerate(rows.normalized):
        labels.setdefault(text, set()).add(rows.labels[row])
        if first.setdefault(text, row) != row:
            found["exact" if rows.table_of[row] == rows.table_of[first[text]] else "leak"].add(row)
    found["conflict"] = {row for row, text in enumerate(rows.normalized) if len(labels[text]) > 1}
    for row, like in nearly_equal_rows(rows, comparison):
        if rows.table_of[like] == 0:
            found["near leak" if rows.table_of[row] else "near"].add(row)
    return rows, {kind: {(int(rows.table_of[row]), int(row - rows.starts[rows.table_of[row]])) for row in each}
            for kind, each in found.items()}  # fmt: skip


def plant(tables: dict, count: int, draw: random.Random) -> tuple[dict, dict[str, set[tuple[int, int]]]]:
    """Return tables with planted rows at their ends, and which rows these are."""
    train, planted = tables["train"].frame, {}
    texts = [column for column in train.columns if column != "label"]
    long = train[train[texts].map(len).sum(axis=1) >= 20]
    sources = long.sample(5 * count, random_state=draw.randrange(2**31))
    labels, new = sorted(set(train["label"])), {"train": [], "valid": []}
    plans = [("exact", "train", disguise), ("near", "train", alter), ("leak", "valid", disguise),
             ("near leak", "valid", alter), ("conflict", "train", disguise)]  # fmt: skip
    for number, (kind, name, change) in enumerate(plans):
        for _, row in sources.iloc[number * count : (number + 1) * count].iterrows():
            row = row.copy()
            column = draw.choice(texts)
            row[column] = change(row[column], draw)
            if kind == "conflict":
                row["label"] = draw.choice([label for label in labels if label != row["label"]])
            place = len(tables[name].frame) + len(new[name])
            planted.setdefault(kind, set()).add((list(tables).index(name), place))
            new[name].append(row)
    changed = dict(tables)
    for name, rows in new.items():
        changed[name] = replace(tables[name], frame=pd.concat([tables[name].frame, pd.DataFrame(rows)]))
    return changed, planted


def main() -> None:
    """Print a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    from benchmarks.accuracy import read

    print("| data | finding | planted | recall | precision |\n|---|---|---|---|---|")
    for folder in args.folders:
        tables = {name: read(folder, f"{name}set") for name in ("train", "valid", "test")}
        _, before = found_rows(tables)
        changed, planted = plant(tables, args.planted, random.Random(args.seed))
        started = time.perf_counter()
        rows, after = found_rows(changed)
        seconds = time.perf_counter() - started
        texts = {rows.normalized[rows.starts[table] + place] for table, place in planted["conflict"]}
        for kind, its_rows in planted.items():
            new = after[kind] - before[kind] - set().union(*planted.values())
            if kind == "conflict":  # a row whose text was repeated with another label is in conflict too
                new = {row for row in new if rows.normalized[rows.starts[row[0]] + row[1]] not in texts}
            hit, count = len(its_rows & after[kind]), len(its_rows)
            print(f"| {folder.name} | {kind} | {count} | {hit / count:.1%} | {hit / (hit + len(new)):.1%} |")
        count = sum(len(table.frame) for table in changed.values())
        print(f"{folder.name}: {count:,} rows in {seconds:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
