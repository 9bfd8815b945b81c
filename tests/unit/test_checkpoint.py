"""Weights files of strangers: nothing in them is run, and each failure is one sentence."""

from __future__ import annotations

import os
import pickle
import zlib

import pytest
import safetensors.torch
import torch
from torch import nn

from pruneattr_core.errors import WeightsError
from pruneattr_core.models import load_model
from pruneattr_core.models.cifar_resnet import CifarResNet

RESNET20 = "cifar-resnet20"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CifarResNet(3).state_dict()


def refusal(weights, name: str = RESNET20) -> str:
    with pytest.raises(WeightsError) as caught:
        load_model(name, weights=weights)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


def test_pickles_are_never_run(tmp_path, state):
    trace, file = tmp_path / "trace", tmp_path / "weights.pth"
    for legacy in (True, False):
        torch.save({**state, "x": Payload(trace)}, file, _use_new_zipfile_serialization=not legacy)
        assert "Python objects besides tensors, which could run code" in refusal(file)
    file.write_bytes(pickle.dumps(Payload(trace)))
    assert "Python objects besides tensors" in refusal(file)
    file.write_bytes(pickle.dumps(Payload(trace), protocol=2))
    refusal(file)
    torch.save(CifarResNet(3), file)
    assert "Python objects besides tensors" in refusal(file)
    assert not trace.exists()


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.0001, 0.5, 0.99])
def test_truncated_files(kind, share, state, tmp_path):
    file = tmp_path / "weights.bin"
    if kind == "safetensors":
        safetensors.torch.save_file(state, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=kind == "zip")
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    assert "is damaged or no weights file" in refusal(file)


@pytest.mark.parametrize(
    "data", [b"hello", b"PK\x03\x04 no archive", b"MZ" + bytes(99), bytes(64), zlib.compress(b"x")]
)
def test_files_that_are_no_weights(data, tmp_path):
    file = tmp_path / "w.safetensors"
    file.write_bytes(data)
    assert "is damaged or no weights file" in refusal(file)


def test_missing_and_empty_files(tmp_path):
    assert "There is no weights file" in refusal(tmp_path / "nowhere.pth")
    assert "There is no weights file" in refusal(tmp_path)
    (tmp_path / "empty.pth").touch()
    assert "is empty" in refusal(tmp_path / "empty.pth")
    assert "comes without weights: name a file" in refusal(None)


def test_mismatches_name_the_first_key(state, tmp_path):
    file = tmp_path / "w.safetensors"

    def saved(change):
        changed = dict(state)
        change(changed)
        safetensors.torch.save_file(changed, file)
        return refusal(file)

    assert "does not fit CifarResNet: 'bn1.weight' is missing" in saved(
        lambda s: [s.pop("bn1.weight"), s.pop("linear.bias")]
    )
    assert "'extra' is unknown to it" in saved(lambda s: s.update(extra=torch.ones(1)))
    assert "'linear.weight' has shape (100, 64), expected (10, 64)" in saved(
        lambda s: s.update({"linear.weight": torch.ones(100, 64)})
    )
    assert "not finite under 'linear.bias'" in saved(
        lambda s: s.update({"linear.bias": torch.full((10,), torch.nan)})
    )
    assert "torch.int8 under 'linear.bias': quantised" in saved(
        lambda s: s.update({"linear.bias": torch.zeros(10, dtype=torch.int8)})
    )
    safetensors.torch.save_file(state, file)
    assert "does not fit SqueezeNet: 'features.0.weight' is missing" in refusal(
        file, "torchvision/squeezenet1_0"
    )
    assert "does not fit CifarResNet: 'layer1.3.conv1.weight' is missing" in refusal(file, "cifar-resnet32")


def test_values_that_are_no_state_dict(tmp_path):
    file = tmp_path / "w.pth"
    for value, says in [
        ([torch.ones(1)], "holds a value of type list"),
        ({}, "holds an empty dict"),
        ({"epoch": 3}, "holds a value of type int under 'epoch'"),
        (torch.ones(3), "holds a value of type Tensor"),
    ]:
        torch.save(value, file)
        assert says in refusal(file)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_models(tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "scripted.pt")
    assert "is a scripted model" in refusal(tmp_path / "scripted.pt")
