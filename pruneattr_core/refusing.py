"""A network that fails in a pass: anybody's code, whose errors become a sentence of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pruneattr_core.errors import InputError, ModelError, PruneAttrError
from pruneattr_core.leaving import answering


@contextmanager
def refusing(inputs: Tensor) -> Iterator[None]:
    """Around a pass of a network that is given `inputs`.

    Raises:
        ModelError: code that ends the program, or that PyTorch runs out of sight.
        InputError: what else the network raises.
    """
    try:
        with answering():
            yield
    except Exception as error:  # a network is anybody's code
        if isinstance(error, (PruneAttrError, MemoryError, torch.OutOfMemoryError)):
            raise
        if takes_functions := re.search(r"HigherOrderOperator (\w+)", str(error)):
            raise ModelError(
                f"The network calls {takes_functions[1]}, an operator of PyTorch that runs functions out of "
                "sight. Write it in Python, as if, for or torch.where do."
            ) from error
        bare = isinstance(error, KeyError) or not str(error)  # a key alone, or no text
        said = repr(error) if bare else error
        raise InputError(
            f"The model refuses inputs of shape {tuple(inputs.shape)}, {inputs.dtype} on {inputs.device}: "
            f"{said}" + (". It is given one tensor." if isinstance(error, TypeError) else "")
        ) from error


def asked(network: Callable[[Tensor], Any], inputs: Tensor) -> Any:
    """What a network answers to `inputs`, in a pass without a tape.

    Raises:
        ModelError: as `refusing`.
        InputError: as `refusing`.
    """
    with refusing(inputs):
        return network(inputs)
