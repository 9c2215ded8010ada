"""How a classification head of our own is built, as the options say and run.json keeps it; no torch here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from toolkit.cli.sections import ModelOptions
from toolkit.models.texts import RUN_JSON

POOLINGS = ("cls", "mean")
DROPOUT = 0.1  # of BERT's own head
MAX_LAYERS = 100


@dataclass(frozen=True)
class HeadDesign:
    """A head on the hidden states of the last layer: how they become one vector, and what is behind it.

    "cls" takes the first token's state, "mean" the mean of all tokens' states.
    """

    pooling: str  # cls or mean
    layers: int = 0  # hidden ones, before the one that gives the scores
    dropout: float = DROPOUT

    @classmethod
    def from_options(cls, options: ModelOptions) -> "HeadDesign | None":
        """Return the design that the options ask for, None for the head of the architecture.

        mlp is a mean with a hidden layer. Where --head_dropout is off, --dropout is for the head as well.
        """
        if options.head in (None, "model"):
            return None
        dropouts = (options.head_dropout, options.dropout, DROPOUT)
        dropout = next(share for share in dropouts if share is not None)
        if options.head == "mlp":
            return cls("mean", options.head_layers or 1, dropout)
        return cls(options.head, options.head_layers or 0, dropout)

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> "HeadDesign | None":
        """Return the design that a run.json has, None if it has none; ValueError if it is something else."""
        if content is None:
            return None
        if not isinstance(content, dict) or set(content) != {"pooling", "layers", "dropout"}:
            raise ValueError(RUN_JSON["not_ours"].fill(name="head"))
        dropout = content["dropout"]
        are_right = (
            content["pooling"] in POOLINGS
            and type(content["layers"]) is int
            and 0 <= content["layers"] <= MAX_LAYERS
            and type(dropout) in (int, float)
            and 0 <= dropout < 1
        )
        if not are_right:
            raise ValueError(RUN_JSON["not_ours"].fill(name="head"))
        return cls(**content)

    def as_json(self) -> dict[str, Any]:
        """Return the design as it stands in run.json."""
        return asdict(self)

    def has_weights_of(self, other: "HeadDesign | None") -> bool:
        """Say whether the weights of a head of another design are those of one of this."""
        return other is not None and (self.pooling, self.layers) == (other.pooling, other.layers)

    def __str__(self) -> str:
        return f"--head {self.pooling}" + (f" --head_layers {self.layers}" if self.layers else "")
