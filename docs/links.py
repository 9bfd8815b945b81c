"""Links of the repository's texts: `python docs/links.py` asks each address outside and says which fail.

The tests check what can be checked offline: that local links and their anchors lead somewhere, and that
addresses outside are well formed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
#: Texts for people, and files whose addresses are shown to them.
TEXTS = ("*.md", "*.txt", "*.ipynb", "*.cff", "*.py", "*.js", "*.toml", "*.yml", "*.yaml")
_MARKDOWN = re.compile(r"!?\[[^\]\n]*\]\(\s*<?([^()\s<>]+(?:\([^()\s]*\)[^()\s]*)?)>?(?:\s+\"[^\"]*\")?\s*\)")
_ADDRESS = re.compile(r"https?://[^\s\"'`<>\\{}|^]+")
#: Hosts that stand for the reader's own machine or for nobody.
_NOBODY = re.compile(r"localhost|(127|192|10)\.\S*|\S*\.(example|test|invalid)|(\S*\.)?example\.\w+")
#: Hosts of names of vocabularies, which nobody opens.
_NAMES = ("www.w3.org", "graphml.graphdrawing.org")
_CODE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_PATIENCE = 20.0


def texts() -> list[Path]:
    """Files under version control, those of the tests left out."""
    asked = ["git", "ls-files", *TEXTS, ":!tests"]  # tests hold addresses of nobody
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines()]


def prose(file: Path) -> str:
    """The Markdown of a file, code blocks left out; of a notebook that of its text cells."""
    text = file.read_text("utf-8")
    if file.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return _CODE.sub("", text)


def links(file: Path) -> list[str]:
    """Where the Markdown of a file leads."""
    return [found[1] for found in _MARKDOWN.finditer(prose(file))]


def broken(file: Path) -> Iterator[str]:
    """Local links of a text that lead nowhere."""
    for link in links(file):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith(("mailto:", "/?", "?")):
            continue
        there = file.parent / path if path else file
        if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            yield link


def anchors(file: Path) -> set[str]:
    """Names of a page's headings, as mkdocs and GitHub make them."""
    heads = re.findall(r"^#+ +(.+?)\s*$", prose(file), re.MULTILINE)
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", head).lower() for head in heads)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", head)).strip("-") for head in plain}


def outside(file: Path) -> set[str]:
    """Addresses of others that a file names."""
    found = {one.rstrip(".,;:!?)]*") for one in _ADDRESS.findall(file.read_text("utf-8"))}
    hosts = {one: urlsplit(one).hostname or "localhost" for one in found}
    return {one for one, host in hosts.items() if host not in _NAMES and not _NOBODY.fullmatch(host)}


def ill_formed(address: str) -> str:
    """What is wrong with an address, "" if nothing can be seen."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return "no https"
    if not re.fullmatch(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", host):
        return f"no host: {host!r}"
    if host == "arxiv.org" and not re.fullmatch(r"/(abs|pdf)/\d{4}\.\d{4,5}(v\d+)?", parts.path):
        return "no number of arXiv's"
    return ""


def main() -> int:
    """Exit status: how many addresses fail, at most 100."""
    addresses, failed, answers = sorted({one for file in texts() for one in outside(file)}), 0, 0
    for address in addresses:
        asked = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (link check)"})
        try:
            with urllib.request.urlopen(asked, timeout=_PATIENCE) as reply:
                said, answers = str(reply.status), answers + 1
        except urllib.error.HTTPError as error:
            said, answers, failed = str(error.code), answers + 1, failed + 1
        except (OSError, ValueError) as error:
            said, failed = f"no answer: {error}", failed + 1
        print(f"{said:>8}  {address}", flush=True)
    if not answers:
        print(f"None of {failed} addresses could be asked: there is no network here.", file=sys.stderr)
    else:
        print(f"{failed} of {len(addresses)} failed", file=sys.stderr)
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main())
