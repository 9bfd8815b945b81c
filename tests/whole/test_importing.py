"""Importing the library and the pages is light and silent, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pruneattr_core

ROOT = Path(pruneattr_core.__file__).parent
HEAVY = {
    "torch",
    "torchvision",
    "streamlit",
    "captum",
    "scipy",
    "skimage",
    "sklearn",
    "plotly",
    "matplotlib",
    "PIL",
}


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=800, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_import_loads_nothing_heavy_and_prints_nothing() -> None:
    assert run("import pruneattr_core") == ""
    loaded = run("import sys, pruneattr_core; print(*sys.modules)").split()
    assert HEAVY.isdisjoint(loaded)


def test_a_first_map_needs_neither_torchvision_nor_the_compiler_of_torch() -> None:
    """Each takes about two seconds to import, while somebody waits for the first picture."""
    loaded = run(
        "import sys, torch, pruneattr_core.ui.shell\n"
        "from pruneattr_core import PruneGrad, model_card\n"
        "from pruneattr_core.models.efficientnet_lite import EfficientNetLite0\n"
        "from pruneattr_core.models import list_models, model_title, models_here\n"
        "from PIL import Image\n"
        "[model_title(name) for name in (*list_models(), *models_here())]\n"
        "inputs = model_card('efficientnet-lite0').preprocess(Image.new('RGB', (300, 200)))\n"
        "PruneGrad(EfficientNetLite0().eval()).sweep(inputs[..., :64, :64], 0, [0, 0.5])\n"
        "print(*sys.modules)"
    ).split()
    assert {"torchvision", "torch._dynamo"}.isdisjoint(loaded)
    assert "torch.nn" in loaded


def test_pages_wait_for_no_package_of_statistics_and_no_drawing() -> None:
    """`scipy.stats` takes a second and 60 MB, Captum another and matplotlib with it: when they are used."""
    pages = sorted(ROOT.glob("ui/**/*page.py"))
    names = [".".join(("pruneattr_core", *path.relative_to(ROOT).with_suffix("").parts)) for path in pages]
    code = f"import sys, {', '.join(names)}\nprint(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert len(pages) == 10
    assert {
        "scipy.stats",
        "scipy.ndimage",
        "skimage",
        "captum",
        "matplotlib",
        "torchvision",
        "torch._dynamo",
    }.isdisjoint(loaded)
    assert set(names) < set(loaded)


def test_importing_the_engine_loads_no_streamlit() -> None:
    names = ", ".join(pruneattr_core.__all__)
    assert (
        "streamlit" not in run(f"import sys; from pruneattr_core import {names}; print(*sys.modules)").split()
    )


def test_our_methods_need_neither_the_app_s_packages_nor_matplotlib() -> None:
    """Captum and Zennit are imported by the methods that are theirs; Captum brings matplotlib."""
    code = """
import sys
for name in ("streamlit", "plotly", "cachetools", "sklearn", "matplotlib", "captum", "zennit", "anywidget"):
    sys.modules[name] = None  # importing it raises
import torch
from pruneattr_core import PruneGrad, PrunePGD, census, contributions, explain
from torch import nn
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)).eval()
x = torch.ones(1, 3, 6, 6)
contributions(model, x).path(0.5), census(model, x)
maps = [PruneGrad(model).attribute(x), PrunePGD(model).attribute(x), explain(model, x).values]
print([bool(map.isfinite().all()) for map in maps])
"""
    assert run(code).strip() == "[True, True, True]"
