"""Runs of path analyses that come with the repository: assets/runs/paths/<name>/header.json and a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stub:
    mean: float
    low: float
    high: float


class Run: ...


def path_runs() -> dict[str, Run]:
    return {}
