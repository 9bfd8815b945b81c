"""Rules for the integral over alpha in [0, 1] of NeuronIntGrad.

The integrand is a gradient of a piecewise linear network: it jumps wherever scaling the layer switches a
later neuron, thousands of times. Every rule's error therefore falls as 1/n, and of equally spaced rules the
midpoint rule has the smallest (perf/intgrad.py measures the ranking that each gives). Where jumps are as
dense as in SqueezeNet the ranking settles slowly: paths at sparsity .8, .9 and .95 are like those of 600
midpoints (Jaccard) to .977, .973 and .973 with 32 nodes, .986, .982 and .981 with 64, and .987, .985 and .983
with 80, on one photograph. What is published rests on `settling`, which takes as many as the ranking needs.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from pruneattr_core.errors import InputError
from pruneattr_core.one_of import is_one_of

Rule = Literal["midpoint", "uniform", "gauss"]

#: Nodes of each rule when none are asked for. Midpoint: as accurate a ranking as the papers' rule, whose 50
#: steps alpha = 0, 1/50, ..., 1 are 51 nodes. Gauss-Legendre: for smooth networks.
NODES: dict[Rule, int] = {"midpoint": 32, "uniform": 51, "gauss": 16}
#: Midpoints of a preview, which says so wherever it is shown.
PREVIEW = 6


def nodes(count: int | None = None, rule: Rule = "midpoint") -> tuple[np.ndarray, np.ndarray]:
    """Nodes in [0, 1] and weights (sum 1) of the integral.

    Args:
        count: number of nodes, that is of gradients averaged; None for the rule's own, see `NODES`.
        rule: "midpoint" takes the middles of n equal parts; "uniform" alpha_j = j / (n - 1), both ends
            included and all weighed alike, the papers' rule (the released code lets alpha add up to
            j (j + 1) / 2n instead); "gauss" is Gauss-Legendre.

    Raises:
        InputError: an unknown rule, or fewer nodes than it needs.
    """
    if not is_one_of(rule, NODES):
        raise InputError(f"Expected rule in {', '.join(NODES)}; got {rule!r}.")
    count, least = NODES[rule] if count is None else count, 2 if rule == "uniform" else 1
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        raise InputError(f"Expected steps >= {least}, the number of nodes of the integral; got {count!r}.")
    if rule == "uniform":
        return np.arange(count) / (count - 1), np.full(count, 1 / count)
    if rule == "midpoint":
        return (np.arange(count) + 0.5) / count, np.full(count, 1 / count)
    at, weights = np.polynomial.legendre.leggauss(count)
    return (at + 1) / 2, weights / 2
