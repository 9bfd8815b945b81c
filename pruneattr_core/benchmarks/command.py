"""The command that makes a run, read off its plan."""

from __future__ import annotations

import json
import shlex
from typing import Any

from pruneattr_core.attribution import METHODS
from pruneattr_core.attribution.options import checked
from pruneattr_core.benchmarks.plan import Plan
from pruneattr_core.benchmarks.protocols import BENCHMARKS
from pruneattr_core.benchmarks.protocols.retraining import ALL, ROAR, SETTINGS
from pruneattr_core.models.declared import is_code


def command_of(plan: Plan) -> str:
    """`python -m pruneattr_core bench ...` that computes the plan again.

    --root and --weights are not said: where things lie is no part of a plan. --device is where it tells the
    precision of trainings; --out names some new folder, and FOLDER stands for one of somebody's own pictures.
    """
    chosen = _roar(plan) if plan.benchmark == "roar" else _choices(plan)
    words = ["python", "-m", "pruneattr_core", "bench", plan.benchmark, "--model", plan.model["id"]]
    words += [*data_words(plan.data["id"]), *chosen, "--seed", str(plan.data["seed"])]
    words += ["--chunk", str(plan.chunk), "--threads", plan.versions.get("threads", "1")]
    if plan.benchmark == "roar" and plan.versions.get("device", "cpu") not in ("cpu", "mps"):
        words += ["--device", "cuda"]
    words += ["--out", "my-run", "--methods"]
    words += [method["id"] if BENCHMARKS[plan.benchmark].rows else _named(method) for method in plan.methods]
    return shlex.join(words)


def data_words(data: str) -> list[str]:
    """The options that name a data set; a folder of one's own must be named besides."""
    return ["--data", data, *(["--root", "FOLDER"] if data == "folder" else [])]


def _named(method: Any) -> str:
    """`name:option=value,...` with the options that differ from the defaults."""
    known = METHODS.get(method["id"])  # a run may come from another version
    if is_code(method["id"]):
        return str(method["id"])
    defaults = {} if known is None else checked(known.title, known.options, {})
    said = str(method["label"]).partition("(")[
        2
    ]  # what was given is named there, even where it is the default
    other = {
        name: value
        for name, value in method["options"].items()
        if value != defaults.get(name) or f"{name} {value}" in said
    }
    given = ",".join(f"{name}={_written(value)}" for name, value in other.items())
    return f"{method['id']}:{given}" if given else str(method["id"])


def _written(value: Any) -> str:
    """As people write it: 0 for 0.0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def _choices(plan: Plan) -> list[str]:
    words = ["--n", str(plan.n)]
    for name, default in BENCHMARKS[plan.benchmark].choices.items():
        value = plan.protocol.get(name, default)
        if value != default:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def _roar(plan: Plan) -> list[str]:
    """The setting, and the numbers that are not its own."""
    setting = plan.protocol["setting"]
    words = ["--setting", setting]
    texts = {name: ROAR.choices[name] for name in ("measure", "collapse", "order_by")}
    for name, default in (SETTINGS[setting] | texts).items():
        value = plan.protocol.get(name, default)
        if value != default and value != ALL:
            listed = value if isinstance(value, list) else [value]
            words += ["--n" if name == "train" else f"--{name.replace('_', '-')}", *map(str, listed)]
    return words
