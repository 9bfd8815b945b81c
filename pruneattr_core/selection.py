"""Which neurons go at which sparsity: order statistics over many layers at once, without sorting them.

On the CPU a sample tells between which two values a rank lies: what is above them is counted and only what
lies between is looked at. Where many levels are asked for, where the sample misled, or on another device, a
histogram does it. Non-negative floats order like their bits, so one over the leading bits finds the bins that
hold the wanted ranks of all levels and images together; only those bins are sorted.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pruneattr_core.errors import ArgumentTypeError, InputError, NoSuchRow
from pruneattr_core.given import is_truth
from pruneattr_core.one_of import is_one_of

Ties = Literal["drop", "exact"]
#: What a sparsity is a share of: all neurons, or those whose score is above 0 (the rest goes first anyway).
Of = Literal["all", "contributing"]

#: Values of a sample, and the most levels found by one: a level costs half of the histogram of all.
_SAMPLE, _LEVELS = 1 << 15, 2
_BINS = 1 << 15  # sign is 0: 8 exponent + 7 mantissa bits in float32, 11 + 4 in float64


def rows_at(index: int | slice, count: int) -> slice:
    """The rows of a batch of `count` that an index names, as a slice: one row is still a batch.

    Raises:
        ArgumentTypeError: neither a whole number nor a slice.
        NoSuchRow: there is no such row.
    """
    if isinstance(index, slice):
        return index
    try:
        row = range(count)[operator.index(index)]
    except TypeError:
        raise ArgumentTypeError(f"Expected the number of an input, or a slice, got {index!r}.") from None
    except IndexError:
        raise NoSuchRow(f"Expected the number of an input from 0 to {count - 1}, got {index!r}.") from None
    return slice(row, row + 1)


def order_statistics(layers: Sequence[Tensor], ranks: Tensor) -> Tensor:
    """The rank-th smallest value of each image over all layers together.

    Args:
        layers: tensors (B, *shape) of float32 or float64 values >= 0.
        ranks: (K, B) int64, zero-based, below the number of values of one image.

    Returns:
        (K, B), of the dtype of the layers.
    """
    rows = [_rows(layer) for layer in layers]
    large = sum(row.shape[1] for row in rows) >= 4 * _SAMPLE
    if large and len(ranks) <= _LEVELS and rows[0].device.type == "cpu":
        return _sampled(rows, ranks)
    return _binned(rows, ranks)


def _sampled(rows: Sequence[Tensor], ranks: Tensor) -> Tensor:
    found = torch.empty(ranks.shape, dtype=rows[0].dtype)
    for image in range(ranks.shape[1]):
        own = [row[image] for row in rows]
        total = sum(map(len, own))
        # An odd step meets every channel of channels-last rows, whose number is even.
        taken = np.sort(np.concatenate([row[:: total // _SAMPLE | 1].numpy() for row in own]))
        sample = torch.from_numpy(taken)
        for level, rank in enumerate(ranks[:, image].tolist()):
            share = rank / (total - 1)
            middle = share * (len(sample) - 1)
            margin = 4 * (len(sample) * share * (1 - share)) ** 0.5 + 4
            low = sample[max(0, int(middle - margin))]
            high = sample[min(len(sample) - 1, int(middle + margin) + 1)]
            value = _between(own, rank, low, high)
            if value is None:
                value = _binned([row.unsqueeze(0) for row in own], torch.tensor([[rank]]))[0, 0]
            found[level, image] = value
    return found


def _between(rows: Sequence[Tensor], rank: int, low: Tensor, high: Tensor) -> Tensor | None:
    """The rank-th smallest of all rows if it is `low`, `high` or between; else None."""
    arrays, least, most = [row.numpy() for row in rows], low.numpy(), high.numpy()
    above, inside = 0, []
    for array in arrays:
        mark = array > least
        above += int(np.count_nonzero(mark))
        mark &= array < most
        inside.append(array[np.flatnonzero(mark)])
    rank -= sum(map(len, arrays)) - above
    if rank < 0:
        equal = sum(int(np.count_nonzero(array == least)) for array in arrays)
        return low if rank >= -equal else None
    between = np.concatenate(inside)
    if rank < len(between):
        return torch.as_tensor(np.partition(between, rank)[rank])
    if low == high:
        return None  # those equal to both were taken off above
    equal = sum(int(np.count_nonzero(array == most)) for array in arrays)
    return high if rank < len(between) + equal else None


def _binned(rows: Sequence[Tensor], ranks: Tensor) -> Tensor:
    keys = [_bins(row).flatten() for row in rows]
    batch, device = rows[0].shape[0], rows[0].device
    histogram = torch.zeros(batch * _BINS, dtype=torch.int64, device=device)
    for key in keys:
        histogram += torch.bincount(key, minlength=batch * _BINS)
    ends = histogram.view(batch, _BINS).cumsum(1)
    wanted = ranks.to(device).t().contiguous()
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


class Removal(NamedTuple):
    """How many neurons went at K levels for B inputs.

    Attributes:
        removed: (K, B) int64.
        silent: (B,) int64, neurons of score 0; they go before any other.
        total: neurons of one input.
    """

    removed: Tensor
    silent: Tensor
    total: int

    @property
    def sparsity(self) -> Tensor:
        """(K, B) float64: share of all neurons that went."""
        return self.removed.double() / self.total

    @property
    def sparsity_of_contributing(self) -> Tensor:
        """(K, B) float64: share of the contributing neurons that went; 0 where none contributes."""
        gone = (self.removed - self.silent).clamp(min=0)
        return gone.double() / (self.total - self.silent).clamp(min=1)

    @property
    def silent_only(self) -> Tensor:
        """(K, B) bool: no neuron went, or none but silent ones."""
        return self.removed <= self.silent


def fraction(sparsity: Any) -> float:
    """A sparsity as a number, from Python's, numpy's or torch's.

    Raises:
        InputError: it is no number in [0, 1].
    """
    value = as_real(sparsity)
    if value is None or not 0 <= value <= 1:
        raise InputError(f"Sparsity is the fraction of neurons removed, in [0, 1]; got {sparsity!r}.")
    return value


def check_of(of: Any) -> None:
    """Raise InputError unless a sparsity can be a share of this."""
    if not is_one_of(of, ("all", "contributing")):
        raise InputError(f'Expected of "all" or "contributing", what a sparsity is a share of; got {of!r}.')


def as_real(given: Any) -> float | None:
    """A number as a float, also numpy's and torch's; None for all else: texts, truth values and lists."""
    try:
        return None if isinstance(given, str | bytes) or is_truth(given) else float(given)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def masks_at(
    layers: Sequence[Tensor],
    sparsities: Sequence[float],
    ties: Ties = "drop",
    of: Of = "all",
    names: Sequence[str] | None = (),
) -> Iterator[tuple[Tensor, ...]]:
    """Masks (True = kept) of the highest scores at each sparsity, made one level at a time.

    See `Contributions.path`; arguments are checked at the first level. Only sparsity 0 can be had of scores
    that are not finite.

    Args:
        layers: scores >= 0, (B, *shape) per call.
        sparsities: fractions to remove, in [0, 1].
        ties: see `Contributions.path`.
        of: see `Contributions.path`.
        names: of the calls, for the error message; None where the scores are known to be finite.
    """
    sparsities = [fraction(s) for s in sparsities]
    if not is_one_of(ties, ("drop", "exact")):
        raise InputError(f'Expected ties "drop" or "exact", got {ties!r}.')
    check_of(of)
    scores = [layer.detach() for layer in layers]
    if {score.dtype for score in scores} not in ({torch.float32}, {torch.float64}):
        # Half precision, or layers of several precisions, as under an autocast of the network's own.
        scores = [score.float() for score in scores]
    some = [s for s in sparsities if s > 0]
    if some and names is not None and (said := not_ranked(scores, names)):
        raise InputError(said)
    total = sum(score[0].numel() for score in scores)
    silent = silent_count(scores) if of == "contributing" else torch.zeros(len(scores[0]), dtype=torch.int64)
    removed, ranks = _counts(some, total, silent.cpu(), ties)
    thresholds = iter(order_statistics(scores, ranks)) if some else iter(())
    counts = iter(removed)
    for sparsity in sparsities:
        if sparsity == 0:
            yield tuple(torch.ones_like(score, dtype=torch.bool) for score in scores)
            continue
        threshold, count = next(thresholds), next(counts)
        if ties == "exact":
            threshold = torch.where((count == 0).to(threshold.device), -1.0, threshold)
        kept = tuple(higher(score, _column(threshold, score)) for score in scores)
        if ties == "exact":
            kept = _keep_surplus_ties(scores, kept, threshold, (total - count).tolist())
        yield kept


def _counts(sparsities: Sequence[float], total: int, silent: Tensor, ties: Ties) -> tuple[Tensor, Tensor]:
    """(K, B) number of neurons to remove, and rank of the highest score that goes."""
    removed, ranks = [], []
    for s in sparsities:
        own = [(quiet, total - quiet) for quiet in silent.tolist()]
        removed.append([quiet + round(s * rest) for quiet, rest in own])
        # numpy's percentile lies between these ranks and the next, so it removes the same scores.
        ranks.append([min(quiet + int(s * max(rest - 1, 0)), total - 1) for quiet, rest in own])
    gone = torch.tensor(removed, dtype=torch.int64)
    return gone, torch.tensor(ranks, dtype=torch.int64) if ties == "drop" else (gone - 1).clamp(min=0)


def not_ranked(scores: Sequence[Tensor], names: Sequence[str]) -> str:
    """Which calls hold contributions that cannot be ranked, as a sentence; "" if none does."""
    # Scores are never negative, so the largest one tells, and NaN counts as larger than any.
    wrong = [call for call, score in enumerate(scores) if not bool(torch.isfinite(score.amax()))]
    if not wrong:
        return ""
    said = ", ".join(names[call] if names else f"call {call + 1}" for call in wrong[:3])
    return (
        f"The contributions of {said} hold NaN or infinite values, so neurons cannot be ranked. Use "
        "float64 inputs and model, or sparsity 0, which removes nothing."
    )


def with_ranks(scores: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
    """The scores, all 1 for inputs whose own cannot be ranked; and which inputs these are, bool (B,)."""
    wrong = torch.stack([~torch.isfinite(score.flatten(1).amax(1)) for score in scores]).any(0)
    return tuple(torch.where(_column(wrong, score), 1, score) for score in scores), wrong


def kept_whole(masks: Sequence[Tensor], inputs: Tensor) -> tuple[Tensor, ...]:
    """The masks with everything kept for some inputs, bool (B,)."""
    return tuple(mask | _column(inputs, mask) for mask in masks)


def silent_count(layers: Sequence[Tensor]) -> Tensor:
    """(B,) int64: neurons of score 0 of each input."""
    return _marked([is_zero(layer) for layer in layers])


def higher(values: Tensor, than: Tensor) -> Tensor:
    """`values > than`, bool; on the CPU by numpy, which takes a third of torch's time on one thread."""
    values, than = values.detach(), than.detach()
    if values.device.type != "cpu" or values.dtype not in (torch.float32, torch.float64):
        return values > than
    return torch.from_numpy(np.asarray(values.numpy() > than.numpy()))


def is_zero(values: Tensor) -> Tensor:
    """`values == 0`, bool, as fast as `higher`."""
    values = values.detach()
    if values.device.type != "cpu" or values.dtype not in (torch.float32, torch.float64):
        return values == 0
    return torch.from_numpy(np.asarray(values.numpy() == 0))


def masked(values: Tensor, mask: Tensor) -> Tensor:
    """Values times a bool mask of their shape; by way of bytes, as booleans take five times as long."""
    numbers = mask.view(torch.uint8).to(values.dtype)
    # In its own memory unless the layout would become the mask's.
    return numbers.mul_(values) if numbers.stride() == values.stride() else values * numbers


def removed_count(masks: Sequence[Tensor]) -> Tensor:
    """(B,) int64: neurons that masks remove from each input."""
    return sum(mask[0].numel() for mask in masks) - _marked(masks)


def _marked(masks: Sequence[Tensor]) -> Tensor:
    """(B,) int64: how many of each input are True."""
    rows = [_rows(mask) for mask in masks]
    if rows[0].device.type == "cpu":  # a sum makes eight bytes of each boolean first
        return torch.tensor(
            [sum(np.count_nonzero(row.numpy()) for row in own) for own in zip(*rows, strict=True)]
        )
    return torch.stack([row.sum(1) for row in rows]).sum(0)


def share_removed(masks: Sequence[Tensor]) -> Tensor:
    """(B,) float64: the fraction of all neurons that masks remove, in [0, 1]."""
    return removed_count(masks).double() / sum(mask[0].numel() for mask in masks)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def _keep_surplus_ties(
    scores: Sequence[Tensor], kept: tuple[Tensor, ...], threshold: Tensor, wanted: Sequence[int]
) -> tuple[Tensor, ...]:
    """Add to `kept` the last of the scores equal to the threshold, so that `wanted` are kept per input."""
    kept = tuple(mask.contiguous() for mask in kept)
    for image in range(len(threshold)):
        missing = wanted[image] - sum(int(torch.count_nonzero(mask[image])) for mask in kept)
        for score, mask in zip(reversed(scores), reversed(kept), strict=True):
            if missing <= 0:
                break
            tied = (score[image] == threshold[image]).flatten().nonzero().flatten()[-missing:]
            mask[image].view(-1)[tied] = True
            missing -= len(tied)
    return kept
