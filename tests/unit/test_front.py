"""What the server answers before Streamlit does: files of its page, the page under our name, all at once."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from streamlit import file_util

from pruneattr_core.assets import APP
from pruneattr_core.registry import LITE0
from pruneattr_core.ui import early, front, opening
from pruneattr_core.ui.first_view import stored
from pruneattr_core.ui.menu import STYLE
from tests.npm import missing

FOLDER = Path(file_util.get_static_dir())
PAGE = (FOLDER / "index.html").read_bytes()
SCRIPT = next(iter(sorted((FOLDER / "static" / "js").glob("index.*.js"))))
BROWSER = {"accept": "text/html,*/*;q=.8", "accept-encoding": "gzip"}


def answered(
    path: str,
    asked: dict[str, str] | None = None,
    method: str = "GET",
    client: str = "127.0.0.1",
    query: str = "",
    after: float = 0.0,
) -> tuple[int, dict[str, str], bytes, list[dict[str, Any]]]:
    """Status, headers and body that a browser gets, and what was passed on to Streamlit.

    The server stands `after` seconds longer.
    """
    passed: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []

    async def streamlit(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope)
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"etag", b'"1"')]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PAGE[:100], "more_body": True})
        await send({"type": "http.response.body", "body": PAGE[100:]})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.encode(), text.encode()) for name, text in (asked or {}).items()]
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "client": (client, 1)}
    scope["query_string"] = query.encode()

    async def serve() -> None:
        await front.Front(streamlit)(scope, None, send)
        await asyncio.sleep(after)

    asyncio.run(serve())
    start, *rest = sent
    said = {name.decode(): text.decode() for name, text in start["headers"]}
    return start["status"], said, b"".join(one["body"] for one in rest), passed


def test_a_file_of_the_page_comes_from_here_as_it_lies_on_the_disk() -> None:
    status, said, body, passed = answered(f"/static/js/{SCRIPT.name}")
    assert (status, passed) == (200, [])
    assert body == SCRIPT.read_bytes()
    assert said["content-length"] == str(len(body))
    assert said["content-type"] == "text/javascript"
    assert "immutable" in said["cache-control"]
    assert answered(f"/below/some/proxy/static/js/{SCRIPT.name}")[2] == body


def test_over_a_network_it_comes_packed_to_who_can_unpack_it() -> None:
    path = f"/static/js/{SCRIPT.name}"
    _, said, body, _ = answered(path, {"accept-encoding": "gzip, br"}, client="192.168.1.20")
    assert said["content-encoding"] == "gzip"
    assert len(body) < SCRIPT.stat().st_size / 2
    assert gzip.decompress(body) == SCRIPT.read_bytes()
    for asked, client in (({}, "192.168.1.20"), ({"accept-encoding": "gzip"}, "127.0.0.1")):
        _, said, body, _ = answered(path, asked, client=client)
        assert "content-encoding" not in said
        assert body == SCRIPT.read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/static/js/../index.html",
        "/static/js/..%2f..%2findex.html",
        "/static/js/none.js",
        "/static/js/",
        "/static/js/index/../../../../app.py",
        "/static/index.html",
    ],
)
def test_what_is_no_file_of_the_page_is_streamlits_affair(path: str) -> None:
    assert len(answered(path)[3]) == 1


def test_parts_and_heads_of_files_are_streamlits_affair() -> None:
    path = f"/static/js/{SCRIPT.name}"
    assert len(answered(path, {"range": "bytes=0-9"})[3]) == 1
    assert len(answered(path, method="HEAD")[3]) == 1


def test_the_page_has_our_name_and_icon_and_says_where_the_server_is() -> None:
    _, said, body, (passed,) = answered("/compare", BROWSER)
    page = body.decode()
    assert "<title>PruneAttr</title>" in page
    assert 'href="data:image/svg+xml;base64,' in page
    assert "favicon.png" not in page
    assert page.index("BACKEND_BASE_URL") < page.index("<script type=")
    assert "/static/js/BidiComponent." in page  # what draws our components is fetched with the rest
    assert len(re.findall("modulepreload", page)) == len(set(re.findall(r'js/[^"]+', page))) - 1
    assert said["content-length"] == str(len(body))
    assert "etag" not in said  # Streamlit's: a browser would keep a page of ours that has changed
    assert b"accept-encoding" not in dict(passed["headers"])  # packed it could not be read here
    assert answered("/compare", {"accept": "application/json"})[2] == PAGE


def test_the_first_page_has_its_view_in_itself_and_no_other_has() -> None:
    """For one who asks for nothing else, and does not save on what is sent."""
    if not early.parts():
        pytest.skip(f"the first view needs {LITE0}")
    page = answered("/", BROWSER)[2].decode()
    script = re.search(r'<script type="module" crossorigin src="\.(/static/js/first\.\w+\.js)">', page)
    data = re.search(r'href="\.(/static/media/first\.\w+\.bin)"', page)
    assert script is not None
    assert data is not None
    assert script.start() < page.index("/static/js/index.")
    assert answered(data[1])[2] == stored()
    status, said, body, passed = answered(script[1])
    assert (status, passed, said["content-type"]) == (200, [], "text/javascript")
    assert data[1].encode() in body
    assert "immutable" in said["cache-control"]
    _, said, packed, _ = answered(script[1], {"accept-encoding": "gzip"}, client="192.168.1.20")
    assert gzip.decompress(packed) == body
    assert b"/first." in answered("/", BROWSER, query="model=efficientnet-lite0&picture=0")[2]
    for path, query, more in (
        ("/compare", "", {}),
        ("/", "picture=1", {}),
        ("/", "at=0.9", {}),
        ("/", "", {"save-data": "on"}),
    ):
        assert b"/first." not in answered(path, BROWSER | more, query=query)[2]


def test_a_page_is_laid_out_as_the_app_does_from_the_start() -> None:
    """Or all of it jumps when the app's own styles come, and again when the menu does."""
    page = answered("/compare", BROWSER)[2].decode()
    laid_out = page.index(STYLE)
    assert page.index("/static/css/index.") < laid_out < page.index("</body>")
    room = page.index('.menu-comes [data-testid="stAppViewContainer"]')
    assert laid_out < room < page.index("</body>")


def test_what_draws_charts_is_named_by_the_pages_that_begin_with_one() -> None:
    (chart,) = (FOLDER / "static" / "js").glob("PlotlyChart.*.js")

    def named(path: str) -> bool:
        return chart.name.encode() in answered(path, BROWSER)[2]

    assert all(named(path) for path in ("/benchmarks", "/reproduction/", "/under/paths"))
    assert not any(named(path) for path in ("/", "/compare", "/paths/none"))


def test_without_a_stored_view_no_page_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "stored", lambda: None)
    early.parts.cache_clear()
    front.headed.cache_clear()
    try:
        assert b"/first." not in answered("/", BROWSER)[2]
    finally:
        early.parts.cache_clear()
        front.headed.cache_clear()


def test_what_is_heavy_is_brought_ahead_unless_a_visitor_is_on_his_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = opening._Engine()
    started: list[bool] = []
    monkeypatch.setattr(engine, "start", lambda first: started.append(first))
    monkeypatch.setattr(opening, "_engine", engine)
    opening.ahead()
    assert started == [True]
    answered(f"/static/js/{SCRIPT.name}")
    answered("/_stcore/health", {"accept": "*/*"})
    assert not engine.expected
    answered("/", BROWSER)
    assert engine.expected
    opening.ahead()
    assert started == [True]  # his first screen would wait for the imports


@pytest.mark.parametrize(("path", "query"), [("/compare", ""), ("/", "picture=1"), ("/none", "")])
def test_what_is_heavy_is_brought_while_a_page_without_a_stored_view_comes(
    monkeypatch: pytest.MonkeyPatch, path: str, query: str
) -> None:
    engine = opening._Engine()
    started: list[bool] = []
    monkeypatch.setattr(engine, "start", lambda first: started.append(first))
    monkeypatch.setattr(opening, "_engine", engine)
    monkeypatch.delitem(sys.modules, "pruneattr_core.ui.shell", raising=False)
    monkeypatch.setattr(front, "_PARTS", 0.02)
    answered("/", BROWSER, after=0.1)  # the first view is stored
    answered(path, BROWSER, query=query)
    assert started == []  # the page's parts first
    answered(path, BROWSER, query=query, after=0.1)
    assert started == [False]  # nobody has asked for the first view
    engine.ready.set()
    answered(path, BROWSER, query=query, after=0.1)
    assert started == [False]


def test_the_server_loads_nothing_heavy_before_it_listens() -> None:
    code = "import sys, pruneattr_core.ui.front; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _home(path: str, address: str) -> str:
    """Where a page opened at that address of a browser looks for the server, when asked for by that path."""
    script = answered(path, BROWSER)[2].decode().partition("<script>")[2].partition("</script>")[0]
    if "BACKEND_BASE_URL" not in script:
        return ""
    code = f"const window = {{}}, location = new URL({json.dumps(address)});{script}"
    code += "process.stdout.write(window.__streamlit.BACKEND_BASE_URL)"
    return subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout


def test_every_page_opened_by_an_address_says_where_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app may be served at the name of a page: /compare/ is its first page then."""
    if shutil.which("node") is None:
        missing("this test needs node on the PATH (Debian: apt install nodejs)")
    here = "http://here:1"
    for path in ("/", "//"):
        assert _home(path, here + path) == ""
    for path in ("/compare", "/compare/", "/none", "/none/of/these", "/none//of/"):
        assert _home(path, f"{here}{path}?model=none") == f"{here}/"
        assert _home(path, f"{here}/a/proxy{path}#there") == f"{here}/a/proxy/"
    usual = front.config.get_option
    monkeypatch.setattr(
        front.config, "get_option", lambda key: "/lab/compare/" if key == "server.baseUrlPath" else usual(key)
    )
    for path in ("/lab/compare", "/lab/compare/"):
        assert _home(path, here + path) == ""
    for path in ("/lab/compare/review", "/lab/compare/compare", "/lab/compare/no/page"):
        assert _home(path, here + path) == f"{here}/lab/compare/"


def test_a_file_that_is_opened_is_sent_as_it_was_made_and_the_page_whole_and_new() -> None:
    for path in ("/media/0123.html", "/component/one/index.html", "/_stcore/upload_file/0/1"):
        _, said, body, (passed,) = answered(path, BROWSER)
        assert body == PAGE
        assert "etag" in said
        assert dict(passed["headers"])[b"accept-encoding"] == b"gzip"
    kept = {
        "range": "bytes=0-9",
        "if-none-match": '"1"',
        "if-modified-since": "Mon, 30 Nov 2026 00:00:00 GMT",
    }
    (passed,) = answered("/compare", BROWSER | kept)[3]
    assert set(dict(passed["headers"])) == {b"accept"}


def test_small_messages_are_sent_at_once() -> None:
    """Streamlit's socket does not say that it is TCP's, and asyncio leaves such as they are."""

    async def accepted() -> tuple[int, int]:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Visitor(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                line = transport.get_extra_info("socket")
                found.set_result(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        loop = asyncio.get_running_loop()
        front._send_at_once(loop)
        listening = socket.socket(family=socket.AF_INET)
        listening.bind(("127.0.0.1", 0))
        async with await loop.create_server(Visitor, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            told = await found
            writer.close()
        return told, listening.proto

    told, proto = asyncio.run(accepted())
    assert proto == 0
    assert told == 1


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_what_asks_the_server_to_stop_is_its_usual_end(asked: signal.Signals) -> None:
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        "--server.headless=true",
        "--server.port=0",
    ]
    with subprocess.Popen(
        command, cwd=APP, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        address = next(line for line in server.stdout if "URL:" in line).split()[-1]
        with urllib.request.urlopen(
            urllib.request.Request(address, headers={"accept": "text/html"})
        ) as answer:
            assert b"<title>PruneAttr</title>" in answer.read()
        server.send_signal(asked)
        told, _ = server.communicate(timeout=120)
    assert server.returncode == 0
    assert told.split() == ["Stopping..."]
