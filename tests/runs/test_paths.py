import pytest

from toolkit.base.errors import UserError
from toolkit.runs.paths import RunPaths, refuse_to_overwrite


def test_all_files_of_a_run_lie_in_its_directory_and_those_of_a_seed_in_one_of_its_own(tmp_path):
    names = [name for name, value in vars(RunPaths).items() if isinstance(value, property) and name != "hold_a_run"]
    found = [getattr(RunPaths(tmp_path), name) for name in names]
    assert len({*found}) == len(found) > 5
    assert all(tmp_path in path.parents for path in found)
    assert RunPaths(tmp_path).of_seed(7) == RunPaths(tmp_path / "seed-7")


def test_a_finished_run_is_not_overwritten_unless_asked(tmp_path):
    folder = tmp_path / "output" / "bert_classifier"
    refuse_to_overwrite(tmp_path / "output", overwrite=False)
    folder.mkdir(parents=True)
    refuse_to_overwrite(tmp_path / "output", overwrite=False)
    (folder / "run.json").write_text("{}", encoding="utf-8")
    refuse_to_overwrite(tmp_path / "output", overwrite=True)
    with pytest.raises(UserError) as caught:
        refuse_to_overwrite(tmp_path / "output", overwrite=False)
    assert str(caught.value).startswith(f"{tmp_path / 'output'} already holds a run")
    assert all(option in str(caught.value) for option in ("--overwrite", "--resume", "--output_dir"))


def test_an_unfinished_run_is_not_overwritten_either_and_what_is_no_run_never(tmp_path):
    (tmp_path / "a" / "checkpoint").mkdir(parents=True)
    (tmp_path / "a" / "checkpoint" / "state.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="already holds a run"):
        refuse_to_overwrite(tmp_path / "a", overwrite=False)
    (tmp_path / "b" / "bert_classifier").mkdir(parents=True)
    (tmp_path / "b" / "bert_classifier" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="in the way"):
        refuse_to_overwrite(tmp_path / "b", overwrite=True)


def test_several_runs_are_not_overwritten_either(tmp_path):
    RunPaths(tmp_path).seeds_file.write_text("{}")
    refuse_to_overwrite(tmp_path, overwrite=True)
    with pytest.raises(UserError, match="already holds a run"):
        refuse_to_overwrite(tmp_path, overwrite=False)


def test_a_model_directory_is_named_by_itself_or_by_its_run_and_by_no_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = RunPaths(tmp_path / "owner")
    assert not paths.hold_model("owner/bert_classifier")
    paths.model_dir.mkdir(parents=True)
    assert paths.hold_model("owner/bert_classifier")
    assert paths.hold_model("owner/")
    assert not paths.hold_model(".")
    assert not paths.hold_model(None)
