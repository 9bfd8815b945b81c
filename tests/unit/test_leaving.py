"""A network whose code ends the program: one sentence, and the program goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from pruneattr_core import cli, explain
from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import ModelError
from pruneattr_core.models import load_model, model_card
from pruneattr_core.ui.jobs import Cache, Failed, Job, Jobs
from pruneattr_core.ui.results import attempt

ENDS: dict[str, Callable[[], object]] = {"exit": lambda: sys.exit(3), "said": lambda: sys.exit("no GPU")}


def _interrupted() -> None:
    raise KeyboardInterrupt


ENDS["interrupt"] = _interrupted


class Leaves(nn.Module):
    """A network that answers `passes` times."""

    def __init__(self, end: Callable[[], object], passes: int = 0) -> None:
        super().__init__()
        self.conv, self.linear, self.end, self.left = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), end, passes

    def forward(self, x: Tensor) -> Tensor:
        self.left -= 1
        if self.left < 0:
            self.end()
        return self.linear(self.conv(x).relu().mean((2, 3)))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", ["prunegrad", "gradcam", "integrated_gradients", "occlusion", "lrp"])
def test_a_forward_that_ends_the_program_is_refused_in_a_sentence(end: str, method: str) -> None:
    assert method in METHODS
    with pytest.raises(ModelError, match=r"ended the program .* take sys.exit or the like out"):
        explain(Leaves(ENDS[end]).eval(), torch.rand(1, 3, 16, 16), 0, method)


@pytest.mark.parametrize("end", ENDS)
def test_the_worker_of_an_app_goes_on(end: str) -> None:
    jobs = Jobs(Cache(4))
    network = Leaves(ENDS[end])

    def work(job: Job) -> Tensor:
        return network(torch.rand(1, 3, 16, 16))

    with pytest.raises(ModelError, match="ended the program"):
        jobs.run("first", work, lambda *_: None)
    network.end = lambda: None
    assert jobs.run("second", work, lambda *_: None).shape == (1, 3)
    network.end = ENDS[end]
    failed = attempt(lambda: work(Job("cell", work)))
    assert isinstance(failed, Failed)
    assert "ended the program" in failed.text
    jobs.close()


CODE = """
import sys
import torch
from torch import nn

PRUNEATTR = {"size": (16, 16)}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        LEAVES
        return self.linear(self.conv(x).relu().mean((2, 3)))
"""


@pytest.mark.parametrize(
    "end", ["sys.exit(5)", "x.abs().sum() > 0 and sys.exit()", "raise KeyboardInterrupt"]
)
def test_a_command_ends_with_a_sentence(end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, photo = tmp_path / "leaves.py", tmp_path / "photo.png"
    code.write_text(CODE.replace("LEAVES", end), "utf-8")
    Image.new("RGB", (20, 20), (200, 10, 60)).save(photo)
    assert cli.main(["sweep", str(photo), "--model", f"{code}:Net"]) == 1
    said = capsys.readouterr().err
    assert "error: " in said
    assert "ended the program" in said
    assert "stopped." not in said


def test_a_network_that_is_built_by_code_that_leaves(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text("def build():\n    raise KeyboardInterrupt\n", "utf-8")
    with pytest.raises(ModelError, match="ended the program"):
        load_model(f"{tmp_path}/leaves.py:build")


def test_ctrl_c_stays_what_it_is() -> None:
    """Sent while a network computes, in Python and in PyTorch."""
    code = (
        "import signal, threading, torch\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # background work of a shell ignores it\n"
        "from pruneattr_core.leaving import staying\n"
        "for step in (lambda: None, lambda: torch.rand(64, 64) @ torch.rand(64, 64)):\n"
        "    main = threading.main_thread().ident, signal.SIGINT\n"
        "    try:\n"
        "        threading.Timer(0.3, signal.pthread_kill, main).start()\n"
        "        with staying():\n"
        "            while True: step()\n"
        "    except KeyboardInterrupt: print('interrupted')\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert found.stdout.split() == ["interrupted"] * 2, found.stderr


def _asking(ask: Callable[[Body, Tensor, Tensor], Tensor]) -> Body:
    return Body(ask).eval()


class Body(nn.Module):
    """A network that adds to its maps what `ask` makes of the input and of them."""

    def __init__(self, ask: Callable[[Body, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.linear, self.ask = nn.Conv2d(3, 3, 3, 1, 1), nn.Linear(3, 3), ask

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x).relu()
        return self.linear((maps + self.ask(self, x, maps)).mean((2, 3)))


def _asks(net: Body, x: Tensor, maps: Tensor) -> Tensor:
    return torch.autograd.grad(maps.sum(), x)[0]


def _goes_back(net: Body, x: Tensor, maps: Tensor) -> Tensor:
    maps.sum().backward()
    return maps


def _as_told(net: Body, x: Tensor, maps: Tensor) -> Tensor:
    with torch.enable_grad():
        given = x.clone().requires_grad_()
        return torch.autograd.grad(net.conv(given).relu().square().sum(), given, create_graph=True)[0]


def _without_a_graph(net: Body, x: Tensor, maps: Tensor) -> Tensor:
    with torch.enable_grad():
        given = x.clone().requires_grad_()
        return torch.autograd.grad(net.conv(given).relu().square().sum(), given)[0]


@pytest.mark.parametrize(("ask", "says"), [(_asks, "torch.autograd.grad"), (_goes_back, "backward")])
@pytest.mark.parametrize("method", ["prunegrad", "gradcam", "occlusion", "lrp"])
def test_a_forward_that_asks_for_gradients_is_told_how(
    ask: Callable[[Body, Tensor, Tensor], Tensor], says: str, method: str
) -> None:
    """It was said to refuse inputs of this shape."""
    with pytest.raises(ModelError, match=f"The network calls {says} in its forward") as told:
        explain(_asking(ask), torch.rand(1, 3, 8, 8), 0, method)
    assert "refuses inputs" not in str(told.value)
    assert "torch.enable_grad() for x.clone().requires_grad_(), with create_graph=True" in str(told.value)


def test_what_is_told_of_gradients_in_a_forward_holds() -> None:
    network, inputs = _asking(_as_told), torch.rand(1, 3, 8, 8)
    found = explain(network, inputs, 0, "saliency").values
    leaf = inputs.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(network(leaf)[0, 0], leaf)
    torch.testing.assert_close(found.abs(), wanted.abs())
    with pytest.raises(ModelError, match="create_graph=True"):
        explain(_asking(_without_a_graph), inputs, 0, "saliency")


def test_code_of_ones_own_that_asks_for_gradients_is_told_how(tmp_path: Path) -> None:
    code = CODE.replace("LEAVES", "torch.autograd.grad(self.conv(x).sum(), x)")
    (tmp_path / "asks.py").write_text(code, "utf-8")
    with pytest.raises(ModelError, match=r"torch\.autograd\.grad in its forward"):
        model_card(f"{tmp_path}/asks.py:Net")
