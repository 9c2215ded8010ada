"""Where the files of a run lie in its directory, and whether something is in their way."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.runs.texts import IN_THE_WAY, MODELS_IN_THE_WAY


@dataclass(frozen=True)
class RunPaths:
    """The paths of a run directory, and of those of several runs of one command in it."""

    folder: Path

    @property
    def model_dir(self) -> Path:
        """The best model, as save_pretrained writes it, with run.json and the model card."""
        return self.folder / "bert_classifier"

    @property
    def run_json(self) -> Path:
        """What the model was made from and how."""
        return self.model_dir / "run.json"

    @property
    def checkpoint_dir(self) -> Path:
        """The training state of the last save."""
        return self.folder / "checkpoint"

    @property
    def state_file(self) -> Path:
        """What of the training state is not a tensor; by this file a single run is known."""
        return self.checkpoint_dir / "state.json"

    @property
    def seeds_file(self) -> Path:
        """What several runs of one command have come to; by this file they are known."""
        return self.folder / "seeds.json"

    @property
    def test_dir(self) -> Path:
        """The scores of the test file."""
        return self.folder / "test"

    @property
    def tensorboard_dir(self) -> Path:
        """The event file, if one is wanted."""
        return self.folder / "tensorboard"

    @property
    def history_file(self) -> Path:
        """One json object for each evaluation."""
        return self.folder / "metrics.jsonl"

    @property
    def curves_file(self) -> Path:
        """The evaluations as a picture."""
        return self.folder / "curves.png"

    @property
    def log_file(self) -> Path:
        """What the run has said."""
        return self.folder / "train.log"

    @property
    def rejected_file(self) -> Path:
        """The rows that were left out."""
        return self.folder / "rejected_rows.csv"

    @property
    def hold_a_run(self) -> bool:
        """Whether there is a run, finished or not, or several of one command."""
        return any(path.is_file() for path in (self.run_json, self.state_file, self.seeds_file))

    def hold_model(self, model: str | None) -> bool:
        """Say whether --model names the model of this run, or the directory of this run."""
        if model is None:
            return False
        path = Path(model).expanduser()
        return path.is_dir() and path.resolve() in (self.model_dir.resolve(), self.folder.resolve())

    def of_seed(self, seed: int) -> "RunPaths":
        """Return the paths of the run with this seed, one of several of a command."""
        return RunPaths(self.folder / f"seed-{seed}")


def refuse_to_overwrite(output_dir: Path, overwrite: bool) -> None:
    """Raise UserError if a run, finished or not, is in the way and may not be replaced, or something that is no run."""
    paths = RunPaths(output_dir)
    if paths.hold_a_run and not overwrite:
        raise UserError(IN_THE_WAY["run"].fill(folder=output_dir))
    model_dir = paths.model_dir
    is_empty = model_dir.is_dir() and not any(model_dir.iterdir())
    if model_dir.exists() and not is_empty and not paths.run_json.is_file():
        raise UserError(IN_THE_WAY["other_model"].fill(folder=model_dir))


def refuse_to_replace_base(output_dir: Path, model: str | None, train: str | None) -> None:
    """Raise UserError if a run of which only the trained part is saved would replace the model that it begins with."""
    if train not in (None, "all") and RunPaths(output_dir).hold_model(model):
        raise UserError(MODELS_IN_THE_WAY["base"].fill(train=train, model=model))


def refuse_to_replace_teachers(output_dir: Path, teachers: Sequence[str] | None) -> None:
    """Raise UserError if a run would replace a model that it learns from; a run that is resumed needs it again."""
    for teacher in teachers or ():
        if Path(teacher).resolve().is_relative_to(output_dir.resolve()):
            raise UserError(MODELS_IN_THE_WAY["teacher"].fill(folder=teacher))


def refuse_to_merge(target: Path, train: str | None) -> None:
    """Raise UserError if the whole model is saved anyway, or if its directory of --merge is there and not empty."""
    if train in (None, "all"):
        raise UserError(MODELS_IN_THE_WAY["merge_all"].fill(folder=target))
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(MODELS_IN_THE_WAY["merge"].fill(folder=target))
