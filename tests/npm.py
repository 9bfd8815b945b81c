"""Packages from npm for tests: in the versions and with the hashes of a lock file, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def missing(what: str) -> None:
    """Skip a test for want of something, except in CI, where everything is there."""
    pytest.fail(what) if os.environ.get("CI") == "true" else pytest.skip(what)


def fetched(lock: Path, folder: Path) -> Path:
    """The folder `node_modules` of what package.json and package-lock.json in `lock` name."""
    if shutil.which("npm") is None:
        missing("this test needs npm on the PATH (Debian: apt install npm)")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(lock / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        missing(f"npm could not fetch {lock.name}: {done.stderr[-400:]}")
    return folder / "node_modules"
