"""From one value per channel to one value per pixel, always by an explicit rule."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from pruneattr_core.errors import InputError
from pruneattr_core.one_of import is_one_of


def signed_max(attribution: Tensor) -> Tensor:
    """The signed channel value of largest magnitude; of equal magnitudes the positive (released code)."""
    high, low = attribution.amax(1), attribution.amin(1)
    return high.where(high.abs() >= low.abs(), low)


#: (B, C, H, W) -> (B, H, W)
RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "signed_max": signed_max,
    "abs_sum": lambda attribution: attribution.abs().sum(1),
    "sum": lambda attribution: attribution.sum(1),
}


def collapse(attribution: Tensor, how: str = "signed_max") -> Tensor:
    """One map per input.

    Args:
        attribution: (B, C, H, W).
        how: "signed_max" (the released code's way), "abs_sum", "sum", or "channel0", "channel1", ...

    Returns:
        (B, H, W).

    Raises:
        InputError: an unknown rule, or a channel that is not there.
    """
    if attribution.ndim != 4:
        raise InputError(f"Expected an attribution (B, C, H, W), got shape {tuple(attribution.shape)}.")
    channels = {f"channel{c}": c for c in range(attribution.shape[1])}
    if is_one_of(how, channels):
        return attribution[:, channels[how]]
    if not is_one_of(how, RULES):
        raise InputError(f"Expected one of {[*RULES, *channels]}, got {how!r}.")
    return RULES[how](attribution)
