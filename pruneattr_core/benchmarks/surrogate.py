"""F-Fidelity (Zheng et al. 2024): faithfulness asked of a copy that was taught to bear missing pixels.

Fidelity removes what a map marks and watches the answer. Pictures with holes are foreign to the network, so
that its answer may move for that reason alone. The remedy: fine-tune a copy on pictures with holes drawn
without any map, and never make larger holes in the test than it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pruneattr_core.benchmarks.sanity import private_copy
from pruneattr_core.benchmarks.undisturbed import scores_in, undisturbed
from pruneattr_core.errors import ModelError
from pruneattr_core.heads import Head, distance, probabilities
from pruneattr_core.refusing import asked
from pruneattr_core.runtime import own_modes


@dataclass(frozen=True)
class Surrogate:
    """How the copy is taught.

    Attributes:
        beta: largest share of the pixels that is missing, in training and in the test.
        steps: of SGD.
        batch: pictures a step.
        rate: learning rate, falling to 0 by a cosine.
    """

    beta: float = 0.1
    steps: int = 200
    batch: int = 32
    rate: float = 1e-3


@own_modes()
def fine_tuned(
    model: nn.Module,
    pictures: Callable[[Sequence[int]], Tensor],
    count: int,
    how: Surrogate,
    seed: int,
    head: Head = "softmax",
) -> nn.Module:
    """A private copy that answers pictures with holes as the network answers them whole; frozen, eval mode.

    Holes are the mean colour (0). Normalisations keep their statistics. Labels are not needed: the soft
    answers of the network are what is learned.

    Args:
        model: frozen, in eval mode; stays as it is.
        pictures: numbers of training pictures -> normalised batch on the network's device.
        count: of training pictures.
        how: see `Surrogate`.
        seed: of the order and the holes.
        head: how the network's outputs are read.

    Raises:
        ModelError: the network is in training mode.
    """
    if any(module.training for module in model.modules()):
        raise ModelError("The model is in training mode. Call model.eval() first.")
    copy = private_copy(model).eval().requires_grad_(True)
    optimiser = torch.optim.SGD(copy.parameters(), how.rate, momentum=0.9)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, how.steps)
    rng = np.random.default_rng((seed, 11))
    with undisturbed(model, pictures([0])):
        for _ in range(how.steps):
            inputs = pictures([int(k) for k in rng.integers(0, count, how.batch)])
            gone = _scattered(rng, len(inputs), inputs.shape[2:].numel(), how.beta * rng.random(len(inputs)))
            with torch.no_grad():
                told = scores_in(asked(model, inputs), len(inputs))
            with torch.enable_grad():
                answers = scores_in(asked(copy, _without(inputs, gone)), len(inputs))
                loss = _far(answers, told, head)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
            optimiser.step()
            falling.step()
    return copy.requires_grad_(False)


def _far(answers: Tensor, told: Tensor, head: Head) -> Tensor:
    if head == "softmax":
        return F.cross_entropy(answers, told.softmax(1))
    return distance(answers, told, head).mean()


def fidelity(
    surrogate: nn.Module,
    x: Tensor,
    target: Tensor,
    values: Tensor,
    sizes: Sequence[float],
    alpha: float,
    beta: float,
    draws: int,
    seed: int,
    head: Head = "softmax",
) -> tuple[float, float]:
    """(Fid+, Fid-) of one map, means over sizes and draws of the probability that is lost.

    An explanation of size s is the share s of the pixels that the map puts highest. Fid+ removes, at random,
    the share alpha of it, Fid- the share alpha of the rest; never more than beta of the picture.

    Args:
        surrogate: see `fine_tuned`.
        x: one normalised picture (1, C, H, W).
        target: (1,).
        values: (H, W), more is more relevant.
        sizes: in (0, 1).
        alpha: share removed.
        beta: see above.
        draws: random choices a size.
        seed: of them.
        head: how the network's outputs are read.
    """

    def read(inputs: Tensor) -> Tensor:
        return probabilities(scores_in(asked(surrogate, inputs), len(inputs)), head)[:, target[0]]

    rng, pixels = np.random.default_rng((seed, 12)), values.numel()
    order = values.reshape(-1).argsort(descending=True, stable=True).cpu().numpy()
    parts = [part for s in sizes for part in np.split(order, [max(1, round(s * pixels))])]
    gone = np.zeros((len(parts), draws, pixels), bool)
    for part, rows in zip(parts, gone, strict=True):
        amount = min(int(alpha * len(part)), int(beta * pixels))
        for row in rows:
            row[rng.choice(part, amount, replace=False)] = True
    holes = torch.from_numpy(gone.reshape(-1, pixels))
    with undisturbed(surrogate, x), torch.no_grad():
        whole = read(x)[0]
        kept = [read(_without(x.expand(len(some), *x.shape[1:]), some)) for some in holes.split(64)]
    lost = (whole - torch.cat(kept)).double().view(len(sizes), 2, draws).mean((0, 2))
    return float(lost[0]), float(lost[1])


def _scattered(rng: np.random.Generator, count: int, pixels: int, shares: NDArray[np.float64]) -> Tensor:
    """Bool (count, pixels): the given share of each row, at random."""
    ranks = rng.random((count, pixels)).argsort(1).argsort(1)
    return torch.from_numpy(ranks < (shares[:, None] * pixels))


def _without(inputs: Tensor, gone: Tensor) -> Tensor:
    """Pictures whose pixels `gone`, bool (B, H * W), are the mean colour."""
    return inputs * (~gone).view(len(inputs), 1, *inputs.shape[2:]).to(inputs)
