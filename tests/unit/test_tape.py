"""What the tape sees, and what it refuses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet50

import networks
from pruneattr_core import PruneGrad, tape
from pruneattr_core.errors import ArgumentTypeError, InputError, ModelError
from pruneattr_core.graph import bytes_each, forward_chunks
from pruneattr_core.runtime import MEMORY_BUDGET, chunks, device_for, provenance


def names(name: str) -> list[str]:
    return list(networks.activation_shapes(networks.network(name), networks.inputs(1)))


def test_calls_are_named_by_module_and_numbered_when_it_is_called_again() -> None:
    assert names("plain") == ["1", "3"]
    assert names("reused") == ["relu#1", "relu#2", "relu#3"]
    assert names("residual") == ["relu#1", "relu#2", "relu#3", "relu#4"]
    assert names("functional") == ["relu#1", "relu#2"]
    assert names("in_place") == ["gelu", "relu"]


def test_a_call_belongs_to_the_module_whose_forward_runs() -> None:
    """A method of another module that is called on the way does not count, nor does a module made there."""

    class Helper(nn.Module):
        def rectified(self, x: torch.Tensor) -> torch.Tensor:
            return F.relu(x)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.helper = nn.Linear(3, 3), Helper()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(nn.ReLU()(self.linear(self.helper.rectified(self.linear(x)))))

    found = list(networks.activation_shapes(nn.Sequential(Outer()).eval(), torch.rand(1, 3)))
    assert found == ["0.relu#1", "0.relu#2"]


def test_a_method_of_a_tensor_belongs_to_the_block_that_calls_it() -> None:
    class Block(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.relu()

    net = nn.Sequential(nn.Linear(3, 3), Block(), nn.Linear(3, 3)).eval()
    assert list(networks.activation_shapes(net, torch.rand(1, 3))) == ["1"]


@pytest.mark.parametrize(("threads", "share"), [(1, 1 / 2), (2, 1 / 2), (4, 1), (8, 2), (64, 2)])
def test_a_pass_forward_takes_a_quarter_of_the_budget_a_core(
    monkeypatch: pytest.MonkeyPatch, threads: int, share: float
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    inputs, room = torch.empty(1, 3, 32, 32), share * MEMORY_BUDGET["cpu"]
    (part, *_) = forward_chunks(10_000, inputs)
    assert part.stop * bytes_each(inputs) <= room < (part.stop + 1) * bytes_each(inputs)


def test_resnet50_has_49_calls_and_all_its_neurons() -> None:
    shapes = networks.activation_shapes(resnet50().eval(), torch.zeros(1, 3, 224, 224))
    assert len(shapes) == 49
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 9_608_704
    assert list(shapes)[:4] == ["relu", "layer1.0.relu#1", "layer1.0.relu#2", "layer1.0.relu#3"]


ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.ReLU6(),
    nn.LeakyReLU(0.2, inplace=True),
    nn.PReLU(dtype=torch.float64),
    nn.ELU(inplace=True),
    nn.SELU(inplace=True),
    nn.CELU(),
    nn.GELU("tanh"),
    nn.SiLU(inplace=True),
    nn.Mish(inplace=True),
    nn.Hardswish(inplace=True),
    nn.Hardtanh(-1, 2, inplace=True),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda module: type(module).__name__)
def test_every_activation_module_is_a_layer_of_neurons(activation: nn.Module) -> None:
    net = nn.Sequential(
        nn.Linear(6, 4, dtype=torch.float64), activation, nn.Linear(4, 3, dtype=torch.float64)
    ).eval()
    x = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    record = tape.run(net, x)
    assert torch.equal(record.logits, net(x))
    assert torch.equal(record.activations[0], activation(net[0](x)))


@pytest.mark.parametrize(
    "function",
    [
        F.relu,
        F.relu_,
        torch.relu,
        torch.relu_,
        torch.Tensor.relu,
        torch.Tensor.relu_,
        F.elu_,
        F.selu,
        torch.selu_,
        F.celu_,
        F.leaky_relu_,
        F.hardtanh_,
        F.relu6,
        F.hardswish,
        lambda a: F.relu(a, True),
        lambda a: F.elu(a, 1.0, True),
    ],
)
def test_every_function_is_a_layer_of_neurons(function: object) -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return function(x * 2) * 3  # type: ignore[operator]

    x = torch.tensor([[-1.0, 2.0]], dtype=torch.float64)
    record = tape.run(Net(), x)
    assert len(record.activations) == 1
    assert torch.equal(record.logits, Net()(x))


def test_an_activation_changed_in_place_is_recorded_as_it_was() -> None:
    net, x = networks.network("in_place"), networks.inputs(1)
    record = tape.run(net, x)
    assert torch.equal(record.activations[0], F.gelu(net.one(x)))  # type: ignore[operator]


@pytest.mark.filterwarnings("ignore:.torch.jit")  # the traced module is the case under test
def test_networks_a_tape_cannot_serve_are_named() -> None:
    x = networks.inputs(1)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(300, 5, dtype=torch.float64), nn.Sigmoid()).eval()
    with pytest.raises(ModelError, match="called no activation function"):
        PruneGrad(linear).attribute(x)
    traced = torch.jit.trace(networks.network("plain"), x)
    with pytest.raises(ArgumentTypeError, match="original eager"):
        PruneGrad(traced).attribute(x)
    with pytest.raises(ArgumentTypeError, match=r"torch\.nn\.Module"):
        tape.run(len, x)  # type: ignore[arg-type]
    pair = type("Pair", (nn.Module,), {"forward": lambda self, x: (x.relu(), x)})()
    with pytest.raises(ArgumentTypeError, match="to return logits"):
        tape.run(pair, x)
    with pytest.raises(InputError, match="answers maps"):
        PruneGrad(nn.Sequential(nn.ReLU())).attribute(x)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch 2.11 compiles through its own
def test_a_compiled_wrapper_is_served_by_the_module_inside() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    assert torch.equal(PruneGrad(torch.compile(net)).attribute(x, 1), PruneGrad(net).attribute(x, 1))  # type: ignore[arg-type]


def test_functional_dropout_in_training_is_refused() -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.dropout(F.relu(x), 0.5, training=True)

    with pytest.raises(ModelError, match="training mode"):
        tape.run(Net(), torch.ones(1, 2))


def test_devices_chunks_and_locks() -> None:
    assert device_for("cpu").type == "cpu"
    for name in ("cuda:99", "tpu", "nonsense"):
        if name == "cuda:99" and torch.cuda.is_available():
            continue
        with pytest.raises(InputError, match="cpu"):
            device_for(name)
    single = networks.inputs(1, dtype=torch.float32)
    assert [s.stop - s.start for s in chunks(5, 1 << 28, single)] == [2, 2, 1]
    assert [s.stop - s.start for s in chunks(3, 1, single.double())] == [1, 1, 1]


def test_choosing_cuda_turns_tf32_off_and_results_say_what_was_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert provenance("cuda")["tf32"] == "True"
    assert device_for("auto").type == "cuda"
    assert provenance("cuda")["tf32"] == "False"
    assert provenance("cpu")["tf32"] == "False"
