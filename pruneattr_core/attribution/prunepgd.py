"""PrunePGD: the small perturbation that raises the pruned network's answer most (PG2 eq. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor, nn

from pruneattr_core.attribution.captum_shape import CaptumShaped, attributing
from pruneattr_core.attribution.prunegrad import Inputs, single
from pruneattr_core.checks import Target, check_inputs
from pruneattr_core.errors import InputError
from pruneattr_core.given import is_truth
from pruneattr_core.graph import bytes_each
from pruneattr_core.paths.dial import Dial, Sparsity
from pruneattr_core.pruning import Instead, check_mode, part_of, pruned_gradient
from pruneattr_core.response import Asked, asked_of
from pruneattr_core.runtime import chunks, own_modes
from pruneattr_core.scoring import contributions
from pruneattr_core.selection import Of, Ties, as_real
from pruneattr_core.values import ChangeOf


class PrunePGD(CaptumShaped):
    """Projected gradient ascent on f_p(x + delta) in an l2 ball; the attribution is delta.

    The path is fixed at x. Each step moves by `step_size` along the normalised gradient and projects delta
    back onto the ball. PG2 ascends on the network of mode zero; in mode freeze the pruned neurons stay what
    they are at x + delta, and no gradient passes them.

    Example:
        >>> from pruneattr_core import PrunePGD, load_model, model_card
        >>> from pruneattr_core.datasets import load_dataset
        >>> model, card = load_model("scenes-net"), model_card("scenes-net")
        >>> inputs = card.preprocess(load_dataset("scenes")[3].image)
        >>> delta = PrunePGD(model).attribute(inputs, steps=5, l2_bound=0.1)
        >>> bool(delta.norm() <= 0.1001)
        True
    """

    def __init__(self, model: nn.Module) -> None:
        """Take a classifier in eval mode, (B, C, H, W) -> logits (B, classes)."""
        super().__init__(model)

    @attributing
    @own_modes()
    def attribute(
        self,
        inputs: Inputs,
        target: Target = None,
        *,
        sparsity: Sparsity = None,
        of: Of = "all",
        output_change: float | None = None,
        change_of: ChangeOf = "response",
        mode: Instead = "zero",
        steps: int = 20,
        step_size: float = 0.01,
        l2_bound: float = 0.1,
        contribution: str = "taylor",
        ties: Ties = "drop",
        class_scores: bool = False,
    ) -> Inputs:
        """Signed perturbation of the shape of `inputs`, in normalised input units.

        Args:
            inputs: normalised batch (B, C, H, W), or a tuple holding just that.
            target: None for each input's predicted class; int, list or tensor as in Captum.
            sparsity: as `PruneGrad.attribute` takes it.
            of: as `PruneGrad.attribute` takes it.
            output_change: as `PruneGrad.attribute` takes it.
            change_of: as `PruneGrad.attribute` takes it.
            mode: "zero", "freeze" or a replacement, as `PruneGrad.attribute` takes it.
            steps: number of ascent steps, >= 1.
            step_size: l2 length of a step, > 0.
            l2_bound: radius of the ball, > 0.
            contribution: how neurons are ranked, see `contributions`.
            ties: see `Contributions.path`.
            class_scores: whether class scores count as neurons, see `contributions`.

        Raises:
            InputError: an argument out of range, or inputs the model cannot take.
        """
        whole = isinstance(steps, Integral) and not is_truth(steps) and steps >= 1
        if not whole or not all((as_real(one) or 0) > 0 for one in (step_size, l2_bound)):
            raise InputError(
                "Expected a whole number of steps >= 1, step_size > 0 and l2_bound > 0; "
                f"got {steps!r}, {step_size!r}, {l2_bound!r}."
            )
        dial = Dial(sparsity, of, output_change, change_of)
        batch = check_inputs(self.model, single(inputs))
        check_mode(mode, batch)
        chosen = asked_of(target, len(batch))
        parts = []
        for part in chunks(len(batch), bytes_each(batch), batch):
            x = batch[part]
            scores = contributions(self.model, x, chosen[part], contribution, class_scores=class_scores)
            masks, ball = dial.masks(self.model, x, scores, ties), (steps, step_size, l2_bound)
            own = part_of(mode, part)
            parts.append(ascend(self.model, x, scores.question, masks, *ball, own, class_scores))
        perturbation = torch.cat(parts)
        return (perturbation,) if isinstance(inputs, tuple) else perturbation


def ascend(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor | Asked,
    masks: Sequence[Tensor],
    steps: int,
    step_size: float,
    l2_bound: float,
    mode: Instead = "zero",
    class_scores: bool = False,
) -> Tensor:
    """Projected gradient ascent on the pruned network of fixed masks; the perturbation (B, ...)."""
    delta = torch.zeros_like(inputs)
    for _ in range(steps):
        gradient, _ = pruned_gradient(model, inputs + delta, target, masks, mode, class_scores)
        delta = _within(delta + step_size * _unit(gradient), l2_bound)
    return delta


def _norm(values: Tensor) -> Tensor:
    return values.flatten(1).norm(dim=1).view(-1, *[1] * (values.ndim - 1))


def _unit(gradient: Tensor) -> Tensor:
    """Unit length per input; a zero gradient stays zero."""
    norm = _norm(gradient)
    return gradient / torch.where(norm == 0, 1.0, norm)


def _within(delta: Tensor, radius: float) -> Tensor:
    norm = _norm(delta)
    return torch.where(norm > radius, delta * (radius / norm.clamp(min=torch.finfo(delta.dtype).tiny)), delta)
