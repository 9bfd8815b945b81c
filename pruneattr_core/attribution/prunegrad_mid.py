"""PruneGrad-Mid: the pruned network's gradient at an intermediate activation (PG2 eq. 5, section 4.7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core.attribution.support import spatial_axes
from pruneattr_core.checks import check_scores
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.given import check_progress
from pruneattr_core.graph import Graph
from pruneattr_core.one_of import is_one_of
from pruneattr_core.paths.dial import Dial, Sparsity
from pruneattr_core.pruning import Instead, advice_for, check_mode, gate_of, not_finite, outputs_of
from pruneattr_core.response import Asked
from pruneattr_core.runtime import own_modes
from pruneattr_core.scoring import contributions
from pruneattr_core.selection import Of, Removal, Ties, masks_at, removed_count, silent_count
from pruneattr_core.values import ChangeOf, Contributions, Outputs

#: Class names of residual blocks: torchvision's, timm's and ours.
_BLOCKS = ("BasicBlock", "Bottleneck")


@own_modes()
def prunegrad_mid(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor | Asked,
    layer: str | None = None,
    sparsity: Sparsity = None,
    of: Of = "all",
    output_change: float | None = None,
    change_of: ChangeOf = "response",
    mode: Instead = "zero",
    contribution: str = "taylor",
    ties: Ties = "drop",
    class_scores: bool = False,
    scores: Contributions | None = None,
) -> Tensor:
    """Sum over channels of |d f_p / d a|, upsampled bilinearly (align_corners False): (B, 1, H, W), >= 0.

    a are the activations of one call and f_p the network pruned as for PruneGrad, with the path applied
    at that call too: a removed neuron has no influence on f_p, so its derivative counts as 0.

    Args:
        model: network in eval mode.
        inputs: checked batch (B, C, H, W).
        target: classes (B,) int64, or another response.
        layer: name of an activation call (`Record.names`); None for `default_layer`.
        sparsity: as `PruneGrad.attribute` takes it.
        of: as `PruneGrad.attribute` takes it.
        output_change: as `PruneGrad.attribute` takes it.
        change_of: as `PruneGrad.attribute` takes it.
        mode: "zero", "freeze" or a replacement.
        contribution: how neurons are ranked, see `contributions`.
        ties: see `Contributions.path`.
        class_scores: whether class scores count as neurons, see `contributions`.
        scores: contributions of these very inputs, if they are known already; then `target`, `contribution`
            and `class_scores` are those they were computed with.

    Raises:
        InputError: an argument out of range, or a layer without rows and columns.
        ModelError: no activation of the network has rows and columns, or the response depends
            differentiably on part of it only.
    """
    check_mode(mode, inputs)
    dial = Dial(sparsity, of, output_change, change_of)
    if scores is None:
        scores = contributions(model, inputs, target, contribution, class_scores=class_scores)
    check_scores(model, scores, inputs)
    look = _Look.at(model, inputs, scores, layer)
    masks = scores.spread(dial.masks(model, inputs, scores, ties))
    found, logits = look.through(model, inputs, scores, masks, mode)
    if broken := not_finite(found, logits):
        raise InputError(f"{broken}. {advice_for(masks)}")
    return found


@own_modes()
def mid_sweep(
    model: nn.Module,
    inputs: Tensor,
    scores: Contributions,
    sparsities: Sequence[float],
    layer: str | None = None,
    of: Of = "all",
    mode: Instead = "zero",
    ties: Ties = "drop",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Outputs]:
    """`prunegrad_mid` at K sparsities, and what the pruned networks answer, from the same passes.

    Args:
        model: network in eval mode.
        inputs: checked batch (B, C, H, W).
        scores: contributions of these very inputs.
        sparsities: K fractions in [0, 1].
        layer: as in `prunegrad_mid`.
        of: as in `prunegrad_mid`.
        mode: as in `prunegrad_mid`; in mode freeze nothing of the answers changes.
        ties: as in `prunegrad_mid`.
        progress: called with (levels done, K); may raise to stop.

    Returns:
        Maps (K, B, 1, H, W), and answers with fields (K, B); NaN at levels where the pruned network has none.

    Raises:
        InputError: an argument out of range, or a layer without rows and columns.
        ModelError: no activation of the network has rows and columns, or the response depends
            differentiably on part of it only.
    """
    check_progress(progress)
    check_mode(mode, inputs)
    if not sparsities:
        raise InputError("Expected at least one sparsity.")
    check_scores(model, scores, inputs)
    look = _Look.at(model, inputs, scores, layer)
    removed, known, keys = [], {}, []
    for done, ranked in enumerate(masks_at(scores.layers, sparsities, ties, of, scores.names)):
        if progress is not None:
            progress(done, len(sparsities))
        removed.append(removed_count(ranked))
        keys.append(tuple(removed[-1].tolist()))  # paths nest, so equal numbers mean equal masks
        if keys[-1] not in known:
            known[keys[-1]] = look.through(model, inputs, scores, scores.spread(ranked), mode)
    maps, logits = (torch.stack([known[key][part] for key in keys]) for part in (0, 1))
    removal = Removal(torch.stack(removed), silent_count(scores.layers), scores.neurons)
    return maps, outputs_of(logits, scores.logits, scores.question, removal, scores.head)


class _Look(NamedTuple):
    """The activation call that is looked at, its axes of rows and columns, and the size of the picture."""

    call: int
    axes: tuple[int, ...]
    size: tuple[int, ...]

    @classmethod
    def at(cls, model: nn.Module, inputs: Tensor, scores: Contributions, layer: str | None) -> _Look:
        """The call of that name, or of `default_layer`; a gradient must go on to the input."""
        Graph(model, inputs[:1], scores.question[:1])
        size = tuple(inputs.shape[2:])
        places = {
            name: (call, axes)
            for call, (name, mask) in enumerate(zip(scores.names, scores.dead, strict=True))
            if (axes := spatial_axes(tuple(mask.shape[1:]), size))
        }
        chosen = default_layer(model, tuple(places)) if layer is None else layer
        if not is_one_of(chosen, places):
            raise InputError(
                f"Expected an activation with rows and columns, got {layer!r}. "
                f"This network has: {', '.join(places)}."
            )
        return cls(*places[chosen], size)

    def through(
        self,
        model: nn.Module,
        inputs: Tensor,
        scores: Contributions,
        masks: tuple[Tensor, ...],
        mode: Instead,
    ) -> tuple[Tensor, Tensor]:
        """The map through the pruned network, (B, 1, H, W), and the logits that network answers."""
        graph = Graph(
            model,
            inputs,
            scores.question,
            gate=gate_of(masks, mode),
            to_input=False,
            class_scores=scores.class_scores,
            finite=False,
        )
        gradient = graph.activation_gradients([self.call])[0] * masks[self.call]
        channels = ({1, 2, 3} - {axis + 1 for axis in self.axes}).pop()
        small = gradient.abs().sum(channels).unsqueeze(1)
        big = F.interpolate(small, size=self.size, mode="bilinear", align_corners=False).detach()
        return big, graph.record.logits.detach()


def default_layer(model: nn.Module, names: tuple[str, ...]) -> str:
    """The activation to look at: the paper's where the network has residual blocks.

    That is the last activation of the second-to-last residual block (PG2 4.7). Elsewhere it is the
    second-to-last activation with rows and columns: as late and as coarse as the paper's.

    Args:
        model: the network.
        names: activation calls with rows and columns, in call order.

    Raises:
        ModelError: there are none.
    """
    if not names:
        raise ModelError("No activation of this network has rows and columns, so it cannot be mapped back.")
    blocks = [name for name, module in model.named_modules() if type(module).__name__ in _BLOCKS]
    inside = [name for name in names if len(blocks) > 1 and name.startswith(f"{blocks[-2]}.")]
    return inside[-1] if inside else names[max(0, len(names) - 2)]
