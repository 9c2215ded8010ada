"""What is wrong with a model directory that somebody else made, found before anything is loaded from it.

A model may come from anywhere. What names code, points out of its directory, or is made so that reading it takes all
memory or never ends, is said in a sentence each. Names, sizes and json are looked at, nothing else is opened.
"""

import hashlib
import json
import os
import re
import shlex
import stat
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from toolkit.base.errors import message_of
from toolkit.base.languages import Text
from toolkit.models.regex_safety import why_endless
from toolkit.models.texts import DIRECTORY, FOREIGN, JSON_FILES, OTHER_WEIGHTS, SETTINGS

PICKLE_ENDINGS = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")  # reading a pickle can run code
CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
ENCODER_CONFIG = "encoder_config.json"  # which config.json names beside a head that transformers does not have
WEIGHTS = "model.safetensors"
TRAINED_WEIGHTS = "trained_weights.safetensors"  # of a run that trained a part of a model, and saved no more
PARTS = "model-*-of-*.safetensors"  # of weights that other programs have divided
INDEX = "model.safetensors.index.json"  # says which weights are in which part
MAX_HEADER_BYTES = 16 << 20  # of a file of weights; that of a BERT has 30 KB
GIT_LFS = b"version https://git-lfs.github.com/spec/"  # with which its pointers begin
MAX_POINTER_BYTES = 1024
MAX_JSON_BYTES = 64 << 20  # the largest tokenizers have some 35 MB
MAX_JSON_DEPTH = 100  # objects inside objects
MAX_QUOTED = 60  # characters of a value in a sentence
MAX_WORD_CHARACTERS = 1000  # that a tokenizer looks at one by one; BERT's has 100
MAX_GROWTH = 1000  # how many times as long a tokenizer may make a text
LARGEST_NUMBERS = (  # that decide how much memory a configuration takes, by what is in their names
    (re.compile("theta|_id$|param|flos|token_count|tokens_seen|total_"), float("inf")),  # they decide none
    (re.compile("labels$"), 10**6),
    (re.compile("layer|block|group|expert|stage|depth"), 1000),
    (re.compile(""), 10**8),
)
IMPLEMENTATIONS = {"eager", "sdpa", "batched_mm", "grouped_mm"}  # any other is fetched from the hub or is a package
NAMES_A_FILE = re.compile("(?<!special_tokens_map)_files?$")  # of that one only the directory's own is read
FOREIGN_KEYS = {  # of config.json, which bring in something besides configuration and weights
    "auto_map": FOREIGN["code"],
    "custom_pipelines": FOREIGN["code"],
    "use_kernels": FOREIGN["kernels"],
    "kernel_config": FOREIGN["kernels"],
    "fusion_config": FOREIGN["fusion"],
    "quantization_config": FOREIGN["quantized"],
    "compression_config": FOREIGN["compressed"],
    "transformers_weights": FOREIGN["weights"].fill(weights=WEIGHTS),
    "gguf_file": FOREIGN["weights"].fill(weights=WEIGHTS),
}
FOREIGN_WEIGHTS = (".h5", ".msgpack", ".onnx", ".gguf", ".ot", ".index", ".pdparams")  # of TensorFlow, Flax, Paddle ...
CONVERTIBLE = (".h5", ".msgpack", ".index")  # of them, by older versions of transformers
PICKLED_WEIGHTS = re.compile(r"pytorch_model.*\.bin")  # whole, or in parts
BESIDE_WEIGHTS = re.compile("training_args|optimizer|scheduler|scaler|rng_state")  # pickles of what else is in training
DOCUMENTED = 'docs/file-formats.md, "Models without safetensors"'
CONVERSION = (  # of a directory and the files in it that are named; it stands in "", so no $, ! or " is in it
    "import os, sys, torch; from safetensors.torch import save_file; os.chdir(sys.argv[1]); "
    "save_file({name: weight.clone().contiguous() for file in sys.argv[2:] for name, weight in "
    "torch.load(file, map_location='cpu', weights_only=True).items()}, 'model.safetensors', {'format': 'pt'})"
)


# -- json that somebody else wrote -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ForeignJson:
    """The object that a json file holds, or, of a file that cannot be used, nothing and what is wrong with it."""

    content: dict
    problems: list[Text]


def read_object(path: Path) -> ForeignJson:
    """Return the object that a json file holds, read within limits."""
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        return ForeignJson({}, [JSON_FILES["too_large"].fill(file=path.name, size=size, most=MAX_JSON_BYTES)])
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        return ForeignJson({}, [JSON_FILES["too_deep"].fill(file=path.name)])
    except (ValueError, OSError) as error:
        return ForeignJson({}, [JSON_FILES["unreadable"].fill(file=path.name, reason=message_of(error))])
    if not isinstance(content, dict):
        return ForeignJson({}, [JSON_FILES["no_object"].fill(file=path.name)])
    if sum(1 for _ in _levels(content)) >= MAX_JSON_DEPTH:
        return ForeignJson({}, [JSON_FILES["too_deep"].fill(file=path.name)])
    return ForeignJson(content, [])


def entries(content: dict) -> Iterator[tuple[str, object]]:
    """Yield the (key, value) of an object and of all that are nested in it, but for vocabularies, which are large."""
    return chain.from_iterable(_levels(content))


def _levels(content: dict) -> Iterator[list[tuple[str, object]]]:
    """Yield the (key, value) of nested objects, level by level; an item of a list has the list's key."""
    level: list[tuple[str, object]] = list(content.items())
    while level:
        yield level
        inner: list[tuple[str, object]] = []
        for key, value in level:
            if key in ("vocab", "merges"):
                continue
            if isinstance(value, dict):
                inner.extend(value.items())
            elif isinstance(value, list):
                inner.extend((key, item) for item in value)
        level = inner


def short(value: object) -> str:
    """Return a value as it may stand in a sentence."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return repr(text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 3] + "...")


# -- the files of a directory ------------------------------------------------------------------------------------------


def pickles(folder: Path) -> list[str]:
    """Return the names of the files of a directory that are pickles, which nobody here opens."""
    return sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICKLE_ENDINGS)


def pickled_weights(folder: Path) -> list[str]:
    """Return the names of the pickles of a directory that are its weights: pytorch_model.bin, its parts, or others."""
    names = [name for name in pickles(folder) if not BESIDE_WEIGHTS.search(name)]
    return [name for name in names if PICKLED_WEIGHTS.fullmatch(name)] or names


def stray_files(folder: Path) -> list[Text]:
    """Return what is wrong with where the files of a directory are: a link out of it, or a pipe, say."""
    problems = _stray_among(sorted(folder.iterdir()), folder)
    if not problems:  # so that this folder, the only one in it that is read, is its own
        problems = _stray_among(list(folder.glob("additional_chat_templates/*")), folder)
    return problems


def directory_problems(folder: Path, needs_weights: bool = True) -> list[Text]:
    """Return what is wrong with the files of a model directory, whatever is in them; it may do without weights."""
    problems = stray_files(folder)
    problems += [DIRECTORY["git_lfs"].fill(file=name) for name in _git_lfs_pointers(folder)]
    if (folder / "adapter_config.json").exists():
        problems.append(DIRECTORY["adapter"])
    if (folder / TRAINED_WEIGHTS).is_file():
        problems.append(DIRECTORY["trained_part"].fill(folder=folder))
    elif not (folder / CONFIG).is_file():
        problems.append(DIRECTORY["no_config"])
    elif needs_weights and not has_weights(folder):
        problems.append(DIRECTORY["no_weights"].fill(weights=WEIGHTS, instead=_other_weights(folder)))
    return problems


def conversion(folder: Path, names: Sequence[str]) -> str:
    """Return the command that converts the pickled weights of a directory without running what is in them."""
    words = [f'"{word}"' if os.name == "nt" else shlex.quote(word) for word in (str(folder), *names)]
    return f'python -c "{CONVERSION}" {" ".join(words)}'


def _other_weights(folder: Path) -> Text:
    """Return what a directory without safetensors has instead, and what to do."""
    names = sorted(path.name for path in folder.iterdir())
    foreign = [name for name in names if name.endswith(FOREIGN_WEIGHTS)]
    pickled = pickled_weights(folder)
    if foreign and not pickled:
        way = OTHER_WEIGHTS["not_convertible"]
        if foreign[0].endswith(CONVERTIBLE):
            way = OTHER_WEIGHTS["convertible"].fill(documented=DOCUMENTED)
        return OTHER_WEIGHTS["foreign"].fill(file=foreign[0], weights=WEIGHTS, way=way)
    place = folder
    first: str | Text = ""
    if not pickled:  # those of the hub are not downloaded
        place = Path("DIR")
        pickled = ["pytorch_model.bin"]
        first = OTHER_WEIGHTS["download_first"]
    command = conversion(place, pickled)
    return OTHER_WEIGHTS["pickled"].fill(documented=DOCUMENTED, first=first, command=command)


def _git_lfs_pointers(folder: Path) -> list[str]:
    """Return the names of the files of a directory that were cloned without what git-lfs keeps elsewhere."""
    small = [path for path in sorted(folder.iterdir()) if path.is_file() and path.stat().st_size < MAX_POINTER_BYTES]
    return [path.name for path in small if path.read_bytes().startswith(GIT_LFS)]


def has_weights(folder: Path) -> bool:
    """Say whether a directory has weights that are read."""
    return (folder / WEIGHTS).is_file() or (folder / INDEX).is_file()


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a directory's weights: model.safetensors, or the parts that other programs divide it into.

    Where only a part of a model was trained and saved, that is the file.
    """
    for name in (WEIGHTS, TRAINED_WEIGHTS):
        if (folder / name).is_file():
            return [folder / name]
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


def _stray_among(paths: list[Path], folder: Path) -> list[Text]:
    problems = (_stray_problem(path, folder) for path in paths)
    return [problem for problem in problems if problem is not None]


def _stray_problem(path: Path, folder: Path) -> Text | None:
    """Return what is wrong with where a file is: it may lead out of its directory only into the cache of the hub."""
    kind = path.lstat().st_mode
    if stat.S_ISLNK(kind):
        home = Path(os.path.realpath(folder))
        target = Path(os.path.realpath(path))
        allowed = [home]
        if home.parent.name == "snapshots":
            allowed.append(home.parent.parent / "blobs")
        if not path.exists() or not any(target.is_relative_to(directory) for directory in allowed):
            return DIRECTORY["link"].fill(file=path.name, target=short(str(target)))
    elif not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        return DIRECTORY["special"].fill(file=path.name)
    return None


# -- config.json -------------------------------------------------------------------------------------------------------


def config_file(folder: Path) -> Path:
    """Return the file of a directory that has the configuration of its model: config.json, or one that it names."""
    path = folder / CONFIG
    is_named = path.is_file() and read_object(path).content.get("encoder_config") == ENCODER_CONFIG
    return folder / ENCODER_CONFIG if is_named else path


def config_problems(folder: Path, native_types: Container[str] = ()) -> list[Text]:
    """Return what is wrong with the configuration of a model, sub-configurations included.

    Code that it names is no problem if the model is of one of the `native_types`, for which transformers has a class of
    its own: then that is taken and the code is not looked at.
    """
    file = config_file(folder)
    if not file.is_file():
        return [SETTINGS["no_file"].fill(config=CONFIG, file=file.name)]
    files = dict.fromkeys((folder / CONFIG, file))  # transformers looks at the first one, too
    return [problem for path in files for problem in _problems_of_config(path, native_types)]


def _problems_of_config(file: Path, native_types: Container[str]) -> list[Text]:
    """Return what is wrong with one file of a configuration."""
    config = read_object(file)
    model_type = config.content.get("model_type")
    is_native = isinstance(model_type, str) and model_type in native_types
    problems: dict[str, Text] = {}  # the first one of each key
    for key, value in entries(config.content):
        if key == "auto_map" and is_native and isinstance(value, dict):
            continue
        problem = _config_problem(key, value)
        if problem is not None:
            problems.setdefault(key, problem)
    return config.problems + [_of_key(file.name, key, problem) for key, problem in problems.items()]


def _of_key(file: str, key: str, problem: Text) -> Text:
    return SETTINGS["has"].fill(file=file, key=key, problem=problem)


def _config_problem(key: str, value: object) -> Text | None:
    if key in FOREIGN_KEYS and value:
        return SETTINGS["foreign"].fill(value=short(value), meaning=FOREIGN_KEYS[key])
    if "_implementation" in key and not _is_built_in(value):
        return SETTINGS["implementation"].fill(value=short(value))
    if type(value) is int and abs(value) > next(most for names, most in LARGEST_NUMBERS if names.search(key)):
        return SETTINGS["too_large"].fill(value=short(value))
    return None


def _is_built_in(implementation: object) -> bool:
    """Say whether the names of an implementation, of the model or of each of its parts, are of transformers itself."""
    names = implementation.values() if isinstance(implementation, dict) else [implementation]
    return all(not isinstance(name, str) or name in IMPLEMENTATIONS for name in names)


# -- the tokenizer -----------------------------------------------------------------------------------------------------


def tokenizer_problems(folder: Path, is_native: Callable[[str], bool] = lambda name: False) -> list[Text]:
    """Return what is wrong with tokenizer_config.json and with the tokenizer files that it names.

    Code that it names is no problem if transformers has a class of its own for the tokenizer, as `is_native` says of
    the class's name: then that is taken and the code is not looked at.
    """
    files = {path.name for path in folder.iterdir()}
    named = ["tokenizer.json"]
    problems: list[Text] = []
    if TOKENIZER_CONFIG in files:
        config = read_object(folder / TOKENIZER_CONFIG)
        problems += config.problems
        if not is_native(str(config.content.get("tokenizer_class"))):
            problems += _tokenizer_code_problems(config.content)
        problems += _tokenizer_config_problems(config.content, folder)
        for key, value in entries(config.content):
            if key == "fast_tokenizer_files" and isinstance(value, str):
                named.append(value)
    for name in dict.fromkeys(named):
        if name in files:
            problems += tokenizer_file_problems(folder / name)
        elif Path(name).name != name:
            problems.append(SETTINGS["no_tokenizer_file"].fill(config=TOKENIZER_CONFIG, name=short(name)))
    return problems


def tokenizer_file_problems(file: Path) -> list[Text]:
    """Return what is wrong with a tokenizer.json."""
    tokenizer = read_object(file)
    return [*tokenizer.problems, *_endless_parts(tokenizer.content, file.name)]


def _tokenizer_code_problems(config: dict) -> list[Text]:
    code = config.get("auto_map")
    if not code:
        return []
    problem = SETTINGS["foreign_tokenizer"].fill(value=short(code), meaning=FOREIGN_KEYS["auto_map"])
    return [_of_key(TOKENIZER_CONFIG, "auto_map", problem)]


def _tokenizer_config_problems(config: dict, folder: Path) -> list[Text]:
    problems = []
    for key, value in entries(config):
        if isinstance(value, str) and NAMES_A_FILE.search(key) and _leads_out(value, folder):
            problems.append(_of_key(TOKENIZER_CONFIG, key, SETTINGS["outside"].fill(value=short(value))))
    return problems


def _leads_out(name: str, folder: Path) -> bool:
    """Say whether a file that a configuration names exists and is not in the directory."""
    exists = os.path.exists(folder / name) or os.path.exists(name)  # noqa: PTH110 (a Path's may raise)
    return exists and not Path(os.path.realpath(folder / name)).is_relative_to(os.path.realpath(folder))


def _endless_parts(tokenizer: dict, name: str) -> Iterator[Text]:
    """Yield the parts of a tokenizer.json that could take for ever or fill the memory on some text."""
    growth = 1
    for key, value in entries(tokenizer):
        if key == "Regex" and isinstance(value, str):
            reason = why_endless(value)
            if reason is not None:
                yield SETTINGS["endless"].fill(file=name, pattern=short(value), reason=reason)
        elif key == "max_input_chars_per_word" and type(value) is int and value > MAX_WORD_CHARACTERS:
            yield _of_key(name, key, SETTINGS["long_words"].fill(value=short(value)))
        elif isinstance(value, dict) and value.get("type") == "Replace":
            growth *= max(1, len(str(value.get("content"))))
    if growth > MAX_GROWTH:
        yield SETTINGS["growing"].fill(file=name, growth=growth)


# -- the weights -------------------------------------------------------------------------------------------------------


def weight_problems(folder: Path) -> list[Text]:
    """Return what is wrong with the files of weights: their index, and how long their headers say that they are."""
    if (folder / WEIGHTS).is_file():
        return _header_problems(folder / WEIGHTS)
    index = read_object(folder / INDEX)
    if index.problems:
        return index.problems
    weight_map = index.content.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        return [SETTINGS["no_weight_map"].fill(index=INDEX)]
    problems: list[Text] = []
    files = {path.name for path in folder.glob("*.safetensors")}
    for name in sorted({str(value) for value in weight_map.values()}):
        if name in files:
            problems += _header_problems(folder / name)
        else:
            problems.append(SETTINGS["no_weight_file"].fill(index=INDEX, name=short(name)))
    return problems


def _header_problems(path: Path) -> list[Text]:
    """Return what is wrong with the length of a safetensors header, its first eight bytes."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if size < 8 or length > size - 8:
        return [SETTINGS["damaged"].fill(file=path.name, size=size)]
    if length > MAX_HEADER_BYTES:
        return [SETTINGS["long_header"].fill(file=path.name, length=length)]
    return []
