"""`shapley`: Shapley values of one layer's units, exact or sampled, beside the scores that are cheap."""

from __future__ import annotations

import argparse

from scipy.stats import spearmanr

from pruneattr_core.circuits.shapley import MOST_EXACT, Game, cheaper_scores, exact_shapley, sampled_shapley
from pruneattr_core.commands.arguments import show, whole
from pruneattr_core.commands.keeping import Record, add_keeping, keep, kept, over_pictures
from pruneattr_core.commands.pictures import add_pictures, open_pictures
from pruneattr_core.commands.replacing import add_replacement, replacement_of
from pruneattr_core.errors import InputError
from pruneattr_core.scoring import contributions

__all__ = ["add_arguments", "kept", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `shapley`."""
    add_pictures(parser, 1)
    add_replacement(parser)
    add_keeping(parser)
    parser.add_argument("--layer", help="name of the activation call (default the last but one)")
    parser.add_argument(
        "--unit", choices=("channel", "neuron"), default="channel", help="what takes part (default channel)"
    )
    parser.add_argument(
        "--orders", type=whole(2), default=64,
        help=f"pairs of orders drawn where there are more than {MOST_EXACT} units (default %(default)s)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Print the values of the strongest units, and how the cheap scores rank all of them."""
    opened, indices = open_pictures(arguments)
    records = over_pictures(arguments, opened, indices, _picture)
    lines = [line for record in records for line in _said(record)]
    keep(
        arguments,
        opened,
        indices,
        {
            (str(index), record["layer"], f"{record['unit']} {unit}"): [
                float(record["exact"]),
                *(column[unit] for column in (record["values"], record["half_width"])),
                *(values[unit] for values in record["beside"].values()),
            ]
            for index, record in zip(indices, records, strict=True)
            for unit in range(len(record["values"]))
        },
        ("picture", "layer", "unit"),
        ("exact", "shapley", "half_width", *records[0]["beside"]),
        sum(record["seconds"] for record in records),
    )
    show(arguments, "\n".join(lines), {"model": opened.card.id, "data": opened.data.id, "pictures": records})
    return 0


def _picture(arguments: argparse.Namespace, index: int) -> Record:
    """Values of one picture's layer."""
    opened, indices = open_pictures(arguments)
    x = opened.inputs([index])
    base = replacement_of(arguments, opened, indices, index)
    names = list(contributions(opened.model, x).names)
    if arguments.layer is not None and arguments.layer not in names:
        raise InputError(f"Expected --layer in {names}, got {arguments.layer!r}.")
    call = max(0, len(names) - 2) if arguments.layer is None else names.index(arguments.layer)
    game = Game(opened.model, x, None, call, base, arguments.unit)
    exact = game.units <= MOST_EXACT
    found = exact_shapley(game) if exact else sampled_shapley(game, arguments.orders, arguments.seed)
    scores = cheaper_scores(game)
    return {
        "picture": opened.data[index].name,
        "layer": found.name,
        "unit": game.unit,
        "replacement": base.name,
        "exact": exact,
        "orders": found.orders,
        "coalitions": found.coalitions,
        "values": found.values.tolist(),
        "half_width": found.half_width.tolist(),
        "empty": found.empty,
        "full": found.full,
        "beside": {name: values.tolist() for name, values in scores.items()},
        "spearman": {
            name: float(spearmanr(found.values.cpu(), values.cpu()).statistic)
            for name, values in scores.items()
        },
    }


def _said(record: Record) -> list[str]:
    """The strongest units of a picture, and how the cheap scores rank all."""
    how = "exact" if record["exact"] else f"{record['orders']} pairs of orders, 95 % interval"
    values, unit = record["values"], record["unit"]
    lines = [
        f"{record['picture']}, {record['layer']}: {len(values)} {unit}s, others become "
        f"{record['replacement']}; v(none) {record['empty']:.3f}, v(all) {record['full']:.3f}; "
        f"{record['coalitions']} coalitions, {how}"
    ]
    for k in sorted(range(len(values)), key=lambda k: -abs(values[k]))[:10]:
        half = "" if record["exact"] else f" +- {record['half_width'][k]:.4f}"
        cheap = ", ".join(f"{name} {found[k]:.4f}" for name, found in record["beside"].items())
        lines.append(f"  {unit} {k}: {values[k]:.4f}{half}; {cheap}")
    ranks = ", ".join(f"{name} {rank:.3f}" for name, rank in record["spearman"].items())
    return [*lines, f"  Spearman with Shapley: {ranks}"]
