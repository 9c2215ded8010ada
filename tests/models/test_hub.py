"""Models from a hub on 127.0.0.1, by scripts in processes of their own, as a user has them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, script
from tests.fakehub import COMMIT, CONVERSION, NAME, closed_hub, hub_of, silent_hub
from toolkit.base.errors import UserError
from toolkit.models.hub import fetch_model
from toolkit.models.trust import config_problems, directory_problems

CHECK = ("--device", "cpu", "--check_data")


@pytest.fixture
def pickled(english_bert, tmp_path) -> Path:
    """A directory with pickled weights alone, as old models of the hub have them, and with code beside them."""
    folder = shutil.copytree(english_bert, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    (folder / "modeling_evil.py").write_text("raise SystemExit(1)\n")
    return folder


def train(url: str, home: Path, reviews: Path, *options, model: str = NAME, status: int = 0, **variables):
    """Run main.py with a hub of its own, with caches and settings of a new machine."""
    environment = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "", **variables}
    command = ["--data_dir", reviews, "--model", model, "--output_dir", home / "output", "--epochs", "1"]
    return script("main.py", *command, "--overwrite", *options, status=status, environment=environment)


def fetch(url: str, home: Path, name: str = NAME, **variables) -> str:
    """Return what fetch_model returns or raises in a process of its own, whose settings the hub's client reads."""
    code = f"from toolkit.base import errors\nfrom toolkit.models import hub\ntry: print(hub.fetch_model({name!r}))\nexcept errors.UserError as e: print(e)"  # noqa: E501
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "", **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.stderr == ""
    return done.stdout.strip()


def one_line(done) -> str:
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_a_model_of_the_hub_is_trained_and_later_without_the_hub(english_bert, reviews, tmp_path):
    with hub_of(english_bert) as hub:
        train(hub.url, tmp_path, reviews, "--device", "cpu")
        assert not any("discussions" in path for path in hub.paths)
        files = [path for path in hub.paths if "/resolve/" in path]
        assert files and all(f"/resolve/{COMMIT}/" in path for path in files)  # of one revision, whatever main becomes
    run = json.loads((tmp_path / "output" / "bert_classifier" / "run.json").read_text())
    assert run["base_model"] == NAME
    assert f"base_model: {NAME}\n" in (tmp_path / "output" / "bert_classifier" / "README.md").read_text()
    earlier = fetch(closed_hub(), tmp_path)
    assert (Path(earlier) / "model.safetensors").samefile(
        Path(fetch("", tmp_path, HF_HUB_OFFLINE="1")) / "model.safetensors"
    )
    assert directory_problems(Path(earlier)) == []  # the links of the cache lead out of the directory
    assert (Path(earlier) / "config.json").is_symlink()


def test_a_revision_is_fetched_by_its_name_and_found_again_without_the_hub(english_bert, tmp_path):
    other = shutil.copytree(english_bert, tmp_path / "other")
    (other / "vocab.txt").write_text("of the other revision")
    with hub_of(english_bert, other) as hub:
        folder = Path(fetch(hub.url, tmp_path, f"{NAME}@refs/pr/1"))
        main = Path(fetch(hub.url, tmp_path))
    assert (folder / "vocab.txt").read_text() == "of the other revision"
    assert (folder.name, main.name) == (CONVERSION, COMMIT)
    assert fetch(closed_hub(), tmp_path, f"{NAME}@refs/pr/1") == str(folder)
    with hub_of(english_bert) as hub:
        assert fetch(hub.url, tmp_path / "new", f"{NAME}@refs/pr/1").startswith(f"model {NAME}@refs/pr/1: ")


def test_pickled_weights_and_code_of_the_hub_are_not_even_fetched(pickled, reviews, tmp_path):
    with hub_of(pickled) as hub:
        line = one_line(train(hub.url, tmp_path, reviews, *CHECK, status=2))
        assert not any(path.endswith((".bin", ".py")) for path in hub.paths)
    assert f"model {NAME}: it has no model.safetensors, and pickled weights are not read" in line
    assert "weights_only=True" in line
    assert "docs/file-formats.md" in line


def test_of_pickled_weights_the_copy_that_the_hub_has_converted_is_used(pickled, english_bert, tmp_path):
    with hub_of(pickled, english_bert) as hub:
        folder = Path(fetch(hub.url, tmp_path))
        assert not any(path.endswith((".bin", ".py")) for path in hub.paths)
    assert (folder / "model.safetensors").read_bytes() == (english_bert / "model.safetensors").read_bytes()
    assert fetch(closed_hub(), tmp_path) == str(folder)
    assert fetch("", tmp_path, HF_HUB_OFFLINE="1") == str(folder)


def test_what_is_wrong_with_a_model_of_the_hub_is_found_as_in_a_directory(english_bert, tmp_path):
    folder = shutil.copytree(english_bert, tmp_path / "evil")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "modeling_evil.C"}}))
    with hub_of(folder) as hub:
        (problem,) = config_problems(Path(fetch(hub.url, tmp_path)))
    assert problem.en.startswith("config.json has auto_map")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"status": 401}, "401"), ({"status": 403}, "403"), ({"status": 404}, "404"), ({"status": 500}, "500"),
        ({"status": 503}, "503"), ({"damage": "garbage"}, "the answer is not valid json"),
        ({"damage": "renamed"}, "there is no such model, or it is private"),
        ({"damage": "gated"}, "access to it is restricted"),
    ],
)  # fmt: skip
def test_a_hub_that_does_not_give_the_model_is_said_in_a_sentence(english_bert, tmp_path, damage, reason):
    with hub_of(english_bert, **damage) as hub:
        said = fetch(hub.url, tmp_path)
    assert said.startswith(f"model {NAME}: ")
    assert reason in said
    assert said.endswith(f"(hub: {hub.url}; HF_ENDPOINT names a mirror, --model also takes a local directory)")


def test_a_hub_where_nobody_listens_is_said_at_once(tmp_path):
    assert f"model {NAME}: it could not be downloaded (" in fetch(closed_hub(), tmp_path)


def test_a_hub_that_never_answers_is_not_waited_for(reviews, tmp_path):
    with silent_hub() as url:
        line = one_line(train(url, tmp_path, reviews, *CHECK, status=2, HF_HUB_ETAG_TIMEOUT="1"))
    assert "timed out" in line


def test_a_file_that_is_cut_on_the_way_is_said_in_a_sentence(english_bert, tmp_path):
    with hub_of(english_bert, damage="cut") as hub:
        assert f"model {NAME}: it could not be downloaded (" in fetch(hub.url, tmp_path)


@pytest.mark.parametrize("name", ["a b", "no/../such", "x" * 200, "-x", "a//b"])
def test_a_name_that_no_model_can_have_is_not_asked_for(name):
    with pytest.raises(UserError, match="no such"):
        fetch_model(name)
