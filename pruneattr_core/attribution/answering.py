"""Responses other than a class, for methods that know classes only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.attribution.hidden import unheard
from pruneattr_core.attribution.method import Method, run
from pruneattr_core.errors import InputError
from pruneattr_core.heads import declare, outputs_in
from pruneattr_core.response import Asked


class Answering(nn.Module):
    """A network whose one output is a response of another network, for copies of one input.

    The network behind it stays outside the module tree but is found by name, so layers keep their names.
    What makes the number of the outputs is hidden from function modes: no method needs a rule for it.
    """

    def __init__(self, model: nn.Module, asked: Asked) -> None:
        """Stand for `model`.

        Args:
            model: network in eval mode.
            asked: one row, resolved.
        """
        super().__init__()
        self._behind, self._asked = (tape.unwrap(model),), asked  # in a tuple: not registered as a child
        self.eval()
        declare(self, "values")

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """Those of the network behind."""
        return self._behind[0].named_modules(memo, prefix, remove_duplicate)

    def forward(self, inputs: Tensor) -> Tensor:
        """(R, ...) -> (R, 1)."""
        logits = outputs_in(self._behind[0](inputs), len(inputs))
        with unheard():
            return self._asked.repeat(len(logits)).of(logits).unsqueeze(1)


def answered(
    method: Method, model: nn.Module, inputs: Tensor, asked: Asked, settings: Mapping[str, Any]
) -> Tensor:
    """The map of one method for any response.

    Our path methods take responses as they are. Relevance starts at class scores: a difference or a group
    is the same combination of the maps of its classes. All others explain the network whose output is the
    response.

    Args:
        method: entry of the table.
        model: network in eval mode.
        inputs: checked part of a batch.
        asked: what is explained, resolved.
        settings: every option of the method.

    Raises:
        InputError: relevance of something that is no combination of class scores.
    """
    if method.paths:
        return run(method, model, inputs, asked, settings)
    if asked.plain:
        return run(method, model, inputs, asked.target, settings)
    if method.family == "relevance":
        if not asked.linear:
            raise InputError(
                f"{method.title} starts at class scores. Give a class, a difference or a group; gradients "
                "and perturbations explain any function."
            )
        maps = [weight * run(method, model, inputs, k, settings) for k, weight in asked.terms()]
        return torch.stack(maps).sum(0)
    zero = torch.zeros_like(asked.target[:1])
    maps = [
        run(method, Answering(model, asked[row]), inputs[row : row + 1], zero, settings)
        for row in range(len(inputs))
    ]
    return torch.cat(maps)
