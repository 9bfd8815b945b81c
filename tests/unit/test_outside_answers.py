"""Whatever a method of one's own or its network does, what comes back is a dense map or one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from pruneattr_core.benchmarks.outside import outside_method, outside_values
from pruneattr_core.errors import InputError

CODE = """
import sys, torch
def sparse(model, x, target): return x.to_sparse()
def empty(model, x, target): return x.to("meta")
def eighth(model, x, target): return x.to(torch.float8_e4m3fn)
def leaves(model, x, target): sys.exit(2)
def wavy(model, x, target): return x + 0j
def plain(model, x, target): return x
def counts(model, x, target): return (x > 0).int() * 3
def votes(model, x, target): return x > 0
"""


class Counting(nn.Linear):
    def __init__(self) -> None:
        super().__init__(2, 2)
        self.steps: Iterator[int] = (step for step in range(3))


@pytest.mark.parametrize(
    ("function", "network", "said"),
    [
        ("sparse", nn.Linear(2, 2), "expected a dense one"),
        ("empty", nn.Linear(2, 2), "expected a dense one"),
        ("eighth", nn.Linear(2, 2), "float8"),
        ("wavy", nn.Linear(2, 2), "complex64: expected a tensor or an array of numbers"),
        ("leaves", nn.Linear(2, 2), "failed .SystemExit"),
        ("plain", Counting(), "The network cannot be copied"),
    ],
)
def test_it_is_refused_in_words(function: str, network: nn.Module, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    method = outside_method(f"{tmp_path}/mine.py:{function}")
    assert method is not None
    with pytest.raises(InputError, match=said):
        outside_values(network, torch.ones(1, 3, 2, 2), torch.zeros(1, dtype=torch.int64), method)


@pytest.mark.parametrize(("function", "peak"), [("counts", 3), ("votes", 1)])
def test_whole_numbers_and_truth_values_are_maps(function: str, peak: float, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CODE)
    method = outside_method(f"{tmp_path}/mine.py:{function}")
    assert method is not None
    inputs = torch.linspace(-1, 1, 12).reshape(1, 3, 2, 2)
    values = outside_values(nn.Linear(2, 2), inputs, torch.zeros(1, dtype=torch.int64), method)
    assert values.is_floating_point()
    torch.testing.assert_close(values, peak * (inputs > 0).double())
