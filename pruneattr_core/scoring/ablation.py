"""Exact ablation: what the logit loses when one neuron alone is set to 0; the truth scores approximate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pruneattr_core.checks import Target, check_inputs
from pruneattr_core.given import check_progress
from pruneattr_core.response import Asked, asked_of, joined, resolved
from pruneattr_core.runtime import Tick, own_modes, within_budget
from pruneattr_core.scoring.branching import Brancher
from pruneattr_core.scoring.intgrad import SignedContributions, chosen_calls
from pruneattr_core.selection import is_zero


@own_modes()
def exact_ablation(
    model: nn.Module,
    inputs: Tensor,
    target: Target = None,
    layers: Sequence[int] | None = None,
    progress: Tick | None = None,
) -> SignedContributions:
    """f(x) - f(x; a_j := 0) for every neuron j of the chosen layers; a dead neuron's is exactly 0.

    One forward pass of what follows the layer per neuron that is not dead, batched within the memory budget.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W).
        target: None for the predicted class; int, list or tensor as in Captum.
        layers: indices of activation calls; None for all, which is dear: choose late or small layers.
        progress: called with (parts done, parts) within each layer of each image; may raise to stop.

    Raises:
        InputError: layers or inputs that cannot be used.
        TargetError: a target out of range.
        ModelError: a network without activations, or in training mode.
    """
    check_progress(progress)
    inputs = check_inputs(model, inputs)
    chosen = asked_of(target, len(inputs))
    found = []
    for image in range(len(inputs)):
        brancher = Brancher(model, inputs[image : image + 1])
        own = resolved(brancher.logits, chosen[image])
        calls = chosen_calls(layers, brancher.names)
        found.append((brancher, own, [_ablate(brancher, call, own, progress) for call in calls]))
    names = found[0][0].names
    return SignedContributions(
        tuple(names[call] for call in calls),
        tuple(torch.cat([one[2][k] for one in found]) for k in range(len(calls))),
        tuple(torch.cat([is_zero(one[0].activations[call]) for one in found]) for call in calls),
        torch.cat([one[1].target for one in found]),
        torch.cat([one[0].logits for one in found]),
        asked=joined([one[1] for one in found]),
        head=found[0][0].head,
    )


def _ablate(brancher: Brancher, call: int, asked: Asked, progress: Tick | None) -> Tensor:
    activation = brancher.activations[call]
    alive = activation.flatten().nonzero().flatten()
    effect = activation.new_zeros(activation.numel())
    parts = (
        list(within_budget(len(alive), brancher.bytes_each(call), activation.device)) if len(alive) else []
    )
    for done, part in enumerate(parts, 1):
        which = alive[part]

        def without_one(a: Tensor, which: Tensor = which) -> Tensor:
            copies = a.reshape(1, -1).repeat(len(which), 1)
            copies[torch.arange(len(which), device=a.device), which] = 0
            return copies.view(-1, *a.shape[1:])

        answers = brancher.run(call, without_one, len(which), grad=False)[1]
        effect[which] = asked.of(brancher.logits) - asked.repeat(len(which)).of(answers)
        if progress is not None:
            progress(done, len(parts))
    return effect.view(activation.shape)
