"""The shipped teacher and its students, as their cards tell it; nothing is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pruneattr_core.assets import ASSETS

#: Where cards and weights lie.
STUDENTS = ASSETS / "students"
_KINDS = ("teacher", "distil", "unstructured", "structured")
_MATCHINGS = ("none", "ewa", "swa", "sswa")


@dataclass(frozen=True)
class Member:
    """One network of a family.

    Attributes:
        id: what `load_model` takes.
        title: for people.
        kind: "teacher", "distil", "unstructured" or "structured".
        matching: "none", "ewa", "swa" or "sswa".
        seed: of its training.
        parameters: number of weights, zeros included.
        flops: floating-point operations for one picture (a multiplication and an addition are two).
        bytes: of the weights file.
        measured: what was measured on test pictures: mAP, F1, ..., and "maps": method -> measure -> mean.
        kept: channels kept by structured pruning, per convolution.
        rounds: iterative pruning, one entry a round: removed, dead_share.
        teacher: id of its teacher, "" for a teacher.
    """

    id: str
    title: str
    kind: str
    matching: str
    seed: int
    parameters: int
    flops: int
    bytes: int
    measured: Mapping[str, Any]
    kept: Mapping[str, list[int]]
    rounds: tuple[Mapping[str, float], ...]
    teacher: str


def members(folder: Path = STUDENTS) -> tuple[Member, ...]:
    """Every network whose card and weights are in `folder`: teachers, then students by kind and matching."""
    found = [_member(file, file.stat().st_mtime_ns) for file in sorted(folder.glob("*.json"))]
    known = [one for one in found if one is not None]
    return tuple(sorted(known, key=_order))


def teachers(folder: Path = STUDENTS) -> tuple[Member, ...]:
    """Networks that others were compressed from."""
    return tuple(one for one in members(folder) if one.kind == "teacher")


def students(teacher: str, folder: Path = STUDENTS) -> tuple[Member, ...]:
    """Networks compressed from `teacher`."""
    return tuple(one for one in members(folder) if one.teacher == teacher)


def _order(one: Member) -> tuple[int, int, int, int]:
    return _KINDS.index(one.kind), -one.parameters, one.seed, _MATCHINGS.index(one.matching)


@lru_cache(maxsize=256)
def _member(file: Path, changed: int) -> Member | None:
    """The member of a card; None for a file that is none, or whose weights are not there."""
    try:
        card = json.loads(file.read_text("utf-8"))
        if not file.with_name(Path(card["file"]).name).is_file():
            return None
        member = Member(
            id=str(card["id"]),
            title=str(card["title"]),
            kind=str(card["kind"]),
            matching=str(card["matching"]),
            seed=int(card["seed"]),
            parameters=int(card["parameters"]),
            flops=int(card["flops"]),
            bytes=int(card["bytes"]),
            measured=MappingProxyType(card.get("measured", {})),
            kept=MappingProxyType(card.get("kept", {})),
            rounds=tuple(card.get("rounds", ())),
            teacher=str(card.get("teacher", "")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return member if member.kind in _KINDS and member.matching in _MATCHINGS else None
