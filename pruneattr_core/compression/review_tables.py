"""Our tables of students and AP's, row beside row; two sets of numbers that are never mixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]

TITLES = {
    "Table 1": "Overview",
    "Table 2": "Distilled: prediction and localisation",
    "Table 3": "Distilled: deformation against the teacher",
    "Table 4": "Weights pruned: prediction and localisation",
    "Table 5": "Weights pruned: deformation against the teacher",
    "Table 6": "Channels pruned: prediction and localisation",
    "Table 7": "Channels pruned: deformation against the teacher",
    "Table 8": "Other attribution methods, smallest distilled students",
    "Ablations": "Matched otherwise: drop rate, beta, layer",
}
#: Our column -> AP's name of it; columns without one stand in our half alone.
COLUMNS = {
    "mAP": "mAP",
    "F1": "F1",
    "gradcam.roc_auc": "AUC",
    "gradcam.point_accuracy": "PointAcc",
    "gradcam.cosine": "cos",
    "gradcam.l2": "l2",
    "parameters": "Params_M",
}
_METHODS = {"gradcam": "GradCAM", "excitation_backprop": "EBP", "lrp_alpha1_beta0": "LRP_a1b0", "rap": "RAP"}
_MATCHINGS = {"plain": ("KD", "Naive"), "EWA": ("EWA",), "SWA": ("SWA",), "SSWA": ("SSWA",)}
_OVERVIEW = {
    "teacher": "Full(Teacher)",
    "Knowledge distillation": "Knowledge Distillation",
    "Structured pruning": "Structured Pruning",
    "Unstructured pruning": "Unstructured Pruning",
    "Knowledge distillation, SSWA": "KD(w/ Ours)",
}
_TEACHERS = ("VGG16/Teacher", "Full", "Full(Teacher)")
#: Columns that are fractions, given in percent as AP does.
_PERCENT = ("mAP", "F1", "mAP_released", "F1_released")


def with_published(name: str, ours: Sequence[Row], published: Mapping[str, Any]) -> list[Row]:
    """One table, ours and AP's in columns of their own; shares in percent, counts in millions.

    Args:
        name: "Table 1" to "Table 8", or "Ablations", which AP does not print.
        ours: rows of `table.tables`.
        published: the content of assets/published_compression.json.

    Returns:
        Rows "network", "seeds", then "<column>, ours" (with "±" for the standard deviation over seeds) and
        "<column>, AP"; shares in percent, counts in millions.
    """
    chapter: Mapping[str, Any] = next(
        (values for key, values in published["tables"].items() if key.split("_")[0] == name.replace(" ", "")),
        {},
    )
    rows = []
    for one in ours:
        row: Row = {"network": one["title"], "seeds": len(one["seeds"])}
        theirs = _published_row(name, one["title"], chapter)
        for column, value in one.items():
            if column in ("title", "seeds") or column.endswith(".sd"):
                continue
            factor, title = _factor(column), label(column, name == "Table 8")
            row[f"{title}, ours"] = factor * value
            if f"{column}.sd" in one:
                row[f"{title} ±"] = factor * one[f"{column}.sd"]
            other = _published_value(name, column, theirs, chapter)
            if other is not None:
                row[f"{title}, AP"] = other
        rows.append(row)
    return rows


def label(column: str, method_named: bool = False) -> str:
    """A column's name for people; Grad-CAM is named where other methods stand beside it."""
    method, _, measure = column.partition(".")
    words = {"roc_auc": "AUC", "point_accuracy": "point", "cosine": "cos", "l2": "l2"}
    if measure:
        plain = method == "gradcam" and not method_named
        return words[measure] if plain else f"{_METHODS.get(method, 'PruneGrad')} {words[measure]}"
    return {
        "parameters": "M parameters",
        "parameters_not_0": "M not zero",
        "flops": "MFLOP",
        "latency_ms": "ms a picture",
        "mAP_released": "mAP as released",
        "F1_released": "F1 as released",
    }.get(column, column)


def _factor(column: str) -> float:
    if column in _PERCENT or column.endswith((".roc_auc", ".point_accuracy")):
        return 100
    return 1e-6 if column in ("parameters", "parameters_not_0", "flops") else 1


def _published_row(name: str, title: str, chapter: Mapping[str, Any]) -> Any:
    if name == "Table 1":
        return chapter.get(_OVERVIEW.get(title, ""))
    if title == "teacher":
        return next((chapter[key] for key in _TEACHERS if key in chapter), None)
    size, _, matching = title.rpartition(" ")
    inside = chapter.get(f"VGG16_{size[1:]}", {}) if size.startswith("/") and name != "Table 8" else chapter
    if name == "Table 8" and size != "/8":
        return None
    return next((inside[key] for key in _MATCHINGS.get(matching, ()) if key in inside), None)


def _published_value(name: str, column: str, row: Any, chapter: Mapping[str, Any]) -> float | None:
    method, _, measure = column.partition(".")
    if name == "Table 8":
        known = row.get(_METHODS.get(method, "")) if isinstance(row, Mapping) else None
        place = {"roc_auc": 0, "point_accuracy": 1}.get(measure)
        return None if known is None or place is None else float(known[place])
    names = chapter.get("cols", [])
    theirs = COLUMNS.get(column)
    if not isinstance(row, Sequence) or theirs not in names:
        return None
    return float(row[names.index(theirs)])
