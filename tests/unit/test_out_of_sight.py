"""What a network computes where nothing of ours sees it: right all the same, told of, or refused."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pruneattr_core import PruneGrad, census, explain
from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import PruneAttrError

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning", "ignore:.*:UserWarning"
)
X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
#: Methods that change what calls do: they cannot be right where they do not see one.
REPLACING = {
    *("rectgrad", "guided_backprop", "deconvolution", "guided_gradcam", "deeplift", "lrp"),
    *("lrp_alpha1_beta0", "excitation_backprop", "rap"),
}
#: They look at activations, those that are seen.
LOOKING = {
    *("prunegrad", "prunegrad_x_input", "prunepgd", "prunegrad_mid", "path_density", "neuron_intgrad"),
    *("gradcam", "layercam"),
}


class Part(nn.Module):
    """Two convolutions with a rectifier behind each."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.relu = nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.two(self.relu(self.one(x))))


class Net(nn.Module):
    """A part between a convolution and a linear layer."""

    def __init__(self, way: Callable[[nn.Module, Tensor], Tensor] = lambda part, h: part(h)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.part, self.linear = nn.Conv2d(3, 4, 3, 1, 1), Part(), nn.Linear(4, 6)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.way(self.part, self.first(x).relu()).mean((2, 3)))


def _wrapped(wrap: Callable[[nn.Module], Any]) -> nn.Module:
    net = Net()
    net.part = wrap(net.part.eval())
    return net


def _in_place(net: nn.Module) -> nn.Module:
    net.compile(backend="eager")
    return net


def _in_a_thread(part: nn.Module, h: Tensor) -> Tensor:
    found, graded = list[Tensor](), torch.is_grad_enabled()

    def go() -> None:
        with torch.set_grad_enabled(graded):
            found.append(part(h))

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    return found[0]


def _compiled(part: nn.Module, h: Tensor) -> Tensor:
    return torch.compile(part.forward, backend="aot_eager")(h)  # type: ignore[no-any-return]


def _without_functions(part: nn.Module, h: Tensor) -> Tensor:
    with torch._C.DisableTorchFunction():
        return part(h)  # type: ignore[no-any-return]


@torch.library.custom_op("out_of_sight::bent", mutates_args=())
def _bent(x: Tensor) -> Tensor:
    return x.clamp(min=0)


_bent.register_autograd(
    lambda ctx, gradient: gradient * (ctx.saved_tensors[0] > 0),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(output),
)


def _by_an_operation(part: Any, h: Tensor) -> Tensor:
    return _bent(part.two(_bent(part.one(h))))  # type: ignore[no-any-return]


COMPILED: dict[str, Callable[[], nn.Module]] = {
    "a child": lambda: _wrapped(lambda part: torch.compile(part, backend="aot_eager")),
    "a child, in place": lambda: _wrapped(_in_place),
    "all, in place": lambda: _in_place(Net()),
    "a function": lambda: Net(_compiled),
}
HIDDEN: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a scripted child": (lambda: _wrapped(torch.jit.script), "relu"),
    "functions switched off": (lambda: Net(_without_functions), "relu"),
    "an operation": (
        lambda: Net(_by_an_operation),
        "out_of_sight::bent (an operation of its author's own)",
    ),
    "a thread": (lambda: Net(_in_a_thread), "relu in a thread of its own"),
}


@pytest.mark.parametrize("what", COMPILED)
def test_what_is_compiled_is_explained_as_it_was_written(what: str) -> None:
    net, plain = COMPILED[what]().eval(), Net().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert census(net, X, 1).neurons == census(plain, X, 1).neurons
        for method in METHODS:
            found, expected = explain(net, X, 1, method).values, explain(plain, X, 1, method).values
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6), method


def test_the_compiler_stands_as_it_stood_whatever_the_threads_do() -> None:
    compiler = sys.modules["torch._dynamo.eval_frame"]
    before = compiler._stance  # type: ignore[attr-defined]
    nets = [Net(_compiled).eval() for _ in range(4)]
    threads = [threading.Thread(target=explain, args=(net, X, 1, "saliency")) for net in nets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(PruneAttrError):
        explain(nets[0], X[:, :2], 1)
    assert compiler._stance is before  # type: ignore[attr-defined]


@pytest.mark.parametrize("what", HIDDEN)
def test_a_method_that_cannot_act_where_nothing_is_seen_refuses(what: str) -> None:
    build, said = HIDDEN[what]
    net, plain = build().eval(), Net().eval()
    assert [one.what for one in census(net, X, 1).unseen] == [said]
    for method in METHODS:
        if method in REPLACING:
            with pytest.raises(PruneAttrError, match="does not fit this network"):
                explain(net, X, 1, method)
            continue
        found, expected = explain(net, X, 1, method).values, explain(plain, X, 1, method).values
        assert method in LOOKING or torch.allclose(found, expected, rtol=1e-4, atol=1e-6), method


def test_at_nothing_removed_the_map_is_the_gradient_wherever_it_is_computed() -> None:
    expected = explain(Net().eval(), X, 1, "saliency").values
    for build, _ in HIDDEN.values():
        found = PruneGrad(build().eval()).attribute(X, 1, sparsity=0.0)
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_an_operator_that_takes_functions_is_named() -> None:
    def way(part: nn.Module, h: Tensor) -> Tensor:
        return torch.cond(h.sum() > -1e9, lambda a: a + 0, lambda a: a + 1, (part(h),))  # type: ignore[no-any-return]

    for method in ("prunegrad", "saliency", "lrp"):
        with pytest.raises(PruneAttrError, match="calls cond, an operator of PyTorch"):
            explain(Net(way).eval(), X, 1, method)


def test_neurons_in_whole_numbers_are_named() -> None:
    def way(part: nn.Module, h: Tensor) -> Tensor:
        return torch.quantize_per_tensor(part(h), 0.01, 0, torch.quint8).relu().dequantize()

    with pytest.raises(PruneAttrError, match=r"neurons in torch\.quint8, which has no gradient"):
        census(Net(way).eval(), X, 1)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_network_raises_in_a_later_pass_is_told_as_its_refusal(method: str) -> None:
    if METHODS[method].passes <= 1:
        return
    said = "at most 3"
    try:
        explain(Net(_few).eval(), X[:1], 1, method)
    except PruneAttrError as error:
        said = str(error)
    assert "at most 3" in said or "does not fit" in said


def _few(part: nn.Module, h: Tensor) -> Tensor:
    if len(h) > 3:
        raise AssertionError("at most 3")
    return part(h)  # type: ignore[no-any-return]
