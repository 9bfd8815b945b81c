"""SceneVGG: the VGG-style networks of the compression study, of any width."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

#: Channels of the teacher's convolutions, stage by stage; a maximum of 2x2 follows each stage.
STAGES = ((16,), (32,), (48, 48), (96, 96))


class SceneVGG(nn.Module):
    """VGG with BatchNorm in small, as AP uses it: convolutions, maxima of 2x2 and one linear layer.

    `features` is a chain of 3x3 convolutions without bias, BatchNorm, ReLU and max pooling; `classifier`
    looks at every position of the last 4x4 maps (of 64x64 pictures), as AP's VGG16 looks at 7x7.

    Args:
        classes: number of logits.
        widths: channels of every convolution, in order, as many as in `STAGES`.
        side: height and width of the pictures, a multiple of 16.
    """

    def __init__(self, classes: int = 10, widths: Sequence[int] = sum(STAGES, ()), side: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, left = 3, list(widths)
        for stage in STAGES:
            for _ in stage:
                width = left.pop(0)
                layers += [
                    nn.Conv2d(before, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(before * (side // 2 ** len(STAGES)) ** 2, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, side, side) normalised -> (B, classes) logits."""
        return self.classifier(self.features(x).flatten(1))


def narrowed(divisor: int) -> tuple[int, ...]:
    """Widths of the teacher divided by 2, 4 or 8: AP's VGG16/2, VGG16/4 and VGG16/8."""
    return tuple(width // divisor for stage in STAGES for width in stage)
