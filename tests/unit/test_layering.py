"""The order of the code: who may import whom, how long a file may be, what is required."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import pruneattr_core

ROOT = Path(__file__).resolve().parents[2]
CORE = "pruneattr_core"

#: Each row may import from itself and from the rows above it.
ORDER = (
    (
        "errors",
        "likeness",
        "registry",
        "assets",
        "store",
        "selection",
        "fitness",
        "heads",
        "response",
        "values",
    ),
    ("activations", "opening", "flow", "tape", "runtime", "checks", "graph", "runs"),
    ("images", "render", "shapes", "painting", "scenes", "datasets", "models"),
    ("muon", "descent", "training", "recipes"),
    ("scoring", "pruning"),
    ("paths",),
    ("attribution", "analysis", "circuits"),
    ("benchmarks", "compression"),
