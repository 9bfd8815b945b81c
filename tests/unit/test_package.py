"""The package: what a wheel carries, what an installation asks for."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pruneattr_core

ROOT = Path(__file__).resolve().parents[2]
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
    """A folder that holds the package as its wheel installs it; the dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    quiet = ["--no-deps", "--no-build-isolation", "--no-cache-dir"]
    subprocess.run([*pip, "wheel", *quiet, "-w", str(folder), str(ROOT)], check=True, timeout=800)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True, timeout=800
    )
    return target


def outside(installed: Path, code: str) -> str:
    """What code prints that sees the installed package and no checkout."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(installed)!r})\n{code}"],
        cwd=installed.parent,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_wheel_explains_a_picture_without_the_app(installed: Path) -> None:
    """The bundled network and pictures come along; no package of the app is touched."""
    code = """
for name in ("streamlit", "plotly", "sklearn", "torch_pruning"):
    sys.modules[name] = None
from pruneattr_core import PruneGrad, load_model, model_card
from pruneattr_core.datasets import load_dataset
picture = load_dataset("scenes")[0].image
maps = PruneGrad(load_model("scenes-net")).attribute(model_card("scenes-net").preprocess(picture))
import pruneattr_core
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
