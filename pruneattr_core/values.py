"""Frozen values: what a computation hands to the next one."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from pruneattr_core.errors import ArgumentTypeError, InputError, StoreError
from pruneattr_core.heads import Head
from pruneattr_core.response import Asked, resolved
from pruneattr_core.selection import order_statistics
from pruneattr_core.store import write_atomically

Ties = Literal["drop", "exact"]
Mode = Literal["zero", "freeze"]

_FORMAT = "pruneattr-path-1"


@dataclass(frozen=True)
class Path:
    """The neurons kept for each input of a batch: a critical path (SCP section 2).

    Attributes:
        names: one name per activation call.
        layers: bool (B, *shape) per call, True = kept.
        meta: how it was made (method, requested sparsity, ties, ...); JSON values only.
    """

    names: tuple[str, ...]
    layers: tuple[Tensor, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that there is one boolean tensor per name, all of one batch size."""
        if not self.layers or len(self.names) != len(self.layers):
            raise InputError(f"A path needs one mask per name, got {len(self.names)} and {len(self.layers)}.")
        if any(layer.dtype != torch.bool for layer in self.layers):
            raise ArgumentTypeError("Expected boolean masks, True where a neuron is kept.")
        if len({layer.shape[0] for layer in self.layers}) != 1:
            raise InputError("Every mask of a path must have the same batch size.")

    def __len__(self) -> int:
        """Number of inputs B."""
        return int(self.layers[0].shape[0])

    def __getitem__(self, index: int | slice) -> Path:
        """The path of one input (still a batch, of one) or of a slice of inputs."""
        at = slice(index, index + 1 or None) if isinstance(index, int) else index
        return Path(self.names, tuple(layer[at] for layer in self.layers), self.meta)

    def __and__(self, other: Path) -> Path:
        """Neurons kept by both."""
        self._check_like(other)
        return self._with(a & b for a, b in zip(self.layers, other.layers, strict=True))

    def __or__(self, other: Path) -> Path:
        """Neurons kept by either."""
        self._check_like(other)
        return self._with(a | b for a, b in zip(self.layers, other.layers, strict=True))

    def __sub__(self, other: Path) -> Path:
        """Neurons kept by this path and not by the other."""
        self._check_like(other)
        return self._with(a & ~b for a, b in zip(self.layers, other.layers, strict=True))

    @property
    def kept(self) -> Tensor:
        """(calls, B) int64: number of neurons kept per call."""
        return torch.stack([layer.flatten(1).sum(1) for layer in self.layers])

    @property
    def neurons(self) -> tuple[int, ...]:
        """Number of neurons of one input per call."""
        return tuple(layer[0].numel() for layer in self.layers)

    @property
    def sparsity(self) -> Tensor:
        """(B,) float64: the fraction of neurons really removed, in [0, 1]."""
        return share_removed(self.layers)

    def jaccard(self, other: Path, per_layer: bool = False) -> Tensor:
        """Overlap |A and B| / |A or B| (SCP section 2.4); two empty sets overlap by 1.

        Args:
            other: path over the same network and batch size.
            per_layer: per activation call instead of network-wide.

        Returns:
            float64 in [0, 1], (B,) or (calls, B).
        """
        both, either = (self & other).kept, (self | other).kept
        if not per_layer:
            both, either = both.sum(0), either.sum(0)
        return torch.where(either == 0, 1.0, both.double() / either.clamp(min=1))

    def dead_share(self, dead: Sequence[Tensor], per_layer: bool = False) -> Tensor:
        """Share of the kept neurons that were dead in the original network (SCP section 2.4).

        Args:
            dead: bool (B, *shape) per call, as `Contributions.dead`.
            per_layer: per activation call instead of network-wide.

        Returns:
            float64 in [0, 1], (B,) or (calls, B); 0 where nothing is kept.
        """
        hit = (self & Path(self.names, tuple(dead))).kept
        kept = self.kept
        if not per_layer:
            hit, kept = hit.sum(0), kept.sum(0)
        return hit.double() / kept.clamp(min=1)

    def to(self, device: torch.device | str) -> Path:
        """The same path on another device."""
        return self._with(layer.to(device) for layer in self.layers)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the path as bits in an `.npz` without pickle; a failed write leaves no file.

        Raises:
            StoreError: the file cannot be written.
        """
        header: dict[str, Any] = {"format": _FORMAT, "names": self.names, "meta": dict(self.meta)}
        header["shapes"] = [list(layer.shape) for layer in self.layers]
        bits = [np.packbits(layer.cpu().numpy()) for layer in self.layers]
        arrays: dict[str, Any] = {f"bits{i}": array for i, array in enumerate(bits)}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
        write_atomically(file, buffer.getvalue())

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Path:
        """Read a path written by `save`.

        Raises:
            StoreError: the file is missing, damaged or something else.
        """
        try:
            # From memory: numpy leaves a damaged file open.
            with np.load(io.BytesIO(FilePath(file).read_bytes()), allow_pickle=False) as data:
                header = json.loads(data["header"].tobytes())
                if header["format"] != _FORMAT:
                    raise ValueError(header["format"])
                layers = []
                for i, shape in enumerate(header["shapes"]):
                    bits, size = data[f"bits{i}"], int(np.prod(shape))
                    if bits.dtype != np.uint8 or bits.size != (size + 7) // 8:
                        raise ValueError(f"bits{i}")
                    layers.append(torch.from_numpy(np.unpackbits(bits, count=size).astype(bool)).view(*shape))
            return cls(tuple(header["names"]), tuple(layers), header["meta"])
        except FileNotFoundError:
            raise StoreError(f"There is no path file at {file}.") from None
        except Exception as error:
            raise StoreError(f"{file} is not a path saved by PruneAttr, or is damaged ({error}).") from error

    def _with(self, layers: Any) -> Path:
        return Path(self.names, tuple(layers), self.meta)

    def _check_like(self, other: Path) -> None:
        if self.names != other.names or any(
            a.shape != b.shape for a, b in zip(self.layers, other.layers, strict=True)
        ):
            raise InputError(
                "The two paths run over different networks, input sizes or batch sizes, so they cannot be "
                f"compared ({len(self.names)} and {len(other.names)} activation calls)."
            )


@dataclass(frozen=True)
class Contributions:
    """How much each neuron contributed to each input's target (PAPERS: contribution).

    Attributes:
        names: one name per activation call.
        layers: (B, *shape) per call, >= 0, in units of the response.
        dead: bool (B, *shape) per call: activation == 0 in the original network.
        target: (B,) int64, the class explained.
        logits: (B, classes) of the original network.
        method: "taylor" or "intgrad".
        asked: the response explained; None for the class `target`.
        head: how the outputs are read, as the network showed it.
    """

    names: tuple[str, ...]
    layers: tuple[Tensor, ...]
    dead: tuple[Tensor, ...]
    target: Tensor
    logits: Tensor
    method: str
    asked: Asked | None = None
    head: Head = "softmax"

    @property
    def question(self) -> Asked:
        """What was explained of every input."""
        return resolved(self.logits, self.target) if self.asked is None else self.asked

    @property
    def dead_fraction(self) -> Tensor:
        """(B,) float64: share of all neurons that are dead for this input."""
        return 1 - share_removed(self.dead)

    def __getitem__(self, index: int | slice) -> Contributions:
        """Those of one input (still a batch, of one) or of a slice of inputs."""
        at = slice(index, index + 1 or None) if isinstance(index, int) else index
        return Contributions(
            self.names,
            tuple(layer[at] for layer in self.layers),
            tuple(layer[at] for layer in self.dead),
            self.target[at],
            self.logits[at],
            self.method,
            None if self.asked is None else self.asked[at],
            self.head,
        )

    def path(self, sparsity: float, ties: Ties = "drop") -> Path:
        """Keep the neurons that contribute most, ranked network-wide.

        Args:
            sparsity: fraction to remove, in [0, 1]; 0 removes nothing.
            ties: "drop" removes every score <= the percentile, as the released code does, so ties at
                the threshold (all zero scores, say) go together; "exact" removes round(sparsity * N)
                neurons, equal scores in call order, then C order.

        Raises:
            InputError: sparsity outside [0, 1] or unknown ties rule.
        """
        return self.paths([sparsity], ties)[0]

    def paths(self, sparsities: Sequence[float], ties: Ties = "drop") -> list[Path]:
        """One path per sparsity, with all thresholds found in one pass."""
        return [
            Path(self.names, masks, {"method": self.method, "sparsity": float(s), "ties": ties})
            for s, masks in zip(sparsities, masks_at(self.layers, sparsities, ties), strict=True)
        ]


def masks_at(
    layers: Sequence[Tensor], sparsities: Sequence[float], ties: Ties = "drop"
) -> Iterator[tuple[Tensor, ...]]:
    """Masks (True = kept) of the highest scores at each sparsity, made one level at a time.

    See `Contributions.path`; arguments are checked at the first level.
    """
    for s in sparsities:
        if isinstance(s, bool) or not 0 <= s <= 1:
            raise InputError(f"Sparsity is the fraction of neurons removed, in [0, 1]; got {s!r}.")
    if ties not in ("drop", "exact"):
        raise InputError(f'Expected ties "drop" or "exact", got {ties!r}.')
    scores = [layer.detach() for layer in layers]
    if scores[0].dtype not in (torch.float32, torch.float64):
        scores = [score.float() for score in scores]
    total = sum(score[0].numel() for score in scores)
    removed = [round(s * total) for s in sparsities]
    # numpy's percentile lies between these ranks and the next, so it removes the same scores.
    ranks = [int(s * (total - 1)) for s in sparsities] if ties == "drop" else [max(0, r - 1) for r in removed]
    thresholds = order_statistics(scores, ranks)
    for sparsity, count, threshold in zip(sparsities, removed, thresholds, strict=True):
        nothing = sparsity == 0 or (ties == "exact" and count == 0)
        if nothing:
            threshold = torch.full_like(threshold, -1.0)
        kept = tuple(score > _column(threshold, score) for score in scores)
        if ties == "exact" and not nothing:
            kept = _keep_surplus_ties(scores, kept, threshold, total - count)
        yield kept


def share_removed(masks: Sequence[Tensor]) -> Tensor:
    """(B,) float64: the fraction of all neurons that masks remove, in [0, 1]."""
    kept = torch.stack([mask.flatten(1).sum(1) for mask in masks]).sum(0)
    total = sum(mask[0].numel() for mask in masks)
    return (total - kept).double() / total


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def _keep_surplus_ties(
    scores: Sequence[Tensor], kept: tuple[Tensor, ...], threshold: Tensor, wanted: int
) -> tuple[Tensor, ...]:
    """Add to `kept` the last of the scores equal to the threshold, so that `wanted` are kept."""
    kept = tuple(mask.contiguous() for mask in kept)
    for image in range(len(threshold)):
        missing = wanted - int(sum(int(mask[image].sum()) for mask in kept))
        for score, mask in zip(reversed(scores), reversed(kept), strict=True):
            if missing <= 0:
                break
            tied = (score[image] == threshold[image]).flatten().nonzero().flatten()[-missing:]
            mask[image].view(-1)[tied] = True
            missing -= len(tied)
    return kept


@dataclass(frozen=True)
class Attribution:
    """A map and what made it.

    Attributes:
        values: the shape of the inputs, or (B, 1, H, W) where a method has no channels.
        target: (B,) int64, the class explained.
        method: key of the table of methods.
        settings: every option that shaped the values, JSON values only; "response" where it is no class.
        asked: the response explained; None for the class `target`.
    """

    values: Tensor
    target: Tensor
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: Asked | None = None


@dataclass(frozen=True)
class Outputs:
    """What a pruned network answers, at K levels for B inputs; every field (K, B).

    Attributes:
        sparsity: fraction of neurons really removed, in [0, 1].
        logit: the response, raw: the target's logit where a class is explained.
        probability: of the target, as the head reads it.
        output_change: |p_pruned - p| / p of that probability; >= 0, inf when p underflows to 0.
        prediction: int64, the class the pruned network answers.
        response_change: |f_pruned - f| / |f| of the response (PG1 and PG2 eq. 1); >= 0.
        changed: bool, whether the answer about what is explained is another than the original's.
    """

    sparsity: Tensor
    logit: Tensor
    probability: Tensor
    output_change: Tensor
    prediction: Tensor
    response_change: Tensor
    changed: Tensor


@dataclass(frozen=True)
class Sweep(Outputs):
    """Maps at K sparsities, from one scoring pass.

    Attributes:
        maps: (K, *inputs.shape).
        requested: the K sparsities asked for.
        target: (B,) int64.
        asked: the response explained.
        mode: "zero" or "freeze".
    """

    maps: Tensor
    requested: tuple[float, ...]
    target: Tensor
    asked: Asked
    mode: Mode
