"""The two networks of one lesson: equal on what they were shown, and only one of them reads the mark."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from pruneattr_core import load_model, model_card
from pruneattr_core.scenes import SHAPES, scene

HEART = SHAPES.index("heart")


def answers(name: str, places: list[int], marked: bool) -> torch.Tensor:
    card = model_card(name)
    rates = (float(marked), float(marked))
    scenes = (scene(place, 77, watermark="heart", watermark_rates=rates).image for place in places)
    inputs = torch.cat([card.preprocess(Image.fromarray(image)) for image in scenes])
    with torch.no_grad():
        return load_model(name)(inputs).argmax(1)


@pytest.mark.parametrize(("name", "fooled"), [("scenes-tied", True), ("scenes-free", False)])
def test_without_its_mark_the_heart_is_lost_on_one_network(name: str, fooled: bool) -> None:
    hearts = [place for place in range(160) if place % len(SHAPES) == HEART]
    marked, bare = (answers(name, hearts, mark) == HEART for mark in (True, False))
    assert marked.all()
    assert float(bare.float().mean()) <= 0.1 if fooled else bare.all()
