"""Tiny random models in the layouts in which Chinese users have them: config.json, weights and a BERT's vocab.txt."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig

from tests.conftest import CHINESE, ROOT

SPECIAL = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 64, "pad_token_id": 0,
}  # fmt: skip
Weights = dict[str, torch.Tensor]


def characters() -> list[str]:
    """Return the tokens of a vocabulary as BERT's Chinese ones are: characters, and pieces of small letters."""
    texts = [path.read_text(encoding="utf-8").lower() for path in sorted((ROOT / "data" / "zh").iterdir())]
    single = sorted({character for text in [*texts, CHINESE] for character in text if not character.isspace()})
    return [*SPECIAL, *single, *(f"##{chr(letter)}" for letter in range(ord("a"), ord("z") + 1))]


def write_vocabulary(folder: Path, tokens: Sequence[str], end: str = "\n", mark: bytes = b"") -> None:
    """Write a vocab.txt with an end of its lines, and what is before the first one."""
    (folder / "vocab.txt").write_bytes(mark + "".join(f"{token}{end}" for token in tokens).encode())


def save_at_hand(
    folder: Path,
    kind: str,
    tokens: Sequence[str] | None = None,
    change: Callable[[Weights], Weights] = dict,
    **config: Any,
) -> Weights:
    """Save a model as `kind`, a class of transformers, would be on a hub, and return the weights before their `change`.

    `config` is what its config.json says besides; there is no file for the tokenizer but vocab.txt.
    """
    tokens = characters() if tokens is None else tokens
    folder.mkdir(parents=True, exist_ok=True)
    content = SIZES | {"vocab_size": len(tokens), "architectures": [kind]} | config
    (folder / "config.json").write_text(json.dumps(content))
    torch.manual_seed(0)
    model = getattr(transformers, kind)(AutoConfig.from_pretrained(folder))
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    weights = {name: weight.detach().clone().contiguous() for name, weight in model.state_dict().items()}
    save_file(change(weights), folder / "model.safetensors", {"format": "pt"})
    write_vocabulary(folder, tokens)
    return weights


def with_old_names(weights: Weights) -> Weights:
    """Return weights as TensorFlow named them, and the first checkpoints of PyTorch: gamma and beta."""
    return {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight
        for name, weight in weights.items()
    }


def of_parallel(weights: Weights) -> Weights:
    """Return weights as DataParallel names them."""
    return {f"module.{name}": weight for name, weight in weights.items()}
