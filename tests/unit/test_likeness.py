"""A file that does not fit is told whose it is, timm's networks among those that it may be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pruneattr_core.errors import WeightsError
from pruneattr_core.models import hub, likeness, load_model, model_card, open_model
from pruneattr_core.models.likeness import looks_like
from pruneattr_core.models.timm_known import timm_records, values_without
from pruneattr_core.models.zoo import TRANSFORMING

#: Architecture -> other ones whose files have the very same names and shapes.
FILES = {
    "convnext_atto": {"convnext_atto"},
    "tf_efficientnet_b0": {"efficientnet_b0", "tf_efficientnet_b0"},
    "vit_tiny_patch16_224": {"deit_tiny_patch16_224", "vit_tiny_patch16_224"},
    "mobilenetv3_large_100": {"mobilenetv3_large_100", "tf_mobilenetv3_large_100"},
    "mobilenetv3_small_050": {"mobilenetv3_small_050"},
    "test_resnet": {"test_resnet"},
}


def state(name: str, **options: Any) -> dict[str, Tensor]:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    with torch.device("meta"):
        found: dict[str, Tensor] = timm.create_model(name, **options).state_dict()
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_network_of_timm_is_named_whatever_its_head_and_wrapping(name: str) -> None:
    wanted = {f"timm/{one}" for one in FILES[name]}
    own = {f"module.{key}": value for key, value in state(name, num_classes=5).items()}
    assert set(looks_like({"epoch": 3, "model": own})) == wanted


def test_so_it_is_beside_its_average_and_with_other_channels() -> None:
    grey = state("convnext_atto", num_classes=4, in_chans=1)
    both = {f"{prefix}.{key}": value for prefix in ("model", "ema") for key, value in grey.items()}
    assert looks_like({"state_dict": both, "optimizer": {"state": {}}})[0] == "timm/convnext_atto"
    assert looks_like({"model": {"a.weight": torch.zeros(300, 300)}}) == ()


@pytest.mark.parametrize("name", ["convnext_atto", "deit_tiny_distilled_patch16_224", "regnety_002"])
def test_the_listed_size_is_that_of_the_installed_timm(name: str) -> None:
    record = timm_records()[name]
    assert values_without(state(name), record["heads"]) == record["body"]
    assert values_without(state(name, num_classes=7), record["heads"]) == record["body"]


def test_few_are_made_and_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(name: str) -> nn.Module:
        made.append(name)
        return hub.timm_shapes(name)

    own = state("tf_efficientnet_b0", num_classes=5)
    likeness._wanted.cache_clear()
    monkeypatch.setattr(likeness, "timm_shapes", counted)
    for _ in range(2):
        assert looks_like(own)
    assert sorted(made) == ["efficientnet_b0", "tf_efficientnet_b0"]


def test_the_file_opens_as_what_it_is_said_to_be(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    theirs = timm.create_model("tf_mobilenetv3_small_minimal_100", num_classes=5).eval()
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "w.ckpt")
    with pytest.raises(WeightsError, match="It looks like timm/tf_mobilenetv3_small_minimal_100: ") as said:
        load_model("torchvision/resnet18", weights=tmp_path / "w.ckpt")
    (name,) = said.value.alike
    model, card = open_model(name, weights=tmp_path / "w.ckpt")
    assert len(card.classes) == 5
    inputs = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(inputs), theirs(inputs))


def test_what_a_file_cannot_tell_stands_on_its_card() -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    note = model_card(f"timm/tf_efficientnet_b0#{'0' * 64}").note
    assert "It would fit timm/efficientnet_b0 as well: choose the one that it was trained as." in note
    assert "would fit" not in model_card(f"timm/convnext_atto#{'0' * 64}").note


def test_without_timm_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {key: torch.zeros(value.shape) for key, value in state("convnext_atto", num_classes=2).items()}
    torch.save(own, tmp_path / "w.pth")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        WeightsError, match=r"as large as timm/convnext_atto: pip install 'pruneattr\[hubs\]'"
    ) as said:
        load_model("torchvision/resnet18", weights=tmp_path / "w.pth")
    assert said.value.alike == ()


@pytest.mark.parametrize("name", TRANSFORMING)
def test_a_file_of_ones_own_is_scaled_as_torchvision_would(name: str, tmp_path: Path) -> None:
    """Torchvision scales anew with its own weights alone; what was trained on from them is named so."""
    from torchvision import models

    torch.manual_seed(0)
    theirs = models.get_model(name, weights=None, num_classes=3, aux_logits=False, init_weights=False).eval()
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    inputs = torch.rand(1, 3, 96, 96)
    plain, trained_on = f"torchvision/{name}", f"torchvision/{name}@IMAGENET1K_V1"
    cards = {}
    for called, scaled in ((plain, False), (trained_on, True)):
        theirs.transform_input = scaled
        model, cards[called] = open_model(called, weights=tmp_path / "w.pth")
        with torch.no_grad():
            torch.testing.assert_close(model(inputs), theirs(inputs))
    assert cards[plain].id != cards[trained_on].id
    assert cards[plain].title != cards[trained_on].title
    assert "transform_input=False), as torchvision does by default" in cards[plain].note
    assert f"choose {trained_on}." in cards[plain].note
    assert "scaled anew, as torchvision does with IMAGENET1K_V1" in cards[trained_on].note
    published = model_card(plain).weights_sha256.ljust(64, "0")
    assert "scaled anew, as torchvision does with IMAGENET1K_V1" in model_card(f"{plain}#{published}").note
    assert "transform_input" not in model_card(f"torchvision/resnet18#{'0' * 64}").note


def test_a_grey_inception_of_ones_own_opens(tmp_path: Path) -> None:
    from torchvision import models

    theirs = models.googlenet(weights=None, num_classes=3, aux_logits=False, init_weights=False).eval()
    theirs.conv1.conv = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    torch.save(theirs.state_dict(), tmp_path / "w.pth")
    model, card = open_model("torchvision/googlenet", weights=tmp_path / "w.pth")
    inputs = torch.rand(1, 1, 64, 64)
    assert len(card.mean) == 1
    with torch.no_grad():
        torch.testing.assert_close(model(inputs), theirs(inputs))
