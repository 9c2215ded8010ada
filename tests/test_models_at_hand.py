"""The models that Chinese users have, in the layouts in which they have them, go through all three scripts."""

import csv
import json
import pickle
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import AutoTokenizer, pipeline

import infer
import main
import test_code
from tests.conftest import ROOT
from tests.models.at_hand import characters, of_parallel, save_at_hand, with_old_names, write_vocabulary
from toolkit.cli.options import fine_tuning_options, inference_options, scoring_options

WORDS = ["房间", "服务", "味道", "非常", "喜欢", "客服", "质量", "电影"]


def divided(text: str, hmm: bool) -> list[tuple[str, int, int]]:
    """Divide a text into words as rjieba does, but know these alone."""
    return [(word.group(), *word.span()) for word in re.finditer(f"{'|'.join(WORDS)}|[a-z]+|.", text, re.DOTALL)]


class Evil:
    """What makes a file when it is read from a pickle."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A data folder of a few rows of the Chinese sample."""
    folder = tmp_path_factory.mktemp("data")
    with (ROOT / "data" / "zh" / "trainset.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for name, part in (("trainset", rows[:30]), ("validset", rows[30:40]), ("testset", rows[40:50])):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, ["text", "label"])
            writer.writeheader()
            writer.writerows(part)
    texts = [{"text": row["text"]} for row in rows[50:58]]
    (folder / "unlabelled.json").write_text(json.dumps(texts), encoding="utf-8")
    return folder


def saved_by_modelscope(root: Path) -> Path:
    """An ERNIE 3.0 as ModelScope saves it: a dot of its name is three underscores, and there are files of its own."""
    folder = root / "modelscope" / "hub" / "models" / "nghuyong" / "ernie-3___0-base-zh"
    task = {"use_task_id": True, "task_type_vocab_size": 3, "type_vocab_size": 4}
    save_at_hand(folder, "ErnieForMaskedLM", model_type="ernie", **task)
    for name in (".msc", ".mdl"):
        (folder / name).write_bytes(pickle.dumps(Evil(root / "it ran")))
    (folder / ".mv").write_text("Revision:master,CreatedAt:1666666666")
    (folder / "configuration.json").write_text('{"framework": "pytorch", "task": "fill-mask", "allow_remote": true}')
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "ErnieTokenizer"}')
    link = folder.with_name("ernie-3.0-base-zh")  # as newer versions make it
    link.symlink_to(folder, target_is_directory=True)
    return link


def in_a_hub_cache(root: Path) -> Path:
    """An ALBERT with the tokenizer of a BERT, in the cache of the hub; an editor has been at its vocabulary."""
    save_at_hand(root / "files", "AlbertForMaskedLM", model_type="albert", embedding_size=16)
    write_vocabulary(root / "files", characters(), end="\r\n", mark=b"\xef\xbb\xbf")
    cache = root / "models--voidful--albert_chinese_tiny"
    snapshot = cache / "snapshots" / "0123456789abcdef"
    (cache / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted((root / "files").iterdir())):
        path.rename(cache / "blobs" / str(number))
        (snapshot / path.name).symlink_to(Path("../../blobs", str(number)))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(snapshot.name)
    return cache


def of_long_ago(root: Path) -> Path:
    """A BERT of three layers, trained in DataParallel on a checkpoint of TensorFlow; beside it what is not read."""
    folder = root / "rbt3"

    def renamed(weights):
        return of_parallel(with_old_names(weights))

    save_at_hand(folder, "BertForPreTraining", change=renamed, model_type="bert", num_hidden_layers=3)
    for name in ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"):
        (folder / name).write_bytes(pickle.dumps(Evil(root / "it ran")))
    return folder


def of_words(root: Path) -> Path:
    """A RoFormer, whose tokens are words where its vocabulary has them."""
    tokens = [*characters(), *WORDS]
    save_at_hand(root / "roformer", "RoFormerForMaskedLM", tokens, model_type="roformer", embedding_size=32)
    return root / "roformer"


@pytest.mark.parametrize("layout", [saved_by_modelscope, in_a_hub_cache, of_long_ago, of_words])
def test_a_model_as_it_is_at_hand_goes_through_all_three_scripts(layout, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rjieba", SimpleNamespace(tokenize=divided))
    model = layout(tmp_path)
    output = tmp_path / "output"
    words = [
        "--model",
        model,
        "--data_dir",
        data,
        "--output_dir",
        output,
        "--epochs",
        "1",
        "--precision",
        "fp32",
        "--truncation",
        "longest_first",
    ]
    main.main(fine_tuning_options(list(map(str, words))))
    asked = ["--model_dir", str(output / "bert_classifier"), "--data_dir", str(data)]
    test_code.main(scoring_options([*asked, "--explain_rows", "1"]))
    infer.main(inference_options([*asked, "--no-calibrated", "--precision", "fp32"]))
    assert not (tmp_path / "it ran").exists()

    rows = json.loads((output / "predictions.json").read_text(encoding="utf-8"))
    classify = pipeline("text-classification", model=str(output / "bert_classifier"), top_k=None, device="cpu")
    for row in rows:
        answer = classify(row["text"], truncation=True)
        for entry in answer[0] if isinstance(answer[0], list) else answer:
            assert row[f"prob_{entry['label']}"] == pytest.approx(entry["score"], abs=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(output / "bert_classifier")
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("房间ok")["input_ids"])
    known = ["房间"] if layout is of_words else ["房", "间"]
    assert tokens == ["[CLS]", *known, "o", "##k", "[SEP]"]
