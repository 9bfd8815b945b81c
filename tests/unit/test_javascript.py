"""The browser's half: its pure parts by node's own test runner, and the linter over every component."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pruneattr_core.share.component import FOLIO, GRID, SCRUBBER, Component, stage
from pruneattr_core.ui.early import EARLY
from tests.npm import fetched, missing

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "js"
#: What the browser loads as one module each.
COMPONENTS = {
    "scrubber": SCRUBBER,
    "compare": GRID,
    "folio": FOLIO,
    "removal": stage("removal"),
    "sanity": stage("sanity"),
    "review": Component(
        "review", tuple(f"review/{name}.js" for name in ("drawing", "verdicts", "rows", "walking", "review"))
    ),
    "behind": Component("behind", ("behind/behind.js",)),
    "strip": Component("strip", ("strip/strip.js",)),
    "words": Component("words", ("words/words.js",)),
}


def test_pure_parts() -> None:
    if shutil.which("node") is None:
        missing("this test needs node on the PATH (Debian: apt install nodejs)")
    files = sorted(map(str, FOLDER.glob("*.test.mjs")))
    assert files
    done = subprocess.run(["node", "--test", *files], capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.findall(r"pass (\d+)", done.stdout)[-1]) > 15


def test_the_linter_finds_nothing(tmp_path: Path) -> None:
    modules = fetched(FOLDER, tmp_path)
    shutil.copy(FOLDER / "biome.json", tmp_path)
    for name, component in COMPONENTS.items():
        (tmp_path / f"{name}.js").write_text(component.js, "utf-8")
    # Its own words alone: the rest is linted as the scrubber.
    early = f"const brought = {{}}, mount = show;\n{EARLY.js}"
    (tmp_path / "early.js").write_text(early, "utf-8")
    names = [f"{name}.js" for name in (*COMPONENTS, "early")]
    command = [str(modules / ".bin" / "biome"), "lint", "--error-on-warnings", *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def test_every_script_is_linted() -> None:
    """A script that no component above holds would go unseen."""
    seen = {script for component in (*COMPONENTS.values(), EARLY) for script in component.scripts}
    alone = {
        "address/address.js",
        "lessons/answers.js",
        "lessons/key.js",
        "lessons/top.js",
        "lessons/translate.js",
        "uploads/uploads.js",
        "share/widget.js",
        "share/german.js",
        "gallery/browser.js",
    }
    assets = ROOT / "assets"
    there = {str(path.relative_to(assets)) for path in assets.glob("*/*.js") if path.parent.name != "browser"}
    assert there == seen | alone


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_has_one_way_in(name: str) -> None:
    assert COMPONENTS[name].js.count("export default function") == 1
