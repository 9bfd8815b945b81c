"""What Captum asks of an attribution method, without Captum: importing it imports matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from torch import nn

Function = TypeVar("Function", bound=Callable[..., Any])


class CaptumShaped:
    """Base of methods that `captum.attr.NoiseTunnel` and `captum.metrics` take as they are.

    Attributes:
        model: the network in eval mode; `forward_func` is Captum's name for it.
        multiplies_by_inputs: whether a map is in units of the response instead of response per input unit.
    """

    multiplies_by_inputs = False

    def __init__(self, model: nn.Module) -> None:
        """Take a network in eval mode."""
        self.model = self.forward_func = model

    def has_convergence_delta(self) -> bool:
        """Captum's question whether `attribute` can return how far a sum is from its promise: no."""
        return False


def attributing(method: Function) -> Function:
    """For `attribute`: NoiseTunnel calls what the outermost decorator wraps, so this one is to be it."""

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return call  # type: ignore[return-value]  # the same signature
