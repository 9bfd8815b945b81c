"""A class on one link: where its teacher is, and how many gave which answer. Counts in memory, no names.

A class is known by a code of six signs. Whoever opened it holds a key and moves it; all others follow. An
answer counts once a voter and step, the last one given; of voters only a random name of their browser's tab
is kept, as long as the class lives.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from pruneattr_core.errors import InputError

#: Signs of a code: no I, O, 0 or 1, which are read wrongly from a wall.
_SIGNS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
#: Classes at a time, voters in one, seconds after which a class that nobody asks for is forgotten.
MOST_CLASSES, MOST_VOTERS, LIFE = 64, 500, 4 * 3600.0


@dataclass(frozen=True)
class Place:
    """Where a class is.

    Attributes:
        lesson: its name.
        language: of the lesson.
        step: number from 1.
        view: (name, value) pairs of the address: network, picture and class that its teacher looks at.
    """

    lesson: str
    language: str
    step: int
    view: tuple[tuple[str, str], ...] = ()


@dataclass
class _Class:
    key: str
    place: Place
    seen: float
    answers: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)


class Classes:
    """All classes of one server; every method may be called from any thread."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._classes: OrderedDict[str, _Class] = OrderedDict()

    def open(self, place: Place) -> tuple[str, str]:
        """A new class.

        Returns:
            Its code, for everybody, and the key of whoever moves it. The class that was asked for least
            recently goes when there are too many.
        """
        with self._lock:
            self._forget()
            while len(self._classes) >= MOST_CLASSES:
                self._classes.popitem(last=False)
            code = _code()
            while code in self._classes:
                code = _code()
            key = secrets.token_hex(16)
            self._classes[code] = _Class(key, place, time.monotonic())
            return code, key

    def place(self, code: str) -> Place | None:
        """Where the class is; None if there is no such class any more."""
        with self._lock:
            found = self._of(code)
            return None if found is None else found.place

    def move(self, code: str, key: str, place: Place) -> None:
        """Take the class to another step.

        Raises:
            InputError: there is no such class, or the key is not its own.
        """
        with self._lock:
            found = self._of(code)
            if found is None or not _fits(found, key):
                raise InputError(f"There is no class {code[:6]!r} that you lead: open a new one.")
            found.place = place

    def led(self, code: str, key: str) -> bool:
        """Whether the key is the one of this class."""
        with self._lock:
            return _fits(self._of(code), key)

    def close(self, code: str, key: str) -> None:
        """End the class, for everybody; nothing without such a class, or with another key."""
        if self.led(code, key):
            with self._lock:
                self._classes.pop(code, None)

    def answer(self, code: str, lesson: str, step: int, voter: str, choice: int) -> None:
        """Count an answer instead of the voter's former one; nothing without such a class, or room in it."""
        with self._lock:
            found = self._of(code)
            if found is None or (lesson, step) != (found.place.lesson, found.place.step):
                return
            given = found.answers.setdefault((lesson, step), {})
            if voter in given or len(given) < MOST_VOTERS:
                given[voter] = choice

    def counts(self, code: str, lesson: str, step: int) -> Counter[int]:
        """Choice -> how many gave it."""
        with self._lock:
            found = self._of(code)
            return Counter() if found is None else Counter(found.answers.get((lesson, step), {}).values())

    def _of(self, code: str) -> _Class | None:
        self._forget()
        found = self._classes.get(code)
        if found is not None:
            found.seen = time.monotonic()
            self._classes.move_to_end(code)
        return found

    def _forget(self) -> None:
        old = time.monotonic() - LIFE
        while self._classes and next(iter(self._classes.values())).seen < old:
            self._classes.popitem(last=False)


def _fits(found: _Class | None, key: str) -> bool:
    return found is not None and secrets.compare_digest(found.key.encode(), key.encode())


def _code() -> str:
    return "".join(secrets.choice(_SIGNS) for _ in range(6))
