"""Checkpoints people really have: whatever wraps them, the network that comes out is the one that went in."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel
from torchvision.models import get_model

from pruneattr_core.errors import WeightsError
from pruneattr_core.models import load_model, model_card, open_model, weights_hash
from pruneattr_core.models.checkpoint import file_sha256
from pruneattr_core.models.cifar_resnet import CifarResNet
from pruneattr_core.models.fitting import hollow
from pruneattr_core.models.likeness import looks_like
from pruneattr_core.models.zoo import zoo_builder
from pruneattr_core.render.plain import inert

NET = "cifar-resnet20"


def network(seed: int = 0, classes: int = 10) -> CifarResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CifarResNet(3, classes).eval()


def prefixed(prefix: str, seed: int = 0) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in network(seed).state_dict().items()}


class Task(nn.Module):
    """What a LightningModule looks like: the network, a loss with weights, metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()
        self.criterion = nn.CrossEntropyLoss(weight=torch.ones(10))
        self.register_buffer("seen", torch.zeros(()))


def optimised() -> dict[str, Any]:
    net = network()
    optimiser = torch.optim.Adam(net.parameters())
    net(torch.zeros(1, 3, 32, 32)).sum().backward()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    optimiser.step()
    return {"epoch": 3, "net": state, "optimizer": optimiser.state_dict(), "best_acc": 0.5, "lr": [0.1, 0.01]}


WRAPPINGS: dict[str, Callable[[], Any]] = {
    "bare": lambda: network().state_dict(),
    "state_dict": lambda: {"state_dict": prefixed(""), "epoch": 3},
    "model": lambda: {"model": prefixed(""), "args": argparse.Namespace(lr=0.1, out=None)},
    "net, optimiser beside": optimised,
    "params": lambda: {"params": prefixed("")},
    "params_ema": lambda: {"params_ema": prefixed("")},
    "model_ema alone": lambda: {"model_ema": prefixed("")},
    "model and model_ema": lambda: {"model_ema": prefixed("", 1), "model": prefixed("")},
    "student and teacher": lambda: {"teacher": prefixed("module.", 1), "student": prefixed("module.")},
    "any name": lambda: {"my_weights": {"v2": prefixed("")}, "history": {"loss": [1.0, 0.5]}},
    "DataParallel": lambda: nn.DataParallel(network()).state_dict(),
    "compiled": lambda: prefixed("_orig_mod."),
    "compiled and parallel": lambda: {"state_dict": prefixed("_orig_mod.module.")},
    "parallel and compiled": lambda: {"state_dict": prefixed("module._orig_mod.")},
    "model.": lambda: {"state_dict": prefixed("model."), "pytorch-lightning_version": "2.5"},
    "backbone.": lambda: prefixed("backbone."),
    "encoder.": lambda: prefixed("encoder."),
    "any prefix": lambda: prefixed("classifier_v3.trunk."),
    "a task with a loss": lambda: {"state_dict": Task().state_dict(), "loops": {}, "callbacks": {}},
    "averaged": lambda: AveragedModel(network()).state_dict(),
    "two networks side by side": lambda: {**prefixed("ema_model.", 1), **prefixed("model.")},
    "profiled": lambda: {**prefixed(""), "total_ops": torch.zeros(1), "conv1.total_params": torch.zeros(1)},
    "numbers beside": lambda: {**prefixed(""), "epoch": 3, "acc": 0.5},
    "double": lambda: network().double().state_dict(),
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_a_wrapped_network_opens_as_itself(name: str, tmp_path) -> None:
    file = tmp_path / "checkpoint.ckpt"
    torch.save(WRAPPINGS[name](), file)
    assert weights_hash(load_model(NET, weights=file)) == weights_hash(network())


class Numbered(nn.Module):
    """What people make of a network whose head they replace: all its children but the last, and a head."""

    def __init__(self, name: str, classes: int) -> None:
        super().__init__()
        *trunk, last = get_model(name).children()
        self.features = nn.Sequential(*trunk)
        linear = last if isinstance(last, nn.Linear) else next(m for m in last if isinstance(m, nn.Linear))
        self.head = nn.Sequential(nn.Dropout(), nn.Linear(linear.in_features, classes))


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
@pytest.mark.parametrize("saved", ["module", "prefix", "all by number"])
def test_children_by_number_are_those_by_name(name: str, saved: str, tmp_path: Path) -> None:
    net = get_model(name).eval()
    if saved == "all by number":
        state = nn.Sequential(*net.children()).state_dict()
    else:
        own = Numbered(name, 7).eval()
        state = own.state_dict(prefix="model." if saved == "prefix" else "")
        head = nn.Linear(own.head[1].in_features, 7)
        head.load_state_dict(own.head[1].state_dict())
        if name == "resnet18":
            net.fc = head
        else:
            net.classifier = head
        for mine, theirs in zip(net.children(), own.features, strict=False):
            mine.load_state_dict(theirs.state_dict())
    torch.save(state, tmp_path / "w.pth")
    opened = open_model(f"torchvision/{name}", weights=tmp_path / "w.pth")[0]
    assert weights_hash(opened) == weights_hash(net)


def test_children_by_number_of_another_network_look_like_it(tmp_path: Path) -> None:
    torch.save(Numbered("resnet34", 7).state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="It looks like torchvision/resnet34"):
        open_model("torchvision/resnet18", weights=tmp_path / "w.pth")


def test_masks_of_pruning_are_applied(tmp_path) -> None:
    net = network()
    prune.random_unstructured(net.layer2[0].conv1, "weight", 0.5)
    torch.save({"model": net.state_dict()}, tmp_path / "w.pth")
    prune.remove(net.layer2[0].conv1, "weight")
    assert (net.layer2[0].conv1.weight == 0).any()
    assert weights_hash(load_model(NET, weights=tmp_path / "w.pth")) == weights_hash(net)


@pytest.mark.parametrize("kind", ["half", "bfloat16"])
def test_half_precision_becomes_single(kind: str, tmp_path) -> None:
    net = network().half() if kind == "half" else network().bfloat16()
    torch.save({"state_dict": net.state_dict()}, tmp_path / "w.pth")
    assert weights_hash(load_model(NET, weights=tmp_path / "w.pth")) == weights_hash(net.float())


def test_weight_normalisation_is_undone(tmp_path) -> None:
    net = network()
    parametrizations.weight_norm(net.layer1[0].conv1)
    net.layer1[0].conv1.parametrizations.weight.original0.data.mul_(1.5)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    inputs = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(load_model(NET, weights=tmp_path / "w.pth")(inputs), net(inputs), atol=1e-5)


# Heads and first layers


def fine_tuned(name: str, classes: int) -> nn.Module:
    net = get_model(name)
    if name == "squeezenet1_1":
        net.classifier[1] = nn.Conv2d(512, classes, 1)
    elif name == "resnet18":
        net.fc = nn.Linear(512, classes)
    elif name == "mobilenet_v3_small":
        net.classifier[3] = nn.Linear(1024, classes)
    elif name == "mobilenet_v3_large":
        net.classifier = nn.Sequential(nn.Dropout(), nn.Linear(960, classes))
    elif name == "alexnet":
        net.classifier = nn.Linear(9216, classes)
    return net.eval()


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("squeezenet1_1", 2),
        ("squeezenet1_1", 1),
        ("resnet18", 7),
        ("resnet18", 1200),
        ("mobilenet_v3_small", 10),
        ("mobilenet_v3_large", 10),
        ("alexnet", 3),
    ],
)
def test_a_fine_tuned_head_is_rebuilt(name: str, classes: int, tmp_path) -> None:
    net = fine_tuned(name, classes)
    torch.save({"state_dict": net.state_dict()}, tmp_path / "w.pth")
    model, card = open_model(f"torchvision/{name}", weights=tmp_path / "w.pth")
    inputs = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(model(inputs), net(inputs), atol=1e-5)
    assert card.classes == tuple(f"class {i}" for i in range(classes))
    assert ("Its head has one output." if classes == 1 else f"tells {classes} classes apart") in card.note
    assert model_card(card.id) == card


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("where", ["in a Sequential", "beside the backbone"])
def test_a_head_of_another_name_is_found(where: str, bias: bool, tmp_path) -> None:
    net = network(classes=3)
    net.linear = nn.Linear(64, 3, bias=bias)
    state = net.state_dict()
    head = {key: state.pop(f"linear.{key}") for key in ("weight", "bias") if bias or key == "weight"}
    if where == "in a Sequential":
        state |= {f"linear.1.{key}": value for key, value in head.items()}
    else:
        state = {f"backbone.{key}": value for key, value in state.items()}
        state |= {f"head.{key}": value for key, value in head.items()}
    torch.save(state, tmp_path / "w.pth")
    inputs = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(load_model(NET, weights=tmp_path / "w.pth")(inputs), net(inputs), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_four_channel_first_layers_are_taken(channels: int, tmp_path) -> None:
    net = network()
    net.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    model, card = open_model(NET, weights=tmp_path / "w.pth")
    picture = Image.effect_mandelbrot((40, 32), (-2, -1, 1, 1), 50).convert("RGB")
    inputs = card.preprocess(picture)
    assert inputs.shape == (1, channels, 32, 32)
    with torch.no_grad():
        assert torch.allclose(model(inputs), net(inputs), atol=1e-5)
    assert card.display(picture).shape == (32, 32, 3)
    assert (card.denormalise(inputs)[0] == card.display(picture)).all()
    if channels == 4:
        assert (inputs[0, 3] == 1).all()  # opaque


def test_a_head_whose_parts_disagree_is_refused(tmp_path) -> None:
    state = network().state_dict() | {"linear.weight": torch.ones(7, 64)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"'linear.weight' has shape \(7, 64\), expected \(10, 64\)"):
        load_model(NET, weights=tmp_path / "w.pth")


def test_a_file_without_the_heads_of_training_opens(tmp_path) -> None:
    wanted = hollow(zoo_builder(model_card("torchvision/googlenet"))).state_dict()
    assert not any(key.startswith("aux") for key in wanted)
    full = {key: torch.zeros(value.shape) for key, value in wanted.items()}
    for more in ({}, {"aux1.fc2.weight": torch.zeros(1000, 1024)}):
        torch.save(full | more, tmp_path / "w.pth")
        assert set(load_model("torchvision/googlenet", weights=tmp_path / "w.pth").state_dict()) == set(
            wanted
        )


# What does not fit


@pytest.mark.parametrize("name", ["resnet34", "squeezenet1_1", "vgg11_bn", "densenet121"])
def test_the_nearest_architecture_is_named(name: str) -> None:
    state = hollow(zoo_builder(model_card(f"torchvision/{name}"))).state_dict()
    found = looks_like({"epoch": 3, "model": {f"module.{k}": v for k, v in state.items()}})
    assert found == (f"torchvision/{name}",)
    assert looks_like({"model": {"a.weight": torch.zeros(3, 3)}}) == ()


def test_nobody_is_told_to_choose_what_they_chose(tmp_path) -> None:
    net = network()
    net.linear = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 5))
    torch.save(net.state_dict(), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"Most of it is that network's, .* FILE.py:FUNCTION"):
        load_model(NET, weights=tmp_path / "w.pth")


@pytest.mark.parametrize("classes", [5, 10])
def test_a_head_without_bias_is_rebuilt(classes: int, tmp_path) -> None:
    net = network()
    net.linear = nn.Linear(64, classes, bias=False)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    inputs = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(load_model(NET, weights=tmp_path / "w.pth")(inputs), net(inputs), atol=1e-5)


def test_a_deeper_network_of_the_family_is_not_taken_for_a_shallower_one(tmp_path) -> None:
    torch.save(CifarResNet(5).state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match=r"'layer1.3.conv1.weight' is unknown to it. It looks like cifar-resnet32"
    ):
        load_model(NET, weights=tmp_path / "w.pth")


# Names of classes


#: The last one as strangers may write it; pages, charts and labels of buttons read Markdown.
NAMES = ["ant", "bee", "![<b>cat</b>](http://evil.example/c.png)"]
SHOWN = ("ant", "bee", inert(NAMES[2]))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("w.txt", "ant\nbee\n\n![<b>cat</b>](http://evil.example/c.png)\n"),
        ("w.json", json.dumps(NAMES)),
        ("w_labels.txt", "\n".join(NAMES)),
        ("idx2label.json", json.dumps(dict(enumerate(NAMES)))),
        ("class_index.json", json.dumps({str(at): ["n0", name] for at, name in enumerate(NAMES)})),
        ("labels.txt", "ant\r\nbee\r\n![<b>cat</b>](http://evil.example/c.png)"),
        ("classes.json", json.dumps({"0": "ant", "2": NAMES[2], "1": "bee"})),
        ("class_names.json", json.dumps({"bee": 1, "ant": 0, NAMES[2]: 2})),
        ("config.json", json.dumps({"id2label": dict(enumerate(NAMES)), "hidden": 3})),
    ],
)
def test_names_beside_the_file_are_taken(file: str, text: str, tmp_path) -> None:
    torch.save(network(classes=3).state_dict(), tmp_path / "w.pth")
    (tmp_path / file).write_text(text)
    assert open_model(NET, weights=tmp_path / "w.pth")[1].classes == SHOWN


@pytest.mark.parametrize(
    "beside",
    [
        {"classes": NAMES},
        {"class_to_idx": {name: i for i, name in enumerate(NAMES)}},
        {"hyper_parameters": {"class_names": NAMES}},
        {"args": argparse.Namespace(labels=tuple(NAMES))},
        {"datamodule_hyper_parameters": {"data": {"classes": NAMES}}},
        {"meta": {"epoch": 3, "dataset_meta": {"classes": NAMES}}},
    ],
)
def test_names_in_the_checkpoint_are_taken(beside: dict[str, Any], tmp_path) -> None:
    torch.save({"state_dict": network(classes=3).state_dict(), **beside}, tmp_path / "w.pth")
    assert open_model(NET, weights=tmp_path / "w.pth")[1].classes == SHOWN


@pytest.mark.parametrize(
    "said",
    [
        {"format": "pt", "id2label": json.dumps(dict(enumerate(NAMES)))},
        {"config": json.dumps({"model": {"classes": NAMES}})},
    ],
)
def test_names_in_the_texts_of_safetensors_are_taken(said: dict[str, str], tmp_path) -> None:
    save_file(network(classes=3).state_dict(), tmp_path / "w.safetensors", said)
    assert open_model(NET, weights=tmp_path / "w.safetensors")[1].classes == SHOWN


def test_names_that_do_not_fit(tmp_path) -> None:
    """A list for another network in the folder is left alone; one named as the file must fit."""
    file = tmp_path / "w.pth"
    torch.save(network(classes=3).state_dict(), file)
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    assert open_model(NET, weights=file)[1].classes == ("class 0", "class 1", "class 2")
    (tmp_path / "w.txt").write_text("one\ntwo\n")
    with pytest.raises(WeightsError, match=r"'w\.txt' has 2 entries, but the network tells 3 classes apart"):
        load_model(NET, weights=file)
    (tmp_path / "w.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WeightsError, match="cannot be read as names of classes"):
        load_model(NET, weights=file)
    torch.save(network().state_dict(), file)
    (tmp_path / "w.txt").unlink()
    assert open_model(NET, weights=file)[1].classes == model_card(NET).classes


def test_a_name_by_hash_knows_what_was_opened(tmp_path) -> None:
    file = tmp_path / "w.pth"
    torch.save({"classes": NAMES, "model": network(classes=3).state_dict()}, file)
    name = f"{NET}#{file_sha256(file)}"
    assert len(model_card(name).classes) == 10  # nobody has opened it yet
    load_model(name, weights=file)
    assert model_card(name).classes == SHOWN
