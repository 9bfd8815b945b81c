"""What all tests share: seeds, one thread a worker, the folder of reference data."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pruneattr_core.models import declared

ROOT = Path(__file__).resolve().parents[1]

# The test workers are as many as the cores: a second thread of one of them, or of a server, a kernel or a
# command that it starts, waits at every layer for a core that another worker has.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Reviews that a server or a test writes: never among this person's, nor among another worker's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data-home")))
        yield


@pytest.fixture(autouse=True)
def seeds() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (Captum and torchvision draw from the global generator)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_server_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that ran in this process has closed the list of networks that are code; a test finds it open."""
    monkeypatch.setattr(declared, "_closed", threading.Event())


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder `shared` beside the repository: the released code's arrays and sample data, not ours to copy."""
    folder = ROOT.parent / "shared"
    if not (folder / "reference").is_dir():
        pytest.skip(f"reference data not here: no {folder}/reference")
    return folder
