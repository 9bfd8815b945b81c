"""A plan: everything that determines a run's numbers, as one frozen value that JSON can hold.

Two runs with one plan hold the same numbers, bit for bit; two runs compare when their protocols agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from pruneattr_core.errors import StoreError
from pruneattr_core.runs.stored import LIMIT

#: Part of a plan's identity since the first schema, so that runs keep their names.
_IDENTITY = {"schema": "pruneattr-run/1"}
#: No text of a run has these; pages show texts as Markdown, where they would make links and pictures.
_MARKUP = frozenset("[]<>`$\\")
#: No point of an axis is as far out; beyond, areas and ticks overflow.
_FAR = 1e15
#: Stands for a protocol entry that a run does not have.
UNSAID = "not said"


@dataclass(frozen=True)
class Plan:
    """What is computed.

    Attributes:
        benchmark: key of `protocols.BENCHMARKS`.
        protocol: every free choice of the benchmark: name -> text, number or list.
        methods: one {"id", "label", "options"} each; labels differ.
        measures: names of what is measured.
        x: points of the horizontal axis, numbers or names.
        model: "id", "title", "weights_sha256" (over the state dict).
        data: "id", "title", "sha256", "seed", "indices", "names", and "labelled": whether
            right classes are known.
        chunk: pictures of one cell.
        versions: of the libraries, with device and threads: other ones may give other last bits.
    """

    benchmark: str
    protocol: Mapping[str, Any]
    methods: tuple[Mapping[str, Any], ...]
    measures: tuple[str, ...]
    x: tuple[float | str, ...]
    model: Mapping[str, Any]
    data: Mapping[str, Any]
    chunk: int
    versions: Mapping[str, str]

    @property
    def n(self) -> int:
        """Number of pictures."""
        return len(self.data["indices"])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the values: methods, measures, points, pictures."""
        return len(self.methods), len(self.measures), len(self.x), self.n

    @property
    def cells(self) -> tuple[tuple[int, slice], ...]:
        """(method, pictures) of every cell; pictures outside, so that early cells show all methods."""
        starts = range(0, self.n, self.chunk)
        parts = [slice(start, min(start + self.chunk, self.n)) for start in starts]
        return tuple((method, part) for part in parts for method in range(len(self.methods)))

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the methods."""
        return tuple(str(method["label"]) for method in self.methods)

    def json(self) -> dict[str, Any]:
        """As JSON holds it: lists instead of tuples."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    def sha256(self) -> str:
        """Identity of the plan."""
        return hashlib.sha256(json.dumps(self.json() | _IDENTITY, sort_keys=True).encode()).hexdigest()


def plan_from(header: Mapping[str, Any]) -> Plan:
    """The plan in a header that may come from anybody.

    Raises:
        StoreError: what is missing or of the wrong kind.
    """
    given: dict[str, Any] = {field.name: header.get(field.name) for field in fields(Plan)}
    for name, kind in _KINDS.items():
        if not isinstance(given[name], kind) or isinstance(given[name], bool):
            raise StoreError(f"The run's header has no usable {name!r}: export the run again.")
    try:
        _check(given)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"The run's header is damaged ({type(error).__name__}: {str(error)[:80]})."
        ) from error
    for name in ("methods", "measures", "x"):
        given[name] = tuple(given[name])
    return Plan(**given)


_KINDS: dict[str, type] = {
    "benchmark": str,
    "protocol": dict,
    "methods": list,
    "measures": list,
    "x": list,
    "model": dict,
    "data": dict,
    "chunk": int,
    "versions": dict,
}


def _check(given: dict[str, Any]) -> None:
    texts = [*given["measures"], *given["versions"].values(), given["model"]["id"], given["model"]["title"]]
    texts += [
        given["model"]["weights_sha256"],
        given["data"]["id"],
        given["data"]["title"],
        given["data"]["sha256"],
    ]
    texts += [method[key] for method in given["methods"] for key in ("id", "label")]
    texts += given["data"]["names"]
    if any(not isinstance(text, str) or len(text) > 200 for text in texts):
        raise ValueError("a text is missing or too long")
    shown = (given["protocol"], given["methods"], given["measures"], given["model"], given["versions"])
    told = (*shown, given["x"], given["data"]["title"])
    if any(_MARKUP & set(text) for part in told for text in _strings(part)):
        raise ValueError("markup in a text")
    if any(not isinstance(method["options"], dict) for method in given["methods"]):
        raise ValueError("options of a method")
    reduction = given["protocol"].get("reduction", [])
    if not isinstance(reduction, list) or not all(isinstance(text, str) for text in reduction):
        raise ValueError("a reduction that is no list of texts")
    numbers = [x for x in given["x"] if isinstance(x, (int, float)) and not isinstance(x, bool)]
    if not all(abs(x) < _FAR for x in numbers) or len(numbers) not in (0, len(given["x"])):
        raise ValueError("points that are neither all numbers nor all names")
    if len(numbers) != len(given["x"]) and not all(isinstance(x, str) and len(x) < 100 for x in given["x"]):
        raise ValueError("points that are neither all numbers nor all names")
    indices = given["data"]["indices"]
    if any(not isinstance(i, int) or isinstance(i, bool) or i < 0 for i in indices):
        raise ValueError("indices of pictures")
    if len(indices) != len(given["data"]["names"]) or not isinstance(given["data"]["seed"], int):
        raise ValueError("pictures and names do not match")
    if len(set(given["measures"])) != len(given["measures"]):
        raise ValueError("a measure is named twice")
    if len({method["label"] for method in given["methods"]}) != len(given["methods"]):
        raise ValueError("a method is named twice")
    size = len(given["methods"]) * len(given["measures"]) * len(given["x"]) * len(indices)
    if not 1 <= size <= LIMIT or given["chunk"] < 1:
        raise ValueError(f"{size} values")


def _strings(value: Any) -> Iterator[str]:
    """Every text in a piece of JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inside in value.items():
            yield key
            yield from _strings(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _strings(inside)


def gaps(first: Plan, second: Plan) -> list[tuple[str, Any, Any]]:
    """What keeps two runs out of one plot: (entry, its value there, its value here).

    Model, pictures and methods may differ: a plot names them. So may the measures while they share one, and
    with them the protocol's entries "measure" and "control", which only say what is computed.
    """
    if first.benchmark != second.benchmark:
        return [("benchmark", first.benchmark, second.benchmark)]
    entries = sorted({*first.protocol, *second.protocol} - {"measure", "control"})
    found = [(name, first.protocol.get(name, UNSAID), second.protocol.get(name, UNSAID)) for name in entries]
    if not set(first.measures) & set(second.measures):
        found.append(("measures", first.measures, second.measures))
    numeric = all(not isinstance(x, str) for plan in (first, second) for x in plan.x)
    if numeric:
        found.append(("points", first.x, second.x))
    return [(name, one, other) for name, one, other in found if one != other]
