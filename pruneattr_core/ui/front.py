"""What the server answers before Streamlit does, and what it does before the first visitor.

Streamlit reads each of the sixty files of its page anew for everybody, by way of three threads: most of the
second in which nothing is on the screen. Here they lie in memory once somebody has asked for them.
"""

from __future__ import annotations

import asyncio
import gzip
import mimetypes
import os
import re
import signal
import socket
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from streamlit import cli_util, config, file_util
from streamlit.web.server import server_util

from pruneattr_core.assets import ASSETS
from pruneattr_core.ui import early
from pruneattr_core.ui.menu import STYLE
from pruneattr_core.ui.opening import ahead, bring, expect, settle

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Message, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

#: The files that a page of Streamlit is made of; their names hold a hash of what is in them.
_PART = re.compile(r"/static/((?:js|css|media)/\w[\w.-]*)\Z")
#: Of those, what draws our components and styles: the page names it only when one is there to draw.
_FIRST = ("BidiComponent", "Html")
#: Pages whose first result is a chart: what draws it is large, and comes while the server computes.
_CHARTED = ("paths", "benchmarks", "reproduction")
#: What is under these is no page: a file that is downloaded is sent as it was made.
_NO_PAGE = re.compile(r"/(?:media|component|_stcore)/")
_HERE = ("127.0.0.1", "::1")
#: Seconds that a first visitor has, before what he would wait for is brought without one.
_HEAD_START = 1.5
#: Seconds after which a browser has a page's parts: while it reads them, the server would have nothing to do.
_PARTS = 0.3
#: In a page opened by its address: without it Streamlit asks under that address first, in vain.
_HOME = """<script>
  window.__streamlit = {BACKEND_BASE_URL: [location.origin, ...location.pathname.split("/").filter(Boolean).slice(0, -%d), ""].join("/")};
</script>"""  # noqa: E501


#: Room for the menu, which comes later than the page beside it, where nobody has folded or drawn it.
_MENU = """<script>
  document.documentElement.classList.toggle("menu-comes",
    !Object.keys(localStorage).some(name => /^(sidebarWidth|stSidebarCollapsed)/.test(name)));
</script><style>
@media (min-width: 769px) {
  .menu-comes [data-testid="stAppViewContainer"]:not(:has([data-testid="stSidebar"])) { padding-left: 300px; }
}
/* Its list of pages would push down what is below. */
.menu-comes [data-testid="stSidebarContent"]:not(:has([data-testid="stSidebarNav"]))
  [data-testid="stSidebarUserContent"] { visibility: hidden; }
</style>"""


class Front:
    """ASGI middleware around Streamlit: the parts of its page out of memory, and the page under our name."""

    def __init__(self, app: Asgi) -> None:
        self._app = app
        self._folder = Path(file_util.get_static_dir()) / "static"
        self._parts = {one.relative_to(self._folder).as_posix() for one in self._folder.rglob("*.*")}
        self._parts |= early.parts().keys()
        self._held: dict[tuple[str, bool], tuple[bytes, Headers]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer what lies here; pass on the rest, and what it answers as a page under our name."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        asked = dict(scope["headers"])
        part = _PART.search(scope["path"])
        if part and part[1] in self._parts and b"range" not in asked:
            # On this machine unpacking takes longer than a copy.
            away = (scope.get("client") or ("",))[0] not in _HERE
            packed = away and b"gzip" in asked.get(b"accept-encoding", b"")
            body, headers = self._part(part[1], packed)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        path = _below(scope)
        opened = b"text/html" in asked.get(b"accept", b"")  # what a browser says when it opens an address
        if opened and not _NO_PAGE.match(path):
            # Packed it could not be read here, and "not changed" would be said of Streamlit's file.
            aside = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
            plain = [one for one in scope["headers"] if one[0] not in aside]
            first = early.wanted(path, scope.get("query_string", b""), asked)
            expect()
            if not first:
                asyncio.get_running_loop().call_later(_PARTS, bring)
            names = [name for name in path.split("/") if name]
            scope, send = {**scope, "headers": plain}, _Page(send, names, first)
        await self._app(scope, receive, send)

    def _part(self, name: str, packed: bool) -> tuple[bytes, Headers]:
        """A file of Streamlit's page as it is sent, and its headers."""
        packed = packed and name.endswith((".js", ".css"))
        if (name, packed) not in self._held:
            body = early.parts().get(name) or (self._folder / name).read_bytes()
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            headers = [
                (b"content-type", kind.encode()),
                (b"cache-control", b"public, immutable, max-age=31536000"),
                (b"vary", b"accept-encoding"),
            ]
            if packed:
                body = gzip.compress(body, 6)
                headers.append((b"content-encoding", b"gzip"))
            self._held[name, packed] = body, [*headers, (b"content-length", str(len(body)).encode())]
        return self._held[name, packed]


class _Page:
    """Sends on what Streamlit answers; where that is its page of HTML, with our head."""

    def __init__(self, send: Send, names: list[str], first: bool) -> None:
        self._send = send
        self._names = names  # of the address, below where the app is served
        self._first = first  # whether it shows the stored view first
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._start = message
        elif self._start is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._whole(self._start)
        else:
            await self._send(message)

    async def _whole(self, start: Message) -> None:
        charted = bool(self._names) and self._names[-1] in _CHARTED
        body = headed(self._body.decode("utf-8"), len(self._names), self._first, charted).encode("utf-8")
        drop = (b"content-length", b"etag", b"last-modified")  # those of Streamlit's file
        headers = [one for one in start["headers"] if one[0].lower() not in drop]
        await self._send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body})


def _is_page(message: Message) -> bool:
    kind = dict(message["headers"]).get(b"content-type", b"")
    return message["status"] == 200 and kind.startswith(b"text/html")


def _below(scope: Message) -> str:
    """The path below where the app is served."""
    path = str(scope["path"])
    for base in (scope.get("root_path", ""), config.get_option("server.baseUrlPath")):
        if (base := base.strip("/")) and f"{path}/".startswith(f"/{base}/"):
            path = path[len(base) + 1 :]
    return path


@lru_cache(maxsize=8)
def headed(page: str, deep: int, first: bool = False, charted: bool = False) -> str:
    """Streamlit's page with our title, icon and first files; one opened by its name says where the server is.

    The first page has its view in itself, see `early`; of one that begins with a chart, `charted`, what draws
    charts is among the first files.

    How many of an address's names are a page's only the server knows: behind a proxy, or with
    --server.baseUrlPath, the app itself may be served at such a name.
    """
    icon = b64encode((ASSETS / "icon.svg").read_bytes()).decode("ascii")
    page = page.replace("<title>Streamlit</title>", "<title>PruneAttr</title>")
    page = page.replace('href="./favicon.png"', f'href="{escape(f"data:image/svg+xml;base64,{icon}")}"')
    links = (
        f'<link rel="modulepreload" crossorigin href="./static/js/{name}">' for name in _soon(page, charted)
    )
    page = page.replace("</head>", "".join(links) + "</head>", 1)
    page = page.replace("</body>", STYLE + _MENU + "</body>", 1)  # after Streamlit's own, which it changes
    page = page.replace("<script type=", early.links() + "<script type=", 1) if first else page
    return page.replace("<head>", "<head>" + _HOME % deep, 1) if deep else page


def _soon(page: str, charted: bool) -> list[str]:
    """Files that a component of ours needs and Streamlit's page does not name: they would come one by one."""
    folder, found = Path(file_util.get_static_dir()) / "static" / "js", []
    kinds = (*_FIRST, "PlotlyChart") if charted else _FIRST
    asked = [file.name for kind in kinds for file in folder.glob(f"{kind}.*.js")]
    while asked:
        name = asked.pop()
        if name not in found and name not in page:
            found.append(name)
            asked += re.findall(r'from"\./([\w.-]+\.js)"', (folder / name).read_text("utf-8"))
    return found


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """While the server runs: once it listens, a browser is opened where there is one to open."""
    settle()
    loop = asyncio.get_running_loop()
    _send_at_once(loop)
    _end_as_asked()
    loop.call_soon(_open_browser)
    waiting = loop.call_later(_HEAD_START, ahead)
    yield
    waiting.cancel()


def _send_at_once(loop: asyncio.AbstractEventLoop) -> None:
    """Let the server, which begins to listen after this, send small messages without waiting for an answer.

    asyncio asks for that on sockets that say they are TCP's, and Streamlit's does not say: the second part of
    each answer, and of messages that follow one another, waited for up to 40 ms. What is set on a socket that
    listens holds for what it accepts.
    """
    usual = loop.create_server

    async def create_server(*given: Any, **more: Any) -> Any:
        if (listening := more.get("sock")) is not None:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return await usual(*given, **more)

    with suppress(AttributeError):  # a loop that is not asyncio's own
        loop.create_server = create_server  # type: ignore[method-assign]


def _end_as_asked() -> None:
    """Let Ctrl-C be the usual end, and SIGTERM: uvicorn would stop and then fail by the same signal."""
    server: Any = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    if not hasattr(server, "should_exit") or threading.current_thread() is not threading.main_thread():
        return  # another server than Streamlit's

    def stop(number: int, frame: Any) -> None:
        if server.should_exit and number == signal.SIGINT:  # pressed again: at once
            os._exit(128 + number)
        if not server.should_exit:
            print("  Stopping...", flush=True)
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _open_browser() -> None:
    """As `streamlit run` does for a script."""
    if config.get_option("server.headless"):
        return
    address = "localhost"
    for option in ("server.address", "browser.serverAddress"):
        if config.is_manually_set(option):
            address = server_util.get_display_address(str(config.get_option(option)))
    cli_util.open_browser(server_util.get_url(address))
