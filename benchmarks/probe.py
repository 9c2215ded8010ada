"""Processor time that main.py spends, before a run begins, to find out how a model is to be used.

    python benchmarks/probe.py [--repetitions R] [--precision fp32]

For the embedded model, and for a random one of the size of bert-base that is made in a temporary folder (12 layers of
768, 21,128 tokens). One thread; the time is that of the processor, on which other programs have no influence but for
the caches that they share. Prints medians and the best, in seconds.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

import torch  # noqa: E402
from small_chinese_bert import build  # noqa: E402

import utils  # noqa: E402
from toolkit.compute.machine import Machine, choose_machine  # noqa: E402
from toolkit.compute.processes import ALONE  # noqa: E402
from toolkit.models.locate import EMBEDDED, resolve_model  # noqa: E402
from toolkit.tokens.encoder import make_encoder  # noqa: E402
from toolkit.tokens.probe import probe  # noqa: E402

LABELS = ["0", "1"]
TOKENS = 21128  # of bert-base-chinese
SPECIAL_TOKENS = 5
FIRST_CHARACTER = 0x4E00  # of Chinese ones; 20,992 follow one another, and others come behind


def once(source: str, machine: Machine) -> tuple[float, float]:
    """Return the seconds of the processor in which a model is loaded, and in which it is tried."""
    started = time.process_time()
    new = utils.new_classifier(source, LABELS, dropout=None)
    encoder = make_encoder(new.tokenizer, new.model.config, None, "longest_first", pairs=False)
    loaded = time.process_time()
    probe(source, new.model, encoder, machine)
    return loaded - started, time.process_time() - loaded


def main() -> None:
    """Measure both models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--precision", default="auto")
    args = parser.parse_args()
    torch.set_num_threads(1)
    machine = choose_machine("cpu", args.precision, ALONE)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        characters = map(chr, range(FIRST_CHARACTER, FIRST_CHARACTER + TOKENS - SPECIAL_TOKENS))
        build(base, "".join(characters), layers=12, hidden=768)
        print(f"in {machine.precision.name}", "| model | step | median, s | best, s |", "|---|---|---|---|", sep="\n")
        for name, source in ((EMBEDDED, resolve_model(None)), ("size of bert-base", str(base))):
            repetitions = [once(source, machine) for _ in range(args.repetitions)]
            for step, seconds in zip(("load", "try"), zip(*repetitions, strict=True), strict=True):
                print(f"| {name} | {step} | {statistics.median(seconds):.2f} | {min(seconds):.2f} |", flush=True)


if __name__ == "__main__":
    main()
