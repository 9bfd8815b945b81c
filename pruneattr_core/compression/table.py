"""A compression study as a run: what was measured, in the form of AP's tables 1 to 8, beside AP's figures.

Students that were trained otherwise than AP's stand in a table of their own. Stored as `runs.stored`
describes. Its header holds about, config, members (the networks' cards), published and provenance; its table
one row per figure: table, network, seeds, column, value; its values are those.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.assets import ASSETS
from pruneattr_core.compression.variants import variant_of
from pruneattr_core.errors import StoreError
from pruneattr_core.render.plain import sheet_cell
from pruneattr_core.runs.reading import from_folder
from pruneattr_core.runs.stored import Stored, harmless, write_stored

#: Kind of these runs.
KIND = "compression"
_HEADER = ("about", "config", "members", "published", "provenance")
_PUBLISHED = ASSETS / "published_compression.json"
#: Where the shipped run lies.
RUNS = ASSETS / "runs" / "compression"
#: Name of the table of students that were trained otherwise; AP prints none.
ABLATIONS = "Ablations"
MATCHINGS = {"none": "plain", "ewa": "EWA", "swa": "SWA", "sswa": "SSWA"}

Row = dict[str, Any]
#: table, network, seeds, column.
Key = tuple[str, str, str, str]


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
        left out; those of `variant_of` stand in a table of their own.
    """
    teacher = [one for one in members if one["kind"] == "teacher"]
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    varied: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = {}
    for one in members:
        if one["kind"] != "teacher":
            name, variant = (size_of(one), one["matching"]), variant_of(one, members)
            alike = (
                varied.setdefault(name, {}).setdefault(variant, [])
                if variant
                else groups.setdefault(name, [])
            )
            alike.append(one)
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
        ABLATIONS: _ablations(groups, varied, (*truth, *change)),
    }
    return {name: lines for name, lines in found.items() if lines}


def epochs(study: Mapping[str, Any]) -> float:
    """The longest training of a student in a study; rounds of pruning count one by one."""
    recipes = [card["recipe"] for card in study["members"] if card["kind"] != "teacher"]
    return max((float(recipe["schedule"]["epochs"]) for recipe in recipes), default=0.0)


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


def _ablations(
    groups: Mapping[tuple[str, str], list[Mapping[str, Any]]],
    varied: Mapping[tuple[str, str], Mapping[str, list[Mapping[str, Any]]]],
    columns: Sequence[str],
) -> list[Row]:
    """Students trained otherwise below those trained as AP's are, and plain ones of the same size."""
    rows = []
    for (size, matching), variants in sorted(varied.items()):
        title = f"{size} {MATCHINGS[matching]}"
        usual = {f"{size} plain": groups.get((size, "none")), title: groups.get((size, matching))}
        others = {f"{title}, {variant}": some for variant, some in sorted(variants.items())}
        rows += [_row(name, some, columns) for name, some in (usual | others).items() if some]
    return rows


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


def write_study(folder: Path, content: Mapping[str, Any], timing: Mapping[str, Any]) -> None:
    """Write a run as a new folder, complete or not at all.

    Args:
        folder: its place.
        content: see `read_study`.
        timing: date and the like: what may differ between equal runs.

    Raises:
        StoreError: the folder holds something, or cannot be written.
    """
    write_stored(stored(content, timing), folder)


def stored(content: Mapping[str, Any], timing: Mapping[str, Any]) -> Stored:
    """A study as it is kept; see `write_study`."""
    header = {"benchmark": KIND, **{name: content[name] for name in _HEADER}}
    figures = [figure for name, rows in content["tables"].items() for figure in _figures(name, rows)]
    values = np.array([value for _, value in figures], np.float64)
    return Stored(header, values, _csv([key for key, _ in figures], values), {}, timing)


def read_study(folder: Path) -> dict[str, Any]:
    """The run in a folder, checked: about, config, members, published, provenance, and the tables.

    Raises:
        StoreError: it is missing, too large, changed, or a run of another kind.
    """
    found = from_folder(folder)
    kind = found.header.get("benchmark")
    if kind != KIND:
        raise StoreError(f"The run in {folder.name} holds {harmless(str(kind))!r}, no compression study.")
    missing = [name for name in _HEADER if name not in found.header]
    if missing:
        raise StoreError(f"{folder.name} lacks {', '.join(missing)}: it is damaged.")
    try:
        rows = list(csv.reader(io.StringIO(found.points.decode())))[1:]
        keys: list[Key] = [(row[0], row[1], row[2], row[3]) for row in rows]
        if found.values.shape != (len(keys),) or _csv(keys, found.values) != found.points:
            raise ValueError("the table is not that of its values")
        content = {"tables": _tables(keys, found.values)}
    except (ValueError, IndexError, csv.Error) as error:
        raise StoreError(f"The run in {folder.name} is damaged ({error}): take the original.") from error
    return {name: found.header[name] for name in _HEADER} | content


def _figures(table: str, rows: Sequence[Row]) -> Iterator[tuple[Key, float]]:
    for row in rows:
        seeds = " ".join(map(str, row["seeds"]))
        for column, value in row.items():
            if column not in ("title", "seeds"):
                yield (table, row["title"], seeds, column), value


def _tables(keys: Sequence[Key], values: NDArray[np.float64]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for (table, title, seeds, column), value in zip(keys, values.tolist(), strict=True):
        rows = found.setdefault(table, [])
        if not rows or rows[-1]["title"] != title or column in rows[-1]:
            rows.append({"title": title, "seeds": [int(seed) for seed in seeds.split()]})
        rows[-1][column] = value
    return found


def _csv(keys: Sequence[Key], values: NDArray[np.float64]) -> bytes:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["table", "network", "seeds", "column", "value"])
    table.writerows([*map(sheet_cell, key), value] for key, value in zip(keys, values.tolist(), strict=True))
    return out.getvalue().encode()


def markdown(study: Mapping[str, Any]) -> str:
    """The tables of a run as Markdown, in percent where figures are fractions."""
    lines = [f"# {study['about']}", "", *(f"- {note}" for note in study["config"].get("notes", ())), ""]
    for name, rows in study["tables"].items():
        columns = [key for key in rows[0] if key not in ("title", "seeds") and not key.endswith(".sd")]
        form = name if name == ABLATIONS else f"In the form of {name}"
        lines += [f"## {form}", "", "| network | seeds | " + " | ".join(columns) + " |"]
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


def setting_of(name: str) -> str:
    """Data and network of one of AP's tables, by its name "Table 1" to "Table 12"."""
    elsewhere = {"Table 11": "ImageNet, VGG16", "Table 12": "ImageNet, ResNet34"}
    return elsewhere.get(name, "Pascal VOC 2012, VGG16")


def _published_lines(given: Mapping[str, Any], name: str) -> list[str]:
    columns, rows = published_rows(given, name)
    if not rows:
        return []
    lines = [f"Published ({name}, {setting_of(name)}; not computed here)", ""]
    lines += ["| network | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    return lines + [f"| {title} | " + " | ".join(map(str, figures)) + " |" for title, figures in rows]


def _cell(column: str, value: float, spread: float | None) -> str:
    if column in ("parameters", "parameters_not_0", "flops"):
        return f"{value:,.0f}"
    plain = column == "latency_ms" or column.endswith((".cosine", ".l2"))
    scale, digits = (1, 3) if plain else (100, 2)
    text = f"{scale * value:.{digits}f}"
    return text if spread is None else f"{text} ± {scale * spread:.{digits}f}"
