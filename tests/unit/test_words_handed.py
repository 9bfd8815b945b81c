"""An argument that is one of several words: what is none of them is one sentence, and no array passes as one.

A NumPy array compares with each word, so `x in ("zero", "freeze")` is true of `np.array(["zero"])`, raises of
two of them, and is what no key of a table can be.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import networks
import pruneattr_core
from pruneattr_core import PruneGrad, PrunePGD, calibrate, contributions, explain, wrong_class_control
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.attribution.table import METHODS
from pruneattr_core.circuits.replacement import mean_of
from pruneattr_core.circuits.units import unit_contributions
from pruneattr_core.compression.train import Matching
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.paths.greedy import greedy_paths

ROOT = Path(pruneattr_core.__file__).parent
#: From a right word, what is no word.
NO_WORD: dict[str, Callable[[str], Any]] = {
    "one in an array": lambda word: np.array([word]),
    "an array without dimensions": np.array,
    "two": lambda word: np.array([word, word]),
    "a list": lambda word: [word],
    "a set": lambda word: {word},
    "bytes": str.encode,
    "a number": len,
    "a tensor": lambda word: torch.tensor([1.0, 2.0]),
    "another": "no {}".format,
}
ASK: dict[str, tuple[str, Callable[[nn.Module, Tensor, Any], Any]]] = {
    "mode of a sweep": ("zero", lambda m, x, word: PruneGrad(m).sweep(x, 1, sparsities=[0.5], mode=word)),
    "contribution of a sweep": (
        "taylor",
        lambda m, x, word: PruneGrad(m).sweep(x, 1, sparsities=[0.5], contribution=word),
    ),
    "mode of PrunePGD": ("zero", lambda m, x, word: PrunePGD(m).attribute(x, 1, mode=word)),
    "share": ("contributing", lambda m, x, word: PruneGrad(m).attribute(x, 1, sparsity=0.5, of=word)),
    "ties": ("drop", lambda m, x, word: contributions(m, x, 1).path(0.5, ties=word)),
    "method of scores": ("taylor", lambda m, x, word: contributions(m, x, 1, word)),
    "method": ("saliency", lambda m, x, word: explain(m, x, 1, word)),
    "head": ("softmax", lambda m, x, word: explain(m, x, 1, head=word)),
    "method of a control": ("taylor", lambda m, x, word: wrong_class_control(m, x, contribution=word)),
    "method of a calibration": ("taylor", lambda m, x, word: calibrate(m, [x], method=word)),
    "condition": ("score", lambda m, x, word: greedy_paths(m, x, [0.5], condition=word)),
    "unit": ("channel", lambda m, x, word: unit_contributions(m, x, 1, unit=word)),
    "unit of a mean": ("channel", lambda m, x, word: mean_of(m, [x], word)),
    "rule of a map": ("sum", lambda m, x, word: collapse(torch.rand(1, 3, 8, 8), word)),
    "matching": ("ewa", lambda m, x, word: Matching(word)),
    "data set": ("scenes", lambda m, x, word: load_dataset(word)),
}


@pytest.mark.parametrize("given", NO_WORD)
@pytest.mark.parametrize("what", ASK)
def test_what_is_no_word_is_one_sentence(what: str, given: str) -> None:
    word, ask = ASK[what]
    with pytest.raises(PruneAttrError):
        ask(networks.network("plain"), networks.inputs(2), NO_WORD[given](word))


@pytest.mark.parametrize("given", NO_WORD)
def test_every_choice_of_every_method_is_a_word(given: str) -> None:
    choices = [
        (one, name) for one in METHODS for name, o in METHODS[one].options.items() if o.kind == "choice"
    ]
    assert len(choices) > 20
    for method, name in choices:
        word = METHODS[method].options[name].choices[0]
        with pytest.raises(PruneAttrError, match=f"Expected {name} in "):
            explain(networks.network("plain"), networks.inputs(1), 1, method, **{name: NO_WORD[given](word)})


def _asked(tree: ast.AST) -> Iterator[ast.Compare]:
    """Arguments that are looked for in a collection, and refused where they are not there."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or function.name.startswith("_parsed"):
            continue
        own = {one.arg for one in (*function.args.args, *function.args.kwonlyargs)}
        for inside in ast.walk(function):
            said = "".join(map(ast.unparse, inside.body)) if isinstance(inside, ast.If) else ""
            if "raise InputError" in said and "Expected" in said:
                for one in ast.walk(inside.test):  # type: ignore[attr-defined]
                    if isinstance(one, ast.Compare) and isinstance(one.ops[0], ast.NotIn):
                        left = one.left
                        field = isinstance(left, ast.Attribute) and getattr(left.value, "id", "") == "self"
                        if field or (isinstance(left, ast.Name) and left.id in own):
                            yield one


def test_no_argument_is_looked_for_among_words_as_it_is() -> None:
    """`is_one_of` asks for a text first."""
    found = [
        f"{path.relative_to(ROOT)}:{one.lineno} {ast.unparse(one)}"
        for path in sorted(ROOT.rglob("*.py"))
        if "ui" not in path.relative_to(ROOT).parts
        for one in _asked(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []
