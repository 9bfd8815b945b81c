"""Claims about compression: what attribution matching does to a student, AP tables 2 to 12."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from scipy.special import stdtrit

from pruneattr_core.analysis.interval import Interval
from pruneattr_core.compression.review_tables import beside
from pruneattr_core.reproduction.claim import Claim, Ours

_COLUMNS = ("AUC", "PointAcc", "mAP", "F1", "cos", "l2")
_COMMAND = "python -m pruneattr_core compress zoo && python -m pruneattr_core compress table --out NEW"
#: Tables without a run of ours.
_OUT = {
    "Table 11": "ImageNet with VGG16, weights pruned: needs ImageNet's training pictures and a GPU",
    "Table 12": "ImageNet with ResNet34, channels pruned: needs ImageNet's training pictures and a GPU",
}


def claims(studies: Mapping[str, Mapping[str, Any]], published: Mapping[str, Any]) -> Iterator[Claim]:
    """Matched students against plain ones of the same size.

    Args:
        studies: name -> run of `compress table`.
        published: the content of assets/published_compression.json.
    """
    for name, study in studies.items():
        for table, rows in study["tables"].items():
            if table not in ("Table 1", "Table 8"):  # those repeat figures, or have columns of their own
                yield from _table(name, study, table, beside(table, rows, published))
    for table, why in _OUT.items():
        yield Claim("AP", table.lower(), "Matched students against plain ones", math.nan, math.nan, None, why)


def _table(name: str, study: Mapping[str, Any], table: str, rows: list[dict[str, Any]]) -> Iterator[Claim]:
    by_network = {row["network"]: row for row in rows}
    for network, row in by_network.items():
        size, _, matching = network.rpartition(" ")
        plain = by_network.get(f"{size} plain")
        if plain is None or matching == "plain":
            continue
        for column in _COLUMNS:
            keys = {f"{column}, ours", f"{column}, AP"}
            if not keys <= row.keys() or not keys <= plain.keys():
                continue
            ours = Ours(
                row[f"{column}, ours"], plain[f"{column}, ours"], _difference(row, plain, column), "networks",
                f"compression/{name}", f"{size} {matching}", "shape scenes", _COMMAND,
            )  # fmt: skip
            alone = "" if math.isfinite(ours.difference.low) else "one network each, no interval; "
            yield Claim(
                "AP", table.lower(), f"{column} of {size} students: {matching} against plain",
                row[f"{column}, AP"], plain[f"{column}, AP"], ours,
                f"{alone}shape scenes and a small VGG, short trainings; VOC 2012 and VGG16 in the paper",
            )  # fmt: skip


def _difference(one: Mapping[str, Any], other: Mapping[str, Any], column: str) -> Interval:
    """Of two means over seeds, with Welch's spread; a single network has no interval."""
    mean = float(one[f"{column}, ours"] - other[f"{column}, ours"])
    counts = (one["seeds"], other["seeds"])
    if min(counts) < 2:
        return Interval(mean, math.nan, math.nan, min(counts))
    spreads = [row[f"{column} ±"] ** 2 / n for row, n in zip((one, other), counts, strict=True)]
    half = float(stdtrit(min(counts) - 1, 0.975)) * math.sqrt(sum(spreads))
    return Interval(mean, mean - half, mean + half, min(counts))
