import json

import pytest

from tests.conftest import run_facts
from toolkit.base.disk import fingerprint
from toolkit.base.errors import UserError
from toolkit.runs import checkpoint
from toolkit.runs.best_model import (
    is_best_model,
    need_model,
    settle_model,
    step_of_model,
    waiting_model,
)
from toolkit.runs.paths import RunPaths
from toolkit.runs.progress import Progress


def test_the_step_of_a_model_is_read_from_what_main_wrote_and_is_0_of_anything_else(tmp_path):
    path = tmp_path / "run.json"
    assert step_of_model(tmp_path) == 0
    for text, step in [('{"metrics": {"step": 7}}', 7), ("{}", 0), ('{"metrics": []}', 0), ("[1]", 0), ("{", 0)]:
        path.write_text(text)
        assert step_of_model(tmp_path) == step


def put(folder, step: int, weights: str):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"metrics": {"step": step}}))
    (folder / "model.safetensors").write_text(weights)
    return folder


def save(paths: RunPaths, step: int, weights_of=None) -> Progress:
    """Note a save whose best model is that of a step, with the weights in a directory; of an older version if None."""
    noted = fingerprint(weights_of / "model.safetensors") if weights_of else ""
    progress = Progress(step=step, best_step=step, best_model=noted)
    checkpoint.begin_checkpoint(paths.checkpoint_dir, run_facts())
    checkpoint._write_state(paths.checkpoint_dir, checkpoint.SavedState(run_facts(), progress))
    return progress


def test_a_model_of_another_run_is_not_the_best_one_though_it_is_of_the_same_step(tmp_path):
    ours, other = put(tmp_path / "ours", 8, "ours"), put(tmp_path / "other", 8, "other")
    progress = save(RunPaths(tmp_path / "run"), 8, ours)
    assert is_best_model(ours, progress)
    assert not is_best_model(other, progress)
    assert not is_best_model(tmp_path / "missing", progress)
    assert not is_best_model(put(tmp_path / "earlier", 4, "ours"), progress)
    assert not is_best_model(ours, Progress())


def test_a_save_of_an_older_version_tells_of_the_step_alone(tmp_path):
    progress = save(RunPaths(tmp_path / "run"), 8)
    assert is_best_model(put(tmp_path / "one", 8, "one"), progress)
    assert not is_best_model(put(tmp_path / "other", 4, "other"), progress)


@pytest.mark.parametrize(("step", "weights", "kept"), [(8, "new", "new"), (8, "other", "old"), (4, "new", "old")])
def test_a_model_that_waits_takes_its_place_if_the_last_save_tells_of_it_and_is_removed_else(
    tmp_path, step, weights, kept
):
    paths = RunPaths(tmp_path / "run")
    put(paths.model_dir, 2, "old")
    put(waiting_model(paths.model_dir), step, weights)
    save(paths, 8, put(tmp_path / "noted", 8, "new"))
    settle_model(paths)
    assert (paths.model_dir / "model.safetensors").read_text() == kept
    assert not waiting_model(paths.model_dir).exists()


def test_another_model_in_the_place_of_the_best_one_is_an_error(tmp_path):
    paths = RunPaths(tmp_path / "run")
    save(paths, 8, put(paths.model_dir, 8, "ours"))
    need_model(paths)
    (paths.model_dir / "model.safetensors").write_text("other")
    with pytest.raises(UserError, match="is not the best model of this run, which is from step 8"):
        need_model(paths)
