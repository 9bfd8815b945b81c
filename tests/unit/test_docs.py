"""The documentation: its code runs, its links lead somewhere, its site builds without a warning."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from pruneattr_core import model_card
from pruneattr_core.datasets import load_dataset
from pruneattr_core.share.html import settings_in
from tests.loading import loaded

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
CODE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if CODE.search(page.read_text("utf-8"))], ids=lambda p: p.stem
)
def test_code_runs_as_it_stands(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in CODE.findall(page.read_text("utf-8")):
        exec(compile(block, page.name, "exec"), names)
    assert "Traceback" not in capsys.readouterr().out


def test_links_lead_somewhere_and_addresses_outside_are_well_formed(tmp_path: Path) -> None:
    """Whether others answer is asked by `python docs/links.py`, which needs a network."""
    links = loaded(DOCS / "links.py")
    texts = [file for file in links.texts() if file.suffix in (".md", ".txt", ".ipynb")]
    assert {"README.md", "SECURITY.md", "llms.txt", "first-steps.ipynb", "1-local-or-global.md"} <= {
        file.name for file in texts
    }
    assert [(file.name, link) for file in texts for link in links.broken(file)] == []
    assert sum(len(links.links(file)) for file in texts) > 40
    named = {address for file in links.texts() for address in links.outside(file)}
    assert len(named) > 8
    assert {address: links.ill_formed(address) for address in named if links.ill_formed(address)} == {}
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n[1](page.md#a-b-c) [2](#a) [3](none.md)\n```\n[4](nowhere.md)\n```\n")
    assert list(links.broken(page)) == ["#a", "none.md"]
    wrong = ("http://a.org", "https://arxiv.org/abs/19.1", "https://a", "https://-a.org")
    assert all(map(links.ill_formed, wrong))


def test_every_equivalence_names_a_test_that_exists() -> None:
    table = (DOCS / "circuits.md").read_text("utf-8").split("## Equivalences")[1]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    named = [re.search(r"\| `(\w+\.py)::(\w+)` \|$", row) for row in rows]
    assert len(rows) > 5
    for row, found in zip(rows, named, strict=True):
        assert found, row
        assert f"def {found[2]}(" in (ROOT / "tests" / "unit" / found[1]).read_text("utf-8"), row


def test_the_site_builds_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    """Strict: a missing page, anchor, picture or documented name is an error."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mkdocs",
            "build",
            "--strict",
            "--quiet",
            "--site-dir",
            str(tmp_path / "site"),
        ],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    outside = re.findall(r'(?:src|href)="(https?://[^"]+)"', index)
    assert [link for link in outside if "fonts" in link or link.endswith((".js", ".css"))] == []
    framed = [
        (page.parent / address).resolve()
        for page in (tmp_path / "site").rglob("index.html")
        for address in re.findall(r'<iframe src="([^"]+)"', page.read_text("utf-8"))
    ]
    assert len(framed) == 3
    for file in framed:  # a slider in the middle of a text: small, and whole in itself
        text = file.read_text("utf-8")
        assert len(text) < 400_000
        assert "default-src 'none'" in text
        assert "made_with" in settings_in(text) or "versions" in settings_in(text)
    gallery = (tmp_path / "site" / "gallery" / "index.html").read_text("utf-8")
    views = [
        parse_qs(link) for link in re.findall(r'href="http://localhost:8501/\?([^"]+)"', unescape(gallery))
    ]
    assert len(views) == 30
    for view in views:
        assert model_card(view["model"][0]).available_offline()
        assert load_dataset(view["source"][0])[int(view["picture"][0])].image
    methods = (tmp_path / "site" / "methods" / "index.html").read_text("utf-8")
    assert "prunegrad" in methods
    assert "<!-- methods -->" not in methods
