"""The networks we train ourselves; all rectifiers are `nn.ReLU` modules."""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """ReLU(bn2(conv2(ReLU(bn1(conv1 x)))) + shortcut x), two 3x3 convolutions.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the first convolution; the shortcut is a 1x1 convolution with BatchNorm where the shape
            changes and the identity elsewhere.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ResNet8(nn.Module):
    """The papers' ResNet-8 (PG2 4.5, ROAR): 1,227,594 parameters, 7 ReLU calls, 294,912 neurons at 32x32.

    A 3x3 stem of 64 channels, three basic blocks of 64, 128, 256 channels with strides 1, 2, 2, global
    average pooling, one linear layer. The keys of the state dict are those of the authors' released code.

    Args:
        classes: number of logits.
        width: channels of the stem, 64 in the papers; the blocks have as many, twice and four times as many.
    """

    def __init__(self, classes: int = 10, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(BasicBlock(width, width))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2))
        self.layer3 = nn.Sequential(BasicBlock(2 * width, 4 * width, 2))
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, classes) logits; any H, W >= 4."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        return self.linear(out.mean((2, 3)))


class SceneNet(nn.Module):
    """A small rectifier network for shape scenes: 9 ReLU calls, 577,536 neurons at 128x128.

    Full resolution in the stem and averages of 2x2 between the stages, never a stride: input gradients stay
    sharp and free of checkerboards.

    Args:
        classes: number of logits.
        width: channels of the stem, even; the stages have 1.5, 3, 5 and 8 times as many.
    """

    def __init__(self, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        one, two, three, four = 3 * width // 2, 3 * width, 5 * width, 8 * width
        self.stem = _conv(3, width)
        self.stage1 = nn.Sequential(nn.AvgPool2d(2), _conv(width, one))
        self.stage2 = nn.Sequential(nn.AvgPool2d(2), _conv(one, two), BasicBlock(two, two))
        self.stage3 = nn.Sequential(nn.AvgPool2d(2), _conv(two, three), BasicBlock(three, three))
        self.stage4 = nn.Sequential(nn.AvgPool2d(2), _conv(three, four))
        self.linear = nn.Linear(four, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, classes) logits; H and W from 16."""
        out = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        return self.linear(out.mean((2, 3)))


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU())
