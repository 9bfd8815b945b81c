"""Channels taken out of a network for good (AP, structured pruning), with torch-pruning's dependency graph.

Removing an output channel of a convolution also removes its BatchNorm entry, the matching inputs of every
layer after it and, where branches are added, the same channel of the other branch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn

from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.one_of import is_one_of


def channels(model: nn.Module) -> dict[str, int]:
    """Output channels of every convolution, by name, in the order of the modules."""
    return {name: one.out_channels for name, one in model.named_modules() if isinstance(one, nn.Conv2d)}


def kept_by_l1(
    model: nn.Module, inputs: Tensor, rate: float, layers: Sequence[str] | None = None
) -> dict[str, list[int]]:
    """The channels with the largest filters (sum of absolute weights) of every convolution (Li et al. 2017).

    Convolutions whose outputs are added keep the same channels, by the sum of their norms. As in the
    released code int(channels * (1 - rate)) are kept, at least one.

    Args:
        model: its weights decide.
        inputs: (B, 3, H, W), to trace the network with.
        rate: share of each layer's channels to remove, in [0, 1).
        layers: names of convolutions to prune; None for all.

    Returns:
        Name of each pruned convolution -> channels kept, ascending.

    Raises:
        InputError: a rate outside [0, 1), or a layer that is no convolution.
    """
    if not 0 <= rate < 1:
        raise InputError(f"Expected a rate of channels to remove in [0, 1), got {rate}.")
    known = channels(model)
    for layer in layers or ():
        if not is_one_of(layer, known):
            raise InputError(f"{layer!r} is no convolution of this network: it has {', '.join(known)}.")
    kept: dict[str, list[int]] = {}
    modules = dict(model.named_modules())
    for names in _coupled(model, inputs):
        if layers is not None and not set(names) & set(layers):
            continue
        filters = [modules[name].get_parameter("weight").detach() for name in names]
        norms = torch.stack([one.abs().sum((1, 2, 3)) for one in filters]).sum(0)
        count = max(1, int(len(norms) * (1 - rate) + 1e-9))
        best = torch.sort(norms, descending=True, stable=True).indices[:count]
        kept |= {name: sorted(best.tolist()) for name in names}
    return kept


def masked(model: nn.Module, kept: Mapping[str, Sequence[int]], inputs: Tensor) -> nn.Module:
    """A copy with the removed channels silenced: filters, biases and their BatchNorm at 0."""

    def silence(module: nn.Module, removed: list[int]) -> None:
        for parameter in module.parameters(recurse=False):
            parameter.data[removed] = 0

    result = _private(model)
    for group in _groups(result, kept, inputs):
        for dependency, removed in group:
            target = dependency.target.module
            if isinstance(target, nn.BatchNorm2d) or _makes_channels(dependency):
                silence(target, list(removed))
    return result.requires_grad_(False)


def cut(model: nn.Module, kept: Mapping[str, Sequence[int]], inputs: Tensor) -> nn.Module:
    """A really smaller copy that answers as `masked` does.

    Args:
        model: any network that torch-pruning can trace.
        kept: name of a convolution -> channels kept; others keep all.
        inputs: (B, 3, H, W).

    Raises:
        ModelError: channels that are logits were removed, or the network cannot be cut.
    """
    result = _private(model)
    for group in _groups(result, kept, inputs):
        group.prune()
    with torch.no_grad():
        before, after = model(inputs[:1]).shape, result(inputs[:1]).shape
    if before != after:
        raise ModelError(
            f"Cutting these channels changes the answers from {tuple(before)} to {tuple(after)}: "
            "leave out the layer that makes the logits (--layers)."
        )
    return result.requires_grad_(False)


def narrowed_copy(model: nn.Module, divisor: int, inputs: Tensor, seed: int) -> nn.Module:
    """The same architecture with 1 / `divisor` of the channels and new random weights (AP's VGG16/8).

    Raises:
        InputError: a divisor below 1.
    """
    if divisor < 1:
        raise InputError(f"Expected a divisor of 1 or more, got {divisor}.")
    names = [name for coupled in _coupled(model, inputs) for name in coupled]
    counts = channels(model)
    result = cut(model, {name: range(max(1, counts[name] // divisor)) for name in names}, inputs)
    return renewed(result.requires_grad_(True), seed)


def renewed(model: nn.Module, seed: int) -> nn.Module:
    """`model` itself with the first weights that torch draws after `manual_seed(seed)`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in model.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()  # type: ignore[operator]
    return model


def _private(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).requires_grad_(True).eval()


def _graph(model: nn.Module, inputs: Tensor) -> Any:
    try:
        return torch_pruning.DependencyGraph().build_dependency(model, inputs[:1])
    except Exception as error:  # torch-pruning raises anything on networks it cannot trace
        raise ModelError(f"torch-pruning cannot trace {type(model).__name__} ({error}).") from error


def _makes_channels(dependency: Any) -> bool:
    return dependency.handler == torch_pruning.prune_conv_out_channels and isinstance(
        dependency.target.module, nn.Conv2d
    )


def _coupled(model: nn.Module, inputs: Tensor) -> list[tuple[str, ...]]:
    """Convolutions that must keep the same channels, together; logits are left out."""
    private = _private(model)
    names = {one: name for name, one in private.named_modules()}
    with torch.no_grad():
        logits = private(inputs[:1]).shape[1]
    found: list[tuple[str, ...]] = []
    graph = _graph(private, inputs)
    for module, name in names.items():
        if not isinstance(module, nn.Conv2d) or any(name in group for group in found):
            continue
        if module.groups > 1:
            continue  # a depthwise convolution follows the one before it
        group = graph.get_pruning_group(module, torch_pruning.prune_conv_out_channels, idxs=[0])
        members = [names[d.target.module] for d, _ in group if _makes_channels(d)]
        if module.out_channels == logits and not _feeds(group):
            continue
        found.append(tuple(dict.fromkeys(members)))
    return found


def _feeds(group: Any) -> bool:
    """Whether another layer takes the channels of `group`; otherwise they are the answer."""
    takers = (torch_pruning.prune_conv_in_channels, torch_pruning.prune_linear_in_channels)
    return any(dependency.handler in takers for dependency, _ in group)


def _groups(model: nn.Module, kept: Mapping[str, Sequence[int]], inputs: Tensor) -> Iterator[Any]:
    """torch-pruning's groups of what leaves together, one per set of coupled convolutions."""
    modules, counts = dict(model.named_modules()), channels(model)
    together = _coupled(model, inputs)
    graph = _graph(model, inputs)
    for names in together:
        wanted = {tuple(kept[name]) for name in names if name in kept}
        if not wanted:
            continue
        if len(wanted) > 1:
            raise InputError(f"{', '.join(names)} are added and must keep the same channels.")
        stay = set(wanted.pop())
        removed = [k for k in range(counts[names[0]]) if k not in stay]
        if removed:
            yield graph.get_pruning_group(
                modules[names[0]], torch_pruning.prune_conv_out_channels, idxs=removed
            )
