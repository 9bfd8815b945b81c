"""From an untrusted weights file to tensors nobody has touched, or to one sentence that says why not.

A PyTorch archive and a safetensors file are mapped, not read: memory is taken when `fitting` copies what a
network wants. What could take memory or time before that is looked at first: compressed records, the size of
the index, and every name in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import pickletools
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from pruneattr_core.archives import TooMany, check_directory
from pruneattr_core.errors import WeightsError
from pruneattr_core.models.pickles import Crowded, globals_in
from pruneattr_core.models.standins import Nothing, stand_ins

FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_INTEGERS = {torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool}
#: Bytes of the index (a pickle or a JSON header) that a file may have: ten thousand tensors take as many.
MAX_INDEX = 2 << 20
#: Names that torch's own reader of weights would follow to something that is no plain tensor.
_UNPLAIN = {
    "_rebuild_sparse_tensor": "sparse tensors",
    "_rebuild_sparse_csr_tensor": "sparse tensors",
    "_rebuild_nested_tensor": "nested tensors",
    "_rebuild_qtensor": "quantised tensors",
    "_rebuild_meta_tensor_no_storage": "tensors without values",
    "_rebuild_device_tensor_from_numpy": "tensors of another device",
    "_rebuild_device_tensor_from_cpu_tensor": "tensors of another device",
    "_rebuild_wrapper_subclass": "tensors of a class of their own",
    "_rebuild_from_type_v2": "tensors of a class of their own",
}
#: Bytes of a foreign pickle that are looked at to say what wrote it; characters of a name that are repeated.
_LOOKED_AT, _SHOWN = 1 << 16, 60
_BOMBS = {"builtins bytearray", "__builtin__ bytearray"}
_safe_names = threading.Lock()


def file_sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal; remembered until its size or time changes."""
    status = file.stat()
    return _sha256(str(file), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1 << 15)  # the pictures of a folder, too
def _sha256(file: str, size: int, changed: int) -> str:
    with open(file, "rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def read_checkpoint(file: str | os.PathLike[str]) -> Mapping[Any, Any]:
    """What a safetensors file or a PyTorch checkpoint holds; no code from the file is run.

    Args:
        file: the path.

    Returns:
        The mapping in the file as it was saved, with whatever wraps the state dict; tensors are views of the
        file that have not been read and may be of any shape, type and layout: see `plain`.

    Raises:
        WeightsError: the file is missing, empty, damaged or compressed, names what acts when it is read, or
            holds objects and no tensors. Other objects are not made, see `standins`.
    """
    path = Path(file)
    if not path.is_file():
        raise WeightsError(f"There is no weights file {str(path)!r}: check the path.")
    try:
        if path.stat().st_size == 0:
            raise WeightsError(f"The weights file {path.name!r} is empty: copy or download it again.")
        with path.open("rb") as data:
            start = data.read(9)
    except OSError as error:
        raise WeightsError(
            f"The weights file {path.name!r} cannot be read ({error.strerror}): check its permissions."
        ) from error
    # The first eight bytes of a safetensors file are the length of the JSON header that follows.
    loaded = _read_safetensors(path, start) if start[8:] == b"{" else _read_torch(path, start)
    if not isinstance(loaded, Mapping) or not loaded:
        raise WeightsError(
            f"The weights file {path.name!r} holds {kind(loaded)}, not a state dict: "
            "save model.state_dict(), best as safetensors."
        )
    return loaded


def texts(file: Path) -> dict[str, Any]:
    """What a safetensors file that `read_checkpoint` took says beside its tensors; {} of any other file.

    Its format has texts alone: one that is JSON is read as such.
    """
    said: dict[str, Any] = {}
    with suppress(SafetensorError), safetensors.safe_open(file, "pt") as opened:
        for key, text in (opened.metadata() or {}).items():
            said[key] = text
            with suppress(ValueError, RecursionError):
                said[key] = json.loads(text)
    return said


def plain(source: str, key: str, value: Any, floating: bool = True) -> Tensor:
    """`value` itself if it is a tensor whose numbers are all in the file; nothing of it is read.

    Args:
        source: the file's name, for the error.
        key: where it stands in the file.
        value: what stands there.
        floating: whether fractions are expected there, as everywhere but in counters and tables.

    Raises:
        WeightsError: it is no tensor, or a sparse, meta, quantised, complex, expanded or overlapping one, or
            one of integers where fractions are expected.
    """

    def refused(what: str, advice: str) -> WeightsError:
        return WeightsError(f"The weights file {source!r} holds {what} under {shown(key)}{advice}.")

    if not isinstance(value, Tensor):
        raise refused(kind(value), ", not a tensor: save model.state_dict() alone")
    if value.layout is not torch.strided or value.is_nested:
        raise refused(f"a {value.layout} tensor", ": save it dense, as value.to_dense()")
    if value.device.type != "cpu":
        raise refused("a tensor without values", ": save the network from the CPU or a GPU")
    if value.is_complex():
        raise refused(f"{value.dtype}", ": only networks of real numbers can be explained")
    if value.is_quantized or value.dtype not in FLOATS | _INTEGERS:
        raise refused(
            f"{value.dtype}", ": quantised networks have no gradients, use the weights before quantisation"
        )
    if floating and value.dtype not in FLOATS:
        raise refused(
            f"{value.dtype}", ": expected fractions, so use the weights before quantisation or masking"
        )
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise refused(
            f"{value.numel():,} numbers in {value.untyped_storage().nbytes():,} bytes",
            ": save value.contiguous() instead of an expanded tensor",
        )
    if _overlaps(value):
        raise refused("a tensor whose numbers share places", ": save value.contiguous()")
    return value


def finite(source: str, key: str, value: Tensor) -> Tensor:
    """`value` itself if it has neither NaN nor infinity; it is read once, without a copy.

    Raises:
        WeightsError: it has.
    """
    if value.is_floating_point() and value.numel():
        low, high = value.aminmax()
        if not (torch.isfinite(low) and torch.isfinite(high)):
            raise WeightsError(
                f"The weights file {source!r} has values that are not finite under {shown(key)}: "
                "the training diverged or the file is damaged; use another."
            )
    return value


def shown(key: object) -> str:
    """A key of a file in a sentence: escaped, short, and of any type."""
    if not isinstance(key, str):
        return f"a key of type {type(key).__name__}"
    return repr(key if len(key) <= _SHOWN else f"{key[:_SHOWN]}...")


def kind(value: Any) -> str:
    """Words for a value that should have been another."""
    if isinstance(value, Mapping) and not value:
        return "an empty dict"
    if isinstance(value, Nothing):
        return "an array or another object"
    return f"a value of type {type(value).__name__}"


def _overlaps(value: Tensor) -> bool:
    """Whether two indices could mean one place in memory."""
    reached = 0
    for stride, size in sorted(zip(value.stride(), value.shape, strict=True)):
        if size > 1:
            if stride <= reached:
                return True
            reached += stride * (size - 1)
    return False


def _read_safetensors(path: Path, start: bytes) -> Any:
    if int.from_bytes(start[:8], "little") > MAX_INDEX:
        raise _damaged(path)
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise _damaged(path) from error


def _read_torch(path: Path, start: bytes) -> Any:
    if start[:6] == b"\x93NUMPY":
        raise _foreign(path, "numpy")
    # torch.save writes pickle protocol 2; any other was written by something else.
    if start[:1] == b"\x80" and start[1:2] != b"\x02":
        raise _foreign(path, _library(path))
    filled: dict[str, type] = {}
    archived = start[:4] == b"PK\x03\x04"
    if archived:
        names = _checked_names(path, io.BytesIO(_index(path)), 1, filled)
    elif start[:2] != b"\x80\x02":  # torch's reader would take its opcodes without the two bytes as well
        raise _damaged(path)
    else:
        with path.open("rb") as data:
            # Magic number, protocol, system, the object, the keys.
            names = _checked_names(path, data, 5, filled)
    empty = stand_ins(names, filled)
    try:
        with _only(empty):
            loaded = torch.load(str(path), map_location="cpu", weights_only=True, mmap=archived or None)
    except pickle.UnpicklingError as error:
        pickled = start[:2] == b"\x80\x02" or archived  # else it is noise to any reader
        if pickled and ("Unsupported" in str(error) or "GLOBAL" in str(error)):
            named = re.search(r"GLOBAL ([\w.]+)", str(error))
            raise _foreign(path, named[1] if named else "") from error
        raise _damaged(path) from error
    except Exception as error:  # torch.load raises anything from KeyError to RuntimeError on bad bytes
        raise _damaged(path) from error
    if empty and not _has_tensors(loaded):
        raise _foreign(path, empty[0][1])
    return loaded


@contextmanager
def _only(names: Sequence[tuple[Any, str]]) -> Iterator[None]:
    """Torch's reader makes what these names mean, and nothing that its caller allows: that may run code.

    It has one list for the whole process, which is the caller's again at the end.
    """
    with _safe_names:
        theirs = torch.serialization.get_safe_globals()
        if theirs:
            torch.serialization.clear_safe_globals()
        try:
            with torch.serialization.safe_globals([*names]):
                yield
        finally:
            if theirs:
                torch.serialization.add_safe_globals(theirs)


def _has_tensors(loaded: Any) -> bool:
    """Whether a tensor stands in it, or in a dict or list inside it."""
    waiting, seen = [loaded], {id(loaded)}
    for value in waiting:
        if isinstance(value, Tensor):
            return True
        inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        fresh = {id(one): one for one in inside if id(one) not in seen}
        seen |= fresh.keys()
        waiting += fresh.values()
    return False


def _index(path: Path) -> bytes:
    """The pickle in a PyTorch archive that holds everything but the numbers."""
    try:
        with path.open("rb") as data:
            check_directory(data, MAX_INDEX)
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            names = {one.filename for one in records}
            if any(name.endswith("/constants.pkl") for name in names):
                raise WeightsError(
                    f"The weights file {path.name!r} is a scripted model: save the original's "
                    "model.state_dict()."
                )
            if names and all(name.endswith(".npy") for name in names):
                raise _foreign(path, "numpy")
            if any(one.compress_type != zipfile.ZIP_STORED for one in records):
                raise WeightsError(
                    f"The weights file {path.name!r} has compressed records, which could unpack to any size: "
                    "save it again with torch.save."
                )
            (index,) = (one for one in records if one.filename.endswith("/data.pkl"))
            if index.file_size > MAX_INDEX:
                raise _crowded(path)
            return archive.read(index)
    except WeightsError:
        raise
    except TooMany as error:
        raise _crowded(path) from error
    except Exception as error:  # zipfile raises anything from BadZipFile to struct.error
        raise _damaged(path) from error


def _checked_names(path: Path, data: IO[bytes], pickles: int, filled: dict[str, type]) -> list[str]:
    """What it names; refused is what torch's reader would follow to more than plain tensors."""
    names: dict[str, None] = {}
    try:
        for number, name in (
            (n, name) for n in range(pickles) for name in globals_in(data, MAX_INDEX, filled)
        ):
            names[name] = None
            if name in _BOMBS:
                raise _foreign(path)
            if pickles > 1 and not number:  # torch writes a number there: something else wrote the file
                raise _foreign(path, name.replace(" ", "."))
            if what := _UNPLAIN.get(name.rpartition(" ")[2]):
                raise WeightsError(
                    f"The weights file {path.name!r} holds {what}: save a state dict of plain, dense tensors."
                )
    except WeightsError:
        raise
    except Crowded as error:
        raise _crowded(path) from error
    except (ValueError, EOFError, OverflowError, MemoryError) as error:
        raise _damaged(path) from error
    return list(names)


def _crowded(path: Path) -> WeightsError:
    return WeightsError(
        f"The weights file {path.name!r} holds more than {MAX_INDEX >> 20} MB besides its numbers, or more "
        "objects, or deeper nested ones, than a state dict: save model.state_dict() alone."
    )


def _library(path: Path) -> str:
    """The library whose objects a pickle of another protocol holds, if that is NumPy; none is made."""
    with path.open("rb") as data, suppress(ValueError, EOFError, OverflowError, MemoryError):
        for _, argument, _ in pickletools.genops(io.BytesIO(data.read(_LOOKED_AT))):
            if isinstance(argument, str) and re.match(r"numpy[. ]|numpy$", argument):
                return "numpy"
    return ""


def _foreign(path: Path, name: str = "") -> WeightsError:
    """Args: name: of what is no tensor in it, with dots, where that is known."""
    numpy = name.partition(".")[0] == "numpy"
    what = "NumPy arrays or numbers" if numpy else "Python objects"
    shown = f" ({name})" if re.fullmatch(r"\w+(\.\w+)+", name) and len(name) <= _SHOWN else ""
    return WeightsError(
        f"The weights file {path.name!r} holds {what} besides tensors, which could run code{shown}: "
        "where you trust it, load it yourself and save model.state_dict() as safetensors."
    )


def _damaged(path: Path) -> WeightsError:
    return WeightsError(
        f"The weights file {path.name!r} is damaged or no weights file: "
        "copy or download it again, as safetensors or as a PyTorch state dict."
    )
