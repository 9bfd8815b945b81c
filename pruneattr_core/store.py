"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from pruneattr_core.errors import StoreError


def write_atomically(file: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `file`: afterwards the file is complete or, on failure, as it was before.

    Raises:
        StoreError: the folder is missing, the disk is full or writing is not allowed.
    """
    target = Path(file)
    part = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with part.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{target} could not be written: {error.strerror}. Nothing was changed.") from error
