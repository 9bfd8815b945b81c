"""How far a long command has come: tqdm's bar on a terminal, lines where the output goes to a log."""

from __future__ import annotations

import sys
import threading
from typing import TextIO

from tqdm import tqdm

#: Seconds between two lines of a log file, and between two drawings of a bar.
_LOG, _TERMINAL = 20.0, 0.1
_COUNT = "{n_fmt} of {total_fmt} {unit}{postfix}, {elapsed}"
_LEFT = _COUNT + ", about {remaining} left"


class _Bar(tqdm):  # type: ignore[type-arg,misc,unused-ignore]  # tqdm comes without types
    """A bar; in a log file, where a bar would write one endless line, a new line each time it is drawn."""

    monitor_interval = 0  # no thread of its own: every call looks at the clock

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw it."""
        if self.fp.isatty():
            super().display(msg, pos)
        else:
            print(msg or str(self), file=self.fp, flush=True)

    def end(self) -> None:
        """The last drawing."""
        if self.fp.isatty():
            self.close()
        else:
            self.display()

    def __del__(self) -> None:
        """A bar that was interrupted stays as it stood: tqdm would draw it once more at the very end."""


_Bar.set_lock(threading.RLock())  # else tqdm takes one of processes


class Progress:
    """Tells "12 of 60 cells, PrunePGD, 03:20, about 14:00 left".

    Args:
        unit: what is counted.
        out: where to; None for stderr.
    """

    def __init__(self, unit: str, out: TextIO | None = None) -> None:
        self._unit, self._out = unit, sys.stderr if out is None else out
        self._bar: _Bar | None = None
        self._over = 0  # of how many the end was told

    def clear(self) -> None:
        """Make room for a line of another sort; the bar of a terminal is drawn again when it moves on."""
        if self._bar is not None and self._out.isatty():
            self._bar.clear()

    def __call__(self, done: float, total: int, what: str = "") -> None:
        """Tell that `done` of `total` are done, and `what` is being worked on."""
        at, terminal = int(done) if done == int(done) else round(done, 2), self._out.isatty()
        if at >= total == self._over:
            return  # the end once more
        drawn = self._bar is not None or terminal
        if self._bar is None:
            # What an earlier call of the command had finished says nothing about speed.
            self._bar = _Bar(
                total=total, initial=at, unit=self._unit, file=self._out, miniters=0, postfix=what,
                mininterval=_TERMINAL if terminal else _LOG, bar_format=_COUNT, dynamic_ncols=terminal,
            )  # fmt: skip
        bar = self._bar
        bar.total = total
        bar.set_postfix_str(what if at < total else "", refresh=False)
        if bar.initial < at < total:
            bar.bar_format = f"{{bar:24}} {_LEFT}" if terminal else _LEFT
        bar.n = at
        if at < total:
            bar.update(0)  # draws if it is time
        else:
            bar.bar_format = _COUNT
            if drawn:  # a bar that begins at its end has been told of when it was made
                bar.end()
            self._bar, self._over = None, total
