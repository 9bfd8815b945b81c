"""What is handed in must hold values: else one sentence of ours, from every function and method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import networks
from pruneattr_core import (
    CriticalPath,
    PruneGrad,
    PrunePGD,
    calibrate,
    census,
    contributions,
    difference,
    explain,
    group,
    load_model,
    region,
    wrong_class_control,
)
from pruneattr_core.attribution.table import METHODS
from pruneattr_core.errors import ArgumentTypeError, InputError, ModelError, PruneAttrError, TargetError
from pruneattr_core.paths.greedy import greedy_paths

Ask = Callable[[Any, Any], Any]
FUNCTIONS: dict[str, Ask] = {
    "attribute": lambda net, x: PruneGrad(net).attribute(x),
    "sweep": lambda net, x: PruneGrad(net).sweep(x, 1, sparsities=[0, 0.5]),
    "pgd": lambda net, x: PrunePGD(net).attribute(x, 1),
    "contributions": lambda net, x: contributions(net, x, 1),
    "calibrate": lambda net, x: calibrate(net, [x]),
    "census": lambda net, x: census(net, x),
    "control": lambda net, x: wrong_class_control(net, x),
    "greedy": lambda net, x: greedy_paths(net, x, [0.5]),
    **{name: lambda net, x, name=name: explain(net, x, 1, method=name) for name in METHODS},
}
every = pytest.mark.parametrize("ask", FUNCTIONS.values(), ids=FUNCTIONS.keys())


@every
def test_nothing_is_computed_where_new_tensors_hold_no_values(ask: Ask) -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    with torch.device("meta"), pytest.raises(InputError, match="default device is meta"):
        ask(net, x)


@every
def test_a_transform_of_torch_is_no_place_for_it(ask: Ask) -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    for transform in (torch.vmap(lambda a: ask(net, a[None])), torch.func.grad(lambda a: ask(net, a))):
        with pytest.raises(InputError, match="inside of a transform"):
            transform(x)
    with pytest.raises(InputError, match="inside of a transform"):
        torch.vmap(lambda a: ask(net, x))(x)


@every
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_inputs_are_one_dense_tensor_with_values(ask: Ask) -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    for layout in (torch.strided, torch.jagged):
        with pytest.raises(ArgumentTypeError, match="got a nested one"):
            ask(net, torch.nested.nested_tensor(list(x), layout=layout))
    with pytest.raises(InputError, match="inputs with values, got a tensor on the meta device"):
        ask(net, x.to("meta"))
    with pytest.raises(ModelError, match="holds no weights"):
        ask(networks.network("plain").to("meta"), x)


def test_a_network_is_not_loaded_without_values() -> None:
    with torch.device("meta"), pytest.raises(InputError, match="default device is meta"):
        load_model("scenes-net")


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_masks_hold_values() -> None:
    mask = torch.ones(4, 4, dtype=torch.bool)
    with pytest.raises(InputError, match="region with values"):
        region(mask.to("meta"))
    with pytest.raises(ArgumentTypeError, match="region as one dense tensor"):
        region(torch.nested.nested_tensor([mask, mask]))
    with pytest.raises(InputError, match="inside of a transform"):
        torch.vmap(lambda one: region(one).mask)(mask[None])
    for wrong in (mask.to("meta"), torch.nested.nested_tensor([mask, mask])):
        with pytest.raises(ArgumentTypeError, match="boolean masks with values"):
            CriticalPath(("relu",), (wrong,))


@pytest.mark.parametrize("truth", [True, np.True_, np.array(True), torch.tensor(True), torch.tensor([True])])
def test_a_truth_value_is_no_number(truth: Any) -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    method = PruneGrad(net)
    for ask in (
        lambda: method.attribute(x, sparsity=truth),
        lambda: method.sweep(x, sparsities=[0, truth]),
        lambda: method.attribute(x, output_change=truth),
        lambda: contributions(net, x).path(truth),
        lambda: explain(net, x, method="prunegrad", sparsity=truth),
        lambda: explain(net, x, method="integrated_gradients", steps=truth),
    ):
        with pytest.raises(PruneAttrError, match="True"):
            ask()


@pytest.mark.parametrize("number", [np.float32(0.5), np.array(0.5), torch.tensor(0.5)])
def test_a_number_of_numpy_or_torch_is_one(number: Any) -> None:
    method, x = PruneGrad(networks.network("plain")), networks.inputs(1)
    for name in ("sparsity", "output_change"):
        found = method.attribute(x, **{name: number})
        assert torch.equal(found, method.attribute(x, **{name: 0.5}))


@pytest.mark.parametrize("none", [[], (), torch.tensor([]), torch.empty(0, dtype=torch.int64), np.array([])])
def test_no_class_at_all_is_said_so(none: Any) -> None:
    def asked() -> Tensor:
        return PruneGrad(networks.network("plain")).attribute(networks.inputs(2), none)

    for name, ask in (
        ("target", asked),
        ("classes", lambda: group(none)),
        ("against", lambda: difference(0, none)),
    ):
        with pytest.raises(TargetError, match=f"^Expected at least one class as {name}, got none.$"):
            ask()


def test_classes_that_are_no_integers_are_named_by_what_they_are() -> None:
    for name, ask in (("classes", lambda: group([1.5])), ("against", lambda: difference(0, 1.5))):
        with pytest.raises(ArgumentTypeError, match=f"^Expected {name} as integers, got torch.float32.$"):
            ask()


def test_a_method_of_scoring_that_is_no_name_is_told() -> None:
    with pytest.raises(InputError, match=r"method in .*got \['taylor'\]"):
        contributions(networks.network("plain"), networks.inputs(1), method=["taylor"])  # type: ignore[arg-type]
