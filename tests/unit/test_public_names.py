"""Public names are there, stand in the reference, and have examples that run."""

from __future__ import annotations

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

import pruneattr_core

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = re.findall(r"^::: (\S+)$", (DOCS / "reference.md").read_text("utf-8"), re.MULTILINE)


def test_every_public_name_is_there() -> None:
    assert {name: hasattr(pruneattr_core, name) for name in pruneattr_core.__all__} == dict.fromkeys(
        pruneattr_core.__all__, True
    )


def test_the_reference_holds_every_public_name() -> None:
    public = [getattr(pruneattr_core, name) for name in pruneattr_core.__all__]
    assert {f"{one.__module__}.{one.__qualname__}" for one in public} - set(REFERENCE) == set()


@pytest.mark.parametrize("name", REFERENCE)
def test_every_name_of_the_reference_has_an_example_that_runs(name: str) -> None:
    """With no more imported than torch and the package."""
    module, _, last = name.rpartition(".")
    names = {"pruneattr_core": pruneattr_core, "torch": torch}
    one = getattr(import_module(module), last)
    examples = doctest.DocTestFinder(recurse=False).find(one, last, globs=names)
    assert examples
    assert examples[0].examples
    assert doctest.DocTestRunner().run(examples[0]).failed == 0
