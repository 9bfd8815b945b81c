"""Students whose recipe is not AP's, of one size and matching: an ablation of drop rate, beta or layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pruneattr_core.compression.matching import BETA, DROP, MASKS

Card = Mapping[str, Any]


def variant_of(card: Card, members: Sequence[Card]) -> str:
    """What a student's matching has other than AP's, in words; "" for AP's own.

    Args:
        card: of the student.
        members: of the study; the layer that most distilled students match is the usual one.
    """
    recipe, kind = card["recipe"], card["matching"]
    if card["kind"] != "distil" or kind == "none":
        return ""
    usual = Counter(_layers(one) for one in members if one["kind"] == "distil").most_common(1)[0][0]
    said = []
    if kind == "sswa" and recipe.get("drop", DROP) != DROP:
        said.append(f"drop {recipe['drop']:g}")
    if recipe.get("beta", BETA[kind]) != BETA[kind]:
        said.append(f"beta {recipe['beta']:g}")
    if _layers(card) != usual:
        said.append(" ".join(_layers(card)))
    if kind == "sswa" and recipe.get("masks", MASKS[0]) != MASKS[0]:
        said.append(f"{recipe['masks']} masks")
    return ", ".join(said)


def _layers(card: Card) -> tuple[str, ...]:
    """The layers it matches; older cards have one."""
    recipe = card["recipe"]
    return tuple(recipe["layers"]) if "layers" in recipe else (recipe.get("layer", ""),)
