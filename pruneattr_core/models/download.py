"""Fetch a weights file once, with progress, never leaving half of one."""

from __future__ import annotations

import hashlib
import http.client
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from pruneattr_core.errors import ModelError
from pruneattr_core.given import check_progress

#: Seconds without a byte after which the network counts as down.
TIMEOUT = 8.0
_CHUNK = 1 << 18
_one_at_a_time = threading.Lock()


def download(
    url: str,
    target: Path,
    sha256: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Fetch `url` into `target` unless it is there; the file appears complete and verified, or not at all.

    Args:
        url: of the file.
        target: where it belongs; the folder is made.
        sha256: first digits that the file's SHA-256 must have.
        progress: called with (bytes so far, bytes in all or 0 if unknown); an exception it raises stops
            the download and is passed on.

    Raises:
        ModelError: no network, a refusal, a broken transfer, a wrong hash or no room.
    """
    check_progress(progress)
    with _one_at_a_time:
        if target.is_file():
            return
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = _transfer(url, part, progress)
            if not digest.startswith(sha256):
                got = f"SHA-256 {digest[:8]}... instead of {sha256}..."
                raise ModelError(f"{target.name} arrived with {got}: try again later.")
            part.replace(target)
        except urllib.error.HTTPError as error:
            raise ModelError(f"{url} answered {error.code} ({error.reason}): try again later.") from error
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", "") or error or type(error).__name__
            raise ModelError(
                f"{target.name} could not be downloaded ({reason}): connect to the network, choose a model "
                f"that is available offline, or put the file from {url} into {target.parent}."
            ) from error
        except OSError as error:
            raise ModelError(
                f"{target} could not be written ({error.strerror}): free or choose space."
            ) from error
        finally:
            part.unlink(missing_ok=True)


def _transfer(url: str, part: Path, progress: Callable[[int, int], None] | None) -> str:
    """Copy `url` to `part` and return the SHA-256 of what arrived."""
    request = urllib.request.Request(url, headers={"User-Agent": "pruneattr"})
    digest, done = hashlib.sha256(), 0
    opener = urllib.request.build_opener()  # urlopen would keep the first call's proxies for good
    with opener.open(request, timeout=TIMEOUT) as answer, part.open("wb") as out:
        total = int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(_CHUNK):
            out.write(block)
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done, total)
    if total and done != total:
        raise ConnectionError(f"the transfer broke off after {done} of {total} bytes")
    return digest.hexdigest()
