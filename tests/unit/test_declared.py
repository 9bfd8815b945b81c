"""Networks of one's own, made by code: named by whoever starts the program, run by nobody else."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pruneattr_core import PruneGrad, cli, heads
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.benchmarks.sanity import private_copy
from pruneattr_core.commands import app
from pruneattr_core.datasets.opening import OWN_FOLDER
from pruneattr_core.errors import ModelError
from pruneattr_core.models import (
    declared,
    list_models,
    load_model,
    model_card,
    model_title,
    models_here,
    open_model,
    weights_hash,
)

CODE = """
import torch
from torch import nn
from neighbour import WIDTH

PRUNEATTR = {"classes": ["ant", "bee"], "size": (24, 32), "head": "sigmoid"}

class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, WIDTH, 3), nn.Linear(WIDTH, classes)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))

def build():
    return Net()

def three():
    return Net(3)

def double():
    torch.manual_seed(1)
    return Net().double()

def half():
    torch.manual_seed(1)
    return Net().half()

class Casting(Net):
    def forward(self, x):
        return super().forward(x.double()).float()

def casting():
    return Casting().double()

class Turned(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("turn", torch.eye(3, dtype=torch.float64))

    def forward(self, x):
        return super().forward(torch.einsum("ij,bjhw->bihw", self.turn, x.double()).float())

class Placed(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("place", torch.ones(2), persistent=False)
        self.scale = torch.full((2,), 3.0) * torch.ones(2)

    def forward(self, x):
        return super().forward(x) * self.scale + self.place

def loud():
    print("loading")
    return Net()

def leaves():
    raise SystemExit("no GPU here")

def broken():
    raise RuntimeError("no\\nGPU here")

def nothing():
    return None

class Flat(Net):
    def forward(self, x):
        return super().forward(x).flatten()
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "neighbour.py").write_text("WIDTH = 5\n")
    monkeypatch.setenv(declared.SETTINGS, str(tmp_path / "pruneattr.toml"))
    monkeypatch.delenv(declared.ENVIRONMENT, raising=False)
    return tmp_path


def test_a_file_and_a_function_name_a_network(code) -> None:
    name = f"{code}/mine.py:build"
    model, card = open_model(name)
    assert (card.classes, card.size, card.head, card.kind) == (("ant", "bee"), (24, 32), "sigmoid", "code")
    assert model_card(name) == card
    assert card.weights_sha256 == weights_hash(model) == weights_hash(load_model(name))
    assert not model.training
    inputs = card.preprocess(Image.new("RGB", (60, 40), "teal"))
    assert inputs.shape == (1, 3, 24, 32)
    assert PruneGrad(model).attribute(inputs, sparsity=0.5).shape == inputs.shape


def test_a_network_of_another_precision_is_computed_in_that_of_the_pictures(code) -> None:
    double, half = (open_model(f"{code}/mine.py:{name}")[0] for name in ("double", "half"))
    assert {one.dtype for one in (*double.parameters(), *half.parameters())} == {torch.float32}
    x = torch.rand(1, 3, 24, 32)
    torch.testing.assert_close(double(x), half(x), rtol=1e-2, atol=1e-3)
    for name, kind in (("casting", torch.float64), ("Turned", torch.float64)):  # they see to it themselves
        net = open_model(f"{code}/mine.py:{name}")[0]
        assert kind in {one.dtype for one in (*net.parameters(), *net.buffers())}
        assert net(x).dtype == torch.float32


def test_a_module_of_the_path_names_one_too(code, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(code))
    assert open_model("mine:Net")[1].classes == ("ant", "bee")


def test_settings_name_networks_with_weights_and_classes(code) -> None:
    (code / "mine.py").write_text(CODE.replace('"classes": ["ant", "bee"], ', ""))
    first = load_model(f"{code}/mine.py:three").state_dict()
    torch.save({"state_dict": {f"model.{key}": value + 1 for key, value in first.items()}}, code / "w.ckpt")
    (code / "labels.txt").write_text("x\ny\nz\n")
    (code / "pruneattr.toml").write_text(
        '[models.best]\nbuild = "mine.py:three"\nweights = "w.ckpt"\nclasses = "labels.txt"\n'
        'size = [16, 16]\nhead = "softmax"\ntitle = "My best"\n'
    )
    assert list_models("code") == ("own/best",)
    assert list_models()[0] == "own/best"
    model, card = open_model("own/best")
    assert (card.title, card.classes, card.size) == ("My best", ("x", "y", "z"), (16, 16))
    assert card.head == "softmax"
    assert torch.equal(model.conv.weight, first["conv.weight"] + 1)


def test_weights_of_a_command_leave_what_no_file_holds(code) -> None:
    """Buffers that are not saved, and tensors that are no buffers, are as the code makes them."""
    name = f"{code}/mine.py:Placed"
    first = load_model(name)
    changed = {key: value + 1 for key, value in first.state_dict().items()}
    torch.save({"model": changed}, code / "w.pth")
    found = open_model(name, weights=code / "w.pth")[0]
    first.load_state_dict(changed)
    inputs = torch.rand(2, 3, 24, 32)
    torch.testing.assert_close(found(inputs), first(inputs))


def test_a_server_runs_only_what_was_named_when_it_started(code, monkeypatch) -> None:
    ran = code / "ran"
    (code / "evil.py").write_text(f"open({str(ran)!r}, 'w').close()\n\ndef build():\n    return None\n")
    named = f"{code}/mine.py:build"
    monkeypatch.setenv(declared.ENVIRONMENT, named)
    declared.close()
    for call in (model_card, load_model, open_model):
        with pytest.raises(ModelError, match="runs only if it was named when it started"):
            call(f"{code}/evil.py:build")
    assert not ran.exists()
    assert list_models("code") == (named,)
    assert load_model(named).fc.out_features == 2


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine.py:broken", "failed .RuntimeError: no GPU here.: run it by itself"),
        ("mine.py:nothing", "returned NoneType: expected a torch.nn.Module"),
        ("mine.py:absent", "names no function or class"),
        ("absent.py:build", "There is no file"),
        ("mine.py:three", "has 3 outputs, but 2 classes are named"),
        ("mine.py:Flat", "does not answer pictures .* with one row of outputs"),
        ("syntax.py:build", "failed .SyntaxError"),
        ("options.py:build", "'colour': expected a dict of"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(name: str, says: str, code) -> None:
    (code / "syntax.py").write_text("def build(:\n")
    (code / "options.py").write_text("PRUNEATTR = {'colour': 1}\nfrom mine import build\n")
    with pytest.raises(ModelError, match=says) as caught:
        model_card(f"{code}/{name}")
    assert "\n" not in str(caught.value)


def test_one_that_cannot_be_made_stands_beside_the_others(
    code: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"good": "mine.py:build", "broken": "mine.py:broken", "called": "mine.py:broken"}
    text = "".join(f'[models.{name}]\nbuild = "{build}"\n' for name, build in said.items())
    (code / "pruneattr.toml").write_text(text + 'title = "Mine"\n')
    monkeypatch.setenv("PRUNEATTR_CONFIG", str(code / "pruneattr.toml"))
    own = [name for name in models_here() if name.startswith("own/")]
    assert own == ["own/good", "own/broken", "own/called"]
    assert [model_title(name) for name in own] == ["Net of own/good", "own/broken", "Mine"]
    made = []
    monkeypatch.setattr(declared, "_built", lambda one: made.append(one) or pytest.fail("made for a list"))
    assert [model_title(name) for name in own] == ["Net of own/good", "own/broken", "Mine"]
    monkeypatch.undo()
    monkeypatch.setenv("PRUNEATTR_CONFIG", str(code / "pruneattr.toml"))
    with pytest.raises(ModelError, match="no GPU here"):
        model_card("own/broken")
    assert cli.main(["models", "--here"]) == 0
    out = capsys.readouterr().out
    assert "own/broken cannot be made: mine.py:broken failed (RuntimeError: no GPU here)" in out
    assert "own/good" in out
    assert "scenes-net" in out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[models.a\n", "cannot be read"),
        ("[models.a]\nsize = 3\n", "cannot be read .'build'"),
        ('[models.a]\nbuild = "mine.py:build"\ncolour = 1\n', "says 'colour' of 'a'"),
        ('[models.a]\nbuild = "mine.py:build"\nstd = [0, 1, 1]\n', "cannot be used"),
        ('[models.a]\nbuild = "mine.py:build"\nhead = "sofa"\n', "cannot be used"),
        ('[models.a]\nbuild = "mine.py:build"\ninterpolation = "cubic"\n', "is one of nearest"),
        ('[models.b]\nbuild = "mine.py:build"\n', "names no model 'own/a': it has own/b"),
    ],
)
def test_settings_that_cannot_be_used_are_one_sentence(text: str, says: str, code) -> None:
    (code / "pruneattr.toml").write_text(text)
    with pytest.raises(ModelError, match=says):
        model_card("own/a")


def test_commands_take_such_a_name(code, capsys) -> None:
    (code / "pictures" / "ant").mkdir(parents=True)
    (code / "pictures" / "bee").mkdir()
    Image.new("RGB", (40, 40), "teal").save(code / "pictures" / "ant" / "a.png")
    Image.new("RGB", (40, 40), "red").save(code / "pictures" / "bee" / "b.png")
    arguments = ["accuracy", "--model", f"{code}/mine.py:build", "--data", str(code / "pictures")]
    assert cli.main(arguments) == 0
    assert "n = 2" in capsys.readouterr().out


def test_a_benchmark_of_a_network_and_pictures_of_ones_own(code, capsys) -> None:
    """Masks beside class folders, a LightningModule's shape, logits in a dict: it runs, and says on what."""
    lightning = """
class Lightning(nn.Module):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.model, self.lr, self.trainer = Net(), lr, None

    def forward(self, x):
        return {"logits": self.model(x)}

    def training_step(self, batch, index):
        return self(batch[0]).sum()
"""
    (code / "mine.py").write_text(CODE.replace(', "head": "sigmoid"', "") + lightning)
    name = f"{code}/mine.py:Lightning"
    model, card = open_model(name)
    pictures = code / "pictures"
    for label in card.classes:
        for place in (pictures / label, pictures / "masks" / label):
            place.mkdir(parents=True)
    for seed in range(4):
        image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8))
        answer = card.classes[int(model(card.preprocess(image)).argmax())]  # only what is predicted counts
        image.save(pictures / answer / f"{seed}.png")
        mask = Image.new("L", image.size)
        mask.paste(255, (5, 5, 25, 25))
        mask.save(pictures / "masks" / answer / f"{seed}.png")
    for label in card.classes:
        image.save(pictures / label / "other.png")  # a folder without pictures is no class
    out = code / "run"
    asked = ["--model", name, "--data", str(pictures), "--n", "6", "--methods", "prunegrad", "edges"]
    assert cli.main(["bench", "localise", *asked, "--game", "none", "--out", str(out)]) == 0
    assert read_run(out).plan.model["id"] == name
    said = capsys.readouterr().out
    assert "PruneGrad" in said
    assert "nan" not in said


def test_the_app_is_told_which_code_it_may_run(code, monkeypatch) -> None:
    monkeypatch.chdir(code)
    monkeypatch.delenv(declared.SETTINGS)
    (code / "pruneattr.toml").write_text("")
    seen: dict[str, str] = {}
    monkeypatch.setattr(app, "_served", lambda command, environment: seen.update(environment) or 0)
    named = argparse.Namespace(
        model=["mine.py:build", "pkg.mod:build"], pictures=Path("."), port=None, further=[]
    )
    app.run(named)
    assert seen[declared.ENVIRONMENT].splitlines() == [f"{code}/mine.py:build", "pkg.mod:build"]
    assert seen[OWN_FOLDER] == str(code)
    assert seen[declared.SETTINGS] == str(code / "pruneattr.toml")


def test_what_own_code_prints_is_no_part_of_a_result(code, capsys):
    Image.new("RGB", (40, 40), "teal").save(code / "one.png")
    assert cli.main(["sweep", str(code / "one.png"), "--model", f"{code}/mine.py:loud", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["picture"] == "one.png"
    assert "loading" in said.err


def test_own_code_that_leaves_is_refused_in_a_sentence(code):
    (code / "script.py").write_text("import argparse\nargparse.ArgumentParser().parse_args(['--none'])\n")
    for name, says in (("mine.py:leaves", "no GPU here"), ("script.py:build", "SystemExit")):
        with pytest.raises(ModelError, match=says):
            load_model(f"{code}/{name}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nets/mine.py", "nets/mine.py:build"),
        ("nets/mine.py:", "nets/mine.py:build"),
        ("runs/best.pth", "file of weights"),
        ("best.safetensors", "file of weights"),
    ],
)
def test_a_file_where_a_network_is_to_be_named_is_told_how(name, says):
    with pytest.raises(ModelError, match=says):
        model_card(name)


DECLARING = """
from pruneattr_core.heads import declare

def each():
    net = Net()
    declare(net, "sigmoid")
    return net

def value():
    net = Net(1)
    declare(net, "values")
    return net
"""


def test_what_the_code_declares_of_its_outputs_stays(code) -> None:
    """The card said softmax of them, and a file of weights turned one value into a yes or no."""
    quiet = CODE.replace(', "head": "sigmoid"', "").replace('"classes": ["ant", "bee"], ', "")
    (code / "mine.py").write_text(quiet + DECLARING)
    for name, head in (("each", "sigmoid"), ("value", "values"), ("build", "softmax")):
        network, card = open_model(f"{code}/mine.py:{name}")
        assert card.head == heads.declared(network) == head
        weights = code / f"{name}.pt"
        torch.save(network.state_dict(), weights)
        network, card = open_model(f"{code}/mine.py:{name}", weights=weights)
        assert card.head == heads.declared(network) == head


def test_a_contradiction_of_code_and_settings_is_said(code) -> None:
    (code / "mine.py").write_text(CODE.replace('"head": "sigmoid"', '"head": "softmax"') + DECLARING)
    with pytest.raises(ModelError, match="settings say head softmax, and its code declares sigmoid"):
        model_card(f"{code}/mine.py:each")


def test_a_private_copy_is_read_as_its_original(code) -> None:
    (code / "mine.py").write_text(CODE)
    assert heads.declared(private_copy(load_model(f"{code}/mine.py:build"))) == "sigmoid"
