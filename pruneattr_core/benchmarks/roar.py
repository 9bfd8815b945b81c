"""ROAR and KAR: pixels go by attribution, then networks learn from scratch (Hooker et al. 2019, SCP table 1).

On a GPU many small trainings run as one: their weights are stacked and `torch.func.vmap` makes each step
grouped kernels. Every network keeps its own data, order, crops and initial weights, all from its own seed, so
it learns what it would learn alone, up to the rounding of other kernels. On the CPU grouped convolutions are
slower than one network after another (`perf/roar.py` measures it), so there the networks take turns.

Text and released code agree on the recipe; the released code stored its maps in 8 bits, whose ties its
figures contain. Maps keep their precision here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from pruneattr_core.benchmarks.maps import maps_of
from pruneattr_core.benchmarks.pixels import area, replace_pixels
from pruneattr_core.errors import InputError

#: Fractions removed in SCP table 1; the area starts at 0 with the accuracy of unchanged pictures.
FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
#: Called with (done, of how many); what it raises stops the work.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Recipe:
    """How a network learns; the defaults are those of the released code.

    Attributes:
        epochs: over the training pictures.
        batch: pictures of a step.
        lr: of Adam.
        weight_decay: added to the gradient.
        every: epochs after which lr is multiplied by `gamma`.
        gamma: see `every`.
        pad: pixels of the random crop, filled with 0 (the mean); pictures are mirrored at random too.
    """

    epochs: int = 50
    batch: int = 256
    lr: float = 1e-3
    weight_decay: float = 1e-4
    every: int = 10
    gamma: float = 0.5
    pad: int = 4

    def reduced(self) -> bool:
        """Whether this is less than the paper's training."""
        return self != Recipe()


def predicted(model: nn.Module, inputs: Tensor, batch: int = 64) -> Tensor:
    """Classes (N,) that the network predicts for pictures (N, C, H, W)."""
    with torch.no_grad():
        return torch.cat([model(part).argmax(1) for part in inputs.split(batch)])


def attributed(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor,
    method: Mapping[str, Any],
    how: str = "signed_max",
    batch: int = 64,
    progress: Progress | None = None,
) -> Tensor:
    """Maps (N, H, W) of normalised pictures (N, C, H, W) for classes (N,), where `inputs` are."""
    maps = torch.empty(len(inputs), *inputs.shape[2:], device=inputs.device, dtype=inputs.dtype)
    for start in range(0, len(inputs), batch):
        part = slice(start, start + batch)
        maps[part] = maps_of(model, inputs[part], target[part], method, how).to(maps)
        if progress is not None:
            progress(min(part.stop, len(inputs)), len(inputs))
    return maps


def without_pixels(inputs: Tensor, maps: Tensor, fraction: float, order: str = "morf") -> Tensor:
    """Normalised pictures with the first `fraction` of the pixels at 0, the channel mean.

    Args:
        inputs: (N, C, H, W).
        maps: (N, H, W).
        fraction: in [0, 1].
        order: "morf" removes the most relevant (ROAR), "lerf" the least relevant (KAR).
    """
    if fraction == 0:
        return inputs
    return replace_pixels(inputs, maps, fraction, [0.0] * inputs.shape[1], order)


def train_alone(
    build: Callable[[], nn.Module], data: Tensor, labels: Tensor, seed: int, recipe: Recipe
) -> nn.Module:
    """One plain training loop; arguments as for `train_together`, for one network. In eval mode."""
    model = _fresh(build, seed).to(data).to(memory_format=torch.channels_last).train()
    random = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, recipe.every, recipe.gamma)
    for _ in range(recipe.epochs):
        for picked in torch.randperm(len(labels), generator=random).split(recipe.batch):
            x = _augmented(data, picked, random, recipe.pad)
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(model(x), labels[picked.to(labels.device)]).backward()
            optimiser.step()
        schedule.step()
    return model.eval()


def train_together(
    build: Callable[[], nn.Module],
    data: Sequence[Tensor],
    labels: Tensor,
    seeds: Sequence[int],
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Train one network per entry of `data`, all at once.

    Args:
        build: makes a network; called after its seed was set, on the CPU.
        data: M tensors (N, C, H, W), normalised, on the device that trains; one tensor may appear often.
        labels: (N,) int64 on that device.
        seeds: M, of initial weights, order and augmentation.
        recipe: see `Recipe`.
        progress: called with epochs done and in all.

    Returns:
        Parameters and buffers, stacked: (M, ...) each.

    Raises:
        InputError: numbers of networks that do not match, or no data.
    """
    recipe = recipe or Recipe()
    if not data or len(data) != len(seeds) or any(len(one) != len(labels) for one in data):
        raise InputError(
            f"Expected as many seeds as data sets, all of {len(labels)} pictures, and at least one."
        )
    device, count = data[0].device, len(labels)
    networks = [_fresh(build, seed).to(device, data[0].dtype) for seed in seeds]
    parameters, buffers = stack_module_state(networks)
    skeleton = networks[0].train().to("meta")
    randoms = [torch.Generator().manual_seed(seed) for seed in seeds]
    optimiser = torch.optim.Adam(parameters.values(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, recipe.every, recipe.gamma)

    def loss_of(own: dict[str, Tensor], state: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(skeleton, (own, state), (x,)), y)

    for epoch in range(recipe.epochs):
        orders = [torch.randperm(count, generator=random) for random in randoms]
        for start in range(0, count, recipe.batch):
            picked = [order[start : start + recipe.batch] for order in orders]
            x = torch.stack(
                [_augmented(one, i, r, recipe.pad) for one, i, r in zip(data, picked, randoms, strict=True)]
            )
            y = labels[torch.stack(picked).to(device)]
            optimiser.zero_grad(set_to_none=True)
            vmap(loss_of)(parameters, buffers, x, y).sum().backward()
            optimiser.step()
        schedule.step()
        if progress is not None:
            progress(epoch + 1, recipe.epochs)
    return {name: tensor.detach() for name, tensor in parameters.items()}, buffers


def accuracy_together(
    build: Callable[[], nn.Module],
    stacked: tuple[dict[str, Tensor], dict[str, Tensor]],
    data: Sequence[Tensor],
    labels: Tensor,
    batch: int = 500,
) -> Tensor:
    """Share of right answers of every network on its own pictures, float64 (M,)."""
    skeleton = build().eval().to("meta")
    right = torch.zeros(len(data), dtype=torch.float64)
    with torch.no_grad():
        for start in range(0, len(labels), batch):
            x = torch.stack([one[start : start + batch] for one in data])
            logits = vmap(lambda p, b, one: functional_call(skeleton, (p, b), (one,)))(*stacked, x)
            right += (logits.argmax(2) == labels[start : start + batch]).sum(1).double().cpu()
    return right / len(labels)


def accuracies(
    build: Callable[[], nn.Module],
    train: Sequence[Tensor],
    labels: Tensor,
    test: Sequence[Tensor],
    test_labels: Tensor,
    seeds: Sequence[int],
    recipe: Recipe,
    together: bool,
    progress: Progress | None = None,
) -> Tensor:
    """Share of right test answers of a network trained on each entry of `train`, float64 (M,).

    Args:
        build: see `train_together`.
        train: M tensors (N, C, H, W).
        labels: (N,).
        test: M tensors (T, C, H, W), changed in the same way.
        test_labels: (T,).
        seeds: M.
        recipe: see `Recipe`.
        together: all as one group, else one after another.
        progress: called with epochs of the group, or networks, done and in all.
    """
    if together:
        group = train_together(build, train, labels, seeds, recipe, progress)
        return accuracy_together(build, group, test, test_labels)
    found = []
    for one, other, seed in zip(train, test, seeds, strict=True):
        answers = predicted(train_alone(build, one, labels, seed, recipe), other, 500)
        found.append((answers == test_labels).double().mean().cpu())
        if progress is not None:
            progress(len(found), len(seeds))
    return torch.stack(found)


def accuracy_area(base: float, accuracies: Sequence[float], fractions: Sequence[float] = FRACTIONS) -> float:
    """Area under accuracy from 0, where it is `base`, to the last fraction; trapezoids (SCP table 1)."""
    values = torch.tensor(accuracies, dtype=torch.float64)[:, None]
    return float(area(fractions, values, torch.tensor([base], dtype=torch.float64)))


def _fresh(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _augmented(data: Tensor, indices: Tensor, random: torch.Generator, pad: int) -> Tensor:
    """Random crops of the padded pictures, half of them mirrored; all choices from `random`, on the CPU."""
    height, width = data.shape[2:]
    top, left = torch.randint(0, 2 * pad + 1, (2, len(indices), 1), generator=random)
    mirrored = torch.rand(len(indices), 1, generator=random) < 0.5
    rows = top + torch.arange(height)
    columns = left + torch.where(mirrored, torch.arange(width).flip(0), torch.arange(width))
    padded = F.pad(data[indices.to(data.device)], (pad, pad, pad, pad))
    numbers = torch.arange(len(indices), device=data.device)[:, None, None]
    picked = padded.permute(0, 2, 3, 1)[
        numbers, rows[:, :, None].to(data.device), columns[:, None].to(data.device)
    ]
    return picked.permute(0, 3, 1, 2)
