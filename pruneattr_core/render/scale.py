"""From numbers to 256 levels: one explicit scale per map or shared by many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pruneattr_core.brief import brief
from pruneattr_core.errors import InputError
from pruneattr_core.render.colours import colour_table

#: Share of the values, in percent, that the scale covers; the rest is drawn in the end colours.
CLIP_PERCENTILE = 99.5


@dataclass(frozen=True)
class Scale:
    """How values become levels.

    Attributes:
        vmax: the value drawn in the end colour, >= 0; 0 when there is nothing to draw.
        signed: True maps [-vmax, vmax] to 1..255 with 0 at 128, False maps [0, vmax] to 0..255.
        note: one sentence when the picture needs an explanation ("This map is zero everywhere."), or "".
    """

    vmax: float
    signed: bool
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse an end that cannot be drawn."""
        if not (np.isfinite(self.vmax) and self.vmax >= 0):
            raise InputError(f"Expected a scale with a finite end of at least 0, got {self.vmax}.")


@dataclass(frozen=True)
class ColourBar:
    """What a legend needs: 256 colours from low to high, and (position in [0, 1], value) ticks."""

    colours: NDArray[np.uint8]
    ticks: tuple[tuple[float, float], ...]
    note: str

    __repr__ = brief


def scale_of(maps: ArrayLike, signed: bool = True, clip_percentile: float = CLIP_PERCENTILE) -> Scale:
    """The scale of one map, or one shared scale for a stack.

    vmax is the percentile of |values| (signed) or of max(values, 0) (unsigned); where that is 0 although
    the map is not, as in very sparse maps, it is the maximum. Values that are not finite count as 0.

    Args:
        maps: numbers of any shape, in any unit.
        signed: whether negative values are shown too.
        clip_percentile: in (0, 100].

    Raises:
        InputError: there are no values, or the percentile is outside (0, 100].
    """
    values = np.asarray(maps, np.float64)
    if values.size == 0:
        raise InputError(f"Expected a map with at least one value, got shape {values.shape}.")
    if not 0 < clip_percentile <= 100:
        raise InputError(f"Expected a clip percentile above 0 and up to 100, got {clip_percentile}.")
    finite = np.isfinite(values)
    clean = np.where(finite, values, 0.0)
    shown = np.abs(clean) if signed else clean.clip(min=0)
    vmax = float(np.percentile(shown, clip_percentile)) or float(shown.max())
    notes = []
    if not finite.all():
        notes.append(f"{np.count_nonzero(~finite):,} values are not finite and are drawn as zero.")
    if not clean.any():
        notes.append("This map is zero everywhere.")
    elif vmax == 0:
        notes.append("No value of this map is positive: choose a signed scale to see it.")
    elif not signed and (clean < 0).any():
        share = -clean.clip(max=0).sum() / np.abs(clean).sum()
        notes.append(f"Negative values ({share:.0%} of the magnitude) are not shown on an unsigned scale.")
    return Scale(vmax, signed, " ".join(notes))


def scale_map(
    values: ArrayLike,
    signed: bool = True,
    clip_percentile: float = CLIP_PERCENTILE,
    scale: Scale | None = None,
) -> NDArray[np.uint8]:
    """Levels of a map (or stack of maps), shape kept: unsigned 0..255; signed 1..255 with 128 = zero.

    Args:
        values: numbers of any shape.
        signed: ignored when `scale` is given, as is `clip_percentile`; see `scale_of`.
        clip_percentile: see `scale_of`.
        scale: a scale to share with other maps; None takes the map's own.
    """
    chosen = scale_of(values, signed, clip_percentile) if scale is None else scale
    clean = np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    share = np.divide(clean, chosen.vmax, out=np.zeros_like(clean), where=chosen.vmax > 0)
    levels = 128 + 127 * share.clip(-1, 1) if chosen.signed else 255 * share.clip(0, 1)
    return np.asarray(np.rint(levels), np.uint8)


def colour_bar(scale: Scale, colours: str) -> ColourBar:
    """The legend of a map drawn with `scale` in the colour map named `colours`.

    Raises:
        InputError: there is no such colour map.
    """
    table, zero = colour_table(colours), (0.5 if scale.signed else 0.0, 0.0)
    ends = [(0.0, -scale.vmax), zero, (1.0, scale.vmax)] if scale.signed else [zero, (1.0, scale.vmax)]
    return ColourBar(table[1:] if scale.signed else table, tuple(ends) if scale.vmax else (zero,), scale.note)


def tick_text(value: float) -> str:
    """A number on a colour bar in two digits: with a power of ten where assets/browser/numbers.js has one."""
    size = abs(value)
    sign = "\N{MINUS SIGN}" if value < 0 else ""
    if size == 0 or 1e-3 <= size < 1e4:
        return sign + (f"{size:.0f}" if size >= 100 else f"{size:.2g}")
    digits, power = f"{size:.1e}".split("e")
    return f"{sign}{digits.removesuffix('.0')}e{int(power)}"
