"""Finished parts of a long computation, kept one by one, so that a killed one goes on where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pruneattr_core.store import read_sealed, write_sealed


@dataclass(frozen=True)
class Cells:
    """A folder of cells, each a sealed file of JSON that names the work it belongs to.

    A damaged cell is named and computed again; a cell of another work is left aside. Several processes may
    share a folder: equal work gives equal cells, and each is written whole.

    Attributes:
        folder: made with the first cell.
        identity: of everything that decides the numbers.
        say: told about damage.
    """

    folder: Path
    identity: str
    say: Callable[[str], None]

    def get(self, name: str) -> Mapping[str, Any] | None:
        """The record kept as `name`; None where there is none that can be used."""
        data = read_sealed(self._file(name), self.say)
        if data is None:
            return None
        try:
            found = json.loads(data)
            record: dict[str, Any] = found["record"]
            return record if found["identity"] == self.identity else None
        except (ValueError, TypeError, KeyError) as error:
            self.say(f"{self._file(name)} is no cell ({type(error).__name__}) and is not used.")
            return None

    def put(self, name: str, record: Mapping[str, Any]) -> None:
        """Keep a record.

        Raises:
            StoreError: the folder cannot be written.
        """
        content = {"identity": self.identity, "record": record}
        write_sealed(self._file(name), json.dumps(content).encode())

    def clear(self) -> None:
        """Remove the folder, once what was made of the cells is safe."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def drop(self, names: Iterable[str]) -> None:
        """Remove these cells only, where others may work in the folder; the folder too when it is empty."""
        with suppress(OSError):
            for name in names:
                self._file(name).unlink(missing_ok=True)
            self.folder.rmdir()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.cell"
