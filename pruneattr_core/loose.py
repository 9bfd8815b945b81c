"""Values that go on in a pass after their gradient has ended, and what something learned makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from pruneattr_core.nodes import reached

#: Calls by which weights act on values, be the weights parameters or computed from some.
_LEARNED = {
    *(F.linear, F.bilinear, F.conv1d, F.conv2d, F.conv3d, torch.conv1d, torch.conv2d, torch.conv3d),
    *(F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d),
    *(F.batch_norm, F.layer_norm, F.group_norm, F.instance_norm, F.rms_norm),
    *(torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu, F.multi_head_attention_forward),
    *(torch.lstm_cell, torch.gru_cell, torch.rnn_tanh_cell, torch.rnn_relu_cell),
}


#: Products: learned where one factor is a parameter, or made of nothing else. A scale of single values is
#: not, or a verdict would depend on which of `c * (n * scale)` and `c * n * scale` was written.
_PRODUCTS = {
    *(torch.matmul, Tensor.matmul, Tensor.__matmul__, Tensor.__rmatmul__, torch.mm, Tensor.mm, torch.bmm),
    *(torch.addmm, torch.einsum, torch.mv, torch.baddbmm, torch.addmv, torch.addbmm, torch.tensordot),
    *(torch.inner, torch.chain_matmul, torch.linalg.multi_dot, torch.linalg.matmul, Tensor.inner),
    *(Tensor.bmm, Tensor.mv, Tensor.addmm, Tensor.baddbmm, Tensor.addmv, Tensor.addbmm),
    F.scaled_dot_product_attention,
}


@dataclass(frozen=True)
class Act:
    """Something learned that acts on loose values.

    Attributes:
        where: module and function.
        ends: bit per end of a gradient that the values come from.
        node: of the autograd graph, of the result; None where it has none.
    """

    where: str
    ends: int
    node: Any


class Trail:
    """Follows loose values by the storages that hold them, from the first end of a gradient on.

    What goes through `torch.func` is lost, and through numpy or lists what no entry is known for.

    Attributes:
        acts: in order.
    """

    def __init__(self) -> None:
        """Nothing is loose."""
        self.acts: list[Act] = []
        self._marks: dict[int, tuple[int, int, StorageWeakRef]] = {}

    def carry(
        self,
        func: Any,
        given: Sequence[Tensor],
        results: Iterable[Tensor],
        where: Callable[[], str],
        end: int = 0,
    ) -> None:
        """One call: results hold what went in.

        Args:
            func: what was called; None for what nothing learned takes part in.
            given: tensors that went in.
            results: that came out, or were written into.
            where: names the call, should that matter.
            end: the bit of the end that it is, if it is one.
        """
        ends, acts = end, 0
        for tensor in given:
            from_ends, from_acts = self.of(tensor)
            ends, acts = ends | from_ends, acts | from_acts
        if not ends:
            return
        found = list(results)
        product = func in _PRODUCTS and any(map(_learned, given))
        if found and (func in _LEARNED or product):
            acts |= 1 << len(self.acts)
            self.acts.append(Act(where(), ends, found[0].grad_fn))
        for result in found:
            self._set(result, ends, acts)

    def of(self, value: Tensor) -> tuple[int, int]:
        """A bit per end of a gradient, and a bit per act, that went into a value."""
        key = _key(value)
        return (0, 0) if key is None else self._marks.get(key, (0, 0, None))[:2]

    def _set(self, value: Tensor, ends: int, acts: int) -> None:
        # The reference keeps the storage's address from being used again.
        if (key := _key(value)) is not None:
            self._marks[key] = ends, acts, StorageWeakRef(value.untyped_storage())


def _learned(value: Tensor) -> bool:
    """Whether a value is a parameter, part of one, or made of nothing else: transposed, or normalised."""
    if isinstance(value, nn.Parameter) or isinstance(value._base, nn.Parameter):
        return True
    leaves = [node.variable for node in reached(value.grad_fn) if hasattr(node, "variable")]
    return bool(leaves) and all(isinstance(one, nn.Parameter) for one in leaves)


def _key(value: Tensor) -> int | None:
    """Of the storage; None inside of a transform of functions, whose tensors have none."""
    try:
        return int(value.untyped_storage()._cdata)
    except RuntimeError:  # also NotImplementedError, which is one
        return None
