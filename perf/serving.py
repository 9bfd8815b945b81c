"""The app on a port of its own, its memory, and a browser: for the measurements from outside."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
#: Indented lines, blank ones and those between two tracebacks, ended by what Starlette says of a closed line.
_PARTED = re.compile(
    r"Exception in ASGI application\n"
    r"(?:(?:[ \t|+].*|Traceback .*|During handling .*|The above exception .*|)\n)*?"
    r"(?:starlette\.websockets\.WebSocketDisconnected.*\n"
    r"(?:(?:[ \t|+].*|Traceback .*|During handling .*|The above exception .*|)\n)*?)*"
    r"starlette\.websockets\.WebSocketDisconnected.*(?:\n|$)"
)


@contextmanager
def served(log: Path | None = None) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server that has just come up, and its address; what it says goes to `log`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    with (log or Path(os.devnull)).open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", *flags],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(3000):
            try:
                if urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).status == 200:
                    break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit("the server did not come up")
        yield server, url
    finally:
        server.terminate()
        server.wait(60)


def faults(log: str) -> str:
    """What a server's log says from its first traceback on; "" where it holds none that is the app's.

    When a browser leaves at the very moment at which a message is sent to it, Streamlit's websocket writes a
    traceback of its own (a busy machine shows it): those are left out.
    """
    kept = _PARTED.sub("", log)
    return kept[kept.index("Traceback") :] if "Traceback" in kept else ""


def resident(pid: int) -> float:
    """MB of memory that a process really holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("this measurement needs Chromium on the PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
