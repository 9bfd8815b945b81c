"""The training loop: a kill costs nothing, a seed gives the same bits, files appear whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from pruneattr_core import cli, muon, recipes, training
from pruneattr_core.descent import Checkpoint
from pruneattr_core.errors import InputError, WeightsError
from pruneattr_core.muon import orthogonalise
from pruneattr_core.recipes import BUNDLED, Bundled, new_network, single_shapes
from pruneattr_core.training import Pool, Recipe, augmented, fit

RECIPE = Recipe(stages=((2, 8), (1, 16)), mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.3), batch=8)


class Tiny(nn.Module):
    """Two convolutions; large enough to have every kind of parameter."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
        )
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        return self.linear(self.features(x).mean((2, 3)))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(seed=0) -> Tiny:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Tiny()


def colours(count=44, seed=0) -> Pool:
    """Noise with one channel brighter: the class is which."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 156, (count, 16, 16, 3), dtype=np.uint8), np.arange(count) % 3
    images[np.arange(count), ..., labels] += 100
    return Pool(images, labels, "coloured noise")


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_same(one: dict, other: dict):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


# The loop


def test_learns_and_logs_an_epoch_a_line():
    lines, told, model = [], [], tiny()
    recipe = Recipe(stages=((6, 16),), mean=(0.5,) * 3, std=(0.25,) * 3, batch=8)
    assert fit(model, colours(), recipe, seed=0, log=lines.append, progress=lambda *of: told.append(of)) > 0
    assert [done for done, total, _ in told] == list(range(1, told[0][1] + 1))
    assert (told[0][2], told[-1][2]) == ("epoch 1 of 6", "epoch 6 of 6")
    assert not model.training
    assert [line.split("  ")[:2] for line in lines] == [[f"epoch {k}", "16x16"] for k in range(1, 7)]
    assert training.accuracy(model, colours(seed=1), recipe) > 0.95


def test_same_seed_same_bits():
    runs = []
    for seed in (0, 0, 1):
        model = tiny()
        fit(model, colours(), RECIPE, seed, log=lambda line: None)
        runs.append(weights(model))
    assert_same(runs[0], runs[1])
    assert not torch.equal(runs[0]["linear.weight"], runs[2]["linear.weight"])


@pytest.mark.parametrize("kills", [1, 2, 3])
def test_a_killed_training_goes_on_to_the_same_bits(kills, tmp_path, monkeypatch):
    whole = tiny()
    fit(whole, colours(), RECIPE, seed=0, log=lambda line: None)

    written = []

    def save_then_die(checkpoint, step, *state):
        save(checkpoint, step, *state)
        written.append(step)
        if len(written) <= kills:
            raise KeyboardInterrupt

    save = Checkpoint.write
    monkeypatch.setattr(Checkpoint, "write", save_then_die)
    checkpoint = tmp_path / "cache" / "tiny.pt"
    for attempt in range(kills):
        with pytest.raises(KeyboardInterrupt):
            fit(tiny(seed=attempt), colours(), RECIPE, 0, checkpoint, every=3, log=lambda line: None)
    lines, resumed = [], tiny(seed=99)
    fit(resumed, colours(), RECIPE, 0, checkpoint, every=3, log=lines.append)
    assert lines[0] == f"going on from step {written[kills - 1]} of 15"
    assert_same(weights(whole), weights(resumed))
    assert sorted(os.listdir(checkpoint.parent)) == ["tiny.pt", "tiny.pt.before"]


def test_a_finished_checkpoint_is_not_trained_further(tmp_path):
    first, again = tiny(), tiny(seed=5)
    fit(first, colours(), RECIPE, 0, tmp_path / "a.pt", log=lambda line: None)
    lines = []
    fit(again, colours(), RECIPE, 0, tmp_path / "a.pt", log=lines.append)
    assert lines == ["going on from step 15 of 15"]
    assert_same(weights(first), weights(again))


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    fit(tiny(), colours(), RECIPE, 0, tmp_path / "a.pt", log=lambda line: None)
    with pytest.raises(WeightsError, match="belongs to another training: other settings, seed or data"):
        fit(tiny(), colours(), RECIPE, 1, tmp_path / "a.pt", log=lambda line: None)


# Its parts


def test_augmentation_against_loops():
    """Slow twin: reflect, shift and mirror picture by picture with numpy."""
    images = colours(6).images
    found = augmented(images, RECIPE, 16, np.random.default_rng(3)).numpy()
    rng = np.random.default_rng(3)
    down, mirror, right = rng.integers(0, 5, (6, 1)), rng.random((6, 1)) < 0.5, rng.integers(0, 5, (6, 1))
    assert mirror.any()
    assert not mirror.all()
    for k, image in enumerate(images):
        plain = (image.astype(np.float32) / 255 - np.float32(RECIPE.mean)) / np.float32(RECIPE.std)
        padded = np.pad(plain, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        part = padded[down[k, 0] : down[k, 0] + 16, right[k, 0] : right[k, 0] + 16]
        expected = part[:, ::-1] if mirror[k, 0] else part
        np.testing.assert_allclose(found[k], expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)


def test_smaller_pictures_keep_their_mean():
    flat = np.full((2, 16, 16, 3), 200, np.uint8)
    batch = augmented(flat, RECIPE, 8, np.random.default_rng(0))
    assert batch.shape == (2, 3, 8, 8)
    torch.testing.assert_close(batch, training.normalised(flat, RECIPE)[:, :, :8, :8])


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (12, 12)])
def test_orthogonalise(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalise(matrix)
    along = torch.diagonal(u.T @ found @ v.T)
    assert along.min() > 0.3
    assert along.max() < 1.3
    torch.testing.assert_close(found, u @ torch.diag(along) @ v, atol=1e-4, rtol=1e-4)


def test_first_weights_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    one, other = new_network("scenes-net", 0), new_network("scenes-net", 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert_same(weights(one), weights(other))


# Data


def test_cifar10(shared):
    pool = recipes.cifar10(shared / "data", "test", 0)
    assert pool.images.shape == (10_000, 32, 32, 3)
    assert pool.name == "CIFAR-10 (Krizhevsky, 2009), recompressed as JPEG (not the original pixels)"
    np.testing.assert_array_equal(np.bincount(pool.labels[:100]), np.full(10, 10))
    with np.load(shared / "data" / "cifar10" / "test.npz") as file:
        start, stop = file["offsets"][7:9]
        picture = Image.open(io.BytesIO(file["header"].tobytes() + file["data"][start:stop].tobytes()))
    np.testing.assert_array_equal(pool.images[7], np.asarray(picture))


def test_cifar10_of_another_size(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split / "cat").mkdir(parents=True)
        Image.new("RGB", (33, 32)).save(tmp_path / split / "cat" / "a.png")
    with pytest.raises(InputError, match=r"labelled pictures of 32x32 pixels, .*a.* is another"):
        recipes.cifar10(tmp_path, "train", 0)


def test_single_shapes_are_noisy_only_for_training(monkeypatch):
    monkeypatch.setattr(recipes, "COUNTS", {"train": 20, "test": 10})
    train, test = single_shapes(None, "train", 0), single_shapes(None, "test", 0)
    assert train.images.shape == (20, 128, 128, 3)
    np.testing.assert_array_equal(np.bincount(train.labels), np.full(10, 2))
    grain = [np.median(np.abs(np.diff(pool.images.astype(int), axis=2))) for pool in (train, test)]
    assert grain[0] > 2 * grain[1]
    np.testing.assert_array_equal(train.images, single_shapes(None, "train", 0).images)


# The command


@pytest.fixture
def bundled(monkeypatch):
    """A network that trains in a moment."""

    def data(folder, split, seed, progress):
        return colours(44 if split == "train" else 30, seed=seed + (split == "test"))

    monkeypatch.setitem(BUNDLED, "tiny", Bundled(Tiny, RECIPE, data))


def train(tmp_path, *more: str) -> int:
    places = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    return cli.main(["train", "tiny", *places, *more])


def test_train_writes_weights_and_card(bundled, tmp_path, capsys):
    assert train(tmp_path, "--seed", "3") == 0
    assert "test accuracy" in capsys.readouterr().out
    data = (tmp_path / "out" / "tiny.safetensors").read_bytes()
    card = json.loads((tmp_path / "out" / "tiny.json").read_text())
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert (card["id"], card["seed"], card["threads"], card["data"]) == ("tiny", 3, 1, "coloured noise")
    assert (card["training_pictures"], card["test_pictures"]) == (44, 30)
    assert card["recipe"]["stages"] == [[2, 8], [1, 16]]
    assert {"python", "torch", "numpy"} <= card["versions"].keys()
    model = Tiny()
    model.load_state_dict(load_file(tmp_path / "out" / "tiny.safetensors"))
    assert training.accuracy(model.eval(), colours(30, seed=4), RECIPE) == card["test_accuracy"]
    assert os.listdir(tmp_path / "cache") == []
    assert train(tmp_path, "--seed", "3") == 0
    assert (tmp_path / "out" / "tiny.safetensors").read_bytes() == data


def test_a_full_disk_leaves_no_half_weights(bundled, tmp_path, monkeypatch, capsys):
    assert train(tmp_path) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert train(tmp_path, "--seed", "1") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert os.listdir(tmp_path / "cache") == []


def test_train_says_what_is_missing(tmp_path, capsys):
    places = ["--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert cli.main(["train", "resnet8-cifar10", *places]) == 1
    assert capsys.readouterr().err.startswith("error: The folder ")
    assert not (tmp_path / "out").exists()


def test_interrupted_training_exits_130(bundled, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(muon, "orthogonalise", interrupted)
    assert train(tmp_path) == 130


@pytest.mark.parametrize("arguments", [[], ["fly"], ["train", "unknown"]])
def test_unknown_commands(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m pruneattr_core" in capsys.readouterr().err


def test_help_imports_no_torch():
    code = (
        "import sys; from pruneattr_core.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
    assert "train a bundled network from a seed" in done.stdout
