"""What networks, methods and ways of training are called, in the reader's language where that has a word."""

from __future__ import annotations

from collections.abc import Callable

from pruneattr_core.attribution import METHODS
from pruneattr_core.models import ModelCard
from pruneattr_core.paths.table import METHODS as PATHS

#: A text by its key, in the reader's language, with values put in.
Word = Callable[..., str]


def network_title(card: ModelCard, word: Word) -> str:
    """A network."""
    return _titled(f"network_{card.id}", card.title, word)


def method_title(method: str, word: Word) -> str:
    """A method of attribution, by its key."""
    return _titled(f"method_{method}", METHODS[method].title, word)


def path_title(method: str, word: Word) -> str:
    """A way to choose a path, by its key."""
    return _titled(f"path_{method}", PATHS[method].title, word)


def student_title(way: str, word: Word) -> str:
    """A way to train a student, as runs name it."""
    return _titled(f"student_{way}", way, word)


def _titled(key: str, english: str, word: Word) -> str:
    try:
        return word(key)
    except KeyError:
        return english
