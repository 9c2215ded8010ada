"""Which model is in a model directory, so that a script notices if it is replaced while it is read."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.base.disk import fingerprint, recover
from toolkit.base.errors import UserError
from toolkit.models.texts import REPLACED

EXPORTED = "onnx"  # the folder for other programs, which infer.py --export adds
OWN_FILES = ("run.json", "README.md", EXPORTED)  # what is added to the files that save_pretrained writes


@dataclass(frozen=True)
class ModelFiles:
    """Which model is in a directory: by this two readings of it know whether they have read the same one."""

    directory: Path
    run: str  # the sha256 of run.json, "" where there is none
    others: Mapping[str, Sequence[int]]  # by name, the bytes and the time of change in ns: weights, tokenizer and so on

    @classmethod
    def in_directory(cls, model_dir: Path) -> "ModelFiles":
        """Return which model is in a directory, whatever is wrong with it."""
        recover(model_dir)
        run = ""
        others = {}
        with suppress(OSError):  # the directory is missing, or is being replaced
            run = fingerprint(model_dir / "run.json")
            for path in sorted(model_dir.iterdir()):
                if path.name not in OWN_FILES:
                    status = path.stat()
                    others[path.name] = [status.st_size, status.st_mtime_ns]
        return cls(model_dir, run, others)

    def check(self) -> None:
        """Raise UserError if another model is in the directory by now, so that parts of two may have been read."""
        if ModelFiles.in_directory(self.directory) != self:
            raise UserError(REPLACED.fill(folder=self.directory))

    def as_json(self) -> dict[str, str | Sequence[int]]:
        """Return the files by their names."""
        return {"run.json": self.run, **self.others}
