"""What keeps a network from being piecewise linear, seen in one pass.

Paths frozen at their values leave a network that is linear around the picture (SCP Prop. 4, 5) if every
operation from picture to answer is piecewise linear: convolutions, ReLU, pooling, BatchNorm in eval mode.
Transformers and many newer networks have others; there a map is the slope at this very picture and no more.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from pruneattr_core.attention import WithHeads
from pruneattr_core.checks import check_inputs
from pruneattr_core.tape import unwrap

#: Operations as the dispatcher calls them -> what a reader calls them.
_SMOOTH = {
    "gelu": "GELU", "silu": "SiLU", "mish": "Mish", "hardswish": "Hardswish", "elu": "ELU", "selu": "SELU",
    "celu": "CELU", "softplus": "softplus", "sigmoid": "sigmoid gates", "hardsigmoid": "gates",
    "tanh": "tanh", "erf": "GELU",
    "native_layer_norm": "layer normalisation", "native_group_norm": "group normalisation",
    "_fused_rms_norm": "RMS normalisation", "_softmax": "attention", "_safe_softmax": "attention",
    "_native_multi_head_attention": "attention", "_transformer_encoder_layer_fwd": "attention",
}  # fmt: skip
_ATTENTION = "_scaled_dot_product"
_known: weakref.WeakKeyDictionary[nn.Module, tuple[str, ...]] = weakref.WeakKeyDictionary()


class _Met(TorchDispatchMode):
    """Notes what acts on what came from a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.split("::")[-1]
        name = name if name.startswith("_") else name.rstrip("_")
        said = "attention" if name.startswith(_ATTENTION) else _SMOOTH.get(name)
        if said is not None:
            self.names.setdefault(said)
        return func(*args, **(kwargs or {}))


def not_piecewise_linear(model: nn.Module, inputs: Tensor) -> tuple[str, ...]:
    """What of a network is not piecewise linear, in words, in the order of the pass; () where all is.

    A softmax or sigmoid that only turns outputs into probabilities counts as well.

    Args:
        model: network in eval mode; left untouched.
        inputs: (B, ...) as it takes it; the first is run.
    """
    network, first = unwrap(model), check_inputs(model, inputs)[:1]
    network = network.network if isinstance(network, WithHeads) else network
    found = _known.get(network)
    if found is None:
        with torch.inference_mode(False), torch.no_grad(), _Met() as met:
            network(first.clone())
        found = _known[network] = tuple(met.names)
    return found


def caution(found: Sequence[str]) -> str:
    """What to keep in mind beside the map of such a network, in a sentence or two; "" for no reason."""
    if not found:
        return ""
    return (
        f"This network is not piecewise linear ({', '.join(found)}): around the picture a pruned network is "
        "not linear, so the guarantees of critical paths (SCP Prop. 4, 5) do not hold. The map is the slope "
        "at this very picture; sparsity, answer and output change are measured as ever."
    )
