"""How ROAR's networks learn: one plain loop, and the same steps replayed as a CUDA graph.

A step of ResNet-8 is some hundred small kernels. On an H100 the plain loop waits for Python more than half of
its time, and grouped kernels for many networks at once (`torch.func.vmap`) were slower still: .8 of the plain
loop. A recorded step is replayed without Python, its kernels fused by `torch.compile`, in bfloat16 where
autocast chooses that; several processes may share the card. `perf/roar.py` measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Of a batch: numbers of its pictures, rows and columns where their crops begin, whether mirrored; (B,) each.
Choices = tuple[Tensor, Tensor, Tensor, Tensor]


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


def train_alone(
    build: Callable[[], nn.Module], data: Tensor, labels: Tensor, seed: int, recipe: Recipe
) -> nn.Module:
    """A network that a plain loop has trained, in eval mode.

    Args:
        build: makes a network; called after its seed was set, on the CPU.
        data: (N, C, H, W), normalised, on the device that trains.
        labels: (N,) int64 on that device.
        seed: of initial weights, order and augmentation.
        recipe: see `Recipe`.
    """
    model = _fresh(build, seed).to(data).to(memory_format=torch.channels_last).train()
    random, padded = torch.Generator().manual_seed(seed), _padded(data, recipe.pad)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, recipe.every, recipe.gamma)
    for _ in range(recipe.epochs):
        for batch in epoch_of(len(labels), recipe, random):
            picked, top, left, mirrored = (part.to(data.device) for part in batch)
            x = _cropped(padded, picked, top, left, mirrored, recipe.pad)
            optimiser.zero_grad(set_to_none=True)
            F.cross_entropy(model(x), labels[picked]).backward()
            optimiser.step()
        schedule.step()
    return model.eval()


class Recorded:
    """The step of `train_alone`, recorded once on a GPU and replayed for one network after another.

    On a CPU nothing is recorded and all is computed in the precision of the data.

    Args:
        build: see `train_alone`.
        data: any (N, C, H, W) of the data sets to come, which have its shape, type and device.
        labels: (N,) int64, theirs.
        recipe: see `Recipe`.
    """

    def __init__(self, build: Callable[[], nn.Module], data: Tensor, labels: Tensor, recipe: Recipe) -> None:
        self._build, self._labels, self._recipe, self._device = build, labels, recipe, data.device
        self._on_gpu = data.device.type == "cuda"
        self._model = _fresh(build, 0).to(data).to(memory_format=torch.channels_last).train()
        self._called = torch.compile(self._model) if self._on_gpu else self._model
        self._padded = _padded(data, recipe.pad)
        self._rate = torch.tensor(recipe.lr, device=data.device)
        self._optimiser = torch.optim.Adam(
            self._model.parameters(), lr=self._rate, weight_decay=recipe.weight_decay,
            capturable=self._on_gpu, fused=self._on_gpu, foreach=False,
        )  # fmt: skip
        whole = len(labels) // recipe.batch
        still = torch.zeros(whole, recipe.batch, dtype=torch.int64, device=data.device)
        #: The whole batches of an epoch, and which is next.
        self._epoch: Choices = (still, still.clone(), still.clone(), still.bool())
        self._next = torch.zeros(1, dtype=torch.int64, device=data.device)
        self._graph = self._record() if self._on_gpu and whole else None

    def learn(self, data: Tensor, seed: int) -> nn.Module:
        """The network that learnt from `data`, in eval mode; the same object every time, with new weights."""
        self._padded.copy_(_padded(data, self._recipe.pad))
        self._begin(seed)
        random, recipe = torch.Generator().manual_seed(seed), self._recipe
        for epoch in range(recipe.epochs):
            self._rate.fill_(recipe.lr * recipe.gamma ** (epoch // recipe.every))
            batches = list(epoch_of(len(self._labels), recipe, random))
            whole = [batch for batch in batches if len(batch[0]) == recipe.batch]
            for place, parts in zip(self._epoch, zip(*whole, strict=True), strict=bool(whole)):
                place.copy_(torch.stack(parts))
            self._next.zero_()
            for _ in whole:
                if self._graph is None:
                    self._following()
                else:
                    self._graph.replay()
            for rest in batches[len(whole) :]:
                self._step(self._model, tuple(part.to(self._device) for part in rest))
        return self._model.eval()

    def _begin(self, seed: int) -> None:
        """The seed's weights, and an optimiser that has seen nothing; in the memory that was recorded."""
        self._model.train()
        with torch.no_grad():
            own = self._model.state_dict()
            for name, value in _fresh(self._build, seed).state_dict().items():
                own[name].copy_(value)
            for state in self._optimiser.state.values():
                for value in state.values():
                    value.zero_()

    def _following(self) -> None:
        """Learn from the next whole batch."""
        choices = tuple(part.index_select(0, self._next)[0] for part in self._epoch)
        self._step(self._called, choices)
        self._next += 1

    def _step(self, called: Callable[[Tensor], Tensor], choices: tuple[Tensor, ...]) -> None:
        picked, top, left, mirrored = choices
        x = _cropped(self._padded, picked, top, left, mirrored, self._recipe.pad)
        self._optimiser.zero_grad(set_to_none=True)
        # Its cache of cast weights would hold memory of one recording in another.
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._on_gpu, cache_enabled=False):
            loss = F.cross_entropy(called(x), self._labels[picked])
        loss.backward()
        self._optimiser.step()

    def _record(self) -> torch.cuda.CUDAGraph:
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # compiles, chooses kernels, makes the optimiser's state
                self._next.zero_()
                self._following()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._following()
        return graph


def epoch_of(count: int, recipe: Recipe, random: torch.Generator) -> Iterator[Choices]:
    """An epoch's batches: order, random crops, mirrored or not; all from `random`, on the CPU."""
    for picked in torch.randperm(count, generator=random).split(recipe.batch):
        top, left = torch.randint(0, 2 * recipe.pad + 1, (2, len(picked)), generator=random)
        yield picked, top, left, torch.rand(len(picked), generator=random) < 0.5


def _padded(data: Tensor, pad: int) -> Tensor:
    """Pictures (N, C, H, W) with a border of 0, as (N, H + 2 pad, W + 2 pad, C)."""
    return F.pad(data, (pad, pad, pad, pad)).permute(0, 2, 3, 1).contiguous()


def _cropped(padded: Tensor, picked: Tensor, top: Tensor, left: Tensor, mirrored: Tensor, pad: int) -> Tensor:
    """Crops (B, C, H, W) of `_padded` pictures, half of them mirrored."""
    height, width = (side - 2 * pad for side in padded.shape[1:3])
    across = torch.arange(width, device=padded.device)
    rows = top[:, None] + torch.arange(height, device=padded.device)
    columns = left[:, None] + torch.where(mirrored[:, None], across.flip(0), across)
    return padded[picked[:, None, None], rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def _fresh(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
