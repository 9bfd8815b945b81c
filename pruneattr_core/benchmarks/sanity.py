"""Cascading randomisation: layers lose their weights, last to first (Adebayo et al. 2018, PG2 fig. 3)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from pruneattr_core.errors import InputError

#: Standard deviation of the new weights and biases: PG2's text, and what its released code does.
VARIANTS = {"text": 0.01, "released": 0.1}
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True)
class Unit:
    """What is randomised in one step.

    Attributes:
        name: of its first module.
        modules: names of the modules whose parameters go.
    """

    name: str
    modules: tuple[str, ...]


def units(model: nn.Module) -> tuple[Unit, ...]:
    """The steps of a network, from first to last as its modules are registered.

    A residual block (any module of its own class that is no plain container) is one step, so that a
    ResNet-50 has the 18 of the released code; a normalisation belongs to the layer before it.

    Raises:
        InputError: the network has no parameters.
    """
    found: list[Unit] = []
    for name, module in _parts(model, ""):
        if found and isinstance(module, _NORMS):
            found[-1] = Unit(found[-1].name, (*found[-1].modules, name))
        else:
            found.append(Unit(name, (name,)))
    if not found:
        raise InputError("The network has no parameters that could be randomised.")
    return tuple(found)


def _parts(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    children = [
        (key, child) for key, child in module.named_children() if any(True for _ in child.parameters())
    ]
    container = not name or type(module) in (nn.Sequential, nn.ModuleList)
    if not container or not children:
        if any(True for _ in module.parameters()):
            yield name, module
        return
    for key, child in children:
        yield from _parts(child, f"{name}.{key}" if name else key)


def cascade(model: nn.Module, sd: float, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Networks with ever more randomised layers, last to first.

    Weights and biases (of normalisations too) become N(0, sd); running statistics stay. A step's numbers
    depend on the seed and on the step alone.

    Args:
        model: stays as it is; a private copy is changed.
        sd: standard deviation, > 0.
        seed: of the numbers.

    Yields:
        (name, network): first ("original", a copy), then one per unit; always the same copy, changed further,
        so use it before asking for the next.

    Raises:
        InputError: no positive sd, or a network without parameters.
    """
    if not sd > 0:
        raise InputError(f"Expected a standard deviation > 0, got {sd!r}.")
    steps = units(model)
    private = copy.deepcopy(model)
    yield "original", private
    for place in reversed(range(len(steps))):
        random = torch.Generator().manual_seed(1_000_003 * seed + place)
        for part in steps[place].modules:
            for parameter in private.get_submodule(part).parameters():
                new = torch.randn(parameter.shape, generator=random, dtype=torch.float64) * sd
                parameter.data.copy_(new.to(parameter))
        yield steps[place].name, private
