"""`--weights FILE` of the commands: the app's loader, its messages, and a result that names the file."""

from __future__ import annotations

import argparse
import importlib
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision.models import shufflenet_v2_x0_5

from pruneattr_core import cli
from pruneattr_core.datasets import load_dataset
from pruneattr_core.models import open_model
from pruneattr_core.models.checkpoint import file_sha256
from pruneattr_core.models.cifar_resnet import CifarResNet

NAME = "torchvision/shufflenet_v2_x0_5"
KINDS = ("cat", "dog", "bird")
#: Every command that takes --model, with what it must be given besides.
LOOKING = ("explain", "sweep", "compare")
MEASURING = ("accuracy", "calibrate", "bench", "paths", "circuit", "linearity", "nesting", "shapley")


def shuffle() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return shufflenet_v2_x0_5(weights=None, num_classes=3).eval()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph and one small network of torchvision as three training scripts leave it."""
    folder = tmp_path_factory.mktemp("weights")
    load_dataset("scenes")[0].image.save(folder / "one.png")
    state = shuffle().state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "bare.safetensors")
    (folder / "bare.txt").write_text("\n".join(KINDS))
    wrapped = {"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}
    torch.save(wrapped, folder / "parallel.pth")
    settings = argparse.Namespace(class_names=list(KINDS), lr=0.1)
    torch.save({"model": {f"net.{k}": v for k, v in state.items()}, "args": settings}, folder / "task.ckpt")
    (folder / "kinds.json").write_text(json.dumps({name: i for i, name in enumerate("xyz")}))
    return folder


def told(words: list[str], capsys: Any) -> dict[str, Any]:
    capsys.readouterr()
    assert cli.main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(words: list[str], capsys: Any) -> str:
    capsys.readouterr()
    assert cli.main(words) == 1
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error: ")]
    return line


@pytest.mark.parametrize(
    ("file", "classes"),
    [("bare.safetensors", KINDS), ("parallel.pth", ("class 0", "class 1", "class 2")), ("task.ckpt", KINDS)],
)
def test_whatever_wraps_them_the_weights_are_opened_and_named(
    place: Path, file: str, classes: tuple[str, ...], capsys: Any
) -> None:
    network = ["--model", NAME, "--weights", str(place / file)]
    sha256 = file_sha256(place / file)
    found = told(["sweep", str(place / "one.png"), *network, "--levels", "0", "0.8"], capsys)
    assert found["model"] == f"{NAME}#{sha256}"
    assert found["weights_file"] == {"name": file, "sha256": sha256}
    model, card = open_model(NAME, weights=place / file)
    with torch.no_grad():
        answer = model(card.preprocess(Image.open(place / "one.png"))).softmax(1)[0]
    assert found["levels"][0]["probability"] == pytest.approx(float(answer.max()), abs=1e-5)
    assert found["levels"][0]["answer"] == classes[int(answer.argmax())]


def test_a_view_and_a_grid_name_the_file_too(place: Path, tmp_path: Path, capsys: Any) -> None:
    network = ["--model", NAME, "--weights", str(place / "task.ckpt"), "--target", "dog"]
    id_ = f"{NAME}#{file_sha256(place / 'task.ckpt')}"
    view = tmp_path / "view.json"
    photo = str(place / "one.png")
    found = told(["explain", photo, *network, "--beside", "none", "--out", str(view)], capsys)
    assert found["weights_file"]["sha256"] in id_
    kept = json.loads(view.read_text("utf-8"))
    assert (kept["model"], kept["target_name"]) == (id_, "dog")
    grid = told(["compare", photo, *network, "--methods", "saliency", "--no-curves"], capsys)
    assert grid["model"] == id_


def test_names_of_classes_are_those_that_are_given(place: Path, capsys: Any) -> None:
    network = ["--model", NAME, "--weights", str(place / "task.ckpt"), "--classes", str(place / "kinds.json")]
    found = told(["sweep", str(place / "one.png"), *network, "--target", "y", "--levels", "0"], capsys)
    assert found["target_name"] == "y"


def options(parser: argparse.ArgumentParser) -> Iterator[set[str]]:
    """Of a command and of each of its own commands."""
    yield {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from options(inner)


def commands() -> Iterator[str]:
    for name, (module, _) in cli.COMMANDS.items():
        parser = argparse.ArgumentParser()
        importlib.import_module(module).add_arguments(parser)
        for known in options(parser):
            if "--model" in known and name != "app":  # which names code there, and opens files in its sidebar
                assert {"--weights", "--classes"} <= known, name
                yield name


def test_every_command_that_names_a_network_takes_weights() -> None:
    assert set(commands()) == {*LOOKING, *MEASURING, "data"}


@pytest.fixture(scope="module")
def measured(place: Path) -> list[str]:
    """A CIFAR network of grey pictures and three classes, and pictures of these."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = CifarResNet(3, 3)
        net.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
    torch.save({"state_dict": net.state_dict(), "classes": list(KINDS)}, place / "grey.pth")
    for i, kind in enumerate(sorted(KINDS)):
        (place / "data" / kind).mkdir(parents=True)
        colours = np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(colours).save(place / "data" / kind / "a.png")
    weights = ["--weights", str(place / "grey.pth")]
    return ["--model", "cifar-resnet20", *weights, "--data", str(place / "data")]


@pytest.mark.parametrize(
    "command",
    ["accuracy", "calibrate", "circuit", "linearity --directions 2", "nesting", "data --save OUT.npy"],
)
def test_what_is_measured_is_said_of_the_file(
    command: str, place: Path, measured: list[str], tmp_path: Path, capsys: Any
) -> None:
    names = place / "sorted.txt"
    names.write_text("\n".join(sorted(KINDS)))
    words = command.replace("OUT", str(tmp_path / "out")).split()
    found = told([*words, *measured, "--classes", str(names), "--n", "2"], capsys)
    sha256 = file_sha256(place / "grey.pth")
    assert found["weights_file"] == {"name": "grey.pth", "sha256": sha256}
    if words[0] == "data":
        assert found["shape"] == [2, 1, 32, 32]
    else:
        assert found["model"] == f"cifar-resnet20#{sha256}"


def test_a_run_names_the_file_and_is_verified_with_another_wrapping(
    place: Path, measured: list[str], tmp_path: Path, capsys: Any
) -> None:
    out = str(tmp_path / "run")
    asked = ["bench", "pixels", *measured, "--n", "1", "--methods", "saliency", "--out", out]
    told(asked, capsys)
    (listed,) = told(["runs", "list", str(tmp_path)], capsys)["runs"]
    assert listed["model"] == f"cifar-resnet20#{file_sha256(place / 'grey.pth')}"
    loaded = torch.load(place / "grey.pth", weights_only=True)["state_dict"]
    save_file({key: value.contiguous() for key, value in loaded.items()}, tmp_path / "again.safetensors")
    where = ["--root", measured[-1], "--cells", "1"]
    again = ["--weights", str(tmp_path / "again.safetensors")]
    assert told(["runs", "verify", out, *where, *again], capsys)["holds"]
    assert "--weights" in refused(["runs", "verify", out, *where], capsys)


class Runs:
    """Unpickled, it would make a file."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.file, "w")


@pytest.mark.parametrize("command", ["sweep", "accuracy"])
def test_a_pickle_that_could_act_is_refused_unread(command: str, tmp_path: Path, capsys: Any) -> None:
    acted = tmp_path / "acted"
    torch.save(Runs(str(acted)), tmp_path / "a.pth")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Runs(str(acted))))
    for name in ("a.pth", "a.pkl"):
        words = [command, "x.png"] if command == "sweep" else [command, "--data", "scenes"]
        if command == "sweep":
            load_dataset("scenes")[0].image.save(tmp_path / "x.png")
            words[1] = str(tmp_path / "x.png")
        said = refused([*words, "--model", NAME, "--weights", str(tmp_path / name)], capsys)
        assert "which could run code" in said
    assert not acted.exists()


@pytest.mark.parametrize("command", ["explain", "compare", "calibrate", "bench", "circuit"])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "--model torchvision/squeezenet1_1 --weights PLACE/parallel.pth",
            f"looks like {NAME}: choose",
        ),
        (f"--model {NAME} --weights PLACE/none.pth", "There is no weights file"),
        (f"--model {NAME} --weights PLACE", "There is no weights file"),
        (f"--model {NAME} --weights PLACE/one.png", "is damaged or no weights file"),
        (f"--model {NAME} --weights https://x.org/a.pth", "An address is not fetched: download it"),
        (f"--model {NAME} --classes PLACE/kinds.json", "give that as --weights, too"),
        (f"--model {NAME} --weights PLACE/task.ckpt --classes PLACE/none.txt", "as names of classes"),
        (f"--model {NAME} --weights PLACE/task.ckpt --classes PLACE/long.txt", "has 4 entries"),
        ("--model PLACE/parallel.pth", "as --weights of a command"),
        (f"--model {NAME}#{'0' * 64} --weights PLACE/task.ckpt", "its SHA-256 is another"),
        (f"--model {NAME}#{'0' * 64}", "or --weights of a command"),
    ],
)
def test_wrong_uses_are_a_sentence_each(
    command: str, words: str, says: str, place: Path, tmp_path: Path, capsys: Any
) -> None:
    (place / "long.txt").write_text("a\nb\nc\nd\n")
    given = words.replace("PLACE", str(place)).split()
    own = {"explain": ["--out", str(tmp_path / "x.html")]}
    own["bench"] = ["pixels", "--out", str(tmp_path / "run")]
    start = [command, *own.get(command, [])]
    start += [str(place / "one.png")] if command in LOOKING else ["--data", "scenes", "--n", "1"]
    assert says in refused([*start, *given], capsys)
    assert not list(tmp_path.glob("*.html"))


def test_the_file_of_weights_is_never_written_over(place: Path, capsys: Any) -> None:
    file = place / "task.ckpt"
    before = file.read_bytes()
    words = ["sweep", str(place / "one.png"), "--model", NAME, "--weights", str(file), "--out", str(file)]
    assert "would be lost" in refused(words, capsys)
    assert file.read_bytes() == before


@pytest.mark.parametrize("outputs", [1, 2])
def test_answers_that_stand_by_themselves_are_said_alike_by_sweep_and_explain(
    outputs: int, place: Path, tmp_path: Path, capsys: Any
) -> None:
    """The head of a fine-tuned yes or no has one output, which `sweep` took for the class behind the last."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = shufflenet_v2_x0_5(weights=None, num_classes=outputs)
    kinds, photo, said = KINDS[:outputs], str(place / "one.png"), set()
    shape = "PRUNEATTR = {'head': 'sigmoid', 'classes': " + repr(kinds) + "}"
    made = f"shufflenet_v2_x0_5(weights=None, num_classes={outputs})"
    code = (
        f"from torchvision.models import shufflenet_v2_x0_5\n\n{shape}\n\ndef build():\n    return {made}\n"
    )
    (tmp_path / "net.py").write_text(code)
    for bias in (-9.0, 9.0):
        torch.nn.init.constant_(net.fc.bias, bias)
        torch.save(net.state_dict(), tmp_path / "w.pth")
        network = [
            "--model",
            f"{tmp_path}/net.py:build",
            "--weights",
            str(tmp_path / "w.pth"),
            "--target",
            "0",
        ]
        swept = told(["sweep", photo, *network, "--levels", "0"], capsys)["levels"][0]
        out = ["--beside", "none", "--dial", "0", "--out", str(tmp_path / "x.json")]
        shown = told(["explain", photo, *network, *out], capsys)
        assert swept["answer"] == shown["answer"] == ("cat" if bias > 0 else "not cat")
        said.add(swept["probability"] > 0.5)
    assert said == {False, True}
