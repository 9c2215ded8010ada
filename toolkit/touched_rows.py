"""The gradient of an embedding table on the CPU, of which a batch touches a few rows.

The usual gradient is as large as the table, half of a small model: a page of memory for each few numbers is asked for,
filled with 0, measured, scaled and given back in every step. Here the touched rows are measured and scaled alone, and
the optimizer, which changes all rows, finds them in a table that is kept and else 0. The step is the same.
"""

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
        self.table, self.optimizer = table, optimizer
        self.gradient = torch.zeros_like(table.weight)  # but for the touched rows while the optimizer works
        self.noted, self.rows, self.touched = [], None, torch.zeros(0)
        table.note = self._note
        optimizer.register_step_pre_hook(lambda *_: self._hand_over())
        optimizer.register_step_post_hook(lambda *_: self._take_back())

    def _note(self, ids: torch.Tensor, gradient: torch.Tensor) -> None:
        self.noted.append((ids.flatten(), gradient.reshape(-1, gradient.shape[-1])))

    def collect(self) -> torch.Tensor:
        """Return a tensor whose gradient is that of the touched rows, to be clipped with those of the other weights."""
        ids, gradients = map(torch.cat, zip(*self.noted, strict=True))
        counted = ids != self.table.padding_idx if self.table.padding_idx is not None else slice(None)
        self.rows, numbers = torch.unique(ids[counted], return_inverse=True)
        self.touched = torch.zeros(len(self.rows), gradients.shape[1])
        self.touched.grad = torch.ops.aten.embedding_dense_backward(
            gradients[counted], numbers, len(self.rows), -1, False
        )
        return self.touched

    def forget(self) -> None:
        """Forget what was noted since the last step."""
        self.noted, self.rows, self.touched = [], None, torch.zeros(0)

    def _hand_over(self) -> None:
        if self.rows is not None:
            self.gradient[self.rows] = self.touched.grad
            self.table.weight.grad = self.gradient

    def _take_back(self) -> None:
        if self.rows is not None:
            self.gradient[self.rows] = 0.0
            self.table.weight.grad = None


def make_touchable(table: torch.nn.Module) -> None:
    """Make a plain torch.nn.Embedding a TouchableEmbedding, which works the same until a TouchedRows takes over."""
    if type(table) is torch.nn.Embedding and not (table.sparse or table.scale_grad_by_freq or table.max_norm):
        table.__class__ = TouchableEmbedding


def touched_rows(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[TouchedRows]:
    """Take over the gradients of a model's touchable tables on the CPU if its optimizer can use them."""
    tables = [module for module in model.modules() if isinstance(module, TouchableEmbedding)]
    fused = optimizer.defaults.get("fused")  # else the guard leaves out a bad step by having no gradients
    fit = [table for table in tables if fused and table.weight.requires_grad and table.weight.device.type == "cpu"]
    return [TouchedRows(table, optimizer) for table in fit]
