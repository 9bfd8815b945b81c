"""The dial: three scales for one choice, how many neurons go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pruneattr_core.errors import InputError
from pruneattr_core.paths.calibrate import check_change, sparsity_for_change
from pruneattr_core.paths.calibrated import calibrated
from pruneattr_core.selection import Of, Ties, check_of, fraction, masks_at
from pruneattr_core.values import ChangeOf, Contributions

#: What is removed where nothing is asked for, of the contributing neurons. Both on SqueezeNet and on
#: EfficientNet-Lite0, PruneGrad finds the objects of DAVIS best between 0.75 and 0.88 (perf/dial.py).
DEFAULT = 0.8

Sparsity = float | Literal["calibrated"] | None


@dataclass(frozen=True)
class Dial:
    """How many neurons go.

    Attributes:
        sparsity: fraction to remove, in [0, 1]; "calibrated" for the fraction of all neurons at which the
            network's mean output change is 15 % (PG2); None for 0.8 of the contributing neurons.
        of: what the fraction is a share of: "all" neurons, or the "contributing" ones of score above 0.
        output_change: if given, replaces `sparsity`: per input, prune about 1 % at a time until the output
            change of the zero-mode network first exceeds it (PG1 section 4.1).
        change_of: what changes: the "response" (PG1 eq. 1, PG2 eq. 1) or its "probability" (released code).
    """

    sparsity: Sparsity = None
    of: Of = "all"
    output_change: float | None = None
    change_of: ChangeOf = "response"

    def __post_init__(self) -> None:
        """Check what can be checked without a network."""
        if isinstance(self.sparsity, str) and self.sparsity != "calibrated":
            raise InputError(
                f'Expected sparsity as a number in [0, 1] or "calibrated", got {self.sparsity!r}.'
            )
        check_of(self.of)
        check_change(self.output_change, self.change_of)

    def level(self, model: nn.Module) -> tuple[float, Of]:
        """The sparsity and what it is a share of, where no output change is given.

        Raises:
            InputError: "calibrated", and nothing is stored for this network.
        """
        if self.sparsity is None:
            return DEFAULT, "contributing"
        if self.sparsity == "calibrated":
            return calibrated(model, self.change_of), "all"
        return fraction(self.sparsity), self.of

    def masks(
        self, model: nn.Module, inputs: Tensor, scores: Contributions, ties: Ties = "drop"
    ) -> tuple[Tensor, ...]:
        """What is kept of each input: bool (B, *shape) per call.

        Args:
            model: network in eval mode.
            inputs: (B, C, H, W), the batch that was scored.
            scores: its contributions.
            ties: see `Contributions.path`.

        Raises:
            InputError: an argument out of range.
        """
        if self.output_change is None:
            sparsity, of = self.level(model)
            return next(masks_at(scores.layers, [sparsity], ties, of, scores.names))
        found = sparsity_for_change(
            model, inputs, scores, self.output_change, ties, self.change_of, self.of
        ).tolist()
        each = [
            next(masks_at(scores[image].layers, [sparsity], ties, self.of, scores.names))
            for image, sparsity in enumerate(found)
        ]
        return tuple(torch.cat(layer) for layer in zip(*each, strict=True))


def levels(model: nn.Module, sparsities: Sequence[float] | None, of: Of) -> tuple[tuple[float, ...], Of]:
    """The sparsities of a sweep and what they are shares of; None is the default of the dial."""
    if sparsities is None:
        sparsity, of = Dial(of=of).level(model)
        return (sparsity,), of
    try:
        return tuple(fraction(one) for one in sparsities), of
    except TypeError as error:
        raise InputError(f"Expected several sparsities, such as [0, 0.8], got {sparsities!r}.") from error
