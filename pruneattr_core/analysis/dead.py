"""How many neurons of a path were dead in the original network (SCP section 2.4, fig. 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pruneattr_core.analysis.interval import Interval, mean_interval
from pruneattr_core.brief import brief
from pruneattr_core.critical_path import Path
from pruneattr_core.same import same
from pruneattr_core.selection import share_removed


@dataclass(frozen=True, eq=False)
class Prevalence:
    """Dead neurons of a path beside those of the network.

    Attributes:
        share: (B,) or (calls, B), of the path's neurons that were dead, in [0, 1].
        base_rate: the same of all neurons: what a random path has.
    """

    share: Tensor
    base_rate: Tensor

    __repr__ = brief
    __eq__ = same


def prevalence(path: Path, dead: Sequence[Tensor], per_layer: bool = False) -> Prevalence:
    """Dead share of a path, and the base rate.

    Args:
        path: of B inputs.
        dead: bool (B, *shape) per call, as `Contributions.dead`.
        per_layer: per activation call instead of network-wide.

    Raises:
        InputError: `dead` belongs to another network or batch.
    """
    share = path.dead_share(dead, per_layer)
    if per_layer:
        base = Path(path.names, tuple(dead)).kept.double() / torch.tensor(
            path.neurons, device=dead[0].device
        ).view(-1, 1)
    else:
        base = 1 - share_removed(dead)
    return Prevalence(share.cpu(), base.cpu())


def prevalence_over(paths: Mapping[str, Path], dead: Sequence[Tensor]) -> dict[str, Interval]:
    """Mean and 95 % t interval over the images of a batch, per name; "all neurons" is the base rate."""
    found = {name: mean_interval(prevalence(path, dead).share.tolist()) for name, path in paths.items()}
    found["all neurons"] = mean_interval((1 - share_removed(dead)).tolist())
    return found
