"""A sweep in real JupyterLab: it draws itself, and where the hand lets go comes back to Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.serving import ROOT, free_port
from tests.browser.waiting import PATIENCE, until

CODE = """
import json
from pathlib import Path
from pruneattr_core import PruneGrad, load_model, model_card
from pruneattr_core.datasets import load_dataset

model, card = load_model("resnet8-cifar10"), model_card("resnet8-cifar10")
inputs = card.preprocess(load_dataset("scenes")[3].image)
view = PruneGrad(model).sweep(inputs, sparsities=[0, 0.5, 0.8, 0.9, 0.99], of="contributing").show(card)
view.observe(lambda change: Path("chosen.json").write_text(json.dumps(change["new"])), "chosen")
view
"""


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


@pytest.fixture
def lab(tmp_path: Path, chromium: str) -> Iterator[tuple[str, Path]]:
    """JupyterLab's address, and its folder with one notebook."""
    import nbformat  # seconds, which nobody waits for who collects the tests

    folder, own = tmp_path / "work", tmp_path / "jupyter"
    folder.mkdir()
    cell = nbformat.v4.new_code_cell(CODE.strip())
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "probe.ipynb")
    port = free_port()
    settings = {
        "ServerApp.port": port, "ServerApp.token": "", "ServerApp.password": "", "ServerApp.root_dir": folder,
        "ServerApp.allow_root": True, "ServerApp.open_browser": False, "ServerApp.port_retries": 0,
        "LabApp.expose_app_in_browser": True, "LabApp.collaborative": False,
    }  # fmt: skip
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        **{f"JUPYTER_{name}": str(own / name) for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")},
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(own / "spaces"),
    }  # fmt: skip
    with (tmp_path / "log.txt").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in settings.items())],
            cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + PATIENCE / 1000
        while not answers(f"{address}/api/status"):
            assert server.poll() is None, (tmp_path / "log.txt").read_text()
            assert time.monotonic() < end, (tmp_path / "log.txt").read_text()
            time.sleep(0.2)
        yield address, folder
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def test_a_sweep_draws_itself_the_level_comes_back_and_an_export_is_live(
    lab: tuple[str, Path], page: Page, artefacts: Path
) -> None:
    address, folder = lab
    page.goto(f"{address}/lab/tree/probe.ipynb")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    expect(page.locator("section.scrubber[data-ready]")).to_be_visible()
    slider = page.get_by_role("slider", name="Sparsity", exact=True)
    slider.press("End")
    chosen = folder / "chosen.json"

    def came_back() -> bool:
        with suppress(OSError, ValueError):  # not written yet, or not whole
            return json.loads(chosen.read_text())["at"]["share"] == pytest.approx(0.99, abs=0.005)
        return False

    until(page, came_back)
    page.screenshot(path=artefacts / "jupyterlab.png")
    expect(page.locator("[data-pruneattr-still]")).to_be_hidden()  # one view, not two

    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    from nbconvert import HTMLExporter

    text, _ = HTMLExporter().from_filename(str(folder / "probe.ipynb"))
    exported = folder / "exported.html"
    exported.write_text(text, "utf-8")
    page.route("http*://**", lambda route: route.abort())
    page.goto(exported.as_uri())
    frame = page.frame_locator("[data-pruneattr-still] iframe")
    expect(frame.locator("section.scrubber[data-ready]")).to_be_visible()
    before = frame.locator(".reading").text_content() or ""
    frame.get_by_role("slider", name="Sparsity", exact=True).press("Home")
    expect(frame.locator(".reading")).not_to_have_text(before)
