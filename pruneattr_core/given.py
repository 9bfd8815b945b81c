"""Tensors that callers hand in must hold values of their own, in one dense block."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from pruneattr_core.errors import ArgumentTypeError, InputError


def is_truth(value: Any) -> bool:
    """Whether it is one truth value or several, of Python, numpy or torch: no number, though it counts."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")) in ("bool", "torch.bool")


def check_truth(name: str, given: Any) -> None:
    """Raise ArgumentTypeError unless it is True or False: "no" would count as yes."""
    if not isinstance(given, bool):
        raise ArgumentTypeError(f"Expected {name} as True or False, got {given!r}.")


def check_whole(name: str, given: Any, least: int, most: int | None = None) -> None:
    """Raise InputError unless it is a whole number, of Python or NumPy, from `least` to `most`."""
    whole = isinstance(given, Integral) and not is_truth(given)
    if not whole or given < least or (most is not None and given > most):
        ends = f">= {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"Expected {name} as a whole number {ends}, got {given!r}.")


def check_progress(given: Any) -> None:
    """Raise ArgumentTypeError unless it can be called: asked first, not where it is first told something."""
    if given is not None and not callable(given):
        raise ArgumentTypeError(
            f"Expected progress as a function that is told how far the work is, or None; got {given!r}."
        )


def several(name: str, given: Any, such_as: str) -> list[Any]:
    """What was given one after the other, as a list.

    Args:
        name: what it is called.
        given: what was handed in.
        such_as: an example of what can be, as it is typed.

    Raises:
        ArgumentTypeError: one thing alone, or a text, whose letters are nobody's list.
    """
    try:
        if isinstance(given, str | bytes):
            raise TypeError
        return list(given)
    except TypeError:
        raise ArgumentTypeError(f"Expected several {name}, such as {such_as}, got {given!r}.") from None


def check_batches(given: Any) -> None:
    """Raise ArgumentTypeError unless batches can be taken from it, one after the other."""
    single = isinstance(given, str | bytes) or (isinstance(given, Tensor) and not given.ndim)
    if single or not isinstance(given, Iterable):
        raise ArgumentTypeError(
            f"Expected batches one after the other, such as [inputs], got {type(given).__name__}."
        )


def check_held(name: str, given: Any) -> None:
    """Raise where a tensor holds no values that can be looked at; anything else is somebody else's matter.

    Args:
        name: what it is called.
        given: what was handed in.

    Raises:
        ArgumentTypeError: a nested or sparse tensor.
        InputError: on the meta device, of a FakeTensorMode, or inside of a transform of torch.func.
    """
    if not isinstance(given, Tensor):
        return
    if given.is_nested:
        raise ArgumentTypeError(
            f"Expected {name} as one dense tensor, got a nested one. Give its parts one after the other: "
            "unbind() has them."
        )
    if given.layout != torch.strided:
        raise ArgumentTypeError(f"Expected dense {name}, got {given.layout}. Use {name}.to_dense().")
    if given.is_meta:
        raise InputError(f"Expected {name} with values, got a tensor on the meta device, which holds none.")
    if hasattr(given, "fake_mode"):
        raise InputError(f"Expected {name} with values, got a tensor of a FakeTensorMode, which holds none.")
    if torch._C._are_functorch_transforms_active():
        raise InputError(
            f"Got {name} inside of a transform of torch.func, such as vmap or grad, where values cannot be "
            "looked at. Call this outside of it; a batch is explained at once as it is."
        )


def check_default_device() -> None:
    """Raise InputError where every new tensor would be made without values."""
    if torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None:
        raise InputError(
            "This is called under a FakeTensorMode, where nothing is computed. Call it outside of that."
        )
    if torch.get_default_device().type == "meta":
        raise InputError(
            "torch's default device is meta, where nothing can be computed. Leave the `with "
            'torch.device("meta")`, or call torch.set_default_device("cpu").'
        )
