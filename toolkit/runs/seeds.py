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

from toolkit.base.disk import DirectoryLock, recover, write_json
from toolkit.base.errors import UserError
from toolkit.cli.console import Log
from toolkit.cli.options import LARGEST_SEED
from toolkit.cli.sections import FineTuningOptions, options_from
from toolkit.compute.processes import Processes
from toolkit.runs.overwrite import (
    earlier_seeds,
    end_seed_run,
    is_directory_of,
    remove_empty,
    remove_records,
    remove_seed_run,
    settle_earlier,
    sweep_run,
)
from toolkit.runs.paths import RunPaths, refuse_to_overwrite
from toolkit.runs.placing import drop_weights, place_run
from toolkit.runs.resume import MAY_CHANGE, agreed_options, check_same, may_grow

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
    runs = Seeds(Path(options.output.output_dir), processes.is_main and not options.data.check_data)
    plan = processes.on_main(lambda: runs.plan(options))
    if plan is None:
        yield options, None
        return
    of_all = options_from(FineTuningOptions, plan["options"], options.given)
    for number, seed in plan["left"]:
        run_dir = str(runs.paths.of_seed(seed).folder)
        own = of_all.with_values(seed=seed, seeds=1, split_seed=of_all.split_seed, output_dir=run_dir)
        log.item("seed", f"{seed}, run {number} of {of_all.training.seeds}")
        resume = options.output.resume and seed not in plan["replaced"]
        yield options_from(FineTuningOptions, own.as_dict() | {"resume": resume}, own.given), runs
        runs.note(seed)
        log()
        gc.collect()  # parts of a run refer to each other, and the next one may need the memory
    runs.end(log)


class Seeds:
    """What several runs of one command have come to, as it stands in seeds.json; where it does not write, nothing."""

    def __init__(self, folder: Path, writes: bool):
        self.folder = folder
        self.paths = RunPaths(folder)
        self.writes = writes
        self.lock = DirectoryLock(folder, writes)
        self.begun = False
        self.state: dict = {}
        self.added: list[int] = []  # seeds that had no run before

    def plan(self, command: FineTuningOptions) -> dict | None:
        """Return the options of all, the runs left as pairs (number, seed), and those of them that replace another.

        Returns None for a single run.
        """
        resume = command.output.resume
        single = self.paths.state_file.is_file()  # also where it has just begun in the place of several
        resumes_several = resume and self.paths.seeds_file.is_file() and not single
        if command.training.seeds == 1 and not resumes_several:
            return None
        self.lock.take_if_used()
        if self.lock.is_taken:
            recover(self.paths.model_dir)  # which may be what the runs begin with
        options = command.as_dict()
        if resumes_several:
            self.state = self._read()
            options = agreed_options(command, self.state["options"], MAY_CHANGE_IN_ALL).as_dict()
            self._refuse_replaced_model(options)
            self._place()
            self._end_earlier_runs()
        elif resume and single:
            raise UserError(f"--seeds {command.training.seeds}: the run to resume has 1")
        elif resume:
            refuse_to_overwrite(self.folder, command.output.overwrite)
        self.begun = resumes_several
        if options["seed"] + options["seeds"] - 1 > LARGEST_SEED:
            raise UserError(f"--seeds {options['seeds']}: the last seed would be above {LARGEST_SEED}")
        seeds = [options["seed"] + i for i in range(options["seeds"])]
        self._refuse_model_in_the_way(options["model"], seeds)
        done = {run["seed"] for run in self.state.get("runs", ())}
        self.added = [seed for seed in seeds if seed not in self.state.get("seeds", ())]
        replaced = [
            seed for seed in self.added if resumes_several and self._holds_another_run(seed, command.output.overwrite)
        ]
        self.state = {"runs": [], **self.state, "options": options, "metric": options["metric"], "seeds": seeds}
        left = [(number, seed) for number, seed in enumerate(seeds, 1) if seed not in done]
        if command.data.check_data:
            left = [(1, seeds[0])]
        return {"options": options, "left": left, "replaced": replaced}

    def _holds_another_run(self, seed: int, overwrite: bool) -> bool:
        """Say whether a run that is none of these is where that of a seed goes; UserError if it is to stay."""
        paths = self.paths.of_seed(seed)
        refuse_to_overwrite(paths.folder, overwrite)
        return paths.hold_a_run

    def _refuse_replaced_model(self, options: dict) -> None:
        """Raise UserError for more seeds where the model that all begin with was replaced by the best of the others."""
        grows = options["seeds"] > len(self.state["seeds"])
        if grows and self.state["kept"] is not None and is_directory_of(options["model"], self.paths.model_dir):
            raise UserError(
                f"--seeds {options['seeds']}: the runs so far began with {options['model']}, "
                "which the best of them has replaced, so that no other can begin with it"
            )

    def _refuse_model_in_the_way(self, model: str | None, seeds: list[int]) -> None:
        """Raise UserError if the model that all runs begin with lies where one of them puts its own."""
        for seed in seeds:
            if is_directory_of(model, self.paths.of_seed(seed).model_dir):
                raise UserError(
                    f"--model {model} is where the run with seed {seed} puts its model; "
                    "move it, or let --output_dir name another place"
                )

    def begin(self, facts: dict) -> None:
        """Note that the whole has begun or goes on, before one of its runs of these `facts` this writes anything.

        Raises UserError if a run has got in the way since the start, or the data is not that of the runs before.
        """
        self.lock.take()
        if self.begun:
            check_same(self.state, facts)
        for folder in [*([] if self.begun else [self.folder]), *(self.paths.of_seed(s).folder for s in self.added)]:
            refuse_to_overwrite(folder, self.state["options"]["overwrite"])
        self.added = []
        self.state |= {"precision": facts["precision"], "data": facts["data"]}
        if not self.begun:
            self._note_beginning()
        if not self.state["runs"]:
            self._remove_earlier_records()
        self.begun = True
        seeds = [seed for seed in self.state.get("replaces", ()) if seed not in self.state["seeds"]]
        self._write(kept=None, mean=None, sd=None, replaces=seeds)

    def _note_beginning(self) -> None:
        """Note in one go that the whole has begun, and which earlier runs it replaces.

        The model in the place of the best one, which the runs may begin with, stays until that takes its place.
        """
        seeds = earlier_seeds(self.folder, self.state["options"]["model"])
        settle_earlier(self.paths, seeds)
        with DirectoryLock(self.paths.test_dir):  # if scores are being written there, nothing is touched
            sweep_run(self.paths)
            self._write(kept=None, mean=None, sd=None, replaces=seeds)

    def _remove_earlier_records(self) -> None:
        with DirectoryLock(self.paths.test_dir):
            self._end_earlier_runs()
            self.paths.state_file.unlink(missing_ok=True)
            remove_records(self.paths)
        remove_empty(self.paths)
        self.paths.log_file.unlink(missing_ok=True)

    def _end_earlier_runs(self) -> None:
        """See to it that none of the earlier runs that are replaced is taken for one of these."""
        if self.writes:
            for seed in self.state.get("replaces", ()):
                end_seed_run(self.paths.of_seed(seed))

    def note(self, seed: int) -> None:
        """Note what a run that is done has come to, and remove its checkpoint and every model that is not the best."""
        if not self.writes:
            return
        folder = self.paths.of_seed(seed).folder
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
        score = self._score()
        sign = -1 if self.state["metric"] == "loss" else 1
        return max(self.state["runs"], key=lambda run: (sign * run[score], -run["seed"]))["seed"]

    def _lines(self) -> list[str]:
        """Return what all runs have come to as lines to read."""
        mean = self.state["mean"]
        sd = self.state["sd"]
        names = self._scores()
        rows = {f"seed {run['seed']}": [f"{run[name]:.4f}" for name in names] for run in self.state["runs"]}
        rows["mean ± sd"] = [f"{mean[name]:.4f} ± {sd[name]:.4f}" for name in names]
        width = max(map(len, rows))
        lines = []
        for row, values in rows.items():
            cells = [f"{name.replace('_', ' ')} {value}" for name, value in zip(names, values, strict=True)]
            lines.append("  ".join([f"{row:<{width}}", *cells]))
        score = self._score().replace("_", " ")
        return [*lines, f"seed {self.state['kept']} has the best {score}; its run is kept in {self.folder}"]

    def _place(self) -> None:
        """Put the kept run in its place, or finish that."""
        if self.state.get("kept") is not None and self.writes:
            self._drop_weights()
            kept = next(run for run in self.state["runs"] if run["seed"] == self.state["kept"])
            place_run(self.paths.of_seed(kept["seed"]), self.paths, kept, self._lines())
            for seed in self.state.get("replaces", ()):
                remove_seed_run(self.paths.of_seed(seed))
            if self.state.get("replaces"):
                self._write(replaces=[])

    def _drop_weights(self) -> None:
        best = self._best()
        for run in self.state["runs"]:
            drop_weights(self.paths.of_seed(run["seed"]).folder, but_model=run["seed"] == best)

    def _read(self) -> dict:
        path = self.paths.seeds_file
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
        if self.state.get("replaces"):  # no more once they are gone
            names.append("replaces")
        write_json(self.paths.seeds_file, {name: self.state[name] for name in names})


def _read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
