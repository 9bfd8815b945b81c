"""The served app, the browser's flags and what a page complains of: for the tests and for the walker."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = (
    "--no-sandbox",  # in containers everything runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


#: A browser that goes while Streamlit still greets it: nothing of ours, and nobody sees it.
_CLOSED_EARLY = re.compile(
    r"^Exception in ASGI application\n(?:(?!Exception in ASGI).*\n)*?"
    r"\S*WebSocketDisconnected: Cannot call \"send\" once a close message has been sent\.\n",
    re.MULTILINE,
)


#: A file that is asked for while a run replaces its button; what is never brought, `taken` tells.
_REPLACED = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ ].*\n)+"
    r"\S*MediaFileStorageError: Deferred file \w+ not found\n",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Served:
    """A running app.

    Attributes:
        url: where it answers.
        log: what it writes; it must hold no traceback.
    """

    url: str
    log: Path

    def said(self) -> str:
        """All that the server has written, but for what Streamlit says of windows and buttons that went."""
        return _REPLACED.sub(
            "", _CLOSED_EARLY.sub("", self.log.read_text(encoding="utf-8", errors="replace"))
        )


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def answering_sigterm() -> Iterator[None]:
    """What asks this process to end ends what it has begun, too: every `finally` of the block is run."""
    if threading.current_thread() is not threading.main_thread():  # no other may set what signals do
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def serving(log: Path, first_model: str = "scenes-net", script: str | Path = "app.py") -> Iterator[Served]:
    """Serve the app on a free port until the block ends.

    Args:
        log: where to write what the server says.
        first_model: shown before anybody chooses; the default is quick on a busy machine.
        script: what is served.

    Raises:
        RuntimeError: it does not come up.
    """
    port = free_port()
    settings = {"server.port": port, "server.address": "127.0.0.1", "server.headless": "true"}
    flags = [f"--{name}={value}" for name, value in settings.items()]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), *flags],
            cwd=ROOT,
            env={**os.environ, "PRUNEATTR_FIRST_MODEL": first_model},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    served = Served(f"http://127.0.0.1:{port}", log)
    try:
        with answering_sigterm():
            _wait_until_healthy(served, server)
            yield served
    finally:
        server.terminate()
        server.wait(60)


@contextmanager
def browsing() -> Iterator[tuple[Served, Browser]]:
    """A server of one's own and Chromium, for the commands."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder, "log.txt")) as served,
        sync_playwright() as playwright,
    ):
        yield served, playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))


def _wait_until_healthy(served: Served, server: subprocess.Popen[bytes], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{served.url}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not come up:\n{served.said()}")


def complaints(page: Page, url: str) -> list[str]:
    """What the page will ask of other hosts than `url`, and its errors; grows as it happens."""
    wrong: list[str] = []
    here = urlsplit(url).netloc

    def asked(address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("data", "blob") and parts.netloc != here:
            wrong.append(f"asked {address}")

    def complained(said: ConsoleMessage) -> None:
        # Of a button for a download Streamlit asks whether the file is there when the next run may already
        # have put another in place.
        replaced = "Download Button source error" in said.text or "/media/" in said.location["url"]
        if said.type == "error" and not replaced:
            wrong.append(f"{said.text} {said.location['url']}")

    page.on("request", lambda request: asked(request.url))
    page.on("websocket", lambda socket: asked(socket.url))
    page.on("console", complained)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return wrong
