"""Many variants of one layer in one pass: what precedes the layer runs once, only what follows branches.

The gate at one activation call answers with n variants of the activation instead of one. Earlier results
keep batch 1 and later operations broadcast them against n (residual additions, scalings); joins of mixed
batch sizes, which do not broadcast, are expanded. A network that does not broadcast (it remembers its batch
size in a reshape, say) runs as n full copies instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core import tape
from pruneattr_core.errors import InputError
from pruneattr_core.heads import Head, head_of

_JOINS = {torch.cat, torch.concat, torch.concatenate, torch.stack}


class _MixedBatches(TorchFunctionMode):
    """Lets batch 1 join batch n."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _JOINS and args and (args[1] if len(args) > 1 else kwargs.get("dim", 0)) != 0:
            rows = max(part.shape[0] for part in args[0])
            alike = [
                part if part.shape[0] == rows else part.expand(rows, *part.shape[1:]) for part in args[0]
            ]
            args = (alike, *args[1:])
        return func(*args, **kwargs)


class Brancher:
    """Runs one image with variants of one layer.

    Attributes:
        names: per call.
        logits: (1, classes) of the original network.
        activations: (1, *shape) per call, detached.
        head: how the outputs are read.
    """

    def __init__(self, model: nn.Module, image: Tensor, class_scores: bool = False) -> None:
        """Look at the network once.

        Args:
            model: classifier in eval mode.
            image: (1, C, H, W), checked.
            class_scores: whether class scores count as neurons.
        """
        self.model, self.image, self.class_scores, self._broadcasts = model, image, class_scores, True
        with torch.inference_mode(False), torch.no_grad():
            record = tape.run(model, image.clone(), class_scores=class_scores)
        self.logits, self.names = record.logits, record.names
        self.activations = record.activations
        self.head: Head = head_of(model, record.logits, None, record.normalised)

    def bytes_each(self, index: int) -> int:
        """Rough memory of one variant of call `index` in a forward and backward pass.

        Activations from there on, times four for what stands between them and their gradients.
        """
        return 4 * sum(a.numel() * a.element_size() for a in self.activations[index:])

    def run(
        self, index: int, vary: Callable[[Tensor], Tensor], rows: int, grad: bool
    ) -> tuple[Tensor, Tensor]:
        """One pass with variants of call `index`.

        Args:
            index: of the activation call.
            vary: (1, *shape) activation -> its (rows, *shape) variants.
            rows: number of variants.
            grad: whether the logits shall be differentiable with respect to the variants.

        Returns:
            variants (rows, *shape), a leaf of the graph where `grad`; logits (rows, classes).
        """
        if self._broadcasts:
            try:
                return self._pass(index, vary, rows, grad, self.image)
            except InputError:
                self._broadcasts = False
        copies = self.image.expand(rows, *self.image.shape[1:]).contiguous()
        return self._pass(index, vary, rows, grad, copies)

    def _pass(
        self, index: int, vary: Callable[[Tensor], Tensor], rows: int, grad: bool, given: Tensor
    ) -> tuple[Tensor, Tensor]:
        variants: list[Tensor] = []

        def gate(call: int, activation: Tensor) -> Tensor:
            if call != index:
                return activation
            variants[:] = [vary(activation.detach()[:1]).requires_grad_(grad)]
            return variants[0]

        with torch.inference_mode(False), torch.set_grad_enabled(grad), _MixedBatches():
            logits = tape.run(self.model, given.clone(), gate, rows, self.class_scores).logits
        return variants[0], logits
