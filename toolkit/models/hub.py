"""A model of the hub as a directory of this machine: the files that are read, of one revision, and no others."""

import os
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

from toolkit.base.errors import UserError, first_line
from toolkit.models.trust import INDEX, PARTS, WEIGHTS

FILES = ("*.json", "*.txt", "*.model", "*.codes", WEIGHTS, PARTS)  # neither pickles nor code
CONVERTER = "SFconvertbot"  # the hub's own; it offers safetensors of pickled models as pull requests
PATIENCE = 10  # seconds that the hub has for an answer, unless HF_HUB_ETAG_TIMEOUT says otherwise


@lru_cache
def fetch_model(name: str) -> Path:
    """Return the directory of a model of the hub, downloaded, or that of an earlier download if the hub is away.

    A model that has only pickled weights is taken from the pull request that converts them, if the hub has one. Raises
    UserError if there is no such model or it cannot be had.
    """
    from huggingface_hub import errors
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # what went wrong is said once, at the end
    try:
        folder = _download(name)
        return folder if _has_weights(folder) else next((_download(name, offer) for offer in _offers(name)), folder)
    except errors.GatedRepoError:
        reason = "its owner wants to be asked first: accept the conditions on its page, then log in (hf auth login)"
    except errors.HFValidationError:
        raise UserError(f"--model {name}: there is no such directory, and no such name on the hub") from None
    except errors.RepositoryNotFoundError:
        reason = "there is no such model, or it is private and needs a login (hf auth login)"
    except Exception as error:  # whatever a server may answer and a network may do
        if folder := _earlier_download(name):
            return folder
        strange = isinstance(error, ValueError)  # no json, say
        reason = f"the hub did not give it ({'its answer makes no sense' if strange else first_line(error)})"
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    raise UserError(
        f"model {name}: {reason} (hub: {endpoint}; HF_ENDPOINT names a mirror, --model also takes a local directory)"
    )


def _download(name: str, revision: str = "main") -> Path:
    """Return the directory of one revision, with all of its files that are read."""
    from huggingface_hub import HfApi, hf_hub_download

    files = [file.rfilename for file in HfApi().model_info(name, revision=revision, timeout=_patience()).siblings]
    wanted = [file for file in files if "/" not in file and any(fnmatch(file, pattern) for pattern in FILES)]
    if "config.json" not in wanted:
        raise FileNotFoundError("it has no config.json, so transformers cannot load it")
    folders = {Path(hf_hub_download(name, file, revision=revision)).parent for file in wanted}
    if len(folders) > 1:
        raise RuntimeError("it was changed on the hub while it was downloaded; try again")
    return folders.pop()


def _offers(name: str) -> list[str]:
    """Return the revisions that the hub offers with the weights converted to safetensors."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, get_session

    which = {"author": CONVERTER, "type": "pull_request", "status": "open"}
    url = f"{constants.ENDPOINT}/api/models/{name}/discussions"
    try:
        answer = get_session().get(url, params=which, headers=build_hf_headers(), timeout=_patience())
        return [f"refs/pr/{int(offer['num'])}" for offer in answer.json()["discussions"]]
    except Exception:  # not every mirror has them, and then there is no offer
        return []


def _earlier_download(name: str) -> Path | None:
    """Return the directory of an earlier download that has weights."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.file_download import repo_folder_name

    refs = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type="model"), "refs")
    for revision in ("main", *(path.relative_to(refs).as_posix() for path in sorted(refs.glob("refs/pr/*")))):
        try:
            folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
        except Exception:  # it is not there
            continue
        if _has_weights(folder):
            return folder
    return None


def _has_weights(folder: Path) -> bool:
    return (folder / WEIGHTS).is_file() or (folder / INDEX).is_file()


def _patience() -> float:
    return float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or PATIENCE)
