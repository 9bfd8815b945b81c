"""The network of one picture in which everything outside a path is a constant (mode freeze)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.activations import Activation, Watch
from pruneattr_core.errors import ModelError
from pruneattr_core.graph import forward_chunks


def _to_kink(found: Activation) -> Tensor:
    """The distance of every pre-activation to its nearest kink, attached to the graph."""
    to_kinks = [found.before - kink for kink in found.kinks] or [torch.full_like(found.before, torch.inf)]
    nearest = to_kinks[0]
    for other in to_kinks[1:]:
        nearest = torch.where(nearest.abs() <= other.abs(), nearest, other)
    return nearest


class Frozen:
    """The network of one image in which everything outside the path is a constant.

    Attributes:
        model: the network, untouched.
        image: (1, C, H, W).
        masks: bool (1, *shape) per activation call, the path.
        constants: (1, *shape) per call, what the others stay.
        logits: (1, classes).

    Raises:
        ModelError: an activation that is not piecewise linear.
    """

    def __init__(self, model: nn.Module, image: Tensor, masks: Sequence[Tensor], class_scores: bool) -> None:
        self.model, self.image, self.masks, self.class_scores = model, image, masks, class_scores
        with torch.no_grad():
            record = tape.run(model, image.clone(), class_scores=class_scores)
        if not all(record.piecewise_linear):
            smooth = record.names[record.piecewise_linear.index(False)]
            raise ModelError(
                f"Local linearity needs piecewise-linear activations (ReLU and its kin); {smooth} is smooth, "
                "so its network is affine nowhere."
            )
        self.constants, self.logits = record.activations, record.logits

    def run(self, given: Tensor) -> tuple[list[Tensor], Tensor]:
        """Pre-activation distances per call and logits for inputs (n, C, H, W) near the image."""
        return self.seen(given, _to_kink)

    def answers(self, given: Tensor) -> Tensor:
        """Logits (n, classes) alone, in memory-bounded batches."""
        return torch.cat(
            [
                tape.run(self.model, given[part], self._gate, class_scores=self.class_scores).logits
                for part in forward_chunks(len(given), self.image)
            ]
        )

    def _gate(self, call: int, activation: Tensor) -> Tensor:
        return torch.where(self.masks[call], activation, self.constants[call])

    def seen(self, given: Tensor, keep: Callable[[Activation], Tensor]) -> tuple[list[Tensor], Tensor]:
        """What `keep` makes of every activation call, and logits, for inputs near the image."""
        with Watch(keep) as watch:
            record = tape.run(self.model, given, self._gate, class_scores=self.class_scores)
        # A network that works in place on activations is run twice; the last run is the one that counts.
        last = watch.seen[-record.total :]
        return [last[call] for call in record.calls], record.logits

    def tangents(self, directions: Tensor) -> list[Tensor]:
        """(n, path's neurons of the call) derivative of z_j along each of n directions, per call.

        As the derivative of (J^T u) . v by u, which needs reverse mode only.
        """
        with torch.enable_grad():
            leaf = self.image.expand_as(directions).contiguous().requires_grad_()
            distances, _ = self.run(leaf.clone())
            moving = [z for z in distances if z.requires_grad]
            weights = [torch.zeros_like(z, requires_grad=True) for z in moving]
            (pulled,) = torch.autograd.grad(moving, leaf, weights, create_graph=True)
            pushed = iter(torch.autograd.grad((pulled * directions).sum(), weights, allow_unused=True))
        found = []
        for z, mask in zip(distances, self.masks, strict=True):
            moved = next(pushed) if z.requires_grad else None
            moved = torch.zeros_like(z) if moved is None else moved
            found.append(moved.detach().flatten(1)[:, mask.flatten()])
        return found

    def gradients(self, calls: Tensor, places: Tensor) -> Tensor:
        """(n, C, H, W) gradient of z of n neurons, given by call and flat index in the call."""
        with torch.enable_grad():
            leaf = self.image.expand(len(calls), *self.image.shape[1:]).contiguous().requires_grad_()
            distances, _ = self.run(leaf.clone())
            picked = []
            for call, z in enumerate(distances):
                rows = (calls == call).nonzero().flatten()
                if len(rows) and z.requires_grad:
                    picked.append(z.flatten(1)[rows, places[rows]].sum())
            if not picked:
                return torch.zeros_like(leaf)
            (gradient,) = torch.autograd.grad(torch.stack(picked).sum(), leaf)
            return gradient
