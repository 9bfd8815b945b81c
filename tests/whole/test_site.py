"""The documentation's site builds without a warning, and every link in it leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs

from pruneattr_core import model_card
from pruneattr_core.datasets import load_dataset
from pruneattr_core.share.html import settings_in

ROOT = Path(__file__).resolve().parents[2]


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
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "NO_MKDOCS_2_WARNING": "1",
            "OMP_NUM_THREADS": "1",
        },
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
