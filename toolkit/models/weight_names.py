"""What weights are called in files: by torch's DataParallel "module." and their name, long ago otherwise."""

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoModelForSequenceClassification, PretrainedConfig

from toolkit.models.trust import weight_files

PREFIX = "module."
OLD_NAMES = {"gamma": "weight", "beta": "bias"}  # of layer norms, in checkpoints that began in TensorFlow


class ClassifierLoader:
    """Loads the classifier of a directory as AutoModelForSequenceClassification does, weights of DataParallel too."""

    @staticmethod
    def from_pretrained(place: str, config: PretrainedConfig, **options: Any) -> Any:
        """Return the classifier of a directory, for the configuration of a classifier that transformers has."""
        if not is_of_parallel(Path(place)):
            return AutoModelForSequenceClassification.from_pretrained(place, config=config, **options)
        weights: dict[str, torch.Tensor] = {}
        for path in weight_files(Path(place)):
            weights |= {name.removeprefix(PREFIX): weight for name, weight in load_file(path).items()}
        classifier: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
        del options["trust_remote_code"]  # an option of the Auto classes alone
        return classifier.from_pretrained(None, config=config, state_dict=weights, **options)


def names_in_model(stored: str) -> set[str]:
    """Return what a weight of a file may be called in the model: transformers gives old names the new ones."""
    name = stored.removeprefix(PREFIX)
    renamed = name
    for old, new in OLD_NAMES.items():
        renamed = renamed.replace(old, new)
    return {name, renamed}


def is_of_parallel(folder: Path) -> bool:
    """Say whether the weights of a directory were saved out of DataParallel."""
    names: list[str] = []
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as weights:
            names += weights.keys()
    return bool(names) and all(name.startswith(PREFIX) for name in names)
