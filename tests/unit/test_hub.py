"""Networks of the hub: small random ones, saved as the hub has them, opened by the code for real ones."""

from __future__ import annotations

import json
import re
import sys
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pruneattr_core import PruneGrad
from pruneattr_core.errors import ModelError
from pruneattr_core.models import description, hub, list_models, load_model, model_card, open_model
from pruneattr_core.render.plain import inert


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Puts files where huggingface_hub keeps those of a repository."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")

    def put(repo: str, save) -> Path:
        folder = tmp_path / "hub" / f"models--{repo.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("abc123")
        snapshot = folder / "snapshots" / "abc123"
        snapshot.mkdir(parents=True)
        save(str(snapshot))
        return snapshot

    return put


@pytest.fixture
def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 64, 3), dtype=np.uint8))


def test_a_network_of_timm_opens_as_timm_makes_it(place, photo) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    theirs = timm.create_model("test_resnet", num_classes=3).eval()
    labels = {"num_classes": 3, "label_names": ["a", "b", "<i>c</i>"]}

    def save(folder: str) -> None:
        timm.models.save_for_hf(theirs, folder, model_config=labels, safe_serialization=True)

    place("someone/tiny", save)
    name = "hf-hub:someone/tiny"
    assert list_models("hub") == (name,)
    for written in ("someone/tiny", "https://huggingface.co/someone/tiny", "hf.co/someone/tiny/"):
        assert model_card(written).id == name
    model, card = open_model("someone/tiny")
    data = timm.data.resolve_model_data_config(theirs)
    inputs = card.preprocess(photo)
    assert card.classes == ("a", "b", inert("<i>c</i>"))  # no markup, wherever it is shown
    assert card.available_offline()
    wanted = timm.data.create_transform(**data, is_training=False)(photo)[None]
    assert torch.allclose(inputs, wanted, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(model(inputs), theirs(inputs), atol=1e-5)


def test_a_name_of_timm_is_its_repository(place) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    theirs = timm.create_model("test_resnet").eval()
    place(
        "timm/test_resnet.r160_in1k",
        lambda folder: timm.models.save_for_hf(theirs, folder, safe_serialization=True),
    )
    for name in ("timm/test_resnet", "timm/test_resnet.r160_in1k"):
        model, card = open_model(name)
        assert len(card.classes) == 1000
        assert card.classes[0] == "tench"
        assert card.size == (160, 160)
        assert torch.equal(model.fc.weight, theirs.fc.weight)
    with pytest.raises(ModelError, match="timm has no weights for 'resnet5000'"):
        model_card("timm/resnet5000")


@pytest.mark.parametrize("family", ["ViT", "ConvNext"])
def test_a_network_of_transformers_opens_as_transformers_makes_it(family: str, place, photo) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    names = {"id2label": {0: "x", 1: "y", 2: "z"}, "label2id": {"x": 0, "y": 1, "z": 2}}
    torch.manual_seed(0)
    if family == "ViT":
        small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        config = transformers.ViTConfig(**small, **names, image_size=32, patch_size=8)
        size = {"height": 32, "width": 32}
    else:
        config = transformers.ConvNextConfig(**names, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1])
        size = {"shortest_edge": 32}
    theirs = getattr(transformers, f"{family}ForImageClassification")(config).eval()
    processor = getattr(transformers, f"{family}ImageProcessor")(size=size)

    def save(folder: str) -> None:
        theirs.save_pretrained(folder)
        processor.save_pretrained(folder)

    snapshot = place("someone/small", save)
    model, card = open_model("hf-hub:someone/small")
    assert card.classes == ("x", "y", "z")
    inputs = card.preprocess(photo)
    automatic = transformers.AutoImageProcessor.from_pretrained(str(snapshot), use_fast=False)
    wanted = automatic(photo, return_tensors="pt")["pixel_values"]
    assert wanted.shape == inputs.shape
    assert (inputs - wanted).abs().mean() < 0.02  # one of 255 levels is 0.008; resizing rounds
    with torch.no_grad():
        assert torch.allclose(model(inputs), theirs(inputs).logits, atol=1e-5)
    grad = PruneGrad(model)
    assert grad.attribute(inputs, sparsity=0.5).shape == inputs.shape


def test_what_is_not_here_says_so_offline(place) -> None:
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    with pytest.raises(ModelError, match="is not on this machine and the hub cannot be reached"):
        model_card("hf-hub:nobody/nothing")
    with pytest.raises(ModelError, match="Expected hf-hub:OWNER/NAME"):
        model_card("hf-hub:../../etc/passwd")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("someone/nothing", "config.json of someone/nothing is not on this machine"),
        ("torchvison/resnet50", "such as torchvision/resnet50"),
        ("deit_tiny_patch16_224", "such as timm/deit_tiny_patch16_224"),
        ("resnet-18", "such as torchvision/resnet18"),
        ("weights/mine.pt", "'weights/mine.pt' is a file of weights"),
        ("someone/..", "There is no model 'someone/..'"),
    ],
)
def test_only_identifiers_are_looked_for_on_the_hub(place, name: str, says: str) -> None:
    with pytest.raises(ModelError, match=re.escape(says)):
        model_card(name)


def test_pickles_are_not_opened(place) -> None:
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")

    def save(folder: str) -> None:
        (Path(folder) / "pytorch_model.bin").write_bytes(b"x")
        (Path(folder) / "config.json").write_text('{"architectures": ["ViTForImageClassification"]}')
        (Path(folder) / "preprocessor_config.json").write_text(
            json.dumps({"size": 32, "image_mean": [0.5] * 3, "image_std": [0.5] * 3})
        )

    place("someone/pickled", save)
    assert list_models("hub") == ()
    assert not model_card("hf-hub:someone/pickled").available_offline()
    with pytest.raises(ModelError, match=r"model.safetensors of someone/pickled is not on this machine"):
        load_model("hf-hub:someone/pickled")


def test_a_configuration_makes_a_network_and_nothing_else(place, tmp_path, monkeypatch) -> None:
    """Else timm fetches weights from an address, or reads a file of this machine, that a stranger names."""
    timm = pytest.importorskip("timm", reason="timm is not installed")
    net, real = timm.create_model("test_resnet"), timm.create_model
    monkeypatch.setattr(timm, "create_model", wraps(real)(lambda *_, **__: pytest.fail("timm is asked")))
    for number, name in enumerate(
        ("checkpoint_path", "cache_dir", "pretrained_cfg", "pretrained_cfg_overlay")
    ):
        said = {"num_classes": 1000, "model_args": {name: str(tmp_path)}}

        def save(folder: str, said: dict[str, Any] = said) -> None:
            timm.models.save_for_hf(net, folder, model_config=said, safe_serialization=True)

        place(f"someone/{number}", save)
        with pytest.raises(ModelError, match="is no part of a network"):
            load_model(f"hf-hub:someone/{number}")


@pytest.mark.parametrize("asked", [{"layers": [10**6, 1, 1, 1]}, {"stem_width": 10**5}])
def test_a_configuration_makes_no_larger_network_than_its_weights(asked: dict[str, Any], place) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    net = timm.create_model("test_resnet")
    place(
        "someone/large",
        lambda folder: timm.models.save_for_hf(
            net, folder, model_config={"num_classes": 1000, "model_args": asked}, safe_serialization=True
        ),
    )
    with pytest.raises(ModelError, match="makes a larger network than its weights are for"):
        load_model("hf-hub:someone/large")
    assert len(list(timm.create_model("test_resnet").parameters())) > 9  # nobody counts any more


def test_so_it_is_with_transformers(place) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    made = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32
    )
    net = transformers.ViTForImageClassification(made)

    def save(folder: str) -> None:
        net.save_pretrained(folder)
        processor = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        (Path(folder) / "preprocessor_config.json").write_text(json.dumps(processor))
        file = Path(folder) / "config.json"
        said = json.loads(file.read_text()) | {"num_hidden_layers": 10**6}
        file.write_text(json.dumps(said))

    place("someone/deep", save)
    with pytest.raises(ModelError, match="makes a larger network than its weights are for"):
        load_model("hf-hub:someone/deep")


@pytest.mark.parametrize("changed", [
    {"num_classes": 10**9}, {"num_classes": 0}, {"architecture": "local-dir:/etc"},
    {"architecture": "![x](http://evil.example)"}, {"pretrained_cfg": {"input_size": [3, 10**6, 10**6]}},
    {"pretrained_cfg": {"crop_pct": 1e-9}}, {"pretrained_cfg": {"std": [0, 1, 1]}},
    {"pretrained_cfg": {"mean": [1e999, 0, 0]}},
])  # fmt: skip
def test_a_description_asks_for_no_more_than_a_network_may_be(changed: dict[str, Any], place) -> None:
    usual = {"input_size": [3, 32, 32], "mean": [0, 0, 0], "std": [1, 1, 1], "license": "<b>[x](y)"}
    config = {"architecture": "resnet18", "num_classes": 2, **changed}
    config["pretrained_cfg"] = {**usual, **changed.get("pretrained_cfg", {})}
    text = {"someone/odd": config, "someone/usual": {**config, "architecture": "resnet18", "num_classes": 2,
                                                     "pretrained_cfg": usual}}  # fmt: skip
    for name, said in text.items():
        place(name, lambda folder, said=said: (Path(folder) / "config.json").write_text(json.dumps(said)))
    assert model_card("hf-hub:someone/usual").licence == inert(usual["license"])
    with pytest.raises(ModelError, match=r"hf-hub:someone/odd cannot be used|a number above"):
        model_card("hf-hub:someone/odd")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"architectures": ["BertModel"]}', "is no image classifier"),
        (
            '{"pretrained_cfg": {"input_size": 3}, "architecture": "resnet18", "num_classes": 2}',
            "cannot be used",
        ),
        ('{"pretrained_cfg": ["resnet18"]}', "pretrained_cfg is no object"),
        ('{"pretrained_cfg": {"input_size": [3, 8, 8]}, "model_args": [1]}', "model_args is no object"),
        ('{"pretrained_cfg": {}, "num_classes": Infinity}', "cannot be used"),
        (
            '{"pretrained_cfg": {"input_size": [3, 8, 8], "mean": [0, 0, 0], "std": [1, 1, 1], '
            '"interpolation": "random"}, "num_classes": 2}',
            "interpolation is one of",
        ),
        (
            '{"pretrained_cfg": {"input_size": [3, 8, 8], "crop_pct": 1e-320}, "num_classes": 2}',
            "cannot be used",
        ),
        ('{"pretrained_cfg": {"mean": [1' + "0" * 400 + "]}}", "a number above 1,000,000"),
        ('{"pretrained_cfg": {"depths": [[[-1000001]]]}}', "a number above 1,000,000"),
        ('{"model_args": ' + "[" * 16 + "]" * 16 + "}", "more than 16 deep"),
        ('{"model_args": ' + '{"a": ' * 900 + "1" + "}" * 900 + "}", "more than 16 deep"),
        ("[" * 100_000, "cannot be read"),
        ('{"architectures": "ViTForImageClassification"}', "is no image classifier"),
        ('{"a": "' + "b" * (4 << 20) + '"}', "more than 4 MB"),
    ],
    ids=lambda text: text[:40],
)
def test_configurations_that_cannot_be_used_are_one_sentence(config: str, says: str, place) -> None:
    place("someone/odd", lambda folder: (Path(folder) / "config.json").write_text(config))
    with pytest.raises(ModelError, match=says):
        model_card("hf-hub:someone/odd")


@pytest.mark.parametrize("said", [
    {"num_labels": 10**6}, {"num_labels": float("inf")},
    {"id2label": {str(one): "" for one in range(10**5 + 1)}}, {"id2label": {"one": "a"}},
    {"id2label": ["a", "b"]},
])  # fmt: skip
def test_classes_of_transformers_are_counted_before_they_are_named(said: dict[str, Any], place) -> None:
    """Transformers makes two tables of all numbers below `num_labels` while it reads them."""
    files = {
        "config.json": {"architectures": ["ViTForImageClassification"], **said},
        "preprocessor_config.json": {"size": 32, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
    }

    def save(folder: str) -> None:
        for name, text in files.items():
            (Path(folder) / name).write_text(json.dumps(text))

    place("someone/odd", save)
    with pytest.raises(ModelError, match="The configuration of hf-hub:someone/odd cannot be used"):
        model_card("hf-hub:someone/odd")


def test_nobody_is_asked_unless_it_is_said(place, monkeypatch) -> None:
    """Neither for the configuration, nor for the second file that transformers' networks have."""
    monkeypatch.setattr(hub, "fetched", lambda *_: pytest.fail("the hub is asked"))
    config = '{"architectures": ["ViTForImageClassification"]}'
    place("someone/half", lambda folder: (Path(folder) / "config.json").write_text(config))
    for name in ("hf-hub:someone/half", "someone/half", "someone/nothing"):
        with pytest.raises(ModelError, match="is not on this machine: open it by its name first"):
            model_card(name, ask=False)


def test_without_the_packages_a_sentence_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModelError, match="need the package timm, which is not installed: pip install"):
        model_card("timm/resnet18")
    assert hub.timm_ids.__wrapped__() == ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"size": {"height": 48, "width": 48}}, ((48, 48), 48, True)),
        ({"size": {"shortest_edge": 40}, "crop_pct": 0.8}, ((40, 40), 50, False)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.8}, ((384, 384), 384, True)),
        (
            {"size": {"shortest_edge": 64}, "do_center_crop": True, "crop_size": {"height": 56, "width": 48}},
            ((56, 48), 64, False),
        ),
        ({"size": 32, "feature_extractor_type": "ViTFeatureExtractor"}, ((32, 32), 32, True)),
        ({"size": 32, "feature_extractor_type": "ConvNextFeatureExtractor"}, ((32, 32), 32, False)),
    ],
)
def test_processors_in_the_words_of_a_card(given: dict, expected: tuple) -> None:
    pixels = description.pixels_of({"image_mean": [0.5] * 3, "image_std": [0.2] * 3, "resample": 3, **given})
    assert (pixels.size, pixels.resize, pixels.squash) == expected
    assert pixels.interpolation == "bicubic"
    with pytest.raises(ModelError, match="not scaled"):
        description.pixels_of({**given, "do_rescale": False, "image_mean": [0.5] * 3, "image_std": [0.2] * 3})


def test_a_file_of_ones_own_needs_the_architecture_alone(place, tmp_path) -> None:
    """Neither the weights that it replaces, nor a network: fine-tuned, grey, wrapped."""
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    theirs = timm.create_model("test_resnet", num_classes=3, in_chans=1).eval()
    state = {f"model.{key}": value for key, value in theirs.state_dict().items()}
    torch.save({"state_dict": state, "classes": ["a", "b", "c"]}, tmp_path / "w.ckpt")
    described = {"architecture": "test_resnet", "num_classes": 1000, "pretrained_cfg": theirs.pretrained_cfg}
    place(
        "someone/described", lambda folder: (Path(folder) / "config.json").write_text(json.dumps(described))
    )
    inputs = torch.rand(2, 1, 64, 64)
    for name in ("timm/test_resnet", "hf-hub:someone/described"):
        assert not model_card(name).available_offline()
        model, card = open_model(name, weights=tmp_path / "w.ckpt")
        assert card.classes == ("a", "b", "c")
        with torch.no_grad():
            torch.testing.assert_close(model(inputs), theirs(inputs))
    large = {**described, "model_args": {"layers": [10**6, 1, 1, 1]}}
    place("someone/large", lambda folder: (Path(folder) / "config.json").write_text(json.dumps(large)))
    with pytest.raises(ModelError, match="makes a larger network than its weights are for"):
        open_model("hf-hub:someone/large", weights=tmp_path / "w.ckpt")


def test_so_it_needs_with_transformers(place, tmp_path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    sizes = {**small, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    theirs = transformers.ViTForImageClassification(transformers.ViTConfig(**sizes, num_labels=5)).eval()
    torch.save({"model": theirs.state_dict()}, tmp_path / "w.pth")
    processor = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}

    def save(folder: str) -> None:
        published = transformers.ViTConfig(**sizes, architectures=["ViTForImageClassification"], num_labels=3)
        published.save_pretrained(folder)
        (Path(folder) / "preprocessor_config.json").write_text(json.dumps(processor))

    place("someone/described", save)
    model, card = open_model("someone/described", weights=tmp_path / "w.pth")
    inputs = torch.rand(2, 3, 32, 32)
    assert len(card.classes) == 5
    with torch.no_grad():
        torch.testing.assert_close(model(inputs), theirs(inputs).logits)
