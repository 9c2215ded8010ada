"""Give the best of several runs the place that a single one would have, and remove the weights of the others."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from markupsafe import escape

from toolkit.base.disk import hidden_sibling, install_directory, replacing, sweep, write_bytes, write_json
from toolkit.base.errors import UserError
from toolkit.runs.run_json import RUN_FILES, SEEDS

PLACED = ["train.log", *(name for name in RUN_FILES if name != SEEDS and not name.startswith("checkpoint/"))]


def drop_weights(folder: Path, but_model: bool) -> None:
    """Remove the checkpoint of a run that is done, and its model, but for that of the best; small files stay."""
    for path in [folder / "checkpoint", *[folder / "bert_classifier"] * (not but_model)]:
        if path.is_dir():
            path.rename(hidden_sibling(path, "gone"))  # a half would be taken for a run
        sweep(path)


def place_run(source: Path, folder: Path, seed: int, lines: Sequence[str]) -> None:
    """Put the run with this seed from its directory `source` into `folder`, `lines` at the end of its train.log.

    The model comes last: until it is there, this can be done again, and afterwards it does nothing. Raises UserError if
    the model is in neither place.
    """
    model_dir, waits = folder / "bert_classifier", source / "bert_classifier"
    new = hidden_sibling(model_dir, "new")
    if waits.is_dir() or new.is_dir():
        _copy(source, folder, lines)
        if waits.is_dir():
            shutil.rmtree(new, ignore_errors=True)
            waits.rename(new)
        install_directory(model_dir)
    sweep(model_dir)
    path = model_dir / "run.json"
    if not path.is_file() or json.loads(path.read_text(encoding="utf-8")).get("options", {}).get("seed") != seed:
        raise UserError(f"--resume: {model_dir} is not the model of seed {seed}, the best of these runs")


def _copy(source: Path, folder: Path, lines: Sequence[str]) -> None:
    """Replace the small files of a run that was kept before by those of the one in `source`."""
    for pattern in PLACED:
        for path in folder.glob(pattern):
            path.unlink()
        for path in source.glob(pattern):
            place = folder / path.relative_to(source)
            place.parent.mkdir(exist_ok=True)
            with replacing(place) as new:
                shutil.copyfile(path, new)
    with (folder / "train.log").open("a", encoding="utf-8") as stream:
        stream.writelines(line + "\n" for line in ("", *lines))
    then, now = (str(place / "bert_classifier") for place in (source, folder))  # where the scores say that the model is
    if (path := folder / "test" / "metrics.json").is_file():
        scores = json.loads(path.read_text(encoding="utf-8"))
        scores["model"]["directory"] = now
        write_json(path, scores)
    if (path := folder / "test" / "report.html").is_file():
        page = path.read_text(encoding="utf-8")
        write_bytes(path, page.replace(str(escape(then)), str(escape(now))).encode())
