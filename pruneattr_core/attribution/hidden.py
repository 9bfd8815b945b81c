"""What a network carries out where no function mode sees a call: in scripted code, in an operation of C++.

A method that changes what calls do, as relevance and guided gradients do, would leave that as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from pruneattr_core.flow import storage_key, tensors_in

_ours = threading.local()
#: Operations that only move values, make new ones or ask about them.
_MOVING = {
    *("view", "_unsafe_view", "reshape", "_reshape_alias", "t", "transpose", "permute", "detach", "clone"),
    *("alias", "expand", "squeeze", "unsqueeze", "slice", "select", "_to_copy", "copy", "as_strided"),
    *("split", "split_with_sizes", "unbind", "cat", "stack", "contiguous", "lift_fresh", "dropout"),
    "flatten",
    *("zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_empty", "new_full"),
}


@contextmanager
def unheard() -> Iterator[None]:
    """Around what we make of an answer: no function mode sees it, and nothing is hidden by that."""
    before, _ours.inside = getattr(_ours, "inside", False), True
    try:
        with torch._C.DisableTorchFunction():
            yield
    finally:
        _ours.inside = before


class Hanging:
    """Which tensors hang on the input, and which are fixed, by storages that are kept from being used again.

    Attributes:
        moving: of the first.
        fixed: of the others, as far as they are made of parameters and buffers.
    """

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        """Begin with the input, and with what the model keeps."""
        self.moving = {storage_key(inputs): inputs}
        self.fixed = {storage_key(one): one for one in (*model.parameters(), *model.buffers())}

    def moves(self, *values: Any) -> bool:
        """Whether any of these does."""
        return any(storage_key(one) in self.moving for one in tensors_in(values))

    def hang(self, results: Any) -> None:
        """Tell that these do."""
        for one in tensors_in(results):
            self.moving[storage_key(one)] = one
            self.fixed.pop(storage_key(one), None)  # worked on in place


class Hidden(TorchDispatchMode):
    """Notes what is carried out outside of calls while it is entered.

    Attributes:
        within: set while a call is made that is seen.
        found: names of the operations, such as `relu`.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by PyTorch, which else loads its compiler at the first call."""
        return False

    def __init__(self, hanging: Hanging) -> None:
        """Take what is known of the tensors."""
        super().__init__()
        self.within, self.found = False, dict[str, None]()
        self._hanging = hanging

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():  # or what is done here would be heard as calls
            result = func(*args, **(kwargs or {}))
            seen = self.within or getattr(_ours, "inside", False)
            if not seen and self._hanging.moves(args, kwargs):
                self._hanging.hang(result)
                name = func._schema.name.split("::")[-1]
                name = name if name.startswith("_") else name.rstrip("_")
                if name not in _MOVING:
                    self.found[name] = None
        return result
