"""How far a long command has come, for a terminal and for a log file."""

from __future__ import annotations

import sys
import time
from typing import TextIO

#: Seconds between two lines of a log file.
_PAUSE = 20.0


class Progress:
    """Lines such as "12 of 60 cells, PrunePGD, 3 min 20 s, about 14 min left".

    On a terminal one line that changes; elsewhere a new line now and then, and the last one.

    Args:
        unit: what is counted.
        out: where to; None for stderr.
    """

    def __init__(self, unit: str, out: TextIO | None = None) -> None:
        self._unit, self._out = unit, sys.stderr if out is None else out
        self._terminal = self._out.isatty()
        self._began = time.monotonic()
        self._first: float | None = None
        self._said, self._width = -_PAUSE, 0

    def __call__(self, done: float, total: int, what: str = "") -> None:
        """Tell that `done` of `total` are done, and `what` is being worked on."""
        now = time.monotonic() - self._began
        if self._first is None:
            self._first = done  # what an earlier call of the command had finished says nothing about speed
        if not self._terminal and now - self._said < _PAUSE and done < total:
            return
        self._said = now
        fresh = done - self._first
        left = f", about {_duration(now / fresh * (total - done))} left" if fresh > 0 and done < total else ""
        part = f" ({done % 1:.0%} of the next)" if done % 1 else ""
        named = f", {what}" if what and done < total else ""
        line = f"{int(done)} of {total} {self._unit}{part}{named}, {_duration(now)}{left}"
        self._write(line, done >= total)

    def _write(self, line: str, last: bool) -> None:
        if not self._terminal:
            print(line, file=self._out, flush=True)
            return
        print(f"\r{line:<{self._width}}", end="\n" if last else "", file=self._out, flush=True)
        self._width = len(line)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
