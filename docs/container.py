"""Try the Dockerfile: `python docs/container.py` builds its image, has it explain a picture and serve an app.

Where no Docker answers, the Dockerfile's steps are done in a fresh environment outside the checkout instead,
as the user who calls, from the package indexes that pip is configured for.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_IMAGE, _PATIENCE = "pruneattr-tried", 300.0
#: A photograph explained by the network that comes along: weights, pictures and torch are there and work.
_EXPLAINS = """
from pruneattr_core import explain_view
from pruneattr_core.datasets import load_dataset
view = explain_view("efficientnet-lite0", load_dataset("samples")[0].image, shares=(0, 0.8))
print("it explains", view.title, len(view.html()), "characters")
"""


def main() -> int:
    """Exit status: 0 when the app answers."""
    port = _free_port()
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        subprocess.run(["docker", "build", "-t", _IMAGE, "."], cwd=ROOT, check=True)
        subprocess.run(
            ["docker", "run", "--rm", "--network=none", _IMAGE, "python", "-c", _EXPLAINS], check=True
        )
        command = ["docker", "run", "--rm", "-p", f"127.0.0.1:{port}:8501", _IMAGE]
        return _answers(command, port, "the image", ROOT, dict(os.environ))
    print("no Docker answers here: the Dockerfile's steps in a fresh environment")
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        python = home / "env" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", str(home / "env")], check=True)
        source = shutil.copytree(
            ROOT, home / "source", ignore=shutil.ignore_patterns(".*_cache", ".venv", ".git")
        )
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"{source}[app]"], check=True)
        shutil.rmtree(source)
        text = (ROOT / "Dockerfile").read_text("utf-8")
        command = json.loads(text.rsplit("\nCMD ", 1)[1])
        command[-1] = command[-1].replace("--server.port=8501", f"--server.port={port}")
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        inside = {"HOME": scratch, "PRUNEATTR_GROUP": "1", "PRUNEATTR_HOSTS": "localhost"}
        path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**kept, **inside, "PATH": path}
        subprocess.run([str(python), "-c", _EXPLAINS], cwd=home, env=environment, check=True)
        return _answers(command, port, "the environment", home, environment)


def _answers(command: Sequence[str], port: int, what: str, folder: Path, environment: dict[str, str]) -> int:
    """Start what serves, ask the address that the Dockerfile's health check asks, and stop it."""
    server = subprocess.Popen(command, cwd=folder, env=environment)
    try:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and server.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=10) as reply:
                    print(f"{what} serves the app: {reply.status} {reply.read().decode()}")
                    return 0
            except OSError:
                time.sleep(0.5)
        print(f"{what} does not serve the app", file=sys.stderr)
        return 1
    finally:
        server.terminate()
        server.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
