"""Whoever is told how far the work is can be called: anything else is refused before the work begins."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest

import pruneattr_core
from pruneattr_core.errors import ArgumentTypeError


def _telling() -> Iterator[Any]:
    """Every public function, method and value of the library that takes `progress`."""
    for module in walk_packages(pruneattr_core.__path__, "pruneattr_core."):
        if ".ui" in module.name or module.name.endswith(("__main__", ".watch")):
            continue  # pages hand in their own; `watch` is what is behind `explain`
        for one in vars(import_module(module.name)).values():
            if getattr(one, "__module__", None) != module.name or getattr(one, "__name__", "_")[0] == "_":
                continue
            members = [one, *vars(one).values()] if isinstance(one, type) else [one]
            for member in members:
                named = getattr(member, "__name__", "_")
                public = named == "__call__" or not named.startswith("_")
                if callable(member) and public and "progress" in _parameters(member):
                    yield member


def _parameters(one: Any) -> dict[str, inspect.Parameter]:
    with suppress(ValueError):  # errors made in C say nothing of theirs
        return dict(inspect.signature(one).parameters)
    return {}


TELLING = {one.__qualname__: one for one in _telling()}


@pytest.mark.parametrize("name", list(TELLING))
def test_what_cannot_be_called_is_refused_at_once(name: str) -> None:
    """Before anything else is looked at: all other arguments are nothing that it could work with."""
    parameters = _parameters(TELLING[name]).values()
    needed: dict[str, Any] = {
        one.name: None
        for one in parameters
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    }
    for wrong in (5, "bar", True):
        with pytest.raises(ArgumentTypeError, match=r"Expected progress as a function .* got"):
            TELLING[name](**{**needed, "progress": wrong})


def test_they_are_found() -> None:
    assert {"explain", "compare", "PruneGrad.sweep", "calibrate", "Search", "load_model"} <= TELLING.keys()
    assert len(TELLING) >= 30
