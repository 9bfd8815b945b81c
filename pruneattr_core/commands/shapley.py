"""`shapley`: Shapley values of one layer's units, exact or sampled, beside the scores that are cheap."""

from __future__ import annotations

import argparse

from scipy.stats import spearmanr

from pruneattr_core.circuits.shapley import MOST_EXACT, Game, beside, exact_shapley, sampled_shapley
from pruneattr_core.commands.arguments import show, whole
from pruneattr_core.commands.pictures import add_pictures, open_pictures
from pruneattr_core.commands.progress import Progress
from pruneattr_core.commands.replacing import add_replacement, replacement_of
from pruneattr_core.errors import InputError
from pruneattr_core.scoring import contributions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `shapley`."""
    add_pictures(parser, 1)
    add_replacement(parser)
    parser.add_argument("--layer", help="name of the activation call (default the last but one)")
    parser.add_argument("--unit", choices=("channel", "neuron"), default="channel")
    parser.add_argument(
        "--orders", type=whole(2), default=64,
        help=f"pairs of orders drawn where there are more than {MOST_EXACT} units (default %(default)s)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Print the values of the strongest units, and how the cheap scores rank all of them."""
    opened, indices = open_pictures(arguments)
    lines, records = [], []
    for index in indices:
        x = opened.inputs([index])
        base = replacement_of(arguments, opened, indices, x)
        names = list(contributions(opened.model, x).names)
        if arguments.layer is not None and arguments.layer not in names:
            raise InputError(f"Expected --layer in {names}, got {arguments.layer!r}.")
        call = max(0, len(names) - 2) if arguments.layer is None else names.index(arguments.layer)
        game = Game(opened.model, x, None, call, base, arguments.unit)
        tick = Progress("coalitions")
        exact = game.units <= MOST_EXACT
        found = (
            exact_shapley(game, tick)
            if exact
            else sampled_shapley(game, arguments.orders, arguments.seed, tick)
        )
        scores = beside(game)
        ranks = {name: float(spearmanr(found.values, values).statistic) for name, values in scores.items()}
        lines.append(
            f"{opened.data[index].name}, {found.name}: {game.units} {game.unit}s, others become {base.name}; "
            f"v(none) {found.empty:.3f}, v(all) {found.full:.3f}; {found.coalitions} coalitions, "
            f"{'exact' if exact else f'{found.orders} pairs of orders, 95 % interval'}"
        )
        order = found.values.abs().argsort(descending=True)[:10].tolist()
        for unit in order:
            half = "" if exact else f" +- {float(found.half_width[unit]):.4f}"
            cheap = ", ".join(f"{name} {float(values[unit]):.4f}" for name, values in scores.items())
            lines.append(f"  {game.unit} {unit}: {float(found.values[unit]):.4f}{half}; {cheap}")
        lines.append("  Spearman with Shapley: " + ", ".join(f"{name} {r:.3f}" for name, r in ranks.items()))
        records.append(
            {
                "picture": opened.data[index].name,
                "layer": found.name,
                "unit": game.unit,
                "replacement": base.name,
                "exact": exact,
                "values": found.values.tolist(),
                "half_width": found.half_width.tolist(),
                "empty": found.empty,
                "full": found.full,
                "beside": {name: values.tolist() for name, values in scores.items()},
                "spearman": ranks,
            }
        )
    show(arguments, "\n".join(lines), {"model": opened.card.id, "data": opened.data.id, "pictures": records})
    return 0
