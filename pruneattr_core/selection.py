"""Order statistics over many layers at once, without sorting them.

Non-negative floats order like their bits, so one histogram over the leading bits finds the bins
that hold the wanted ranks of all levels and images together; only those bins are sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_BINS = 1 << 15  # sign is 0: 8 exponent + 7 mantissa bits in float32, 11 + 4 in float64


def order_statistics(layers: Sequence[Tensor], ranks: Sequence[int]) -> Tensor:
    """The rank-th smallest value of each image over all layers together.

    Args:
        layers: tensors (B, *shape) of float32 or float64 values >= 0.
        ranks: K zero-based ranks below the number of values of one image.

    Returns:
        (K, B), of the dtype of the layers.
    """
    rows = [_rows(layer) for layer in layers]
    keys = [_bins(row).flatten() for row in rows]
    batch, device = rows[0].shape[0], rows[0].device
    histogram = torch.zeros(batch * _BINS, dtype=torch.int64, device=device)
    for key in keys:
        histogram += torch.bincount(key, minlength=batch * _BINS)
    ends = histogram.view(batch, _BINS).cumsum(1)
    wanted = torch.tensor(list(ranks), device=device).repeat(batch, 1)
    inside = torch.searchsorted(ends, wanted, right=True)  # (B, K) bin of each rank
    bins = inside + torch.arange(batch, device=device).unsqueeze(1) * _BINS
    needed = torch.zeros(batch * _BINS, dtype=torch.bool, device=device)
    needed[bins.flatten()] = True

    hits = [needed.index_select(0, key) for key in keys]
    values, order = torch.cat([row.flatten()[hit] for row, hit in zip(rows, hits, strict=True)]).sort()
    owner = torch.cat([key[hit] for key, hit in zip(keys, hits, strict=True)])[order]
    values = values[owner.sort(stable=True).indices]

    held = torch.where(needed, histogram, 0)
    starts = held.cumsum(0) - held
    within = wanted - (ends - histogram.view(batch, _BINS)).gather(1, inside)
    return values[starts[bins] + within].t()


def _rows(layer: Tensor) -> Tensor:
    """(B, n) without copying when each image is one dense block, in whatever order."""
    layer = layer.detach()
    if not layer.is_contiguous():
        if layer.ndim == 4 and layer.is_contiguous(memory_format=torch.channels_last):
            layer = layer.permute(0, 2, 3, 1)
        else:
            layer = layer.contiguous()
    return layer.view(layer.shape[0], -1)


def _bins(row: Tensor) -> Tensor:
    """(B, n) int32 bin of every value; image b owns bins b * _BINS onwards."""
    if row.dtype == torch.float64:
        bins = (row.view(torch.int64) >> 48).to(torch.int32)
    else:
        bins = row.view(torch.int32) >> 16
    bins &= _BINS - 1  # without the sign, which -0.0 has
    if row.shape[0] > 1:
        bins += torch.arange(row.shape[0], dtype=torch.int32, device=row.device).unsqueeze(1) * _BINS
    return bins
