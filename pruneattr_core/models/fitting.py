"""Give a network the values of a file, with the file's own number of classes and of input channels."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core.errors import WeightsError
from pruneattr_core.models.checkpoint import finite, kind, plain, shown
from pruneattr_core.models.unwrapping import Entry, Found, find_by_name_or_number, tables, unknown

_AWAITING = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)
#: What to do with a file that does not fit, where nothing better is known.
PLAIN_ADVICE = "Choose the architecture that it was saved from."
#: Channels of a picture that a first layer may take instead of three: grey, or colours and one more.
OTHER_CHANNELS = (1, 4)
#: Characters of a shape that are told.
_SHAPE = 60


@dataclass(frozen=True, eq=False)
class Fitted:
    """A network that holds the values of a file.

    Attributes:
        network: in the mode in which it was built.
        where: how the file wraps them, see `Found.where`.
        classes: number of logits if the file's head was another than the architecture's, else None.
        channels: of the pictures, if other than three, else None.
    """

    network: nn.Module
    where: str = ""
    classes: int | None = None
    channels: int | None = None


@dataclass(frozen=True)
class Advice:
    """What to do with a file that does not fit.

    Attributes:
        text: one sentence.
        alike: names of the architectures that it looks like, best first.
    """

    text: str = PLAIN_ADVICE
    alike: tuple[str, ...] = ()


def children_of(network: nn.Module) -> tuple[str, ...]:
    """Names of the parts it is made of, in their order."""
    return tuple(name for name, _ in network.named_children())


def hollow(build: Callable[[], nn.Module]) -> nn.Module:
    """The network that `build` makes, without memory for its values and without drawing random numbers."""
    with _Hollow():
        return build()


def fitted(
    build: Callable[[], nn.Module],
    loaded: Mapping[Any, Any],
    source: str,
    classes: int | None = None,
    renamed: Callable[[str], str] = str,
    advice: Callable[[Mapping[Any, Any]], Advice] = lambda _: Advice(),
) -> Fitted:
    """The network that `build` makes, holding the values in `loaded`.

    Shapes and types are compared before any value is read; each value is then copied once, as float32, so
    the memory taken is that of the network.

    Args:
        build: takes nothing and returns the network.
        loaded: as `read_checkpoint` returns it.
        source: the file's name, for the error.
        classes: number of logits of the architecture, if the file may have another number of them and of
            input channels; None if it must fit as it is.
        renamed: from keys of older files to today's.
        advice: what to do with a file that does not fit, for the error.

    Raises:
        WeightsError: a key is missing, unknown or has another shape (the first is named), or a value is none
            that a network can have.
    """
    model = hollow(build)
    found = find_by_name_or_number(loaded, model.state_dict(), children_of(model), renamed)
    heads = channels = None
    if classes is not None:
        found = _with_one_layer_for_several(model, found, classes)
        found = _with_a_head_of_another_name(model, found, classes)
        heads = _resized_heads(model, found, classes)
        channels = _resized_stem(model, found)
    wanted = model.state_dict()
    reason = _first_fault(source, wanted, found)
    if reason:
        if not found.entries:
            _refuse_without_tensors(source, loaded)
        advised = advice(loaded)
        error = WeightsError(
            f"The weights file {source!r} does not fit {type(model).__name__}: {reason}. {advised.text}"
        )
        error.alike = advised.alike
        raise error
    complete: OrderedDict[str, Tensor] = OrderedDict()
    for key, tensor in wanted.items():
        entry = found.entries.get(key)
        complete[key] = (
            torch.zeros((), dtype=tensor.dtype) if entry is None else _value(source, tensor, entry)
        )
    complete._metadata = found.metadata or wanted._metadata  # type: ignore[attr-defined]
    try:
        model.load_state_dict(complete, strict=True, assign=True)
    except RuntimeError as error:
        raise WeightsError(
            f"The weights file {source!r} cannot be loaded into {type(model).__name__} "
            f"({str(error).splitlines()[-1].strip()[:200]}): choose the architecture that it was saved from."
        ) from error
    return Fitted(model, found.where, heads, channels)


def weights_hash(model: nn.Module) -> str:
    """SHA-256, in hexadecimal, over the sorted names, types, shapes and bytes of the state dict.

    Independent of device and memory layout: the identity of a network in links, caches and exports.
    """
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def read_values(loaded: Mapping[Any, Any], source: str) -> dict[str, Tensor]:
    """The first mapping of tensors in `loaded`, copied as float32 (counters keep their type).

    Raises:
        WeightsError: there is none, or a value in it is none that a network can have.
    """
    for _, table in tables(loaded):
        if any(isinstance(value, Tensor) for value in table.values()):
            checked = {k: plain(source, k, v, floating=False) for k, v in table.items() if isinstance(k, str)}
            return {key: finite(source, key, _single(value)) for key, value in checked.items()}
    _refuse_without_tensors(source, loaded)
    raise AssertionError("not reached")


class _Hollow(TorchFunctionMode):
    """Tensors that await values are made on the meta device; computed ones, as RegNet needs, stay real."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func in _AWAITING and options.get("device") is None:
            options["device"] = "meta"
        return func(*args, **options)


def _first_fault(source: str, wanted: Mapping[str, Tensor], found: Found) -> str:
    """What is missing, of another shape, or unknown; a value of a wrong type is an error of its own."""
    for key, tensor in wanted.items():
        entry = found.entries.get(key)
        if entry is None:
            if key.endswith(
                "num_batches_tracked"
            ):  # a counter that inference never reads, and older files lack
                continue
            return f"{key!r} is missing"
        for name, part in entry.parts.items():
            plain(source, name, part, floating=tensor.is_floating_point() and entry.join is None)
        if entry.shape != tuple(tensor.shape):
            return f"{key!r} has shape {str(entry.shape)[:_SHAPE]}, expected {tuple(tensor.shape)}"
        if not entry.belongs:
            return f"the parts of {key!r} do not belong together"
    extra = unknown(found)
    return "" if extra is None else f"{shown(extra)} is unknown to it"


def _refuse_without_tensors(source: str, loaded: Mapping[Any, Any]) -> None:
    """Raise where no mapping of the file holds a tensor."""
    if any(isinstance(value, Tensor) for _, table in tables(loaded) for value in table.values()):
        return
    key, value = next(iter(loaded.items()))
    raise WeightsError(
        f"The weights file {source!r} holds {kind(value)} under {shown(key)}, not a tensor: "
        "save model.state_dict() alone."
    )


def _value(source: str, wanted: Tensor, entry: Entry) -> Tensor:
    for name, part in entry.parts.items():
        finite(source, name, part)
    if entry.join is not None:
        return entry.join(*entry.parts.values())
    (value,) = entry.parts.values()
    return _single(value) if wanted.is_floating_point() else value.to(wanted.dtype, copy=True)


def _single(value: Tensor) -> Tensor:
    """A copy in memory of its own: float32, or the type of a counter; kernels lie channels last."""
    target = torch.float32 if value.is_floating_point() else value.dtype
    order = torch.channels_last if value.ndim == 4 else torch.contiguous_format
    return torch.empty(value.shape, dtype=target, memory_format=order).copy_(value)


def _with_one_layer_for_several(model: nn.Module, found: Found, classes: int) -> Found:
    """`found` with a head of several linear layers made one, if the file has one there that fits below it.

    People replace `classifier` of VGG, AlexNet and MobileNetV3 as they replace `fc` of a ResNet.
    """
    *_, (child, head) = [("", model), *model.named_children()]
    below = list(takewhile(lambda module: not isinstance(module, nn.Linear), head.children()))
    linear = [module for module in head.modules() if isinstance(module, nn.Linear)]
    if not isinstance(head, nn.Sequential) or len(linear) < 2:
        return found
    if not all(isinstance(module, nn.Dropout) for module in below):  # they shape what the layer would take
        return found
    own = {key: value for key, value in found.unused.items() if key.startswith(f"{child}.")}
    for key, entry in found.entries.items():
        if key.startswith(f"{child}."):
            own |= entry.parts
    weights = [key for key, value in own.items() if isinstance(value, Tensor) and value.ndim == 2]
    if len(weights) != 1:
        return found
    weight = weights[0]
    bias = weight[:-6] + "bias"
    # What else has values there is no linear layer and would be lost.
    if not weight.endswith("weight") or own.keys() - {weight, bias}:
        return found
    # As many outputs as the first layer has: a head cut off within, whose end the file does not tell.
    if own[weight].shape[1] != linear[0].in_features or len(own[weight]) == linear[0].out_features:
        return found
    setattr(model, child, nn.Linear(linear[0].in_features, classes, device="meta"))
    entries = {key: entry for key, entry in found.entries.items() if not key.startswith(f"{child}.")}
    entries[f"{child}.weight"] = Entry({weight: own[weight]})
    if bias in own:
        entries[f"{child}.bias"] = Entry({bias: own[bias]})
    unused = {key: value for key, value in found.unused.items() if key not in (weight, bias)}
    return replace(found, entries=entries, unused=unused)


def _with_a_head_of_another_name(model: nn.Module, found: Found, classes: int) -> Found:
    """`found` with the head taken from the one linear layer that is left over, if only the head is missing.

    People replace `fc` by a Sequential of dropout and a linear layer, or keep backbone and head apart.
    """
    wanted = model.state_dict()
    missing = [key for key in wanted if key not in found.entries and not key.endswith("num_batches_tracked")]
    weights = [key for key in missing if key.endswith("weight") and wanted[key].shape[0] == classes]
    if len(weights) != 1 or set(missing) - {weights[0], weights[0][:-6] + "bias"}:
        return found
    (weight,) = weights
    bias, inputs = weight[:-6] + "bias", tuple(wanted[weight].shape[1:])
    for place in (found.unused, found.outside):
        near = [
            key
            for key, value in place.items()
            if key.endswith("weight") and isinstance(value, Tensor) and tuple(value.shape[1:]) == inputs
        ]
        if len(near) != 1:
            continue
        own_bias = near[0][:-6] + "bias"
        if bias in wanted or own_bias not in place:  # saved without one: see `_resized_heads`
            names = {weight: near[0]} | ({bias: own_bias} if own_bias in place else {})
            entries = {key: Entry({name: place[name]}) for key, name in names.items()}
            unused = {key: value for key, value in found.unused.items() if key not in names.values()}
            return replace(found, entries=found.entries | entries, unused=unused)
    return found


def _resized_heads(model: nn.Module, found: Found, classes: int) -> int | None:
    """Give every layer with one output per class as many as the file has; that number if it is another."""
    heads: list[nn.Linear | nn.Conv2d] = []
    plain_ones: list[nn.Linear | nn.Conv2d] = []
    sizes: set[int] = set()
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear | nn.Conv2d) or module.weight.shape[0] != classes:
            continue
        for kept, value in module.named_parameters(recurse=False):
            entry = found.entries.get(f"{name}.{kept}".lstrip("."))
            if kept == "bias" and entry is None:
                plain_ones.append(module)
                continue
            if entry is None or entry.shape is None or entry.shape[1:] != tuple(value.shape[1:]):
                return None
            sizes.update(entry.shape[:1])
        heads.append(module)
    if len(sizes) != 1 or 0 in sizes:
        return None
    for module in plain_ones:  # saved without a bias
        module.bias = None
    (size,) = sizes
    if size == classes:
        return None
    for module in heads:
        for kept, value in list(module.named_parameters(recurse=False)):
            shape = (size, *value.shape[1:])
            setattr(module, kept, nn.Parameter(torch.empty(shape, device="meta")))
        setattr(module, "out_features" if isinstance(module, nn.Linear) else "out_channels", size)
    return size


def _resized_stem(model: nn.Module, found: Found) -> int | None:
    """Let a first convolution take as many channels as the file's, if these are other than three."""
    if getattr(model, "transform_input", False):  # it computes with three channels by name
        return None
    for name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d) or module.in_channels != 3 or module.groups != 1:
            continue
        entry = found.entries.get(f"{name}.weight")
        shape, given = tuple(module.weight.shape), None if entry is None else entry.shape
        if given is None or len(given) != 4 or given[1] not in OTHER_CHANNELS:
            continue
        if given[:1] + given[2:] == shape[:1] + shape[2:]:
            module.in_channels = given[1]
            module.weight = nn.Parameter(torch.empty(given, device="meta"))
            return given[1]
    return None
