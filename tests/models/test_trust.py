import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ROOT, WORDS, tiny_bert
from toolkit.base.errors import UserError
from toolkit.base.languages import Text
from toolkit.models.locate import resolve_model
from toolkit.models.pretrained import load_classifier, load_config, load_tokenizer
from toolkit.models.trust import (
    CONVERSION,
    MAX_JSON_BYTES,
    config_problems,
    directory_problems,
    entries,
    fingerprint_weights,
    pickles,
    read_object,
    short,
    stray_files,
    tokenizer_problems,
    weight_files,
    weight_problems,
)


@pytest.fixture
def model(english_bert, tmp_path) -> Path:
    return shutil.copytree(english_bert, tmp_path / "model")


def english(problems: list[Text]) -> list[str]:
    return [problem.en for problem in problems]


def all_problems(folder: Path) -> list[str]:
    return english(
        [
            *directory_problems(folder),
            *config_problems(folder),
            *tokenizer_problems(folder),
            *weight_problems(folder),
        ]
    )


def edit(path: Path, **entries) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_nothing_is_wrong_with_a_saved_model(model, distilbert):
    assert all_problems(model) == []
    assert all_problems(distilbert) == []
    assert all_problems(Path(resolve_model(None))) == []


def test_nothing_is_wrong_with_settings_that_models_of_the_hub_have(model):
    edit(
        model / "config.json", auto_map={}, custom_pipelines={}, attn_implementation="sdpa",
        _attn_implementation="eager", rope_theta=10**9, eos_token_id=10**9, use_cache=True,
        num_parameters=7_000_000_000, n_params=10**12,
        use_kernels=False, architectures=["BertForMaskedLM"], _name_or_path="/root/bert", torch_dtype="float32",
    )  # fmt: skip
    edit(
        model / "tokenizer_config.json", special_tokens_map_file="/etc/passwd", tokenizer_file="/no/such/file",
        model_max_length=10**30, fast_tokenizer_files=["tokenizer.json"], name_or_path="/root/bert",
    )  # fmt: skip
    assert all_problems(model) == []
    load_classifier(str(model), load_config(str(model)))


def test_the_layout_of_the_cache_of_the_hub_is_read_and_no_other_link_out(model, tmp_path):
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    shutil.copytree(model, blobs)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    assert all_problems(snapshot) == []
    model = load_classifier(str(snapshot), load_config(str(snapshot))).model
    assert len(load_tokenizer(str(snapshot))) == model.config.vocab_size
    (snapshot / "vocab.txt").symlink_to("../../../secret")
    (tmp_path / "secret").touch()
    (problem,) = english(stray_files(snapshot))
    assert problem.startswith("vocab.txt is a link out of the directory, to '/")


def test_a_directory_that_is_reached_by_a_link_is_a_directory(model, tmp_path):
    (tmp_path / "link").symlink_to(model)
    (model / "copy.json").symlink_to("config.json")
    assert all_problems(tmp_path / "link") == []


def test_a_template_that_leads_out_is_found_where_transformers_would_read_it(model, tmp_path):
    (tmp_path / "secret.jinja").touch()
    (model / "additional_chat_templates").mkdir()
    (model / "additional_chat_templates" / "a.jinja").symlink_to(tmp_path / "secret.jinja")
    assert "a.jinja is a link out of the directory" in english(stray_files(model))[0]


def test_pickles_are_known_by_their_names_in_capitals_too(model):
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "rng_state_0.pth", "A.PKL", "notes.txt"):
        (model / name).touch()
    assert pickles(model) == ["A.PKL", "optimizer.pt", "pytorch_model.bin", "rng_state_0.pth", "training_args.bin"]
    assert directory_problems(model) == []


def conversion_command(folder: Path) -> str:
    """Return the command that the error about a directory without safetensors ends in."""
    (problem,) = english(directory_problems(folder))
    return problem[problem.index("python -c ") :]


def run_as_pasted(command: str) -> subprocess.CompletedProcess:
    """Run a command as a user does who pastes it into a shell of this Python's environment."""
    command = command.replace("python", f'"{sys.executable}"', 1)
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=False)


def test_the_command_that_the_error_ends_in_converts_pickled_weights_in_one_or_more_files(model):
    """Tied weights and a folder with blanks and a quote in its name are what a state_dict and a user may have."""
    folder = model.rename(model.parent / ("a model" if os.name == "nt" else "a user's model"))
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    half = len(weights) // 2
    tied = weights["bert.embeddings.word_embeddings.weight"]
    parts = [dict(list(weights.items())[:half]), dict(list(weights.items())[half:])]
    parts[0] |= {"cls.predictions.decoder.weight": tied, "bert.embeddings.position_ids": torch.arange(64)[None]}
    for number, part in enumerate(parts, 1):
        torch.save(part, folder / f"pytorch_model-0000{number}-of-00002.bin")
    for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state_0.pth"):
        (folder / name).write_bytes(b"not for this")
    done = run_as_pasted(conversion_command(folder))
    assert done.returncode == 0, done.stderr
    assert all_problems(folder) == []
    converted = load_file(folder / "model.safetensors")
    assert set(converted) == {*parts[0], *parts[1]}
    assert all(torch.equal(converted[name], weight) for name, weight in weights.items())
    loaded = load_classifier(str(folder)).model.state_dict()
    assert torch.equal(loaded["bert.embeddings.word_embeddings.weight"], tied)


class Evil:
    """What makes a file when it is read from a pickle."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_the_command_that_converts_weights_runs_nothing_that_is_in_a_pickle(model):
    (model / "model.safetensors").unlink()
    marker = model.parent / "it ran"
    torch.save({"weight": Evil(marker)}, model / "pytorch_model.bin")
    torch.load(model / "pytorch_model.bin", weights_only=False)
    assert marker.exists()  # so it would run
    marker.unlink()
    done = run_as_pasted(conversion_command(model))
    assert done.returncode != 0
    assert "weights_only" in done.stderr.lower()
    assert not marker.exists()
    assert not (model / "model.safetensors").exists()


def test_where_there_is_no_file_of_weights_at_all_the_command_names_where_it_is_to_be(model):
    (model / "model.safetensors").unlink()
    (model / "training_args.bin").write_bytes(pickle.dumps({}))
    (problem,) = english(directory_problems(model))
    assert "put its files and pytorch_model.bin into a directory DIR, then python -c " in problem
    assert [word.strip('"') for word in problem.split()[-2:]] == ["DIR", "pytorch_model.bin"]


@pytest.mark.parametrize(
    ("name", "way"),
    [("flax_model.msgpack", "convert it"), ("tf_model.h5", "convert it"), ("model.ckpt.index", "convert it"),
     ("model_state.pdparams", "write it with"), ("model.onnx", "write it with")],
)  # fmt: skip
def test_weights_of_another_program_are_told_with_what_to_do(name, way, model):
    (model / "model.safetensors").rename(model / name)
    (problem,) = english(directory_problems(model))
    assert f"no model.safetensors but {name}, which is not read; take model.safetensors from" in problem
    assert f"on the hub, or {way}" in problem


def test_weights_in_several_files_are_read(tmp_path):
    folder = tiny_bert(tmp_path / "model", WORDS)
    model = load_classifier(str(folder)).model
    assert fingerprint_weights(folder) == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="model.safetensors"):
        fingerprint_weights(folder)
    model.save_pretrained(folder, max_shard_size="30KB")
    assert (folder / "model.safetensors.index.json").exists()
    assert all_problems(folder) == []
    parts = sorted(folder.glob("model-0*.safetensors"))
    assert weight_files(folder) == parts
    together = b"".join(part.read_bytes() for part in parts)
    assert fingerprint_weights(folder) == hashlib.sha256(together).hexdigest()
    again = load_classifier(str(folder))
    assert again.new_weights == []
    assert sum(weight.sum() for weight in again.model.parameters()) == sum(
        weight.sum() for weight in model.parameters()
    )


def test_a_pointer_of_git_lfs_is_told_from_the_file_that_it_stands_for(model):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 438000000\n"
    for name in ("model.safetensors", "tokenizer.json", "spiece.model"):
        (model / name).write_text(pointer)
    assert english(directory_problems(model)) == [
        f"{name} is a pointer of git-lfs and not the file itself; fetch it with git lfs pull, or download it again"
        for name in ("model.safetensors", "spiece.model", "tokenizer.json")
    ]


def test_code_beside_a_model_that_transformers_knows_is_neither_run_nor_a_reason_to_refuse_it(model):
    code = 'open("was_run", "w")\nraise SystemExit(3)\n'
    (model / "modeling_own.py").write_text(code)
    edit(model / "config.json", auto_map={"AutoConfig": "modeling_own.C", "AutoModel": "modeling_own.M"})
    edit(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["modeling_own.T", None]})
    classifier = load_classifier(str(model)).model
    assert type(classifier).__name__ == "BertForSequenceClassification"
    assert len(load_tokenizer(str(model))) == classifier.config.vocab_size
    assert not Path("was_run").exists()
    edit(model / "config.json", model_type="own")
    with pytest.raises(UserError, match="config.json has auto_map: .* names code that comes with the model"):
        load_config(str(model))
    edit(model / "tokenizer_config.json", tokenizer_class="OwnTokenizer")
    assert "auto_map" in english(tokenizer_problems(model))[0]


def test_several_problems_are_told_together(model):
    edit(model / "config.json", auto_map={"AutoConfig": "evil.C"}, vocab_size=10**12, text_config={"use_kernels": True})
    found = {problem.split(":")[0].removeprefix("config.json has ") for problem in english(config_problems(model))}
    assert found == {"auto_map", "vocab_size", "use_kernels"}


def test_json_is_read_within_limits(tmp_path):
    path = tmp_path / "a.json"
    for content, problem in (
        ('{"a": 1}', []),
        ("[1]", ["a.json is not a json object"]),
        ('{"a":' * 90 + "1" + "}" * 90, []),
        ('{"a":' * 101 + "1" + "}" * 101, ["a.json is nested too deeply"]),
        ('{"a": [' * 100_000, ["a.json is nested too deeply"]),
    ):
        path.write_text(content)
        assert english(read_object(path).problems) == problem
    with path.open("wb") as stream:
        stream.truncate(MAX_JSON_BYTES + 1)
    problem = f"a.json has {MAX_JSON_BYTES + 1:,} bytes, more than the limit of {MAX_JSON_BYTES:,}"
    assert read_object(path).content == {}
    assert english(read_object(path).problems) == [problem]


def test_entries_are_those_of_all_levels_without_the_vocabulary():
    value = {"a": [1, {"b": 2}], "vocab": {"c": 3}, "d": {"e": [4]}}
    found = [(key, item) for key, item in entries(value) if not isinstance(item, (dict, list))]
    assert sorted(found) == [("a", 1), ("b", 2), ("e", 4)]


def test_what_is_quoted_is_short_and_on_one_line():
    assert short("a\nb\x1b[31m") == r"'a\nb\x1b[31m'"
    assert len(short("x" * 10**6)) == 62


def test_the_document_has_the_same_command():
    document = (ROOT / "docs" / "file-formats.md").read_text(encoding="utf-8")
    assert f'\npython -c "{CONVERSION}" . pytorch_model.bin\n' in document
