"""Relevance propagation: LRP-epsilon by Captum, LRP alpha1-beta0 and excitation backprop by Zennit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pruneattr_core.attribution.relevance import GlobalMean, relevance_network
from pruneattr_core.attribution.stand_ins import ClippedReLU
from pruneattr_core.importing import one_at_a_time


def lrp_epsilon(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Captum's LRP: R_i = sum_j z_ij / (z_j + eps) R_j, eps 1e-9, from the logit (Bach et al. 2015)."""
    with one_at_a_time:
        from captum.attr import LRP
        from captum.attr._utils.custom_modules import Addition_Module
        from captum.attr._utils.lrp_rules import EpsilonRule, IdentityRule

    # nn.Dropout in eval mode is the identity that Captum's LRP knows.
    network = relevance_network(model, inputs, Addition_Module, nn.Dropout)
    for module in network.calls:
        if isinstance(module, GlobalMean):
            module.rule = EpsilonRule()  # as Captum gives every pooling
        if isinstance(module, ClippedReLU):
            module.rule = IdentityRule()  # passes relevance on, as ReLU does
    result: Tensor = LRP(network).attribute(inputs.detach().clone().requires_grad_(), target)
    return result.detach()


def lrp_alpha1_beta0(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Only positive contributions pass relevance back: R_i = sum_j z+_ij / z+_j R_j, started at the logit."""
    with one_at_a_time:
        from zennit.composites import LayerMapComposite
        from zennit.layer import Sum
        from zennit.rules import AlphaBeta, Norm, Pass
        from zennit.types import Activation, AvgPool, Linear

    rules = [(Activation, Pass()), (Sum, Norm()), (AvgPool, Norm()), (Linear, AlphaBeta(alpha=1, beta=0))]
    return _zennit(LayerMapComposite(rules), model, inputs, target, from_logit=True)


def excitation_backprop(model: nn.Module, inputs: Tensor, target: Tensor) -> Tensor:
    """Probability of walking down excitatory connections to a pixel, from 1 (Zhang et al. 2016)."""
    with one_at_a_time:
        from zennit.composites import ExcitationBackprop
        from zennit.rules import Pass
        from zennit.types import Activation

    # Zennit leaves activations their derivative, which would lose what reaches a ReLU6 at its ceiling.
    composite = ExcitationBackprop(layer_map=[(Activation, Pass())], zero_params="bias")
    return _zennit(composite, model, inputs, target, from_logit=False)


def _zennit(composite: Any, model: nn.Module, inputs: Tensor, target: Tensor, from_logit: bool) -> Tensor:
    network = relevance_network(model, inputs, _Stacked, nn.Identity)
    leaf = inputs.detach().clone().requires_grad_()
    with composite.context(network) as prepared:
        logits = prepared(leaf)
        start = torch.zeros_like(logits)
        start.scatter_(
            1, target.unsqueeze(1), logits.detach().gather(1, target.unsqueeze(1)) if from_logit else 1.0
        )
        (relevance,) = torch.autograd.grad(logits, leaf, start)
    return relevance


class _Stacked(nn.Module):
    """a + b by Zennit's `Sum`, which takes the operands stacked and has a rule of its own."""

    def __init__(self) -> None:
        with one_at_a_time:
            from zennit.layer import Sum

        super().__init__()
        self.sum = Sum(dim=-1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        result: Tensor = self.sum(torch.stack(torch.broadcast_tensors(a, b), -1))
        return result
