"""Pixels of cards and lists of networks are torchvision's own, though torchvision is not asked for them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models as torchvision_models
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from pruneattr_core.models import list_models, model_card, model_title, models_here
from pruneattr_core.models.imagenet import imagenet_classes
from pruneattr_core.models.zoo import Facts, zoo_facts, zoo_records


@pytest.fixture
def photo() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (75, 100, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("interpolation", ["nearest", "nearest-exact", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(("size", "squash"), [((40, 57), False), ((57, 40), True), ((129, 128), False)])
def test_any_cards_pixels_are_torchvisions(interpolation, size, squash, photo):
    """Odd margins, crops larger than the resized picture, grey and opaque ones too."""
    mode = InterpolationMode(interpolation)
    for channels, name in ((1, "L"), (3, "RGB"), (4, "RGBA")):
        mean, std = (0.1, 0.2, 0.3, 0.4)[:channels], (0.5, 0.6, 0.7, 0.8)[:channels]
        card = dataclasses.replace(
            model_card("cifar-resnet20"),
            mean=mean,
            std=std,
            size=size,
            squash=squash,
            interpolation=interpolation,
            resize=48,
        )
        for image in (photo, photo.resize((50, 301)), photo.resize((97, 51))):
            resized = TF.resize(image.convert(name), [48, 48] if squash else [48], mode)
            expected = TF.normalize(TF.to_tensor(TF.center_crop(resized, list(size))), mean, std)
            assert torch.equal(card.preprocess(image)[0], expected)


def test_what_lists_say_of_torchvisions_networks_is_what_torchvision_says():
    """Both know only of their own time: networks and weights that either lacks are passed over."""
    kept, now = zoo_facts(), {name: Facts(**record) for name, record in zoo_records().items()}
    both = kept.keys() & now.keys()
    assert len(both) >= 80
    for name in both:
        shared = kept[name].files.keys() & now[name].files.keys()
        assert shared
        one, other = (
            dataclasses.replace(facts, files={key: facts.files[key] for key in sorted(shared)})
            for facts in (kept[name], now[name])
        )
        assert one == other
        assert next(iter(kept[name].files)) == next(iter(now[name].files))


def test_titles_and_what_is_here_are_those_of_the_cards(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    hub = tmp_path / "checkpoints"
    hub.mkdir()
    for file in ("resnet50-0676ba61.pth", "alexnet-owt-7be5be79.pth"):
        (hub / file).write_bytes(b"")
    names = list_models()
    assert "torchvision/resnet50@IMAGENET1K_V1" in names
    assert [model_title(name) for name in names] == [model_card(name).title for name in names]
    assert model_title("torchvision/resnet50@DEFAULT") == model_card("torchvision/resnet50").title
    assert [*models_here()] == [name for name in names if model_card(name).available_offline()]


def test_names_of_imagenets_classes_are_torchvisions():
    meta = torchvision_models.get_model_weights("resnet18").DEFAULT.meta
    assert imagenet_classes() == tuple(meta["categories"])
