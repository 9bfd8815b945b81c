"""Downloads, from a server on this machine: whole and verified, or one sentence and nothing left."""

from __future__ import annotations

import http.server
import os
import threading

import pytest

from pruneattr_core.errors import Cancelled, ModelError
from pruneattr_core.models.download import download


@pytest.fixture(scope="module")
def server():
    """An HTTP server on this machine: /good, /short (breaks off), anything else is 404."""
    body = bytes(range(256)) * 4096

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/missing"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path.startswith("/short") else body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", body
        running.shutdown()
        thread.join()


def test_download_reports_progress_and_is_done_once(server, tmp_path):
    address, body = server
    target, seen = tmp_path / "deep" / "file.pth", []
    download(f"{address}/good", target, progress=lambda *at: seen.append(at))
    assert target.read_bytes() == body
    assert seen[-1] == (len(body), len(body))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    download("http://127.0.0.1:9/never-asked", target)
    assert os.listdir(target.parent) == ["file.pth"]


@pytest.mark.parametrize(
    ("path", "sha256", "says"),
    [("missing", "", "answered 404"), ("short", "", "broke off after"), ("good", "abcd", "instead of abcd")],
)
def test_failed_downloads_leave_nothing(server, tmp_path, path, sha256, says):
    with pytest.raises(ModelError, match=says):
        download(f"{server[0]}/{path}", tmp_path / "file.pth", sha256)
    assert os.listdir(tmp_path) == []


def test_a_download_can_be_stopped(server, tmp_path):
    def stop(done, total):
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        download(f"{server[0]}/good", tmp_path / "file.pth", progress=stop)
    assert os.listdir(tmp_path) == []
