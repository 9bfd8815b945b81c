"""What a notebook hands in and loops over: numbers of other libraries, tensors of other kinds, rows."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import PruneGrad, contributions
from pruneattr_core.errors import ArgumentTypeError, InputError, ModelError
from pruneattr_core.response import asked_of


class Kind(Tensor):
    """As fastai's TensorImage: a kind of its own through every operation."""


class Net(nn.Module):
    """One hidden layer, with a place for trouble."""

    def __init__(self, trouble=None):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.trouble = nn.Linear(6, 8), nn.Linear(8, 3), trouble

    def forward(self, x):
        h = F.relu(self.a(x))
        return self.b(h if self.trouble is None else self.trouble(h))


@pytest.fixture
def model():
    return Net().eval()


@pytest.fixture
def x():
    return torch.randn(3, 6, generator=torch.Generator().manual_seed(1))


def test_a_loop_over_a_batch_ends(model, x):
    scores = contributions(model, x)
    for batch in (scores, scores.path(0.5), asked_of([0, 1, 2], 3)):
        rows = list(islice(iter(batch), 10))
        assert len(rows) == 3
        with pytest.raises(IndexError):
            batch[3]
        with pytest.raises(IndexError):
            batch[-4]
    assert [one.target.tolist() for one in scores] == [[t] for t in scores.target.tolist()]
    assert torch.equal(scores[-1].layers[0], scores.layers[0][2:])
    assert torch.equal(scores[np.int64(1)].layers[0], scores.layers[0][1:2])
    assert "neurons=8" in repr(scores[1:1])


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor], ids=lambda kind: kind.__name__)
def test_levels_may_be_numbers_of_any_library(kind, model, x):
    for of in ("all", "contributing"):
        expected = PruneGrad(model).sweep(x, sparsities=[0.0, 0.5, 1.0], of=of)
        found = PruneGrad(model).sweep(x, sparsities=kind([0.0, 0.5, 1.0]), of=of)
        assert torch.equal(found.maps, expected.maps)
        assert found.requested == (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    "asked",
    [
        {"sparsity": [0.5]},
        {"sparsity": torch.tensor([0.5, 0.6])},
        {"sparsity": {}},
        {"output_change": [0.1]},
        {"output_change": np.array([0.1, 0.2])},
        {"output_change": 1j},
        {"contribution": ["taylor"]},
        {"contribution": {}},
    ],
    ids=str,
)
def test_what_is_no_number_is_refused_in_a_sentence(asked, model, x):
    with pytest.raises(InputError):
        PruneGrad(model).attribute(x, **asked)


@pytest.mark.parametrize("levels", [0.5, [[0.1]], [None], [1j], object], ids=str)
def test_what_are_no_levels_is_refused_in_a_sentence(levels, model, x):
    with pytest.raises(InputError, match=r"parsit"):
        PruneGrad(model).sweep(x, sparsities=levels)


def test_tensors_of_a_kind_of_their_own_are_explained_as_plain_ones(model, x):
    found = PruneGrad(model).attribute(x.as_subclass(Kind), sparsity=0.5)
    assert type(found) is Tensor
    assert torch.equal(found, PruneGrad(model).attribute(x, sparsity=0.5))


def test_sparse_inputs_are_told_how_to_become_dense(model, x):
    with pytest.raises(ArgumentTypeError, match=r"to_dense"):
        PruneGrad(model).attribute(x.to_sparse())


def _overwritten(h):
    h = h * 1
    square = h * h
    h += 1
    return square + h


@pytest.mark.parametrize(
    ("trouble", "error", "says"),
    [
        (lambda h: {}["weights"], InputError, "KeyError"),
        (lambda h: h.nothing, InputError, "nothing"),
        (lambda h: 1 / 0, InputError, "division"),
        (_overwritten, ModelError, "in place"),
    ],
    ids=["KeyError", "AttributeError", "ZeroDivisionError", "in place"],
)
def test_whatever_a_network_raises_is_said_in_a_sentence(trouble, error, says, x):
    network = Net(trouble).eval()
    for mode in ("zero", "freeze"):
        with pytest.raises(error, match=says):
            PruneGrad(network).attribute(x, sparsity=0.5, mode=mode)
