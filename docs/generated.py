"""Pages and tables of the documentation that are made from the code and the runs, when the site is built."""

from __future__ import annotations

from typing import Any

from pruneattr_core.assets import ASSETS
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.run import Run, read_run, statistics
from pruneattr_core.benchmarks.scoreboard import markdown as markdown_board
from pruneattr_core.benchmarks.scoreboard import rankings
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.reproduction.page import all_claims, markdown

#: Share of the neurons at which the controls of circuits are shown.
_SIZE = 0.2
_TABLES = {
    "<!-- methods -->": "methods",
    "<!-- reproduction -->": "reproduction",
    "<!-- circuits -->": "circuits",
    "<!-- localisation -->": "localisation",
    "<!-- scoreboard -->": "scoreboard",
}


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
    """Answers kept by paths of rising size, from the shipped run."""
    run = read_run(ASSETS / "runs" / "bench" / "resnet8-circuits")
    shown = [k for k, size in enumerate(run.plan.x) if float(size) in (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)]
    lines = [
        f"{run.plan.model['title']}, {run.plan.n} pictures of {run.plan.data['title']}; share that keeps its "
        "answer when this share of all neurons stays:",
        "",
        "| score, rest becomes | " + " | ".join(f"{float(run.plan.x[k]):.0%}" for k in shown) + " |",
        "|---|" + "---|" * len(shown),
    ]
    for label in run.plan.labels:
        kept = statistics(run.of(label, "path_kept"))[0]
        lines.append(f"| {label} | " + " | ".join(f"{kept[k]:.2f}" for k in shown) + " |")
    return "\n".join([*lines, "", *_controls(run)])


def _controls(run: Run) -> list[str]:
    """The same share at one size, beside the paths without which it says little; ± is the standard error."""
    at = [float(size) for size in run.plan.x].index(_SIZE)
    kinds = {"path": "its path", "runner_up": "the runner-up's", "neighbour": "another picture's"}
    kinds |= {"random": "random", "rest": "all but its path"}
    lines = [
        f"The same at {_SIZE:.0%}, beside the controls (± standard error over the pictures):",
        "",
        "| score, rest becomes | " + " | ".join(kinds.values()) + " |",
        "|---|" + "---|" * len(kinds),
    ]
    for label in run.plan.labels:
        cells = []
        for kind in kinds:
            mean, spread, count = (values[at] for values in statistics(run.of(label, f"{kind}_kept")))
            cells.append(f"{mean:.2f} ± {spread / count**0.5:.2f}")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def localisation() -> str:
    """Where maps lie on photographs with masks, from the shipped runs."""
    lines = []
    for name in ("lite0-davis", "lite0-davis-dial", "squeezenet-davis-dial"):
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


def on_page_markdown(text: str, **_: Any) -> str:
    """MkDocs calls this for each page: a marker becomes its table."""
    for marker, name in _TABLES.items():
        if marker in text:
            text = text.replace(marker, globals()[name]())
    return text
