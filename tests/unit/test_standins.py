"""What stands beside the tensors of a checkpoint, of whatever class, neither stops the file nor is made."""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PosixPath
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import torch
from torch import nn

from pruneattr_core.errors import WeightsError
from pruneattr_core.models import load_model, weights_hash
from pruneattr_core.models.checkpoint import read_checkpoint
from pruneattr_core.models.cifar_resnet import CifarResNet
from pruneattr_core.models.standins import stand_ins

NET = "cifar-resnet20"
BESIDE: dict[str, Callable[[], Any]] = {
    "a number of NumPy": lambda: np.float64(0.5),
    "numbers of NumPy as keys": lambda: {np.int64(3): np.float32(1)},
    "an array": lambda: np.arange(6.0).reshape(2, 3),
    "an array of texts": lambda: np.array(["a", "b"]),
    "an array of objects": lambda: np.array([None, {}], dtype=object),
    "NumPy's generator": lambda: np.random.RandomState(0).get_state(),
    "a type of NumPy": lambda: np.dtype("float32"),
    "a path": lambda: {"out": PosixPath("/runs/3")},
    "dates": lambda: [datetime.now(UTC), timedelta(1)],
    "a deque": lambda: deque([0.5, np.float64(0.4)], maxlen=9),
    "a dict with a default": lambda: defaultdict(list, {"loss": [1.0]}),
    "a decimal": lambda: Decimal("0.5"),
    "a fraction": lambda: Fraction(1, 3),
    "a frozen set": lambda: frozenset({"a", 2}),
    "a simple namespace": lambda: SimpleNamespace(lr=0.1, path=PosixPath("/x")),
    "a number of its own": uuid4,
    "a slice": lambda: slice(3),
    "types": lambda: [int, float, str],
}


def network() -> CifarResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CifarResNet(3).eval()


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", BESIDE)
def test_values_beside_the_weights_do_not_matter(name: str, legacy: bool, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pth"
    saved = {"best": BESIDE[name](), "state_dict": network().state_dict(), "args": {"also": BESIDE[name]()}}
    torch.save(saved, file, _use_new_zipfile_serialization=not legacy)
    assert weights_hash(load_model(NET, weights=file)) == weights_hash(network())


#: A library that the reader does not have; what it says on the way in would be heard.
LIBRARY = """
import collections, dataclasses, enum
HEARD = []
class Settings(dict):
    def __setstate__(self, state): HEARD.append(state)
class Options:
    def __init__(self, **values): self.__dict__.update(values)
    def __setstate__(self, state): HEARD.append(state)
class Kind(enum.Enum):
    FIRST = 1
class Slots:
    __slots__ = ("lr", "inside")
    def __init__(self): self.lr, self.inside = 0.1, {"a": Kind.FIRST}
class Items(list):
    def append(self, item): HEARD.append(item)
@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    lr: float = 0.1
class Pair(collections.namedtuple("Pair", "x y")): pass
def made(*values): HEARD.append(values)
class Made:
    def __reduce__(self): return made, (3,)
"""


@pytest.mark.parametrize("here", [False, True], ids=["without the library", "with the library"])
@pytest.mark.parametrize(
    "make",
    [
        lambda library: library.Settings(lr=0.1, inside=library.Settings(seed=3)),
        lambda library: library.Options(lr=0.1, path=PosixPath("/x"), weight=torch.ones(3)),
        lambda library: {"kind": library.Kind.FIRST},
        lambda library: {library.Options: {"best": 0.5}},
        lambda library: library.Made(),
        lambda library: {library.Kind.FIRST: 0.5, library.Pair(1, 2): 0.5, ("a", library.Kind.FIRST): 1},
        lambda library: {"all": [library.Slots(), library.Frozen(), {library.Frozen(): 1}]},
        lambda library: library.Items([1, library.Kind.FIRST]),
        lambda library: library.Settings(a=library.Items([library.Slots()]), b={library.Kind.FIRST: 1}),
    ],
    ids=[
        "a dict of its own",
        "an object",
        "a choice",
        "a class as a key",
        "what a function makes",
        "choices as keys",
        "objects with slots",
        "a list of its own",
        "all of them in one another",
    ],
)
def test_objects_of_a_library_are_never_made(
    make: Callable[[Any], Any], here: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = ModuleType("training_library")
    monkeypatch.setitem(sys.modules, "training_library", library)
    exec(LIBRARY, library.__dict__)
    file = tmp_path / "checkpoint.pth"
    torch.save({"hyper_parameters": make(library), "state_dict": network().state_dict()}, file)
    if not here:
        monkeypatch.delitem(sys.modules, "training_library")
    assert weights_hash(load_model(NET, weights=file)) == weights_hash(network())
    assert not library.__dict__["HEARD"]


def test_names_stand_in_settings_of_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = ModuleType("training_library")
    monkeypatch.setitem(sys.modules, "training_library", library)
    exec(LIBRARY, library.__dict__)
    file = tmp_path / "checkpoint.pth"
    torch.save(
        {"state_dict": network().state_dict(), "cfg": library.__dict__["Settings"](classes=["a"])}, file
    )
    assert read_checkpoint(file)["cfg"] == {"classes": ["a"]}


def test_arrays_are_no_weights(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pth"
    state = {key: value.numpy() for key, value in network().state_dict().items()}
    torch.save({"state_dict": state}, file)
    with pytest.raises(WeightsError, match=r"NumPy arrays.*save model.state_dict"):
        load_model(NET, weights=file)
    torch.save({"state_dict": network().state_dict() | {"conv1.weight": state["conv1.weight"]}}, file)
    with pytest.raises(
        WeightsError, match=r"holds an array or another object under 'conv1\.weight', not a tensor"
    ):
        load_model(NET, weights=file)


def test_a_network_in_a_pickle_stays_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pth"
    for whole in (nn.Sequential(nn.Linear(2, 2)), network()):
        torch.save({"epoch": 3, "model": whole, "best": np.float64(0.5)}, file)
        with pytest.raises(WeightsError, match="Python objects besides tensors"):
            load_model(NET, weights=file)


def test_lists_around_themselves_end(tmp_path: Path) -> None:
    around: list[Any] = [np.float64(0.5)]
    around.append(around)
    for _ in range(40):
        around = [around, around, around]
    file = tmp_path / "checkpoint.pth"
    torch.save({"history": around}, file)
    with pytest.raises(WeightsError, match=r"NumPy.*numpy[\w.]+scalar"):
        load_model(NET, weights=file)


@pytest.mark.parametrize(
    "name",
    [
        *("os system", "posix system", "builtins eval", "__builtin__ eval", "builtins getattr"),
        *("subprocess Popen", "shutil rmtree", "functools partial", "numpy zeros", "numpy.testing run"),
        *("torch load", "torch.nn.modules.linear Linear", "torchvision.models.resnet ResNet"),
        *("commands getoutput", "copy_reg _reconstructor", "cPickle loads", "pruneattr_core.cli main"),
    ],
)
def test_nothing_stands_for_what_acts(name: str) -> None:
    assert stand_ins([name]) == []


@pytest.mark.parametrize("name", ["pathlib WindowsPath", "pathlib._local PosixPath", "yacs.config CfgNode"])
def test_something_stands_for_what_only_holds(name: str) -> None:
    ((_, dotted),) = stand_ins([name])
    assert dotted == name.replace(" ", ".")
