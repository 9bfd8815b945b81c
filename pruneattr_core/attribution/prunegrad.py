"""PruneGrad: the input gradient of the network pruned for this input (PG2 section 3, PG1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from pruneattr_core.attribution.captum_shape import CaptumShaped, attributing
from pruneattr_core.checks import Target, check_inputs, check_scores
from pruneattr_core.errors import ArgumentTypeError, InputError
from pruneattr_core.given import check_progress
from pruneattr_core.graph import Graph, bytes_each
from pruneattr_core.heads import Head, answering, check_head
from pruneattr_core.one_of import is_one_of
from pruneattr_core.paths.dial import Dial, Sparsity, levels
from pruneattr_core.pruning import (
    AT_FEWER,
    AT_NONE,
    Instead,
    Replacement,
    check_mode,
    not_finite,
    outputs_of,
    part_of,
    pruned_gradient,
)
from pruneattr_core.response import Asked, asked_of, joined
from pruneattr_core.runtime import Tick, chunks, own_modes
from pruneattr_core.scoring import METHODS, contributions
from pruneattr_core.scoring.taylor import taylor_scores
from pruneattr_core.selection import (
    Of,
    Removal,
    Ties,
    kept_whole,
    masks_at,
    not_ranked,
    removed_count,
    silent_count,
    with_ranks,
)
from pruneattr_core.values import ChangeOf, Contributions, Outputs, Sweep

Inputs = TypeVar("Inputs", Tensor, tuple[Tensor, ...])


class PruneGrad(CaptumShaped):
    """Gradient of the response of the pruned network with respect to the input.

    Neurons are ranked network-wide by their contribution to this input's response and the lowest are
    removed; the map is d f_p / d x of what is left. Captum-shaped: works inside `NoiseTunnel` and
    `captum.metrics`. The model is shared safely: no hooks, no edits, any number of threads.

    The authors' released code offers mode zero with ties "drop" only; both agree with it exactly.

    Example:
        >>> from pruneattr_core import PruneGrad, load_model, model_card
        >>> from pruneattr_core.datasets import load_dataset
        >>> model, card = load_model("scenes-net"), model_card("scenes-net")
        >>> inputs = card.preprocess(load_dataset("scenes")[3].image)
        >>> PruneGrad(model).attribute(inputs).shape
        torch.Size([1, 3, 128, 128])
        >>> sweep = PruneGrad(model).sweep(inputs, sparsities=[0, 0.9], of="contributing")
        >>> [card.classes[int(answer)] for answer in sweep.prediction[:, 0]]
        ['star', 'star']
    """

    def __init__(self, model: nn.Module, head: Head | None = None) -> None:
        """Take a network in eval mode.

        Args:
            model: (B, C, H, W) -> logits (B, classes).
            head: how its outputs are read; None for what is known or seen of it, see `heads.head_of`.

        Raises:
            InputError: there is no such head.
        """
        super().__init__(model)
        self.head = None if head is None else check_head(head)

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
        contribution: str = "taylor",
        ties: Ties = "drop",
        class_scores: bool = False,
    ) -> Inputs:
        """Signed attribution of the shape of `inputs`, in logit units per input unit.

        Args:
            inputs: normalised batch (B, C, H, W), or a tuple holding just that.
            target: None for each input's predicted class; int, list or tensor as in Captum; or a response.
            sparsity: fraction of neurons removed, in [0, 1]; "calibrated" for the network's 15 % point; None
                for 0.8 of the contributing neurons.
            of: what the fraction is a share of: "all" neurons or the "contributing" ones.
            output_change: if given, replaces `sparsity`: per input, prune until the zero-mode output
                change first exceeds it (PG1 section 4.1).
            change_of: what changes: the "response" or its "probability", see `Outputs`.
            mode: "zero" multiplies pruned neurons by 0 (PG2), "freeze" makes them constants (SCP 3.1); or a
                replacement of one or B inputs, see `circuits.replacement`.
            contribution: how neurons are ranked, see `contributions`.
            ties: see `Contributions.path`.
            class_scores: whether class scores count as neurons, see `contributions`.

        Raises:
            InputError: an argument out of range, or inputs the model cannot take.
            TargetError: a target out of range.
            ModelError: a network without activations, or in training mode.
        """
        batch, dial = single(inputs), Dial(sparsity, of, output_change, change_of)
        if output_change is None:
            level, share_of = dial.level(self.model)
            sweep = self.sweep(
                batch, target, [level], mode, contribution, ties, of=share_of, class_scores=class_scores
            )
            if sweep.problems[0]:
                raise InputError(sweep.problems[0])
            attribution = sweep.maps[0]
        else:
            attribution = self._by_change(batch, target, dial, mode, contribution, ties, class_scores)
        return (attribution,) if isinstance(inputs, tuple) else attribution

    @own_modes()
    def sweep(
        self,
        inputs: Tensor,
        target: Target = None,
        sparsities: Sequence[float] | None = None,
        mode: Instead = "zero",
        contribution: str = "taylor",
        ties: Ties = "drop",
        progress: Tick | None = None,
        of: Of = "all",
        class_scores: bool = False,
        scores: Contributions | None = None,
    ) -> Sweep:
        """Maps at several sparsities, from one scoring pass.

        Levels that remove the same neurons are computed once. Mode freeze differentiates one
        retained graph once a level; mode zero runs the gated copies as memory-bounded batches.

        Args:
            inputs: normalised batch (B, C, H, W).
            target: as in `attribute`.
            sparsities: K fractions in [0, 1], in any order; None for 0.8 of the contributing neurons.
            mode: as in `attribute`.
            contribution: as in `attribute`.
            ties: as in `attribute`.
            progress: called with (maps done, K * B); may raise to stop.
            of: what the fractions are shares of: "all" neurons or the "contributing" ones.
            class_scores: as in `attribute`.
            scores: contributions of these very inputs, if they are known already; then `target`,
                `contribution` and `class_scores` are those they were computed with.

        Returns:
            Maps (K, *inputs.shape) and the pruned network's answers (K, B).
        """
        check_progress(progress)
        if not is_one_of(contribution, METHODS):
            raise InputError(f"Expected contribution in {sorted(METHODS)}, got {contribution!r}.")
        sparsities, of = levels(self.model, sparsities, of)
        if len(sparsities) == 0:
            raise InputError("Expected at least one sparsity.")
        inputs = check_inputs(self.model, inputs)
        check_mode(mode, inputs)
        if scores is not None:
            check_scores(self.model, scores, inputs)
        chosen = asked_of(target, len(inputs), self.head) if scores is None else scores.question
        total = len(sparsities) * len(inputs)
        parts = []
        for part in chunks(len(inputs), bytes_each(inputs), inputs):
            before = part.start * len(sparsities)
            tick = None if progress is None else (lambda done, b=before: progress(b + done, total))
            own = chosen[part]
            asked = (sparsities, part_of(mode, part), contribution, ties, of, class_scores)
            known = None if scores is None else scores if len(own) == len(inputs) else scores[part]
            parts.append(_sweep(self.model, inputs[part], own, *asked, tick, known))
        return replace(parts[0] if len(parts) == 1 else _join(parts), inputs=inputs.detach())

    def _by_change(
        self,
        inputs: Tensor,
        target: Target,
        dial: Dial,
        mode: Instead,
        contribution: str,
        ties: Ties,
        class_scores: bool,
    ) -> Tensor:
        inputs = check_inputs(self.model, inputs)
        check_mode(mode, inputs)
        chosen = asked_of(target, len(inputs), self.head)
        maps = []
        for image in range(len(inputs)):
            x = inputs[image : image + 1]
            scores = contributions(self.model, x, chosen[image], contribution, class_scores=class_scores)
            masks = dial.masks(self.model, x, scores, ties)
            part = part_of(mode, slice(image, image + 1))
            maps.append(pruned_gradient(self.model, x, scores.question, masks, part, class_scores)[0])
        return torch.cat(maps)


def single(inputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The one tensor in Captum's `inputs`."""
    if not isinstance(inputs, tuple):
        return inputs
    if len(inputs) != 1:
        raise ArgumentTypeError(f"Expected one input tensor, got a tuple of {len(inputs)}.")
    return inputs[0]


def _sweep(
    model: nn.Module,
    inputs: Tensor,
    target: Asked,
    sparsities: Sequence[float],
    mode: Instead,
    contribution: str,
    ties: Ties,
    of: Of,
    class_scores: bool,
    tick: Callable[[int], None] | None,
    known: Contributions | None,
) -> Sweep:
    batch, freeze = len(inputs), mode == "freeze"
    class_scores = class_scores if known is None else known.class_scores
    graph: Graph | None = None
    if contribution == "taylor" and known is None:
        graph = Graph(model, inputs, target, to_input=freeze, class_scores=class_scores)
        scores, asked, original = taylor_scores(graph), graph.asked, graph.record.logits.detach()
        names, head = graph.record.names, graph.head
    else:
        found = known or contributions(model, inputs, target, contribution, class_scores=class_scores)
        scores, asked, original = found.layers, found.question, found.logits
        names, head = found.names, found.head
        graph = Graph(model, inputs, asked, class_scores=class_scores) if freeze else None
    if not freeze:
        graph = None  # frees the activations before the gated copies run

    unranked = not_ranked(scores, names)
    if unranked:  # level 0 and the other inputs are right: they are kept
        scores, whole = with_ranks(scores)

    Key = tuple[int, ...]
    maps: dict[Key, Tensor] = {}
    logits: dict[Key, Tensor] = {}
    waiting: dict[Key, tuple[Tensor, ...]] = {}
    size = 1 if freeze else next(iter(chunks(len(sparsities), batch * bytes_each(inputs), inputs))).stop

    def flush(done: int) -> None:
        if graph is not None:
            for key, masks in waiting.items():
                maps[key], logits[key] = graph.input_gradient(masks), original
        elif waiting:
            k = len(waiting)
            stacked = [torch.cat(layer) for layer in zip(*waiting.values(), strict=True)]
            copies = inputs.repeat(k, *[1] * (inputs.ndim - 1))
            instead = mode.repeat(k) if isinstance(mode, Replacement) else mode
            gradient, answers = pruned_gradient(
                model, copies, asked.repeat(k), stacked, instead, class_scores, finite=False
            )
            maps.update(zip(waiting, gradient.split(batch), strict=True))
            logits.update(zip(waiting, answers.split(batch), strict=True))
        waiting.clear()
        if tick is not None:
            tick(done * batch)

    removed, keys = [], []
    total, silent = sum(score[0].numel() for score in scores), silent_count(scores)
    for done, ranked in enumerate(masks_at(scores, sparsities, ties, of, None)):
        if len(waiting) == size:
            flush(done)
        masks = kept_whole(ranked, whole) if unranked else ranked
        removed.append(removed_count(masks))
        keys.append(tuple(removed[-1].tolist()))  # paths nest, so equal numbers mean equal masks
        if keys[-1] not in maps and keys[-1] not in waiting:
            waiting[keys[-1]] = masks if known is None else known.spread(masks)
    del scores, ranked, masks  # their memory serves the last copies
    flush(len(sparsities))
    answers = torch.stack([logits[key] for key in keys])
    removal = Removal(torch.stack(removed), silent, total)
    outputs = outputs_of(answers, original, asked, removal, head)
    stacked_maps = torch.stack([maps[key] for key in keys])
    return Sweep(
        **vars(outputs),
        maps=stacked_maps,
        requested=tuple(float(s) for s in sparsities),
        target=asked.target,
        asked=asked,
        mode=mode.name if isinstance(mode, Replacement) else mode,
        of=of,
        problems=_problems(stacked_maps, answers, sparsities, unranked),
        neurons=total,
        answering=answering(original, head),
    )


def _problems(maps: Tensor, answers: Tensor, sparsities: Sequence[float], unranked: str) -> tuple[str, ...]:
    sentences = []
    for level, logits, sparsity in zip(maps, answers, sparsities, strict=True):
        broken = not_finite(level, logits)
        advice = AT_FEWER if sparsity > 0 else AT_NONE
        said = f"{broken} at sparsity {sparsity:g}. {advice}" if broken else ""
        sentences.append(said or (unranked if sparsity > 0 else ""))
    return tuple(sentences)


def _join(parts: Sequence[Sweep]) -> Sweep:
    names = ("maps", *(field.name for field in fields(Outputs)))
    values = {name: torch.cat([getattr(part, name) for part in parts], 1) for name in names}
    return Sweep(
        **values,
        requested=parts[0].requested,
        target=torch.cat([part.target for part in parts]),
        asked=joined([part.asked for part in parts]),
        mode=parts[0].mode,
        of=parts[0].of,
        problems=tuple(
            next(filter(None, level), "") for level in zip(*(p.problems for p in parts), strict=True)
        ),
        neurons=parts[0].neurons,
        answering=next((part.answering for part in parts if part.answering != "one"), "one"),
    )
