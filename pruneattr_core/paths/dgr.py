"""Distillation guided routing: a gate on every neuron, trained to keep the answer (SCP eq. 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.brief import brief
from pruneattr_core.checks import check_inputs
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_progress, check_whole, several
from pruneattr_core.graph import Graph, bytes_each
from pruneattr_core.heads import Head, distance, head_of, same_answer
from pruneattr_core.one_of import is_one_of
from pruneattr_core.runtime import Tick, chunks, own_modes
from pruneattr_core.same import same
from pruneattr_core.selection import masks_at

Init = Literal["one", "random"]

# Hyper-parameters of the authors' released code.
ITERATIONS = 1000
LEARNING_RATE = 0.01
MOMENTUM = 0.9
GAMMA = 0.01


@dataclass(frozen=True, eq=False)
class Gates:
    """Trained gates.

    Attributes:
        names: one name per activation call.
        layers: (B, *shape) per call, >= 0.
        loss: (B,) at the iterate taken.
        iteration: (B,) int64, which iterate that was.
        kept_prediction: (B,) bool; where False no iterate kept the answer, and the last was taken.
        settings: how they were trained; JSON values only.
    """

    names: tuple[str, ...]
    layers: tuple[Tensor, ...]
    loss: Tensor
    iteration: Tensor
    kept_prediction: Tensor
    settings: dict[str, Any]

    __repr__ = brief
    __eq__ = same

    def paths(self, sparsities: Sequence[float]) -> list[Path]:
        """Keep gates > percentile. Many gates end at exactly 0 and go together: see `Path.sparsity`."""
        levels = several("sparsities", sparsities, "[0.9]")
        return [
            Path(self.names, masks, {**self.settings, "sparsity": float(sparsity), "ties": "drop"})
            for sparsity, masks in zip(levels, masks_at(self.layers, levels), strict=True)
        ]


@own_modes()
def dgr_gates(
    model: nn.Module,
    inputs: Tensor,
    init: Init = "one",
    seed: int = 0,
    iterations: int = ITERATIONS,
    progress: Tick | None = None,
    class_scores: bool = False,
    head: Head | None = None,
) -> Gates:
    """Minimise L(f(x), f(x; lambda * a)) + gamma * sum |lambda| over gates lambda >= 0.

    L is the cross entropy of what the head reads (`heads.distance`): of the softmax as in the released code,
    or of every class by itself. Plain SGD with momentum, gates clamped at 0 after every step; of all iterates
    that keep the answer the one of smallest loss is taken, iterate 0 being the start. Images of a batch are
    independent. The target plays no part: the whole answer is distilled. About `iterations` forward and
    backward passes.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W).
        init: "one" starts all gates at 1, "random" uniformly in [0, 1), the same start for every image of the
            batch, drawn call by call from numpy's legacy generator as in the released code.
        seed: of the random start.
        iterations: iterates looked at, >= 1.
        progress: called with (iterations done, all, over the parts of the batch); may raise to stop.
        class_scores: whether class scores get gates too, see `contributions`.
        head: how the outputs are read; None for what is known or seen of the network.

    Raises:
        InputError: unknown init, iterations < 1 or inputs the model cannot take.
        ModelError: a network without activations, in training mode, or one whose gradient ends on the way.
    """
    check_progress(progress)
    if not is_one_of(init, ("one", "random")):
        raise InputError(f'Expected init "one" or "random", got {init!r}.')
    check_whole("iterations", iterations, 1)
    check_whole("seed", seed, 0, 2**32 - 1)
    inputs = check_inputs(model, inputs)
    # Raises where gates would get no gradient.
    Graph(model, inputs[:1], to_input=False, class_scores=class_scores, finite=False)
    # Gates, velocities, gradients and best gates come on top of the pass itself.
    slices = list(chunks(len(inputs), 2 * bytes_each(inputs), inputs))
    parts = []
    for k, part in enumerate(slices):
        tick = None
        if progress is not None:
            tick = lambda done, k=k: progress(k * iterations + done, len(slices) * iterations)  # noqa: E731
        parts.append(_train(model, inputs[part], init, seed, iterations, tick, class_scores, head))
    names = parts[0][0]
    layers, loss, iteration, kept = zip(*(part[1:] for part in parts), strict=True)
    settings: dict[str, Any] = {"method": "dgr_init1" if init == "one" else "dgr_random"}
    settings |= {"iterations": iterations, "lr": LEARNING_RATE, "momentum": MOMENTUM, "gamma": GAMMA}
    if init == "random":
        settings["seed"] = seed
    return Gates(
        names,
        tuple(torch.cat(layer) for layer in zip(*layers, strict=True)),
        torch.cat(loss),
        torch.cat(iteration),
        torch.cat(kept),
        settings,
    )


def _train(
    model: nn.Module,
    inputs: Tensor,
    init: Init,
    seed: int,
    iterations: int,
    tick: Callable[[int], None] | None,
    class_scores: bool,
    head: Head | None,
) -> tuple[tuple[str, ...], list[Tensor], Tensor, Tensor, Tensor]:
    with torch.inference_mode(False), torch.no_grad():
        record = tape.run(model, inputs.clone(), class_scores=class_scores)
        names, original = record.names, record.logits
        own = head_of(model, original, head, record.normalised)
        gates = _start(record.activations, init, seed)
        del record
        speed = [torch.zeros_like(gate) for gate in gates]
        best = [gate.clone() for gate in gates]
    smallest = torch.full((len(inputs),), torch.inf, dtype=inputs.dtype, device=inputs.device)
    taken = torch.full((len(inputs),), -1, device=inputs.device)
    for iteration in range(iterations):
        with torch.inference_mode(False), torch.enable_grad():
            for gate in gates:
                gate.requires_grad_()
            record = tape.run(model, inputs.clone(), lambda i, a: a * gates[i], class_scores=class_scores)
            logits = record.logits
            del record
            answer = distance(logits, original, own)
            size = torch.stack([gate.abs().flatten(1).sum(1) for gate in gates]).sum(0)
            loss = answer + GAMMA * size
            gradients = torch.autograd.grad(loss.sum(), gates)
        with torch.no_grad():
            loss = loss.detach()
            better = same_answer(logits, original, own) & (loss < smallest)
            if bool(better.any()) or iteration == iterations - 1:
                # Without any iterate that keeps the prediction, the last one is what there is.
                take = better | ((taken < 0) if iteration == iterations - 1 else False)
                for kept, gate in zip(best, gates, strict=True):
                    kept[take] = gate[take]
                smallest = torch.where(take, loss, smallest)
                taken = torch.where(better, iteration, taken)
            for gate, velocity, gradient in zip(gates, speed, gradients, strict=True):
                velocity.mul_(MOMENTUM).add_(gradient)
                gate.sub_(velocity, alpha=LEARNING_RATE).clamp_(min=0)
        if tick is not None:
            tick(iteration + 1)
    kept_prediction = taken >= 0
    return names, best, smallest, torch.where(kept_prediction, taken, iterations - 1), kept_prediction


def _start(activations: Sequence[Tensor], init: Init, seed: int) -> list[Tensor]:
    if init == "one":
        return [torch.ones_like(a) for a in activations]
    generator = np.random.RandomState(seed)
    gates = []
    for activation in activations:
        start = torch.from_numpy(generator.uniform(0, 1, tuple(activation.shape[1:])))
        gates.append(torch.empty_like(activation).copy_(start.to(activation).expand_as(activation)))
    return gates
