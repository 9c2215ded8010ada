"""The classification head that a model brings: kept where its labels are those of the data, by their names.

C classes, H values of a text that the last layer of a head gets.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import PretrainedConfig

from toolkit.base.errors import CANNOT_BE_READ, UserError, message_of
from toolkit.base.languages import COMMA, LIST_COMMA, Text, joined, shortened
from toolkit.models.head_design import HeadDesign
from toolkit.models.texts import HEAD, HEAD_PROBLEMS, KEEP_HEAD
from toolkit.models.trust import read_object, short

NUMBERED = re.compile(r"LABEL_\d+")  # what transformers calls labels that were given no names
ONE_LABEL: Literal["single_label_classification"] = "single_label_classification"
SEVERAL_LABELS: Literal["multi_label_classification"] = "multi_label_classification"
LISTED = 5  # labels of a head that are named


@dataclass(frozen=True)
class Head:
    """What becomes of the head that a model brings."""

    order: list[int] | None  # which of its outputs is that of each label of the data; None: a new head
    note: Text | None = None  # what has to be said of it


@dataclass(frozen=True)
class HeadChoice:
    """What the head of a new classifier is to be."""

    keep: bool = False  # the model's own, whatever that calls its labels
    design: HeadDesign | None = None  # None: the architecture's
    several_labels: bool = False  # whether a text may have several, or none

    @property
    def problem_type(self) -> Literal["single_label_classification", "multi_label_classification"]:
        """What the configuration of transformers calls it, by which its pipeline takes the softmax or the sigmoid."""
        return SEVERAL_LABELS if self.several_labels else ONE_LABEL


@dataclass(frozen=True)
class OwnHead:
    """What a model directory says of the head that it brings."""

    labels: list[str]  # in the order of its outputs
    problem: Text | None  # why it cannot be a head of ours, None if it can

    @property
    def has_names(self) -> bool:
        """Whether its labels have names, and not only numbers that transformers gave them."""
        return not all(NUMBERED.fullmatch(label) for label in self.labels)


def own_head(folder: Path, config: PretrainedConfig, choice: HeadChoice) -> OwnHead | None:
    """Return what a directory and its configuration say of its head; None if it holds no classifier at all.

    The labels of a model that main.py wrote are those of its run.json. A head is of use only to a model whose head is
    built alike, and means its scores alike: as logits of one label a text or of several, by its `problem_type`. Where
    that is not known, it is of one label.
    """
    kinds = [str(kind) for kind in config.architectures] if isinstance(config.architectures, list) else []
    names: dict[Any, str] = dict(config.id2label or {})
    labels = [str(names[number]) for number in sorted(names)]
    run = read_object(folder / "run.json").content if (folder / "run.json").is_file() else {}
    if isinstance(run.get("labels"), list) and len(run["labels"]) == len(labels):
        labels = [str(label) for label in run["labels"]]
    problem = _other_design(saved_design(folder), choice.design)
    if kinds and not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        if not any(kind.endswith(("Classification", "QuestionAnswering", "MultipleChoice")) for kind in kinds):
            return None
        problem = HEAD_PROBLEMS["kind"].fill(kind=kinds[0])
    elif (config.problem_type == SEVERAL_LABELS) != choice.several_labels:
        problem = HEAD_PROBLEMS["one_label" if choice.several_labels else "several_labels"]
    elif config.problem_type == "regression" or (config.num_labels == 1 and not choice.several_labels):
        problem = HEAD_PROBLEMS["number"]
    elif not kinds and all(NUMBERED.fullmatch(label) for label in labels):
        return None
    return OwnHead(labels, problem)


def saved_design(folder: Path) -> HeadDesign | None:
    """Return the design of the head of our own that a directory has, None without one; UserError for a damaged one."""
    path = folder / "run.json"
    try:
        return HeadDesign.from_json(read_object(path).content.get("head")) if path.is_file() else None
    except ValueError as error:
        raise UserError(CANNOT_BE_READ.fill(file=path, reason=message_of(error))) from None


def _other_design(own: HeadDesign | None, wanted: HeadDesign | None) -> Text | None:
    """Return why a head of one design (None: the architecture's) is of no use to one with another, None if it is."""
    if own is None and wanted is None:
        return None
    if own is None:
        return HEAD_PROBLEMS["architecture"].fill(wanted=str(wanted))
    if own.has_weights_of(wanted):
        return None
    return HEAD_PROBLEMS["design"].fill(own=str(own))


def choose_head(own: OwnHead | None, labels: Sequence[str], keep_head: bool) -> Head:
    """Return what becomes of a model's own head for the labels of the data.

    It is kept where its labels are these, in whatever order, or are these but for case and blanks. `keep_head` keeps it
    by position whatever it calls its labels; UserError if it cannot be kept.
    """
    if keep_head:
        return _kept_by_position(own, labels)
    if own is None:
        return Head(None)
    if own.problem:
        return Head(None, HEAD["problem"].fill(problem=own.problem))
    order = _matched(own.labels, labels, lambda label: label)
    if order is not None:
        if order == list(range(len(labels))):
            return Head(order)
        return Head(order, HEAD["order"].fill(listed=_listed(labels)))
    order = _matched(own.labels, labels, lambda label: "".join(label.casefold().split()))
    if order is not None:
        names = _pairs([own.labels[i] for i in order], labels)
        return Head(order, HEAD["folded"].fill(names=names))
    if len(own.labels) != len(labels):
        return Head(None, HEAD["other_count"].fill(own=len(own.labels), ours=len(labels)))
    if not own.has_names:
        return Head(None, HEAD["no_names"])
    return Head(None, HEAD["other_labels"].fill(listed=_listed(own.labels)))


def _kept_by_position(own: OwnHead | None, labels: Sequence[str]) -> Head:
    """Return the head as it is; UserError if there is none or it is of another size."""
    if own is None or own.problem:
        problem = KEEP_HEAD["no_head"] if own is None else KEEP_HEAD["head"].fill(problem=own.problem)
        raise UserError(KEEP_HEAD["problem"].fill(problem=problem))
    if len(own.labels) != len(labels):
        raise UserError(KEEP_HEAD["other_count"].fill(own=len(own.labels), ours=len(labels)))
    return Head(list(range(len(labels))), HEAD["by_position"].fill(names=_pairs(own.labels, labels)))


def _pairs(theirs: Sequence[str], labels: Sequence[str]) -> Text:
    """Return which label of a model's own head is which of ours."""
    pairs = zip(theirs, labels, strict=True)
    return joined([HEAD["is"].fill(theirs=short(their), ours=short(our)) for their, our in pairs], COMMA)


def _matched(own: Sequence[str], labels: Sequence[str], folded: Any) -> list[int] | None:
    """Return at which place among its own labels each of ours stands; None if they are not the same, each once."""
    places = {folded(label): place for place, label in enumerate(own)}
    ours = [folded(label) for label in labels]
    if len(places) != len(own) or len(set(ours)) != len(labels) or set(ours) != set(places):
        return None
    return [places[label] for label in ours]


def _listed(labels: Sequence[str]) -> Text:
    return shortened([short(label) for label in labels[:LISTED]], len(labels), LIST_COMMA)


# -- its weights ------------------------------------------------------------------------------------------------------


def fit_head(model: Any, head: Head, new_weights: Sequence[str]) -> list[str]:
    """Give a classifier whose weights are loaded the head that was chosen for it; return the names of its new weights.

    `new_weights` are those that the directory did not have. Raises UserError if the labels cannot be put in order.
    """
    name, layer = last_layer(model)
    weights = [f"{name}.{weight}" for weight, _ in layer.named_parameters()]
    if set(weights) & set(new_weights):
        return list(new_weights)
    if head.order is None:
        _begin_anew(layer, getattr(model.config, "initializer_range", None) or 0.02)
        return sorted({*new_weights, *weights})
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(weight[head.order].clone())
    return list(new_weights)


def last_layer(model: Any) -> tuple[str, torch.nn.Linear]:
    """Return the name and the layer (C, H) that gives a classifier's scores: the last one outside its encoder."""
    prefix = f"{model.base_model_prefix}."
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module.out_features == model.config.num_labels
        and (model.base_model is model or not name.startswith(prefix))
    ]
    if not layers:
        raise UserError(KEEP_HEAD["no_scores"].fill(model=type(model).__name__))
    return layers[-1]


def encoder_parts(model: Any) -> tuple[Any, Any]:
    """Return the embeddings and the encoder, with its layers, of a classifier of BERT's kind."""
    return model.base_model.embeddings, model.base_model.encoder


@contextmanager
def without_last_layer(model: Any) -> Iterator[int]:
    """Let a classifier give, instead of logits (B, C), what its last layer gets, (B, H); yield that H."""
    name, layer = last_layer(model)
    owner_name, _, attribute = name.rpartition(".")
    owner = model.get_submodule(owner_name)
    setattr(owner, attribute, torch.nn.Identity())
    try:
        yield layer.in_features
    finally:
        setattr(owner, attribute, layer)


def _begin_anew(layer: torch.nn.Linear, deviation: float) -> None:
    """Give a layer random weights, as a new head has them."""
    with torch.no_grad():
        layer.weight.normal_(0.0, deviation)
        if layer.bias is not None:
            layer.bias.zero_()
