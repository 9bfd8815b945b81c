"""`linearity`: how far a picture may move before its frozen path switches a neuron (SCP Prop. 4, 5)."""

from __future__ import annotations

import argparse
import copy
import math

from pruneattr_core.analysis.interval import mean_interval
from pruneattr_core.analysis.linearity import affine_error, linear_radius
from pruneattr_core.commands.arguments import count, number, share, show
from pruneattr_core.commands.keeping import Record, add_keeping, keep, kept, over_pictures
from pruneattr_core.commands.pictures import add_pictures, open_pictures
from pruneattr_core.scoring import contributions
from pruneattr_core.share.words import counted

#: Radii of the spheres on which the error is measured, in units of the ball's.
FACTORS = (0.5, 0.99, 2.0, 10.0, 100.0, 1000.0)
#: Numbers of a picture before those.
_ROW = ("radius", "norm", "checked", "neurons", "risk")
__all__ = ["add_arguments", "kept", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `linearity`."""
    add_pictures(parser, 4)
    add_keeping(parser)
    parser.add_argument("--sparsity", type=share, default=0.9, help="of the path (default %(default)s)")
    parser.add_argument(
        "--exact", action="store_true",
        help="no risk of a miss: a minute a picture of 32 pixels, for photographs a longer search",
    )  # fmt: skip
    parser.add_argument(
        "--risk", type=number(0, 1, open_low=True, open_high=True), default=0.001,
        help="chance of having missed a radius more than 5 %% smaller (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--probes", type=count, default=24,
        help="random directions of the search, at most; few make it slow: what they leave open is decided "
        "neuron by neuron (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--directions", type=count, default=16,
        help="random directions along which the affine error is measured (default %(default)s)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Print the radius and the affine error of every picture."""
    opened, indices = open_pictures(arguments)
    rows = over_pictures(arguments, opened, indices, _picture)
    lines = []
    for row in rows:
        errors = ", ".join(f"{value:.2g} at {factor} radii" for factor, value in row.get("error", {}).items())
        lines.append(
            f"{row['picture']}: radius {row['radius']:.4g} (the picture's norm is {row['norm']:.4g}), "
            f"{row['checked']} of {row['neurons']} neurons checked, risk {row['risk']:.1e}; "
            f"affine error in logits {errors or 'undefined'}"
        )
    finite = [row["radius"] for row in rows if math.isfinite(row["radius"])]
    mean = mean_interval(finite).mean if finite else math.inf
    lines.append(
        f"mean radius {mean:.4g} over {counted(len(finite), 'pictures')}, sparsity {arguments.sparsity:g}"
    )
    record = {"model": opened.card.id, "data": opened.data.id, "sparsity": arguments.sparsity}
    keep(
        arguments,
        opened,
        indices,
        {(str(i), row["picture"]): _numbers(row) for i, row in zip(indices, rows, strict=True)},
        ("index", "picture"),
        (*_ROW, *(f"{what} at {factor:g}" for what in ("error", "change") for factor in FACTORS)),
        sum(row["seconds"] for row in rows),
    )
    show(arguments, "\n".join(lines), {**record, "mean": mean, "pictures": rows})
    return 0


def _picture(arguments: argparse.Namespace, index: int) -> Record:
    """Radius and errors of one picture, in float64."""
    opened, _ = open_pictures(arguments)
    model = copy.deepcopy(opened.model).double()  # the one that is open is everybody's
    risk = None if arguments.exact else arguments.risk
    x = opened.inputs([index]).double()
    path = contributions(model, x).path(arguments.sparsity)
    ball = linear_radius(model, x, path, probes=arguments.probes, seed=arguments.seed, risk=risk)
    row: Record = {
        "picture": opened.data[index].name,
        "radius": float(ball.value),
        "norm": float(x.norm()),
        "checked": int(ball.checked),
        "neurons": int(ball.neurons),
        "risk": float(ball.risk),
    }
    if math.isfinite(row["radius"]):
        found = affine_error(
            model, x, path, ball.value, None, FACTORS, arguments.directions, arguments.seed, ball.normal
        )
        for name, values in (("error", found.error), ("change", found.change)):
            row[name] = dict(zip(map(str, FACTORS), values[:, 0].tolist(), strict=True))
    return row


def _numbers(row: Record) -> list[float]:
    """The row's numbers; nan where the radius is infinite."""
    own = [float(row[name]) if math.isfinite(row[name]) else math.nan for name in _ROW]
    return own + [row.get(what, {}).get(str(f), math.nan) for what in ("error", "change") for f in FACTORS]
