"""Other methods for the picture of a view: pictures and numbers under it, in the same file."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.maps import fitting
from pruneattr_core.comparison import Comparison, compare
from pruneattr_core.models import ModelCard
from pruneattr_core.response import Target, asked_of
from pruneattr_core.results.keys import SHORT
from pruneattr_core.results.numbers import KINDS

#: What a report has beside the sweep, unless told otherwise: well-known ones, each of another family.
BESIDE = ("saliency", "gradcam", "integrated_gradients")
#: Those of them that a page need not wait for.
QUICK = tuple(name for name in BESIDE if METHODS[name].cost() <= SHORT)
#: Quality of their pictures: they are looked at, the numbers come from the maps.
_QUALITY = 85
#: Numbers of the table, in its order.
_NUMBERS = ("seconds", "passes", "area", "spearman", "ssim")
_AREA = "LeRF area"


def own_entry(start: tuple[str, float], mode: str) -> str:
    """PruneGrad at the first place of a slider, as `compare` names it: its row in the table of numbers."""
    dial, place = start
    at = f"output_change={place}" if dial == "change" else f"sparsity={place},of={dial}"
    return f"prunegrad:{at},mode={mode}"


def methods_beside(
    model: nn.Module,
    inputs: Tensor,
    methods: Sequence[str],
    target: Target,
    card: ModelCard,
    picture: str,
    left: Callable[[int, str], None] = lambda count, label: None,
) -> Comparison | None:
    """Their maps and numbers; those that do not fit the network are left out, None where none fits.

    Args:
        model: in eval mode.
        inputs: (1, C, H, W).
        methods: as `compare` takes them; "" is passed over.
        target: what is explained.
        card: of the network.
        picture: its name.
        left: told how many are still to come, and the label of the next.

    Raises:
        InputError: an unknown method or option.
    """
    asked = asked_of(target, 1)
    kept, _ = fitting(model, inputs, [name for name in methods if name])
    if not kept:
        left(0, "")
        return None
    # Pixels are removed where the answer is one a picture.
    return compare(
        model, inputs, kept, asked, card=card, titles=[picture], curves=asked.linear,
        progress=lambda done, total, label: left(total - done, label),
    )  # fmt: skip


def markup(found: Comparison) -> str:
    """A section: a picture a method, PruneGrad's own left out since it moves above, and their numbers."""
    figures = "".join(
        f'<figure><img src="{_address(pixels)}" alt="{escape(f"{label}: {words}")}">'
        f"<figcaption>{escape(label)}</figcaption></figure>"
        for label, pixels, words in found.pictures()
        if not label.startswith("PruneGrad (")
    )
    rows = found.table()
    names = [name for name in _NUMBERS if any(row[name] is not None for row in rows)]
    labels = [_AREA if name == "area" else KINDS[name].label for name in names]
    head = "".join(f"<th scope='col'>{escape(label)}</th>" for label in labels)
    body = "".join(
        f"<tr><th scope='row'>{escape(row['method'])}</th>"
        + "".join(
            f"<td class='number'>{'' if row[name] is None else escape(KINDS[name].write(row[name]))}</td>"
            for name in names
        )
        + "</tr>"
        for row in rows
    )
    return (
        "<section><h2>Other methods, the same picture</h2>"
        f"<div class='beside'>{figures}</div>"
        f"<div class='scroll'><table><tr><th scope='col'>Method</th>{head}</tr>{body}</table></div>"
        "<p>Each map has its own scale. LeRF area: how the probability changes while the least relevant "
        "pixels, 1 to 10 % of all, are removed; less is better. Spearman and SSIM: likeness to the plain "
        "gradient.</p>"
        "</section>"
    )


def _address(pixels: NDArray[np.uint8]) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
