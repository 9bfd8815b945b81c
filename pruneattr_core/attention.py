"""Attention heads as units beside neurons: a view of a network that shows what its heads put out.

A head's output, (B, heads, tokens, features) before the heads are mixed, is what
`scaled_dot_product_attention` returns, or the product of a softmax with the values where a network spells
attention out. The view hands it to the tape as one more activation call, so it is recorded, gated and
differentiated like any other; nothing on the network is changed. Attention in windows that stand in the batch
(Swin) has no head of a picture and is left out.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core.activations import head_outputs
from pruneattr_core.errors import ModelError
from pruneattr_core.heads import declare, declared
from pruneattr_core.tape import roles_of, unwrap

#: How the calls of heads are named, after the module of the attention.
SUFFIX = head_outputs.__name__
_SOFTMAX = {F.softmax, torch.softmax, Tensor.softmax}
_PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm}
#: What may stand between the two and changes no weight in eval mode.
_BETWEEN = {F.dropout, torch.dropout, Tensor.to, Tensor.type_as, Tensor.contiguous}
#: Parameters that are tokens beside those of the patches, as timm, transformers and torchvision call them, in
#: the order in which all of them put those first -> what each is.
_BESIDE = {
    ("cls_token", "class_token", "class_embedding"): "class token",
    ("dist_token", "distillation_token"): "distillation token",
    ("reg_token", "register_tokens"): "register",
}
_NUM_HEADS = 4  # its place among the arguments of multi_head_attention_forward


def tokens_of(model: nn.Module) -> tuple[str, ...]:
    """What a network's tokens beside those of the patches are, in their order, by what it names them.

    Returns:
        Such as ("class token", "register 1", "register 2"); () where no parameter is called so.
    """
    found: list[str] = []
    for names, what in _BESIDE.items():
        own = [one for name, one in model.named_parameters() if name.rpartition(".")[2] in names]
        count = sum(one.shape[-2] if one.ndim > 1 else 1 for one in own)
        found += (
            [f"{what} {i + 1}" for i in range(count)] if what == "register" or count > 1 else [what] * count
        )
    return tuple(found)


def _opened_up() -> Any:
    """A copy of PyTorch's attention that does not hand itself over as a whole where somebody listens."""
    whole = F.multi_head_attention_forward
    within = {**vars(F), "has_torch_function": lambda _: False}
    copy = types.FunctionType(whole.__code__, within, whole.__name__, whole.__defaults__, whole.__closure__)
    copy.__kwdefaults__ = whole.__kwdefaults__
    return copy


_attention = _opened_up()


class _Listening(TorchFunctionMode):
    """Shows every head's output of one pass."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: Tensor | None = None
        self.heads = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            before, self.heads = self.heads, kwargs.get("num_heads") or args[_NUM_HEADS]
            try:
                with self:
                    return _attention(*args, **kwargs)
            finally:
                self.heads = before
        result = func(*args, **kwargs)
        if func in _SOFTMAX or (func in _BETWEEN and self._weighs(args[0])):
            self.weights = result
        elif func is F.scaled_dot_product_attention or (func in _PRODUCTS and self._weighs(args[0])):
            return self._shown(result)
        return result

    def _weighs(self, factor: Any) -> bool:
        """Whether this is what the last softmax gave, perhaps in another shape."""
        last = self.weights
        return (
            last is not None
            and isinstance(factor, Tensor)
            and factor.data_ptr() == last.data_ptr()
            and factor.numel() == last.numel()
        )

    def _shown(self, result: Tensor) -> Tensor:
        self.weights = None
        if result.ndim == 4:
            return head_outputs(result)
        if result.ndim == 3 and self.heads:  # (B * heads, tokens, features)
            return head_outputs(result.view(-1, self.heads, *result.shape[1:])).reshape(result.shape)
        return result


class WithHeads(nn.Module):
    """A network whose attention heads are seen as activation calls; made by `with_heads`.

    Its modules, parameters and their names are the network's own.
    """

    def __init__(self, network: nn.Module) -> None:
        """See `with_heads`."""
        super().__init__()
        self.network = network
        self.training = network.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the network answers."""
        with _Listening():
            return self.network(*args, **kwargs)

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """Those of the network."""
        return self.network.named_modules(memo, prefix, remove_duplicate)


def with_heads(model: nn.Module, inputs: Tensor) -> WithHeads:
    """A view of a network in which every attention head is a unit; the network is shared, not copied.

    Args:
        model: network in eval mode.
        inputs: (B, ...) as it takes it; one is run to see the heads.

    Raises:
        ModelError: no heads are seen, or they stand in the batch.
    """
    view = WithHeads(unwrap(model))
    if (head := declared(model)) is not None:
        declare(view, head)
    roles = roles_of(view, inputs)[0]
    found = {role for name, role in zip(roles.names, roles.roles, strict=True) if is_heads(name)}
    if "neuron" not in found:
        why = "its windows stand in the batch" if "folded" in found else "none of its calls is attention"
        raise ModelError(
            f"{type(view.network).__name__} has no attention heads that could be units ({why}): "
            "take neurons or channels."
        )
    return view


def heads_shown(model: nn.Module, inputs: Tensor) -> nn.Module:
    """`with_heads` where a network has heads that can be units; else the network itself."""
    try:
        return with_heads(model, inputs)
    except ModelError:
        return model


def is_heads(name: str) -> bool:
    """Whether an activation call is the output of attention heads, by its name."""
    return name.partition("#")[0].rpartition(".")[2] == SUFFIX
