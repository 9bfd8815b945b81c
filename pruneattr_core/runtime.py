"""Where and how computations run: device, memory-bounded chunks, locks, provenance."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import metadata
from inspect import CO_GENERATOR
from types import FrameType

import torch
from torch import Tensor

from pruneattr_core.chance import chance_kept
from pruneattr_core.eager import eagerly
from pruneattr_core.errors import InputError, ModelError, PruneAttrError
from pruneattr_core.given import check_default_device
from pruneattr_core.leaving import staying

#: Bytes of activations that one batched pass may hold, by device type.
#: On the CPU it is one of three photographs, forward and backward: five take a tenth to a sixth longer each,
#: as larger results of a layer no longer stay in the caches.
MEMORY_BUDGET = {"cpu": 576 << 20, "mps": 2 << 30, "cuda": 8 << 30}
#: Told (steps done, steps in all).
Tick = Callable[[int, int], None]


def device_for(name: str | None = None) -> torch.device:
    """The device called `name`; None or "auto" takes CUDA, else MPS, else the CPU.

    Choosing CUDA turns TF32 off for this process's convolutions, where PyTorch has it on: ten bits of a
    mantissa are enough for an answer, but not for which neurons and pixels come first (on an H100 with TF32
    on, LeRF curves of single photographs lay up to .4 from the CPU's).

    Raises:
        InputError: the name is unknown, the device is not there, or torch's default one is meta.
    """
    check_default_device()
    if name in (None, "auto"):
        name = "mps" if torch.backends.mps.is_available() else "cpu"
        name = "cuda" if torch.cuda.is_available() else name
    try:
        device = torch.device(str(name))
    except RuntimeError:
        raise InputError(f"Expected a device such as cpu, cuda or mps, got {name!r}.") from None
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(device.type, False):
        raise InputError(f"The device {name!r} is not available here. Choose cpu or auto.")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    return device


@contextmanager
def own_modes() -> Iterator[None]:
    """Gradients on and autocast off, whatever the caller is under (no_grad, inference_mode, autocast).

    Networks then compute in the precision of their inputs; one that enters autocast itself still does. What
    of them is compiled runs as it was written. The
    random state is the caller's again at the end, also of a network that seeds or draws by itself.

    Raises:
        ModelError: what is done under it asks for a derivative that the network does not have.
    """
    with ExitStack() as stack:
        stack.enter_context(chance_kept())
        stack.enter_context(eagerly())
        stack.enter_context(_differentiable())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def _differentiable() -> Iterator[None]:
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        if _on_the_way_back(error):
            with staying():
                raise
        raise
    except Exception as error:  # also of anybody's code: functions and hooks of backward passes
        said = " ".join(str(error).split())[:160]
        if isinstance(error, (PruneAttrError, MemoryError, torch.OutOfMemoryError)):
            raise
        if isinstance(error, RuntimeError) and "inplace operation" in said:
            why = (
                "it works in place on values that its own backward pass needs. Write x = x + y there "
                "instead of x += y. PyTorch says: "
            )
        elif isinstance(error, RuntimeError) and "derivative for" in said:
            why = "PyTorch says: "
        elif _on_the_way_back(error):
            why = f"its backward pass fails with {type(error).__name__}: "
        else:
            raise
        raise ModelError(f"The network cannot be differentiated: {why}{said}") from error


def _on_the_way_back(error: BaseException) -> bool:
    """Whether a backward pass raised it, by itself or in code of the network, and not in ours."""
    back, place = None, error.__traceback__
    while place is not None:
        frame = place.tb_frame
        if back is None and frame.f_code.co_name == "_engine_run_backward":
            back = frame
        ours = str(frame.f_globals.get("__name__")).startswith("pruneattr_core.")
        if back is not None and ours and _beneath(frame, back):
            return False
        place = place.tb_next
    return back is not None


def _beneath(frame: FrameType, above: FrameType) -> bool:
    """Whether it ran beneath another, or in a thread of its own, as on the way back on a GPU.

    What an error that is raised again holds of the time before did neither. A context that is left, which is
    a generator, no longer says where it ran.
    """
    if frame.f_code.co_flags & CO_GENERATOR:
        return False
    first, top = frame, above
    while first is not above and first.f_back is not None:
        first = first.f_back
    while top.f_back is not None:
        top = top.f_back
    return first is above or first is not top


def chunks(count: int, bytes_each: int, like: Tensor) -> Iterator[slice]:
    """Slices of `range(count)` whose passes fit the memory budget of the device of `like`.

    In float64 on the CPU every item runs alone: matrix kernels choose their summation order by
    batch size, and there a batch promises to equal its single images bit for bit.
    """
    if like.device.type == "cpu" and like.dtype == torch.float64:
        return (slice(start, start + 1) for start in range(count))
    return within_budget(count, bytes_each, like.device)


def within_budget(count: int, bytes_each: int, device: torch.device) -> Iterator[slice]:
    """Slices of `range(count)` whose passes fit the memory budget of `device`."""
    size = max(1, min(count, MEMORY_BUDGET.get(device.type, 1 << 30) // max(1, bytes_each)))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def provenance(device: torch.device | str | None = None) -> dict[str, str]:
    """Versions and device to store beside any result."""
    record = {"python": platform.python_version(), **_versions()}
    if device is not None:
        device = torch.device(device)
        record["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        fast = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
        record["tf32"] = str(device.type == "cuda" and fast)
    return record


@cache
def _versions() -> Mapping[str, str]:
    """Read once: every run of a page asks, and files are opened for it."""
    return {name: metadata.version(name) for name in ("torch", "torchvision", "captum", "numpy")}
