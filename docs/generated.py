"""What the documentation holds that is made from the code and the runs, when the site is built.

Tables, and views whose sliders move in the middle of a text.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from scipy.stats import binomtest, spearmanr

from pruneattr_core import compare, explain_view, load_model, model_card
from pruneattr_core.analysis.alike import alike, sparsities
from pruneattr_core.analysis.table_run import Table, read_table
from pruneattr_core.assets import ASSETS
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.run import Run, read_run, statistics
from pruneattr_core.benchmarks.scoreboard import markdown as markdown_board
from pruneattr_core.benchmarks.scoreboard import rankings
from pruneattr_core.benchmarks.summary import shares, summary
from pruneattr_core.datasets import load_dataset
from pruneattr_core.gallery import exhibits
from pruneattr_core.reproduction.page import all_claims, markdown
from pruneattr_core.share.live import Live

#: Share of the neurons at which the controls of circuits are shown.
_SIZE = 0.2
#: Distances at which the affine error is shown, in radii.
_RADII = ("0.99", "2", "10", "100", "1000")
_TABLES = {
    "<!-- methods -->": "methods",
    "<!-- reproduction -->": "reproduction",
    "<!-- circuits -->": "circuits",
    "<!-- theory -->": "theory",
    "<!-- localisation -->": "localisation",
    "<!-- scoreboard -->": "scoreboard",
    "<!-- gallery -->": "gallery",
}
#: In a page: the name of a view of `_VIEWS`, and what a reader may do with it.
_LIVE = re.compile(r"<!-- live (\w+): (.+?) -->")
#: Where the app listens unless another port is said, and how many views the gallery names.
_APP, _LINKS = "http://localhost:8501", 30
#: Places of the dial in a text: enough to pull, and small.
_SHARES = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)


def methods() -> str:
    """The table of methods, as the library has it."""
    rows = [
        f"| `{name}` | {method.title} | {'both signs' if method.signed else 'one sign'} | {method.citation} |"
        for name, method in METHODS.items()
    ]
    return "\n".join(["| name | method | values | source |", "|---|---|---|---|", *rows])


def reproduction() -> str:
    """Every claim with its verdict."""
    return markdown(all_claims())


def circuits() -> str:
    """Answers kept by paths of rising size, and the controls at one size, from the shipped runs."""
    folder = ASSETS / "runs" / "bench"
    lines: list[str] = []
    for name in ("resnet8-circuits", "scenes-circuits", "lite0-circuits"):
        if (folder / name).is_dir():
            run = read_run(folder / name)
            lines += [
                f"### {run.plan.model['title']}",
                "",
                *_kept(run),
                "",
                *_areas(run),
                "",
                *_controls(run),
                "",
            ]
    return "\n".join(lines)


def _kept(run: Run) -> list[str]:
    """The share that keeps its answer, by size."""
    lines = [
        f"{run.plan.n} pictures of {run.plan.data['title']}; share that keeps its answer when this share of "
        "all neurons stays:",
        "",
        "| score, rest becomes | " + " | ".join(f"{float(size):.0%}" for size in run.plan.x) + " |",
        "|---|" + "---|" * len(run.plan.x),
    ]
    for label in run.plan.labels:
        kept = statistics(run.of(label, "path_kept"))[0]
        lines.append(f"| {label} | " + " | ".join(f"{share:.2f}" for share in kept) + " |")
    return lines


def _areas(run: Run) -> list[str]:
    """CPR and CMD, and what a random path and the rest of the network have."""
    lines = [
        f"Areas over 0 to {float(run.plan.x[-1]):.0%} of the neurons, medians [quartiles] over the pictures: "
        "CPR under faithfulness (1 is the whole network's response at every size, 0 that of none of its "
        "neurons), CMD between it and 1 (0 is best):",
        "",
        "| score, rest becomes | CPR | CMD | CPR of a random path | without its path |",
        "|---|---|---|---|---|",
    ]
    for label in run.plan.labels:
        own = shares(run, label)
        others = (shares(run, label, f"{kind}_faithfulness")["CPR"] for kind in ("random", "rest"))
        cells = [_quartiles(areas) for areas in (own["CPR"], own["CMD"], *others)]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def _quartiles(values: np.ndarray) -> str:
    low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75))
    return f"{middle:z.2f} [{low:z.2f}, {high:z.2f}]"


def _controls(run: Run) -> list[str]:
    """The same share at one size, beside the paths without which it says little; 95 % Wilson intervals."""
    at = [float(size) for size in run.plan.x].index(_SIZE)
    kinds = {"path": "its path", "runner_up": "the runner-up's", "neighbour": "another picture's"}
    kinds |= {"random": "random", "rest": "all but its path"}
    lines = [
        f"The same at {_SIZE:.0%}, beside the controls (95 % Wilson intervals over the pictures):",
        "",
        "| score, rest becomes | " + " | ".join(kinds.values()) + " |",
        "|---|" + "---|" * len(kinds),
    ]
    for label in run.plan.labels:
        cells = []
        for kind in kinds:
            found = run.of(label, f"{kind}_kept")[at]
            ends = binomtest(int(found.sum()), len(found)).proportion_ci(method="wilson")
            cells.append(f"{found.mean():.2f} [{ends.low:.2f}, {ends.high:.2f}]")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def theory() -> str:
    """Radius and affine error, nesting, overlaps and Shapley values, from the shipped runs."""
    folder = ASSETS / "runs" / "theory"
    tables = {file.parent.name: read_table(file.parent) for file in sorted(folder.glob("*/header.json"))}
    kinds = {"linearity": _linearity, "nesting": _nesting, "shapley": _shapley}
    return "\n".join(
        line
        for kind, write in kinds.items()
        for line in write([table for table in tables.values() if table.kind == kind])
    )


def _linearity(tables: list[Table]) -> list[str]:
    lines = [
        "**Local linearity** (SCP Prop. 4, 5). With all but the path of 90 % sparsity constant, no neuron of "
        "it switches within the radius of the picture (l2, of the normalised input). Medians over pictures; "
        "the error of the affine map is the largest of 16 random directions and the way to the nearest "
        "switch, in logits.",
        "",
        "| network | n | how | radius | of the picture's length | error at 0.99 | 2 | 10 | 100 | 1000 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for table in tables:
        radius = table.column("radius")
        errors = [float(np.median(table.column(f"error at {at}"))) for at in _RADII]
        config, share = table.header["config"], float(np.median(radius / table.column("norm")))
        cells = [
            table.header["model"]["title"],
            str(len(radius)),
            "exact" if config["exact"] else f"risk {config['risk']:g}",
            f"{np.median(radius):.3g}",
            f"{share:.2%}",
            *(f"{error:.2g}" for error in errors),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", *_exactness(tables)]


def _exactness(tables: list[Table]) -> list[str]:
    """The fast radius beside the exact one, where both know a picture."""
    said = []
    for exact in (table for table in tables if table.header["config"]["exact"]):
        for fast in tables:
            alike = fast.header["model"] == exact.header["model"] and not fast.header["config"]["exact"]
            if not alike or fast.header["config"]["sparsity"] != exact.header["config"]["sparsity"]:
                continue
            known = dict(zip((row[0] for row in fast.rows), fast.column("radius"), strict=True))
            pairs = [
                (known[row[0]], value)
                for row, value in zip(exact.rows, exact.column("radius"), strict=True)
                if row[0] in known
            ]
            if pairs:
                worst = max(abs(found / value - 1) for found, value in pairs)
                said.append(
                    f"On {len(pairs)} pictures the exact radius of {exact.header['model']['title']} is known "
                    f"too: the fast one differs by at most {worst:.2%}."
                )
    return [*said, ""]


def _nesting(tables: list[Table]) -> list[str]:
    lines = [
        "**Nesting and overlap** (SCP section 2.4). Jaccard of the paths of two pictures, of one answer and "
        "of different ones; and the share of a path that lies in the same picture's path of the sparsity "
        "before.",
        "",
        "| network | n | method | sparsity | one answer | different ones | chance | in the larger path |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for table in tables:
        for sparsity in sparsities(table):
            found = alike(table, sparsity)
            cells = [
                table.header["model"]["title"],
                str(len(found.answers)),
                table.header["config"]["method"],
                sparsity,
                *(
                    "-" if one is None else f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]"
                    for one in (found.within, found.between)
                ),
                f"{found.chance:.3f}",
                "-" if found.inside is None else f"{found.inside.mean:.1%}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def _shapley(tables: list[Table]) -> list[str]:
    lines = [
        "**Shapley values** (SCP Lemma 1) of one layer's channels, sampled, beside cheaper scores: the mean "
        "over pictures of Spearman's rank correlation.",
        "",
        "| network | n | layer | others become | Taylor | integrated | ablation |",
        "|---|---|---|---|---|---|---|",
    ]
    for table in tables:
        pictures = list(dict.fromkeys(row[0] for row in table.rows))
        ranks = [
            np.mean(
                [
                    spearmanr(table.column("shapley", picture=one), table.column(name, picture=one)).statistic
                    for one in pictures
                ]
            )
            for name in ("taylor", "integrated", "ablation")
        ]
        cells = [
            table.header["model"]["title"],
            str(len(pictures)),
            table.rows[0][1],
            table.header["config"]["replacement"],
            *(f"{rank:.3f}" for rank in ranks),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def localisation() -> str:
    """Where maps lie on photographs with masks, from the shipped runs."""
    lines = []
    for name in ("lite0-davis", "lite0-davis-dial", "squeezenet-davis", "squeezenet-davis-dial"):
        run = read_run(ASSETS / "runs" / "bench" / name)
        n = int(statistics(run.of(run.plan.labels[0], "roc_auc"))[2][0])
        lines += [
            f"{run.plan.model['title']}, {run.plan.data['title']}, {n} pictures that are named rightly "
            f"(of {run.plan.n}); ± is the standard error:",
            "",
            "| method | ROC-AUC | point accuracy | mass inside |",
            "|---|---|---|---|",
        ]
        for row in summary(run):
            cells = [f"{row[key]:.3f} ± {row[f'{key} ±']:.3f}" for key in run.plan.measures]
            lines.append(f"| {row['method']} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def scoreboard() -> str:
    """Rankings of the shipped runs at nearly all pixels, on objects, and by what reviewers ask."""
    folder = ASSETS / "runs" / "bench"
    runs = {file.parent.name: read_run(file.parent) for file in sorted(folder.glob("*/header.json"))}
    fair = {name: run for name, run in runs.items() if run.plan.protocol.get("order_by") != "value"}
    return markdown_board(rankings(fair))


def gallery() -> str:
    """The gallery's pictures as links into the app, each with Compare beside it."""
    lines = ["| picture | network | explorer | methods beside it |", "|---|---|---|---|"]
    for shown in exhibits(_LINKS):
        asked = urlencode({"model": shown.model, "source": shown.data, "picture": shown.place})
        name, title = load_dataset(shown.data)[shown.place].name, model_card(shown.model).title
        links = f"[0.9 of the contributing]({_APP}/?{asked}&dial=contributing&at=0.9)"
        lines.append(f"| {name} | {title} | {links} | [Compare]({_APP}/compare?{asked}) |")
    return "\n".join(lines)


def scene() -> Live:
    """The explorer, on the scene of the first steps."""
    sample = load_dataset("scenes")[3]
    return explain_view("scenes-net", sample.image, picture=sample.name, shares=_SHARES)


def freeze() -> Live:
    """The same scene with pruned neurons kept as constants."""
    sample = load_dataset("scenes")[3]
    return explain_view("scenes-net", sample.image, mode="freeze", picture=sample.name, shares=_SHARES)


def methods_beside() -> Live:
    """A scene under four methods; those that prune follow one slider."""
    model, card, sample = load_model("scenes-net"), model_card("scenes-net"), load_dataset("scenes")[3]
    asked = ("prunegrad", "saliency", "gradcam", "edges")
    inputs = card.preprocess(sample.image)
    return compare(model, inputs, asked, card=card, titles=[sample.name], curves=False)


_VIEWS = {"scene": scene, "freeze": freeze, "methods": methods_beside}
#: Of a frame in the text, in pixels: the explorer's width there puts its parts below one another.
_HEIGHTS = {"scene": 900, "freeze": 900, "methods": 640}


def on_page_markdown(text: str, page: Any, **_: Any) -> str:
    """MkDocs calls this for each page: a marker becomes its table, or the frame of its view."""
    for marker, name in _TABLES.items():
        if marker in text:
            text = text.replace(marker, globals()[name]())
    up = "../" * page.url.count("/")

    def framed(found: re.Match[str]) -> str:
        name, words = found.groups()
        return (
            f'<iframe src="{up}live/{name}.html" title="{escape(words)}" loading="lazy" '
            f'style="width: 100%; height: {_HEIGHTS[name]}px; border: 0"></iframe>\n\n'
            f'<small>{escape(words)} <a href="{up}live/{name}.html">The view alone</a></small>'
        )

    return _LIVE.sub(framed, text)


def on_post_build(config: Any, **_: Any) -> None:
    """MkDocs calls this at the end: the views, each one file that asks nothing of any server."""
    folder = Path(config["site_dir"]) / "live"
    folder.mkdir(exist_ok=True)
    for name, make in _VIEWS.items():
        make().save(folder / f"{name}.html")
