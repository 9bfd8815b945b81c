"""Tensors as NumPy's arrays, of any type, on any device, in a graph or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


def as_array(values: ArrayLike | Tensor) -> NDArray[np.float64]:
    """A map for NumPy, also a tensor that it cannot read: in half precision, in a graph, on a GPU."""
    given = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else values
    return np.asarray(given, np.float64)


def as_numpy(values: Tensor) -> NDArray[Any]:
    """A tensor for NumPy, of its own type but bfloat16, which NumPy does not know: that becomes float32."""
    given = values.detach().cpu().contiguous()
    array: NDArray[Any] = (given.float() if given.dtype == torch.bfloat16 else given).numpy()
    return array
