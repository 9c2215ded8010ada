"""The gradient of an embedding table on the CPU, of which a batch touches a few rows. V rows, H values of each.

The usual gradient is as large as the table, half of a small model: in every step that memory is allocated, filled with
0, measured for the norm, scaled and freed. Here only the touched rows are measured and scaled. The optimizer, which
changes all rows, gets them in a table of zeros that is kept from step to step. The step is the same.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

RowGradient = Callable[[torch.Tensor, torch.Tensor], None]  # takes numbers of rows (...) and their gradient (..., H)


class _Lookup(torch.autograd.Function):
    """Look rows of a table up; their gradient goes to `note` instead of the table's weight."""

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, ids: torch.Tensor, note: RowGradient) -> torch.Tensor:
        """Return the rows (..., H) with the numbers `ids` (...) of a weight (V, H)."""
        ctx.save_for_backward(ids)
        ctx.note = note
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, None, None]:
        """Pass the gradient (..., H) to `note`; the weight itself gets none."""
        (ids,) = ctx.saved_tensors
        ctx.note(ids, gradient)
        return None, None, None


class TouchableEmbedding(torch.nn.Embedding):
    """torch.nn.Embedding whose gradient a TouchedRows may take over."""

    note: RowGradient | None = None  # of the TouchedRows that has taken over

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the rows (..., H) with the numbers `ids` (...)."""
        if self.note is None or not torch.is_grad_enabled():
            return super().forward(ids)
        return _Lookup.apply(self.weight, ids, self.note)


class TouchedRows:
    """The gradient of one table, summed over the passes since the last step, for an optimizer's next step."""

    def __init__(self, table: TouchableEmbedding, optimizer: torch.optim.Optimizer):
        self.table = table
        self.gradient = torch.zeros_like(table.weight)  # all 0 except while the optimizer works
        self.forget()
        table.note = self._add
        optimizer.register_step_pre_hook(self._hand_over)
        optimizer.register_step_post_hook(self._take_back)

    def forget(self) -> None:
        """Forget the gradients since the last step."""
        self.rows = torch.zeros(0, dtype=torch.long)  # (U,), numbers of the touched rows in order, each once
        self.touched = torch.zeros(0, self.table.embedding_dim)  # (U, H), only there to carry the rows' gradient
        self.touched.grad = torch.zeros_like(self.touched)

    def release(self) -> None:
        """Give the table, which may outlive the training, its own gradient back, and hold nothing of it any more."""
        self.table.note = None

    def _summed(self) -> torch.Tensor:
        """Return the gradient (U, H) of the touched rows."""
        gradient = self.touched.grad
        assert gradient is not None  # forget() and _add() set it
        return gradient

    def _add(self, ids: torch.Tensor, gradient: torch.Tensor) -> None:
        """Add the gradient (..., H) of the rows with the numbers `ids` (...) in one pass to those before."""
        all_ids = torch.cat([self.rows, ids.flatten()])
        gradients = torch.cat([self._summed(), gradient.flatten(0, -2)])
        self.rows, places = torch.unique(all_ids, return_inverse=True)
        count = len(self.rows)
        summed = torch.ops.aten.embedding_dense_backward(gradients, places, count, -1, False)
        if self.table.padding_idx is not None:
            summed[self.rows == self.table.padding_idx] = 0.0
        self.touched = torch.zeros(count, gradients.shape[1])
        self.touched.grad = summed

    def _hand_over(self, *_: object) -> None:
        """Give the weight its gradient, before the optimizer's step."""
        self.gradient[self.rows] = self._summed()
        self.table.weight.grad = self.gradient if len(self.rows) else None

    def _take_back(self, *_: object) -> None:
        """Take the gradient away from the weight and make it 0 again, after the optimizer's step."""
        self.gradient[self.rows] = 0.0
        self.table.weight.grad = None


def make_touchable(table: torch.nn.Module) -> None:
    """Make a plain torch.nn.Embedding a TouchableEmbedding, which works the same until a TouchedRows takes over."""
    if type(table) is torch.nn.Embedding and not (table.sparse or table.scale_grad_by_freq or table.max_norm):
        table.__class__ = TouchableEmbedding


def touched_rows(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[TouchedRows]:
    """Take over the gradients of a model's touchable tables on the CPU if its optimizer can use them.

    A table whose weight is also that of another module is left out: its gradient comes by other ways as well.
    """
    if not optimizer.defaults.get("fused"):  # the guard then leaves out a bad step by having no gradients
        return []
    owners: Counter[int] = Counter()
    tables: dict[int, TouchableEmbedding] = {}  # by the id of their weight
    for module in model.modules():
        owners.update(id(weight) for weight in module.parameters(recurse=False))
        if isinstance(module, TouchableEmbedding):
            tables[id(module.weight)] = module
    return [
        TouchedRows(table, optimizer)
        for weight_id, table in tables.items()
        if owners[weight_id] == 1 and table.weight.requires_grad and table.weight.device.type == "cpu"
    ]
