"""A critical path: the neurons that are kept for each input."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import torch
from torch import Tensor

from pruneattr_core.bits import packed, unpacked
from pruneattr_core.brief import some
from pruneattr_core.errors import ArgumentTypeError, InputError, StoreError
from pruneattr_core.given import check_truth, several
from pruneattr_core.likeness import jaccard
from pruneattr_core.same import same
from pruneattr_core.selection import rows_at, share_removed
from pruneattr_core.store import write_atomically


@dataclass(frozen=True, eq=False)
class Path:
    """The neurons kept for each input of a batch: a critical path (SCP section 2).

    Attributes:
        names: one name per activation call.
        layers: bool (B, *shape) per call, True = kept.
        meta: how it was made (method, requested sparsity, ties, ...); JSON values only.

    Example:
        >>> one = pruneattr_core.CriticalPath(("relu",), (torch.tensor([[True, False]]),))
        >>> (one & one).sparsity.tolist()
        [0.5]
    """

    names: tuple[str, ...]
    layers: tuple[Tensor, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    __eq__ = same

    def __post_init__(self) -> None:
        """Check that there is one boolean tensor per name, all of one batch size."""
        object.__setattr__(self, "names", tuple(several("names", self.names, '("relu1", "relu2")')))
        object.__setattr__(self, "layers", _masks("layers", self.layers))
        if not isinstance(self.meta, Mapping):
            raise ArgumentTypeError(f'Expected meta as {{"method": "own"}} or such, got {self.meta!r}.')
        if not self.layers or len(self.names) != len(self.layers):
            raise InputError(f"A path needs one mask per name, got {len(self.names)} and {len(self.layers)}.")
        if any(getattr(one, "dtype", 0) != torch.bool or one.is_meta or one.is_nested for one in self.layers):
            raise ArgumentTypeError("Expected boolean masks with values, True where a neuron is kept.")
        if len({layer.shape[0] for layer in self.layers}) != 1:
            raise InputError("Every mask of a path must have the same batch size.")

    def __repr__(self) -> str:
        shares = some([f"{share:.4f}" for share in self.sparsity.tolist()])
        return f"CriticalPath(inputs={len(self)}, layers={len(self.names)}, sparsity=[{shares}])"

    def __len__(self) -> int:
        """Number of inputs B."""
        return int(self.layers[0].shape[0])

    def __getitem__(self, index: int | slice) -> Path:
        """The path of one input (still a batch, of one) or of a slice of inputs."""
        at = rows_at(index, len(self))
        return Path(self.names, tuple(layer[at] for layer in self.layers), self.meta)

    def __and__(self, other: Path) -> Path:
        """Neurons kept by both."""
        return self._with(a & b for a, b in self._beside(other))

    def __or__(self, other: Path) -> Path:
        """Neurons kept by either."""
        return self._with(a | b for a, b in self._beside(other))

    def __sub__(self, other: Path) -> Path:
        """Neurons kept by this path and not by the other."""
        return self._with(a & ~b for a, b in self._beside(other))

    @property
    def class_scores(self) -> bool:
        """Whether class scores were counted as neurons (`meta`)."""
        return bool(self.meta.get("class_scores", False))

    @property
    def kept(self) -> Tensor:
        """(calls, B) int64: number of neurons kept per call."""
        return torch.stack([layer.flatten(1).sum(1) for layer in self.layers])

    @property
    def neurons(self) -> tuple[int, ...]:
        """Number of neurons of one input per call."""
        return tuple(layer.shape[1:].numel() for layer in self.layers)

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
        check_truth("per_layer", per_layer)
        both, either = (self & other).kept, (self | other).kept
        if not per_layer:
            both, either = both.sum(0), either.sum(0)
        return jaccard(both, either)

    def dead_share(self, dead: Sequence[Tensor], per_layer: bool = False) -> Tensor:
        """Share of the kept neurons that were dead in the original network (SCP section 2.4).

        Args:
            dead: bool (B, *shape) per call, as `Contributions.dead`.
            per_layer: per activation call instead of network-wide.

        Returns:
            float64 in [0, 1], (B,) or (calls, B); 0 where nothing is kept.
        """
        check_truth("per_layer", per_layer)
        hit, kept = (self & Path(self.names, _masks("dead", dead))).kept, self.kept
        if not per_layer:
            hit, kept = hit.sum(0), kept.sum(0)
        return hit.double() / kept.clamp(min=1)

    def to(self, device: torch.device | str) -> Path:
        """The same path on another device.

        Raises:
            InputError: there is no such device here.
        """
        try:
            return self._with(layer.to(torch.device(device)) for layer in self.layers)
        except (RuntimeError, TypeError, AssertionError) as error:  # torch built without CUDA: the last
            raise InputError(
                f"Expected a device that is here, such as cpu, got {device!r} ({str(error).splitlines()[0]})."
            ) from None

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the path as bits in an `.npz` without pickle; a failed write leaves no file.

        Raises:
            StoreError: the file cannot be written.
        """
        write_atomically(file, packed(self.names, self.layers, self.meta))

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Path:
        """Read a path written by `save`.

        Raises:
            StoreError: the file is missing, damaged or something else.
        """
        try:
            return cls(*unpacked(FilePath(file).read_bytes()))
        except FileNotFoundError:
            raise StoreError(f"There is no path file at {file}.") from None
        except Exception as error:
            raise StoreError(f"{file} is not a path saved by PruneAttr, or is damaged ({error}).") from error

    def _with(self, layers: Any) -> Path:
        return Path(self.names, tuple(layers), self.meta)

    def _beside(self, other: Path) -> Iterator[tuple[Tensor, Tensor]]:
        if not isinstance(other, Path):
            raise ArgumentTypeError(f"Expected another path beside this one, got {other!r}.")
        if self.names != other.names or [a.shape for a in self.layers] != [b.shape for b in other.layers]:
            raise InputError(
                "The two paths run over different networks, input sizes or batch sizes, so they cannot be "
                f"compared ({len(self.names)} and {len(other.names)} activation calls)."
            )
        return zip(self.layers, other.layers, strict=True)


def _masks(name: str, given: Any) -> tuple[Any, ...]:
    """Masks, one after the other; one alone would be taken apart into its rows."""
    such_as = "(mask1, mask2)"
    if isinstance(given, Tensor):
        raise ArgumentTypeError(f"Expected several {name}, such as {such_as}, got one tensor.")
    return tuple(several(name, given, such_as))


#: The name for users: `Path` is pathlib's, too.
CriticalPath = Path
