"""The thin residual networks for 32x32 pictures of He et al. 2015, section 4.2."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ThinBlock(nn.Module):
    """ReLU(bn2(conv2(ReLU(bn1(conv1 x)))) + shortcut x), two 3x3 convolutions.

    The shortcut has no parameters ("option A"): where the shape changes it keeps every second row and
    column and adds zero channels, half of them before and half behind.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output, `in_channels` or twice as many.
        stride: of the first convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.stride = stride
        self.added = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        half = self.added // 2
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.added - half))
        rectified: Tensor = self.relu(out + shortcut)
        return rectified


class CifarResNet(nn.Module):
    """ResNet-(6n+2): a stem, three stages of n blocks with 16, 32, 64 channels, one linear layer.

    The keys of the state dict are those of github.com/akamaster/pytorch_resnet_cifar10.

    Args:
        blocks: n, blocks per stage: 3, 5, 7, 9 for ResNet-20, 32, 44, 56.
        classes: number of logits.
    """

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, blocks, 1)
        self.layer2 = _stage(16, 32, blocks, 2)
        self.layer3 = _stage(32, 64, blocks, 2)
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) normalised -> (B, classes) logits."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        logits: Tensor = self.linear(out.mean((2, 3)))
        return logits


def _stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = ThinBlock(in_channels, out_channels, stride)
    return nn.Sequential(first, *(ThinBlock(out_channels, out_channels, 1) for _ in range(blocks - 1)))
