"""From an untrusted weights file to a network, or to one sentence that says why not."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core.errors import WeightsError

_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_AWAITING = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)
_COUNTS = {torch.int64, torch.int32, torch.uint8, torch.bool}


def file_sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal; remembered until its size or time changes."""
    status = file.stat()
    return _sha256(str(file), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(file: str, size: int, changed: int) -> str:
    with open(file, "rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def read_state(file: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The state dict in a safetensors file or a PyTorch checkpoint; no code from the file is run.

    A wrapper {"state_dict": ...} and the prefix "module." of parallel training are taken off; half and
    double precision become float32.

    Raises:
        WeightsError: the file is missing, empty, damaged, holds other objects than tensors, quantised
            tensors or values that are not finite.
    """
    path = Path(file)
    if not path.is_file():
        raise WeightsError(f"There is no weights file {str(path)!r}: check the path.")
    if path.stat().st_size == 0:
        raise WeightsError(f"The weights file {path.name!r} is empty: copy or download it again.")
    with path.open("rb") as data:
        start = data.read(9)
    # The first eight bytes of a safetensors file are the length of the JSON header that follows.
    loaded = _read_safetensors(path) if start[8:] == b"{" else _read_torch(path, start)
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
            break
    if not isinstance(loaded, Mapping) or not loaded:
        raise WeightsError(
            f"The weights file {path.name!r} holds {_kind(loaded)}, not a state dict: "
            "save model.state_dict(), best as safetensors."
        )
    state: OrderedDict[str, Tensor] = OrderedDict()
    for key, value in loaded.items():
        state[str(key).removeprefix("module.")] = _checked(path, str(key), value)
    if all(str(key) in state for key in loaded):  # versions of layers, as torchvision's older files need
        state._metadata = getattr(loaded, "_metadata", None)  # type: ignore[attr-defined]
    return state


def fitted(build: Callable[[], nn.Module], state: dict[str, Tensor], source: str) -> nn.Module:
    """The network that `build` makes, holding `state`.

    It is made without memory, so that no random numbers are drawn and nothing is filled twice.

    Args:
        build: takes nothing and returns the network.
        state: as `read_state` returns it.
        source: the file's name, for the error.

    Raises:
        WeightsError: a key is missing, unknown or has another shape; the first is named.
    """
    with _Hollow():
        model = build()
    wanted = model.state_dict()
    complete: OrderedDict[str, Tensor] = OrderedDict(state)
    for key in wanted:  # a counter that inference never reads, and that older files lack
        if key.endswith("num_batches_tracked"):
            complete.setdefault(key, torch.zeros((), dtype=torch.int64))
    metadata = getattr(state, "_metadata", None) or wanted._metadata  # type: ignore[attr-defined]
    complete._metadata = metadata  # type: ignore[attr-defined]
    try:
        model.load_state_dict(complete, strict=True, assign=True)
    except RuntimeError as error:
        reason = _mismatch(wanted, complete) or "it cannot be loaded"
        raise WeightsError(
            f"The weights file {source!r} does not fit {type(model).__name__}: {reason}. "
            "Choose the architecture that it was saved from."
        ) from error
    return model


class _Hollow(TorchFunctionMode):
    """Tensors that await values are made on the meta device; computed ones, as RegNet needs, stay real."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func in _AWAITING and options.get("device") is None:
            options["device"] = "meta"
        return func(*args, **options)


def _read_safetensors(path: Path) -> Any:
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise _damaged(path) from error


def _read_torch(path: Path, start: bytes) -> Any:
    # torch.save writes pickle protocol 2; any other was written by something else.
    if start[:1] == b"\x80" and start[1:2] != b"\x02":
        raise _foreign(path)
    if start[:4] == b"PK\x03\x04" and _is_scripted(path):
        raise WeightsError(
            f"The weights file {path.name!r} is a scripted model: save the original's model.state_dict()."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        pickled = start[:2] == b"\x80\x02" or start[:4] == b"PK\x03\x04"  # else it is noise to any reader
        if pickled and ("Unsupported" in str(error) or "GLOBAL" in str(error)):
            raise _foreign(path) from error
        raise _damaged(path) from error
    except Exception as error:  # torch.load raises anything from KeyError to RuntimeError on bad bytes
        raise _damaged(path) from error


def _is_scripted(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise _damaged(path) from error


def _checked(path: Path, key: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise WeightsError(
            f"The weights file {path.name!r} holds {_kind(value)} under {key!r}, not a tensor: "
            "save model.state_dict() alone."
        )
    if value.is_quantized or value.dtype not in _FLOATS | _COUNTS:
        raise WeightsError(
            f"The weights file {path.name!r} holds {value.dtype} under {key!r}: quantised networks have no "
            "gradients, use the weights before quantisation."
        )
    if value.dtype in _COUNTS:
        return value
    single: Tensor = value.float()
    if not torch.isfinite(single).all():
        raise WeightsError(
            f"The weights file {path.name!r} has values that are not finite under {key!r}: "
            "the training diverged or the file is damaged; use another."
        )
    return single


def _mismatch(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    for key, tensor in wanted.items():
        if key not in given:
            return f"{key!r} is missing"
        if given[key].shape != tensor.shape:
            return f"{key!r} has shape {tuple(given[key].shape)}, expected {tuple(tensor.shape)}"
    return next((f"{key!r} is unknown to it" for key in given if key not in wanted), "")


def _kind(value: Any) -> str:
    return (
        "an empty dict"
        if isinstance(value, Mapping) and not value
        else f"a value of type {type(value).__name__}"
    )


def _foreign(path: Path) -> WeightsError:
    return WeightsError(
        f"The weights file {path.name!r} holds Python objects besides tensors, which could run code: "
        "where you trust it, load it yourself and save model.state_dict() as safetensors."
    )


def _damaged(path: Path) -> WeightsError:
    return WeightsError(
        f"The weights file {path.name!r} is damaged or no weights file: "
        "copy or download it again, as safetensors or as a PyTorch state dict."
    )
