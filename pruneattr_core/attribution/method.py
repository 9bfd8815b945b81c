"""What the table says about a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pruneattr_core.attribution.options import Option, checked
from pruneattr_core.attribution.support import any_network
from pruneattr_core.brief import brief
from pruneattr_core.errors import InputError
from pruneattr_core.graph import as_given
from pruneattr_core.response import Asked
from pruneattr_core.runtime import own_modes

#: What a forward-and-backward pass costs in forward passes, roughly.
FORWARDS_PER_PASS = 3

Completeness = Literal["difference", "logit"]


@dataclass(frozen=True)
class Method:
    """One attribution method.

    Attributes:
        title: for people.
        family: "ours", "gradient", "relevance", "perturbation" or "control".
        source: who computes it: "PruneAttr", "Captum" or "Zennit".
        citation: the paper that defines it.
        signed: whether values may be negative with the default options.
        channels: True: the map has the shape of the inputs; False: (B, 1, H, W).
        passes: forward-and-backward passes for one 224x224 picture with the default options, rounded up;
            `cost` for others.
        compute: (model, inputs, target, **options) -> map; inputs checked, targets (B,) int64.
        note: what it claims and what is known against it, with citations.
        supports: (model, inputs or None) -> None, or the sentence that says why it does not fit.
        options: what `explain` takes by keyword.
        cost_of: (side in pixels, options) -> passes, where they depend on options.
        backward: whether its passes go back; those that do not cost a third.
        memory: peak memory of one input in units of one plain forward-and-backward pass.
        completeness: what the map's values sum to: "difference" is logit(x) - logit(baseline), "logit"
            the logit itself; None promises nothing.
        needs_lock: whether it edits the shared model while it runs. None does: what sets hooks runs on
            private modules (`calls.Substituted`).
        paths: whether it prunes, and takes any response as it is (`Asked`) where others take classes.
        pictures: whether it takes pictures (B, C, H, W) only, as all without channels do.
    """

    title: str
    family: str
    source: str
    citation: str
    signed: bool
    channels: bool
    passes: int
    compute: Callable[..., Tensor]
    note: str
    supports: Callable[..., str | None] = any_network
    options: Mapping[str, Option] = field(default_factory=dict)
    cost_of: Callable[[int, Mapping[str, Any]], float] | None = None
    backward: bool = True
    memory: float = 1.0
    completeness: Completeness | None = None
    needs_lock: bool = False
    paths: bool = False
    pictures: bool = False

    __repr__ = brief

    def cost(self, side: int = 224, **options: Any) -> float:
        """Forward-and-backward passes for one picture of `side` pixels with these options."""
        settings = checked(self.title, self.options, options)
        return float(self.passes) if self.cost_of is None else float(self.cost_of(side, settings))

    def forwards(self, side: int = 224, **options: Any) -> float:
        """Forward passes alone, for one picture of `side` pixels with these options."""
        return self.cost(side, **options) * (1 if self.backward else FORWARDS_PER_PASS)


def run(
    method: Method, model: nn.Module, inputs: Tensor, target: Tensor | Asked, settings: Mapping[str, Any]
) -> Tensor:
    """The map of one memory-bounded part of a batch, detached, of its dtype."""
    if inputs.ndim != len("BCHW") and (method.pictures or not method.channels):
        raise InputError(
            f"{method.title} needs pictures (B, C, H, W), got shape {tuple(inputs.shape)}. Choose a method "
            "that takes inputs of any shape, such as prunegrad."
        )
    with own_modes():  # NoiseTunnel calls this under no_grad
        found = method.compute(model, inputs.clone(), target, **settings)
        found = as_given(found.detach(), inputs.dtype).contiguous()
    if not bool(torch.isfinite(found).all()):
        raise InputError(
            f"The map of {method.title} holds NaN or infinity for these inputs: the answers, the response or "
            "its gradient are not finite, or too large for their precision."
        )
    return found
