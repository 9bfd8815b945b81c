"""All claims, from the runs that come along, and the same as Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pruneattr_core.analysis.study_run import read_study as read_paths
from pruneattr_core.assets import ASSETS, published
from pruneattr_core.benchmarks.run import read_run
from pruneattr_core.compression.table import read_study as read_compression
from pruneattr_core.reproduction import benchmarks, compression, paths, side_by_side
from pruneattr_core.reproduction.claim import OUT, Claim
from pruneattr_core.runs.stored import HEADER

COLUMNS = ("paper", "where", "what", "published", "ours", "difference", "verdict", "differs", "run")


def all_claims(runs: Path = ASSETS / "runs") -> list[Claim]:
    """Every row, in the order of the papers' figures.

    Args:
        runs: the folder with bench, paths and compression in it.

    Raises:
        StoreError: a run is damaged.
    """
    bench = {file.parent.name: read_run(file.parent) for file in sorted(runs.glob(f"bench/*/{HEADER}"))}
    studies = {file.parent.name: read_paths(file.parent) for file in sorted(runs.glob(f"paths/*/{HEADER}"))}
    tables = {
        file.parent.name: read_compression(file.parent)
        for file in sorted(runs.glob(f"compression/*/{HEADER}"))
    }
    return [
        *benchmarks.claims(bench, published("published_benchmarks")),
        *paths.claims(studies, published("published")["critical_paths"]),
        *compression.claims(tables, published("published_compression")),
        *side_by_side.claims(),
    ]


def texts(claim: Claim) -> dict[str, str]:
    """A row as text, by `COLUMNS`."""
    ours, found = "no run", ""
    if claim.ours is not None:
        one = claim.ours
        ours = f"{one.first:.4g}" if claim.tolerance else f"{one.first:.4g} against {one.second:.4g}"
        found = f"{one.difference.mean:+.3g}"
        if math.isfinite(one.difference.low):
            found += f" [{one.difference.low:+.3g}, {one.difference.high:+.3g}]"
        found += f" n = {one.difference.n} {one.per}"
    published = " against ".join(
        f"{value:.4g}" for value in (claim.first, claim.second) if math.isfinite(value)
    )
    run = "" if claim.ours is None else claim.ours.run
    values = (claim.paper, claim.where, claim.text, published, ours, found, claim.verdict, claim.differs, run)
    return dict(zip(COLUMNS, values, strict=True))


def markdown(claims: Sequence[Claim]) -> str:
    """A heading with the count of verdicts, then one table."""
    counts = Counter(claim.verdict for claim in claims)
    told = ", ".join(f"{verdict}: {count}" for verdict, count in counts.most_common())
    lines = [
        f"{len(claims)} claims, {len(claims) - counts[OUT]} of them with ours. {told}.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    lines += [
        "| " + " | ".join(text.replace("|", "/") for text in texts(claim).values()) + " |" for claim in claims
    ]
    return "\n".join(lines) + "\n"
