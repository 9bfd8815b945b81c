"""A result at the end of a notebook's cell is a line, not its numbers."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import networks
from pruneattr_core import PruneGrad, contributions, explain
from pruneattr_core.brief import brief

CORE = Path(__file__).resolve().parents[2] / "pruneattr_core"
#: Inside of a run of the network, never handed out by themselves.
INNER = {"Record", "Response", "Asked"}


@dataclass(frozen=True)
class Result:
    maps: torch.Tensor
    layers: tuple[np.ndarray, ...]
    loss: torch.Tensor
    title: str
    data: bytes
    hidden: int = field(default=0, repr=False)

    __repr__ = brief


def test_arrays_are_types_and_shapes_and_texts_are_cut() -> None:
    one = Result(torch.zeros(2, 3), (np.zeros(4),) * 9, torch.tensor(0.25), "x" * 500, bytes(9))
    text = repr(one)
    assert text.startswith("Result(maps=float32(2, 3), layers=<9 arrays>, loss=0.25, title='xxx")
    assert text.endswith("..., data=<9 bytes>)")
    assert "hidden" not in text


def test_what_the_library_answers_is_one_short_line() -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    scores = contributions(net, x)
    sweep = PruneGrad(net).sweep(x, sparsities=[0.0, 0.5])
    for found in (scores, scores.path(0.5), sweep, explain(net, x)):
        assert len(repr(found)) <= 420
        assert "\n" not in repr(found)
        assert repr(found).endswith(")") or repr(found).endswith("...)")


def arrays_without_words() -> set[str]:
    found = set()
    for file in CORE.rglob("*.py"):
        if "ui" in file.relative_to(CORE).parts:
            continue
        for one in ast.parse(file.read_text("utf-8")).body:
            if isinstance(one, ast.ClassDef) and any(
                "dataclass" in ast.unparse(d) for d in one.decorator_list
            ):
                kinds = " ".join(
                    ast.unparse(part.annotation) for part in one.body if isinstance(part, ast.AnnAssign)
                )
                body: list[Any] = [part for part in one.body if not isinstance(part, ast.AnnAssign)]
                if any(kind in kinds for kind in ("Tensor", "NDArray", "ndarray")) and not any(
                    "__repr__" in ast.unparse(part) for part in body
                ):
                    found.add(one.name)
    return found


def test_every_frozen_value_with_arrays_has_words_of_its_own() -> None:
    assert arrays_without_words() == INNER
