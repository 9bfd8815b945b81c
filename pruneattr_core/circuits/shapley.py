"""Shapley values of the units of one layer: the shares that are efficient, symmetric and spare a null player.

The game: v(S) is the response when the units S of a layer keep their activations and the others are replaced,
all other layers computing as always. The value of unit j is the mean of v(S + j) - v(S) over all orders in
which the units may come (Shapley 1953). A dead neuron has value 0 where the replacement is 0 (SCP Lemma 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import torch
from scipy.special import stdtrit
from torch import Tensor, nn

from pruneattr_core.brief import brief
from pruneattr_core.checks import check_inputs
from pruneattr_core.circuits.replacement import Unit, positions
from pruneattr_core.circuits.scores import along
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_progress, check_whole
from pruneattr_core.graph import Graph
from pruneattr_core.one_of import is_one_of
from pruneattr_core.pruning import Replacement, check_replacement
from pruneattr_core.response import Asked, Target, asked_of, resolved
from pruneattr_core.runtime import Tick, own_modes, within_budget
from pruneattr_core.same import same
from pruneattr_core.scoring.branching import Brancher

#: Most units whose coalitions are all run: 16384 of them.
MOST_EXACT = 14

#: Coalitions of sampled orders that are laid out at once.
LAID_OUT = 4096


@dataclass(frozen=True, eq=False)
class Shapley:
    """Shapley values of the n units of one layer for one input, in units of the response; float64.

    Attributes:
        name: of the activation call.
        unit: "neuron" or "channel".
        values: (n,), in C order of the layer's units.
        half_width: (n,) half of the 95 % interval of `values`; zeros where they are exact.
        empty: v of no unit.
        full: v of all units, the response of the network.
        coalitions: evaluated.
        orders: pairs of orders drawn; 0 where the values are exact.
    """

    name: str
    unit: Unit
    values: Tensor
    half_width: Tensor
    empty: float
    full: float
    coalitions: int
    orders: int = 0

    __repr__ = brief
    __eq__ = same


class Game:
    """v of any coalitions of one layer's units, for one input, in memory-bounded batches.

    Attributes:
        name: of the activation call.
        unit: "neuron" or "channel".
        units: number of players.
        base: (1, *shape) what the others become.
        activation: (1, *shape).
        asked: the response.
    """

    @own_modes()
    def __init__(
        self,
        model: nn.Module,
        inputs: Tensor,
        target: Target,
        call: int,
        replacement: Replacement,
        unit: Unit = "channel",
    ) -> None:
        """Look at the network once.

        Args:
            model: classifier in eval mode; left untouched.
            inputs: normalised, (1, C, H, W).
            target: None for the predicted class; int, list or tensor as in Captum; or another response.
            call: number of the activation call, from 0.
            replacement: what a unit outside a coalition becomes.
            unit: "neuron" or "channel".

        Raises:
            InputError: not one input, no such call or unit, or a replacement of another network.
        """
        if not is_one_of(unit, ("neuron", "channel")):
            raise InputError(f'Expected unit "neuron" or "channel", got {unit!r}.')
        inputs = check_inputs(model, inputs)
        if len(inputs) != 1:
            raise InputError(f"Expected one input, got {len(inputs)}: Shapley values are those of one.")
        self._brancher = Brancher(model, inputs)
        calls = len(self._brancher.names)
        if isinstance(call, bool) or not isinstance(call, int) or not 0 <= call < calls:
            raise InputError(f"Expected a call from 0 to {calls - 1}, got {call!r}.")
        self.call, self.name, self.unit = call, self._brancher.names[call], unit
        self.activation = self._brancher.activations[call]
        self.asked: Asked = resolved(self._brancher.logits, asked_of(target, 1))
        layers = check_replacement(replacement, 1, self._brancher.activations)
        self.base = layers[call].expand_as(self.activation)
        at = positions(self.activation) if unit == "channel" else ()
        self._shape = tuple(1 if k in at else side for k, side in enumerate(self.activation.shape))[1:]
        self.units = int(torch.Size(self._shape).numel())

    @own_modes()
    def __call__(self, coalitions: Tensor, progress: Tick | None = None) -> Tensor:
        """V of bool coalitions (m, units): (m,) float64."""
        check_progress(progress)
        parts, done = [], 0
        size = self._brancher.bytes_each(self.call)
        for part in within_budget(len(coalitions), size, self.activation.device):
            kept = coalitions[part].view(-1, *self._shape).to(self.activation.device)

            def with_kept(a: Tensor, kept: Tensor = kept) -> Tensor:
                return torch.where(kept, a, self.base)

            logits = self._brancher.run(self.call, with_kept, len(kept), grad=False)[1]
            parts.append(self.asked.repeat(len(kept)).of(logits).double().cpu())
            done += len(kept)
            if progress is not None:
                progress(done, len(coalitions))
        return torch.cat(parts)

    @own_modes()
    def along(self, steps: int) -> Tensor:
        """(units,) float64: (a - a') x gradient summed by unit; at `steps` midpoints from a' to a, 1 at a."""
        # Raises where a gradient ends on the way.
        Graph(self._brancher.model, self._brancher.image, self.asked, to_input=False, finite=False)
        layer = along(self._brancher, self.call, self.asked, self.base, steps)
        at = positions(layer) if self.unit == "channel" else ()
        return (layer.sum(at) if at else layer).flatten().double().cpu()

    def ablation(self) -> Tensor:
        """(units,) float64: v(all) - v(all but j), each unit alone."""
        found = self(torch.cat([~torch.eye(self.units, dtype=torch.bool), torch.ones(1, self.units) > 0]))
        return found[-1] - found[:-1]


def cheaper_scores(game: Game, steps: int = 32) -> dict[str, Tensor]:
    """What cheaper scores say of the same units: name -> (units,) float64, signed, in units of the response.

    "taylor" is one gradient at the activation (PG2 eq. 3 where the replacement is 0), "integrated" the mean
    of `steps` on the way from the replacement (SCP eq. 4), "ablation" the loss when one unit alone is
    replaced. Of these only "integrated" is efficient, up to its steps.
    """
    return {"taylor": game.along(1), "integrated": game.along(steps), "ablation": game.ablation()}


@own_modes()
def exact_shapley(game: Game, progress: Tick | None = None) -> Shapley:
    """Shapley values from all 2^n coalitions.

    Raises:
        InputError: more than `MOST_EXACT` units.
    """
    check_progress(progress)
    n = game.units
    if n > MOST_EXACT:
        raise InputError(
            f"{game.name} has {n} {game.unit}s and so 2^{n} coalitions; at most {MOST_EXACT} are run "
            "exactly. Sample orders instead."
        )
    numbers = torch.arange(2**n)
    coalitions = (numbers[:, None] >> torch.arange(n)) & 1 == 1
    worth = game(coalitions, progress)
    sizes = coalitions.sum(1)
    weight = torch.tensor([1 / (n * comb(n - 1, size)) for size in range(n)], dtype=torch.float64)
    values = []
    for unit in range(n):
        without = numbers[~coalitions[:, unit]]
        gain = worth[without + (1 << unit)] - worth[without]
        values.append((weight[sizes[without]] * gain).sum())
    return Shapley(
        game.name,
        game.unit,
        torch.stack(values),
        torch.zeros(n, dtype=torch.float64),
        float(worth[0]),
        float(worth[-1]),
        len(worth),
    )


@own_modes()
def sampled_shapley(game: Game, orders: int = 64, seed: int = 0, progress: Tick | None = None) -> Shapley:
    """Shapley values from random orders, each taken forwards and backwards (antithetic sampling).

    The gains of an order and of its reverse (Castro et al. 2009; Mitchell et al. 2022, arXiv:2104.12199) are
    one draw; the interval is Student's t of 95 % over the draws. Every draw adds up to v(all) - v(none), so
    the values do.

    Args:
        game: of one layer and input.
        orders: number of such pairs, >= 2; a pair takes 2 (n - 1) coalitions.
        seed: of the orders.
        progress: called with (coalitions run, coalitions); may raise to stop.

    Raises:
        InputError: fewer than two pairs, or a seed that is none.
    """
    check_progress(progress)
    if isinstance(orders, bool) or not isinstance(orders, int) or orders < 2:
        raise InputError(f"Expected orders >= 2, got {orders!r}: an interval needs two.")
    check_whole("seed", seed, 0)
    n, generator = game.units, torch.Generator().manual_seed(seed)
    ends = game(torch.stack([torch.zeros(n, dtype=torch.bool), torch.ones(n, dtype=torch.bool)]))
    drawn = []
    runs = 2 * (n - 1)
    together = max(1, LAID_OUT // max(1, runs))
    for start in range(0, orders, together):
        pairs = min(together, orders - start)
        forwards = torch.stack([torch.randperm(n, generator=generator) for _ in range(pairs)])
        ways = torch.stack([forwards, forwards.flip(1)], 1)  # (pairs, 2, n)
        # rank[..., j] is when unit j comes; the coalition of size k holds those of rank < k.
        rank = ways.argsort(2)
        coalitions = rank[:, :, None, :] < torch.arange(1, n)[:, None]
        tick = (
            None if progress is None else (lambda done, _, b=start * runs: progress(b + done, orders * runs))
        )
        inside = (
            game(coalitions.flatten(0, 2), tick).view(pairs, 2, n - 1)
            if n > 1
            else torch.empty(pairs, 2, 0, dtype=torch.float64)
        )
        worth = torch.cat([ends[0].expand(pairs, 2, 1), inside, ends[1].expand(pairs, 2, 1)], 2)
        drawn.append(worth.diff(dim=2).gather(2, rank).mean(1))  # (pairs, n)
    gains = torch.cat(drawn)
    half = float(stdtrit(orders - 1, 0.975)) * gains.std(0) / orders**0.5
    return Shapley(
        game.name,
        game.unit,
        gains.mean(0),
        half,
        float(ends[0]),
        float(ends[1]),
        2 + orders * runs,
        orders,
    )
