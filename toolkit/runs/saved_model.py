"""The classifier of a model directory that main.py wrote, as its run.json says how it is put together."""

from dataclasses import replace
from pathlib import Path

from toolkit.base.errors import UserError
from toolkit.models.pooling_head import load_pooling_head
from toolkit.models.pretrained import LoadedClassifier, load_classifier
from toolkit.models.trust import weight_files
from toolkit.runs.run_json import RunFacts
from toolkit.runs.texts import WEIGHTS
from toolkit.runs.trained_weights import load_whole


def load_saved_classifier(folder: Path, run: RunFacts) -> LoadedClassifier:
    """Return the classifier of a model directory in fp32 on the CPU, none of its weights new; `run` is its run.json.

    Raises UserError if the directory is damaged, or if its weights are not those of a classifier for the run's labels.
    """
    if run.trained is None:
        loaded = _load_complete(folder, run)
    else:
        loaded = load_whole(folder, run.trained, run.base_model, run.head)
    if loaded.new_weights or loaded.model.config.num_labels != len(run.labels):
        missing = len(loaded.new_weights)
        file = weight_files(folder)[0].name
        raise UserError(WEIGHTS["missing"].fill(folder=folder, file=file, count=missing))
    return loaded


def _load_complete(folder: Path, run: RunFacts) -> LoadedClassifier:
    """Return the classifier of a directory that holds all of its weights."""
    loaded = load_classifier(str(folder))
    if run.head is None:
        return loaded
    load_pooling_head(loaded.model, run.head, folder)
    return replace(loaded, new_weights=[])
