"""What training scripts keep beside the tensors of a checkpoint is never made: something empty stands for it.

A best accuracy of NumPy, a path, a date, the settings of a library of configurations: torch's reader of
weights refuses a file for each. It is told to put a value of this file in their place, so nothing that the
file names is imported or called.
"""

from __future__ import annotations

import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any


class Nothing:
    """In the place of a number, an array, a path, a date or an object of any library; may be a key."""

    def __init__(self, *_: object) -> None:
        """Whatever it was made of is dropped."""

    def __setstate__(self, _: object) -> None:
        """Drop what it held, too."""


class _Settings:
    """In the place of an object that is filled as a dict is."""

    def __new__(cls, *_: object) -> Any:
        return OrderedDict()


class _Items:
    """In the place of one that is filled as a list is."""

    def __new__(cls, *_: object) -> Any:
        return []


_KNOWN: dict[str, Any] = {
    **dict.fromkeys((f"numpy.{name}" for name in ("dtype", "ndarray")), Nothing),
    **dict.fromkeys((f"numpy.{at}.multiarray.scalar" for at in ("core", "_core")), Nothing),
    **dict.fromkeys((f"numpy.{at}.multiarray._reconstruct" for at in ("core", "_core")), Nothing),
    **dict.fromkeys(
        (f"pathlib{at}.{kind}Path" for at in ("", "._local") for kind in ("Posix", "Windows")), Nothing
    ),
    **dict.fromkeys(
        (f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")), Nothing
    ),
    **dict.fromkeys(
        (f"builtins.{name}" for name in ("list", "dict", "int", "float", "str", "tuple")), Nothing
    ),
    **dict.fromkeys((f"builtins.{name}" for name in ("slice", "range", "frozenset")), Nothing),
    **dict.fromkeys(("uuid.UUID", "decimal.Decimal", "fractions.Fraction", "types.SimpleNamespace"), Nothing),
    "collections.deque": _Items,
    "collections.defaultdict": _Settings,
    "argparse.Namespace": Namespace,
}


_FILLED: dict[type | None, type] = {dict: _Settings, list: _Items}


def stand_ins(names: Iterable[str], filled: Mapping[str, type] | None = None) -> list[tuple[Any, str]]:
    """What `torch.serialization.safe_globals` takes: (stand-in, name with dots) for each that has one.

    None have what the standard library, NumPy and torch offer beyond plain values: a file that names
    these stays refused, as does a whole pickled network.

    Args:
        names: "module name", as `pickles.globals_in` tells them.
        filled: those whose objects are filled, as it tells them: the reader takes a dict or a list there.
    """
    found: list[tuple[Any, str]] = []
    for given in names:
        module, _, name = given.partition(" ")
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        dotted = f"{module}.{name}"
        if dotted in _KNOWN:
            found.append((_KNOWN[dotted], dotted))
        elif _of_a_library(module):
            found.append((_FILLED.get((filled or {}).get(given), Nothing), dotted))
    return found


def _of_a_library(module: str) -> bool:
    top = module.partition(".")[0]
    own = {"numpy", "torch", "torchvision", "pruneattr_core"}
    return top not in sys.stdlib_module_names | own | IMPORT_MAPPING.keys()  # Python 2 had others
