"""How much each neuron contributed: (model, inputs, target) -> Contributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from pruneattr_core.checks import Target, check_inputs, fingerprints, network_fingerprint
from pruneattr_core.errors import InputError
from pruneattr_core.graph import Graph, bytes_each
from pruneattr_core.one_of import is_one_of
from pruneattr_core.response import Asked, asked_of, joined
from pruneattr_core.runtime import chunks, own_modes
from pruneattr_core.scoring.intgrad import INTEGRALS
from pruneattr_core.scoring.taylor import taylor
from pruneattr_core.values import Contributions

#: Scores one memory-bounded part of a batch: (model, inputs, target, steps, class_scores) -> Contributions.
Scorer = Callable[[nn.Module, Tensor, Asked, int | None, bool], Contributions]

METHODS: dict[str, Scorer] = {"taylor": taylor, **INTEGRALS}


@own_modes()
def contributions(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    method: str = "taylor",
    steps: int | None = None,
    class_scores: bool = False,
) -> Contributions:
    """Contribution of every neuron to the response of every input.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W).
        target: None for the predicted class; int, list or tensor as in Captum; or another response.
        method: a key of `METHODS`: "taylor" is NeuronMCT, |activation x gradient| (PG2 eq. 3);
            "intgrad" is NeuronIntGrad (SCP eq. 4) by as many nodes as its ranking needs (see
            `scoring.settling` and `Contributions.agreement`), "intgrad_preview" by a few and so only
            roughly right, "intgrad_midpoint" by 32 midpoints, "intgrad_uniform" by the papers' 51 equal steps
            with both ends, "intgrad_gauss" and "intgrad_gauss8" by Gauss-Legendre of 16 and 8 nodes;
            "intgrad_value" ranks by c (SCP's text), the others by |c| (the reference).
        steps: number of nodes of the integral, i.e. of gradients averaged, midpoints for a method of no rule;
            None for the method's own. Methods without an integral ignore it.
        class_scores: whether activations that nothing learned follows (SqueezeNet's last ReLU holds its class
            scores) count as neurons, as in published code.

    Returns:
        Scores per activation call, (B, *shape), >= 0.

    Raises:
        InputError: unknown method, or inputs the model cannot take.
        TargetError: a target out of range.
        ModelError: a network without activations, or in training mode.

    Example:
        >>> from pruneattr_core import contributions, load_model, model_card
        >>> from pruneattr_core.datasets import load_dataset
        >>> model, card = load_model("scenes-net"), model_card("scenes-net")
        >>> inputs = card.preprocess(load_dataset("scenes")[3].image)
        >>> scores = contributions(model, inputs)
        >>> scores
        Contributions(taylor, target=[3], neurons=577536, layers=9)
        >>> scores.path(0.9)
        CriticalPath(inputs=1, layers=9, sparsity=[0.9000])
    """
    if not is_one_of(method, METHODS):
        raise InputError(f"Expected method in {sorted(METHODS)}, got {method!r}.")
    inputs = check_inputs(model, inputs)
    chosen = asked_of(target, len(inputs))
    if method != "taylor" and any(one.dtype == torch.float16 for one in model.parameters()):
        for part in chunks(len(inputs), bytes_each(inputs), inputs):
            Graph(model, inputs[part], chosen[part]).check_room()
    parts = [
        METHODS[method](model, inputs[part], chosen[part], steps, class_scores)
        for part in chunks(len(inputs), bytes_each(inputs), inputs)
    ]
    found = parts[0] if len(parts) == 1 else _join(parts)
    return replace(found, fingerprints=fingerprints(inputs), network=network_fingerprint(model))


def _join(parts: list[Contributions]) -> Contributions:
    return Contributions(
        parts[0].names,
        tuple(torch.cat(layer) for layer in zip(*(p.layers for p in parts), strict=True)),
        tuple(torch.cat(layer) for layer in zip(*(p.dead for p in parts), strict=True)),
        torch.cat([p.target for p in parts]),
        torch.cat([p.logits for p in parts]),
        parts[0].method,
        joined([p.question for p in parts]),
        parts[0].head,
        parts[0].class_scores,
        torch.cat(known) if (known := [p.agreement for p in parts if p.agreement is not None]) else None,
    )
