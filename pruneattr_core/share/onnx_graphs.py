"""PruneGrad without torch: two ONNX graphs of a network, one that scores its neurons, one that draws a map.

The backward passes are written out as forward operations, so any ONNX runtime does them. Networks of
convolutions, batch norms, ReLUs, averages that do not overlap, sums and a linear head can be written so.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx import GraphModule, Node, symbolic_trace
from torch.fx.passes.shape_prop import ShapeProp

from pruneattr_core.errors import ModelError, PruneAttrError
from pruneattr_core.importing import one_at_a_time

#: Of the operations used; every runtime since 2022 has them.
OPSET = 17
#: Gradient at an output -> (input, gradient there) pairs.
Backward = Callable[[str], list[tuple[str, str]]]


@dataclass(frozen=True)
class Graphs:
    """Both graphs as bytes, for one input (1, C, H, W) float32 and a class (1,) int64.

    Attributes:
        scores: (inputs, target) -> logits (1, K); scores (N,), every neuron's |activation x gradient| in the
            order of `contributions`.
        map: (inputs, target, scores, threshold) -> map (1, C, H, W), the input gradient of the network whose
            neurons of scores <= threshold are 0; its logits.
        neurons: N.
    """

    scores: bytes
    map: bytes
    neurons: int


def onnx_graphs(model: nn.Module, inputs: Tensor) -> Graphs:
    """Write a network's PruneGrad (mode zero, Taylor scores) as ONNX.

    Args:
        model: network in eval mode.
        inputs: (1, C, H, W), says the sizes only.

    Raises:
        PruneAttrError: the package onnx is not installed.
        ModelError: the network has a part that cannot be written so.
    """
    try:
        with one_at_a_time:
            import onnx  # noqa: F401
    except ImportError:
        raise PruneAttrError("Graphs for the browser need onnx: pip install 'pruneattr[gallery]'.") from None
    traced = symbolic_trace(model)
    ShapeProp(traced).propagate(inputs)
    return Graphs(_scores(traced, inputs), _map(traced, inputs), _Writer(traced, inputs).neurons)


def _scores(traced: GraphModule, inputs: Tensor) -> bytes:
    writer = _Writer(traced, inputs)
    logits = writer.forward(None)
    gradients = writer.backward(logits)
    parts = []
    for activation in writer.activations:
        score = writer.op("Abs", writer.op("Mul", activation, gradients[activation]))
        parts.append(writer.op("Reshape", score, writer.constant(np.array([-1]))))
    writer.named("scores", writer.op("Concat", *parts, axis=0))
    writer.named("logits", logits)
    return writer.model("scores", {}, {"logits": [1, writer.classes], "scores": [writer.neurons]})


def _map(traced: GraphModule, inputs: Tensor) -> bytes:
    writer = _Writer(traced, inputs)
    kept = writer.op("Cast", writer.op("Greater", "scores", "threshold"), to=1)
    sizes = [int(np.prod(shape)) for shape in writer.shapes]
    flat = writer.ops("Split", len(sizes), kept, writer.constant(np.array(sizes)), axis=0)
    masks = [
        writer.op("Reshape", part, writer.constant(np.array(shape)))
        for part, shape in zip(flat, writer.shapes, strict=True)
    ]
    logits = writer.forward(masks)
    writer.named("map", writer.backward(logits)["inputs"])
    writer.named("logits", logits)
    given = {"scores": [writer.neurons], "threshold": []}
    return writer.model("map", given, {"map": list(inputs.shape), "logits": [1, writer.classes]})


class _Writer:
    """An ONNX graph that grows operation by operation, and remembers how to come back."""

    def __init__(self, traced: GraphModule, inputs: Tensor) -> None:
        self.traced, self.inputs = traced, inputs
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.activations: list[str] = []
        self._back: list[tuple[str, Backward]] = []
        self._modules = dict(traced.named_modules())
        relus = [node for node in traced.graph.nodes if self._is_relu(node)]
        self.shapes = [list(_shape(node)) for node in relus]
        self.neurons = sum(int(np.prod(shape)) for shape in self.shapes)
        self.classes = 0

    def _is_relu(self, node: Node) -> bool:
        return node.op == "call_module" and isinstance(self._modules[str(node.target)], nn.ReLU)

    def constant(self, values: NDArray[Any] | Tensor) -> str:
        with one_at_a_time:
            from onnx import numpy_helper

        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def ops(self, kind: str, count: int, *given: str, **attributes: Any) -> list[str]:
        with one_at_a_time:
            from onnx import helper

        made = [f"n{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, list(given), made, **attributes))
        return made

    def op(self, kind: str, *given: str, **attributes: Any) -> str:
        return self.ops(kind, 1, *given, **attributes)[0]

    def named(self, name: str, value: str) -> None:
        with one_at_a_time:
            from onnx import helper

        self.nodes.append(helper.make_node("Identity", [value], [name]))

    def model(self, name: str, given: dict[str, list[int]], found: dict[str, list[int]]) -> bytes:
        with one_at_a_time:
            from onnx import TensorProto, checker, helper

        def value(key: str, shape: list[int], kind: int = TensorProto.FLOAT) -> Any:
            return helper.make_tensor_value_info(key, kind, shape)

        inputs = [value("inputs", list(self.inputs.shape)), value("target", [1], TensorProto.INT64)]
        inputs += [value(key, shape) for key, shape in given.items()]
        outputs = [value(key, shape) for key, shape in found.items()]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        checker.check_model(made)
        return bytes(made.SerializeToString())

    def forward(self, masks: Sequence[str] | None) -> str:
        """Write the network, with its activations times `masks`; the name of its logits."""
        names: dict[Node, str] = {}
        logits = ""
        for node in self.traced.graph.nodes:
            if node.op == "placeholder":
                names[node] = "inputs"
            elif node.op == "output":
                logits = names[node.args[0]]
                self.classes = _shape(node.args[0])[-1]
            else:
                names[node] = self._written(node, [names[one] for one in node.all_input_nodes], masks)
        return logits

    def backward(self, logits: str) -> dict[str, str]:
        """Write the way back from the class asked for; name of a value -> name of the gradient there."""
        depth, ends = self.constant(np.array(self.classes)), self.constant(np.array([0, 1], np.float32))
        gradients = {logits: self.op("OneHot", "target", depth, ends)}
        for output, back in reversed(self._back):
            if output in gradients:
                for value, gradient in back(gradients[output]):
                    known = gradients.get(value)
                    gradients[value] = gradient if known is None else self.op("Add", known, gradient)
        return gradients

    def _written(self, node: Node, given: list[str], masks: Sequence[str] | None) -> str:
        module = self._modules[str(node.target)] if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d):
            return self._convolution(module, node, given[0])
        if isinstance(module, nn.BatchNorm2d):
            return self._norm(module, given[0])
        if isinstance(module, nn.ReLU):
            return self._relu(given[0], masks)
        if isinstance(module, nn.AvgPool2d):
            return self._average(module, node, given[0])
        if isinstance(module, nn.Linear):
            return self._linear(module, given[0])
        if node.target in (operator.add, torch.add):
            made = self.op("Add", *given)
            self._back.append((made, lambda g: [(one, g) for one in given]))
            return made
        if node.op == "call_method" and node.target == "mean":
            return self._mean(node, given[0])
        raise ModelError(f"The browser's graphs know no {node.target} ({node.op}) yet.")

    def _convolution(self, module: nn.Conv2d, node: Node, x: str) -> str:
        weight = self.constant(module.weight)
        bias = [] if module.bias is None else [self.constant(module.bias)]
        strides, sides, wide = module.stride, module.kernel_size, module.dilation
        padding = [int(p) for p in module.padding]
        shared = {
            "strides": list(strides), "dilations": list(wide), "group": module.groups,
            "pads": [*padding, *padding],
        }  # fmt: skip
        made = self.op("Conv", x, weight, *bias, **shared)
        before, after = _shape(node.all_input_nodes[0])[2:], _shape(node)[2:]
        missing = [
            before[i] - ((after[i] - 1) * strides[i] - 2 * padding[i] + wide[i] * (sides[i] - 1) + 1)
            for i in range(2)
        ]
        self._back.append(
            (made, lambda g: [(x, self.op("ConvTranspose", g, weight, output_padding=missing, **shared))])
        )
        return made

    def _norm(self, module: nn.BatchNorm2d, x: str) -> str:
        assert module.running_var is not None
        assert module.running_mean is not None
        scale = module.weight / (module.running_var + module.eps).sqrt()
        shift = module.bias - module.running_mean * scale
        times, plus = (self.constant(one.view(-1, 1, 1)) for one in (scale, shift))
        made = self.op("Add", self.op("Mul", x, times), plus)
        self._back.append((made, lambda g: [(x, self.op("Mul", g, times))]))
        return made

    def _relu(self, x: str, masks: Sequence[str] | None) -> str:
        made = self.op("Relu", x)
        slope = self.op("Cast", self.op("Greater", x, self.constant(np.array(0, np.float32))), to=1)
        if masks is not None:
            mask = masks[len(self.activations)]
            made, slope = self.op("Mul", made, mask), self.op("Mul", slope, mask)
        self.activations.append(made)
        self._back.append((made, lambda g: [(x, self.op("Mul", g, slope))]))
        return made

    def _average(self, module: nn.AvgPool2d, node: Node, x: str) -> str:
        side = module.kernel_size if isinstance(module.kernel_size, int) else module.kernel_size[0]
        if module.stride not in (side, (side, side)) or module.padding not in (0, (0, 0)):
            raise ModelError("The browser's graphs know averages only where windows do not overlap.")
        made = self.op("AveragePool", x, kernel_shape=[side, side], strides=[side, side])
        channels = _shape(node)[1]
        spread = self.constant(np.full((channels, 1, side, side), 1 / side**2, np.float32))
        self._back.append(
            (made, lambda g: [(x, self.op("ConvTranspose", g, spread, group=channels, strides=[side, side]))])
        )
        return made

    def _mean(self, node: Node, x: str) -> str:
        batch, channels, height, width = _shape(node.all_input_nodes[0])
        made = self.op("ReduceMean", x, axes=[2, 3], keepdims=0)
        spread = self.constant(np.full((1, 1, height, width), 1 / (height * width), np.float32))
        shape = self.constant(np.array([batch, channels, 1, 1]))
        self._back.append((made, lambda g: [(x, self.op("Mul", self.op("Reshape", g, shape), spread))]))
        return made

    def _linear(self, module: nn.Linear, x: str) -> str:
        weight = self.constant(module.weight)
        made = self.op("Gemm", x, weight, self.constant(module.bias), transB=1)
        self._back.append((made, lambda g: [(x, self.op("MatMul", g, weight))]))
        return made


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(int(side) for side in node.meta["tensor_meta"].shape)
