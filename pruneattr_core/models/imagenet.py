"""ImageNet-1k's names of classes, in the order of the logits, as torchvision publishes them."""

from __future__ import annotations

from functools import cache

from pruneattr_core.assets import ASSETS

#: One name a line; that they are those of torchvision's weights is a test.
FILE = ASSETS / "imagenet_classes.txt"


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1000 names; importing torchvision, which has them too, takes two seconds."""
    return tuple(FILE.read_text("utf-8").splitlines())
