"""The grid pointing game for one picture of any data set (Böhle et al. 2021, CoDA-Nets, CVPR).

The picture stands in one cell of a grid with pictures of other classes. A map of its class should put its
positive values into that cell; by chance a quarter of them lies there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneattr_core.attribution import explain
from pruneattr_core.attribution.captum_methods import logits_of
from pruneattr_core.attribution.watch import Progress
from pruneattr_core.benchmarks.localisation import compose_grid, grid_share
from pruneattr_core.errors import InputError
from pruneattr_core.results.cells import GAME_SIDE, Game, GameKey, Place, drawn

#: Pictures that are asked for their class before the game is given up.
CANDIDATES = 40


@dataclass(frozen=True)
class Rivals:
    """Who stands in the other cells: inputs (1, C, H, W) and where they come from."""

    inputs: tuple[Tensor, ...]
    places: tuple[Place, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the inputs."""
        return sum(x.nbytes for x in self.inputs)


def find_rivals(
    network: nn.Module, target: int, candidates: Sequence[Place], see: Callable[[Place], Tensor]
) -> Rivals:
    """The first candidates whose predicted classes differ from `target` and from each other.

    Raises:
        InputError: too few of them.
    """
    wanted, taken = GAME_SIDE**2 - 1, {target}
    inputs: list[Tensor] = []
    places: list[Place] = []
    for place in candidates:
        x = see(place)
        with torch.no_grad():
            predicted = int(logits_of(network)(x).argmax(1))
        if predicted in taken:
            continue
        taken.add(predicted)
        inputs.append(x)
        places.append(place)
        if len(places) == wanted:
            return Rivals(tuple(inputs), tuple(places))
    raise InputError(
        f"The grid pointing game needs {wanted} pictures of other predicted classes; only {len(places)} of "
        f"the {len(candidates)} pictures asked are."
    )


def own_cell(key: GameKey) -> int:
    """The cell of the picture itself: fixed by its content, so that no cell is favoured over pictures."""
    return int(key.map.subject.image[:8], 16) % GAME_SIDE**2


def play(
    network: nn.Module, x: Tensor, target: int, key: GameKey, rivals: Rivals, tell: Progress | None = None
) -> Game:
    """Explain `target` on the grid and see where the mass lies.

    Raises:
        InputError: the network takes pictures of one size only.
    """
    cell = own_cell(key)
    parts = list(rivals.inputs)
    parts.insert(cell, x)
    grid = compose_grid(torch.cat(parts), GAME_SIDE)[None]
    try:
        with torch.no_grad():
            logits_of(network)(grid)
    except (RuntimeError, ValueError, AssertionError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        side = " x ".join(map(str, x.shape[2:]))
        raise InputError(
            f"No grid pointing game: this network takes pictures of {side} only, not a grid of them."
        ) from None
    found = explain(network, grid, target, key.map.method, progress=tell, **dict(key.map.options))
    values = drawn(found.values[0].detach().float().cpu().numpy(), key.collapse, key.sign)
    return Game(grid_share(values, GAME_SIDE, GAME_SIDE, cell), rivals.places)
