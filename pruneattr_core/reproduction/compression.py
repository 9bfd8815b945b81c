"""Claims about compression: what attribution matching does to a student, AP tables 2 to 12."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from pruneattr_core.analysis.interval import Interval
from pruneattr_core.compression.review_tables import with_published
from pruneattr_core.compression.table import epochs, size_of
from pruneattr_core.compression.variants import variant_of
from pruneattr_core.reproduction.claim import Claim, Ours

_COLUMNS = ("AUC", "PointAcc", "mAP", "F1", "cos", "l2")
_COMMAND = "python -m pruneattr_core compress zoo && python -m pruneattr_core compress table --out NEW"
_STUDENTS = "PYTHONPATH=. python perf/students.py"
#: Tables without a run of ours.
_OUT = {
    "Fig. 7": "its figures are not in the material at hand, so there is nothing to set ours beside",
    "Table 11": "ImageNet with VGG16, weights pruned: needs ImageNet's training pictures and a GPU",
    "Table 12": "ImageNet with ResNet34, channels pruned: needs ImageNet's training pictures and a GPU",
}
#: AP's names of what was compressed without matching -> ours, and those of the methods.
_KINDS = {"KD": "distil", "Structured": "structured", "Unstructured": "unstructured"}
_METHODS = {"GradCAM": "gradcam", "EBP": "excitation_backprop", "LRP_a1b0": "lrp_alpha1_beta0", "RAP": "rap"}
_MEASURES = {"AUC": "roc_auc", "PointAcc": "point_accuracy"}


def claims(studies: Mapping[str, Mapping[str, Any]], published: Mapping[str, Any]) -> Iterator[Claim]:
    """Matched students against plain ones of the same size.

    A claim is judged by the study whose students learnt longest; one with several networks on each side, and
    so an interval, goes before one with one.

    Args:
        studies: name -> run of `compress table`.
        published: the content of assets/published_compression.json.
    """
    found: dict[tuple[str, str], Claim] = {}
    for name, study in sorted(studies.items(), key=lambda one: epochs(one[1])):
        for claim in _of_study(name, study, published):
            before = found.get((claim.where, claim.text))
            if before is None or _weight(claim) >= _weight(before):
                found[claim.where, claim.text] = claim
    yield from sorted(found.values(), key=_place)
    for table, why in _OUT.items():
        yield Claim("AP", table.lower(), "Matched students against plain ones", math.nan, math.nan, None, why)


def _of_study(name: str, study: Mapping[str, Any], published: Mapping[str, Any]) -> Iterator[Claim]:
    for table, rows in study["tables"].items():
        if table not in ("Table 1", "Table 8"):  # those repeat figures, or have columns of their own
            yield from _table(name, study, table, with_published(table, rows, published))
    yield from _by_method(name, study, published["tables"])
    yield from _by_rate(name, study)


def _place(claim: Claim) -> tuple[bool, int]:
    """Figures after tables, each by its number; rows of several studies stand in one."""
    return claim.where.startswith("fig"), int(re.findall(r"\d+", claim.where)[-1])


def _weight(claim: Claim) -> int:
    """0 without figures of ours, 1 with one network on a side, 2 with an interval."""
    return 0 if claim.ours is None else 1 + math.isfinite(claim.ours.difference.low)


def _command(study: Mapping[str, Any]) -> str:
    students = [card for card in study["members"] if card["kind"] != "teacher"]
    if {card.get("versions", {}).get("device", "cpu") for card in students} != {"cpu"}:
        return f"{_STUDENTS} --device cuda --out NEW"
    if any(variant_of(card, students) for card in students):
        return f"{_STUDENTS} --ablations --epochs {epochs(study):g} --out NEW"
    if {card["kind"] for card in students} != {"distil"}:
        return _COMMAND
    sizes = {card["recipe"]["divisor"] for card in students}
    if len(sizes) == 1:  # of the shipped family's students there are several sizes
        return f"{_STUDENTS} --only=-x{sizes.pop()}- --epochs {epochs(study):g} --out NEW"
    return _COMMAND


def _differs(cards: Sequence[Mapping[str, Any]], alone: bool = False) -> str:
    """What is otherwise than in the paper; `cards` are of the students compared."""
    recipes = [card["recipe"] for card in cards if card["kind"] != "teacher"]
    learnt = max((one["schedule"]["epochs"] * one.get("rounds", 1) for one in recipes), default=0)
    words = f"shape scenes and a small VGG, at most {learnt:g} epochs; VOC 2012, VGG16 in the paper"
    return f"one network each, no interval; {words}" if alone else words


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
                f"compression/{name}", f"{size} {matching}", "shape scenes", _command(study),
            )  # fmt: skip
            alone = not math.isfinite(ours.difference.low)
            yield Claim(
                "AP", table.lower(), f"{column} of {size} students: {matching} against plain",
                row[f"{column}, AP"], plain[f"{column}, AP"], ours,
                _differs([card for card in study["members"] if size_of(card) == size], alone),
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


def _by_method(name: str, study: Mapping[str, Any], tables: Mapping[str, Any]) -> Iterator[Claim]:
    """AP tables 1 and 8 to 10: what compression does to every method's maps, and what matching then does."""
    teacher = [card for card in study["members"] if card["kind"] == "teacher"]
    groups = {kind: _smallest(study["members"], kind, "none") for kind in _KINDS.values()}
    for measure, key in _MEASURES.items():
        table = "Table9_AUC_by_attr" if measure == "AUC" else "Table10_PointAcc_by_attr"
        where = f"tables 1 and {table.partition('_')[0].removeprefix('Table')}"
        for place, (title, method) in enumerate(_METHODS.items()):
            for kind, cards in ((known, groups[one]) for known, one in _KINDS.items()):
                text = f"{measure} of {title}: {kind} against the teacher"
                figures = tables[table][kind][place], tables[table]["Full"][place]
                yield _cards(name, study, where, text, figures, cards, teacher, method, key)
            matched = _smallest(study["members"], "distil", "sswa")
            known, column = tables["Table8_other_methods_VGG8_KD"], list(_MEASURES).index(measure)
            figures = known["SSWA"][title][column], known["Naive"][title][column]
            text = f"{measure} of {title}, smallest distilled students: SSWA against plain"
            yield _cards(name, study, "table 8", text, figures, matched, groups["distil"], method, key)


def _smallest(members: Sequence[Mapping[str, Any]], kind: str, matching: str) -> list[Mapping[str, Any]]:
    """Students of a kind and a matching, one a seed; of distilled ones the smallest."""
    found = [card for card in members if card["kind"] == kind and card["matching"] == matching]
    smallest = min((card["parameters"] for card in found), default=0)
    return [card for card in found if card["parameters"] == smallest]


def _cards(
    name: str,
    study: Mapping[str, Any],
    where: str,
    text: str,
    figures: tuple[float, float],
    cards: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
    method: str,
    measure: str,
) -> Claim:
    def values(some: Sequence[Mapping[str, Any]]) -> list[float]:
        found = [card["measured"]["maps"].get(method, {}).get(measure, {}).get("mean") for card in some]
        return [100 * one for one in found if one is not None]

    ours, theirs = values(cards), values(others)
    if not ours or not theirs:
        return Claim("AP", where, text, *figures, None, "the study holds no such students")
    gap = _welch(ours, theirs)
    found = Ours(
        sum(ours) / len(ours), sum(theirs) / len(theirs), gap, "networks", f"compression/{name}",
        str(cards[0]["title"]), "shape scenes", _command(study),
    )  # fmt: skip
    return Claim("AP", where, text, *figures, found, _differs(cards, not math.isfinite(gap.low)))


def _welch(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Difference of two means over networks, with Welch's spread; a side with one network counts without."""
    gap, sides = sum(ours) / len(ours) - sum(theirs) / len(theirs), [ours, theirs]
    several = [side for side in sides if len(side) > 1]
    if not several:
        return Interval(gap, math.nan, math.nan, 1)
    half = float(stdtrit(min(map(len, several)) - 1, 0.975)) * math.sqrt(
        sum(float(np.var(side, ddof=1)) / len(side) for side in several)
    )
    return Interval(gap, gap - half, gap + half, min(map(len, several)))


def _by_rate(name: str, study: Mapping[str, Any]) -> Iterator[Claim]:
    """AP fig. 3: what matching does while ever more weights go; here after the last round."""
    cards = [card for card in study["members"] if card["kind"] == "unstructured"]
    rounds = {
        card["matching"]: card["rounds"][-1] for card in cards if "cosine" in (card.get("rounds") or [{}])[-1]
    }
    for column, sign in (("mAP", 1), ("roc_auc", 1), ("cosine", 1), ("l2", -1)):
        text = f"{column} after the last round of pruning: SSWA against plain"
        if not {"none", "sswa"} <= rounds.keys():
            why = (
                "the shipped students were pruned without --measured; `compress unstructured --measured 500`"
            )
            yield Claim("AP", "fig. 3", text, math.nan, math.nan, None, why, sign)
            continue
        one, other = rounds["sswa"][column], rounds["none"][column]
        gap = Interval(one - other, math.nan, math.nan, 1)
        ours = Ours(
            one, other, gap, "networks", f"compression/{name}", "pruned VGG", "shape scenes", _command(study)
        )
        yield Claim(
            "AP", "fig. 3", text, math.nan, math.nan, ours, f"a curve in the paper; {_differs(cards)}", sign
        )
