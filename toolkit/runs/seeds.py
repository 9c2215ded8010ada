"""Several runs of one command, each with a seed of its own: how far they lie apart, and which of them is kept.

Each is an ordinary run, in <output_dir>/seed-<seed>. What they have come to is noted in seeds.json, so that the whole
can be gone on with; in the end the best of them stands in <output_dir> as a single run would.
"""

import gc
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from toolkit.base.disk import LOCK_FILE, lock_directory, write_json
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.options import LARGEST_SEED
from toolkit.cli.sections import FineTuningOptions, options_from
from toolkit.compute.processes import Processes
from toolkit.runs.placing import drop_weights, place_run
from toolkit.runs.resume import MAY_CHANGE, agreed_options, check_same, may_grow
from toolkit.runs.run_json import SEEDS, clear_run, refuse_to_overwrite, seed_folder, sweep_run

# Runs that are done are not gone on with, so that none of them may have more epochs than the others.
MAY_CHANGE_IN_ALL = MAY_CHANGE | {"seeds": may_grow, "epochs": lambda *_: False}
TEST_SCORES = ("test_accuracy", "test_macro_f1")


def each_seed(options: FineTuningOptions, processes: Processes) -> Iterator[tuple[FineTuningOptions, "Seeds | None"]]:
    """Yield, in every process, the options of each run that --seeds asks for and that is not yet done, and its Seeds.

    A single run has the options as they are, and None. The others have theirs as if these had stood on the command
    line. To check the data the first of them is enough. Raises UserError if --resume cannot go on so, or if another
    process writes there.
    """
    log = Log(sys.stdout if processes.is_main else None)
    whole = Seeds(Path(options.output.output_dir), processes.is_main and not options.data.check_data)
    plan = processes.on_main(lambda: whole.plan(options))
    if plan is None:
        yield options, None
        return
    of_all = options_from(FineTuningOptions, plan["options"], options.given)
    for number, seed in plan["left"]:
        run_dir = str(seed_folder(whole.folder, seed))
        own = of_all.with_values(seed=seed, seeds=1, split_seed=of_all.split_seed, output_dir=run_dir)
        log.item("seed", f"{seed}, run {number} of {of_all.training.seeds}")
        yield options_from(FineTuningOptions, own.as_dict() | {"resume": options.output.resume}, own.given), whole
        whole.note(seed)
        log()
        gc.collect()  # parts of a run refer to each other, and the next one may need the memory
    whole.end(log)


class Seeds:
    """What several runs of one command have come to, as it stands in seeds.json; where it does not write, nothing."""

    def __init__(self, folder: Path, writes: bool):
        self.folder, self.writes, self.lock, self.begun, self.state = folder, writes, None, False, {}

    def plan(self, given: FineTuningOptions) -> dict | None:
        """Return the options of the whole, and what is left to do as pairs (number, seed); None for a single run."""
        there = given.output.resume and (self.folder / SEEDS).is_file()
        if given.training.seeds == 1 and not there:
            return None
        if self.writes and (self.folder / LOCK_FILE).exists():
            self.lock = lock_directory(self.folder)
        options = given.as_dict()
        if there:
            self.state = self._read()
            options = agreed_options(given, self.state["options"], MAY_CHANGE_IN_ALL).as_dict()
            self._place()
        elif given.output.resume and (self.folder / "checkpoint" / "state.json").is_file():
            raise UserError(f"--seeds {given.training.seeds}: the run to resume has 1")
        elif given.output.resume:
            refuse_to_overwrite(self.folder, given.output.overwrite)
        self.begun = there
        if options["seed"] + options["seeds"] - 1 > LARGEST_SEED:
            raise UserError(f"--seeds {options['seeds']}: the last seed would be above {LARGEST_SEED}")
        seeds = [options["seed"] + i for i in range(options["seeds"])]
        done = {run["seed"] for run in self.state.get("runs", ())}
        self.state = {"runs": [], **self.state, "options": options, "metric": options["metric"], "seeds": seeds}
        left = [(number, seed) for number, seed in enumerate(seeds, 1) if seed not in done]
        return {"options": options, "left": [(1, seeds[0])] if given.data.check_data else left}

    def begin(self, about: dict) -> None:
        """Note that the whole has begun or goes on, before one of its runs `about` this writes anything.

        Raises UserError if a run has got in the way since the start, or the data is not that of the runs before.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = self.lock or lock_directory(self.folder)
        if self.begun:
            check_same(self.state, about)
        else:
            folders = [seed_folder(self.folder, seed) for seed in self.state["seeds"]]
            for folder in (self.folder, *folders):
                refuse_to_overwrite(folder, self.state["options"]["overwrite"])
            sweep_run(self.folder)
            clear_run(self.folder)
            (self.folder / "train.log").unlink(missing_ok=True)
        self.begun = True
        self.state |= {"precision": about["precision"], "data": about["data"]}
        self._write(kept=None, mean=None, sd=None)

    def note(self, seed: int) -> None:
        """Note what a run that is done has come to, and remove its checkpoint and every model that is not the best."""
        if not self.writes:
            return
        folder = seed_folder(self.folder, seed)
        entry = {"seed": seed, **_read_json(folder / "bert_classifier" / "run.json")["metrics"]}
        if (test := folder / "test" / "metrics.json").is_file():
            scores = _read_json(test)
            entry |= {name: scores[name.removeprefix("test_")] for name in TEST_SCORES}
        self.state["runs"] = sorted([*self.state["runs"], entry], key=lambda run: run["seed"])
        self._write()
        self._drop_weights()

    def end(self, log: Log) -> None:
        """Note which run is kept, put it in its place, and say what all have come to."""
        if not self.writes:
            return
        runs = self.state["runs"]
        columns = {name: [run[name] for run in runs] for name in self._scores()}
        mean = {name: statistics.fmean(column) for name, column in columns.items()}
        sd = {name: statistics.stdev(column) for name, column in columns.items()}  # of a sample: divided by runs - 1
        self._write(kept=self._best(), mean=mean, sd=sd)
        self._place()
        for line in self._lines():
            log(line)

    def _score(self) -> str:
        return "valid_loss" if self.state["metric"] == "loss" else self.state["metric"]

    def _scores(self) -> list[str]:
        """Return the names of the scores that are told; those of a test file if every run has them."""
        test = TEST_SCORES if all(TEST_SCORES[0] in run for run in self.state["runs"]) else ()
        return [*dict.fromkeys(["accuracy", "macro_f1", self._score(), *test])]

    def _best(self) -> int:
        """Return the seed of the best run, of equals the first."""
        score, sign = self._score(), -1 if self.state["metric"] == "loss" else 1
        return max(self.state["runs"], key=lambda run: (sign * run[score], -run["seed"]))["seed"]

    def _lines(self) -> list[str]:
        mean, sd, names = self.state["mean"], self.state["sd"], self._scores()
        rows = {f"seed {run['seed']}": [f"{run[name]:.4f}" for name in names] for run in self.state["runs"]}
        rows["mean ± sd"] = [f"{mean[name]:.4f} ± {sd[name]:.4f}" for name in names]
        width = max(map(len, rows))
        lines = [
            "  ".join([f"{row:<{width}}", *(f"{n.replace('_', ' ')} {v}" for n, v in zip(names, values, strict=True))])
            for row, values in rows.items()
        ]
        score = self._score().replace("_", " ")
        return [*lines, f"seed {self.state['kept']} has the best {score}; its run is kept in {self.folder}"]

    def _place(self) -> None:
        """Put the kept run in its place, or finish that."""
        if self.state.get("kept") is not None and self.writes:
            self._drop_weights()
            place_run(seed_folder(self.folder, self.state["kept"]), self.folder, self.state["kept"], self._lines())

    def _drop_weights(self) -> None:
        best = self._best()
        for run in self.state["runs"]:
            drop_weights(seed_folder(self.folder, run["seed"]), but_model=run["seed"] == best)

    def _read(self) -> dict:
        path = self.folder / SEEDS
        try:
            state = _read_json(path)
            if missing := {"seeds", "runs", "options", "metric", "precision", "data", "kept"} - set(state):
                raise ValueError(f"it has no {min(missing)}")
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise UserError(f"--resume: {path} is damaged ({error})") from None
        return state

    def _write(self, **more) -> None:
        self.state |= more
        names = ["seeds", "kept", "metric", "mean", "sd", "runs", "options", "precision", "data"]
        write_json(self.folder / SEEDS, {name: self.state[name] for name in names})


def _read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
