"""Which calls of torch functions are activations: rectifiers, however spelled, and their relatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode, handle_torch_function, has_torch_function_unary


def head_outputs(heads: Tensor) -> Tensor:
    """The tensor itself, (B, heads, ...): a call by which a view of a network shows outputs of its attention.

    See `attention.with_heads`.
    """
    if has_torch_function_unary(heads):
        shown: Tensor = handle_torch_function(head_outputs, (heads,), heads)
        return shown
    return heads


# Rectifiers and their smooth relatives; every one keeps 0 at 0, so "dead" means the same everywhere.
ACTIVATIONS: dict[Callable[..., Tensor], Callable[..., Tensor]] = {
    F.relu: F.relu,
    torch.relu: torch.relu,
    torch.relu_: torch.relu,
    Tensor.relu: torch.relu,
    Tensor.relu_: torch.relu,
    F.relu_: torch.relu,
    F.relu6: F.relu6,
    F.hardtanh: F.hardtanh,
    F.hardtanh_: F.hardtanh,
    F.leaky_relu: F.leaky_relu,
    F.leaky_relu_: F.leaky_relu,
    F.rrelu: F.rrelu,
    F.rrelu_: torch.rrelu,
    torch.rrelu: torch.rrelu,
    F.prelu: F.prelu,
    torch.prelu: torch.prelu,
    F.elu: F.elu,
    F.elu_: F.elu,
    F.selu: F.selu,
    torch.selu: torch.selu,
    torch.selu_: torch.selu,
    F.celu: F.celu,
    torch.celu: torch.celu,
    torch.celu_: torch.celu,
    F.gelu: F.gelu,
    F.silu: F.silu,
    F.mish: F.mish,
    F.hardswish: F.hardswish,
    head_outputs: head_outputs,
}
# How many positional arguments stand before the `inplace` flag, so that F.relu(x, True) is served too.
_BEFORE_INPLACE: dict[Any, int] = {
    F.relu: 1,
    F.relu6: 1,
    F.hardtanh: 3,
    F.leaky_relu: 2,
    F.rrelu: 4,
    F.elu: 2,
    F.selu: 1,
    F.celu: 2,
    F.silu: 1,
    F.mish: 1,
    F.hardswish: 1,
}
_RECTIFIERS = {F.relu, torch.relu, torch.clamp, torch.threshold, torch.maximum, torch.where, torch.mul}
_RECTIFIERS |= {torch.masked_fill}
PIECEWISE_LINEAR = {
    *_RECTIFIERS,
    *(F.relu6, F.hardtanh, F.leaky_relu, F.rrelu, torch.rrelu, F.prelu, torch.prelu),
}


class Activation(NamedTuple):
    """One call of an activation function.

    Attributes:
        compute: the activation, out of place.
        plain: the function that computes it, one for all forms of it.
        before: what goes in.
        in_place: whether the call that was made would have overwritten `before`.
        kinks: where a piecewise linear one switches; () for smooth ones.
    """

    compute: Callable[[], Tensor]
    plain: Callable[..., Tensor]
    before: Tensor
    in_place: bool
    kinks: tuple[float, ...] = (0.0,)


def activation_of(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], sure: bool = False
) -> Activation | None:
    """What `func(*args, **kwargs)` is as an activation; None where it is none.

    Rectifiers spelled otherwise are read too: clamp from 0 (with an upper bound: ReLU6's kind), threshold 0,
    maximum with 0, `where(x > 0, x, 0)`, `masked_fill(x < 0, 0)` and `x * (x > 0)`. Each is computed by
    its own function, so that its values and derivatives stay what they are. Under transforms of functions
    (`torch.vmap`) there are none: the values are not those of one batch, and cannot be looked at.

    Args:
        func: what is called.
        args: positional arguments.
        kwargs: named arguments.
        sure: take a choice by a mask for a rectifier, whether or not its values are one's.
    """
    if torch._C._are_functorch_transforms_active():
        return None
    found = _read(func, args, kwargs, sure)
    # Places and counts are clamped, too, and have no derivative.
    real = found is not None and (found.before.is_floating_point() or found.before.is_quantized)
    return found if real else None


def _read(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], sure: bool) -> Activation | None:
    plain = ACTIVATIONS.get(func)
    if plain is None:
        read = _SPELLED.get(func)
        return None if read is None or not args else read(func, args, kwargs, sure)
    given = args[0] if args else kwargs.get("input")
    if not isinstance(given, Tensor):
        return None
    in_place = func.__name__.endswith("_")
    if plain in _BEFORE_INPLACE:
        at = _BEFORE_INPLACE[plain]
        in_place = in_place or bool(args[at] if len(args) > at else kwargs.get("inplace", False))
        args = args[:at]
        kwargs = {key: value for key, value in kwargs.items() if key != "inplace"}
    return Activation(partial(plain, *args, **kwargs), plain, given, in_place, _kinks(plain, args, kwargs))


class Reader:
    """Reads the calls of one pass; what was said of a rectifier spelled otherwise in another pass stands.

    Of `x * (x > 0.2)` only the values tell that it is no rectifier, and pruning changes them: neurons between
    0 and 0.2 contribute nothing and go first.

    Attributes:
        said: of every call that could spell a rectifier, in order, whether it does.
    """

    def __init__(self, known: Sequence[bool] = ()) -> None:
        """Take what `said` was in a pass of the unpruned network; () for the first."""
        self.said: list[bool] = []
        self._known = known

    def read(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Activation | None:
        """As `activation_of`."""
        if func not in _SPELLED:
            return activation_of(func, args, kwargs)
        place, found = len(self.said), None
        if place >= len(self._known) or self._known[place]:
            found = activation_of(func, args, kwargs, sure=place < len(self._known))
        self.said.append(found is not None)
        return found


class Watch(TorchFunctionMode):
    """Keeps something of every activation call, in the order of the calls.

    Attributes:
        seen: what was kept.
    """

    def __init__(self, keep: Callable[[Activation], Tensor]) -> None:
        """Take what is kept of a call."""
        super().__init__()
        self.seen: list[Tensor] = []
        self._keep = keep

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        found = activation_of(func, args, kwargs or {})
        if found is not None:
            self.seen.append(self._keep(found))
        return func(*args, **(kwargs or {}))


def _kinks(plain: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[float, ...]:
    if plain is F.relu6:
        return 0.0, 6.0
    if plain is F.hardtanh:
        given = dict(zip(("min_val", "max_val"), args[1:], strict=False)) | dict(kwargs)
        return float(given.get("min_val", -1)), float(given.get("max_val", 1))
    return (0.0,) if plain in PIECEWISE_LINEAR else ()


def _spelled(func: Any, plain: Any, before: Any, *rest: Any) -> Activation:
    return Activation(partial(plain, *rest), plain, before, func.__name__.endswith("_"))


def _is_zero(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not bool(value.any())
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0


def _clamp(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], sure: bool) -> Activation | None:
    low = args[1] if len(args) > 1 else kwargs.get("min")
    high = args[2] if len(args) > 2 else kwargs.get("max")
    bounded = high is None or (isinstance(high, (int, float)) and high > 0)
    if low is None or kwargs.get("out") is not None or not bounded or not _is_zero(low):
        return None
    if isinstance(low, Tensor) and torch.broadcast_shapes(args[0].shape, low.shape) != args[0].shape:
        return None
    found = _spelled(func, torch.clamp, args[0], args[0], low, high)
    return found if high is None else found._replace(kinks=(0.0, float(high)))


def _threshold(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], sure: bool) -> Activation | None:
    at = args[1] if len(args) > 1 else kwargs.get("threshold")
    value = args[2] if len(args) > 2 else kwargs.get("value")
    if not _is_zero(at) or not _is_zero(value):
        return None
    found = _spelled(func, torch.threshold, args[0], args[0], at, value)
    in_place = args[3] if len(args) > 3 else kwargs.get("inplace", False)
    return found._replace(in_place=found.in_place or bool(in_place))


def _maximum(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], sure: bool) -> Activation | None:
    other = args[1] if len(args) > 1 else kwargs.get("other")
    if not isinstance(other, Tensor) or "out" in kwargs:
        return None
    for before, zero in ((args[0], other), (other, args[0])):
        if torch.broadcast_shapes(before.shape, zero.shape) == before.shape and _is_zero(zero):
            return _spelled(func, torch.maximum, before, before, zero)
    return None


def _where(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], sure: bool) -> Activation | None:
    if len(args) != 3:
        return None
    condition, one, other = args if func is torch.where else (args[1], args[0], args[2])
    for before, zero, says in ((one, other, _says_positive), (other, one, _says_negative)):
        if isinstance(before, Tensor) and _is_zero(zero) and says(condition, before, sure):
            return _spelled(func, torch.where, before, condition, one, other)
    return None


def _masked_fill(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], sure: bool) -> Activation | None:
    if len(args) != 3 or not _is_zero(args[2]) or not _says_negative(args[1], args[0], sure):
        return None
    return _spelled(func, torch.masked_fill, args[0], *args)


def _mul(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], sure: bool) -> Activation | None:
    if len(args) != 2 or not all(isinstance(a, Tensor) for a in args):
        return None
    for before, condition in (tuple(args), tuple(args[::-1])):
        if _says_positive(condition, before, sure):
            return _spelled(func, torch.mul, before, before, condition)
    return None


def _says_positive(condition: Any, values: Tensor, sure: bool) -> bool:
    """Whether a boolean tensor is `values > 0` or `values >= 0`."""
    if sure or not _chooses(condition, values):
        return sure and _chooses(condition, values)
    return torch.equal(condition, values > 0) or torch.equal(condition, values >= 0)


def _says_negative(condition: Any, values: Tensor, sure: bool) -> bool:
    """Whether a boolean tensor is `values < 0` or `values <= 0`."""
    if sure or not _chooses(condition, values):
        return sure and _chooses(condition, values)
    return torch.equal(condition, values < 0) or torch.equal(condition, values <= 0)


def _chooses(condition: Any, values: Tensor) -> bool:
    if not isinstance(condition, Tensor) or condition.dtype != torch.bool or condition.shape != values.shape:
        return False
    return values.is_floating_point()


_SPELLED: dict[Any, Callable[[Any, Sequence[Any], Mapping[str, Any], bool], Activation | None]] = {
    **dict.fromkeys(
        (torch.clamp, torch.clamp_, Tensor.clamp, Tensor.clamp_, torch.clip, torch.clip_, Tensor.clip), _clamp
    ),
    **dict.fromkeys(
        (Tensor.clip_, torch.clamp_min, torch.clamp_min_, Tensor.clamp_min, Tensor.clamp_min_), _clamp
    ),
    **dict.fromkeys((F.threshold, F.threshold_, torch.threshold), _threshold),  # type: ignore[attr-defined]
    **dict.fromkeys(
        (torch.maximum, Tensor.maximum, torch.max, Tensor.max, torch.fmax, Tensor.fmax), _maximum
    ),
    **dict.fromkeys((torch.where, Tensor.where), _where),
    **dict.fromkeys((torch.masked_fill, Tensor.masked_fill, Tensor.masked_fill_), _masked_fill),
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.mul_, torch.multiply, Tensor.multiply), _mul),
}
#: Every function that is an activation, be it with some arguments only.
FUNCTIONS = (*ACTIVATIONS, *_SPELLED)
