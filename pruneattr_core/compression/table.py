"""A compression study as a run: what was measured, in the form of AP's tables 1 to 8, beside AP's figures.

A run is one JSON file. Its `sha256` is over everything else in it, so that a changed file is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pruneattr_core.assets import ASSETS
from pruneattr_core.errors import StoreError
from pruneattr_core.store import write_atomically

FORMAT = 1
_PUBLISHED = ASSETS / "published_compression.json"
#: Where the shipped run lies.
RUNS = ASSETS / "runs" / "compression"
MATCHINGS = {"none": "plain", "ewa": "EWA", "swa": "SWA", "sswa": "SSWA"}
_SIZE_LIMIT = 8 << 20

Row = dict[str, Any]


def published() -> dict[str, Any]:
    """AP's tables as printed; never ours."""
    found: dict[str, Any] = json.loads(_PUBLISHED.read_text("utf-8"))
    return found


def tables(members: Sequence[Mapping[str, Any]]) -> dict[str, list[Row]]:
    """Rows in the form of AP's tables: means over the seeds that were trained, with sd where several were.

    Args:
        members: cards with "measured", the teacher's among them; students of one teacher.

    Returns:
        Table name -> rows; figures are fractions, parameters a count. Rows whose students do not exist are
        left out.
    """
    teacher = [one for one in members if one["kind"] == "teacher"]
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in members:
        if one["kind"] != "teacher":
            groups.setdefault((size_of(one), one["matching"]), []).append(one)
    sizes = sorted({size for size, _ in groups})
    distilled = [size for size in sizes if size.startswith("/")]
    smallest = max(distilled, key=lambda size: int(size[1:]), default="")

    def rows(size: str, columns: Sequence[str]) -> list[Row]:
        return [
            _row(f"{size} {MATCHINGS[matching]}", groups[size, matching], columns)
            for matching in MATCHINGS
            if (size, matching) in groups
        ]

    truth = ("mAP", "F1", "mAP_released", "F1_released", "gradcam.roc_auc", "gradcam.point_accuracy")
    change = ("gradcam.cosine", "gradcam.l2")
    first = _row("teacher", teacher, truth) if teacher else None
    named = {
        "Knowledge distillation": (smallest, "none"),
        "Structured pruning": ("structured", "none"),
        "Unstructured pruning": ("unstructured", "none"),
        "Knowledge distillation, SSWA": (smallest, "sswa"),
    }
    overview = ("parameters", "parameters_not_0", "flops", "latency_ms", *truth[4:])
    found = {
        "Table 1": [
            *([_row("teacher", teacher, overview)] if teacher else []),
            *(_row(name, groups[key], overview) for name, key in named.items() if key in groups),
        ],
        "Table 2": _after(first, [row for size in distilled for row in rows(size, truth)]),
        "Table 3": [row for size in distilled for row in rows(size, change)],
        "Table 4": _after(first, rows("unstructured", truth)),
        "Table 5": rows("unstructured", change),
        "Table 6": _after(first, rows("structured", truth)),
        "Table 7": rows("structured", change),
        "Table 8": _by_method(teacher, groups, smallest),
    }
    return {name: lines for name, lines in found.items() if lines}


def size_of(card: Mapping[str, Any]) -> str:
    """Kind of a student; "/8" for a distilled one with 1/8 of the channels."""
    return f"/{card['recipe']['divisor']}" if card["kind"] == "distil" else str(card["kind"])


def _after(first: Row | None, rows: list[Row]) -> list[Row]:
    return [first, *rows] if first and rows else rows


def _by_method(
    teacher: list[Mapping[str, Any]],
    groups: Mapping[tuple[str, str], list[Mapping[str, Any]]],
    size: str,
) -> list[Row]:
    methods = sorted({name for one in teacher for name in one["measured"]["maps"]})
    columns = [f"{name}.{measure}" for name in methods for measure in ("roc_auc", "point_accuracy")]
    chosen = [("teacher", teacher)]
    chosen += [
        (f"{size} {MATCHINGS[name]}", groups[size, name]) for name in MATCHINGS if (size, name) in groups
    ]
    return [_row(title, some, columns) for title, some in chosen if some]


def _row(title: str, some: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Row:
    row: Row = {"title": title, "seeds": sorted(one["seed"] for one in some)}
    for column in columns:
        values = [_value(one, column) for one in some]
        mean = sum(values) / len(values)
        row[column] = mean
        if len(values) > 1:
            row[f"{column}.sd"] = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return row


def _value(card: Mapping[str, Any], column: str) -> float:
    if column in ("parameters", "parameters_not_0", "flops"):
        return float(card[column])
    method, _, measure = column.partition(".")
    if not measure:
        return float(card["measured"][column])
    return float(card["measured"]["maps"][method][measure].get("mean", math.nan))


def write_study(file: Path, content: Mapping[str, Any]) -> None:
    """Write a run; an existing one is never overwritten.

    Raises:
        StoreError: the file exists or cannot be written.
    """
    if file.exists():
        raise StoreError(f"{file} exists already, and runs are never overwritten: choose another --out.")
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = {"format": FORMAT, **content}
    write_atomically(file, _json({**whole, "sha256": _hash(whole)}))


def read_study(file: Path) -> dict[str, Any]:
    """The run in a file, checked.

    Raises:
        StoreError: it is missing, too large, changed or of another format.
    """
    try:
        if file.stat().st_size > _SIZE_LIMIT:
            raise StoreError(f"{file.name} is too large to be a compression run.")
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{file.name} is no compression run ({str(error)[:80]}).") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise StoreError(f"{file.name} is no compression run of format {FORMAT}.")
    expected = {"about", "config", "members", "tables", "published", "provenance"}
    if not expected <= set(content):
        raise StoreError(f"{file.name} lacks {', '.join(sorted(expected - set(content)))}: it is damaged.")
    if content.pop("sha256", None) != _hash(content):
        raise StoreError(f"{file.name} was changed after it was made: take the original.")
    return content


def markdown(study: Mapping[str, Any]) -> str:
    """The tables of a run as Markdown, in percent where figures are fractions."""
    lines = [f"# {study['about']}", "", *(f"- {note}" for note in study["config"].get("notes", ())), ""]
    for name, rows in study["tables"].items():
        columns = [key for key in rows[0] if key not in ("title", "seeds") and not key.endswith(".sd")]
        lines += [f"## In the form of {name}", "", "| network | seeds | " + " | ".join(columns) + " |"]
        lines.append("|---|---|" + "---|" * len(columns))
        for row in rows:
            cells = [_cell(column, row[column], row.get(f"{column}.sd")) for column in columns]
            lines.append(f"| {row['title']} | {len(row['seeds'])} | " + " | ".join(cells) + " |")
        lines += ["", *_published_lines(study["published"], name), ""]
    return "\n".join(lines)


def published_rows(given: Mapping[str, Any], name: str) -> tuple[list[str], list[tuple[str, list[Any]]]]:
    """Columns and (title, figures) of one of AP's tables, by its name "Table 1" to "Table 12"."""
    tables = {key.partition("_")[0]: rows for key, rows in given["tables"].items()}
    found = tables.get(name.replace(" ", ""), {"cols": []})
    rows: list[tuple[str, list[Any]]] = []
    for title, figures in found.items():
        if isinstance(figures, dict):
            rows += [(f"{title} {inner}", list(values)) for inner, values in figures.items()]
        elif title != "cols":
            rows.append((title, list(figures)))
    return list(found["cols"]), rows


def _published_lines(given: Mapping[str, Any], name: str) -> list[str]:
    columns, rows = published_rows(given, name)
    if not rows:
        return []
    lines = [f"Published ({name}, Pascal VOC 2012, VGG16; not computed here)", ""]
    lines += ["| network | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    return lines + [f"| {title} | " + " | ".join(map(str, figures)) + " |" for title, figures in rows]


def _cell(column: str, value: float, spread: float | None) -> str:
    if column in ("parameters", "parameters_not_0", "flops"):
        return f"{value:,.0f}"
    plain = column == "latency_ms" or column.endswith((".cosine", ".l2"))
    scale, digits = (1, 3) if plain else (100, 2)
    text = f"{scale * value:.{digits}f}"
    return text if spread is None else f"{text} ± {scale * spread:.{digits}f}"


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _json(content: Mapping[str, Any]) -> bytes:
    """Keys in their own order, which is that of the columns."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
