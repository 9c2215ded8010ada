"""The gradient of an embedding table on the CPU, of which a batch touches a few rows.

The usual gradient is as large as the table, half of a small model: a page of memory for each few numbers is asked for,
filled with 0, measured, scaled and given back in every step. Here the touched rows are measured and scaled alone, and
the optimizer, which changes all rows, finds them in a table that is kept and else 0. The step is the same.
"""

from collections import Counter

import torch
import torch.nn.functional as F


class _Lookup(torch.autograd.Function):
    """Rows of a table; what their gradient is, `note` is told."""

    @staticmethod
    def forward(ctx, weight, ids, note):
        """Return the rows (..., H) of a weight (V, H) that have these numbers."""
        ctx.save_for_backward(ids)
        ctx.note = note
        return F.embedding(ids, weight)

    @staticmethod
    def backward(ctx, gradient):
        """Note the gradient; the weight itself gets none."""
        ctx.note(ctx.saved_tensors[0], gradient)
        return None, None, None


class TouchableEmbedding(torch.nn.Embedding):
    """torch.nn.Embedding whose gradient a TouchedRows may take over."""

    note = None  # what to call with numbers of rows and their gradient

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the rows of the table that have these numbers."""
        if self.note is None or not torch.is_grad_enabled():
            return super().forward(ids)
        return _Lookup.apply(self.weight, ids, self.note)


class TouchedRows:
    """The gradient of one table from the passes since the last step, given to an optimizer at its next one."""

    def __init__(self, table: TouchableEmbedding, optimizer: torch.optim.Optimizer):
        self.table = table
        self.gradient = torch.zeros_like(table.weight)  # but for the touched rows while the optimizer works
        self.forget()
        table.note = self._note
        optimizer.register_step_pre_hook(lambda *_: self._hand_over())
        optimizer.register_step_post_hook(lambda *_: self._take_back())

    def forget(self) -> None:
        """Forget what was noted since the last step."""
        self.rows = torch.zeros(0, dtype=torch.long)  # (U,), in order, each once
        self.touched = torch.zeros(0, self.table.embedding_dim)  # whose gradient is that of these rows
        self.touched.grad = torch.zeros_like(self.touched)

    def release(self) -> None:
        """Let the table, which may outlive the training, have its own gradient again, and nothing of this one."""
        self.table.note = None

    def _note(self, ids: torch.Tensor, gradient: torch.Tensor) -> None:
        """Add the gradient (..., H) of one pass to those before."""
        ids, gradient = torch.cat([self.rows, ids.flatten()]), torch.cat([self.touched.grad, gradient.flatten(0, -2)])
        self.rows, numbers = torch.unique(ids, return_inverse=True)
        self.touched = torch.zeros(len(self.rows), gradient.shape[1])
        self.touched.grad = torch.ops.aten.embedding_dense_backward(gradient, numbers, len(self.rows), -1, False)
        if self.table.padding_idx is not None:
            self.touched.grad[self.rows == self.table.padding_idx] = 0.0

    def _hand_over(self) -> None:
        self.gradient[self.rows] = self.touched.grad
        self.table.weight.grad = self.gradient if len(self.rows) else None

    def _take_back(self) -> None:
        self.gradient[self.rows] = 0.0
        self.table.weight.grad = None


def make_touchable(table: torch.nn.Module) -> None:
    """Make a plain torch.nn.Embedding a TouchableEmbedding, which works the same until a TouchedRows takes over."""
    if type(table) is torch.nn.Embedding and not (table.sparse or table.scale_grad_by_freq or table.max_norm):
        table.__class__ = TouchableEmbedding


def touched_rows(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[TouchedRows]:
    """Take over the gradients of a model's touchable tables on the CPU if its optimizer can use them.

    Not that of a table which is the weight of something else too, whose gradient comes by other ways as well.
    """
    if not optimizer.defaults.get("fused"):  # the guard then leaves out a bad step by having no gradients
        return []
    owners = Counter(id(weight) for module in model.modules() for weight in module.parameters(recurse=False))
    tables = [module for module in model.modules() if isinstance(module, TouchableEmbedding)]
    weights = {id(table.weight): table for table in tables if owners[id(table.weight)] == 1}
    return [
        TouchedRows(table, optimizer)
        for table in weights.values()
        if table.weight.requires_grad and table.weight.device.type == "cpu"
    ]
