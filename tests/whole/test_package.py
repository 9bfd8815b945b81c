"""The package: what a wheel carries, what an installation asks for."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

import pruneattr_core
from tests.browser.serving import free_port
from tests.loading import loaded

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OWN = re.compile(r"pruneattr\[([\w,-]+)\]")


def bounds(extra: str | None) -> set[str]:
    """The requirements of an extra with those of the extras it names; None for the core's."""
    listed = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    found: set[str] = set()
    for one in listed:
        inner = OWN.fullmatch(one)
        found |= set().union(*map(bounds, inner[1].split(","))) if inner else {one}
    return found


def test_requirements_txt_is_core_and_app() -> None:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    written = {line.partition("#")[0].strip() for line in lines} - {""}
    assert written == bounds(None) | bounds("app")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, outside the checkout; the dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    quiet = ["--no-deps", "--no-build-isolation", "--no-cache-dir"]
    subprocess.run([*pip, "wheel", *quiet, "-w", str(folder), str(ROOT)], check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run(
        [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
        check=True, timeout=300,
    )  # fmt: skip
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "env"


def environment(installed: Path) -> dict[str, str]:
    """Without a way into the network, or back into the checkout."""
    dead = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, **dead, "no_proxy": "127.0.0.1", "PATH": f"{installed / 'bin'}:{os.environ['PATH']}"}


def outside(installed: Path, code: str) -> str:
    """What code prints that sees the installed package and no checkout."""
    done = subprocess.run(
        [installed / "bin" / "python", "-P", "-c", f"import sys\n{code}"],
        cwd=installed.parent, env=environment(installed), capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_wheel_explains_a_picture_without_the_app(installed: Path) -> None:
    """The bundled network and pictures come along; no package of the app is touched."""
    code = """
for name in ("streamlit", "plotly", "sklearn", "torch_pruning"):
    sys.modules[name] = None
from pruneattr_core import PruneGrad, compare, load_model, model_card
from pruneattr_core.cli import main
from pruneattr_core.datasets import load_dataset
picture = load_dataset("scenes")[0].image
model, inputs = load_model("scenes-net"), model_card("scenes-net").preprocess(picture)
maps = PruneGrad(model).attribute(inputs)
assert len(compare(model, inputs, ["saliency", "edges"], curves=False).table()) == 2
assert main(["compress", "table"]) == 1  # one sentence
import pruneattr_core
from pruneattr_core.commands import bench, explain, reproduce, runs  # are loaded without them
print(pruneattr_core.__file__, bool(maps.isfinite().all()), bool(maps.any()), pruneattr_core.__version__)
"""
    file, *rest = outside(installed, code).split()
    assert Path(file).is_relative_to(installed)
    assert rest == ["True", "True", pruneattr_core.__version__]


def test_a_wheel_carries_the_app(installed: Path) -> None:
    code = """
from pruneattr_core.assets import APP, ASSETS
print((APP / "app.py").is_file(), (APP / ".streamlit/config.toml").is_file())
print(len(list(APP.glob("pages/*.py"))))
print((ASSETS / "scrubber/scrubber.js").is_file(), len(list(ASSETS.glob("runs/bench/*/header.json"))))
"""
    pages, runs = len(list((ROOT / "pages").glob("*.py"))), list(ROOT.glob("assets/runs/bench/*/header.json"))
    assert outside(installed, code).split() == ["True", "True", str(pages), "True", str(len(runs))]


def test_the_command_writes_a_view_offline(installed: Path, tmp_path: Path) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "report.html"
    Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 60).convert("RGB").save(photo)
    command = [
        installed / "bin" / "pruneattr",
        "explain",
        photo,
        "--model",
        "resnet8-cifar10",
        "--out",
        out,
        "--json",
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(installed),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert json.loads(done.stdout)["file"] == str(out)
    assert out.stat().st_size < 1_000_000


@pytest.fixture
def runner() -> ModuleType:
    """docs/notebooks.py, which keeps their results."""
    return loaded(ROOT / "docs" / "notebooks.py")


def test_every_notebook_runs_from_the_wheel_in_one_kernel_that_forgets(
    installed: Path, runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One kernel for all: most of the time is the import of torch."""
    import nbformat  # seconds, which nobody waits for who collects the tests

    assert len(NOTEBOOKS) == 4
    (site,) = (installed / "lib").glob("python*/site-packages")
    monkeypatch.setenv("PYTHONPATH", str(site))
    cells = [nbformat.v4.new_code_cell("import pruneattr_core; print(pruneattr_core.__file__)")]
    for file in NOTEBOOKS:
        cells += [*nbformat.read(file, as_version=4).cells, nbformat.v4.new_code_cell("%reset -f")]
    done = runner.executed(cells, tmp_path)
    assert Path(done[0].outputs[0]["text"].strip()).is_relative_to(installed)
    shown = [output.data for cell in done for output in cell.get("outputs", []) if "data" in output]
    live = [place for place, data in enumerate(shown) if "application/vnd.jupyter.widget-view+json" in data]
    assert len(live) == 4
    for place in live:  # before it, what an exported notebook draws; with it, what one without scripts does
        data = shown[place - 1]
        assert re.match('<div data-pruneattr-still="[0-9a-f]{32}"><iframe srcdoc=', data["text/html"])
        assert "text/html" not in shown[place]
        assert "image/png" not in data
        assert shown[place]["image/png"]
        assert "0x" not in data["text/plain"]


def test_the_container_s_command_serves_its_hosts_and_no_others(installed: Path, tmp_path: Path) -> None:
    """The last line of the Dockerfile, where Docker itself is not there."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    command = json.loads(text.rsplit("\nCMD ", 1)[1])
    port = free_port()
    assert "--server.port=8501" in command[-1]
    command[-1] = command[-1].replace("--server.port=8501", f"--server.port={port}")
    settings = {"PRUNEATTR_GROUP": "1", "PRUNEATTR_HOSTS": "prune.example.org", "HOME": str(tmp_path)}
    with (tmp_path / "log.txt").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env={**environment(installed), **settings}, stdout=log, stderr=log
        )

    def healthy() -> bool:
        """What the Dockerfile's health check says."""
        asked = json.loads(re.search(r"^HEALTHCHECK .*?CMD (.*)$", text, re.MULTILINE)[1])
        asked = [sys.executable, *(word.replace(":8501/", f":{port}/") for word in asked[1:])]
        return subprocess.run(asked, capture_output=True, timeout=60, check=False).returncode == 0

    def answer(host: str) -> int:
        """Status of the handshake by which a browser's page at this host reaches the app."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        asked = {
            "Host": host, "Origin": f"http://{host}", "Connection": "Upgrade", "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }  # fmt: skip
        try:
            connection.request("GET", "/_stcore/stream", headers=asked)
            return int(connection.getresponse().status)
        except OSError:
            return 0
        finally:
            connection.close()

    try:
        end = time.monotonic() + 300
        while answer("prune.example.org") != 101:
            assert time.monotonic() < end, (tmp_path / "log.txt").read_text()
            assert server.poll() is None, (tmp_path / "log.txt").read_text()
            time.sleep(0.3)
        assert answer("elsewhere.example.org") == 403
        assert healthy()
    finally:
        server.terminate()
        server.wait(60)
    assert not healthy()
    assert answer("prune.example.org") == 0  # nothing goes on serving behind the command that was stopped
