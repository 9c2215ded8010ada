"""A model of the hub as a directory of this machine: the files that are read, of one revision, and no others."""

import os
import sys
from functools import lru_cache
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import (
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    build_hf_headers,
    disable_progress_bars,
    get_session,
)
from huggingface_hub.utils import logging as hub_logging

from toolkit.base.errors import UserError, first_line
from toolkit.base.streams import is_terminal
from toolkit.models.locate import split_revision
from toolkit.models.texts import HUB
from toolkit.models.trust import PARTS, WEIGHTS, has_weights

READ_FILES = ["*.json", "*.txt", "*.model", "*.codes", WEIGHTS, PARTS]  # neither pickles nor code
SUBFOLDERS = "*/*"
CONVERTER = "SFconvertbot"  # the hub's own; it offers safetensors of pickled models as pull requests
PATIENCE = 10  # seconds that the hub has for an answer, unless HF_HUB_ETAG_TIMEOUT says otherwise


@lru_cache
def fetch_model(name: str) -> Path:
    """Return the directory of a model of the hub, downloaded, or that of an earlier download if the hub is away.

    `name` is a hub id, which may be followed by @ and a revision; without it the main branch is meant. A model that has
    only pickled weights is taken from the pull request that converts them, if the hub has one. Raises UserError if
    there is no such model or it cannot be had.
    """
    hub_logging.set_verbosity_error()  # what went wrong is said once, at the end
    if not is_terminal(sys.stderr):
        disable_progress_bars()
    try:
        return _download_with_weights(*split_revision(name))
    except GatedRepoError:
        reason = HUB["restricted"]
    except HFValidationError:
        raise UserError(HUB["no_id"].fill(name=name)) from None
    except RepositoryNotFoundError:
        reason = HUB["none"]
    except Exception as error:  # whatever a server may answer and a network may do
        folder = _earlier_download(*split_revision(name))
        if folder is not None:
            return folder
        no_json = isinstance(error, ValueError) and not isinstance(error, FileNotFoundError)
        reason = HUB["failed"].fill(reason=HUB["no_json"] if no_json else first_line(error))
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    raise UserError(HUB["problem"].fill(name=name, reason=reason, endpoint=endpoint))


def _download_with_weights(hub_id: str, revision: str) -> Path:
    """Return the directory of a revision, or of one that offers its weights as safetensors if it has none."""
    folder = _download(hub_id, revision)
    if not has_weights(folder):
        for conversion in _conversions(hub_id):
            return _download(hub_id, conversion)
    return folder


def _download(name: str, revision: str) -> Path:
    """Return the directory of one revision, with all of its files that are read."""
    HfApi().model_info(name, revision=revision, timeout=_patience())  # snapshot_download would wait without end
    return _snapshot(name, revision)


def _snapshot(name: str, revision: str, local_files_only: bool = False) -> Path:
    """Return the directory of one revision, fetched unless only what was fetched before may be looked at."""
    folder = snapshot_download(
        name,
        revision=revision,
        allow_patterns=READ_FILES,
        ignore_patterns=SUBFOLDERS,
        etag_timeout=_patience(),
        local_files_only=local_files_only,
    )
    return Path(folder)


def _conversions(name: str) -> list[str]:
    """Return the revisions that the hub offers with the weights converted to safetensors."""
    query = {"author": CONVERTER, "type": "pull_request", "status": "open"}
    url = f"{constants.ENDPOINT}/api/models/{name}/discussions"
    try:
        answer = get_session().get(url, params=query, headers=build_hf_headers(), timeout=_patience())
        return [f"refs/pr/{int(offer['num'])}" for offer in answer.json()["discussions"]]
    except Exception:  # not every mirror has them, and then there is no offer
        return []


def _earlier_download(hub_id: str, revision: str) -> Path | None:
    """Return the directory of an earlier download that has weights."""
    refs = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=hub_id, repo_type="model"), "refs")
    conversions = [path.relative_to(refs).as_posix() for path in sorted(refs.glob("refs/pr/*"))]
    for candidate in (revision, *conversions):
        try:
            folder = _snapshot(hub_id, candidate, local_files_only=True)
        except Exception:  # it is not there
            continue
        if has_weights(folder):
            return folder
    return None


def _patience() -> float:
    return float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or PATIENCE)
