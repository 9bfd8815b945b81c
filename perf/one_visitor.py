"""What one visitor who opens every page leaves in the server's memory.

    TORCH_HOME=../shared/data/torch_home python -m perf.one_visitor --out visitor.json

MB that the process holds (VmRSS), and of those what is its own and not a file's (RssAnon): of a process that
has only imported what the server's pages import, then of a server, after each page that a visitor opens over
Streamlit's own protocol, until nothing on the page is to come. The first model and picture of each page.
Bar: 150 MB above the imports. Exit status 1 above it. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path

from perf.serving import ROOT, served
from perf.soak import View, Visit, visitor
from pruneattr_core.runtime import provenance

#: Seconds between a page and its reading: the server gives memory back when it rests.
REST = 4
#: Bar: MB above those of the imports.
BAR = 150
PAGES = (
    "",
    "compare",
    "paths",
    "decoding",
    "benchmarks",
    "sanity",
    "removal",
    "review",
    "reproduction",
    "lessons",
)
IMPORTS = """
import importlib, pathlib, sys
import streamlit.web.bootstrap
for file in sorted(pathlib.Path("pruneattr_core").rglob("*.py")):
    name = ".".join(file.with_suffix("").parts)
    if not name.endswith("__main__"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(name, error, file=sys.stderr)
print(pathlib.Path("/proc/self/status").read_text())
"""


def memory(status: str) -> dict[str, float]:
    """MB held, and MB of them that are no file's."""
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {name: int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")}


def imported() -> dict[str, float]:
    """Of a process that has imported everything."""
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return memory(told.stdout)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", nargs="*", default=list(PAGES))
    parser.add_argument("--out", type=Path, help="write the figures here, too (JSON)")
    options = parser.parse_args()
    base = imported()
    print(f"imports: {base['VmRSS']:.0f} MB, {base['RssAnon']:.0f} its own", flush=True)
    rows = {"imports": base}

    async def walk(url: str, pid: int) -> None:
        async with visitor(url) as line:
            visit = Visit(line)
            for page in options.pages:
                await visit.open(View(page, ""))
                await asyncio.sleep(REST)
                rows[page or "explore"] = now = memory(Path(f"/proc/{pid}/status").read_text())
                print(f"{page or 'explore'}: {now['VmRSS']:.0f} MB, {now['RssAnon']:.0f} its own", flush=True)

    with served() as (server, url):
        asyncio.run(walk(url, server.pid))
    above = rows[options.pages[-1] or "explore"]["VmRSS"] - base["VmRSS"]
    print(f"above the imports: {above:.0f} MB (bar {BAR})")
    if options.out:
        options.out.write_text(
            json.dumps({"made with": provenance("cpu"), "MB": rows, "above": above}, indent=1) + "\n"
        )
    return int(above > BAR)


if __name__ == "__main__":
    sys.exit(main())
