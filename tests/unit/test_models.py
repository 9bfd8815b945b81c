"""Cards, preprocessing and loading: torchvision's numbers to the bit, and one sentence per failure."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torchvision import models as torchvision_models
from torchvision.models import SqueezeNet1_0_Weights, WeightsEnum

from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import ArgumentTypeError, InputError, ModelError, WeightsError
from pruneattr_core.models import (
    cards,
    catalogue,
    checkpoint,
    fitting,
    list_models,
    load_model,
    model_card,
    records,
    weights_hash,
    zoo,
)
from pruneattr_core.models.architectures import ResNet8
from pruneattr_core.models.cifar_resnet import CifarResNet

RESNET20 = "cifar-resnet20"


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (301, 407, 3), dtype=np.uint8))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of torch.hub."""
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def squeezenet_home(shared, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(shared / "data" / "torch_home"))


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CifarResNet(3).state_dict()


# Cards


def test_every_torchvision_classifier_has_a_card():
    ids = list_models("torchvision")
    assert len(ids) >= 80
    assert len(set(ids)) == len(ids)
    for name in ids:
        card = model_card(name)
        assert (card.id, card.kind, len(card.classes)) == (name, "torchvision", 1000)
        assert "Published by torchvision: top-1" in card.note
        assert "not measured here" in card.note
        assert re.fullmatch(r"[0-9a-f]{8,}", card.weights_sha256)
        assert "arXiv:" in card.paper
    assert model_card("torchvision/resnet50").weights == "IMAGENET1K_V2"
    assert model_card("torchvision/resnet50@IMAGENET1K_V1").resize == 256
    assert "SWAG" in model_card("torchvision/vit_b_16@IMAGENET1K_SWAG_E2E_V1").licence


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("torchvision/resnet5", "no image classifier 'resnet5'"),
        (
            "torchvision/resnet50@V9",
            "has no weights 'V9' to classify with: choose IMAGENET1K_V1, IMAGENET1K_V2",
        ),
        ("torchvision/vgg16@IMAGENET1K_FEATURES", "no weights 'IMAGENET1K_FEATURES' to classify with"),
        (
            "torchvision/quantized_resnet50",
            "8-bit integers, which have no gradients: choose torchvision/resnet50.",
        ),
        ("torchvision/fasterrcnn_resnet50_fpn", "is no image classifier"),
        ("torchvision/", "no image classifier ''"),
        ("resnet50", "such as torchvision/resnet50"),
        ("../../etc/passwd", "There is no model"),
        ("x" * 10_000, "There is no model"),
        (None, "There is no model 'None'"),
    ],
)
def test_unknown_models(name, says):
    with pytest.raises(ModelError) as caught:
        model_card(name)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 300


def test_kinds():
    assert list_models("local") == tuple(f"cifar-resnet{depth}" for depth in (20, 32, 44, 56))
    assert all(model_card(name).kind == "bundled" for name in list_models("bundled"))
    assert set(list_models()) == {
        one for kind in ("bundled", "package", "code", "hub", "torchvision") for one in list_models(kind)
    }
    with pytest.raises(InputError, match="Expected a kind out of bundled, package, code, torchvision, hub"):
        list_models("int8")


def test_other_cached_weights_are_listed(hub):
    hub.mkdir(parents=True)
    (hub / "resnet50-0676ba61.pth").write_bytes(b"x")
    assert "torchvision/resnet50@IMAGENET1K_V1" in list_models()
    assert model_card("torchvision/resnet50@IMAGENET1K_V1").available_offline()
    assert not model_card("torchvision/resnet50").available_offline()
    note = model_card("torchvision/resnet50@IMAGENET1K_V1").weights_note()
    assert "instead of 0676ba61" in note


# Preprocessing


@pytest.mark.parametrize("size", [(407, 301), (301, 407), (224, 224), (256, 256), (1, 1), (30, 500)])
def test_preprocess_equals_torchvision(size, photo):
    image = photo.resize(size)
    for name in ("squeezenet1_0", "resnet50", "efficientnet_b3", "maxvit_t", "swin_v2_t", "inception_v3"):
        card = model_card(f"torchvision/{name}")
        expected = torchvision_models.get_model_weights(name).DEFAULT.transforms()(image)[None]
        assert torch.equal(card.preprocess(image), expected)


def test_display_is_what_the_network_sees(photo):
    card = model_card("torchvision/resnet50")
    shown = card.display(photo)
    assert shown.dtype == np.uint8
    assert shown.shape == (224, 224, 3)
    assert np.array_equal(card.denormalise(card.preprocess(photo))[0], shown)
    small = Image.fromarray(shown).resize((32, 32))
    assert np.array_equal(model_card(RESNET20).display(small), np.asarray(small))
    assert model_card(RESNET20).preprocess(photo.convert("L")).shape == (1, 3, 32, 32)


def test_preprocess_refuses_other_types():
    card = model_card(RESNET20)
    with pytest.raises(ArgumentTypeError, match="Expected a PIL picture"):
        card.preprocess(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match=r"Expected a batch \(B, 3, H, W\)"):
        card.denormalise(torch.zeros(3, 32, 32))


# Networks from files


def test_loaded_models_are_frozen_and_channels_last(state, tmp_path):
    file = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(state, file)
    before = torch.random.get_rng_state()
    model = load_model(RESNET20, weights=file)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not any(module.training for module in model.modules())
    assert not any(p.requires_grad or p.is_meta for p in [*model.parameters(), *model.buffers()])
    assert model.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    reference = CifarResNet(3)
    reference.load_state_dict(state)
    assert weights_hash(model) == weights_hash(reference)
    reference.conv1.weight.data[0, 0, 0, 0] += 1e-6
    assert weights_hash(model) != weights_hash(reference)


@pytest.mark.parametrize("depth", [20, 32, 44, 56])
def test_cifar_resnets_give_the_reference_logits(depth, shared):
    folder = shared / "data" / "cifar10_resnets"
    wanted = json.loads((folder / "reference_logits.json").read_text())["logits"][f"resnet{depth}"]
    model = load_model(f"cifar-resnet{depth}", weights=folder / f"resnet{depth}.safetensors")
    pictures, card = load_dataset("cifar10", shared / "data" / "cifar10"), model_card(f"cifar-resnet{depth}")
    with torch.no_grad():
        logits = model(torch.cat([card.preprocess(pictures[i].image) for i in range(20)]))
    assert torch.allclose(logits, torch.tensor(wanted), atol=2e-3)


@pytest.mark.usefixtures("squeezenet_home")
def test_squeezenet_names_photographs_as_its_reference_does(shared):
    folder = shared / "data" / "imagenet_samples"
    wanted = json.loads((folder / "squeezenet1_0_reference.json").read_text())
    card, model = model_card("torchvision/squeezenet1_0"), load_model("torchvision/squeezenet1_0")
    assert card.available_offline()
    assert "squeezenet1_0-b66bff10.pth holds other weights than the published ones" in card.weights_note()
    for name in list(wanted)[::30]:
        image = Image.open(folder / name).convert("RGB")
        inputs = card.preprocess(image)
        assert torch.equal(inputs[0], SqueezeNet1_0_Weights.IMAGENET1K_V1.transforms()(image))
        with torch.no_grad():
            probability = model(inputs).softmax(1)[0]
        assert int(probability.argmax()) == wanted[name]["top5"][0]
        assert float(probability.max()) == pytest.approx(wanted[name]["prob_top1"], abs=1e-3)


def test_networks_are_built_as_torchvision_builds_them(monkeypatch):
    """Our networks take the very keys and shapes of torchvision's own, without its unsafe unpickling."""
    for name in (
        "googlenet",
        "densenet121",
        "vit_b_32",
        "regnet_y_400mf",
        "swin_v2_t",
        "mnasnet0_5",
        "squeezenet1_1",
    ):
        with fitting._Hollow():
            ours = zoo.zoo_builder(model_card(f"torchvision/{name}"))()
            options = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
            full = torchvision_models.get_model(name, **options).state_dict()
            monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *a, full=full, **k: full)
            theirs = torchvision_models.get_model(name, weights="DEFAULT")
        assert str(zoo.without_auxiliary(ours)) == str(theirs)


def test_old_densenet_keys():
    old, kept = "features.denseblock1.denselayer1.norm.1.weight", "classifier.weight"
    assert [zoo.current_key(key) for key in (old, kept)] == [old.replace("norm.1", "norm1"), kept]


@pytest.mark.parametrize("legacy", [False, True])
def test_wrapped_prefixed_and_half_precision_checkpoints(state, tmp_path, legacy):
    plain, wrapped = tmp_path / "plain.pth", tmp_path / "wrapped.pth"
    torch.save(state, plain, _use_new_zipfile_serialization=not legacy)
    prefixed = {f"module.{key}": value for key, value in state.items()}
    torch.save({"epoch": 3, "state_dict": prefixed}, wrapped, _use_new_zipfile_serialization=not legacy)
    assert weights_hash(load_model(RESNET20, weights=plain)) == weights_hash(
        load_model(RESNET20, weights=wrapped)
    )
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    torch.save(half, wrapped)
    assert load_model(RESNET20, weights=wrapped).conv1.weight.dtype == torch.float32


# Bundled models


@pytest.fixture
def assets(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "WEIGHTS", tmp_path)
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path)
    return tmp_path


def test_absent_bundled_weights_are_not_listed(assets):
    assert list_models("bundled") == ()
    with pytest.raises(ModelError, match="python -m pruneattr_core train resnet8-cifar10"):
        load_model("resnet8-cifar10")


def test_a_record_is_read_once_an_edition(tmp_path, monkeypatch):
    file, read = tmp_path / "one.json", []
    whole = json.loads
    monkeypatch.setattr(records.json, "loads", lambda text: read.append(text) or whole(text))
    for text in ('{"title": "a"}', '{"title": "another"}'):
        file.write_text(text)
        assert [records.record_of(file)["title"] for _ in range(3)] == [whole(text)["title"]] * 3
    assert len(read) == 2
    file.write_text("[1]")
    with pytest.raises(ValueError, match="no JSON object"):
        records.record_of(file)


def test_bundled_weights_must_be_those_of_the_card(assets):
    safetensors.torch.save_file(ResNet8().state_dict(), assets / "resnet8-cifar10.safetensors")
    record = {
        "recipe": {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]},
        "data": "noise",
        "test_accuracy": 0.851,
        "test_pictures": 10_000,
        "seed": 0,
        "sha256": checkpoint.file_sha256(assets / "resnet8-cifar10.safetensors"),
    }
    (assets / "resnet8-cifar10.json").write_text(json.dumps(record))
    assert list_models("bundled") == ("resnet8-cifar10",)
    card = model_card("resnet8-cifar10")
    assert card.mean == (0.1, 0.2, 0.3)
    assert card.note == "Trained by us on noise: 85.1% right on 10,000 test pictures (seed 0)."
    assert load_model("resnet8-cifar10")(card.preprocess(Image.new("RGB", (40, 50)))).shape == (1, 10)
    (assets / "resnet8-cifar10.json").write_text(json.dumps(record | {"sha256": "0" * 64}))
    with pytest.raises(WeightsError, match="is not the file on its card"):
        load_model("resnet8-cifar10")
    (assets / "resnet8-cifar10.json").write_text("{}")
    with pytest.raises(ModelError, match="beside the weights is damaged"):
        model_card("resnet8-cifar10")


@pytest.mark.parametrize("name", list_models("bundled"))
def test_bundled_models_load(name):
    card, model = model_card(name), load_model(name)
    logits = model(card.preprocess(Image.new("RGB", (200, 150), "teal")))
    assert logits.shape == (1, len(card.classes))


def test_offline_is_one_quick_sentence(hub, monkeypatch):
    hub.mkdir(parents=True)
    (hub / "resnet50-0676ba61.pth").write_bytes(b"x")
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    built = torch.nn.Conv2d
    monkeypatch.setattr(built, "__init__", lambda *_, **__: pytest.fail("no network is built first"))
    with pytest.raises(ModelError, match="connect to the network") as caught:
        load_model("torchvision/resnet50")
    assert "Here already: torchvision/resnet50@IMAGENET1K_V1." in str(caught.value)
    assert os.listdir(hub) == ["resnet50-0676ba61.pth"]


def test_device_names():
    with pytest.raises(InputError, match="Expected a device"):
        load_model("torchvision/resnet50", device="gpu7")


@pytest.mark.parametrize("base", [RESNET20, "resnet8-cifar10", "torchvision/squeezenet1_1"])
def test_an_architecture_and_a_files_hash_name_a_network(base: str, tmp_path) -> None:
    from pruneattr_core.models.zoo import zoo_builder

    card = model_card(base)
    network = zoo_builder(card)() if card.kind == "torchvision" else catalogue.BUILDERS[base]()
    file = tmp_path / "mine.safetensors"
    safetensors.torch.save_file(network.state_dict(), file)
    sha256 = checkpoint.file_sha256(file)
    own = model_card(f"{base}#{sha256}")
    assert own.kind == "local"
    assert own.weights_sha256 == sha256
    assert (own.classes, own.size, own.mean) == (card.classes, card.size, card.mean)
    assert not own.available_offline()
    loaded = load_model(own.id, weights=file)
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    with pytest.raises(WeightsError, match="comes without weights"):
        load_model(own.id)
    with pytest.raises(WeightsError, match="its SHA-256 is another"):
        load_model(f"{base}#{'0' * 64}", weights=file)


@pytest.mark.parametrize("sha256", ["", "abc", "Z" * 64, "A" * 64, "#" + "0" * 63, "0" * 65])
def test_what_is_no_hash_names_no_network(sha256: str) -> None:
    with pytest.raises(ModelError, match="64 hexadecimal digits"):
        model_card(f"{RESNET20}#{sha256}")
    with pytest.raises(ModelError, match="There is no model"):
        model_card(f"nobody#{sha256}")
