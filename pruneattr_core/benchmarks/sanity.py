"""Cascading randomisation: layers lose their weights, last to first (Adebayo et al. 2018, PG2 fig. 3)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from pruneattr_core.errors import InputError
from pruneattr_core.heads import declare, declared

#: Standard deviation of the new weights and biases: PG2's text; SCP's (C.1, a *variance* of 0.01), which is
#: what the released code does.
VARIANTS = {"text": 0.01, "released": 0.1}
TITLES = {
    "text": "N(0, 0.01), PG2's text",
    "released": "N(0, 0.1), SCP's text and the released code",
}
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
_NORMED = (SpectralNorm, WeightNorm)
#: Where PyTorch keeps its own ways to compute a weight.
_parametrised = "torch.nn.utils.parametrizations"
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Unit:
    """What is randomised in one step.

    Attributes:
        name: of its first module.
        parameters: names of the parameters that go.
    """

    name: str
    parameters: tuple[str, ...]


def units(model: nn.Module) -> tuple[Unit, ...]:
    """The steps of a network, from first to last as its modules are registered.

    A residual block (any module of its own class that is no plain container) is one step, so that a ResNet-50
    has the 18 of the released code; a normalisation belongs to the layer before it. What holds more than half
    of the network's layers is no block but the network itself in a wrapper (DataParallel, a model with its
    preprocessing, a backbone under its head), and is looked into. Every parameter belongs to one step.

    Raises:
        InputError: the network has no parameters.
    """
    half = _layers(model) / 2
    found: list[Unit] = []
    seen: set[int] = set()
    for name, module, whole in _parts(model, "", half):
        own = []
        for key, parameter in module.named_parameters(name, recurse=whole):
            if id(parameter) not in seen:  # tied weights go with their first owner
                seen.add(id(parameter))
                own.append(key)
        if found and isinstance(module, _NORMS):
            found[-1] = Unit(found[-1].name, (*found[-1].parameters, *own))
        elif own:
            found.append(Unit(name if whole else own[0], tuple(own)))
    if not found:
        raise InputError("The network has no parameters that could be randomised.")
    return tuple(found)


def _layers(module: nn.Module) -> int:
    """Number of modules that hold parameters themselves; a parametrised one counts once."""
    if any(True for _ in module.parameters(recurse=False)) or hasattr(module, "parametrizations"):
        return 1 + sum(
            _layers(child) for name, child in module.named_children() if name != "parametrizations"
        )
    return sum(_layers(child) for child in module.children())


def _parts(module: nn.Module, name: str, half: float) -> Iterator[tuple[str, nn.Module, bool]]:
    """(name, module, whether all its parameters are meant or only those that no child of it holds)."""
    children = [
        (key, child) for key, child in module.named_children() if any(True for _ in child.parameters())
    ]
    looked_into = not name or type(module) in _CONTAINERS or (len(children) > 0 and _layers(module) > half)
    if not looked_into or not children or hasattr(module, "parametrizations"):
        if any(True for _ in module.parameters()):
            yield name, module, True
        return
    if any(True for _ in module.parameters(recurse=False)):
        yield name, module, False
    for key, child in children:
        yield from _parts(child, f"{name}.{key}" if name else key, half)


def private_copy(model: nn.Module) -> nn.Module:
    """A copy that shares nothing with `model`, whose outputs are read alike.

    Weights that a hook computes before every pass (weight_norm, spectral_norm, pruning) are no leaves, which
    `copy.deepcopy` refuses: their values are copied, and the copy's own hooks renew them.
    """
    memo: dict[int, object] = {}
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    copied = copy.deepcopy(model, memo)
    if (head := declared(model)) is not None:
        declare(copied, head)
    return copied


def _computed_afresh(module: nn.Module) -> list[str]:
    """Names of the weights that weight_norm or spectral_norm compute before every pass, in either form."""
    hooks = (hook for hook in module._forward_pre_hooks.values() if isinstance(hook, _NORMED))
    names = [str(hook.name) for hook in hooks]
    for name, ways in getattr(module, "parametrizations", {}).items():
        if any(type(way).__module__ == _parametrised for way in ways):
            names.append(name)
    return names


def with_own_weights(private: nn.Module) -> nn.Module:
    """A private copy, changed: what weight_norm, spectral_norm and orthogonal compute become its own weights.

    What they compute of new values is another thing: weight_norm gives a direction another length, and
    spectral_norm in eval mode divides by what the old weights' largest direction makes of the new ones, which
    may be next to nothing.
    """
    for module in list(private.modules()):
        for name in _computed_afresh(module):
            value = getattr(module, name).detach().clone()
            for key, hook in list(module._forward_pre_hooks.items()):
                if isinstance(hook, _NORMED) and hook.name == name:
                    del module._forward_pre_hooks[key]
            for left in (f"{name}_g", f"{name}_v", f"{name}_orig", f"{name}_u"):
                module._parameters.pop(left, None)
                module._buffers.pop(left, None)
            module.__dict__.pop(name, None)
            if name in getattr(module, "parametrizations", {}):
                _unparametrised(module, name)
            module.register_parameter(name, nn.Parameter(value, requires_grad=False))
    return private


def _unparametrised(module: nn.Module, name: str) -> None:
    """Take a weight's computation off a copy; PyTorch's way changes the class, which the original shares."""
    kind = type(module)
    ways = module.get_submodule("parametrizations")
    del ways._modules[name]
    if ways._modules:
        rest = {key: value for key, value in vars(kind).items() if key != name}
        module.__class__ = type(kind.__name__, kind.__bases__, rest)
    else:
        del module._modules["parametrizations"]
        module.__class__ = kind.__bases__[0]


def cascade(model: nn.Module, sd: float, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Networks with ever more randomised layers, last to first.

    Weights and biases (of normalisations too) become N(0, sd), also where weight_norm or spectral_norm made
    them; running statistics and masks of pruning stay. A step's numbers depend on the seed and on the step
    alone.

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
    names = [step.name for step in units(model)]
    private = private_copy(model)
    yield "original", private
    steps = units(with_own_weights(private))
    for place in reversed(range(len(steps))):
        random = torch.Generator().manual_seed(1_000_003 * seed + place)
        for name in steps[place].parameters:
            parameter = private.get_parameter(name)
            new = torch.randn(parameter.shape, generator=random, dtype=torch.float64) * sd
            parameter.data.copy_(new.to(parameter))
        yield names[place], private
