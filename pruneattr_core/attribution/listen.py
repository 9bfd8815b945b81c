"""What a network calls in a pass, as far as a method needs to know it."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core.activations import activation_of
from pruneattr_core.attribution.hidden import Hanging, Hidden
from pruneattr_core.flow import Role, storage_key, tensors_in
from pruneattr_core.naming import module_name
from pruneattr_core.own_functions import OwnFunctions, transform

ADDITIONS = {torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, Tensor.__radd__}
MEANS = {torch.mean, Tensor.mean}
#: Calls that only move values, or ask about them: no method needs a rule for these.
NEUTRAL = {
    *("flatten", "view", "view_as", "reshape", "contiguous", "clone", "dropout", "dropout2d", "permute"),
    *("transpose", "unsqueeze", "squeeze", "size", "dim", "__get__", "_assert", "is_floating_point"),
    *("numel", "_set_grad_enabled", "requires_grad_", "stride", "is_contiguous", "__len__", "alpha_dropout"),
    *("feature_alpha_dropout", "retain_grad", "movedim", "moveaxis", "swapaxes", "swapdims", "unflatten"),
    # What rectifiers are spelled with.
    *("zeros_like", "gt", "ge", "lt", "le", "__gt__", "__ge__", "__lt__", "__le__"),
}

#: Calls that keep values as they are, unless they round them to integers.
CASTS = {"to", "float", "double", "half", "bfloat16", "type", "type_as", "cpu", "cuda"}
#: Calls with values of their own besides the one they act on: how many hang on the input is looked at.
_WEIGHING = {"conv2d", "linear", "batch_norm"}
_SCALING = {"mul", "multiply", "div", "divide", "true_divide", "sub", "subtract", "rsub", "__rsub__"}
#: Of these either side may be the fixed one.
_EITHER = _SCALING - {"div", "divide", "true_divide"}
#: Calls that ask their second argument for its type or shape only.
_LIKE = {"to", "type_as", "expand_as", "view_as", "reshape_as"}


@dataclass(frozen=True)
class Call:
    """One torch function that a network called.

    Attributes:
        name: module path of the caller, as the tape's names; `.function` is added for functional calls.
        function: plain name such as `relu`, `conv2d`, `add`; `relu` and `relu6` for every rectifier
            without and with a ceiling; "conv2d by the input" where its weights come from there, too, "add
            by a choice" where whole numbers or yes and no do; an own function's name for every call inside of
            it.
        shape: of the result without the batch, () where it is no tensor.
        activation: whether the tape records it.
        constant: whether something else than a second tensor of equal shape is added, as padding by 2 does.
        fixed: whether nothing but numbers, parameters and buffers goes in.
        scaling: whether it is a product or difference with something fixed, or a division by it.
        role: what its values are, "" where it is no activation.
        hidden: "operation" for what is carried out and no call of it is seen, "bend" for a nonlinearity that
            is no activation call, "" else. Both stand behind all others.
    """

    name: str
    function: str
    shape: tuple[int, ...]
    activation: bool
    constant: bool = False
    fixed: bool = False
    scaling: bool = False
    role: Role | Literal[""] = ""
    hidden: Literal["", "operation", "bend"] = ""


def plain_name(func: Any) -> str:
    """`relu_` -> `relu`, `__iadd__` -> `add`: one name for all forms of a function."""
    name = getattr(func, "__name__", str(func))
    if func in ADDITIONS:
        return "add"
    if func is Tensor.__getitem__:
        return "indexing"
    return name if name.startswith("_") else name.rstrip("_")


def in_front(
    args: Sequence[Any], kwargs: Mapping[str, Any] | None
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The arguments of a call with `input=` and `other=` where they stand without their names."""
    rest = dict(kwargs or {})
    for place, name in enumerate(("input", "other")):
        if len(args) == place and name in rest:
            args = (*args, rest.pop(name))
    return args, rest


def is_padding_with_more(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether `F.pad` puts another number than 0 around."""
    return bool(kwargs.get("value", args[3] if len(args) > 3 else 0))


def is_constant_addition(args: Sequence[Any]) -> bool:
    """Whether an addition has an operand that is no tensor of the other's shape."""
    return not all(isinstance(a, Tensor) for a in args[:2]) or args[0].shape != args[1].shape


class Listen(TorchFunctionMode):
    """Notes every call of a pass, and what is carried out outside of calls.

    Attributes:
        calls: in order.
        hidden: notes what no call is seen of; it is to be entered before this one.
    """

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        """Listen to `model`, which is given `inputs`."""
        super().__init__()
        self._hanging = Hanging(model, inputs)
        self.hidden = Hidden(self._hanging)
        self.names_of = {id(module): name for name, module in model.named_modules()}
        self.own_functions = OwnFunctions()
        self.calls = list[Call]()

    def _is_fixed(self, *values: Any) -> bool:
        return all(storage_key(one) in self._hanging.fixed for one in tensors_in(values))

    def _follow(self, given: Sequence[Tensor], result: Any) -> bool:
        """Note where the results hang; whether the call is `fixed`."""
        found = list(tensors_in(result)) if result is not None else given[:1]  # as in y[0] = x
        if self._hanging.moves(given):
            self._hanging.hang(found)
            return False
        fixed = self._is_fixed(given)
        if fixed:
            self._hanging.fixed.update((storage_key(one), one) for one in found)
        return fixed

    def _scales(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        if name not in _SCALING or kwargs.get("rounding_mode"):
            return False
        return any(self._is_fixed(one) for one in (args if name in _EITHER else args[1:]))

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before, self.hidden.within = self.hidden.within, True
        try:
            return self._heard(func, args, kwargs or {}, sys._getframe(1))
        finally:
            self.hidden.within = before

    def _heard(self, func: Any, args: Sequence[Any], named: Mapping[str, Any], caller: FrameType) -> Any:
        inside = self.own_functions.around(caller) or transform()
        activation = not inside and activation_of(func, args, named) is not None
        ceiling = None if inside else ceiling_of(func, args, named)
        result_of = functools.partial(func, *args, **named)
        name, (args, named) = plain_name(func), in_front(args, named)
        chosen = any(
            self._hanging.moves(one) and not one.is_floating_point() for one in tensors_in((args, named))
        )
        weighed = name in _WEIGHING and self._hanging.moves(args[1:], named)
        scaling = self._scales(name, args, named)  # before what is worked on in place hangs on the input
        result = result_of()
        fixed = self._follow(list(tensors_in(args[:1] if name in _LIKE else (args, named))), result)
        if ceiling is not None:
            name = "relu" if ceiling == math.inf else "relu6"
        elif weighed:
            name += " by the input"
        elif name in CASTS and not all(one.is_floating_point() for one in tensors_in((args[:1], result))):
            name = "rounding"
        elif chosen and name not in NEUTRAL:
            name += " by a choice"
        if inside:
            self.calls.append(Call(inside, inside, (), activation=False))
        elif name not in NEUTRAL:
            shape = tuple(result.shape[1:]) if isinstance(result, Tensor) else ()
            owner = module_name(caller, self.names_of, name)
            constant = (name == "add" and is_constant_addition(args)) or (
                name == "pad" and is_padding_with_more(args, named)
            )
            self.calls.append(Call(owner, name, shape, activation, constant, fixed, scaling))
        return result


#: Rectifiers that are on everywhere, with two slopes.
_SLOPED = (F.leaky_relu, F.rrelu, torch.rrelu, F.prelu, torch.prelu)


def ceiling_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float | None:
    """Where a rectifier, however spelled, stops growing: infinity for ReLU, 6 for ReLU6; else None."""
    found = activation_of(func, args, kwargs)
    if found is None or found.plain in _SLOPED or found.kinks[:1] != (0.0,):
        return None
    return found.kinks[1] if len(found.kinks) == 2 else math.inf
