"""What is wrong with a model directory that somebody else made, found before anything is loaded from it.

A model may come from anywhere. What names code, points out of its directory, or is made so that reading it takes all
memory or never ends, is said in a sentence each. Names, sizes and json are looked at, nothing else is opened.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from toolkit.models.foreign_json import entries, read_object, short
from toolkit.models.regex_safety import why_endless

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")  # reading a pickle can run code
WEIGHTS = "model.safetensors"
PARTS = "model-*-of-*.safetensors"  # of weights that other programs have divided
INDEX = "model.safetensors.index.json"  # says which weights are in which part
LONGEST_HEADER = 16 << 20  # bytes; that of a BERT has 30 KB
LARGEST = (  # numbers that decide how much memory a configuration takes, by what is in their names
    (re.compile("theta|_id$"), float("inf")),
    (re.compile("labels$"), 10**6),
    (re.compile("layer|block|group|expert|stage|depth"), 1000),
    (re.compile(""), 10**8),
)
IMPLEMENTATIONS = {"eager", "sdpa", "batched_mm", "grouped_mm"}  # any other is fetched from the hub or is a package
NAMES_A_FILE = re.compile("(?<!special_tokens_map)_files?$")  # of that one only the directory's own is read
FOREIGN = {  # keys of config.json that bring in something besides configuration and weights
    "auto_map": "names code that comes with the model, and such code is never run",
    "custom_pipelines": "names code that comes with the model, and such code is never run",
    "use_kernels": "asks for kernels from the hub, and such code is never run",
    "kernel_config": "asks for kernels from the hub, and such code is never run",
    "fusion_config": "asks for fused kernels, and such code is never run",
    "quantization_config": "says that the weights are quantized, and such a model cannot be trained here",
    "compression_config": "says that the weights are compressed, and such a model cannot be trained here",
    "transformers_weights": f"names another file of weights, and only {WEIGHTS} is read",
    "gguf_file": f"names another file of weights, and only {WEIGHTS} is read",
}
CONVERT = (
    "pickled weights are not read because they can run code. To convert them safely, with torch 2.6 or newer: "
    'torch.load("pytorch_model.bin", weights_only=True), then safetensors.torch.save_file; '
    'docs/file-formats.md has the whole script ("Models without safetensors")'
)


def pickles(folder: Path) -> list[str]:
    """Return the names of the files of a directory that are pickles, which nobody here opens."""
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICKLES)


def stray_files(folder: Path) -> list[str]:
    """Return what is wrong with where the files of a directory are: a link out of it, or a pipe, say."""
    problems = [problem for path in sorted(folder.iterdir()) if (problem := _astray(path, folder))]
    inner = [] if problems else folder.glob("additional_chat_templates/*")  # the one folder of it that is read
    return problems + [problem for path in inner if (problem := _astray(path, folder))]


def directory_problems(folder: Path) -> list[str]:
    """Return what is wrong with the files of a model directory, whatever is in them."""
    problems = stray_files(folder)
    if (folder / "adapter_config.json").exists():
        problems.append("adapter_config.json makes it an adapter (PEFT) of another model; merge it into that one first")
    if not (folder / "config.json").is_file():
        problems.append("it has no config.json, so it is not a saved model")
    elif not (folder / WEIGHTS).is_file() and not (folder / INDEX).is_file():
        problems.append(f"it has no {WEIGHTS}, and {CONVERT}")
    return problems


def config_problems(folder: Path) -> list[str]:
    """Return what is wrong with config.json, sub-configurations included."""
    config, problems = read_object(folder / "config.json")
    by_key: dict[str, str] = {}  # what is wrong with a key, said once
    for key, value in entries(config):
        if key in FOREIGN and value:
            by_key.setdefault(key, f"{short(value)}, which {FOREIGN[key]}; choose another model")
        elif "_implementation" in key and not _is_built_in(value):
            by_key.setdefault(key, f"{short(value)}, which may be code from the hub; remove the line")
        elif type(value) is int and abs(value) > next(most for names, most in LARGEST if names.search(key)):
            by_key.setdefault(key, f"{short(value)}, which is too large to be true")
    return problems + [f"config.json has {key}: {problem}" for key, problem in by_key.items()]


def tokenizer_problems(folder: Path) -> list[str]:
    """Return what is wrong with tokenizer_config.json and with the tokenizer files that it names."""
    there = {path.name for path in folder.iterdir()}
    names = ["tokenizer.json"]
    problems: list[str] = []
    if "tokenizer_config.json" in there:
        config, problems = read_object(folder / "tokenizer_config.json")
        if value := config.get("auto_map"):
            problems.append(f"tokenizer_config.json has auto_map: {short(value)}, which {FOREIGN['auto_map']}")
        for key, value in entries(config):
            if key == "fast_tokenizer_files" and isinstance(value, str):
                names.append(value)
            if isinstance(value, str) and NAMES_A_FILE.search(key) and _leads_out(value, folder):
                problems.append(f"tokenizer_config.json has {key}: {short(value)}, a file outside the directory")
    for name in dict.fromkeys(names):
        if name in there:
            content, found = read_object(folder / name)
            problems += [*found, *_endless_parts(content, name)]
        elif Path(name).name != name:
            problems.append(f"tokenizer_config.json names {short(name)}, which is no file of the directory")
    return problems


def weight_problems(folder: Path) -> list[str]:
    """Return what is wrong with the files of weights: their index, and how long their headers say that they are."""
    if (folder / WEIGHTS).is_file():
        return _header_problems(folder / WEIGHTS)
    index, problems = read_object(folder / INDEX)
    named = index.get("weight_map")
    if not problems and not (isinstance(named, dict) and named):
        return [f"{INDEX} has no weight_map"]
    there = {path.name for path in folder.glob("*.safetensors")}
    for name in sorted({str(value) for value in named.values()} if named else ()):
        if name in there:
            problems += _header_problems(folder / name)
        else:
            problems.append(f"{INDEX} names {short(name)}, which is no safetensors file of the directory")
    return problems


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a directory's weights: model.safetensors, or the parts that other programs divide it into."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    return sorted(folder.glob(PARTS)) or [folder / WEIGHTS]


def fingerprint_weights(folder: Path) -> str:
    """Return the sha256 in hex of a directory's weights, of several files one after the other."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def size_of_weights(folder: Path) -> int:
    """Return the bytes of a directory's weights."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _astray(path: Path, folder: Path) -> str | None:
    """Say what is wrong with where a file is: it may lead out of its directory only into the cache of the hub."""
    kind = path.lstat().st_mode
    if stat.S_ISLNK(kind):
        home, target = Path(os.path.realpath(folder)), Path(os.path.realpath(path))
        places = [home, home.parent.parent / "blobs"] if home.parent.name == "snapshots" else [home]
        if not path.exists() or not any(target.is_relative_to(place) for place in places):
            return f"{path.name} is a link out of the directory, to {short(str(target))}; put the file itself there"
    elif not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        return f"{path.name} is neither a file nor a directory"
    return None


def _is_built_in(implementation: object) -> bool:
    """Say whether the names of an implementation, of the model or of each of its parts, are of transformers itself."""
    named = implementation.values() if isinstance(implementation, dict) else [implementation]
    return all(not isinstance(name, str) or name in IMPLEMENTATIONS for name in named)


def _leads_out(name: str, folder: Path) -> bool:
    """Say whether a file that a configuration names exists and is not in the directory."""
    there = os.path.exists(folder / name) or os.path.exists(name)  # noqa: PTH110 (a Path's may raise)
    return there and not Path(os.path.realpath(folder / name)).is_relative_to(os.path.realpath(folder))


def _endless_parts(tokenizer: dict, name: str) -> Iterator[str]:
    """Yield the parts of a tokenizer.json that could take for ever or fill the memory on some text."""
    growth = 1
    for key, value in entries(tokenizer):
        if key == "Regex" and isinstance(value, str) and (reason := why_endless(value)):
            yield f"{name} has the regular expression {short(value)}, which could take for ever: {reason}"
        elif key == "max_input_chars_per_word" and type(value) is int and value > 1000:
            yield f"{name} has {key}: {short(value)}, which could take for ever; BERT has 100"
        elif isinstance(value, dict) and value.get("type") == "Replace":
            growth *= max(1, len(str(value.get("content"))))
    if growth > 1000:
        yield f"{name} has replacements that make a text {growth:,} times as long"


def _header_problems(path: Path) -> list[str]:
    """Return what is wrong with the length of a safetensors header, its first eight bytes."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if size < 8 or length > size - 8:
        return [f"{path.name} is damaged: it has {size:,} bytes, fewer than its header says; fetch it again"]
    return [f"{path.name} has a header of {length:,} bytes, too long to be true"] if length > LONGEST_HEADER else []
