"""Arguments that are one of several words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeGuard, TypeVar

Word = TypeVar("Word", bound=str)


def is_one_of(given: Any, words: Collection[Word]) -> TypeGuard[Word]:
    """Whether it is one of these words; an array, which compares with each, is none, nor is a list."""
    return isinstance(given, str) and given in words
